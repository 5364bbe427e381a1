/* Bodies in any cut, their limits, and their ends. The malformed chunks are rows of http1_test.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "wire/http1.h"

struct got {
    int code;
    size_t taken;
    bool finished;
    char text[256];
    size_t length;
};

/* Hand the input over in pieces of step bytes, each seen once. */
static struct got take(struct http1_body *b, struct slice input, size_t step) {
    struct got g = { 0 };
    while (!b->finished && g.taken < input.length) {
        struct slice window = slice_upto(slice_from(input, g.taken), step);
        struct slice piece;
        size_t taken;
        g.code = http1_body_decode(b, window, &taken, &piece);
        if (g.code < 0 && g.code != ERR_MORE)
            return g;
        assert_true(taken > 0);
        assert_true(taken == window.length || g.code == 0);
        assert_true(g.length + piece.length <= sizeof g.text);
        if (piece.length > 0)
            memcpy(g.text + g.length, piece.at, piece.length);
        g.length += piece.length;
        g.taken += taken;
    }
    g.finished = b->finished;
    return g;
}

static void takes_a_body_of_known_length(void **state) {
    (void)state;
    for (size_t step = 1; step < 12; step++) {
        struct http1_body b;
        http1_body_init(&b, HTTP1_LENGTH, 5, 5);
        struct got g = take(&b, SLICE("helloGET /"), step);
        assert_int_equal(g.code, 0);
        assert_int_equal(g.taken, 5);
        assert_memory_equal(g.text, "hello", 5);
        assert_true(g.finished);
        assert_int_equal(http1_body_close(&b), 0);
    }
}

static void takes_chunks_and_drops_trailers(void **state) {
    (void)state;
    struct slice input =
        SLICE("5;x=\"y\"\r\nhello\r\n00000001\r\n,\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET /");
    for (size_t step = 1; step < input.length; step++) {
        struct http1_body b;
        http1_body_init(&b, HTTP1_CHUNKED, 0, 16);
        struct got g = take(&b, input, step);
        assert_int_equal(g.code, 0);
        assert_int_equal(g.taken, input.length - strlen("GET /"));
        assert_int_equal(g.length, 16);
        assert_memory_equal(g.text, "hello,0123456789", 16);
        assert_int_equal(b.received, 16);
    }
}

static void takes_everything_until_close(void **state) {
    (void)state;
    struct http1_body b;
    http1_body_init(&b, HTTP1_UNTIL_CLOSE, 0, 16);
    struct got g = take(&b, SLICE("hello"), 2);
    assert_int_equal(g.code, ERR_MORE);
    assert_false(g.finished);
    assert_int_equal(http1_body_close(&b), 0);
    assert_true(b.finished);
}

static void tells_a_cut_body(void **state) {
    (void)state;
    struct http1_body b;
    http1_body_init(&b, HTTP1_LENGTH, 5, 5);
    take(&b, SLICE("hell"), 4);
    assert_int_equal(http1_body_close(&b), ERR_CLOSED);
    struct slice chunked = SLICE("5\r\nhello\r\n0\r\n\r\n");
    for (size_t length = 0; length < chunked.length; length++) {
        http1_body_init(&b, HTTP1_CHUNKED, 0, 5);
        take(&b, slice_upto(chunked, length), 64);
        assert_int_equal(http1_body_close(&b), ERR_CLOSED);
    }
}

static void a_body_that_is_not_there_is_finished(void **state) {
    (void)state;
    struct http1_body b;
    struct slice piece = SLICE("x");
    size_t taken = 9;
    http1_body_init(&b, HTTP1_NO_BODY, 0, 5);
    assert_true(b.finished);
    assert_int_equal(http1_body_decode(&b, SLICE("GET /"), &taken, &piece), 0);
    assert_int_equal(taken, 0);
    assert_int_equal(piece.length, 0);
    http1_body_init(&b, HTTP1_LENGTH, 0, 5);
    assert_true(b.finished);
}

