#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sink/check_answer.h"

static void only_the_words_decide(void **state) {
    static const struct {
        unsigned http;
        const char *body;
        enum verdict verdict;
    } rows[] = {
        { 200, "{\"status\":\"committed\"}", VERDICT_DONE },
        { 200, " {\"since\": 1, \"status\" : \"rolled_back\"}\n", VERDICT_REFUSED },
        { 200, "{\"status\":\"unknown\"}", VERDICT_UNKNOWN },
        { 200, "{\"status\":\"COMMITTED\"}", VERDICT_UNKNOWN },
        { 200, "{\"status\":true}", VERDICT_UNKNOWN },
        { 200, "{\"state\":\"committed\"}", VERDICT_UNKNOWN },
        { 200, "{\"status\":\"committed\",\"status\":\"rolled_back\"}", VERDICT_UNKNOWN },
        { 200, "\"committed\"", VERDICT_UNKNOWN },
        { 200, "committed", VERDICT_UNKNOWN },
        { 200, "", VERDICT_UNKNOWN },
        { 204, "", VERDICT_UNKNOWN },
        { 201, "{\"status\":\"committed\"}", VERDICT_UNKNOWN },
        { 302, "{\"status\":\"committed\"}", VERDICT_UNKNOWN },
        { 404, "{\"status\":\"rolled_back\"}", VERDICT_UNKNOWN },
        { 409, "{\"status\":\"rolled_back\"}", VERDICT_UNKNOWN },
        { 500, "{\"status\":\"committed\"}", VERDICT_UNKNOWN },
        { 425, "", VERDICT_WORKING },
        { 429, "", VERDICT_SLOW_DOWN },
        { 503, "", VERDICT_SLOW_DOWN },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *say = NULL;
        assert_int_equal(check_answer_verdict(rows[i].http, slice_text(rows[i].body), &say), rows[i].verdict);
        assert_int_equal(say != NULL, rows[i].http == 200);
    }
}

static void deliveries_and_actions_are_no_checks(void **state) {
    struct call_message message = { .id = SLICE("m") };
    struct call call = { .role = ROLE_FORWARD, .operation = SLICE("check") };
    (void)state;
    assert_true(check_answer_is_for(&call));
    call.message = &message;
    assert_false(check_answer_is_for(&call));
    call.message = NULL;
    call.operation = SLICE("action");
    assert_false(check_answer_is_for(&call));
    call.operation = SLICE("check");
    call.role = ROLE_CONFIRM;
    assert_false(check_answer_is_for(&call));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_words_decide),
        cmocka_unit_test(deliveries_and_actions_are_no_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
