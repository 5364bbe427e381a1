#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/utf8.h"

static void every_code_point_round_trips(void **state) {
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char bytes[4];
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        size_t length = utf8_write(code, bytes);
        if (utf8_length(bytes, bytes + length) != length || utf8_length(bytes, bytes + 1) != (length == 1))
            fail_msg("U+%04X is %zu bytes but not read so", (unsigned)code, length);
    }
}

/* Counting what is accepted among all sequences of up to three bytes: exactly the assigned shapes. */
static void nothing_else_is_a_character(void **state) {
    size_t pairs = 0;
    size_t triples = 0;
    (void)state;
    for (unsigned n = 0; n < 1u << 24; n++) {
        char bytes[3] = { (char)(n >> 16), (char)(n >> 8), (char)n };
        size_t length = utf8_length(bytes, bytes + 3);
        pairs += length == 2;
        triples += length == 3;
    }
    assert_int_equal(pairs, (0x800 - 0x80) * 256);
    assert_int_equal(triples, 0x10000 - 0x800 - 0x800);
    assert_int_equal(utf8_length("\xf0\x8f\xbf\xbf", "\xf0\x8f\xbf\xbf" + 4), 0);
    assert_false(utf8_valid(SLICE("\xf4\x90\x80\x80")));
    assert_false(utf8_valid(SLICE("\xf0\x8f\xbf\xbf")));
    assert_false(utf8_valid(SLICE("ok\x80")));
    assert_true(utf8_valid(SLICE("\xf4\x8f\xbf\xbf ok")));
    assert_true(utf8_valid(SLICE_NONE));
}

static void escapes(void **state) {
    static const struct {
        const char *text;
        size_t taken;
        const char *meaning;
    } rows[] = {
        { "\\u0041", 6, "A" },
        { "\\u00e9", 6, "\xc3\xa9" },
        { "\\uD83D\\uDE39", 12, "\xf0\x9f\x98\xb9" },
        { "\\uFfFf", 6, "\xef\xbf\xbf" },
        { "\\uD83D", 0, "" },
        { "\\uDE39\\uD83D", 0, "" },
        { "\\uD83D\\u0041", 0, "" },
        { "\\uD83D\\uDE3", 0, "" },
        { "\\u004", 0, "" },
        { "\\u00g1", 0, "" },
        { "\\U0041", 0, "" },
        { "u0041x", 0, "" },
        { "", 0, "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[4];
        size_t length = 0;
        assert_int_equal(utf8_unescape(rows[i].text, rows[i].text + strlen(rows[i].text), out, &length),
                         rows[i].taken);
        assert_true(slice_is(slice_of(out, length), rows[i].meaning));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_round_trips),
        cmocka_unit_test(nothing_else_is_a_character),
        cmocka_unit_test(escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
