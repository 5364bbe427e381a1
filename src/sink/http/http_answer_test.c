/* Answers in any cut: what they mean, what is kept of them, and whether the connection may go on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sink/http/http_answer.h"

static struct http_answer answer;

static int init(void **state) {
    (void)state;
    http_answer_init(&answer);
    return 0;
}

static int done(void **state) {
    (void)state;
    http_answer_done(&answer);
    return 0;
}

/* Feed in pieces, each in memory of its own that is gone after the call. Returns the last code. */
static int feed(struct slice input, size_t step, char text[256]) {
    int code = ERR_MORE;
    http_answer_begin(&answer, 1000000);
    for (size_t at = 0; at < input.length && code == ERR_MORE; at += step) {
        struct slice piece = slice_upto(slice_from(input, at), step);
        char *copy = malloc(piece.length);
        assert_non_null(copy);
        memcpy(copy, piece.at, piece.length);
        code = http_answer_receive(&answer, slice_of(copy, piece.length));
        if (code == 0) {
            assert_true(answer.text.length < 256);
            memcpy(text, answer.text.length > 0 ? answer.text.at : "", answer.text.length);
            text[answer.text.length] = '\0';
        }
        free(copy);
    }
    return code;
}

struct row {
    const char *input;
    const char *text;
    enum verdict verdict;
    uint32_t retry_after_ms;
    bool keeps_alive;
};

static const struct row rows[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", VERDICT_DONE, 0, true },
    { "HTTP/1.1 204 No Content\r\n\r\n", "", VERDICT_DONE, 0, true },
    { "HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", "", VERDICT_DONE, 0, true },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello",
      VERDICT_DONE, 0, true },
    { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", VERDICT_DONE, 0, false },
    { "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", VERDICT_DONE, 0, false },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 Conflict\r\nContent-Length: 8\r\n\r\nno rooms", "no rooms",
      VERDICT_REFUSED, 0, true },
    { "HTTP/1.1 425 Too Early\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", "", VERDICT_WORKING, 3000,
      true },
    { "HTTP/1.1 429 Slow\r\nRetry-After: 99999\r\nContent-Length: 0\r\n\r\n", "", VERDICT_SLOW_DOWN, 3600000,
      true },
    { "HTTP/1.1 503 Busy\r\nRetry-After: Thu, 01 Jan 1970 00:16:50 GMT\r\nContent-Length: 0\r\n\r\n", "",
      VERDICT_SLOW_DOWN, 10000, true },
    { "HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", "", VERDICT_SLOW_DOWN, 0, true },
    { "HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", "", VERDICT_UNKNOWN, 0,
      true },
    { "HTTP/1.1 304 Not Modified\r\n\r\n", "", VERDICT_UNKNOWN, 0, true },
    { "HTTP/1.1 400 Bad\r\nContent-Length: 1\r\n\r\nx", "x", VERDICT_UNKNOWN, 0, true },
    { "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", "", VERDICT_UNKNOWN, 0, true },
    { "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "", VERDICT_UNKNOWN, 0, true },
    { "HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n", "", VERDICT_UNKNOWN, 0, true },
};

static void means_what_its_status_says_in_any_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice input = slice_text(rows[i].input);
        for (size_t step = 1; step <= input.length; step++) {
            char text[256];
            assert_int_equal(feed(input, step, text), 0);
            assert_true(answer.complete);
            assert_string_equal(text, rows[i].text);
            assert_int_equal(http_answer_verdict(answer.response.status), rows[i].verdict);
            assert_int_equal(answer.retry_after_ms, rows[i].retry_after_ms);
            assert_int_equal(http_answer_keeps_alive(&answer), rows[i].keeps_alive);
        }
    }
}

