/* What is written reads back the same, and nothing can be smuggled into a head. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "wire/http1.h"

static void writes_a_request_that_reads_back(void **state) {
    (void)state;
    struct http1_header headers[8];
    struct http1_request r;
    struct buffer b;
    size_t taken;
    buffer_init(&b, 4096);
    http1_add_request(&b, "POST", SLICE("/tcc/try?x=1"), SLICE("stock:8080"));
    http1_add_header(&b, "Settle-Gid", SLICE("order-1"));
    http1_add_header(&b, "X-Empty", SLICE_NONE);
    http1_add_header_u64(&b, "Content-Length", 18446744073709551615u);
    http1_add_head_end(&b);
    assert_int_equal(buffer_failed(&b), 0);
    http1_request_init(&r, headers, 8);
    assert_int_equal(http1_request_decode(&r, buffer_slice(&b), &taken), 0);
    assert_int_equal(taken, b.length);
    assert_true(slice_is(r.target, "/tcc/try?x=1"));
    assert_true(slice_is(r.host, "stock:8080"));
    assert_true(slice_is(http1_find(&r.head, "settle-gid"), "order-1"));
    assert_true(r.head.content_length == UINT64_MAX);
    buffer_done(&b);
}

static void writes_a_chunked_response_that_reads_back(void **state) {
    (void)state;
    struct http1_header headers[8];
    struct http1_response r;
    struct http1_body body;
    struct buffer b;
    size_t taken, total = 0;
    char piece_bytes[70000];
    memset(piece_bytes, 'p', sizeof piece_bytes);
    buffer_init(&b, 1 << 20);
    http1_add_status(&b, 507);
    http1_add_header(&b, "Transfer-Encoding", SLICE("chunked"));
    http1_add_head_end(&b);
    http1_add_chunk(&b, SLICE("a"));
    http1_add_chunk(&b, SLICE_NONE);
    http1_add_chunk(&b, slice_of(piece_bytes, 0x10));
    http1_add_chunk(&b, slice_of(piece_bytes, sizeof piece_bytes));
    http1_add_last_chunk(&b);
    http1_response_init(&r, headers, 8, false);
    assert_int_equal(http1_response_decode(&r, buffer_slice(&b), &taken), 0);
    assert_int_equal(r.status, 507);
    assert_true(slice_is(r.reason, "Insufficient Storage"));
    struct slice rest = slice_from(buffer_slice(&b), taken);
    http1_body_init(&body, r.head.framing, 0, 1 << 20);
    while (!body.finished) {
        struct slice piece;
        assert_int_equal(http1_body_decode(&body, rest, &taken, &piece), 0);
        rest = slice_from(rest, taken);
        total += piece.length;
    }
    assert_int_equal(total, 1 + 16 + sizeof piece_bytes);
    assert_int_equal(rest.length, 0);
    buffer_done(&b);
}

static int code_of_header(struct slice value) {
    struct buffer b;
    buffer_init(&b, 4096);
    http1_add_header(&b, "X", value);
    int code = buffer_failed(&b);
    buffer_done(&b);
    return code;
}

static int code_of_request(struct slice target, struct slice host) {
    struct buffer b;
    buffer_init(&b, 4096);
    http1_add_request(&b, "GET", target, host);
    http1_add_head_end(&b);
    int code = buffer_failed(&b);
    if (code != 0)
        assert_false(slice_ends(buffer_slice(&b), "\r\n\r\n"));
    buffer_done(&b);
    return code;
}

static void lets_nothing_be_smuggled_into_a_head(void **state) {
    (void)state;
    assert_int_equal(code_of_header(SLICE("fine \t \xc3\xa4")), 0);
    assert_int_equal(code_of_header(SLICE("a\r\nEvil: 1")), ERR_INVALID);
    assert_int_equal(code_of_header(SLICE("a\nEvil: 1")), ERR_INVALID);
    assert_int_equal(code_of_header(SLICE("a\rEvil: 1")), ERR_INVALID);
    assert_int_equal(code_of_header(SLICE("a\0b")), ERR_INVALID);
    assert_int_equal(code_of_header(SLICE("a\x7f")), ERR_INVALID);
    assert_int_equal(code_of_header(SLICE("a\x1b[0m")), ERR_INVALID);
    assert_int_equal(code_of_request(SLICE("/x"), SLICE("a")), 0);
    assert_int_equal(code_of_request(SLICE("/x HTTP/1.1"), SLICE("a")), ERR_INVALID);
    assert_int_equal(code_of_request(SLICE("/x\r\nEvil: 1"), SLICE("a")), ERR_INVALID);
    assert_int_equal(code_of_request(SLICE("/x\ty"), SLICE("a")), ERR_INVALID);
    assert_int_equal(code_of_request(SLICE_NONE, SLICE("a")), ERR_INVALID);
    assert_int_equal(code_of_request(SLICE("/x"), SLICE("a\r\nEvil: 1")), ERR_INVALID);
    assert_int_equal(code_of_request(SLICE("/x"), SLICE("a b")), ERR_INVALID);
    assert_int_equal(code_of_request(SLICE("/x"), SLICE_NONE), ERR_INVALID);
}

static void names_every_status_it_uses(void **state) {
    (void)state;
    assert_string_equal(http1_reason(404), "Not Found");
    assert_string_equal(http1_reason(299), "Status");
    assert_string_equal(http1_reason(507), "Insufficient Storage");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_request_that_reads_back),
        cmocka_unit_test(writes_a_chunked_response_that_reads_back),
        cmocka_unit_test(lets_nothing_be_smuggled_into_a_head),
        cmocka_unit_test(names_every_status_it_uses),
    };
    return cmocka_run_group_tests_name("http1_write", tests, NULL, NULL);
}
