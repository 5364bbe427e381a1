#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "base/err.h"
#include "base/instant.h"

static const struct {
    uint64_t ms;
    const char *text;
    const char *http;
} pairs[] = {
    { 0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT" },
    { 1767780000012, "2026-01-07T10:00:00.012Z", "Wed, 07 Jan 2026 10:00:00 GMT" },
    { 951782400000, "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 GMT" },
    { 951868799999, "2000-02-29T23:59:59.999Z", "Tue, 29 Feb 2000 23:59:59 GMT" },
    { 951868800000, "2000-03-01T00:00:00.000Z", "Wed, 01 Mar 2000 00:00:00 GMT" },
    { 784111777000, "1994-11-06T08:49:37.000Z", "Sun, 06 Nov 1994 08:49:37 GMT" },
    { 4107542400000, "2100-03-01T00:00:00.000Z", "Mon, 01 Mar 2100 00:00:00 GMT" },
    { 2147483648000, "2038-01-19T03:14:08.000Z", "Tue, 19 Jan 2038 03:14:08 GMT" },
    { INSTANT_MAX_MS, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 GMT" },
};

static void known_instants(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 128);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        uint64_t back = 1;
        buffer_clear(&b);
        instant_add(&b, pairs[i].ms);
        assert_true(slice_is(buffer_slice(&b), pairs[i].text));
        assert_int_equal(instant_parse(buffer_slice(&b), &back), 0);
        assert_int_equal(back, pairs[i].ms);
        buffer_clear(&b);
        instant_add_http(&b, pairs[i].ms);
        assert_true(slice_is(buffer_slice(&b), pairs[i].http));
        assert_int_equal(instant_parse_http(buffer_slice(&b), &back), 0);
        assert_int_equal(back, pairs[i].ms / 1000 * 1000);
    }
    buffer_clear(&b);
    instant_add(&b, UINT64_MAX);
    assert_true(slice_is(buffer_slice(&b), "9999-12-31T23:59:59.999Z"));
    buffer_done(&b);
}

/* Every day of four centuries agrees with the C library. */
static void every_day_agrees_with_libc(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 128);
    for (uint64_t day = 0; day < 146097 + 400; day++) {
        char expected[64];
        struct tm parts;
        uint64_t back;
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        gmtime_r(&seconds, &parts);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000Z", &parts);
        buffer_clear(&b);
        instant_add(&b, (uint64_t)seconds * 1000);
        assert_true(slice_is(buffer_slice(&b), expected));
        assert_int_equal(instant_parse(buffer_slice(&b), &back), 0);
        assert_int_equal(back, (uint64_t)seconds * 1000);
    }
    buffer_done(&b);
}

static void parses(void **state) {
    static const struct {
        const char *text;
        int failed;
        uint64_t ms;
    } rows[] = {
        { "2026-01-07T10:00:00Z", 0, 1767780000000 },
        { "2026-01-07t10:00:00z", 0, 1767780000000 },
        { "2026-01-07T10:00:00.1Z", 0, 1767780000100 },
        { "2026-01-07T10:00:00.0129999999999999999999Z", 0, 1767780000012 },
        { "2026-01-07T12:00:00+02:00", 0, 1767780000000 },
        { "2026-01-07T00:30:00-09:30", 0, 1767780000000 },
        { "2026-01-08T09:59:00+23:59", 0, 1767780000000 },
        { "2026-01-07T10:00:00-00:00", 0, 1767780000000 },
        { "1970-01-01T00:30:00+00:30", 0, 0 },
        { "1969-12-31T23:30:00-00:30", 0, 0 },
        { "1969-12-31T23:59:59.999Z", ERR_LIMIT, 0 },
        { "1970-01-01T00:00:00+00:01", ERR_LIMIT, 0 },
        { "0000-01-01T00:00:00Z", ERR_LIMIT, 0 },
        { "9999-12-31T23:59:59.999-00:01", ERR_LIMIT, 0 },
        { "2024-02-29T00:00:00Z", 0, 1709164800000 },
        { "2023-02-29T00:00:00Z", ERR_SYNTAX, 0 },
        { "2100-02-29T00:00:00Z", ERR_SYNTAX, 0 },
        { "2026-00-07T10:00:00Z", ERR_SYNTAX, 0 },
        { "2026-13-07T10:00:00Z", ERR_SYNTAX, 0 },
        { "2026-01-00T10:00:00Z", ERR_SYNTAX, 0 },
        { "2026-04-31T10:00:00Z", ERR_SYNTAX, 0 },
        { "2026-01-07T24:00:00Z", ERR_SYNTAX, 0 },
        { "2026-01-07T10:60:00Z", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:60Z", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:00", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00Z", ERR_SYNTAX, 0 },
        { "2026-01-07 10:00:00Z", ERR_SYNTAX, 0 },
        { "2026-01-07", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:00.Z", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:00,1Z", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:00Z ", ERR_SYNTAX, 0 },
        { " 2026-01-07T10:00:00Z", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:00+2:00", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:00+0200", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:00+24:00", ERR_SYNTAX, 0 },
        { "2026-01-07T10:00:00+00:60", ERR_SYNTAX, 0 },
        { "26-01-07T10:00:00Z", ERR_SYNTAX, 0 },
        { "2026-1-7T10:00:00Z", ERR_SYNTAX, 0 },
        { "+2026-01-07T10:00:00Z", ERR_SYNTAX, 0 },
        { "2026-01-07T1a:00:00Z", ERR_SYNTAX, 0 },
        { "", ERR_SYNTAX, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms = 0;
        assert_int_equal(instant_parse(slice_text(rows[i].text), &ms), rows[i].failed);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void parses_http_dates(void **state) {
    static const char *const refused[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
    };
    uint64_t ms = 5;
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(instant_parse_http(slice_text(refused[i]), &ms), ERR_SYNTAX);
    assert_int_equal(ms, 5);
    assert_int_equal(instant_parse_http(SLICE("Sun, 06 Nov 1904 08:49:37 GMT"), &ms), ERR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_instants),
        cmocka_unit_test(every_day_agrees_with_libc),
        cmocka_unit_test(parses),
        cmocka_unit_test(parses_http_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
