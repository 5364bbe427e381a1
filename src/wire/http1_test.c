/* H7: what is refused, what is accepted, and that neither depends on how the input was cut. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "wire/edge_test.h"
#include "wire/http1.h"

#define HOST "Host: a\r\n"
#define END "\r\n"
/* A request that must not be reached behind a refused one. */
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

static struct edge edges[2];

/* Everything that was understood, in words, so that two readings can be compared. */
struct reading {
    int code;
    unsigned status;
    size_t taken;
    struct buffer text;
};

static void write_down(struct reading *out, const struct http1_head *h) {
    for (size_t i = 0; i < h->header_count; i++)
        buffer_add_format(&out->text, "[%.*s=%.*s]", SLICE_PRINT(h->headers[i].name),
                          SLICE_PRINT(h->headers[i].value));
    buffer_add_format(&out->text, " framing %d length %lu minor %d keep %d", h->framing,
                      (unsigned long)h->content_length, h->minor, h->keep_alive);
}

/* Read a body behind the head in pieces of at most step bytes. */
static void read_body(struct reading *out, const struct http1_head *h, struct slice rest, size_t step) {
    struct http1_body body;
    http1_body_init(&body, h->framing, h->content_length, LIMIT_BODY_BYTES);
    int code = ERR_MORE;
    size_t shown = 0;
    while (!body.finished && (code == 0 || (code == ERR_MORE && shown < rest.length))) {
        struct slice piece;
        size_t taken;
        if (code == ERR_MORE)
            shown = shown + step < rest.length ? shown + step : rest.length;
        struct slice window = edge_place(&edges[1], slice_upto(rest, shown));
        window = slice_from(window, out->taken);
        code = http1_body_decode(&body, window, &taken, &piece);
        if (code < 0 && code != ERR_MORE)
            break;
        buffer_add_slice(&out->text, piece);
        out->taken += taken;
    }
    out->code = body.finished ? 0 : code;
    out->status = body.refusal.status;
}

/* Head and body of a request, the head first seen cut at every offset of cuts. */
static void read_request(struct reading *out, struct slice input, size_t step) {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_request r;
    http1_request_init(&r, headers, LIMIT_HEADERS);
    *out = (struct reading){ .code = ERR_MORE };
    buffer_init(&out->text, 1 << 21);
    for (size_t shown = 0, turn = 0; out->code == ERR_MORE && shown < input.length; turn++) {
        shown = shown + step < input.length ? shown + step : input.length;
        struct slice window = edge_place(&edges[turn % 2], slice_upto(input, shown));
        out->code = http1_request_decode(&r, window, &out->taken);
    }
    out->status = r.head.refusal.status;
    if (out->code != 0)
        return;
    buffer_add_format(&out->text, "%.*s %.*s path %.*s query %.*s host %.*s expects %d ",
                      SLICE_PRINT(r.method), SLICE_PRINT(r.target), SLICE_PRINT(r.path), SLICE_PRINT(r.query),
                      SLICE_PRINT(r.host), r.expects_continue);
    write_down(out, &r.head);
    size_t head_bytes = out->taken;
    out->taken = 0;
    read_body(out, &r.head, slice_from(input, head_bytes), step);
    out->taken += head_bytes;
}

static void same(const struct reading *a, const struct reading *b) {
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->status, b->status);
    if (a->code < 0)
        return;
    assert_int_equal(a->taken, b->taken);
    assert_true(slice_equal(buffer_slice(&a->text), buffer_slice(&b->text)));
}

/* The reading of the whole must be the reading in steps of 1, 2, 3 … bytes, which puts a cut at every offset.
 */
static void read_in_every_cut(struct reading *whole, struct slice input) {
    read_request(whole, input, input.length);
    size_t steps = input.length < 400 ? input.length : 7;
    for (size_t step = 1; step < steps; step++) {
        struct reading cut;
        read_request(&cut, input, step);
        same(whole, &cut);
        buffer_done(&cut.text);
    }
}

struct bad {
    const char *name;
    unsigned status;
    struct slice head;
};

#define BAD(name, status, text)    \
    {                              \
        name, status, {            \
            text, sizeof(text) - 1 \
        }                          \
    }
#define BAD_HEADER(name, status, line) BAD(name, status, "POST /x HTTP/1.1\r\n" HOST line "\r\n\r\n")
#define BAD_LINE(name, status, line) BAD(name, status, line "\r\n" HOST "\r\n")
#define BAD_CHUNK(name, status, body) \
    BAD(name, status, "POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n" body)

