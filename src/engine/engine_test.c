/* The engine through its door: small stories, each told by its trace. */
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

struct stage {
    struct engine *engine;
    struct effects effects;
    struct buffer trace;
    uint64_t now_ms;
    uint64_t batch;
};

static const struct engine_options plain = {
    .memory_max = 64 << 20,
    .unfinished_max = 100,
    .calls_max = 100,
    .attention_tries = 3,
    .attention_ms = 300000,
    .retain_finished_ms = 1000,
    .retain_failed_ms = 2000,
};

static void stage_open(struct stage *g) {
    memset(g, 0, sizeof *g);
    assert_int_equal(engine_new(&g->engine, &plain, NULL), 0);
    effects_init(&g->effects, 4 * LIMIT_TURN_BYTES);
    buffer_init(&g->trace, 1 << 20);
    g->effects.trace = &g->trace;
    g->now_ms = 1000;
    g->batch = 1;
    engine_recovered(g->engine, g->now_ms);
    engine_turn(g->engine, g->batch);
}

static void stage_close(struct stage *g) {
    engine_free(g->engine);
    effects_done(&g->effects);
    buffer_done(&g->trace);
}

static void step(struct stage *g, struct event *event) {
    event->now_ms = g->now_ms;
    event->namespace_name = SLICE("default");
    effects_clear(&g->effects);
    assert_int_equal(engine_step(g->engine, event, &g->effects), 0);
}

static void say(struct stage *g, uint16_t branch, uint8_t role, uint32_t attempt, uint8_t verdict,
                const char *body) {
    struct outcome outcome = {
        .transaction = engine_find(g->engine, STORED_TRANSACTION, SLICE("default"), SLICE("t"))->id,
        .branch = branch,
        .role = role,
        .attempt = attempt,
        .verdict = verdict,
        .http = verdict == VERDICT_DONE ? 200 : 409,
        .body = slice_text(body),
    };
    struct event event = { .kind = EVENT_OUTCOME, .outcome = &outcome };
    step(g, &event);
}

static struct branch_request branches[3];

static struct branch_request branch(const char *id, const char *body) {
    return (struct branch_request){
        .id = slice_text(id),
        .to = { [ROLE_FORWARD] = { SLICE("http://x/do"), 1000 },
                [ROLE_CONFIRM] = { SLICE("http://x/confirm"), 1000 },
                [ROLE_BACKWARD] = { SLICE("http://x/undo"), 1000 } },
        .body = slice_text(body),
        .retry = { .first_ms = 100, .factor_percent = 200, .max_ms = 1000 },
    };
}

static void submit(struct stage *g, uint8_t mode, uint16_t count) {
    static const uint16_t before[3] = { 0, 0, 1 };
    struct transaction_request request = {
        .namespace_name = SLICE("default"),
        .gid = SLICE("t"),
        .mode = mode,
        .deadline_ms = 60000,
        .branches = branches,
        .branch_count = count,
    };
    for (uint16_t i = 1; i < count && mode == MODE_SAGA; i++) {
        branches[i].after = &before[i];
        branches[i].after_count = 1;
    }
    if (mode == MODE_SAGA)
        for (uint16_t i = 0; i < count; i++)
            branches[i].to[ROLE_CONFIRM] = (struct endpoint){ 0 };
    struct event event = { .kind = EVENT_SUBMIT, .request = &request };
    step(g, &event);
}

static void expect(struct stage *g, const char *story) {
    buffer_add_byte(&g->trace, '\0');
    assert_string_equal(g->trace.at, story);
    buffer_clear(&g->trace);
}

static void saga_goes_forward_step_by_step(void **state) {
    struct stage g;
    (void)state;
    stage_open(&g);
    branches[0] = branch("a", "{}");
    branches[1] = branch("b", "{}");
    submit(&g, MODE_SAGA, 2);
    say(&g, 0, ROLE_FORWARD, 1, VERDICT_DONE, "{}");
    say(&g, 1, ROLE_FORWARD, 1, VERDICT_DONE, "{}");
    expect(&g, "1000 t: submit | created allowed(a.action#1) call(a.action#1) -> active\n    reply accepted\n"
               "1000 t: outcome a.action#1 done | outcome(a.action#1 done) allowed(b.action#1) "
               "call(b.action#1) -> active\n"
               "1000 t: outcome b.action#1 done | outcome(b.action#1 done) decided(commit, all-done) "
               "finished -> committed\n");
    stage_close(&g);
}

