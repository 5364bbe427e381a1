/* The rule tables, walked: every (status, on) has rows that leave nothing open, or stands in a list of pairs
 * that cannot happen; every row can be reached, is obeyed in a real transaction, and its NEXT is what its act
 * makes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/limits.h"
#include "engine/seat.h"

static bool decides(uint8_t on) {
    return on == ON_DEADLINE || on == ON_COMMIT || on == ON_ROLLBACK;
}

/* What cannot happen, and why. A star stands for any status or any on. */
enum {
    ANY = 255,
    TABLES = 5,
};

struct impossible {
    const char *table;
    uint8_t status;
    uint8_t on;
    const char *why;
};

static const struct impossible impossible[] = {
    { "saga", ANY, ON_DEADLINE, "the decision table has it" },
    { "saga", ANY, ON_COMMIT, "the decision table has it" },
    { "saga", ANY, ON_ROLLBACK, "the decision table has it" },
    { "tcc", ANY, ON_DEADLINE, "the decision table has it" },
    { "tcc", ANY, ON_COMMIT, "the decision table has it" },
    { "tcc", ANY, ON_ROLLBACK, "the decision table has it" },
    { "message", ANY, ON_DEADLINE, "a message has no deadline" },
    { "message", ANY, ON_COMMIT, "the decision table has it" },
    { "message", ANY, ON_ROLLBACK, "the decision table has it" },
    { "message", ANY, ON_STEP_SETTLED, "nobody settles a check-back: the message is decided instead" },
    { "message", STATUS_ACTIVE, ON_END_DONE, "nothing is delivered before the commit" },
    { "message", STATUS_ACTIVE, ON_END_REFUSED, "nothing is delivered before the commit" },
    { "message", STATUS_ACTIVE, ON_END_UNKNOWN, "nothing is delivered before the commit" },
    { "message", STATUS_ACTIVE, ON_NOTHING_OWED, "without a check-back it waits for its producer" },
    { "message", STATUS_ROLLING_BACK, ON_END_DONE, "nothing is delivered of what is rolled back" },
    { "message", STATUS_ROLLING_BACK, ON_END_REFUSED, "nothing is delivered of what is rolled back" },
    { "message", STATUS_ROLLING_BACK, ON_END_UNKNOWN, "nothing is delivered of what is rolled back" },
    { "notification", ANY, ON_DEADLINE, "the decision table has it" },
    { "notification", ANY, ON_COMMIT, "the decision table has it" },
    { "notification", ANY, ON_ROLLBACK, "the decision table has it" },
    { "notification", ANY, ON_STEP_SETTLED, "it ends by itself or is cancelled" },
    { "notification", ANY, ON_END_DONE, "it has one operation, and that is a forward one" },
    { "notification", ANY, ON_END_REFUSED, "it has one operation, and that is a forward one" },
    { "notification", ANY, ON_END_UNKNOWN, "it has one operation, and that is a forward one" },
    { "notification", STATUS_COMMITTING, ON_STEP_DONE, "commit is decided when its attempt has succeeded" },
    { "notification", STATUS_COMMITTING, ON_STEP_REFUSED,
      "commit is decided when its attempt has succeeded" },
    { "notification", STATUS_COMMITTING, ON_STEP_UNKNOWN,
      "commit is decided when its attempt has succeeded" },
    { "decision", ANY, ON_STEP_DONE, "the pattern's own table has it" },
    { "decision", ANY, ON_STEP_REFUSED, "the pattern's own table has it" },
    { "decision", ANY, ON_STEP_UNKNOWN, "the pattern's own table has it" },
    { "decision", ANY, ON_STEP_SETTLED, "the pattern's own table has it" },
    { "decision", ANY, ON_END_DONE, "the pattern's own table has it" },
    { "decision", ANY, ON_END_REFUSED, "the pattern's own table has it" },
    { "decision", ANY, ON_END_UNKNOWN, "the pattern's own table has it" },
    { "decision", ANY, ON_NOTHING_OWED, "the pattern's own table has it" },
    { "saga", STATUS_ACTIVE, ON_END_DONE, "nothing is compensated before the decision" },
    { "saga", STATUS_ACTIVE, ON_END_REFUSED, "nothing is compensated before the decision" },
    { "saga", STATUS_ACTIVE, ON_END_UNKNOWN, "nothing is compensated before the decision" },
    { "saga", STATUS_COMMITTING, ON_END_DONE,
      "a saga has no confirm, and nothing is compensated under commit" },
    { "saga", STATUS_COMMITTING, ON_END_REFUSED,
      "a saga has no confirm, and nothing is compensated under commit" },
    { "saga", STATUS_COMMITTING, ON_END_UNKNOWN,
      "a saga has no confirm, and nothing is compensated under commit" },
    { "tcc", STATUS_ACTIVE, ON_END_DONE, "nothing is confirmed or cancelled before the decision" },
    { "tcc", STATUS_ACTIVE, ON_END_REFUSED, "nothing is confirmed or cancelled before the decision" },
    { "tcc", STATUS_ACTIVE, ON_END_UNKNOWN, "nothing is confirmed or cancelled before the decision" },
    { "tcc", STATUS_COMMITTING, ON_STEP_DONE, "commit is decided when every try has succeeded" },
    { "tcc", STATUS_COMMITTING, ON_STEP_REFUSED, "commit is decided when every try has succeeded" },
    { "tcc", STATUS_COMMITTING, ON_STEP_UNKNOWN, "commit is decided when every try has succeeded" },
    { "tcc", STATUS_COMMITTING, ON_STEP_SETTLED, "commit is decided when every try has succeeded" },
    { "decision", STATUS_COMMITTING, ON_DEADLINE, "the deadline is only watched while active" },
    { "decision", STATUS_ROLLING_BACK, ON_DEADLINE, "the deadline is only watched while active" },
};