static void keeps_a_part_of_a_long_body(void **state) {
    (void)state;
    static char block[LIMIT_ANSWER_BYTES];
    struct buffer head;
    const size_t lengths[] = { LIMIT_ANSWER_BYTES, LIMIT_ANSWER_BYTES + 1, LIMIT_ANSWER_BYTES * 10,
                               LIMIT_ANSWER_BYTES + HTTP_ANSWER_DISCARD_BYTES };
    memset(block, 'x', sizeof block);
    buffer_init(&head, 4096);
    for (size_t i = 0; i < 4; i++) {
        buffer_clear(&head);
        buffer_add_format(&head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", lengths[i]);
        http_answer_begin(&answer, 0);
        assert_int_equal(http_answer_receive(&answer, buffer_slice(&head)), ERR_MORE);
        int code = ERR_MORE;
        for (size_t left = lengths[i]; left > 0;) {
            assert_int_equal(code, ERR_MORE);
            size_t piece = left < sizeof block ? left : sizeof block;
            code = http_answer_receive(&answer, slice_of(block, piece));
            left -= piece;
        }
        assert_int_equal(code, 0);
        assert_int_equal(answer.text.length, LIMIT_ANSWER_BYTES);
        assert_true(http_answer_keeps_alive(&answer));
    }
    buffer_done(&head);
}

/* An endless body ends the connection, not the patience. */
static void does_not_read_for_ever(void **state) {
    (void)state;
    static char block[LIMIT_ANSWER_BYTES];
    const char *heads[] = { "HTTP/1.1 200 OK\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" };
    for (size_t i = 0; i < 2; i++) {
        http_answer_begin(&answer, 0);
        int code = http_answer_receive(&answer, slice_text(heads[i]));
        size_t received = 0;
        while (code == ERR_MORE) {
            code = http_answer_receive(&answer, slice_of(block, sizeof block));
            received += sizeof block;
            assert_true(received <= LIMIT_ANSWER_BYTES * 2 + HTTP_ANSWER_DISCARD_BYTES);
        }
        assert_int_equal(code, 0);
        assert_true(answer.decided);
        assert_false(answer.complete);
        assert_int_equal(answer.text.length, LIMIT_ANSWER_BYTES);
        assert_false(http_answer_keeps_alive(&answer));
    }
}

static void a_cut_body_leaves_the_verdict(void **state) {
    (void)state;
    char text[256];
    assert_int_equal(feed(SLICE("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"), 100, text), ERR_MORE);
    http_answer_end(&answer);
    assert_true(answer.decided);
    assert_false(http_answer_keeps_alive(&answer));
    assert_true(slice_is(answer.text, "hel"));
    assert_int_equal(
        feed(SLICE("HTTP/1.1 409 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nrubbish"), 100, text),
        0);
    assert_string_equal(text, "hel");
    assert_true(answer.decided);
    assert_false(http_answer_keeps_alive(&answer));
    assert_int_equal(feed(SLICE("HTTP/1.1 200 OK\r\nContent-"), 100, text), ERR_MORE);
    http_answer_end(&answer);
    assert_false(answer.decided);
}

static void what_stands_behind_an_answer_spoils_the_connection(void **state) {
    (void)state;
    char text[256];
    assert_int_equal(
        feed(SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"), 100, text), 0);
    assert_string_equal(text, "ok");
    assert_false(http_answer_keeps_alive(&answer));
}

static void garbage_is_no_answer(void **state) {
    (void)state;
    char text[256];
    static const char *const garbage[] = {
        "SSH-2.0-x\r\n", "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n"
    };
    for (size_t i = 0; i < 4; i++)
        for (size_t step = 1; step < 60; step++) {
            int code = feed(slice_text(garbage[i]), step, text);
            assert_true(code < 0 && code != ERR_MORE);
            assert_non_null(answer.fault);
            assert_false(answer.decided);
        }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, init, done)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(means_what_its_status_says_in_any_cut),
        TEST(keeps_a_part_of_a_long_body),
        TEST(does_not_read_for_ever),
        TEST(a_cut_body_leaves_the_verdict),
        TEST(what_stands_behind_an_answer_spoils_the_connection),
        TEST(garbage_is_no_answer),
    };
    return cmocka_run_group_tests_name("http_answer", tests, NULL, NULL);
}