static const struct bad bad_requests[] = {
    /* Two ways to say how long the body is. */
    BAD_HEADER("length and chunked", 400, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
    BAD_HEADER("chunked and length", 400, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
    BAD_HEADER("length 0 and chunked", 400, "Content-Length: 0\r\nTransfer-Encoding: chunked"),
    BAD_HEADER("length twice, different", 400, "Content-Length: 5\r\nContent-Length: 6"),
    BAD_HEADER("length twice, equal", 400, "Content-Length: 5\r\nContent-Length: 5"),
    BAD_HEADER("length twice, other case", 400, "Content-Length: 5\r\ncontent-length: 5"),
    BAD_HEADER("length thrice", 400, "Content-Length: 0\r\nContent-Length: 0\r\nContent-Length: 0"),
    BAD_HEADER("length list", 400, "Content-Length: 5, 5"),
    BAD_HEADER("length list without blank", 400, "Content-Length: 5,5"),
    BAD_HEADER("length with plus", 400, "Content-Length: +5"),
    BAD_HEADER("length negative", 400, "Content-Length: -5"),
    BAD_HEADER("length minus zero", 400, "Content-Length: -0"),
    BAD_HEADER("length hex", 400, "Content-Length: 0x5"),
    BAD_HEADER("length with letter", 400, "Content-Length: 5a"),
    BAD_HEADER("length with dot", 400, "Content-Length: 5.0"),
    BAD_HEADER("length exponent", 400, "Content-Length: 1e3"),
    BAD_HEADER("length with inner blank", 400, "Content-Length: 5 5"),
    BAD_HEADER("length with inner tab", 400, "Content-Length: 5\t5"),
    BAD_HEADER("length with underscore", 400, "Content-Length: 1_0"),
    BAD_HEADER("length empty", 400, "Content-Length:"),
    BAD_HEADER("length blank", 400, "Content-Length:   "),
    BAD_HEADER("length quoted", 400, "Content-Length: \"5\""),
    BAD_HEADER("length arabic digit", 400, "Content-Length: \xd9\xa5"),
    BAD_HEADER("length overflows 64 bits", 413, "Content-Length: 18446744073709551616"),
    BAD_HEADER("length of 40 digits", 413, "Content-Length: 9999999999999999999999999999999999999999"),
    BAD_HEADER("length over the body limit", 413, "Content-Length: 1048577"),
    BAD_HEADER("length ten times the limit", 413, "Content-Length: 10485760"),
    BAD_HEADER("length 2^63", 413, "Content-Length: 9223372036854775808"),
    BAD_HEADER("length with vertical tab", 400,
               "Content-Length: \x0b"
               "5"),
    BAD_HEADER("length with form feed", 400, "Content-Length: 5\x0c"),
    /* Transfer codings. */
    BAD_HEADER("coding gzip", 501, "Transfer-Encoding: gzip"),
    BAD_HEADER("coding identity", 501, "Transfer-Encoding: identity"),
    BAD_HEADER("coding gzip, chunked", 501, "Transfer-Encoding: gzip, chunked"),
    BAD_HEADER("coding chunked, gzip", 501, "Transfer-Encoding: chunked, gzip"),
    BAD_HEADER("coding chunked, chunked", 501, "Transfer-Encoding: chunked, chunked"),
    BAD_HEADER("coding chunked, identity", 501, "Transfer-Encoding: chunked, identity"),
    BAD_HEADER("coding chunked,", 501, "Transfer-Encoding: chunked,"),
    BAD_HEADER("coding , chunked", 501, "Transfer-Encoding: , chunked"),
    BAD_HEADER("coding xchunked", 501, "Transfer-Encoding: xchunked"),
    BAD_HEADER("coding chunkedx", 501, "Transfer-Encoding: chunkedx"),
    BAD_HEADER("coding chunked;q", 501, "Transfer-Encoding: chunked;q=1"),
    BAD_HEADER("coding quoted", 501, "Transfer-Encoding: \"chunked\""),
    BAD_HEADER("coding empty", 501, "Transfer-Encoding:"),
    BAD_HEADER("coding cow", 501, "Transfer-Encoding: cow"),
    BAD_HEADER("coding with vertical tab", 400,
               "Transfer-Encoding: \x0b"
               "chunked"),
    BAD_HEADER("coding with NUL", 400, "Transfer-Encoding: chunked\0"),
    BAD_HEADER("coding with high byte", 501,
               "Transfer-Encoding: \xa0"
               "chunked"),
    BAD_HEADER("coding twice", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    BAD_HEADER("coding twice, other", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    BAD_HEADER("coding twice, other first", 501, "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    BAD("coding in HTTP/1.0", 400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    /* Hidden codings: the name is not quite the name. */
    BAD_HEADER("blank before colon", 400, "Transfer-Encoding : chunked"),
    BAD_HEADER("tab before colon", 400, "Transfer-Encoding\t: chunked"),
    BAD_HEADER("length, blank before colon", 400, "Content-Length : 5"),
    BAD_HEADER("NUL in name", 400, "Transfer\0-Encoding: chunked"),
    BAD_HEADER("vertical tab in name", 400, "Transfer-Encoding\x0b: chunked"),
    BAD_HEADER("high byte in name", 400, "Transfer-Encoding\xff: chunked"),
    BAD_HEADER("blank in name", 400, "Transfer Encoding: chunked"),
    BAD_HEADER("quote in name", 400, "\"X\": 1"),
    BAD_HEADER("bracket in name", 400, "X[0]: 1"),
    BAD_HEADER("slash in name", 400, "X/Y: 1"),
    BAD_HEADER("at in name", 400, "X@Y: 1"),
    BAD_HEADER("semicolon in name", 400, "X;Y: 1"),
    BAD_HEADER("equals in name", 400, "X=Y: 1"),
    BAD_HEADER("comma in name", 400, "X,Y: 1"),
    BAD_HEADER("DEL in name", 400, "X\x7f: 1"),
    BAD_HEADER("empty name", 400, ": chunked"),
    BAD_HEADER("only a colon", 400, ":"),
    BAD_HEADER("no colon", 400, "Transfer-Encoding chunked"),
    BAD_HEADER("a word", 400, "hello"),
    BAD_HEADER("folded value", 400, "X: 1\r\n 2"),
    BAD_HEADER("folded with tab", 400, "X: 1\r\n\t2"),
    BAD_HEADER("folded coding", 501, "Transfer-Encoding:\r\n chunked"),
    BAD_HEADER("folded length", 400, "Content-Length:\r\n\t5"),
    BAD_HEADER("blank line of blanks", 400, "X: 1\r\n "),
    BAD("first header indented", 400, "GET / HTTP/1.1\r\n " HOST "\r\n"),
    BAD("first header tabbed", 400, "GET / HTTP/1.1\r\n\t" HOST "\r\n"),
    /* Line ends. */
    BAD("bare LF after the request line", 400, "GET / HTTP/1.1\n" HOST "\r\n"),
    BAD("bare LF after a header", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    BAD("bare LF as the empty line", 400, "GET / HTTP/1.1\r\n" HOST "\n"),
    BAD("bare LF everywhere", 400, "GET / HTTP/1.1\nHost: a\n\n"),
    BAD_HEADER("bare LF hides a header", 400, "X: 1\nTransfer-Encoding: chunked"),
    BAD_HEADER("bare CR in a value", 400, "X: 1\r2"),
    BAD_HEADER("bare CR hides a header", 400, "X: 1\rTransfer-Encoding: chunked"),
    BAD_HEADER("CR CR LF", 400, "X: 1\r"),
    BAD_HEADER("CR before the name", 400, "\rX: 1"),
    BAD_HEADER("CR in the name", 400, "X\r: 1"),
    BAD("CR CR LF as the empty line", 400, "GET / HTTP/1.1\r\n" HOST "\r\r\n"),
    BAD("CR in the request line", 400, "GET /\r HTTP/1.1\r\n" HOST "\r\n"),
    BAD("CR at the end of the version", 400, "GET / HTTP/1.1\r\r\n" HOST "\r\n"),
    BAD("LF first", 400, "\nGET / HTTP/1.1\r\n" HOST "\r\n"),
    BAD("two empty lines first", 400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
    BAD("CR without LF first", 400, "\rGET / HTTP/1.1\r\n" HOST "\r\n"),
    /* Control bytes in values. */
    BAD_HEADER("NUL in a value", 400, "X: a\0b"),
    BAD_HEADER("SOH in a value", 400,
               "X: a\x01"
               "b"),
    BAD_HEADER("backspace in a value", 400,
               "X: a\x08"
               "b"),
    BAD_HEADER("vertical tab in a value", 400,
               "X: a\x0b"
               "b"),
    BAD_HEADER("form feed in a value", 400,
               "X: a\x0c"
               "b"),
    BAD_HEADER("escape in a value", 400, "X: \x1b[31m"),
    BAD_HEADER("DEL in a value", 400, "X: a\x7f"),
    BAD_HEADER("NUL alone", 400, "X: \0"),
    /* Host. */
    BAD("no Host", 400, "GET / HTTP/1.1\r\n\r\n"),
    BAD("no Host but others", 400, "GET / HTTP/1.1\r\nX: 1\r\n\r\n"),
    BAD("Host twice", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    BAD("Host twice, different", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    BAD("Host twice, other case", 400, "GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n"),
    BAD("Host twice in HTTP/1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
    BAD("Host empty", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    BAD("Host blank", 400, "GET / HTTP/1.1\r\nHost:   \r\n\r\n"),
    BAD("Host list", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    BAD("Host with path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    BAD("Host with userinfo", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    BAD("Host with blank", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    BAD("Host with high byte", 400, "GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
    BAD("Host with query", 400, "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"),
    BAD("Host with blank before colon", 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    BAD_LINE("absolute target, other host", 400, "GET http://b/ HTTP/1.1"),
    BAD_LINE("absolute target, other port", 400, "GET http://a:81/ HTTP/1.1"),
    BAD_LINE("absolute target, longer host", 400, "GET http://aa/ HTTP/1.1"),
    BAD_LINE("absolute target, userinfo", 400, "GET http://u@a/ HTTP/1.1"),
    BAD_LINE("absolute target, no host", 400, "GET http:///x HTTP/1.1"),
    BAD_LINE("absolute target, only a query", 400, "GET http://?x HTTP/1.1"),
    BAD("absolute target without Host", 400, "GET http://a/ HTTP/1.1\r\n\r\n"),
    /* Versions. */
    BAD_LINE("HTTP/0.9", 400, "GET /"),
    BAD_LINE("HTTP/0.9 with blank", 400, "GET / "),
    BAD_LINE("version 0.9", 505, "GET / HTTP/0.9"),
    BAD_LINE("version 1.2", 505, "GET / HTTP/1.2"),
    BAD_LINE("version 1.9", 505, "GET / HTTP/1.9"),
    BAD_LINE("version 2.0", 505, "GET / HTTP/2.0"),
    BAD_LINE("version 3.0", 505, "GET / HTTP/3.0"),
    BAD_LINE("version 1.10", 400, "GET / HTTP/1.10"),
    BAD_LINE("version 1", 400, "GET / HTTP/1"),
    BAD_LINE("version 11", 400, "GET / HTTP/11"),
    BAD_LINE("version 01.1", 400, "GET / HTTP/01.1"),
    BAD_LINE("version 1.1a", 400, "GET / HTTP/1.1a"),
    BAD_LINE("version x.y", 400, "GET / HTTP/x.y"),
    BAD_LINE("version 1,1", 400, "GET / HTTP/1,1"),
    BAD_LINE("version in lower case", 400, "GET / http/1.1"),
    BAD_LINE("version of others", 400, "GET / RTSP/1.0"),
    BAD_LINE("version followed by blank", 400, "GET / HTTP/1.1 "),
    BAD_LINE("version followed by more", 400, "GET / HTTP/1.1 x"),
    BAD("HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    /* The request line. */
    BAD_LINE("two blanks after the method", 400, "GET  / HTTP/1.1"),
    BAD_LINE("two blanks after the target", 400, "GET /  HTTP/1.1"),
    BAD_LINE("tab after the method", 400, "GET\t/ HTTP/1.1"),
    BAD_LINE("tab after the target", 400, "GET /\tHTTP/1.1"),
    BAD_LINE("vertical tab as separator", 400, "GET\x0b/ HTTP/1.1"),
    BAD_LINE("blank first", 400, " GET / HTTP/1.1"),
    BAD_LINE("method only", 400, "GET"),
    BAD_LINE("method with colon", 400, "GE:T / HTTP/1.1"),
    BAD_LINE("method with bracket", 400, "GET( / HTTP/1.1"),
    BAD_LINE("method with high byte", 400, "G\xc9T / HTTP/1.1"),
    BAD_LINE("method with NUL", 400, "GE\0T / HTTP/1.1"),
    BAD_LINE("method of 33 bytes", 501, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1"),
    BAD_LINE("CONNECT", 501, "CONNECT a:80 HTTP/1.1"),
    BAD_LINE("CONNECT of a path", 501, "CONNECT / HTTP/1.1"),
    BAD_LINE("target without slash", 400, "GET x HTTP/1.1"),
    BAD_LINE("target of a host", 400, "GET a:80 HTTP/1.1"),
    BAD_LINE("target star", 400, "GET * HTTP/1.1"),
    BAD_LINE("target star and more", 400, "OPTIONS *x HTTP/1.1"),
    BAD_LINE("target of another scheme", 400, "GET ftp://a/ HTTP/1.1"),
    BAD_LINE("target scheme without slashes", 400, "GET http:a/ HTTP/1.1"),
    BAD_LINE("target with fragment", 400, "GET /x#y HTTP/1.1"),
    BAD_LINE("target with blank", 400, "GET /x y HTTP/1.1"),
    BAD_LINE("target with NUL", 400, "GET /x\0 HTTP/1.1"),
    BAD_LINE("target with DEL", 400, "GET /x\x7f HTTP/1.1"),
    BAD_LINE("target with high byte", 400, "GET /\xc3\xa4 HTTP/1.1"),
    BAD_LINE("target with escape", 400, "GET /\x1b HTTP/1.1"),
    BAD_LINE("target empty", 400, "GET  HTTP/1.1"),
    BAD_LINE("target is a query", 400, "GET ?x HTTP/1.1"),
    BAD("TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    BAD("NUL first", 400, "\0GET / HTTP/1.1\r\n" HOST "\r\n"),
    BAD("a JSON text", 400, "{\"gid\":1}\r\n\r\n"),
    BAD("a response", 400, "HTTP/1.1 200 OK\r\n\r\n"),
    /* Things not offered. */
    BAD_HEADER("upgrade to h2c", 400, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"),
    BAD_HEADER("upgrade to H2C", 400, "Upgrade: H2C"),
    BAD_HEADER("upgrade list with h2c", 400, "Upgrade: websocket, h2c"),
    BAD_HEADER("HTTP2-Settings alone", 400, "HTTP2-Settings: AAMAAABk"),
    BAD_HEADER("gzip body", 415, "Content-Encoding: gzip\r\nContent-Length: 5"),
    BAD_HEADER("deflate body", 415, "Content-Encoding: deflate"),
    BAD_HEADER("br body", 415, "Content-Encoding: br"),
    BAD_HEADER("zstd body", 415, "Content-Encoding: zstd"),
    BAD_HEADER("identity and gzip body", 415, "Content-Encoding: identity, gzip"),
    BAD_HEADER("expectation of others", 417, "Expect: 200-ok"),
    BAD_HEADER("expectation list", 417, "Expect: 100-continue, x"),
    BAD_HEADER("expectation empty", 417, "Expect:"),
    /* Chunks. */
    BAD_CHUNK("chunk size of 9 digits", 400, "000000005\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size of 16 digits", 400, "FFFFFFFFFFFFFFFF\r\n"),
    BAD_CHUNK("chunk size that wraps 64 bits", 400, "10000000000000005\r\nhello\r\n"),
    BAD_CHUNK("chunk size over the limit", 413, "100001\r\n"),
    BAD_CHUNK("chunk size of 4 GiB", 413, "FFFFFFFF\r\n"),
    BAD_CHUNK("chunk size 0x5", 400, "0x5\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size +5", 400, "+5\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size -5", 400, "-5\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size empty", 400, "\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size with blank before", 400, " 5\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size with blank after", 400, "5 \r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size with letter", 400, "5g\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size only an extension", 400, ";x\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size with bare LF", 400, "5\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size with bare CR", 400, "5\rhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk size with CR CR LF", 400, "5\r\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk extension with LF", 400, "5;x\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk extension with NUL", 400, "5;\0\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk extension with CR", 400, "5;x\ry\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk longer than said", 400, "5\r\nhello!\r\n0\r\n\r\n"),
    BAD_CHUNK("chunk ends with bare LF", 400, "5\r\nhello\n0\r\n\r\n"),
    BAD_CHUNK("chunk ends with bare CR", 400, "5\r\nhello\r0\r\n\r\n"),
    BAD_CHUNK("chunk without end", 400, "5\r\nhello0\r\n\r\n"),
    BAD_CHUNK("chunk swallows the next size", 400, "7\r\nhello\r\n0\r\n\r\n"),
    BAD_CHUNK("last chunk with bare LF", 400, "0\n\r\n"),
    BAD_CHUNK("end with bare LF", 400, "0\r\n\n"),
    BAD_CHUNK("end with CR CR", 400, "0\r\n\r\r\n"),
    BAD_CHUNK("trailer without colon", 400, "0\r\nhello\r\n\r\n"),
    BAD_CHUNK("trailer folded", 400, "0\r\nX: 1\r\n 2\r\n\r\n"),
    BAD_CHUNK("trailer with blank before colon", 400, "0\r\nX : 1\r\n\r\n"),
    BAD_CHUNK("trailer without name", 400, "0\r\n: 1\r\n\r\n"),
    BAD_CHUNK("trailer with bare LF", 400, "0\r\nX: 1\n\r\n"),
    BAD_CHUNK("trailer with NUL", 400, "0\r\nX: \0\r\n\r\n"),
    BAD_CHUNK("a request where the trailer was", 400, "0\r\nGET / HTTP/1.1\r\n\r\n"),
};

static void refuses_what_two_readers_could_read_differently(void **state) {
    (void)state;
    assert_true(sizeof bad_requests / sizeof bad_requests[0] >= 150);
    for (size_t i = 0; i < sizeof bad_requests / sizeof bad_requests[0]; i++) {
        const struct bad *b = &bad_requests[i];
        struct buffer input;
        struct reading whole;
        buffer_init(&input, 1 << 16);
        buffer_add_slice(&input, b->head);
        buffer_add_slice(&input, SLICE(SMUGGLED));
        read_in_every_cut(&whole, buffer_slice(&input));
        if (whole.status != b->status || whole.code >= 0)
            fail_msg("%s: status %u instead of %u, code %d", b->name, whole.status, b->status, whole.code);
        buffer_done(&whole.text);
        buffer_done(&input);
    }
}

struct good {
    const char *input;
    const char *reading; /* as read_request writes it, then the body */
};

static const struct good good_requests[] = {
    { "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / path / query  host a expects 0 [Host=a] framing 0 length 0 minor 1 keep 1" },
    { "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / path / query  host a expects 0 [Host=a] framing 0 length 0 minor 1 keep 1" },
    { "POST /v1/transactions?wait=5s&x HTTP/1.1\r\nhost:127.0.0.1:8711\r\nContent-Length: 5\r\n\r\nhello",
      "POST /v1/transactions?wait=5s&x path /v1/transactions query wait=5s&x host 127.0.0.1:8711 expects 0 "
      "[host=127.0.0.1:8711][Content-Length=5] framing 1 length 5 minor 1 keep 1hello" },
    { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
      "POST / path / query  host a expects 0 [Host=a][Content-Length=0] framing 0 length 0 minor 1 keep 1" },
    { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t 0005 \t\r\n\r\nhello",
      "POST / path / query  host a expects 0 [Host=a][Content-Length=0005] framing 1 length 5 minor 1 keep "
      "1hello" },
    { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n \r\n0\r\n\r\n",
      "POST / path / query  host a expects 0 [Host=a][Transfer-Encoding=chunked] framing 2 length 0 minor 1 "
      "keep 1hello " },
    { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:CHUNKED\r\n\r\n"
      "0000000A;a=b;c=\"d\"\r\n0123456789\r\n00000000;z\r\nX-Sum: 1\r\nY:\r\n\r\n",
      "POST / path / query  host a expects 0 [Host=a][Transfer-Encoding=CHUNKED] framing 2 length 0 minor 1 "
      "keep 10123456789" },
    { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
      "GET / path / query  host a expects 0 [Host=a][Connection=close] framing 0 length 0 minor 1 keep 0" },
    { "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, CLOSE\r\n\r\n",
      "GET / path / query  host a expects 0 [Host=a][Connection=foo, CLOSE] framing 0 length 0 minor 1 keep "
      "0" },
    { "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n",
      "GET / path / query  host a expects 0 [Host=a][Connection=closed] framing 0 length 0 minor 1 keep 1" },
    { "GET / HTTP/1.0\r\n\r\n", "GET / path / query  host  expects 0  framing 0 length 0 minor 0 keep 0" },
    { "GET / HTTP/1.0\r\nHost:\r\nConnection: keep-alive\r\n\r\n",
      "GET / path / query  host  expects 0 [Host=][Connection=keep-alive] framing 0 length 0 minor 0 keep "
      "1" },
    { "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\nExpect: 100-continue\r\n\r\n",
      "GET / path / query  host  expects 0 [Connection=keep-alive, close][Expect=100-continue] framing 0 "
      "length 0 minor 0 keep 0" },
    { "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nz",
      "PUT /x path /x query  host a expects 1 [Host=a][Expect=100-Continue][Content-Length=1] framing 1 "
      "length 1 minor 1 keep 1z" },
    { "GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n",
      "GET http://A:80/x?y path /x query y host a:80 expects 0 [Host=a:80] framing 0 length 0 minor 1 keep "
      "1" },
    { "GET HTTPS://a?y HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET HTTPS://a?y path / query y host a expects 0 [Host=a] framing 0 length 0 minor 1 keep 1" },
    { "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET http://a path / query  host a expects 0 [Host=a] framing 0 length 0 minor 1 keep 1" },
    { "OPTIONS * HTTP/1.1\r\nHost: [::1]:8711\r\n\r\n",
      "OPTIONS * path * query  host [::1]:8711 expects 0 [Host=[::1]:8711] framing 0 length 0 minor 1 keep "
      "1" },
    { "get //x/%2e%2E/;p?q=http://b/?c HTTP/1.1\r\nHost: a\r\nX:\r\nY: \xc3\xa4\tb \r\n\r\n",
      "get //x/%2e%2E/;p?q=http://b/?c path //x/%2e%2E/;p query q=http://b/?c host a expects 0 "
      "[Host=a][X=][Y=\xc3\xa4\tb] framing 0 length 0 minor 1 keep 1" },
    { "GET /x? HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nContent-Encoding: Identity\r\n\r\n",
      "GET /x? path /x query  host a expects 0 [Host=a][Upgrade=websocket][Content-Encoding=Identity] "
      "framing 0 length 0 minor 1 keep 1" },
    { "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: ok\r\n\r\n",
      "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / path / query  host a expects 0 [Host=a][!#$%&'*+-.^_`|~09azAZ=ok] "
      "framing 0 length 0 minor 1 keep 1" },
};

static void reads_good_requests_in_every_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good_requests / sizeof good_requests[0]; i++) {
        struct slice one = slice_text(good_requests[i].input);
        struct buffer input;
        struct reading whole;
        read_in_every_cut(&whole, one);
        assert_int_equal(whole.code, 0);
        assert_int_equal(whole.taken, one.length);
        buffer_add_byte(&whole.text, '\0');
        assert_string_equal(whole.text.at, good_requests[i].reading);
        buffer_done(&whole.text);
        /* What stands behind a request is left alone. */
        buffer_init(&input, 1 << 16);
        buffer_add_slice(&input, one);
        buffer_add_slice(&input, SLICE(SMUGGLED));
        read_in_every_cut(&whole, buffer_slice(&input));
        assert_int_equal(whole.code, 0);
        assert_int_equal(whole.taken, one.length);
        buffer_done(&whole.text);
        buffer_done(&input);
    }
}

static void asks_for_more_at_every_prefix(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good_requests / sizeof good_requests[0]; i++) {
        struct slice one = slice_text(good_requests[i].input);
        for (size_t length = 1; length < one.length; length++) {
            struct reading part;
            read_request(&part, slice_upto(one, length), length);
            assert_int_equal(part.code, ERR_MORE);
            buffer_done(&part.text);
        }
    }
}

static unsigned status_of(struct buffer *input) {
    struct reading whole, steps;
    read_request(&whole, buffer_slice(input), input->length);
    read_request(&steps, buffer_slice(input), 997);
    same(&whole, &steps);
    unsigned status = whole.code == 0 ? 200 : whole.code == ERR_MORE ? 100 : whole.status;
    buffer_done(&whole.text);
    buffer_done(&steps.text);
    buffer_done(input);
    return status;
}

static void fill(struct buffer *b, size_t count) {
    while (count-- > 0)
        buffer_add_byte(b, 'x');
}

/* finished: whether the line's end arrives. A line that never ends is refused as well. */
static unsigned request_line_of(size_t length, bool finished) {
    struct buffer b;
    buffer_init(&b, EDGE_BYTES);
    buffer_add_text(&b, "GET /");
    fill(&b, length - strlen("GET / HTTP/1.1"));
    buffer_add_text(&b, " HTTP/1.1");
    assert_int_equal(b.length, length);
    buffer_add_text(&b, finished ? "\r\nHost: a\r\n\r\n" : "xx");
    return status_of(&b);
}

static void limits_the_request_line(void **state) {
    (void)state;
    assert_int_equal(request_line_of(LIMIT_REQUEST_LINE_BYTES, true), 200);
    assert_int_equal(request_line_of(LIMIT_REQUEST_LINE_BYTES + 1, true), 414);
    assert_int_equal(request_line_of(LIMIT_REQUEST_LINE_BYTES + 2, true), 414);
    assert_int_equal(request_line_of((size_t)LIMIT_REQUEST_LINE_BYTES * 10, true), 414);
    assert_int_equal(request_line_of(LIMIT_REQUEST_LINE_BYTES - 1, false), 100);
    assert_int_equal(request_line_of(LIMIT_REQUEST_LINE_BYTES, false), 414);
    assert_int_equal(request_line_of((size_t)LIMIT_REQUEST_LINE_BYTES * 10, false), 414);
}

static unsigned headers_of(size_t bytes, bool finished) {
    struct buffer b;
    buffer_init(&b, EDGE_BYTES);
    buffer_add_text(&b, "GET / HTTP/1.1\r\n");
    size_t before = b.length;
    buffer_add_text(&b, "Host: a\r\nX: ");
    fill(&b, bytes - (b.length - before) - 2);
    buffer_add_text(&b, finished ? "\r\n" : "xx");
    assert_int_equal(b.length - before, bytes);
    buffer_add_text(&b, finished ? "\r\n" : "");
    return status_of(&b);
}

static void limits_the_bytes_of_headers(void **state) {
    (void)state;
    assert_int_equal(headers_of(LIMIT_HEADER_BYTES, true), 200);
    assert_int_equal(headers_of(LIMIT_HEADER_BYTES + 1, true), 431);
    assert_int_equal(headers_of((size_t)LIMIT_HEADER_BYTES * 10, true), 431);
    assert_int_equal(headers_of(LIMIT_HEADER_BYTES - 1, false), 100);
    assert_int_equal(headers_of((size_t)LIMIT_HEADER_BYTES * 10, false), 431);
}

static unsigned header_lines(size_t count) {
    struct buffer b;
    buffer_init(&b, EDGE_BYTES);
    buffer_add_text(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 1; i < count; i++)
        buffer_add_text(&b, "X: 1\r\n");
    buffer_add_text(&b, "\r\n");
    return status_of(&b);
}

static void limits_the_number_of_headers(void **state) {
    (void)state;
    assert_int_equal(header_lines(LIMIT_HEADERS), 200);
    assert_int_equal(header_lines(LIMIT_HEADERS + 1), 431);
    assert_int_equal(header_lines((size_t)LIMIT_HEADERS * 10), 431);
}

static void finds_headers_in_any_case(void **state) {
    (void)state;
    struct http1_header headers[8];
    struct http1_request r;
    size_t taken;
    http1_request_init(&r, headers, 8);
    assert_int_equal(
        http1_request_decode(&r, SLICE("GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nACCEPT: y\r\nE:\r\n\r\n"),
                             &taken),
        0);
    assert_true(slice_is(http1_find(&r.head, "accept"), "x"));
    assert_int_equal(http1_count(&r.head, "aCCept"), 2);
    assert_int_equal(http1_count(&r.head, "none"), 0);
    assert_null(http1_find(&r.head, "none").at);
    assert_non_null(http1_find(&r.head, "e").at);
    assert_int_equal(http1_find(&r.head, "e").length, 0);
    assert_true(http1_list_has(SLICE("a, B ,c"), "b"));
    assert_false(http1_list_has(SLICE("ab, bc"), "b"));
    assert_false(http1_list_has(SLICE_NONE, "b"));
    assert_true(http1_is_token(SLICE("GET")));
    assert_false(http1_is_token(SLICE_NONE));
    assert_false(http1_is_token(SLICE("a b")));
}

/* H15: a head that arrives byte by byte costs what it costs at once: no byte is looked at twice. */
static void reads_a_dribbled_head_in_linear_work(void **state) {
    (void)state;
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_request r;
    struct buffer b;
    size_t taken;
    buffer_init(&b, EDGE_BYTES);
    buffer_add_text(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    fill(&b, 15000);
    buffer_add_text(&b, "\r\n\r\n");
    http1_request_init(&r, headers, LIMIT_HEADERS);
    for (size_t shown = 1; shown < b.length; shown++) {
        size_t before = r.head.scanned;
        assert_int_equal(http1_request_decode(&r, slice_upto(buffer_slice(&b), shown), &taken), ERR_MORE);
        assert_int_equal(r.head.scanned, shown);
        assert_true(r.head.scanned - before <= 1);
    }
    assert_int_equal(http1_request_decode(&r, buffer_slice(&b), &taken), 0);
    buffer_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_two_readers_could_read_differently),
        cmocka_unit_test(reads_good_requests_in_every_cut),
        cmocka_unit_test(asks_for_more_at_every_prefix),
        cmocka_unit_test(limits_the_request_line),
        cmocka_unit_test(limits_the_bytes_of_headers),
        cmocka_unit_test(limits_the_number_of_headers),
        cmocka_unit_test(finds_headers_in_any_case),
        cmocka_unit_test(reads_a_dribbled_head_in_linear_work),
    };
    edge_init(&edges[0]);
    edge_init(&edges[1]);
    return cmocka_run_group_tests_name("http1", tests, NULL, NULL);
}
