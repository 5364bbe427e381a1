#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/feed.h"

static void add(struct feed *f, uint64_t batch, size_t entry, const char *json) {
    struct feed_event event = { .place = feed_place_of(f, batch, entry, 0),
                                .kind = 1,
                                .id = 1,
                                .seq = 1,
                                .name = SLICE("tx.op"),
                                .json = slice_text(json) };
    feed_add(f, &event);
}

static struct feed *open_feed(size_t count_max) {
    struct feed *f;
    assert_int_equal(feed_new(&f, count_max, 10000, 3, 0), 0);
    return f;
}

/* Read everything behind a place; returns how many events there were. */
static size_t read_all(const struct feed *f, struct feed_place *at, char *text, size_t room) {
    struct feed_event event;
    size_t count = 0;
    text[0] = '\0';
    while (feed_next(f, *at, &event) == 0) {
        size_t used = strlen(text);
        snprintf(text + used, room - used, "%.*s ", SLICE_PRINT(event.json));
        *at = event.place;
        count++;
    }
    return count;
}

static void events_are_found_by_their_place(void **state) {
    struct feed *f = open_feed(16);
    struct feed_event event;
    char text[64];
    (void)state;
    struct feed_place from = feed_newest(f);
    assert_int_equal(feed_next(f, from, &event), ERR_NOT_FOUND);
    feed_batch(f, 1, 3);
    assert_int_equal(feed_next(f, from, &event), ERR_NOT_FOUND);
    add(f, 1, 0, "one");
    add(f, 1, 7, "two");
    feed_batch(f, 2, 3);
    feed_batch(f, 3, 3);
    add(f, 3, 2, "three");
    assert_int_equal(feed_next(f, from, &event), 0);
    assert_true(slice_is(event.json, "one"));
    assert_true(slice_is(event.name, "tx.op"));
    assert_int_equal(read_all(f, &from, text, sizeof text), 3);
    assert_string_equal(text, "one two three ");
    assert_int_equal(feed_next(f, from, &event), ERR_NOT_FOUND);
    /* A place between two events, and the end of a batch. */
    struct feed_place between = feed_place_of(f, 1, 3, 0);
    assert_int_equal(feed_next(f, between, &event), 0);
    assert_true(slice_is(event.json, "two"));
    between = feed_place_end(f, 1);
    assert_int_equal(feed_next(f, between, &event), 0);
    assert_true(slice_is(event.json, "three"));
    feed_free(f);
}

static void readers_that_fall_behind_learn_it(void **state) {
    struct feed *f = open_feed(16);
    struct feed_event event;
    char number[16];
    (void)state;
    struct feed_place from = feed_newest(f);
    feed_batch(f, 1, 3);
    for (size_t i = 0; i < 16; i++) {
        snprintf(number, sizeof number, "%zu", i);
        add(f, 1, i, number);
    }
    assert_int_equal(feed_next(f, from, &event), 0);
    add(f, 1, 16, "16");
    assert_int_equal(feed_next(f, from, &event), ERR_LIMIT);
    assert_int_equal(feed_next(f, feed_floor(f), &event), 0);
    assert_true(slice_is(event.json, "1"));
    /* Whoever has read just what was dropped has missed nothing. */
    assert_int_equal(feed_next(f, feed_place_of(f, 1, 0, 0), &event), 0);
    assert_true(slice_is(event.json, "1"));
    /* Of the future: another store's, or a guess. */
    struct feed_place guess = feed_newest(f);
    assert_int_equal(feed_next(f, guess, &event), ERR_NOT_FOUND);
    guess.batch = 2;
    assert_int_equal(feed_next(f, guess, &event), ERR_LIMIT);
    guess.batch = UINT64_MAX;
    assert_int_equal(feed_next(f, guess, &event), ERR_LIMIT);
    feed_free(f);
}

static void bytes_are_bounded(void **state) {
    struct feed *f;
    struct feed_event event;
    static char large[2000];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i + 1 < sizeof large; i++)
        large[i] = 'x';
    assert_int_equal(feed_new(&f, 1000, 10000, 1, 0), 0);
    feed_batch(f, 1, 1);
    for (size_t i = 0; i < 100; i++)
        add(f, 1, i, large);
    for (struct feed_place at = feed_floor(f); feed_next(f, at, &event) == 0; at = event.place)
        count++;
    assert_in_range(count, 1, 5);
    feed_free(f);
}

