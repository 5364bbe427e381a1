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

/* 2026-01-07T10:00:00.012Z */
static const uint64_t noon = 1767780000012u;

static void a_line_is_a_line_whatever_stands_in_it(void **state) {
    static const char hostile[] = "a\nb\r\x1b[31mc\x7f\\n\t\x01 \xff\xfe <script>";
    (void)state;
    for (int json = 0; json < 2; json++) {
        struct buffer line;
        buffer_init(&line, 10000);
        logs_render(&line, json != 0, noon, LOG_DENIED, 3, slice_text(hostile));
        assert_int_equal(buffer_failed(&line), 0);
        assert_int_equal(slice_find(buffer_slice(&line), '\n'), line.length - 1);
        assert_null(memchr(line.at, '\r', line.length));
        assert_null(memchr(line.at, '\x1b', line.length));
        assert_null(memchr(line.at, '\x7f', line.length) != NULL && json == 0 ? line.at : NULL);
        if (json != 0) {
            struct json_value root, value;
            uint64_t folded = 0;
            assert_int_equal(json_check(slice_upto(buffer_slice(&line), line.length - 1), &root, NULL), 0);
            assert_true(json_member(root, "event", &value));
            assert_true(json_is(value, "denied"));
            assert_true(json_member(root, "at", &value));
            assert_true(json_is(value, "2026-01-07T10:00:00.012Z"));
            assert_true(json_member(root, "folded", &value));
            assert_int_equal(json_u64(value, &folded), 0);
            assert_true(folded == 3);
        }
        buffer_done(&line);
    }
}

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

static void text_lines_read_well(void **state) {
    struct buffer line;
    (void)state;
    buffer_init(&line, 10000);
    logs_render(&line, false, noon, LOG_STOPPED, 0, SLICE("./data"));
    assert_true(slice_is(buffer_slice(&line),
                         "2026-01-07T10:00:00.012Z note  stopped: Everything accepted is durable; "
                         "goodbye. ./data\n"));
    buffer_done(&line);
}

static void levels_decide_what_is_wanted(void **state) {
    (void)state;
    logs_set(false, LOG_LEVEL_ERROR);
    assert_true(logs_wants(LOG_STORE_FAILED));
    assert_false(logs_wants(LOG_STOPPED));
    logs_set(false, LOG_LEVEL_DEBUG);
    assert_true(logs_wants(LOG_REQUEST));
    logs_set(false, LOG_LEVEL_NOTE);
    assert_false(logs_wants(LOG_REQUEST));
    uint64_t before = logs_count(LOG_LEVEL_DEBUG);
    logs_say(LOG_REQUEST, "not written, but counted");
    assert_true(logs_count(LOG_LEVEL_DEBUG) == before + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_line_whatever_stands_in_it),
        cmocka_unit_test(a_line_stays_one_line),
        cmocka_unit_test(every_byte_and_every_pair_is_tame),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(text_lines_read_well),
        cmocka_unit_test(levels_decide_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