static int first_code(uint8_t framing, uint64_t length, struct slice input, unsigned *status) {
    struct http1_body b;
    struct slice piece;
    size_t taken;
    http1_body_init(&b, framing, length, LIMIT_BODY_BYTES);
    int code = http1_body_decode(&b, input, &taken, &piece);
    *status = b.refusal.status;
    return code;
}

static void limits_the_body(void **state) {
    (void)state;
    unsigned status;
    assert_int_equal(first_code(HTTP1_LENGTH, LIMIT_BODY_BYTES, SLICE_NONE, &status), ERR_MORE);
    assert_int_equal(first_code(HTTP1_LENGTH, LIMIT_BODY_BYTES + 1, SLICE_NONE, &status), ERR_LIMIT);
    assert_int_equal(status, 413);
    assert_int_equal(first_code(HTTP1_LENGTH, UINT64_MAX, SLICE_NONE, &status), ERR_LIMIT);
    assert_int_equal(first_code(HTTP1_CHUNKED, 0, SLICE("100000\r\n"), &status), ERR_MORE);
    assert_int_equal(first_code(HTTP1_CHUNKED, 0, SLICE("100001\r\n"), &status), ERR_LIMIT);
    assert_int_equal(status, 413);
    assert_int_equal(first_code(HTTP1_CHUNKED, 0, SLICE("FFFFFFFF\r\n"), &status), ERR_LIMIT);
    /* The limit counts all chunks together. */
    struct http1_body b;
    http1_body_init(&b, HTTP1_CHUNKED, 0, 9);
    struct got g = take(&b, SLICE("5\r\nhello\r\n5\r\nhello\r\n"), 64);
    assert_int_equal(g.code, ERR_LIMIT);
    http1_body_init(&b, HTTP1_UNTIL_CLOSE, 0, 4);
    g = take(&b, SLICE("hello"), 3);
    assert_int_equal(g.code, ERR_LIMIT);
}

/* Tiny chunks with long extensions must not make us read for ever. */
static void limits_extensions_and_trailers(void **state) {
    (void)state;
    struct http1_body b;
    struct buffer input;
    struct slice piece;
    size_t taken;
    const char *starts[] = { "1;", "0\r\nX", "0\r\nX: " };
    for (size_t i = 0; i < 3; i++) {
        buffer_init(&input, LIMIT_HEADER_BYTES * 2);
        buffer_add_text(&input, starts[i]);
        for (int n = 0; n < LIMIT_HEADER_BYTES + 1; n++)
            buffer_add_byte(&input, 'x');
        http1_body_init(&b, HTTP1_CHUNKED, 0, 100);
        assert_int_equal(http1_body_decode(&b, buffer_slice(&input), &taken, &piece), ERR_LIMIT);
        assert_int_equal(b.refusal.status, 431);
        buffer_done(&input);
    }
    buffer_init(&input, LIMIT_HEADER_BYTES * 4);
    for (int n = 0; n < LIMIT_HEADER_BYTES / 16 + 1; n++)
        buffer_add_text(&input, "1;xxxxxxxxxxxxxxxx\r\ny\r\n");
    http1_body_init(&b, HTTP1_CHUNKED, 0, 1 << 20);
    struct slice rest = buffer_slice(&input);
    int code = 0;
    while (code == 0 && rest.length > 0) {
        code = http1_body_decode(&b, rest, &taken, &piece);
        rest = slice_from(rest, code == 0 ? taken : 0);
    }
    assert_int_equal(code, ERR_LIMIT);
    buffer_done(&input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_body_of_known_length),
        cmocka_unit_test(takes_chunks_and_drops_trailers),
        cmocka_unit_test(takes_everything_until_close),
        cmocka_unit_test(tells_a_cut_body),
        cmocka_unit_test(a_body_that_is_not_there_is_finished),
        cmocka_unit_test(limits_the_body),
        cmocka_unit_test(limits_extensions_and_trailers),
    };
    return cmocka_run_group_tests_name("http1_body", tests, NULL, NULL);
}
