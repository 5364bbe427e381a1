#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/limits.h"
#include "protocol/command_form.h"
#include "protocol/routes.h"

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct command taken(const char *body, enum command_kind kind) {
    struct command c;
    struct problem p;
    if (command_form_decode(slice_text(body), kind, &arena, &c, &p) != 0)
        fail_msg("%s refused: %s", body, p.detail.text);
    return c;
}

static void commands_are_read(void **state) {
    (void)state;
    assert_int_equal(taken("", COMMAND_REASON).reason.length, 0);
    assert_int_equal(taken("{}", COMMAND_REASON).reason.length, 0);
    assert_true(slice_is(taken("{\"reason\":\"bank \\u0064own\"}", COMMAND_REASON).reason, "bank down"));
    assert_int_equal(taken("{\"reason\":\"\"}", COMMAND_REASON).reason.length, 0);
    struct command c = taken("{\"decision\":\"commit\",\"reason\":\"ticket 881\"}", COMMAND_FORCE);
    assert_int_equal(c.decision, DECISION_COMMIT);
    assert_true(slice_is(c.reason, "ticket 881"));
    assert_int_equal(taken("{\"reason\":\"x\",\"decision\":\"rollback\"}", COMMAND_FORCE).decision,
                     DECISION_ROLLBACK);
    c = taken("{\"as\":\"done\",\"reason\":\"seen\"}", COMMAND_RESOLVE);
    assert_false(c.not_done);
    assert_int_equal(c.operation.length, 0);
    c = taken("{\"as\":\"refused\",\"operation\":\"confirm\",\"reason\":\"gone\"}", COMMAND_RESOLVE);
    assert_true(c.not_done);
    assert_true(slice_is(c.operation, "confirm"));
    c = taken("{\"name\":\"ci\",\"roles\":[\"operator\",\"viewer\"],\"expires\":\"30d\"}", COMMAND_TOKEN);
    assert_true(slice_is(c.name, "ci"));
    assert_int_equal(c.roles, ROUTE_ROLE_OPERATOR | ROUTE_ROLE_VIEWER);
    assert_int_equal(c.expires_ms, 2592000000u);
    assert_int_equal(taken("{\"name\":\"a\",\"roles\":[\"admin\"]}", COMMAND_TOKEN).roles, ROUTE_ROLE_ADMIN);
    assert_int_equal(taken("", COMMAND_ROTATE).overlap_ms, COMMAND_OVERLAP_MS_DEFAULT);
    assert_int_equal(taken("{\"overlap\":\"0s\"}", COMMAND_ROTATE).overlap_ms, 0);
}