static void saga_undoes_in_reverse_and_skips_what_was_cleanly_refused(void **state) {
    struct stage g;
    (void)state;
    stage_open(&g);
    branches[0] = branch("a", "{}");
    branches[1] = branch("b", "{}");
    branches[2] = branch("c", "{}");
    submit(&g, MODE_SAGA, 3);
    say(&g, 0, ROLE_FORWARD, 1, VERDICT_DONE, "{}");
    say(&g, 1, ROLE_FORWARD, 1, VERDICT_DONE, "{}");
    buffer_clear(&g.trace);
    say(&g, 2, ROLE_FORWARD, 1, VERDICT_REFUSED, "no");
    say(&g, 1, ROLE_BACKWARD, 1, VERDICT_DONE, "{}");
    say(&g, 0, ROLE_BACKWARD, 1, VERDICT_DONE, "{}");
    expect(&g,
           "1000 t: outcome c.action#1 refused | outcome(c.action#1 refused) decided(rollback, refused) "
           "allowed(b.compensate#1) call(b.compensate#1) -> rolling_back\n"
           "1000 t: outcome b.compensate#1 done | outcome(b.compensate#1 done) allowed(a.compensate#1) "
           "call(a.compensate#1) -> rolling_back\n"
           "1000 t: outcome a.compensate#1 done | outcome(a.compensate#1 done) finished -> rolled_back\n");
    stage_close(&g);
}

static void tcc_tries_together_and_confirms_all(void **state) {
    struct stage g;
    (void)state;
    stage_open(&g);
    branches[0] = branch("a", "{}");
    branches[1] = branch("b", "{}");
    submit(&g, MODE_TCC, 2);
    assert_int_equal(g.effects.call_count, 2);
    say(&g, 1, ROLE_FORWARD, 1, VERDICT_DONE, "{}");
    say(&g, 0, ROLE_FORWARD, 1, VERDICT_DONE, "{}");
    assert_int_equal(g.effects.call_count, 2);
    say(&g, 0, ROLE_CONFIRM, 1, VERDICT_DONE, "{}");
    say(&g, 1, ROLE_CONFIRM, 1, VERDICT_DONE, "{}");
    assert_int_equal(engine_find(g.engine, STORED_TRANSACTION, SLICE("default"), SLICE("t"))->status,
                     STATUS_COMMITTED);
    stage_close(&g);
}

static void references_are_filled_from_answers(void **state) {
    struct stage g;
    (void)state;
    stage_open(&g);
    branches[0] = branch("a", "{}");
    branches[0].referenced = true;
    branches[1] = branch("b", "{\"all\":\"${a#/n}\",\"in\":\"x ${a#/s} $${y}\",\"plain\":1}");
    branches[1].has_references = true;
    submit(&g, MODE_SAGA, 2);
    say(&g, 0, ROLE_FORWARD, 1, VERDICT_DONE, "{\"n\":{\"k\":[1]},\"s\":\"q\\\"\"}");
    assert_int_equal(g.effects.call_count, 1);
    struct slice body = g.effects.calls[0].body;
    assert_true(slice_is(body, "{\"all\":{\"k\":[1]},\"in\":\"x q\\\" ${y}\",\"plain\":1}"));
    stage_close(&g);
}

static int take_batch(struct engine *to, struct slice batch) {
    struct stored_entry entry;
    int result = 0;
    while (result == 0 && batch.length > 0) {
        result = journal_decode(&batch, &entry);
        if (result == 0)
            result = engine_recover_entry(to, 1, &entry, NULL);
    }
    return result;
}

/* The first attempt was not sent; the second one was, after its pause. Then settled is killed and the clock
 * set back to before that moment: the second attempt may have happened all the same, so it is undone. */
