/* Responses: what a participant may answer, and what is garbage. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/limits.h"
#include "wire/edge_test.h"
#include "wire/http1.h"

static struct edge edges[2];

struct reading {
    int code;
    unsigned status;
    size_t taken;
    uint64_t length;
    uint8_t framing;
    bool keep_alive;
    size_t headers;
    char reason[64];
};

static void read_response(struct reading *out, struct slice input, size_t step, bool to_head) {
    struct http1_header headers[8];
    struct http1_response r;
    http1_response_init(&r, headers, 8, to_head);
    *out = (struct reading){ .code = ERR_MORE };
    for (size_t shown = 0, turn = 0; out->code == ERR_MORE && shown < input.length; turn++) {
        shown = shown + step < input.length ? shown + step : input.length;
        struct slice window = edge_place(&edges[turn % 2], slice_upto(input, shown));
        out->code = http1_response_decode(&r, window, &out->taken);
    }
    out->status = r.status;
    out->length = r.head.content_length;
    out->framing = r.head.framing;
    out->keep_alive = r.head.keep_alive;
    out->headers = r.head.header_count;
    assert_true(r.reason.length < sizeof out->reason);
    if (out->code == 0 && r.reason.length > 0)
        memcpy(out->reason, r.reason.at, r.reason.length);
    assert_true((out->code < 0 && out->code != ERR_MORE) == (r.head.refusal.status != 0));
}

static struct reading read_in_every_cut(struct slice input, bool to_head) {
    struct reading whole;
    read_response(&whole, input, input.length, to_head);
    for (size_t step = 1; step < input.length; step++) {
        struct reading cut;
        read_response(&cut, input, step, to_head);
        assert_int_equal(cut.code, whole.code);
        assert_int_equal(cut.status, whole.status);
        assert_int_equal(cut.taken, whole.taken);
        assert_int_equal(cut.framing, whole.framing);
        assert_int_equal(cut.headers, whole.headers);
        assert_string_equal(cut.reason, whole.reason);
    }
    return whole;
}

struct good {
    const char *head;
    unsigned status;
    uint8_t framing;
    uint64_t length;
    bool keep_alive;
    bool to_head;
    const char *reason;
};

static const struct good good_responses[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, HTTP1_LENGTH, 5, true, false, "OK" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, HTTP1_NO_BODY, 0, true, false, "OK" },
    { "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", 200, HTTP1_LENGTH, 5, true, false, "" },
    { "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", 200, HTTP1_LENGTH, 5, true, false, "" },
    { "HTTP/1.1 299 a  b \xc3\xa4\r\n\r\n", 299, HTTP1_UNTIL_CLOSE, 0, false, false, "a  b \xc3\xa4" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, HTTP1_CHUNKED, 0, true, false, "OK" },
    { "HTTP/1.1 200 OK\r\n\r\n", 200, HTTP1_UNTIL_CLOSE, 0, false, false, "OK" },
    { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", 200, HTTP1_LENGTH, 5, false, false,
      "OK" },
    { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, HTTP1_LENGTH, 5, false, false, "OK" },
    { "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\n", 200, HTTP1_LENGTH, 5, true,
      false, "OK" },
    { "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", 200, HTTP1_UNTIL_CLOSE, 0, false, false, "OK" },
    { "HTTP/1.1 204 No Content\r\n\r\n", 204, HTTP1_NO_BODY, 0, true, false, "No Content" },
    { "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, HTTP1_NO_BODY, 0, true, false,
      "No Content" },
    { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, HTTP1_NO_BODY, 0, true, false,
      "Not Modified" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, HTTP1_NO_BODY, 0, true, true, "OK" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, HTTP1_NO_BODY, 0, true, true, "OK" },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 Conflict\r\nContent-Length: 1\r\n\r\n", 409, HTTP1_LENGTH, 1,
      true, false, "Conflict" },
    { "HTTP/1.1 103 Early Hints\r\nLink: x\r\nConnection: close\r\n\r\nHTTP/1.1 100 C\r\n\r\n"
      "HTTP/1.1 425 Too Early\r\nContent-Length: 1\r\n\r\n",
      425, HTTP1_LENGTH, 1, true, false, "Too Early" },
    { "HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n", 999, HTTP1_NO_BODY, 0, true, false, "x" },
};

static void reads_good_responses_in_every_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good_responses / sizeof good_responses[0]; i++) {
        const struct good *g = &good_responses[i];
        struct reading r = read_in_every_cut(slice_text(g->head), g->to_head);
        assert_int_equal(r.code, 0);
        assert_int_equal(r.taken, strlen(g->head));
        assert_int_equal(r.status, g->status);
        assert_int_equal(r.framing, g->framing);
        assert_int_equal(r.length, g->length);
        assert_int_equal(r.keep_alive, g->keep_alive);
        assert_string_equal(r.reason, g->reason);
    }
}

struct bad {
    unsigned status; /* what was read before it was refused */
    struct slice head;
};
#define BAD(status, text)          \
    {                              \
        status, {                  \
            text, sizeof(text) - 1 \
        }                          \
    }