static bool is_final_pattern_pair(const char *table, uint8_t status) {
    return status_is_final(status) && strcmp(table, "decision") != 0; /* no call, no work is left */
}

static bool cannot_happen(const char *table, uint8_t status, uint8_t on) {
    if (is_final_pattern_pair(table, status) || (status_is_final(status) && on == ON_DEADLINE))
        return true;
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++)
        if (strcmp(impossible[i].table, table) == 0 && impossible[i].on == on &&
            (impossible[i].status == ANY || impossible[i].status == status))
            return true;
    return false;
}

/* The one pair whose rows may leave something open: a client-driven transaction with nothing owed waits for
 * its client. */
static bool may_wait(const struct rule *last) {
    return last->status == STATUS_ACTIVE && last->on == ON_NOTHING_OWED && last->guard == server_drives;
}

static size_t rows_for(const struct rule_table *table, uint8_t status, uint8_t on, const struct rule **last) {
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        if (table->rules[i].status == status && table->rules[i].on == on) {
            *last = &table->rules[i];
            count++;
        }
    return count;
}

static void every_pair_is_ruled_or_cannot_happen(void **state) {
    size_t first;
    (void)state;
    for (size_t index = 0; index < TABLES; index++) {
        const struct rule_table *table = rule_tables(index, &first);
        for (uint8_t status = STATUS_ACTIVE; status < STATUS_END; status++)
            for (uint8_t on = 0; on < ON_END; on++) {
                const struct rule *last = NULL;
                size_t count = rows_for(table, status, on, &last);
                bool impossible_pair = cannot_happen(table->name, status, on);
                if ((count == 0) != impossible_pair)
                    print_error("%s: %s on %s: %zu rows\n", table->name, status_word(status), on_word(on),
                                count);
                assert_int_equal(count == 0, impossible_pair);
                if (count > 0)
                    assert_true(last->guard == always || may_wait(last));
            }
    }
    assert_null(rule_tables(TABLES, &first));
}

static void no_row_hides_another(void **state) {
    size_t first;
    (void)state;
    for (size_t index = 0; index < TABLES; index++) {
        const struct rule_table *table = rule_tables(index, &first);
        for (size_t i = 0; i < table->count; i++)
            for (size_t k = 0; k < i; k++) {
                const struct rule *row = &table->rules[i];
                const struct rule *above = &table->rules[k];
                bool same = row->status == above->status && row->on == above->on;
                assert_false(same && (above->guard == always || above->guard == row->guard));
            }
    }
}

