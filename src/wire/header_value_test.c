/* Header values: tables of good and malformed ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "wire/header_value.h"

/* Wed, 07 Jan 2026 10:00:00 GMT */
#define NOW_MS UINT64_C(1767780000000)

static void reads_retry_after(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int code;
        uint32_t wait_ms;
    } rows[] = {
        { "0", 0, 0 },
        { "1", 0, 1000 },
        { "120", 0, 120000 },
        { "3600", 0, 3600000 },
        { "3601", 0, 3600000 },
        { "99999999999999999999999", 0, 3600000 },
        { "18446744073709551615", 0, 3600000 },
        { "Wed, 07 Jan 2026 10:00:30 GMT", 0, 30000 },
        { "Wed, 07 Jan 2026 10:00:00 GMT", 0, 0 },
        { "Wed, 07 Jan 2026 09:59:59 GMT", 0, 0 },
        { "Thu, 08 Jan 2026 10:00:00 GMT", 0, 3600000 },
        { "", ERR_SYNTAX, 7 },
        { "-1", ERR_SYNTAX, 7 },
        { "+1", ERR_SYNTAX, 7 },
        { "1.5", ERR_SYNTAX, 7 },
        { "1s", ERR_SYNTAX, 7 },
        { "soon", ERR_SYNTAX, 7 },
        { "1, 2", ERR_SYNTAX, 7 },
        { "2026-01-07T10:00:30Z", ERR_SYNTAX, 7 },
        { "Wed, 07 Jan 2026 10:00:30", ERR_SYNTAX, 7 },
        { "Wed, 32 Jan 2026 10:00:30 GMT", ERR_SYNTAX, 7 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t wait_ms = 7;
        int code = header_value_retry_after(slice_text(rows[i].text), NOW_MS, &wait_ms);
        if (code != rows[i].code || wait_ms != rows[i].wait_ms)
            fail_msg("%s: code %d, %u ms", rows[i].text, code, wait_ms);
    }
}

static void reads_content_type(void **state) {
    (void)state;
    static const struct {
        const char *text, *essence;
    } rows[] = {
        { "application/json", "application/json" },
        { "application/json; charset=utf-8", "application/json" },
        { "Application/JSON ;charset=\"utf-8\"", "Application/JSON" },
        { "application/problem+json", "application/problem+json" },
        { "text/event-stream;", "text/event-stream" },
        { "", NULL },
        { "/", NULL },
        { "json", NULL },
        { "application/", NULL },
        { "/json", NULL },
        { "application/json/x", NULL },
        { "application /json", NULL },
        { "application/json charset=utf-8", NULL },
        { "application/json, text/plain", NULL },
        { "application/json; charset", NULL },
        { "application/json; =x", NULL },
        { ";charset=utf-8", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice essence = SLICE("untouched");
        int code = header_value_content_type(slice_text(rows[i].text), &essence);
        assert_int_equal(code, rows[i].essence == NULL ? ERR_SYNTAX : 0);
        assert_true(slice_is(essence, rows[i].essence == NULL ? "untouched" : rows[i].essence));
    }
}

static void reads_and_writes_traceparent(void **state) {
    (void)state;
    static const char *const good[] = {
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-holds",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    static const char *const bad[] = {
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
        "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
    };
    struct traceparent t;
    struct buffer b;
    buffer_init(&b, 4096);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(header_value_traceparent(slice_text(good[i]), &t), 0);
    assert_int_equal(header_value_traceparent(slice_text(good[0]), &t), 0);
    assert_int_equal(t.flags, 1);
    header_value_add_traceparent(&b, &t);
    assert_true(slice_is(buffer_slice(&b), good[0]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (header_value_traceparent(slice_text(bad[i]), &t) != ERR_SYNTAX)
            fail_msg("%s was taken", bad[i]);
    buffer_done(&b);
}

static void reads_a_bearer_token(void **state) {
    (void)state;
    static const struct {
        const char *text, *token;
    } rows[] = {
        { "Bearer abc", "abc" },
        { "bearer abc==", "abc==" },
        { "BEARER  a-._~+/Z9 ", "a-._~+/Z9" },
        { "Bearer", NULL },
        { "Bearer ", NULL },
        { "Bearer =", NULL },
        { "Bearer a=b", NULL },
        { "Bearer a b", NULL },
        { "Bearer a,b", NULL },
        { "Basic dXNlcjpwdw==", NULL },
        { "abc", NULL },
        { "", NULL },
        { "Bearer \"abc\"", NULL },
        { "Bearer\tabc", NULL },
        { "Bearerabc", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice token = SLICE("untouched");
        int code = header_value_bearer(slice_text(rows[i].text), &token);
        assert_int_equal(code, rows[i].token == NULL ? ERR_SYNTAX : 0);
        assert_true(slice_is(token, rows[i].token == NULL ? "untouched" : rows[i].token));
    }
    struct slice token;
    assert_int_equal(header_value_bearer(SLICE("Bearer a\0b"), &token), ERR_SYNTAX);
}

static void reads_an_event_id(void **state) {
    (void)state;
    struct slice id = SLICE("untouched");
    char text[130];
    assert_int_equal(header_value_event_id(SLICE(""), &id), ERR_SYNTAX);
    assert_int_equal(header_value_event_id(SLICE("\"\""), &id), ERR_SYNTAX);
    assert_int_equal(header_value_event_id(SLICE("\"abc"), &id), ERR_SYNTAX);
    assert_int_equal(header_value_event_id(SLICE("a b"), &id), ERR_SYNTAX);
    assert_int_equal(header_value_event_id(SLICE("a\0b"), &id), ERR_SYNTAX);
    assert_int_equal(header_value_event_id(SLICE("\xc3\xa4"), &id), ERR_SYNTAX);
    assert_int_equal(header_value_event_id(SLICE("a\\b"), &id), ERR_SYNTAX);
    assert_true(slice_is(id, "untouched"));
    assert_int_equal(header_value_event_id(SLICE("8812-3"), &id), 0);
    assert_true(slice_is(id, "8812-3"));
    assert_int_equal(header_value_event_id(SLICE("\"8812-3\""), &id), 0);
    assert_true(slice_is(id, "8812-3"));
    memset(text, 'x', sizeof text);
    assert_int_equal(header_value_event_id(slice_of(text, 128), &id), 0);
    assert_int_equal(header_value_event_id(slice_of(text, 129), &id), ERR_SYNTAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_retry_after),
        cmocka_unit_test(reads_content_type),
        cmocka_unit_test(reads_and_writes_traceparent),
        cmocka_unit_test(reads_a_bearer_token),
        cmocka_unit_test(reads_an_event_id),
    };
    return cmocka_run_group_tests_name("header_value", tests, NULL, NULL);
}
