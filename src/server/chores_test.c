/* When rows are folded: a few of them twice a second, a thousand at once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "server/chores.h"

enum {
    FULL = 1024,      /* rows of one fold */
    PATIENCE_MS = 500 /* for fewer */
};

struct stage {
    struct engine *engine;
    struct effects effects;
    struct chores *chores;
    uint64_t now_ms;
    uint64_t batch;
    size_t begun; /* rows of the fold under way; 0: none */
    unsigned finished;
};

static void fold(void *self, const struct stored_row *rows, size_t count) {
    struct stage *g = self;
    assert_int_equal(g->begun, 0);
    assert_true(rows[0].final);
    g->begun = count;
}

static void trim(void *self, uint64_t seq) {
    (void)self;
    (void)seq;
}

static void purge(void *self, uint8_t kind, uint64_t now_ms, uint64_t cursor, size_t max) {
    (void)self;
    (void)kind;
    (void)now_ms;
    (void)cursor;
    (void)max; /* stays under way: it is not what this is about */
}

static void open_stage(struct stage *g) {
    static const struct engine_options options = { .memory_max = 64 << 20,
                                                   .unfinished_max = 10,
                                                   .calls_max = 10,
                                                   .attention_tries = 3,
                                                   .attention_ms = 300000,
                                                   .retain_finished_ms = 1000000,
                                                   .retain_failed_ms = 1000000 };
    const struct chores_port port = { .self = g, .fold = fold, .trim = trim, .purge = purge };
    struct tail tail;
    memset(g, 0, sizeof *g);
    g->now_ms = 1000000;
    g->batch = 1;
    assert_int_equal(engine_new(&g->engine, &options, NULL), 0);
    effects_init(&g->effects, 4 * LIMIT_TURN_BYTES);
    engine_recovered(g->engine, g->now_ms);
    engine_turn(g->engine, g->batch);
    tail_init(&tail, 0, 1000000);
    assert_int_equal(chores_new(&g->chores, g->engine, &port, &tail, 1000000), 0);
    chores_round(g->chores, g->now_ms, 0, 0); /* finds nothing, and rests until it is told of something */
}

static void close_stage(struct stage *g) {
    chores_free(g->chores);
    engine_free(g->engine);
    effects_done(&g->effects);
}

static void step(struct stage *g, struct event *event) {
    event->now_ms = g->now_ms;
    event->namespace_name = SLICE("default");
    effects_clear(&g->effects);
    assert_int_equal(engine_step(g->engine, event, &g->effects), 0);
}

/* Begin and commit so many sagas of one step, in one batch that becomes durable. */
static void finish(struct stage *g, unsigned count) {
    const struct branch_request branch = { .id = SLICE("a"),
                                           .to = { [ROLE_FORWARD] = { SLICE("http://x/do"), 1000 } },
                                           .body = SLICE("{}"),
                                           .retry = { 100, 200, 1000, 0, GIVE_UP_ROLLBACK } };
    for (unsigned i = 0; i < count; i++) {
        char gid[16];
        int length = snprintf(gid, sizeof gid, "t%u", g->finished++);
        struct transaction_request request = { .namespace_name = SLICE("default"),
                                               .gid = slice_of(gid, (size_t)length),
                                               .gid_is_fresh = true,
                                               .mode = MODE_SAGA,
                                               .deadline_ms = 60000,
                                               .branches = &branch,
                                               .branch_count = 1 };
        struct event submit = { .kind = EVENT_SUBMIT, .request = &request };
        step(g, &submit);
        assert_int_equal(g->effects.call_count, 1);
        struct outcome outcome = { .transaction = g->effects.calls[0].transaction,
                                   .attempt = 1,
                                   .verdict = VERDICT_DONE,
                                   .http = 200,
                                   .body = SLICE("{}") };
        struct event done = { .kind = EVENT_OUTCOME, .outcome = &outcome };
        step(g, &done);
    }
    engine_durable(g->engine, g->batch);
    chores_poke(g->chores, g->batch, 1000, g->now_ms);
    engine_turn(g->engine, ++g->batch);
}

/* Let rounds pass until nothing is due at this time. */
static void rounds(struct stage *g) {
    for (int i = 0; i < 10 && chores_due(g->chores) <= g->now_ms; i++)
        chores_round(g->chores, g->now_ms, g->batch - 1, 0);
    assert_true(chores_due(g->chores) > g->now_ms);
}

static void told(struct stage *g, size_t expected) {
    assert_int_equal(g->begun, expected);
    g->begun = 0;
    assert_int_equal(chores_folded(g->chores, 0, g->now_ms), 0);
}

static void a_few_rows_wait_for_others(void **state) {
    struct stage g;
    (void)state;
    open_stage(&g);
    finish(&g, 3);
    rounds(&g);
    assert_int_equal(g.begun, 0);
    g.now_ms += PATIENCE_MS - 1;
    finish(&g, 2); /* does not put it off */
    rounds(&g);
    assert_int_equal(g.begun, 0);
    g.now_ms++;
    rounds(&g);
    told(&g, 5);
    assert_int_equal(engine_foldable(g.engine), 0);
    close_stage(&g);
}

static void a_thousand_rows_wait_for_nothing(void **state) {
    struct stage g;
    (void)state;
    open_stage(&g);
    finish(&g, FULL - 1);
    rounds(&g);
    assert_int_equal(g.begun, 0);
    finish(&g, FULL + 1);
    assert_int_equal(engine_foldable(g.engine), 2 * FULL);
    rounds(&g);
    assert_int_equal(engine_foldable(g.engine), FULL);
    finish(&g, 1); /* one fold at a time */
    rounds(&g);
    told(&g, FULL);
    rounds(&g); /* a full fold is followed at once */
    told(&g, FULL);
    rounds(&g);
    told(&g, 1);
    close_stage(&g);
}

static void what_could_not_be_folded_is_folded_again(void **state) {
    struct stage g;
    (void)state;
    open_stage(&g);
    finish(&g, FULL);
    rounds(&g);
    assert_int_equal(g.begun, FULL);
    g.begun = 0;
    assert_int_equal(chores_folded(g.chores, ERR_SPACE, g.now_ms), 0);
    assert_int_equal(engine_foldable(g.engine), FULL);
    rounds(&g);
    assert_int_equal(g.begun, 0); /* a pause after a failure */
    g.now_ms += 1000;
    rounds(&g);
    told(&g, FULL);
    close_stage(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_rows_wait_for_others),
        cmocka_unit_test(a_thousand_rows_wait_for_nothing),
        cmocka_unit_test(what_could_not_be_folded_is_folded_again),
    };
    return cmocka_run_group_tests_name("chores", tests, NULL, NULL);
}