static void rows_stand_in_the_right_table_and_have_words(void **state) {
    size_t first;
    size_t rows = 0;
    (void)state;
    for (size_t index = 0; index < TABLES; index++) {
        const struct rule_table *table = rule_tables(index, &first);
        assert_int_equal(first, rows);
        for (size_t i = 0; i < table->count; i++) {
            assert_int_equal(decides(table->rules[i].on), index == TABLES - 1);
            assert_string_not_equal(rule_guard_word(&table->rules[i]), "?");
            assert_string_not_equal(rule_act_word(&table->rules[i]), "?");
            assert_string_not_equal(on_word(table->rules[i].on), "?");
        }
        rows += table->count;
    }
    assert_true(rows <= RULES_ROWS_MAX);
    assert_string_equal(on_word(ON_END), "?");
}

/* A world in which exactly one row is due: a recovered transaction in the row's status whose guard holds. */
struct world {
    struct engine *engine;
    struct effects effects;
    struct seat *seat;
    uint32_t seq;
    uint8_t mode;
};

static const struct engine_options options = {
    .memory_max = 1 << 20,
    .unfinished_max = 10,
    .calls_max = 10,
    .attention_tries = 3,
    .attention_ms = 300000,
};

static void put(struct world *w, struct record r) {
    struct buffer bytes;
    struct why why = { .text = "" };
    buffer_init(&bytes, 1 << 16);
    r.at_ms = 1000;
    record_encode(&bytes, &r);
    struct stored_entry entry = { mode_kind(w->mode), 7, ++w->seq, buffer_slice(&bytes) };
    int result = engine_recover_entry(w->engine, 1, &entry, &why);
    if (result != 0)
        print_error("%s\n", why.text);
    assert_int_equal(result, 0);
    buffer_done(&bytes);
}

/* The subscription or endpoint that the world's delivery or notification goes to. */
static void put_definition(struct world *w, const struct rule *rule) {
    struct definition d = {
        .kind = w->mode == MODE_NOTICE ? DEFINITION_ENDPOINT : DEFINITION_SUBSCRIPTION,
        .name = SLICE("a"),
        .source = SLICE("{}"),
        .outlet = { .topic = SLICE("topic"),
                    .url = SLICE("http://x/push"),
                    .concurrency = 1,
                    .timeout_ms = 1000,
                    .retry = { 100, 200, 1000, rule->guard == out_of_patience ? 10 : 0, GIVE_UP_ROLLBACK },
                    .refused_topic = rule->guard == refusal_is_wanted ? SLICE("refused") : SLICE_NONE },
    };
    struct buffer bytes;
    buffer_init(&bytes, 4096);
    definition_encode(&bytes, &d);
    struct stored_entry entry = { STORED_DEFINITION, 3, 1, buffer_slice(&bytes) };
    assert_int_equal(engine_recover_entry(w->engine, 1, &entry, NULL), 0);
    buffer_done(&bytes);
}

static void put_message_created(struct world *w, const struct rule *rule) {
    static const uint32_t schedule[] = { 0, 1000 };
    struct branch_request branch = {
        .id = w->mode == MODE_NOTICE ? SLICE("a") : SLICE("check"),
        .to = { [ROLE_FORWARD] = { SLICE("http://x/check"), 1000 } },
        .retry = { 100, 200, 1000, 0, GIVE_UP_ROLLBACK },
    };
    struct message_request message = {
        .head = { .topic = SLICE("topic"), .content_type = SLICE("text/plain") },
        .only = SLICE("a"),
        .half = true,
        .schedule_ms = schedule,
        .schedule_count = rule->guard == out_of_attempts ? 1 : 2,
    };
    struct transaction_request request = {
        .namespace_name = SLICE("default"),
        .gid = SLICE("m"),
        .mode = w->mode,
        .branches = &branch,
        .branch_count = 1,
        .message = &message,
    };
    put_definition(w, rule);
    put(w, (struct record){ .kind = RECORD_CREATED, .id = 7, .request = &request });
}

static void put_created(struct world *w, const struct rule *rule) {
    bool is_tcc = w->mode == MODE_TCC;
    bool doubt = rule->guard == pivot_in_doubt;
    struct branch_request branch = {
        .id = SLICE("a"),
        .to = { [ROLE_FORWARD] = { SLICE("http://x/do"), 1000 } },
        .pivot = doubt || rule->guard == is_pivot,
        .retry = { 100, 200, 1000, rule->guard == out_of_patience ? 10 : 0, GIVE_UP_ROLLBACK },
    };
    if (is_tcc)
        branch.to[ROLE_CONFIRM] = (struct endpoint){ SLICE("http://x/confirm"), 1000 };
    if (!doubt)
        branch.to[ROLE_BACKWARD] = (struct endpoint){ SLICE("http://x/undo"), 1000 };
    struct transaction_request request = {
        .namespace_name = SLICE("default"),
        .gid = SLICE("t"),
        .mode = w->mode,
        .drive = rule->guard == client_drives ? DRIVE_CLIENT : DRIVE_SERVER,
        .branches = &branch,
        .branch_count = 1,
        .deadline_ms = 60000,
    };
    put(w, (struct record){ .kind = RECORD_CREATED, .id = 7, .until_ms = 61000, .request = &request });
}

