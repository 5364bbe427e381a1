#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "protocol/render.h"

#define T0 UINT64_C(1767780000000) /* 2026-01-07T10:00:00Z */

static struct buffer text;

static int set_up(void **state) {
    (void)state;
    buffer_init(&text, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    buffer_done(&text);
    return 0;
}

static void expect(const struct transaction *t, const char *expected) {
    struct json_writer w;
    struct json_value root;
    buffer_clear(&text);
    json_writer_init(&w, &text);
    render_transaction(&w, NULL, t);
    assert_int_equal(buffer_failed(&text), 0);
    assert_int_equal(json_check(buffer_slice(&text), &root, NULL), 0);
    if (!slice_is(buffer_slice(&text), expected))
        fail_msg("%.*s\n expected\n%s", SLICE_PRINT(buffer_slice(&text)), expected);
}

static void set_detail(struct operation *o, const char *detail) {
    o->detail = detail;
    o->detail_length = (uint16_t)strlen(detail);
}

/* The saga of ux.md (b): hotel refused, car was compensated, charge never began. */
static void a_saga_that_rolled_back(void **state) {
    struct branch b[3] = { { .id = SLICE("car") },
                           { .id = SLICE("hotel") },
                           { .id = SLICE("charge"), .pivot = true } };
    struct label labels[] = { { SLICE("user"), SLICE("u\"9") } };
    struct transaction t = {
        .id = 7,
        .seq = 9,
        .mode = MODE_SAGA,
        .status = STATUS_ROLLED_BACK,
        .decision = DECISION_ROLLBACK,
        .cause = CAUSE_REFUSED,
        .created_ms = T0,
        .updated_ms = T0 + 212,
        .deadline_ms = T0 + 120000,
        .decided_ms = T0 + 100,
        .finished_ms = T0 + 212,
        .gid = SLICE("trip-77"),
        .name = SLICE("book-trip"),
        .labels = labels,
        .label_count = 1,
        .reason_set = true,
        .reason_has_branch = true,
        .reason_branch = 1,
        .reason_role = ROLE_FORWARD,
        .reason_verdict = VERDICT_REFUSED,
        .reason_http = 409,
        .reason_attempt = 1,
        .reason_detail = SLICE(" no rooms\r\n"),
        .branches = b,
        .branch_count = 3,
    };
    (void)state;
    b[0].operation[ROLE_FORWARD] = (struct operation){ .status = OPERATION_DONE, .attempt = 1, .http = 200 };
    b[0].operation[ROLE_BACKWARD] = (struct operation){ .status = OPERATION_DONE, .attempt = 2, .http = 204 };
    b[1].operation[ROLE_FORWARD] = (struct operation){
        .status = OPERATION_REFUSED, .verdict = VERDICT_REFUSED, .attempt = 1, .http = 409
    };
    set_detail(&b[1].operation[ROLE_FORWARD], "no rooms");
    expect(
        &t,
        "{\"gid\":\"trip-77\",\"mode\":\"saga\",\"status\":\"rolled_back\",\"name\":\"book-trip\",\"labels\":"
        "{\"user\":\"u\\\"9\"},"
        "\"created\":\"2026-01-07T10:00:00.000Z\",\"updated\":\"2026-01-07T10:00:00.212Z\",\"deadline\":"
        "\"2026-01-07T10:02:00.000Z\","
        "\"finished\":\"2026-01-07T10:00:00.212Z\",\"took\":\"212ms\",\"suspended\":false,"
        "\"decision\":{\"decision\":\"rollback\",\"by\":\"refused\",\"at\":\"2026-01-07T10:00:00.100Z\"},"
        "\"reason\":{\"branch\":\"hotel\",\"op\":\"action\",\"attempt\":1,\"http\":409,\"cause\":\"refused\","
        "\"detail\":\"no rooms\"},"
        "\"attention\":null,\"branches\":[{\"id\":\"car\",\"action\":\"done\",\"compensate\":\"done\","
        "\"attempts\":2,\"http\":204},"
        "{\"id\":\"hotel\",\"action\":\"refused\",\"attempts\":1,\"http\":409,\"detail\":\"no rooms\"},"
        "{\"id\":\"charge\",\"action\":\"pending\",\"pivot\":true}],"
        "\"links\":{\"self\":\"/v1/transactions/trip-77\",\"events\":\"/v1/transactions/trip-77/events\"}}");
    assert_string_equal(render_decision(&t), "rolled_back");
}

/* A TCC transaction that cannot confirm one branch. */
static struct transaction stuck(struct branch b[2]) {
    struct transaction t = {
        .id = 7,
        .seq = 9,
        .mode = MODE_TCC,
        .status = STATUS_COMMITTING,
        .decision = DECISION_COMMIT,
        .cause = CAUSE_ALL_DONE,
        .created_ms = T0,
        .updated_ms = T0 + 50,
        .deadline_ms = T0 + 10000,
        .decided_ms = T0 + 12,
        .gid = SLICE("order-4693"),
        .branches = b,
        .branch_count = 2,
    };
    memset(b, 0, 2 * sizeof *b);
    b[0].id = SLICE("stock");
    b[1].id = SLICE("points");
    b[0].operation[ROLE_FORWARD] = (struct operation){ .status = OPERATION_DONE, .attempt = 1, .http = 200 };
    b[1].operation[ROLE_FORWARD] = (struct operation){ .status = OPERATION_DONE, .attempt = 1, .http = 200 };
    b[1].operation[ROLE_CONFIRM] = (struct operation){ .status = OPERATION_RETRYING,
                                                       .verdict = VERDICT_REFUSED,
                                                       .attempt = 4,
                                                       .http = 409,
                                                       .next_ms = T0 + 38000,
                                                       .attention_ms = T0 + 40 };
    set_detail(&b[1].operation[ROLE_CONFIRM], "user closed");
    return t;
}

static void a_tcc_that_needs_attention(void **state) {
    struct branch b[2];
    struct transaction t = stuck(b);
    (void)state;
    expect(&t,
           "{\"gid\":\"order-4693\",\"mode\":\"tcc\",\"status\":\"committing\",\"labels\":{},"
           "\"created\":\"2026-01-07T10:00:00.000Z\",\"updated\":\"2026-01-07T10:00:00.050Z\",\"deadline\":"
           "\"2026-01-07T10:00:10.000Z\","
           "\"suspended\":false,\"decision\":{\"decision\":\"commit\",\"by\":\"all-done\",\"at\":\"2026-01-"
           "07T10:00:00.012Z\"},"
           "\"reason\":null,\"attention\":{\"why\":\"points refused to confirm: user "
           "closed\",\"branch\":\"points\",\"op\":\"confirm\","
           "\"attempts\":3,\"since\":\"2026-01-07T10:00:00.040Z\",\"next_try\":\"2026-01-07T10:00:38.000Z\"},"
           "\"next_try\":\"2026-01-07T10:00:38.000Z\","
           "\"branches\":[{\"id\":\"stock\",\"try\":\"done\",\"confirm\":\"pending\",\"attempts\":1,\"http\":"
           "200},"
           "{\"id\":\"points\",\"try\":\"done\",\"confirm\":\"retrying\",\"attempts\":3,\"http\":409,"
           "\"detail\":\"user closed\","
           "\"next_try\":\"2026-01-07T10:00:38.000Z\"}],"
           "\"links\":{\"self\":\"/v1/transactions/order-4693\",\"events\":\"/v1/transactions/order-4693/"
           "events\"}}");
}

/* While suspended nothing is tried next, and nothing says it is. */
static void a_suspended_one(void **state) {
    struct branch b[2];
    struct transaction t = stuck(b);
    struct json_value root;
    struct json_value value;
    (void)state;
    t.suspended = true;
    t.drive = DRIVE_CLIENT;
    struct json_writer w;
    json_writer_init(&w, &text);
    render_transaction(&w, NULL, &t);
    assert_int_equal(json_check(buffer_slice(&text), &root, NULL), 0);
    assert_int_equal(json_find(root, SLICE("/next_try"), &value), 0);
    assert_int_equal(value.kind, JSON_NULL);
    assert_int_equal(json_find(root, SLICE("/attention/next_try"), &value), 0);
    assert_int_equal(value.kind, JSON_NULL);
    assert_true(json_find(root, SLICE("/branches/1/next_try"), &value) != 0);
    assert_int_equal(json_find(root, SLICE("/suspended"), &value), 0);
    assert_true(slice_is(value.raw, "true"));
    assert_int_equal(json_find(root, SLICE("/drive"), &value), 0);
    assert_true(json_is(value, "client"));
}

static void a_client_driven_one_hides_what_it_does_not_call(void **state) {
    struct branch b[1] = { { .id = SLICE("a") } };
    struct transaction t = { .id = 1,
                             .seq = 1,
                             .mode = MODE_TCC,
                             .drive = DRIVE_CLIENT,
                             .status = STATUS_ACTIVE,
                             .created_ms = T0,
                             .updated_ms = T0,
                             .deadline_ms = T0 + 1,
                             .gid = SLICE("g"),
                             .branches = b,
                             .branch_count = 1 };
    (void)state;
    expect(&t, "{\"gid\":\"g\",\"mode\":\"tcc\",\"status\":\"active\",\"drive\":\"client\",\"labels\":{},"
               "\"created\":\"2026-01-07T10:00:00.000Z\",\"updated\":\"2026-01-07T10:00:00.000Z\","
               "\"deadline\":\"2026-01-07T10:00:00.001Z\","
               "\"suspended\":false,\"decision\":null,\"reason\":null,\"attention\":null,\"next_try\":null,"
               "\"branches\":[{\"id\":\"a\"}],"
               "\"links\":{\"self\":\"/v1/transactions/g\",\"events\":\"/v1/transactions/g/events\"}}");
    assert_null(render_decision(&t));
}

static void reasons_without_a_branch(void **state) {
    static const struct {
        uint8_t cause;
        const char *detail;
        const char *shown;
    } rows[] = {
        { CAUSE_DEADLINE, "", "its deadline passed" },
        { CAUSE_CLIENT, "changed my mind", "changed my mind" },
        { CAUSE_CLIENT, "", "the client asked for it" },
        { CAUSE_OPERATOR, "ticket 881", "ticket 881" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct transaction t = { .id = 1,
                                 .seq = 1,
                                 .mode = MODE_SAGA,
                                 .status = STATUS_ROLLING_BACK,
                                 .decision = DECISION_ROLLBACK,
                                 .cause = rows[i].cause,
                                 .created_ms = T0,
                                 .gid = SLICE("g"),
                                 .reason_set = true,
                                 .reason_detail = slice_text(rows[i].detail) };
        struct json_writer w;
        struct json_value root;
        struct json_value value;
        buffer_clear(&text);
        json_writer_init(&w, &text);
        render_transaction(&w, NULL, &t);
        assert_int_equal(json_check(buffer_slice(&text), &root, NULL), 0);
        assert_int_equal(json_find(root, SLICE("/reason/detail"), &value), 0);
        assert_true(json_is(value, rows[i].shown));
        assert_int_equal(json_find(root, SLICE("/reason/cause"), &value), 0);
        assert_true(json_is(value, cause_word(rows[i].cause)));
        assert_true(json_find(root, SLICE("/reason/branch"), &value) != 0);
    }
}

static void why_in_words(void **state) {
    struct branch b[2];
    struct transaction t = stuck(b);
    struct operation *o = &b[1].operation[ROLE_CONFIRM];
    (void)state;
    o->verdict = VERDICT_UNKNOWN;
    o->http = 502;
    set_detail(o, "");
    render_why(&t, 1, ROLE_CONFIRM, &text);
    assert_true(slice_is(buffer_slice(&text), "points.confirm is not done after 3 attempts, HTTP 502"));
    buffer_clear(&text);
    o->http = 0;
    set_detail(o, "connection refused\n");
    render_why(&t, 1, ROLE_CONFIRM, &text);
    assert_true(
        slice_is(buffer_slice(&text), "points.confirm is not done after 3 attempts: connection refused"));
    buffer_clear(&text);
    o->verdict = VERDICT_FORBIDDEN;
    set_detail(o, "10.0.0.1 is not allowed by egress.allow");
    render_why(&t, 1, ROLE_CONFIRM, &text);
    assert_true(
        slice_is(buffer_slice(&text), "points may not be called: 10.0.0.1 is not allowed by egress.allow"));
}

static void lists(void **state) {
    struct branch b[2];
    struct transaction t = stuck(b);
    struct json_writer w;
    struct json_value root;
    struct json_value value;
    (void)state;
    json_writer_init(&w, &text);
    render_list_begin(&w);
    render_item(&w, &t);
    render_item(&w, &t);
    render_list_end(&w, 7, false, 1312);
    assert_int_equal(json_check(buffer_slice(&text), &root, NULL), 0);
    assert_int_equal(json_find(root, SLICE("/items/1/gid"), &value), 0);
    assert_true(json_is(value, "order-4693"));
    assert_true(json_find(root, SLICE("/items/0/branches"), &value) != 0);
    assert_int_equal(json_find(root, SLICE("/items/0/attention/branch"), &value), 0);
    assert_int_equal(json_find(root, SLICE("/next"), &value), 0);
    assert_true(json_is(value, "AQAAAAAAAAAABw"));
    assert_int_equal(json_find(root, SLICE("/approx_total"), &value), 0);
    assert_true(slice_is(value.raw, "1312"));
    buffer_clear(&text);
    json_writer_init(&w, &text);
    render_list_begin(&w);
    render_list_end(&w, 0, false, 0);
    assert_true(slice_is(buffer_slice(&text), "{\"items\":[],\"next\":null,\"approx_total\":0}"));
}

static void already_decided(void **state) {
    struct branch b[2];
    struct transaction t = stuck(b);
    struct problem p;
    (void)state;
    render_already_decided(&t, &p);
    assert_int_equal(p.type, PROBLEM_ALREADY_DECIDED);
    assert_string_equal(p.decision, "committed");
    assert_string_equal(
        p.detail.text,
        "order-4693 was decided at 2026-01-07T10:00:00.012Z: committed, because every branch was done");
    t.status = STATUS_HEURISTIC_ROLLBACK;
    assert_string_equal(render_decision(&t), "heuristic_rollback");
}

/* Text from outside stays text: quotes, controls and broken UTF-8 come out as legal JSON. */
static void hostile_text(void **state) {
    struct branch b[2];
    struct transaction t = stuck(b);
    struct json_value root;
    struct json_writer w;
    (void)state;
    set_detail(&b[1].operation[ROLE_CONFIRM], "</script>\"\\\x01\xff\xc3");
    json_writer_init(&w, &text);
    render_transaction(&w, NULL, &t);
    assert_int_equal(json_check(buffer_slice(&text), &root, NULL), 0);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_saga_that_rolled_back),
        TEST(a_tcc_that_needs_attention),
        TEST(a_suspended_one),
        TEST(a_client_driven_one_hides_what_it_does_not_call),
        TEST(reasons_without_a_branch),
        TEST(why_in_words),
        TEST(lists),
        TEST(already_decided),
        TEST(hostile_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
