#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/json.h"
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
        cmocka_unit_test(text_lines_read_well),
        cmocka_unit_test(levels_decide_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
