#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/duration.h"
#include "base/err.h"

static void parses(void **state) {
    static const struct {
        const char *text;
        int failed;
        uint64_t ms;
    } rows[] = {
        { "500ms", 0, 500 },
        { "30s", 0, 30000 },
        { "5m", 0, 300000 },
        { "24h", 0, 86400000 },
        { "7d", 0, 604800000 },
        { "0s", 0, 0 },
        { "007s", 0, 7000 },
        { "18446744073709551615ms", 0, UINT64_MAX },
        { "18446744073709551616ms", ERR_LIMIT, 0 },
        { "18446744073709551615s", ERR_LIMIT, 0 },
        { "213503982335d", ERR_LIMIT, 0 },
        { "", ERR_SYNTAX, 0 },
        { "s", ERR_SYNTAX, 0 },
        { "5", ERR_SYNTAX, 0 },
        { "5 s", ERR_SYNTAX, 0 },
        { " 5s", ERR_SYNTAX, 0 },
        { "5s ", ERR_SYNTAX, 0 },
        { "-5s", ERR_SYNTAX, 0 },
        { "+5s", ERR_SYNTAX, 0 },
        { "1.5s", ERR_SYNTAX, 0 },
        { "5S", ERR_SYNTAX, 0 },
        { "5M", ERR_SYNTAX, 0 },
        { "1h30m", ERR_SYNTAX, 0 },
        { "5us", ERR_SYNTAX, 0 },
        { "5sec", ERR_SYNTAX, 0 },
        { "0x5s", ERR_SYNTAX, 0 },
        { "1e3s", ERR_SYNTAX, 0 },
        { "5w", ERR_SYNTAX, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms = 0;
        assert_int_equal(duration_parse(slice_text(rows[i].text), &ms), rows[i].failed);
        assert_int_equal(ms, rows[i].ms);
    }
    uint64_t ms = 42;
    assert_int_equal(duration_parse(SLICE_NONE, &ms), ERR_SYNTAX);
    assert_int_equal(ms, 42);
}

static void writes_what_reads_back(void **state) {
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        { 0, "0s" },         { 1, "1ms" },
        { 212, "212ms" },    { 1000, "1s" },
        { 1500, "1500ms" },  { 60000, "1m" },
        { 90000, "90s" },    { 120000, "2m" },
        { 3600000, "1h" },   { 86400000, "24h" },
        { 172800000, "2d" }, { 90000000, "25h" },
        { 604800000, "7d" }, { UINT64_MAX, "18446744073709551615ms" },
    };
    struct buffer b;
    (void)state;
    buffer_init(&b, 64);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t back;
        buffer_clear(&b);
        duration_add(&b, rows[i].ms);
        assert_true(slice_is(buffer_slice(&b), rows[i].text));
        assert_int_equal(duration_parse(buffer_slice(&b), &back), 0);
        assert_int_equal(back, rows[i].ms);
    }
    buffer_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(writes_what_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