static bool on_end(const struct rule *rule) {
    return rule->on == ON_END_DONE || rule->on == ON_END_REFUSED || rule->on == ON_END_UNKNOWN;
}

static bool on_outcome(const struct rule *rule) {
    return rule->on <= ON_STEP_UNKNOWN || on_end(rule);
}

static uint8_t role_of(const struct rule *rule) {
    if (!on_end(rule))
        return ROLE_FORWARD;
    return rule->status == STATUS_COMMITTING ? ROLE_CONFIRM : ROLE_BACKWARD;
}

static uint8_t verdict_of(const struct rule *rule) {
    switch (rule->on) {
    case ON_STEP_DONE:
    case ON_END_DONE:
        return VERDICT_DONE;
    case ON_STEP_REFUSED:
    case ON_END_REFUSED:
        return VERDICT_REFUSED;
    default:
        return VERDICT_UNKNOWN;
    }
}

static void put_not_done(struct world *w, uint8_t role) {
    put(w, (struct record){ .kind = RECORD_RESOLVED, .role = role, .flags = RECORD_FLAG_NOT_DONE });
}

static void put_decided(struct world *w, uint8_t decision) {
    put(w, (struct record){ .kind = RECORD_DECIDED, .decision = decision, .cause = CAUSE_CLIENT });
}

/* Records up to the row's status. */
static void put_life(struct world *w, const struct rule *rule) {
    struct record allowed = { .kind = RECORD_ALLOWED, .attempt = 1 };
    struct record done = { .kind = RECORD_OUTCOME, .attempt = 1, .verdict = VERDICT_DONE };
    bool rollback = rule->status == STATUS_ROLLING_BACK || rule->status == STATUS_ROLLED_BACK ||
                    rule->status == STATUS_HEURISTIC_ROLLBACK;
    bool missing = rule->guard == something_is_missing;
    bool forward_open = (on_outcome(rule) && !on_end(rule)) || rule->guard == pivot_in_doubt;
    if (rule->status == STATUS_HEURISTIC_COMMIT || rule->status == STATUS_HEURISTIC_ROLLBACK) {
        put(w, (struct record){ .kind = RECORD_FORCED, .status = rule->status });
        return;
    }
    put(w, allowed);
    if (missing && !rollback)
        put_not_done(w, ROLE_FORWARD);
    else if (!forward_open)
        put(w, done);
    if (rule->status == STATUS_ACTIVE)
        return;
    put_decided(w, rollback ? DECISION_ROLLBACK : DECISION_COMMIT);
    if (on_end(rule) || (missing && rollback)) {
        allowed.role = role_of(rule);
        if (missing)
            allowed.role = ROLE_BACKWARD;
        if (w->mode == MODE_MESSAGE)
            allowed = (struct record){ .kind = RECORD_DELIVERY, .id = 1, .text = SLICE("a") };
        put(w, allowed);
        if (w->mode == MODE_MESSAGE && rule->guard == out_of_patience) /* patience begins with a failure */
            put(w, (struct record){ .kind = RECORD_OUTCOME,
                                    .branch = 1,
                                    .role = ROLE_CONFIRM,
                                    .attempt = 1,
                                    .verdict = VERDICT_UNKNOWN,
                                    .next_ms = 1100 });
    }
    if (missing && rollback)
        put_not_done(w, ROLE_BACKWARD);
    if (status_is_final(rule->status))
        put(w, (struct record){ .kind = RECORD_FINISHED, .status = rule->status });
}

