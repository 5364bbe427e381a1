/* What consumers and operators may say about deliveries. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/limits.h"
#include "protocol/delivery_form.h"

static struct arena arena;

static int decode(enum delivery_act act, const char *body, struct delivery_command *out, struct problem *p) {
    char text[2048];
    size_t length = strlen(body);
    struct slice copy;
    assert_true(length < sizeof text);
    for (size_t i = 0; i < length; i++)
        text[i] = body[i] == '\'' ? '"' : body[i];
    assert_int_equal(arena_copy(&arena, slice_of(text, length), &copy), 0);
    return delivery_form_decode(copy, act, &arena, out, p);
}

static struct delivery_command taken(enum delivery_act act, const char *body) {
    struct delivery_command c;
    struct problem p;
    if (decode(act, body, &c, &p) != 0)
        fail_msg("%s refused: %s", body, p.detail.text);
    return c;
}

static void what_is_taken(void **state) {
    (void)state;
    arena_init(&arena, 4096, 1 << 24);
    struct delivery_command c = taken(DELIVERY_PULL, "");
    assert_int_equal(c.max, DELIVERY_PULL_DEFAULT);
    assert_int_equal(c.lease_ms, 0);
    assert_false(c.waits);
    c = taken(DELIVERY_PULL, "{'max':1000,'lease':'12h','wait':'60s'}");
    assert_int_equal(c.max, 1000);
    assert_int_equal(c.lease_ms, LIMIT_LEASE_MS);
    assert_int_equal(c.wait_ms, LIMIT_WAIT_MS);
    assert_true(c.waits);
    assert_true(taken(DELIVERY_PULL, "{'wait':'0s'}").waits);
    (void)taken(DELIVERY_ACK, "");
    (void)taken(DELIVERY_ACK, "{}");
    c = taken(DELIVERY_NACK, "{'delay':'1m','refused':true,'reason':' no '}");
    assert_int_equal(c.delay_ms, 60000);
    assert_true(c.refused);
    assert_true(slice_is(c.reason, "no"));
    assert_false(taken(DELIVERY_NACK, "").refused);
    c = taken(DELIVERY_EDIT, "{'reason':'typo','body':[ 1 ]}");
    assert_true(slice_is(c.body, "[ 1 ]"));
    assert_true(slice_is(c.content_type, "application/json"));
    c = taken(DELIVERY_EDIT, "{'reason':'typo','body_base64':'aGk='}");
    assert_true(slice_is(c.body, "hi"));
    assert_int_equal(c.content_type.length, 0); /* as it was */
    c = taken(DELIVERY_EDIT, "{'reason':'typo','body_base64':'aGk=','content_type':'text/plain'}");
    assert_true(slice_is(c.content_type, "text/plain"));
    arena_done(&arena);
}

static void what_is_refused(void **state) {
    static const struct {
        enum delivery_act act;
        const char *body;
        enum problem_type type;
        const char *field;
    } rows[] = {
        { DELIVERY_PULL, "{'max':0}", PROBLEM_OVER_LIMIT, "max" },
        { DELIVERY_PULL, "{'max':1001}", PROBLEM_OVER_LIMIT, "max" },
        { DELIVERY_PULL, "{'max':-1}", PROBLEM_OVER_LIMIT, "max" },
        { DELIVERY_PULL, "{'lease':'99ms'}", PROBLEM_OVER_LIMIT, "lease" },
        { DELIVERY_PULL, "{'lease':'721m'}", PROBLEM_OVER_LIMIT, "lease" },
        { DELIVERY_PULL, "{'wait':'61s'}", PROBLEM_OVER_LIMIT, "wait" },
        { DELIVERY_PULL, "{'reason':'x'}", PROBLEM_UNKNOWN_FIELD, "reason" },
        { DELIVERY_ACK, "{'reason':'x'}", PROBLEM_UNKNOWN_FIELD, "reason" },
        { DELIVERY_ACK, "[]", PROBLEM_WRONG_TYPE, "" },
        { DELIVERY_NACK, "{'refused':'yes'}", PROBLEM_WRONG_TYPE, "refused" },
        { DELIVERY_NACK, "{'delay':'0s'}", PROBLEM_OVER_LIMIT, "delay" },
        { DELIVERY_REPLAY, "", PROBLEM_MISSING_FIELD, "reason" },
        { DELIVERY_DISCARD, "{'reason':'  '}", PROBLEM_INVALID_VALUE, "reason" },
        { DELIVERY_DISCARD, "{'reason':'x','body':1}", PROBLEM_UNKNOWN_FIELD, "body" },
        { DELIVERY_EDIT, "{'body':1}", PROBLEM_MISSING_FIELD, "reason" },
        { DELIVERY_EDIT, "{'reason':'x'}", PROBLEM_MISSING_FIELD, "body" },
        { DELIVERY_EDIT, "{'reason':'x','body':1,'body_base64':'aGk='}", PROBLEM_INVALID_VALUE,
          "body_base64" },
        { DELIVERY_EDIT, "{'reason':'x','body':1,'content_type':'text/plain'}", PROBLEM_INVALID_VALUE,
          "content_type" },
    };
    (void)state;
    arena_init(&arena, 4096, 1 << 24);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct delivery_command c;
        struct problem p;
        if (decode(rows[i].act, rows[i].body, &c, &p) != ERR_INVALID)
            fail_msg("%s was taken", rows[i].body);
        if (p.type != rows[i].type || strcmp(p.field, rows[i].field) != 0)
            fail_msg("%s: %s at \"%s\"", rows[i].body, problem_row(p.type)->path, p.field);
    }
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests_name("delivery_form", tests, NULL, NULL);
}
