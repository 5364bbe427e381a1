/* Taking back: what began in a batch leaves no trace, and the rest of the batch is whole. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "engine/engine.h"
#include "model/journal.h"

/* Two turns, as a driver has them: batch 2 in flight, batch 3 gathering. "old" is durable since batch 1. */
struct bench {
    struct engine *engine;
    struct effects effects[2];
    struct effects *turns[2];
};

static const struct engine_options options = {
    .memory_max = 64 << 20,
    .unfinished_max = 100,
    .calls_max = 2,
    .attention_tries = 3,
    .attention_ms = 300000,
    .retain_finished_ms = 1000,
    .retain_failed_ms = 2000,
};

static void step(struct bench *b, int turn, struct event *event) {
    event->now_ms = 1000;
    event->namespace_name = SLICE("default");
    assert_int_equal(engine_step(b->engine, event, b->turns[turn]), 0);
}

static const struct transaction *find(struct bench *b, const char *gid) {
    return engine_find(b->engine, STORED_TRANSACTION, SLICE("default"), slice_text(gid));
}

static uint64_t submit(struct bench *b, int turn, const char *gid) {
    struct branch_request branch = {
        .id = SLICE("a"),
        .to = { [ROLE_FORWARD] = { SLICE("http://x/do"), 1000 } },
        .body = SLICE("{}"),
        .retry = { .first_ms = 100, .factor_percent = 200, .max_ms = 1000 },
    };
    struct transaction_request request = {
        .namespace_name = SLICE("default"),
        .gid = slice_text(gid),
        .mode = MODE_SAGA,
        .deadline_ms = 60000,
        .branches = &branch,
        .branch_count = 1,
    };
    struct event event = { .kind = EVENT_SUBMIT, .request = &request, .lookup = LOOKUP_ABSENT };
    step(b, turn, &event);
    return find(b, gid)->id;
}

static void command(struct bench *b, int turn, uint8_t kind, const char *gid) {
    struct event event = {
        .kind = kind, .gid = slice_text(gid), .who = SLICE("ann"), .decision = DECISION_COMMIT
    };
    step(b, turn, &event);
}

static void remember(struct bench *b, int turn, const char *key, uint64_t about) {
    struct remembered answer = { .about = about, .http = 200, .body = SLICE("{}") };
    assert_int_equal(
        engine_answer_save(b->engine, SLICE("default"), slice_text(key), &answer, 1000, b->turns[turn]), 0);
}

static bool is_remembered(struct bench *b, const char *key) {
    return engine_answer_find(b->engine, SLICE("default"), slice_text(key)) != NULL;
}

static void bench_open(struct bench *b) {
    memset(b, 0, sizeof *b);
    assert_int_equal(engine_new(&b->engine, &options, NULL), 0);
    for (int i = 0; i < 2; i++) {
        effects_init(&b->effects[i], LIMIT_TURN_BUFFER_BYTES);
        b->turns[i] = &b->effects[i];
    }
    engine_recovered(b->engine, 1000);
    engine_turn(b->engine, 1);
    submit(b, 0, "old");
    engine_durable(b->engine, 1);
    effects_clear(b->turns[0]);
    engine_turn(b->engine, 2);
}

static void bench_close(struct bench *b) {
    engine_free(b->engine);
    for (int i = 0; i < 2; i++)
        effects_done(&b->effects[i]);
}

/* The turn's entries in short: kind and number of the record. */
static const char *entries_of(struct bench *b, int turn) {
    static const char kinds[STORED_KIND_END] = { '?', 't', 'k', 'a' };
    static char said[256];
    struct slice left = buffer_slice(&b->turns[turn]->entries);
    size_t length = 0;
    uint32_t count = 0;
    said[0] = '\0';
    while (left.length > 0) {
        struct stored_entry entry;
        assert_int_equal(journal_decode(&left, &entry), 0);
        length +=
            (size_t)snprintf(said + length, sizeof said - length, "%c%u ", kinds[entry.kind], entry.seq);
        count++;
    }
    assert_int_equal(b->turns[turn]->entry_count, count);
    return said;
}

static struct engine_figures figures_of(struct bench *b) {
    struct engine_figures figures;
    engine_figures(b->engine, &figures);
    figures.memory_used = 0; /* tables keep what they grew to */
    return figures;
}

static void nothing_new_is_nothing_to_take_back(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    command(&b, 0, EVENT_SUSPEND, "old");
    remember(&b, 0, "key", find(&b, "old")->id);
    assert_int_equal(engine_take_back(b.engine, 2, b.turns, 2).count, 0);
    assert_string_equal(entries_of(&b, 0), "t3 a1 k1 ");
    assert_true(is_remembered(&b, "key"));
    bench_close(&b);
}

