/* A life writes its journal and announces its events; the next one must have the same events under the same
 * places, whatever of them was folded, trimmed or cut off meanwhile. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "server/announcer.h"
#include "server/recovery.h"
#include "store/memory_store.h"

enum { MANY = 4096, HOUR = 3600 * 1000 };

struct life {
    struct store *store;
    struct engine *engine;
    struct effects effects;
    struct feed *feed;
    struct announcer announcer;
    struct tail tail;
    struct recovery_figures figures;
    struct why why;
    uint64_t epoch;
    uint64_t batch; /* the last one */
    uint64_t now_ms;
    uint64_t random;
};

static const struct engine_options options = {
    .memory_max = 64 << 20,
    .unfinished_max = 1000,
    .calls_max = 1000,
    .attention_tries = 1,
    .attention_ms = 300000,
    .retain_finished_ms = 1000,
    .retain_failed_ms = 1000,
};

/* Takes the store. */
static int life_begin(struct life *l, struct store *store, size_t events) {
    struct recovery_watchers watchers = { .tail = &l->tail };
    struct store_usage usage;
    memset(l, 0, sizeof *l);
    l->store = store;
    l->now_ms = 1000000;
    store->ops->usage(store, &usage);
    l->batch = usage.batch_last;
    l->epoch = usage.epoch;
    effects_init(&l->effects, LIMIT_TURN_BUFFER_BYTES);
    tail_init(&l->tail, 1 << 20, HOUR);
    assert_int_equal(engine_new(&l->engine, &options, NULL), 0);
    assert_int_equal(feed_new(&l->feed, MANY, 1 << 20, usage.epoch, usage.batch_trimmed), 0);
    assert_int_equal(refill_new(&watchers.refill, l->feed, events, 1 << 20), 0);
    announcer_init(&l->announcer, l->feed);
    watchers.feed = l->feed;
    int code = recovery_run(store, l->engine, &watchers, l->now_ms, &l->figures, &l->why);
    refill_free(watchers.refill);
    engine_durable(l->engine, l->batch);
    engine_turn(l->engine, l->batch + 1);
    return code;
}

static void life_end(struct life *l) {
    announcer_done(&l->announcer);
    feed_free(l->feed);
    engine_free(l->engine);
    effects_done(&l->effects);
    store_close(l->store);
}

static void first_life(struct life *l) {
    struct store *store;
    assert_int_equal(memory_store_new(&store, NULL), 0);
    assert_int_equal(life_begin(l, store, MANY), 0);
}

/* As after kill -9. */
static void next_life(struct life *before, struct life *l, size_t events) {
    struct store *store;
    assert_int_equal(memory_store_copy(before->store, &store, NULL), 0);
    assert_int_equal(life_begin(l, store, events), 0);
    assert_true(l->epoch == before->epoch + 1);
}

static void step(struct life *l, struct event *event) {
    event->now_ms = ++l->now_ms;
    event->random = ++l->random;
    event->namespace_name = SLICE("default");
    event->lookup = LOOKUP_ABSENT;
    assert_int_equal(engine_step(l->engine, event, &l->effects), 0);
}

static const struct transaction *find(void *self, uint8_t kind, uint64_t id) {
    (void)kind;
    return engine_by_id(((struct life *)self)->engine, id);
}

/* What was stepped since the last time is one batch, durable and announced. */
static void commit(struct life *l) {
    const struct announcer_source source = { .self = l, .transaction = find };
    struct slice batch = buffer_slice(&l->effects.entries);
    assert_int_equal(l->store->ops->append(l->store, ++l->batch, batch, NULL), 0);
    engine_durable(l->engine, l->batch);
    feed_batch(l->feed, l->batch, l->epoch);
    announcer_batch(&l->announcer, &source, l->batch, batch);
    tail_add(&l->tail, l->batch, batch.length, l->now_ms);
    effects_clear(&l->effects);
    engine_turn(l->engine, l->batch + 1);
}

static void submit(struct life *l, const char *gid) {
    struct branch_request branch = {
        .id = SLICE("a"),
        .to = { [ROLE_FORWARD] = { SLICE("http://x/do"), 1000 },
                [ROLE_BACKWARD] = { SLICE("http://x/undo"), 1000 } },
        .body = SLICE("{}"),
        .retry = { .first_ms = 100, .factor_percent = 200, .max_ms = 1000 },
    };
    struct transaction_request request = { .namespace_name = SLICE("default"),
                                           .gid = slice_text(gid),
                                           .mode = MODE_SAGA,
                                           .deadline_ms = 60000,
                                           .branches = &branch,
                                           .branch_count = 1 };
    struct event event = { .kind = EVENT_SUBMIT, .request = &request, .gid = slice_text(gid) };
    step(l, &event);
}

