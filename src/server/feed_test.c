#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "server/feed.h"

static void add(struct feed *f, uint64_t batch, const char *json) {
    struct feed_event event = {
        .transaction = 1, .batch = batch, .seq = 1, .name = SLICE("tx.op"), .json = slice_text(json)
    };
    feed_add(f, &event);
}

static void events_show_when_their_batch_is_durable(void **state) {
    struct feed *f;
    struct feed_event event;
    (void)state;
    assert_int_equal(feed_new(&f, 16, 10000), 0);
    feed_watch(f, 1000);
    uint64_t from = feed_newest(f);
    assert_int_equal(feed_next(f, from, &event), ERR_NOT_FOUND);
    add(f, 5, "one");
    add(f, 6, "two");
    assert_int_equal(feed_next(f, from, &event), ERR_NOT_FOUND);
    feed_durable(f, 5);
    assert_int_equal(feed_next(f, from, &event), 0);
    assert_true(slice_is(event.json, "one"));
    assert_true(slice_is(event.name, "tx.op"));
    assert_true(event.number == from + 1);
    assert_int_equal(feed_next(f, event.number, &event), ERR_NOT_FOUND);
    feed_durable(f, 6);
    assert_int_equal(feed_next(f, from + 1, &event), 0);
    assert_true(slice_is(event.json, "two"));
    feed_free(f);
}

static void readers_that_fall_behind_learn_it(void **state) {
    struct feed *f;
    struct feed_event event;
    char text[16];
    (void)state;
    assert_int_equal(feed_new(&f, 16, 10000), 0);
    feed_watch(f, 0);
    feed_durable(f, 1);
    uint64_t from = feed_newest(f);
    for (int i = 0; i < 16; i++) {
        snprintf(text, sizeof text, "%d", i);
        add(f, 1, text);
    }
    assert_int_equal(feed_next(f, from, &event), 0);
    add(f, 1, "16");
    assert_int_equal(feed_next(f, from, &event), ERR_LIMIT);
    assert_int_equal(feed_next(f, feed_oldest(f) - 1, &event), 0);
    assert_true(slice_is(event.json, "1"));
    assert_int_equal(feed_next(f, feed_newest(f) + 1, &event), ERR_LIMIT);
    assert_int_equal(feed_next(f, UINT64_MAX - 1, &event), ERR_LIMIT);
    assert_int_equal(feed_next(f, feed_newest(f), &event), ERR_NOT_FOUND);
    feed_free(f);
}

static void bytes_are_bounded(void **state) {
    struct feed *f;
    struct feed_event event;
    static char large[2000];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof large; i++)
        large[i] = 'x';
    assert_int_equal(feed_new(&f, 1000, 10000), 0);
    feed_watch(f, 0);
    feed_durable(f, 1);
    for (int i = 0; i < 100; i++)
        add(f, 1, large);
    assert_in_range(feed_newest(f) - feed_oldest(f) + 1, 1, 6);
    assert_int_equal(feed_next(f, feed_newest(f) - 1, &event), 0);
    feed_free(f);
}

static void under_load_nobody_in_particular_is_not_served(void **state) {
    struct feed *f;
    struct feed_event event;
    uint64_t hour = 3600 * 1000;
    int wanted = 0;
    (void)state;
    assert_int_equal(feed_new(&f, 16, 10000), 0);
    feed_durable(f, 1);
    /* Quiet and unwatched: recorded all the same. */
    assert_true(feed_wants(f, hour));
    add(f, 1, "one");
    uint64_t read = feed_newest(f);
    assert_true(feed_wants(f, hour + 1000));
    add(f, 1, "two");
    assert_int_equal(feed_next(f, read, &event), 0);
    /* Busy and unwatched: a gap, which old readers learn of. */
    for (int i = 0; i < 10000; i++)
        wanted += feed_wants(f, hour + 2000);
    assert_in_range(wanted, 1, 1000);
    assert_true(feed_wants(f, hour + 3000));
    add(f, 1, "three");
    assert_int_equal(feed_next(f, read, &event), ERR_LIMIT);
    assert_int_equal(feed_next(f, feed_newest(f) - 1, &event), 0);
    assert_true(slice_is(event.json, "three"));
    /* Busy and watched: everything. */
    feed_watch(f, hour + 4000);
    for (int i = 0; i < 10000; i++)
        assert_true(feed_wants(f, hour + 4000));
    /* Watching after a gap begins anew. */
    for (int i = 0; i < 10000; i++)
        (void)feed_wants(f, 2 * hour);
    read = feed_newest(f);
    feed_watch(f, 2 * hour);
    assert_int_equal(feed_next(f, read, &event), ERR_LIMIT);
    assert_int_equal(feed_next(f, feed_newest(f), &event), ERR_NOT_FOUND);
    feed_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_show_when_their_batch_is_durable),
        cmocka_unit_test(readers_that_fall_behind_learn_it),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(under_load_nobody_in_particular_is_not_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
