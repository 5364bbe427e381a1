#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"
#include "server/logs.h"

static void render(struct buffer *to, bool json, struct slice details) {
    buffer_clear(to);
    logs_render(to, json, 1700000000000, LOG_DENIED, 0, details);
    assert_int_equal(buffer_failed(to), 0);
}

static void expect_tame(struct slice line) {
    assert_true(line.length > 0);
    assert_int_equal(line.at[line.length - 1], '\n');
    assert_true(utf8_valid(line));
    for (size_t i = 0; i + 1 < line.length; i++) {
        unsigned char c = (unsigned char)line.at[i];
        unsigned char next = (unsigned char)line.at[i + 1];
        assert_true(c >= 0x20);
        assert_int_not_equal(c, 0x7f);
        assert_false(c == 0xc2 && next < 0xa0);
    }
}

static void a_line_stays_one_line(void **state) {
    static const struct {
        const char *given;
        const char *written;
    } rows[] = {
        { "plain", "plain" },
        { "a\r\n2026-01-01T00:00:00.000Z error store-failed: forged", "a\\x0d\\x0a2026-01-01" },
        { "\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07" },
        { "tab\there", "tab\\x09here" },
        { "back\\slash", "back\\x5cslash" },
        { "\\x0a", "\\x5cx0a" },
        { "\x7f", "\\x7f" },
        { "c1 \xc2\x9b"
          "31m",
          "c1 \\xc2\\x9b31m" },
        { "\xc2\x85next", "\\xc2\\x85next" },
        { "\xc2\xa0"
          "blank",
          "\xc2\xa0"
          "blank" },
        { "rtl \xe2\x80\xae"
          "gpj",
          "rtl \\xe2\\x80\\xae"
          "gpj" },
        { "\xe2\x80\x8f", "\\xe2\\x80\\x8f" },
        { "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },
        { "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },
        { "\xe2\x81\xaa", "\xe2\x81\xaa" },
        { "\xe2\x82\xac 5", "\xe2\x82\xac 5" },
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "\xff\xfe", "\\xff\\xfe" },
        { "\xc0\xaf", "\\xc0\\xaf" },
        { "\x9b", "\\x9b" },
        { "cut \xe2\x80", "cut \\xe2\\x80" },
        { "\"quotes\" <script>", "\"quotes\" <script>" },
    };
    struct buffer line;
    (void)state;
    buffer_init(&line, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        render(&line, false, slice_text(rows[i].given));
        expect_tame(buffer_slice(&line));
        assert_true(line.length > strlen(rows[i].written));
        line.at[line.length - 1] = '\0';
        if (strstr(line.at, rows[i].written) == NULL)
            fail_msg("row %zu: %s", i, line.at);
    }
    buffer_done(&line);
}

static void every_byte_and_every_pair_is_tame(void **state) {
    struct buffer line;
    (void)state;
    buffer_init(&line, 65536);
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            char pair[2] = { (char)a, (char)b };
            for (int json = 0; json < 2; json++) {
                render(&line, json != 0, slice_of(pair, 2));
                expect_tame(buffer_slice(&line));
            }
        }
    buffer_done(&line);
}

static void json_lines_are_json(void **state) {
    static const char *const given[] = { "a\n\"b\"", "\x1b[0m", "\xff", "\xe2\x80\xae", "", "\\" };
    struct buffer line;
    struct arena arena;
    (void)state;
    buffer_init(&line, 65536);
    arena_init(&arena, 4096, 1 << 20);
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        struct json_value root, value;
        struct slice text;
        render(&line, true, slice_text(given[i]));
        expect_tame(buffer_slice(&line));
        assert_int_equal(json_check(buffer_slice(&line), &root, NULL), 0);
        assert_true(json_member(root, "event", &value));
        assert_int_equal(json_string(value, &arena, &text), 0);
        assert_true(slice_is(text, "denied"));
        assert_int_equal(json_member(root, "details", &value), given[i][0] != '\0');
    }
    arena_done(&arena);
    buffer_done(&line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_stays_one_line),
        cmocka_unit_test(every_byte_and_every_pair_is_tame),
        cmocka_unit_test(json_lines_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