static void both_turns_forget_what_is_new(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    struct engine_figures before = figures_of(&b);
    uint64_t old = find(&b, "old")->id;
    uint64_t first = submit(&b, 0, "first");
    remember(&b, 0, "beside first", first);
    command(&b, 0, EVENT_SUSPEND, "old");
    engine_turn(b.engine, 3);
    remember(&b, 1, "about old", old);
    remember(&b, 1, "about nothing", 0);
    uint64_t second = submit(&b, 1, "second"); /* over calls_max: it waits for a place */
    command(&b, 1, EVENT_FORCE, "first");
    remember(&b, 1, "about first", first);
    command(&b, 1, EVENT_SUSPEND, "second");
    assert_string_equal(entries_of(&b, 0), "t1 t2 k1 t3 a1 ");
    assert_string_equal(entries_of(&b, 1), "k1 k1 t1 t2 t3 a1 k1 t3 a1 ");
    assert_int_equal(b.turns[0]->call_count, 1);
    struct id_set set = engine_take_back(b.engine, 2, b.turns, 2);
    assert_int_equal(set.count, 2);
    assert_true(set.ids[0] == first);
    assert_true(set.ids[1] == second);
    assert_null(find(&b, "first"));
    assert_null(find(&b, "second"));
    assert_non_null(find(&b, "old"));
    /* What older ones need saved stays, and so does what operators did. */
    assert_string_equal(entries_of(&b, 0), "t3 a1 ");
    assert_string_equal(entries_of(&b, 1), "k1 k1 a1 a1 ");
    assert_int_equal(b.turns[0]->call_count + b.turns[1]->call_count, 0);
    assert_false(is_remembered(&b, "beside first"));
    assert_false(is_remembered(&b, "about first"));
    assert_true(is_remembered(&b, "about old"));
    assert_true(is_remembered(&b, "about nothing"));
    struct engine_figures after = figures_of(&b);
    before.suspended = 1; /* old */
    before.unfolded += 5; /* three lines, two answers */
    before.submitted += 2;
    before.taken_back[STORED_TRANSACTION] += 2;
    before.attempts += 1;
    before.finished[STATUS_HEURISTIC_COMMIT] += 1;
    assert_memory_equal(&after, &before, sizeof after);
    /* A new life of the same gid has a new id. */
    assert_true(submit(&b, 1, "first") > second);
    assert_int_equal(b.turns[1]->call_count, 1); /* the place that was taken is free again */
    bench_close(&b);
}

/* The chain of lines has no gap, whatever was taken back between them. */
static void the_audit_chain_stays_one(void **state) {
    struct bench b;
    struct stored_entry newer, older;
    struct audit_entry line, before;
    (void)state;
    bench_open(&b);
    command(&b, 0, EVENT_SUSPEND, "old");
    submit(&b, 0, "new");
    command(&b, 0, EVENT_SUSPEND, "new");
    command(&b, 0, EVENT_RESUME, "old");
    (void)engine_take_back(b.engine, 2, b.turns, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(engine_audit_recent(b.engine, i, &newer));
        assert_true(engine_audit_recent(b.engine, i + 1, &older));
        assert_int_equal(audit_decode(newer.record, &line), 0);
        assert_int_equal(audit_decode(older.record, &before), 0);
        assert_true(line.chained);
        assert_memory_equal(line.hash_before, before.hash, sizeof before.hash);
    }
    assert_false(engine_audit_recent(b.engine, 3, &older));
    bench_close(&b);
}

/* The first turn may be durable already: only what began behind it goes. */
static void a_turn_alone(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    submit(&b, 0, "first");
    engine_turn(b.engine, 3);
    command(&b, 1, EVENT_SUSPEND, "first");
    uint64_t second = submit(&b, 1, "second");
    struct id_set set = engine_take_back(b.engine, 3, b.turns + 1, 1);
    assert_int_equal(set.count, 1);
    assert_true(set.ids[0] == second);
    assert_string_equal(entries_of(&b, 0), "t1 t2 ");
    assert_string_equal(entries_of(&b, 1), "t3 a1 ");
    assert_non_null(find(&b, "first"));
    assert_int_equal(b.turns[0]->call_count, 1);
    bench_close(&b);
}

static uint32_t durable_records(struct bench *b, const char *gid) {
    const struct transaction *t;
    int code = engine_find_durable(b->engine, find(b, gid)->id, &t);
    assert_true(code == 0 || code == ERR_AGAIN);
    return code == 0 ? t->seq : 0;
}

/* What may be shown while the batches wait for room. */
static void what_is_durable_is_known(void **state) {
    struct bench b;
    const struct transaction *t;
    (void)state;
    bench_open(&b);
    assert_int_equal(engine_find_durable(b.engine, 1, &t), ERR_NOT_FOUND);
    assert_int_equal(durable_records(&b, "old"), 2);
    command(&b, 0, EVENT_SUSPEND, "old");
    submit(&b, 0, "new");
    assert_int_equal(durable_records(&b, "old"), 2);
    assert_int_equal(durable_records(&b, "new"), 0);
    engine_turn(b.engine, 3);
    command(&b, 1, EVENT_RESUME, "old");
    command(&b, 1, EVENT_SUSPEND, "old");
    command(&b, 1, EVENT_SUSPEND, "new");
    assert_int_equal(durable_records(&b, "old"), 2);
    engine_durable(b.engine, 2);
    assert_int_equal(durable_records(&b, "old"), 3);
    assert_int_equal(engine_find_durable(b.engine, find(&b, "old")->id, &t), 0);
    assert_true(t->suspended);
    assert_int_equal(durable_records(&b, "new"), 2);
    engine_durable(b.engine, 3);
    assert_int_equal(durable_records(&b, "old"), 5);
    assert_int_equal(durable_records(&b, "new"), 3);
    bench_close(&b);
}

static void memory_comes_back(void **state) {
    struct bench b;
    struct engine_figures first, last;
    char gid[16];
    (void)state;
    bench_open(&b);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++) {
            snprintf(gid, sizeof gid, "g%d", i);
            remember(&b, 0, gid, submit(&b, 0, gid));
        }
        (void)engine_take_back(b.engine, 2, b.turns, 2);
        engine_figures(b.engine, round == 0 ? &first : &last);
        assert_int_equal(b.turns[0]->entry_count, 0);
    }
    assert_true(last.memory_used == first.memory_used);
    bench_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_new_is_nothing_to_take_back),
        cmocka_unit_test(both_turns_forget_what_is_new),
        cmocka_unit_test(the_audit_chain_stays_one),
        cmocka_unit_test(a_turn_alone),
        cmocka_unit_test(what_is_durable_is_known),
        cmocka_unit_test(memory_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
