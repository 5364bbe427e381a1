#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/size.h"

static void parses(void **state) {
    static const struct {
        const char *text;
        int failed;
        uint64_t bytes;
    } rows[] = {
        { "0", 0, 0 },
        { "4096", 0, 4096 },
        { "512B", 0, 512 },
        { "64KiB", 0, 65536 },
        { "1MiB", 0, 1048576 },
        { "2GiB", 0, 2147483648u },
        { "1TiB", 0, 1099511627776u },
        { "16777215TiB", 0, 16777215u * 1099511627776u },
        { "16777216TiB", ERR_LIMIT, 0 },
        { "18446744073709551615", 0, UINT64_MAX },
        { "18446744073709551616", ERR_LIMIT, 0 },
        { "", ERR_SYNTAX, 0 },
        { "MiB", ERR_SYNTAX, 0 },
        { "1MB", ERR_SYNTAX, 0 },
        { "1M", ERR_SYNTAX, 0 },
        { "1mib", ERR_SYNTAX, 0 },
        { "1 MiB", ERR_SYNTAX, 0 },
        { "1.5MiB", ERR_SYNTAX, 0 },
        { "-1", ERR_SYNTAX, 0 },
        { "1MiBx", ERR_SYNTAX, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t bytes = 0;
        assert_int_equal(size_parse(slice_text(rows[i].text), &bytes), rows[i].failed);
        assert_int_equal(bytes, rows[i].bytes);
    }
}

static void writes_what_reads_back(void **state) {
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0B" },
        { 1, "1B" },
        { 1000, "1000B" },
        { 1024, "1KiB" },
        { 262144, "256KiB" },
        { 1048576, "1MiB" },
        { 1572864, "1536KiB" },
        { 2147483648u, "2GiB" },
        { UINT64_MAX, "18446744073709551615B" },
    };
    struct buffer b;
    (void)state;
    buffer_init(&b, 64);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t back;
        buffer_clear(&b);
        size_add(&b, rows[i].bytes);
        assert_true(slice_is(buffer_slice(&b), rows[i].text));
        assert_int_equal(size_parse(buffer_slice(&b), &back), 0);
        assert_int_equal(back, rows[i].bytes);
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