/* mode: enum mode. */
static void world_open(struct world *w, const struct rule *rule, uint8_t mode) {
    *w = (struct world){ .mode = mode };
    assert_int_equal(engine_new(&w->engine, &options, NULL), 0);
    effects_init(&w->effects, LIMIT_TURN_BYTES);
    if (mode == MODE_MESSAGE || mode == MODE_NOTICE)
        put_message_created(w, rule);
    else
        put_created(w, rule);
    put_life(w, rule);
    parcels_recover(w->engine);
    engine_turn(w->engine, 2);
    w->seat = seat_by_id(w->engine, 7);
    assert_non_null(w->seat);
    assert_int_equal(w->seat->transaction.status, rule->status);
    transaction_check(&w->seat->transaction);
}

static void world_close(struct world *w) {
    engine_free(w->engine);
    effects_done(&w->effects);
}

static void obey_row(const struct rule_table *table, size_t which, size_t first, size_t index) {
    const struct rule *rule = &table->rules[index];
    struct outcome outcome = {
        .transaction = 7, .role = role_of(rule), .verdict = verdict_of(rule), .attempt = 1
    };
    struct event event = { .kind = EVENT_TICK, .now_ms = 5000, .random = 1 };
    struct world w;
    struct step s;
    world_open(&w, rule, table == &decision_table ? MODE_SAGA : (uint8_t)(MODE_SAGA + which));
    step_begin(&s, w.engine, &event, &w.effects, w.seat);
    outcome.branch = s.branch = w.mode == MODE_MESSAGE && on_end(rule) ? 1 : 0;
    s.role = outcome.role;
    s.cause = CAUSE_CLIENT;
    s.outcome = on_outcome(rule) ? &outcome : NULL;
    assert_true(rule_obey(&s, rule->on)); /* asserts that the act made NEXT */
    if (w.engine->rule_hits.row[first + index] != 1)
        print_error("%s: row %zu was not the one obeyed\n", table->name, index);
    assert_int_equal(w.engine->rule_hits.row[first + index], 1);
    assert_int_equal(w.seat->transaction.status, rule->next);
    step_end(&s); /* asserts every invariant of the transaction */
    world_close(&w);
}

static void every_row_is_obeyed_and_keeps_its_word(void **state) {
    size_t first;
    (void)state;
    for (size_t index = 0; index < TABLES; index++) {
        const struct rule_table *table = rule_tables(index, &first);
        for (size_t i = 0; i < table->count; i++)
            obey_row(table, index, first, i);
    }
}

/* The pairs that cannot happen find no row either, whatever the guards say. */
static void nothing_is_obeyed_without_a_row(void **state) {
    size_t first;
    (void)state;
    const struct rule_table *saga = rule_tables(0, &first);
    for (uint8_t on = ON_END_DONE; on <= ON_END_UNKNOWN; on++) {
        struct event event = { .kind = EVENT_TICK, .now_ms = 5000 };
        struct world w;
        struct step s;
        world_open(&w, &saga->rules[1], MODE_SAGA);
        step_begin(&s, w.engine, &event, &w.effects, w.seat);
        assert_false(rule_obey(&s, on));
        assert_int_equal(w.seat->transaction.seq, w.seq);
        world_close(&w);
    }
}

/* A decided transaction never becomes active or changes sides; a final one stays as it is (G1, I-G5). */
static void decisions_stand_in_the_tables(void **state) {
    size_t first;
    (void)state;
    for (size_t index = 0; index < TABLES; index++) {
        const struct rule_table *table = rule_tables(index, &first);
        for (size_t i = 0; i < table->count; i++) {
            const struct rule *rule = &table->rules[i];
            if (status_is_final(rule->status))
                assert_int_equal(rule->next, rule->status);
            if (rule->status == STATUS_COMMITTING)
                assert_true(rule->next == STATUS_COMMITTING || rule->next == STATUS_COMMITTED ||
                            rule->next == STATUS_HEURISTIC_MIXED);
            if (rule->status == STATUS_ROLLING_BACK)
                assert_true(rule->next == STATUS_ROLLING_BACK || rule->next == STATUS_ROLLED_BACK ||
                            rule->next == STATUS_HEURISTIC_MIXED);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_is_ruled_or_cannot_happen),
        cmocka_unit_test(no_row_hides_another),
        cmocka_unit_test(rows_stand_in_the_right_table_and_have_words),
        cmocka_unit_test(every_row_is_obeyed_and_keeps_its_word),
        cmocka_unit_test(nothing_is_obeyed_without_a_row),
        cmocka_unit_test(decisions_stand_in_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
