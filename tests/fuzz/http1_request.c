/* HTTP requests: any cut of the bytes gives the same verdict; what is accepted holds no byte that could mean
 * another request (reliability.md H7). */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "wire/http1.h"

struct reading {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_request request;
    int code;
    size_t taken;
    size_t body_bytes;
};

/* The bytes behind the head arrive in pieces of this many. */
static void read_body(struct reading *r, struct slice rest, size_t piece_bytes) {
    struct http1_body body;
    http1_body_init(&body, r->request.head.framing, r->request.head.content_length, LIMIT_BODY_BYTES);
    int code = 0;
    while (!body.finished) {
        size_t taken = 0;
        struct slice piece = SLICE_NONE;
        bool last = rest.length <= piece_bytes;
        code = http1_body_decode(&body, slice_upto(rest, piece_bytes), &taken, &piece);
        FUZZ_CHECK(taken <= rest.length);
        r->body_bytes += piece.length;
        if ((code < 0 && code != ERR_MORE) || (code == ERR_MORE && last))
            break;
        rest = slice_from(rest, taken);
    }
    FUZZ_CHECK(r->body_bytes <= LIMIT_BODY_BYTES);
    if (code < 0 && code != ERR_MORE)
        FUZZ_CHECK(body.refusal.status >= 400);
}

static void read_whole(struct reading *r, struct slice input) {
    http1_request_init(&r->request, r->headers, LIMIT_HEADERS);
    r->code = http1_request_decode(&r->request, input, &r->taken);
}

static void read_cut(struct reading *r, struct slice input, size_t step) {
    http1_request_init(&r->request, r->headers, LIMIT_HEADERS);
    for (size_t shown = step;; shown += step) {
        r->code = http1_request_decode(&r->request, slice_upto(input, shown), &r->taken);
        if (r->code != ERR_MORE || shown >= input.length)
            return;
    }
}

static void check_clean(struct slice s) {
    for (size_t i = 0; i < s.length; i++)
        FUZZ_CHECK(s.at[i] != '\0' && s.at[i] != '\r' && s.at[i] != '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_of((const char *)data, size);
    static struct reading whole;
    static struct reading cut;
    memset(&whole, 0, sizeof whole);
    memset(&cut, 0, sizeof cut);
    read_whole(&whole, input);
    read_cut(&cut, input, size == 0 ? 1 : 1 + data[0] % 7);
    FUZZ_CHECK(whole.code == cut.code);
    if (whole.code != 0) {
        FUZZ_CHECK(whole.code == ERR_MORE || whole.request.head.refusal.status >= 400);
        FUZZ_CHECK(whole.request.head.refusal.status == cut.request.head.refusal.status);
        return 0;
    }
    FUZZ_CHECK(whole.taken == cut.taken && whole.taken <= size);
    FUZZ_CHECK(whole.request.head.framing == cut.request.head.framing);
    FUZZ_CHECK(whole.request.head.framing != HTTP1_UNTIL_CLOSE);
    check_clean(whole.request.target);
    FUZZ_CHECK(http1_is_token(whole.request.method));
    for (size_t i = 0; i < whole.request.head.header_count; i++) {
        FUZZ_CHECK(http1_is_token(whole.request.head.headers[i].name));
        check_clean(whole.request.head.headers[i].value);
    }
    FUZZ_CHECK(http1_count(&whole.request.head, "content-length") +
                   http1_count(&whole.request.head, "transfer-encoding") <=
               1);
    read_body(&whole, slice_from(input, whole.taken), size);
    read_body(&cut, slice_from(input, cut.taken), 1);
    FUZZ_CHECK(whole.body_bytes == cut.body_bytes);
    return 0;
}
