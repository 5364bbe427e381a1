#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "protocol/routes.h"

static int match(const char *method, const char *path, struct route_match *m) {
    return routes_match(slice_text(method), slice_text(path), m);
}

static void every_row_leads_to_itself(void **state) {
    (void)state;
    for (int i = 0; i < ROUTE_COUNT; i++) {
        const struct route *row = routes_row((enum route_id)i);
        struct route_match m;
        assert_int_equal(row->id, i);
        assert_true(row->path[0] == '/');
        assert_true(strlen(row->summary) > 10);
        assert_true(strlen(row->statuses) >= 3);
        assert_true(query_names(row->query) != NULL);
        assert_int_equal(match(routes_method_word(row->method), row->path, &m),
                         strchr(row->path, '{') ? ERR_NOT_FOUND : 0);
        /* ux.md (b): any POST takes Idempotency-Key. */
        assert_int_equal(row->method == ROUTE_METHOD_POST, row->key != ROUTE_KEY_NONE);
        for (int j = 0; j < i; j++)
            assert_false(strcmp(row->path, routes_row((enum route_id)j)->path) == 0 &&
                         row->method == routes_row((enum route_id)j)->method);
    }
}

/* reliability.md H1: nothing else may be anonymous. */
static void only_three_are_anonymous(void **state) {
    (void)state;
    for (int i = 0; i < ROUTE_COUNT; i++)
        assert_int_equal(routes_row((enum route_id)i)->role == ROUTE_ROLE_ANYONE,
                         i == ROUTE_ALIVE || i == ROUTE_READY || i == ROUTE_PROBLEM_PAGE);
}

static void parameters(void **state) {
    struct route_match m;
    char path[400];
    (void)state;
    assert_int_equal(match("GET", "/v1/transactions/trip-77", &m), 0);
    assert_int_equal(m.route->id, ROUTE_SHOW);
    assert_string_equal(m.gid, "trip-77");
    assert_string_equal(m.branch, "");
    assert_int_equal(match("POST", "/v1/transactions/a.b_c:d-E/branches/car/resolve", &m), 0);
    assert_int_equal(m.route->id, ROUTE_BRANCH_RESOLVE);
    assert_string_equal(m.gid, "a.b_c:d-E");
    assert_string_equal(m.branch, "car");
    assert_int_equal(match("GET", "/v1/transactions/a%3Ab%3ac", &m), 0);
    assert_string_equal(m.gid, "a:b:c");
    assert_int_equal(match("GET", "/problems/not-found", &m), 0);
    assert_string_equal(m.gid, "not-found");
    assert_int_equal(match("POST", "/v1/transactions", &m), 0);
    assert_int_equal(m.route->id, ROUTE_SUBMIT);
    assert_string_equal(m.gid, "");
    assert_int_equal(match("GET", "/v1/transactions/branches", &m), 0);
    assert_string_equal(m.gid, "branches");
    for (size_t length = 1; length <= 300; length++) {
        memcpy(path, "/v1/transactions/", 17);
        memset(path + 17, 'x', length);
        path[17 + length] = '\0';
        assert_int_equal(match("GET", path, &m), length <= LIMIT_GID_BYTES ? 0 : ERR_NOT_FOUND);
    }
    for (size_t length = 60; length <= 70; length++) {
        memcpy(path, "/v1/transactions/g/branches/", 28);
        memset(path + 28, 'x', length);
        memcpy(path + 28 + length, "/retry", 7);
        assert_int_equal(match("POST", path, &m), length <= LIMIT_BRANCH_ID_BYTES ? 0 : ERR_NOT_FOUND);
    }
}

static void deliveries(void **state) {
    static const char *const same[] = { "m.1~a:b", "m.1%7Ea:b", "m.1%7ea%3Ab" };
    static const char *const nowhere[] = {
        "~a", "m~", "m~a~b", "m~..", "..~a", "m~a/b", "m%7E%7Ea", "m~a%20"
    };
    char path[300];
    struct route_match m;
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        snprintf(path, sizeof path, "/v1/deliveries/%s/ack", same[i]);
        assert_int_equal(match("POST", path, &m), 0);
        assert_string_equal(m.gid, "m.1");
        assert_string_equal(m.branch, "a:b");
    }
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        snprintf(path, sizeof path, "/v1/deliveries/%s", nowhere[i]);
        assert_int_equal(match("GET", path, &m), ERR_NOT_FOUND);
    }
    assert_int_equal(match("GET", "/v1/deliveries/m", &m), 0); /* no delivery, but who asks is asked first */
    assert_string_equal(m.gid, "");
    assert_string_equal(m.branch, "");
    assert_int_equal(match("PUT", "/v1/subscriptions/warehouse", &m), 0);
    assert_int_equal(m.route->id, ROUTE_SUBSCRIPTION_PUT);
    assert_int_equal(match("GET", "/v1/transactions/a~b", &m), ERR_NOT_FOUND);
}

