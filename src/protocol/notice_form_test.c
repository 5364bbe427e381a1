#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "protocol/notice_form.h"

static struct arena arena;

static int begin(void **state) {
    (void)state;
    arena_init(&arena, 65536, 16 << 20);
    return 0;
}

static int end(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static int judge(void *self, struct slice url, struct why *why) {
    (void)self;
    (void)url;
    (void)why;
    return 0;
}

static bool only_crm(void *self, struct slice name) {
    (void)self;
    return slice_is(name, "crm");
}

static const struct submission_options options = {
    .namespace_name = { "default", 7 },
    .deadline_ms = 60000,
    .call_timeout_ms = 5000,
    .retry = { .first_ms = 1000, .factor_percent = 200, .max_ms = 300000 },
    .judge = judge,
    .has_endpoint = only_crm,
};

static struct transaction_request taken(const char *body) {
    struct transaction_request q;
    struct problem p;
    if (notice_form_decode(slice_text(body), &options, &arena, &q, &p) != 0)
        fail_msg("%s refused: %s at %s", body, p.detail.text, p.field);
    return q;
}

static void the_notification_of_the_manual(void **state) {
    struct transaction_request q =
        taken("{\"endpoint\":\"crm\",\"event\":\"order.paid\",\"ref\":\"4711\",\"body\": {\"a\": 1},"
              "\"schedule\":[\"0s\",\"15s\",\"1m\"],\"success\":{\"status\":\"2xx\",\"body\":\" success \"},"
              "\"then\":\"give_up\",\"labels\":{\"x\":\"y\"}}");
    (void)state;
    assert_int_equal(q.mode, MODE_NOTICE);
    assert_int_equal(q.gid.length, 0);
    assert_int_equal(q.branch_count, 1);
    assert_true(slice_is(q.branches[0].id, "crm"));
    assert_int_equal(q.branches[0].to[ROLE_FORWARD].timeout_ms, 0);
    assert_true(slice_is(q.message->only, "crm"));
    assert_true(slice_is(q.message->head.topic, "order.paid"));
    assert_true(slice_is(q.message->head.key, "4711"));
    assert_true(slice_is(q.message->head.content_type, "application/json"));
    assert_true(slice_is(q.message->body, "{\"a\": 1}"));
    assert_int_equal(q.message->schedule_count, 3);
    assert_int_equal(q.message->schedule_ms[2], 60000);
    assert_int_equal(q.message->success_http, 0);
    assert_true(slice_is(q.message->success_body, "success"));
    assert_int_equal(q.deadline_ms, 60000 + 75000 + 3 * 300000);
    assert_int_equal(q.label_count, 1);
}

static void what_is_left_out_has_its_usual_value(void **state) {
    struct transaction_request q =
        taken("{\"id\":\"n1\",\"endpoint\":\"crm\",\"event\":\"e\",\"timeout\":\"1s\","
              "\"success\":{\"status\":204}}");
    (void)state;
    assert_true(slice_is(q.gid, "n1"));
    assert_int_equal(q.message->schedule_count, 6);
    assert_int_equal(q.message->schedule_ms[5], 21600000);
    assert_int_equal(q.message->success_http, 204);
    assert_int_equal(q.message->body.length, 0);
    assert_int_equal(q.branches[0].to[ROLE_FORWARD].timeout_ms, 1000);
}

static void the_same_words_have_the_same_fingerprint(void **state) {
    struct transaction_request a = taken("{\"endpoint\":\"crm\",\"event\":\"e\",\"ref\":\"1\"}");
    struct transaction_request b = taken("{ \"ref\": \"1\", \"event\": \"e\", \"endpoint\": \"crm\" }");
    static const char *const others[] = {
        "{\"endpoint\":\"crm\",\"event\":\"e\",\"ref\":\"2\"}",
        "{\"endpoint\":\"crm\",\"event\":\"f\",\"ref\":\"1\"}",
        "{\"endpoint\":\"crm\",\"event\":\"e\",\"ref\":\"1\",\"body\":1}",
        "{\"endpoint\":\"crm\",\"event\":\"e\",\"ref\":\"1\",\"schedule\":[\"0s\"]}",
        "{\"endpoint\":\"crm\",\"event\":\"e\",\"ref\":\"1\",\"success\":{\"body\":\"ok\"}}",
        "{\"endpoint\":\"crm\",\"event\":\"e\",\"ref\":\"1\",\"timeout\":\"1s\"}",
        "{\"endpoint\":\"crm\",\"event\":\"e\",\"ref\":\"1\",\"headers\":{\"x\":\"1\"}}",
        "{\"endpoint\":\"crm\",\"event\":\"e\",\"ref\":\"1\",\"id\":\"a\"}",
    };
    (void)state;
    assert_memory_equal(a.fingerprint, b.fingerprint, 32);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_memory_not_equal(a.fingerprint, taken(others[i]).fingerprint, 32);
}

static void faults_are_named(void **state) {
    static const struct {
        const char *body;
        enum problem_type type;
        const char *field;
    } rows[] = {
        { "{\"event\":\"e\"}", PROBLEM_MISSING_FIELD, "endpoint" },
        { "{\"endpoint\":\"crm\"}", PROBLEM_MISSING_FIELD, "event" },
        { "{\"endpoint\":\"crn\",\"event\":\"e\"}", PROBLEM_INVALID_VALUE, "endpoint" },
        { "{\"endpoint\":\"c m\",\"event\":\"e\"}", PROBLEM_INVALID_VALUE, "endpoint" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"shedule\":[]}", PROBLEM_UNKNOWN_FIELD, "shedule" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"schedule\":[]}", PROBLEM_OVER_LIMIT, "schedule" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"schedule\":[\"0s\",15]}", PROBLEM_INVALID_VALUE,
          "schedule[1]" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"schedule\":[\"31d\"]}", PROBLEM_OVER_LIMIT,
          "schedule[0]" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"success\":{\"status\":\"4xx\"}}", PROBLEM_INVALID_VALUE,
          "success.status" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"success\":{\"status\":302}}", PROBLEM_INVALID_VALUE,
          "success.status" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"success\":{\"code\":200}}", PROBLEM_UNKNOWN_FIELD,
          "success.code" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"then\":\"retry\"}", PROBLEM_INVALID_VALUE, "then" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"timeout\":\"1h\"}", PROBLEM_OVER_LIMIT, "timeout" },
        { "{\"endpoint\":\"crm\",\"event\":\"e\",\"headers\":{\"Host\":\"x\"}}", PROBLEM_INVALID_VALUE,
          "headers.Host" },
        { "{\"id\":\"a/b\",\"endpoint\":\"crm\",\"event\":\"e\"}", PROBLEM_INVALID_GID, "id" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct transaction_request q;
        struct problem p;
        assert_int_equal(notice_form_decode(slice_text(rows[i].body), &options, &arena, &q, &p), ERR_INVALID);
        if (p.type != rows[i].type || strcmp(p.field, rows[i].field) != 0)
            fail_msg("%s: type %d, field %s: %s", rows[i].body, (int)p.type, p.field, p.detail.text);
    }
}

#define B "{\"id\":\"a\",\"base\":\"http://a/x\"}"

static struct transaction_request with(const char *members) {
    char body[2048];
    struct transaction_request q;
    struct problem p;
    snprintf(body, sizeof body, "{\"gid\":\"g\",\"mode\":\"tcc\",\"branches\":[" B "]%s}", members);
    char *kept = arena_take(&arena, strlen(body));
    memcpy(kept, body, strlen(body));
    if (submission_decode(slice_of(kept, strlen(body)), &options, &arena, &q, &p) != 0)
        fail_msg("%s refused: %s at %s", body, p.detail.text, p.field);
    return q;
}

static void a_transaction_names_what_it_sends(void **state) {
    struct transaction_request q =
        with(",\"on_commit\":[{\"topic\":\"warehouse.ship\",\"key\":\"4711\",\"body\":{\"order\":1}},"
             "{\"notify\":\"crm\",\"event\":\"paid\",\"schedule\":[\"0s\"]}],"
             "\"on_rollback\":[{\"notify\":\"crm\",\"event\":\"order.failed\"}]");
    (void)state;
    assert_int_equal(q.outgoing_count, 3);
    assert_false(q.outgoing[0].on_rollback || q.outgoing[0].is_notice);
    assert_true(slice_is(q.outgoing[0].message.head.topic, "warehouse.ship"));
    assert_true(slice_is(q.outgoing[0].message.body, "{\"order\":1}"));
    assert_false(q.outgoing[1].on_rollback);
    assert_true(q.outgoing[1].is_notice);
    assert_true(slice_is(q.outgoing[1].message.only, "crm"));
    assert_int_equal(q.outgoing[1].message.schedule_count, 1);
    assert_int_equal(q.outgoing[1].timeout_ms, 0);
    assert_true(q.outgoing[2].on_rollback);
    struct transaction_request without = with("");
    assert_int_equal(without.outgoing_count, 0);
    assert_memory_not_equal(q.fingerprint, without.fingerprint, 32);
    assert_memory_not_equal(with(",\"on_commit\":[{\"topic\":\"t\"}]").fingerprint,
                            with(",\"on_rollback\":[{\"topic\":\"t\"}]").fingerprint, 32);
}

static void faults_of_what_it_sends_are_named(void **state) {
    static const struct {
        const char *members;
        enum problem_type type;
        const char *field;
    } rows[] = {
        { ",\"on_commit\":{}", PROBLEM_WRONG_TYPE, "on_commit" },
        { ",\"on_commit\":[7]", PROBLEM_INVALID_VALUE, "on_commit[0]" },
        { ",\"on_commit\":[{}]", PROBLEM_MISSING_FIELD, "on_commit[0].topic" },
        { ",\"on_commit\":[{\"topic\":\"t\"},{\"topc\":\"t\"}]", PROBLEM_UNKNOWN_FIELD, "on_commit[1].topc" },
        { ",\"on_rollback\":[{\"notify\":\"crm\"}]", PROBLEM_MISSING_FIELD, "on_rollback[0].event" },
        { ",\"on_rollback\":[{\"notify\":\"nobody\",\"event\":\"e\"}]", PROBLEM_INVALID_VALUE,
          "on_rollback[0].notify" },
        { ",\"on_commit\":[{\"notify\":\"crm\",\"event\":\"e\",\"topic\":\"t\"}]", PROBLEM_UNKNOWN_FIELD,
          "on_commit[0].topic" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct transaction_request q;
        struct problem p;
        char body[512];
        snprintf(body, sizeof body, "{\"gid\":\"g\",\"mode\":\"tcc\",\"branches\":[" B "]%s}",
                 rows[i].members);
        assert_int_equal(submission_decode(slice_text(body), &options, &arena, &q, &p), ERR_INVALID);
        if (p.type != rows[i].type || strcmp(p.field, rows[i].field) != 0)
            fail_msg("%s: type %d, field %s: %s", body, (int)p.type, p.field, p.detail.text);
    }
}

static void more_than_it_may_send(void **state) {
    struct transaction_request q;
    struct problem p;
    struct buffer body;
    (void)state;
    buffer_init(&body, 8192);
    buffer_add_slice(&body, SLICE("{\"gid\":\"g\",\"mode\":\"tcc\",\"branches\":[" B "],\"on_commit\":["));
    for (int i = 0; i < LIMIT_OUTGOING; i++)
        buffer_add_slice(&body, i == 0 ? SLICE("{\"topic\":\"t\"}") : SLICE(",{\"topic\":\"t\"}"));
    size_t full = body.length;
    buffer_add_slice(&body, SLICE("]}"));
    assert_int_equal(submission_decode(buffer_slice(&body), &options, &arena, &q, &p), 0);
    assert_int_equal(q.outgoing_count, LIMIT_OUTGOING);
    body.length = full;
    buffer_add_slice(&body, SLICE("],\"on_rollback\":[{\"topic\":\"t\"}]}"));
    assert_int_equal(submission_decode(buffer_slice(&body), &options, &arena, &q, &p), ERR_INVALID);
    assert_int_equal(p.type, PROBLEM_OVER_LIMIT);
    assert_string_equal(p.field, "on_rollback");
    buffer_done(&body);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_notification_of_the_manual),
        TEST(what_is_left_out_has_its_usual_value),
        TEST(the_same_words_have_the_same_fingerprint),
        TEST(faults_are_named),
        TEST(a_transaction_names_what_it_sends),
        TEST(faults_of_what_it_sends_are_named),
        TEST(more_than_it_may_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