static void a_clock_set_back_hides_no_attempt(void **state) {
    struct stage g, h;
    struct buffer journal;
    (void)state;
    stage_open(&g);
    buffer_init(&journal, 1 << 20);
    branches[0] = branch("a", "{}");
    submit(&g, MODE_SAGA, 1);
    buffer_add_slice(&journal, buffer_slice(&g.effects.entries));
    say(&g, 0, ROLE_FORWARD, 1, VERDICT_NOT_SENT, "");
    buffer_add_slice(&journal, buffer_slice(&g.effects.entries));
    memset(&h, 0, sizeof h);
    assert_int_equal(engine_new(&h.engine, &plain, NULL), 0);
    effects_init(&h.effects, 4 * LIMIT_TURN_BYTES);
    buffer_init(&h.trace, 1 << 20);
    h.effects.trace = &h.trace;
    assert_int_equal(take_batch(h.engine, buffer_slice(&journal)), 0);
    h.now_ms = g.now_ms - 500;
    engine_recovered(h.engine, h.now_ms);
    engine_turn(h.engine, 2);
    struct event event = { .kind = EVENT_ROLLBACK, .gid = SLICE("t") };
    step(&h, &event);
    const struct transaction *t = engine_find(h.engine, STORED_TRANSACTION, SLICE("default"), SLICE("t"));
    assert_int_equal(t->status, STATUS_ROLLING_BACK);
    assert_true(t->branches[0].operation[ROLE_FORWARD].ever_unknown);
    assert_int_equal(t->branches[0].operation[ROLE_BACKWARD].attempt, 1);
    assert_int_equal(h.effects.call_count, 1);
    buffer_done(&journal);
    stage_close(&g);
    stage_close(&h);
}

static void recovery_counts_what_was_out_as_an_attempt(void **state) {
    struct stage g;
    struct stage h;
    (void)state;
    stage_open(&g);
    branches[0] = branch("a", "{}");
    submit(&g, MODE_SAGA, 1);
    memset(&h, 0, sizeof h);
    assert_int_equal(engine_new(&h.engine, &plain, NULL), 0);
    effects_init(&h.effects, 4 * LIMIT_TURN_BYTES);
    buffer_init(&h.trace, 1 << 20);
    h.effects.trace = &h.trace;
    h.now_ms = 2000;
    assert_int_equal(take_batch(h.engine, buffer_slice(&g.effects.entries)), 0);
    engine_recovered(h.engine, h.now_ms);
    engine_turn(h.engine, 2);
    assert_int_equal(engine_due(h.engine), 2000);
    struct event tick = { .kind = EVENT_TICK };
    step(&h, &tick);
    expect(&h, "2000 t: tick | outcome(a.action#1 interrupted next +0) call(a.action#2) -> active\n");
    say(&h, 0, ROLE_FORWARD, 2, VERDICT_REFUSED, "no");
    expect(&h, "2000 t: outcome a.action#2 refused | outcome(a.action#2 refused) decided(rollback, refused) "
               "allowed(a.compensate#1) call(a.compensate#1) -> rolling_back\n");
    stage_close(&g);
    stage_close(&h);
}

static void folding_empties_memory_once_history_is_durable(void **state) {
    struct stage g;
    struct arena arena;
    struct stored_row rows[4];
    (void)state;
    stage_open(&g);
    branches[0] = branch("a", "{}");
    submit(&g, MODE_SAGA, 1);
    say(&g, 0, ROLE_FORWARD, 1, VERDICT_DONE, "{}");
    arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(engine_fold(g.engine, 2, rows, 4, 1 << 20, &arena),
                     0); /* the batch is not durable yet */
    engine_durable(g.engine, 1);
    assert_int_equal(engine_fold(g.engine, 2, rows, 4, 1 << 20, &arena), 1);
    assert_true(rows[0].final);
    assert_true(slice_is(rows[0].state, "committed"));
    assert_int_equal(engine_trim_point(g.engine), 0);
    engine_folded(g.engine);
    assert_int_equal(engine_trim_point(g.engine), 1);
    assert_null(engine_find(g.engine, STORED_TRANSACTION, SLICE("default"), SLICE("t")));
    struct event show = { .kind = EVENT_SHOW, .gid = SLICE("t"), .ticket = 7 };
    step(&g, &show);
    assert_int_equal(g.effects.load.ticket, 7);
    show.lookup = LOOKUP_FOUND;
    show.image = rows[0].image;
    step(&g, &show);
    assert_int_equal(g.effects.reply.kind, REPLY_STATE);
    assert_int_equal(g.effects.reply.transaction->status, STATUS_COMMITTED);
    arena_done(&arena);
    stage_close(&g);
}