static void tricks_lead_nowhere(void **state) {
    static const char *const paths[] = {
        "",
        "*",
        "v1/transactions",
        "/",
        "//",
        "/v1",
        "/v1/",
        "/v1/transactions/",
        "//v1/transactions",
        "/v1//transactions",
        "/v1/transactions//",
        "/v1/transactions/g/",
        "/v1/transactions/g//events",
        "/v1/transactions/g/events/",
        "/v1/transactions/./g",
        "/v1/transactions/.",
        "/v1/transactions/..",
        "/v1/transactions/../transactions",
        "/v1/x/../transactions",
        "/V1/transactions",
        "/v1/Transactions",
        "/v1/transactions;a=b",
        "/v1/transactions/g;a=b",
        "/v1/transactions/g;",
        "/v1/transactions/%67",
        "/v1/transactions/%2e%2e",
        "/v1/transactions/%2E",
        "/v1/transactions/a%2fb",
        "/v1/transactions/a%2Fevents",
        "/v1/transactions/a%00",
        "/v1/transactions/a%",
        "/v1/transactions/a%3",
        "/v1%2ftransactions",
        "/%76%31/transactions",
        "/v1/transactions/a b",
        "/v1/transactions/a\\b",
        "/v1/transactions/a\tb",
        "/v1/transactions/\xc3\xa9",
        "/v1/transactions/a?b",
        "/v1/transactions/a#b",
        "/v1/transactions/{gid}",
        "/v1/transactions/g/event",
        "/v1/transactions/g/eventss",
        "/v1/transactions/g/branches/b",
        "/v1/transactions/g/branches//retry",
        "/v1/transactions/g/branches/../retry",
        "/healthz/",
        "/healthz/../metrics",
        "/problems/../metrics",
        "/problems/..%2fmetrics",
        "/problems/",
        "/problems/a/b",
        "/metrics/",
        "/metrics.",
        "/%6detrics",
        "/openapi.json/",
        "/openapi%2ejson",
        "http://127.0.0.1/metrics",
    };
    struct route_match m = { .methods = 77 };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (match("GET", paths[i], &m) != ERR_NOT_FOUND)
            fail_msg("%s leads somewhere", paths[i]);
    assert_int_equal(routes_match(SLICE("GET"), SLICE("/metrics\0"), &m), ERR_NOT_FOUND);
    assert_int_equal(m.methods, 77);
}

static void wrong_methods_hear_of_the_right_ones(void **state) {
    struct route_match m;
    struct buffer b;
    (void)state;
    buffer_init(&b, 100);
    assert_int_equal(match("DELETE", "/v1/transactions", &m), ERR_UNSUPPORTED);
    routes_add_allow(m.methods, &b);
    assert_true(slice_is(buffer_slice(&b), "GET, POST"));
    buffer_clear(&b);
    assert_int_equal(match("get", "/metrics", &m), ERR_UNSUPPORTED);
    routes_add_allow(m.methods, &b);
    assert_true(slice_is(buffer_slice(&b), "GET"));
    buffer_clear(&b);
    assert_int_equal(match("GET", "/v1/tokens/tok_1", &m), ERR_UNSUPPORTED);
    routes_add_allow(m.methods, &b);
    assert_true(slice_is(buffer_slice(&b), "DELETE"));
    assert_null(m.route);
    buffer_done(&b);
}

static void words(void **state) {
    (void)state;
    assert_string_equal(routes_role_word(ROUTE_ROLE_ANYONE), "anyone");
    assert_string_equal(routes_role_word(ROUTE_ROLE_APPROVER), "approver");
    assert_string_equal(routes_method_word(ROUTE_METHOD_DELETE), "DELETE");
    assert_int_equal(routes_row(ROUTE_FORCE)->role, ROUTE_ROLE_APPROVER);
    assert_int_equal(routes_row(ROUTE_SUSPEND)->role, ROUTE_ROLE_OPERATOR);
    assert_int_equal(routes_row(ROUTE_SUBMIT)->role, ROUTE_ROLE_PRODUCER);
    assert_int_equal(routes_row(ROUTE_SHOW)->role, ROUTE_ROLE_VIEWER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_leads_to_itself),
        cmocka_unit_test(only_three_are_anonymous),
        cmocka_unit_test(parameters),
        cmocka_unit_test(deliveries),
        cmocka_unit_test(tricks_lead_nowhere),
        cmocka_unit_test(wrong_methods_hear_of_the_right_ones),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