static void faults_are_named(void **state) {
    static const struct {
        const char *body;
        enum command_kind kind;
        enum problem_type type;
        const char *field;
        const char *nearest;
    } rows[] = {
        { "{", COMMAND_REASON, PROBLEM_MALFORMED_JSON, "", "" },
        { "null", COMMAND_REASON, PROBLEM_WRONG_TYPE, "", "" },
        { "{\"raeson\":\"x\"}", COMMAND_REASON, PROBLEM_UNKNOWN_FIELD, "raeson", "reason" },
        { "{\"reason\":7}", COMMAND_REASON, PROBLEM_WRONG_TYPE, "reason", "" },
        { "{\"reason\":\"a\\nb\"}", COMMAND_REASON, PROBLEM_INVALID_VALUE, "reason", "" },
        { "", COMMAND_FORCE, PROBLEM_MISSING_FIELD, "decision", "" },
        { "{\"decision\":\"commit\"}", COMMAND_FORCE, PROBLEM_MISSING_FIELD, "reason", "" },
        { "{\"decision\":\"commit\",\"reason\":\"  \"}", COMMAND_FORCE, PROBLEM_INVALID_VALUE, "reason", "" },
        { "{\"decision\":\"commit\",\"reason\":\"\"}", COMMAND_FORCE, PROBLEM_INVALID_VALUE, "reason", "" },
        { "{\"decision\":\"comit\",\"reason\":\"x\"}", COMMAND_FORCE, PROBLEM_INVALID_VALUE, "decision",
          "commit" },
        { "{\"decision\":null,\"reason\":\"x\"}", COMMAND_FORCE, PROBLEM_WRONG_TYPE, "decision", "" },
        { "{}", COMMAND_RESOLVE, PROBLEM_MISSING_FIELD, "reason", "" },
        { "{\"reason\":\" \"}", COMMAND_RESOLVE, PROBLEM_INVALID_VALUE, "reason", "" },
        { "{\"as\":\"done\"}", COMMAND_RESOLVE, PROBLEM_MISSING_FIELD, "reason", "" },
        { "{\"as\":\"gone\",\"reason\":\"x\"}", COMMAND_RESOLVE, PROBLEM_INVALID_VALUE, "as", "done" },
        { "{\"as\":\"done\",\"reason\":\"x\",\"operation\":\"a b\"}", COMMAND_RESOLVE, PROBLEM_INVALID_VALUE,
          "operation", "" },
        { "{\"name\":\"ci\"}", COMMAND_TOKEN, PROBLEM_MISSING_FIELD, "roles", "" },
        { "{\"roles\":[\"admin\"]}", COMMAND_TOKEN, PROBLEM_MISSING_FIELD, "name", "" },
        { "{\"name\":\"ci\",\"roles\":[]}", COMMAND_TOKEN, PROBLEM_INVALID_VALUE, "roles", "" },
        { "{\"name\":\"ci\",\"roles\":[\"amdin\"]}", COMMAND_TOKEN, PROBLEM_INVALID_VALUE, "roles[0]",
          "admin" },
        { "{\"name\":\"ci\",\"roles\":[\"admin\",1]}", COMMAND_TOKEN, PROBLEM_WRONG_TYPE, "roles[1]", "" },
        { "{\"name\":\"c i\",\"roles\":[\"admin\"]}", COMMAND_TOKEN, PROBLEM_INVALID_VALUE, "name", "" },
        { "{\"name\":\"ci\",\"roles\":[\"admin\"],\"expires\":\"60d\"}", COMMAND_TOKEN, PROBLEM_OVER_LIMIT,
          "expires", "" },
        { "{\"overlap\":\"31d\"}", COMMAND_ROTATE, PROBLEM_OVER_LIMIT, "overlap", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command c = { .roles = 77 };
        struct problem p;
        int failed = command_form_decode(slice_text(rows[i].body), rows[i].kind, &arena, &c, &p);
        if (failed != ERR_INVALID || p.type != rows[i].type || strcmp(p.field, rows[i].field) != 0 ||
            strcmp(p.nearest, rows[i].nearest) != 0)
            fail_msg("%s: %d %s field %s nearest %s", rows[i].body, failed, problem_row(p.type)->path,
                     p.field, p.nearest);
        assert_int_equal(c.roles, 77);
    }
}

static void reasons_are_limited(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 1 << 20);
    for (size_t i = 0; i < 3; i++) {
        size_t length = i == 0   ? LIMIT_REASON_BYTES
                        : i == 1 ? LIMIT_REASON_BYTES + 1
                                 : LIMIT_REASON_BYTES * 10;
        struct command c;
        struct problem p;
        buffer_clear(&b);
        buffer_add_text(&b, "{\"reason\":\"");
        for (size_t j = 0; j < length; j++)
            buffer_add_byte(&b, 'r');
        buffer_add_text(&b, "\"}");
        int failed = command_form_decode(buffer_slice(&b), COMMAND_REASON, &arena, &c, &p);
        assert_int_equal(failed, i == 0 ? 0 : ERR_INVALID);
        if (i > 0)
            assert_int_equal(p.type, PROBLEM_OVER_LIMIT);
    }
    buffer_done(&b);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(commands_are_read),
        TEST(faults_are_named),
        TEST(reasons_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
