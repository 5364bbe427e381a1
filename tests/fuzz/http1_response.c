/* HTTP responses: as hostile as requests, because a participant may be anybody. */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "wire/http1.h"

struct reading {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_response response;
    int code;
    size_t taken;
};

static void read_all(struct reading *r, struct slice input, size_t step, bool to_head) {
    http1_response_init(&r->response, r->headers, LIMIT_HEADERS, to_head);
    for (size_t shown = step;; shown += step) {
        r->code = http1_response_decode(&r->response, slice_upto(input, shown), &r->taken);
        if (r->code != ERR_MORE || shown >= input.length)
            return;
    }
}

static void read_body(const struct http1_response *response, struct slice rest) {
    struct http1_body body;
    http1_body_init(&body, response->head.framing, response->head.content_length, LIMIT_ANSWER_BYTES);
    size_t received = 0;
    while (!body.finished) {
        size_t taken = 0;
        struct slice piece = SLICE_NONE;
        int code = http1_body_decode(&body, rest, &taken, &piece);
        FUZZ_CHECK(taken <= rest.length);
        received += piece.length;
        FUZZ_CHECK(received <= LIMIT_ANSWER_BYTES);
        rest = slice_from(rest, taken);
        if (code < 0) {
            if (code == ERR_MORE)
                (void)http1_body_close(&body);
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_of((const char *)data, size);
    static struct reading whole;
    static struct reading cut;
    memset(&whole, 0, sizeof whole);
    memset(&cut, 0, sizeof cut);
    bool to_head = size > 0 && data[size - 1] % 2 == 1;
    read_all(&whole, input, size + 1, to_head);
    read_all(&cut, input, 1, to_head);
    FUZZ_CHECK(whole.code == cut.code);
    if (whole.code != 0)
        return 0;
    FUZZ_CHECK(whole.taken == cut.taken && whole.taken <= size);
    FUZZ_CHECK(whole.response.status == cut.response.status);
    FUZZ_CHECK(whole.response.status >= 200 && whole.response.status <= 999);
    FUZZ_CHECK(whole.response.head.framing == cut.response.head.framing);
    if (to_head)
        FUZZ_CHECK(whole.response.head.framing == HTTP1_NO_BODY);
    read_body(&whole.response, slice_from(input, whole.taken));
    return 0;
}