/* The journal may keep records long after their transaction is final in history. */
static void recovery_passes_over_what_is_final_in_history(void **state) {
    struct stage g, h;
    struct arena arena;
    struct buffer journal;
    struct stored_row row;
    struct engine_figures figures;
    (void)state;
    stage_open(&g);
    stage_open(&h);
    buffer_init(&journal, 1 << 20);
    branches[0] = branch("a", "{}");
    submit(&g, MODE_SAGA, 1);
    buffer_add_slice(&journal, buffer_slice(&g.effects.entries));
    uint64_t id = engine_find(g.engine, STORED_TRANSACTION, SLICE("default"), SLICE("t"))->id;
    assert_int_equal(engine_by_id(g.engine, id)->id, id);
    assert_null(engine_by_id(g.engine, id + 1));
    say(&g, 0, ROLE_FORWARD, 1, VERDICT_DONE, "{}");
    buffer_add_slice(&journal, buffer_slice(&g.effects.entries));
    engine_durable(g.engine, 1);
    arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(engine_fold(g.engine, 2, &row, 1, 1 << 20, &arena), 1);
    assert_int_equal(engine_recover_row(h.engine, &row, NULL), 0);
    assert_int_equal(engine_recover_row(h.engine, &row, NULL), 0); /* also as the newest row */
    assert_int_equal(take_batch(h.engine, buffer_slice(&journal)), 0);
    engine_recovered(h.engine, g.now_ms);
    engine_durable(h.engine, 1);
    assert_null(engine_by_id(h.engine, id));
    engine_figures(h.engine, &figures);
    assert_int_equal(figures.in_memory, 0);
    assert_int_equal(figures.unfolded, 0);
    assert_int_equal(engine_trim_point(h.engine), 1);
    buffer_done(&journal);
    arena_done(&arena);
    stage_close(&g);
    stage_close(&h);
}

/* A million may wait at a time: one of two branches takes no more than 1 KiB beside its records. */
static void what_waits_takes_little_memory(void **state) {
    (void)state;
    for (uint8_t mode = MODE_SAGA; mode <= MODE_TCC; mode++) {
        struct stage g;
        struct engine_figures before, after;
        struct buffer image;
        stage_open(&g);
        engine_figures(g.engine, &before);
        branches[0] = branch("a", "{\"sku\":\"A1\",\"quantity\":2}");
        branches[1] = branch("b", "{\"sku\":\"B2\",\"quantity\":1}");
        submit(&g, mode, 2);
        say(&g, 0, ROLE_FORWARD, 1, VERDICT_WORKING, "");
        engine_figures(g.engine, &after);
        buffer_init(&image, 4096);
        transaction_image(engine_find(g.engine, STORED_TRANSACTION, SLICE("default"), SLICE("t")), &image);
        assert_int_equal(buffer_failed(&image), 0);
        assert_true(after.memory_used > before.memory_used + image.length);
        assert_in_range(after.memory_used - before.memory_used - image.length, 1, 1024);
        buffer_done(&image);
        stage_close(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saga_goes_forward_step_by_step),
        cmocka_unit_test(saga_undoes_in_reverse_and_skips_what_was_cleanly_refused),
        cmocka_unit_test(tcc_tries_together_and_confirms_all),
        cmocka_unit_test(references_are_filled_from_answers),
        cmocka_unit_test(a_clock_set_back_hides_no_attempt),
        cmocka_unit_test(recovery_counts_what_was_out_as_an_attempt),
        cmocka_unit_test(folding_empties_memory_once_history_is_durable),
        cmocka_unit_test(recovery_passes_over_what_is_final_in_history),
        cmocka_unit_test(what_waits_takes_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