static void say(struct life *l, const char *gid, uint32_t attempt, uint8_t verdict) {
    struct outcome outcome = {
        .transaction = engine_find(l->engine, STORED_TRANSACTION, SLICE("default"), slice_text(gid))->id,
        .role = ROLE_FORWARD,
        .attempt = attempt,
        .verdict = verdict,
        .http = verdict == VERDICT_DONE ? 200 : 500,
    };
    struct event event = { .kind = EVENT_OUTCOME, .outcome = &outcome };
    step(l, &event);
}

/* Answers and audit lines stand between the records of transactions, and are nobody's events. */
static void other_entries(struct life *l) {
    const struct remembered answer = { .fingerprint = { 1 }, .http = 200, .body = SLICE("{}") };
    char key[16];
    struct event note = { .kind = EVENT_NOTE, .who = SLICE("anna"), .text = SLICE("hello") };
    step(l, &note);
    snprintf(key, sizeof key, "k%llu", (unsigned long long)l->batch);
    assert_int_equal(
        engine_answer_save(l->engine, SLICE("default"), slice_text(key), &answer, l->now_ms, &l->effects), 0);
}

/* Transactions first ... last - 1, each over three batches that it shares with its neighbours; the last ones
 * do not come to their end. */
static void play(struct life *l, int first, int last) {
    char gid[16];
    for (int i = first; i < last + 2; i++) {
        if (i < last) {
            snprintf(gid, sizeof gid, "t%d", i);
            submit(l, gid);
        }
        if (i % 3 == 0)
            other_entries(l);
        if (i - 1 >= first && i - 1 < last) {
            snprintf(gid, sizeof gid, "t%d", i - 1);
            say(l, gid, 1, VERDICT_DONE);
        }
        if (i < last)
            commit(l);
    }
    if (l->effects.entry_count > 0)
        commit(l);
}

/* Everything becomes rows. Returns how far the journal could be trimmed. */
static uint64_t fold(struct life *l) {
    struct stored_row rows[256];
    struct arena arena;
    arena_init(&arena, 4096, 1 << 24);
    size_t count = engine_fold(l->engine, l->batch + 1, rows, 256, 1 << 24, &arena);
    assert_int_equal(l->store->ops->fold(l->store, rows, count, NULL), 0);
    engine_folded(l->engine);
    arena_done(&arena);
    return engine_trim_point(l->engine);
}

/* Some record shows as two events. */
static void expect_pairs(const struct life *l) {
    struct feed_event event;
    size_t second = 0;
    for (struct feed_place at = feed_floor(l->feed); feed_next(l->feed, at, &event) == 0; at = event.place)
        second += event.index == 1;
    assert_true(second > 0);
}

static size_t expect_same(const struct life *before, const struct life *after, struct feed_place from) {
    struct feed_event one;
    struct feed_event other;
    struct feed_place at = from;
    struct feed_place at_other = from;
    size_t count = 0;
    while (feed_next(before->feed, at, &one) == 0) {
        assert_int_equal(feed_next(after->feed, at_other, &other), 0);
        assert_true(one.place.epoch == other.place.epoch);
        assert_true(one.place.batch == other.place.batch);
        assert_true(one.place.index == other.place.index);
        assert_true(one.id == other.id);
        assert_int_equal(one.seq, other.seq);
        assert_int_equal(one.index, other.index);
        assert_true(slice_equal(one.name, other.name));
        assert_true(slice_equal(one.json, other.json));
        at = one.place;
        at_other = other.place;
        count++;
    }
    assert_int_equal(feed_next(before->feed, at, &one), ERR_NOT_FOUND);
    assert_int_equal(feed_next(after->feed, at_other, &other), ERR_NOT_FOUND);
    return count;
}

static void the_next_life_has_the_same_events(void **state) {
    struct life a;
    struct life b;
    (void)state;
    first_life(&a);
    struct feed_place from = feed_newest(a.feed);
    play(&a, 0, 40);
    submit(&a, "open");
    say(&a, "open", 1,
        VERDICT_UNKNOWN); /* an attempt and the attention it calls for: two events of one record */
    commit(&a);
    expect_pairs(&a);
    next_life(&a, &b, MANY);
    assert_in_range(expect_same(&a, &b, from), 40 * 5, 40 * 8);
    assert_true(b.tail.bytes > 0);
    assert_true(b.tail.bytes == a.tail.bytes);
    life_end(&b);
    /* Folded: the final ones are read from their rows, and get no place in memory. */
    assert_int_equal(fold(&a), a.batch);
    next_life(&a, &b, MANY);
    assert_in_range(expect_same(&a, &b, from), 40 * 5, 40 * 8);
    struct engine_figures figures;
    engine_figures(b.engine, &figures);
    assert_int_equal(figures.in_memory, 1);
    assert_int_equal(b.figures.rows_open, 1);
    life_end(&b);
    life_end(&a);
}