static void under_load_nobody_in_particular_is_not_served(void **state) {
    struct feed *f = open_feed(16);
    struct feed_event event;
    uint64_t hour = 3600 * 1000;
    (void)state;
    /* Quiet and unwatched: recorded all the same. */
    feed_batch(f, 1, 3);
    assert_true(feed_wants(f, 200, hour));
    assert_true(feed_wants(f, 100, hour));
    /* Busy and unwatched. */
    assert_false(feed_wants(f, 1, hour));
    assert_true(feed_wants(f, 300, hour + 1000));
    assert_false(feed_wants(f, 100000, hour + 2000));
    /* Busy and watched, for ten minutes. */
    feed_watch(f, hour + 2000);
    assert_true(feed_wants(f, 100000, hour + 2000));
    assert_true(feed_wants(f, 100000, hour + 601 * 1000));
    assert_false(feed_wants(f, 100000, hour + 602 * 1000));
    /* Expected: half a minute. */
    feed_expect(f, 2 * hour);
    assert_true(feed_wants(f, 100000, 2 * hour + 29 * 1000));
    assert_false(feed_wants(f, 100000, 2 * hour + 30 * 1000));
    /* Expecting takes nothing from watching. */
    feed_watch(f, 3 * hour);
    feed_expect(f, 3 * hour);
    assert_true(feed_wants(f, 100000, 3 * hour + 60 * 1000));
    /* What was not recorded is a gap, which old readers learn of. */
    add(f, 1, 0, "one");
    struct feed_place read = feed_newest(f);
    feed_batch(f, 2, 3);
    feed_forget(f, feed_place_end(f, 2));
    assert_int_equal(feed_next(f, read, &event), ERR_LIMIT);
    struct feed_place now = feed_newest(f);
    assert_int_equal(feed_next(f, now, &event), ERR_NOT_FOUND);
    feed_batch(f, 3, 3);
    add(f, 3, 0, "three");
    assert_int_equal(feed_next(f, read, &event), ERR_LIMIT);
    assert_int_equal(feed_next(f, now, &event), 0);
    assert_true(slice_is(event.json, "three"));
    feed_free(f);
}

static void forgetting_takes_only_what_is_before(void **state) {
    struct feed *f = open_feed(16);
    struct feed_place from = feed_newest(f);
    struct feed_event event;
    char text[64];
    (void)state;
    feed_batch(f, 1, 3);
    add(f, 1, 0, "one");
    add(f, 1, 1, "two");
    feed_batch(f, 2, 3);
    add(f, 2, 0, "three");
    feed_forget(f, feed_place_of(f, 1, 0, FEED_ENTRY_EVENTS - 1));
    assert_int_equal(feed_next(f, from, &event), ERR_LIMIT);
    from = feed_floor(f);
    assert_int_equal(read_all(f, &from, text, sizeof text), 2);
    assert_string_equal(text, "two three ");
    /* What is added behind the floor only. */
    feed_forget(f, feed_place_of(f, 2, 5, 0));
    add(f, 2, 4, "late");
    add(f, 2, 6, "four");
    from = feed_floor(f);
    assert_int_equal(read_all(f, &from, text, sizeof text), 1);
    assert_string_equal(text, "four ");
    feed_free(f);
}

/* A store that was put back from a copy: batch 12 was written by epoch 3, is lost, and is written again under
 * epoch 1003. */
static void places_of_lost_batches_are_known(void **state) {
    struct feed *before;
    struct feed *after;
    struct feed_event event;
    char text[64];
    (void)state;
    assert_int_equal(feed_new(&before, 16, 10000, 3, 9), 0);
    assert_int_equal(feed_new(&after, 16, 10000, 1003, 9), 0);
    for (uint64_t batch = 10; batch <= 12; batch++) {
        feed_batch(before, batch, 3);
        feed_batch(after, batch, batch < 12 ? 3 : 1003);
    }
    add(before, 10, 0, "ten");
    add(before, 12, 0, "twelve");
    add(after, 10, 0, "ten");
    add(after, 12, 0, "other");
    struct feed_place lost = feed_newest(before);
    struct feed_place kept = feed_place_of(before, 10, 0, 0);
    assert_int_equal(feed_next(after, lost, &event), ERR_LIMIT);
    assert_int_equal(read_all(after, &kept, text, sizeof text), 1);
    assert_string_equal(text, "other ");
    assert_true(kept.epoch == 1003);
    /* Still known when the other life has left the ring. */
    feed_forget(after, feed_place_end(after, 11));
    assert_int_equal(feed_next(after, lost, &event), ERR_LIMIT);
    assert_int_equal(feed_next(after, feed_floor(after), &event), 0);
    feed_free(before);
    feed_free(after);
}

static void a_place_taken_while_nothing_was_kept_stays_good(void **state) {
    struct feed *f;
    struct feed_event event;
    (void)state;
    assert_int_equal(feed_new(&f, 16, 10000, 8, 41), 0);
    struct feed_place at = feed_newest(f);
    assert_true(at.batch == 41);
    assert_int_equal(feed_next(f, at, &event), ERR_NOT_FOUND);
    feed_batch(f, 42, 8);
    assert_int_equal(feed_next(f, at, &event), ERR_NOT_FOUND);
    add(f, 42, 0, "one");
    assert_int_equal(feed_next(f, at, &event), 0);
    at.batch = 40;
    assert_int_equal(feed_next(f, at, &event), ERR_LIMIT);
    feed_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_found_by_their_place),
        cmocka_unit_test(readers_that_fall_behind_learn_it),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(under_load_nobody_in_particular_is_not_served),
        cmocka_unit_test(forgetting_takes_only_what_is_before),
        cmocka_unit_test(places_of_lost_batches_are_known),
        cmocka_unit_test(a_place_taken_while_nothing_was_kept_stays_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