#define BAD_HEADERS(lines) BAD(200, "HTTP/1.1 200 OK\r\n" lines "\r\n\r\n")

static const struct bad bad_responses[] = {
    BAD(0, "hello\r\n\r\n"),
    BAD(0, "SSH-2.0-OpenSSH_9.2\r\n"),
    BAD(0, "\x15\x03\x03\x00\x02\x02\x46"),
    BAD(0, "\r\nHTTP/1.1 200 OK\r\n\r\n"),
    BAD(0, " HTTP/1.1 200 OK\r\n\r\n"),
    BAD(0, "http/1.1 200 OK\r\n\r\n"),
    BAD(0, "HTTP/2.0 200 OK\r\n\r\n"),
    BAD(0, "HTTP/1.2 200 OK\r\n\r\n"),
    BAD(0, "HTTP/1.11 200 OK\r\n\r\n"),
    BAD(0, "HTTP/0.9 200 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1  200 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1\t200 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1 20 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1 20\r\n\r\n"),
    BAD(0, "HTTP/1.1 2000 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1 099 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1 -20 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1 2x0 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1 200\tOK\r\n\r\n"),
    BAD(0, "HTTP/1.1\r\n\r\n"),
    BAD(0, "HTTP/1.1 200 O\0K\r\n\r\n"),
    BAD(0, "HTTP/1.1 200 O\rK\r\n\r\n"),
    BAD(0, "HTTP/1.1 200 OK\n\n"),
    BAD(101, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    BAD(100, "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    BAD(100, "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    BAD(0, "HTTP/1.1 100 Continue\r\n\r\nrubbish"),
    BAD_HEADERS("Content-Length: 5\r\nTransfer-Encoding: chunked"),
    BAD_HEADERS("Content-Length: 5\r\nContent-Length: 5"),
    BAD_HEADERS("Content-Length: 5, 5"),
    BAD_HEADERS("Content-Length: x"),
    BAD_HEADERS("Content-Length: -1"),
    BAD_HEADERS("Content-Length: 99999999999999999999"),
    BAD_HEADERS("Transfer-Encoding: gzip, chunked"),
    BAD_HEADERS("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    BAD_HEADERS("X : 1"),
    BAD_HEADERS("X: 1\r\n folded"),
    BAD_HEADERS("no colon"),
    BAD_HEADERS(": 1"),
    BAD_HEADERS("X: a\0b"),
    BAD_HEADERS("X: a\rb"),
    BAD_HEADERS("X: a\nY: b"),
    BAD_HEADERS("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\nH:\r\nI:"),
    BAD(200, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
};

static void refuses_garbage_and_keeps_the_status(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_responses / sizeof bad_responses[0]; i++) {
        struct reading r = read_in_every_cut(bad_responses[i].head, false);
        if (r.code >= 0 || r.code == ERR_MORE || r.status != bad_responses[i].status)
            fail_msg("row %zu: code %d status %u: %.*s", i, r.code, r.status,
                     SLICE_PRINT(bad_responses[i].head));
    }
}

static void skips_a_bounded_number_of_interim_answers(void **state) {
    (void)state;
    for (int count = 0; count < 12; count++) {
        struct buffer b;
        buffer_init(&b, 4096);
        for (int i = 0; i < count; i++)
            buffer_add_text(&b, "HTTP/1.1 100 Continue\r\n\r\n");
        buffer_add_text(&b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        struct reading r = read_in_every_cut(buffer_slice(&b), false);
        assert_int_equal(r.code, count <= 8 ? 0 : ERR_SYNTAX);
        buffer_done(&b);
    }
}

static void limits_the_head(void **state) {
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct buffer b;
        struct reading r;
        buffer_init(&b, EDGE_BYTES);
        buffer_add_text(&b, "HTTP/1.1 200 OK\r\nX: ");
        for (int i = 0; i < LIMIT_HEADER_BYTES - 5 + over; i++)
            buffer_add_byte(&b, 'x');
        buffer_add_text(&b, "\r\n\r\n");
        read_response(&r, buffer_slice(&b), b.length, false);
        assert_int_equal(r.code, over ? ERR_LIMIT : 0);
        assert_int_equal(r.status, 200);
        buffer_done(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_good_responses_in_every_cut),
        cmocka_unit_test(refuses_garbage_and_keeps_the_status),
        cmocka_unit_test(skips_a_bounded_number_of_interim_answers),
        cmocka_unit_test(limits_the_head),
    };
    edge_init(&edges[0]);
    edge_init(&edges[1]);
    return cmocka_run_group_tests_name("http1_response", tests, NULL, NULL);
}