static void the_life_after_goes_on_where_it_was(void **state) {
    struct life a;
    struct life b;
    struct life c;
    struct feed_event event;
    (void)state;
    first_life(&a);
    struct feed_place from = feed_newest(a.feed);
    play(&a, 0, 5);
    submit(&a, "open");
    commit(&a);
    (void)fold(&a);
    next_life(&a, &b, MANY);
    struct feed_place read = feed_newest(a.feed);
    assert_int_equal(feed_next(b.feed, read, &event), ERR_NOT_FOUND);
    b.now_ms += 2000;
    struct event tick = { .kind = EVENT_TICK }; /* the open call was interrupted, and is made again */
    step(&b, &tick);
    play(&b, 5, 10);
    assert_int_equal(feed_next(b.feed, read, &event), 0);
    assert_true(event.place.epoch == b.epoch);
    (void)fold(&b);
    next_life(&b, &c, MANY);
    assert_true(expect_same(&b, &c, from) > expect_same(&b, &c, read));
    life_end(&c);
    life_end(&b);
    life_end(&a);
}

static void what_was_trimmed_is_missing(void **state) {
    struct life a;
    struct life b;
    struct feed_event event;
    (void)state;
    first_life(&a);
    struct feed_place from = feed_newest(a.feed);
    play(&a, 0, 40);
    assert_int_equal(fold(&a), a.batch);
    assert_int_equal(a.store->ops->trim(a.store, 20, NULL), 0);
    next_life(&a, &b, MANY);
    assert_int_equal(feed_next(b.feed, from, &event), ERR_LIMIT);
    assert_int_equal(feed_next(b.feed, feed_place_of(a.feed, 20, 0, 0), &event), ERR_LIMIT);
    assert_in_range(expect_same(&a, &b, feed_place_end(a.feed, 20)), 20 * 4, 20 * 8);
    life_end(&b);
    assert_int_equal(a.store->ops->trim(a.store, a.batch, NULL), 0);
    next_life(&a, &b, MANY);
    assert_int_equal(feed_next(b.feed, feed_place_of(a.feed, a.batch, 0, 0), &event), ERR_LIMIT);
    assert_int_equal(feed_next(b.feed, feed_newest(b.feed), &event), ERR_NOT_FOUND);
    life_end(&b);
    life_end(&a);
}

static void no_more_is_brought_back_than_the_feed_holds(void **state) {
    struct life a;
    struct life b;
    struct feed_event event;
    (void)state;
    first_life(&a);
    struct feed_place from = feed_newest(a.feed);
    play(&a, 0, 40);
    (void)fold(&a);
    next_life(&a, &b, 16);
    assert_int_equal(feed_next(b.feed, from, &event), ERR_LIMIT);
    assert_in_range(expect_same(&a, &b, feed_floor(b.feed)), 16, 32);
    life_end(&b);
    life_end(&a);
}

static void a_row_that_is_gone_leaves_a_gap(void **state) {
    struct life a;
    struct life b;
    struct store *bare;
    struct feed_event event;
    (void)state;
    first_life(&a);
    struct feed_place from = feed_newest(a.feed);
    submit(&a, "one");
    commit(&a);
    /* As if the journal's first batch had been lost, and the row with it. */
    say(&a, "one", 1, VERDICT_DONE);
    struct slice batch = buffer_slice(&a.effects.entries);
    assert_int_equal(memory_store_new(&bare, NULL), 0);
    assert_int_equal(bare->ops->append(bare, 1, batch, NULL), 0);
    assert_int_equal(life_begin(&b, bare, MANY), 0);
    assert_int_equal(feed_next(b.feed, from, &event), ERR_LIMIT);
    assert_int_equal(feed_next(b.feed, feed_newest(b.feed), &event), ERR_NOT_FOUND);
    life_end(&b);
    life_end(&a);
}

/* A batch is as old as its records, so that retention counts on over a restart. */
static void the_tail_keeps_its_age(void **state) {
    struct life a;
    struct life b;
    (void)state;
    first_life(&a);
    a.now_ms -= 10000;
    play(&a, 0, 3);
    next_life(&a, &b, MANY);
    assert_in_range(tail_due(&b.tail), tail_due(&a.tail) - 10, tail_due(&a.tail));
    assert_in_range(tail_due(&b.tail), b.now_ms - 10000 + HOUR, b.now_ms - 9000 + HOUR);
    life_end(&b);
    /* Records from the future count as of now. */
    a.now_ms += 50 * (uint64_t)HOUR;
    tail_init(&a.tail, 1 << 20, HOUR);
    assert_int_equal(a.store->ops->trim(a.store, a.batch, NULL), 0);
    play(&a, 3, 6);
    next_life(&a, &b, MANY);
    assert_true(tail_due(&b.tail) == b.now_ms + HOUR);
    life_end(&b);
    life_end(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_life_has_the_same_events),
        cmocka_unit_test(the_life_after_goes_on_where_it_was),
        cmocka_unit_test(what_was_trimmed_is_missing),
        cmocka_unit_test(no_more_is_brought_back_than_the_feed_holds),
        cmocka_unit_test(a_row_that_is_gone_leaves_a_gap),
        cmocka_unit_test(the_tail_keeps_its_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
