#include "sink/http/http_answer.h"

#include <assert.h>

#include "base/err.h"
#include "wire/header_value.h"

void http_answer_init(struct http_answer *a) {
    *a = (struct http_answer){ 0 };
    buffer_init(&a->head, LIMIT_REQUEST_LINE_BYTES + LIMIT_HEADER_BYTES + 128 * 1024);
    buffer_init(&a->kept, LIMIT_ANSWER_BYTES);
}

void http_answer_done(struct http_answer *a) {
    buffer_done(&a->head);
    buffer_done(&a->kept);
}

void http_answer_begin(struct http_answer *a, uint64_t now_epoch_ms) {
    http1_response_init(&a->response, a->headers, LIMIT_HEADERS, false);
    buffer_clear(&a->head);
    buffer_clear(&a->kept);
    a->text = SLICE_NONE;
    a->now_ms = now_epoch_ms;
    a->retry_after_ms = 0;
    a->started = a->decided = a->complete = false;
    a->fault = NULL;
}

enum verdict http_answer_verdict(unsigned status) {
    if (status >= 200 && status <= 299)
        return VERDICT_DONE;
    switch (status) {
    case 409:
        return VERDICT_REFUSED;
    case 425:
        return VERDICT_WORKING;
    case 429:
    case 503:
        return VERDICT_SLOW_DOWN;
    default:
        return VERDICT_UNKNOWN;
    }
}

/* Keep a piece of the body, up to the limit. */
static int keep(struct http_answer *a, struct slice piece) {
    size_t room = LIMIT_ANSWER_BYTES - a->kept.length;
    buffer_add_slice(&a->kept, slice_upto(piece, room));
    return buffer_failed(&a->kept) == 0 ? 0 : ERR_MEMORY;
}

/* Is it not worth while to read the body to its end? */
static bool too_long(const struct http_answer *a) {
    const struct http1_body *b = &a->body;
    if (b->framing == HTTP1_LENGTH && a->kept.length == LIMIT_ANSWER_BYTES)
        return b->remaining > HTTP_ANSWER_DISCARD_BYTES;
    return b->received > LIMIT_ANSWER_BYTES + HTTP_ANSWER_DISCARD_BYTES;
}

/* Body bytes. rest is what stands behind the head, or a later read. */
static int take_body(struct http_answer *a, struct slice rest) {
    for (;;) {
        size_t taken;
        struct slice piece;
        int code = http1_body_decode(&a->body, rest, &taken, &piece);
        if (code < 0 && code != ERR_MORE) { /* badly chunked: the status has decided */
            a->text = buffer_slice(&a->kept);
            return 0;
        }
        rest = slice_from(rest, taken);
        if (a->body.finished && a->kept.length == 0) {
            a->text = slice_upto(piece, LIMIT_ANSWER_BYTES);
            a->complete = rest.length == 0;
            return 0;
        }
        if (keep(a, piece) < 0)
            return ERR_MEMORY;
        if (a->body.finished) {
            a->text = buffer_slice(&a->kept);
            a->complete = rest.length == 0;
            return 0;
        }
        if (code == ERR_MORE && !too_long(a))
            return ERR_MORE;
        if (code == ERR_MORE) {
            a->text = buffer_slice(&a->kept);
            return 0;
        }
    }
}

static void decide(struct http_answer *a) {
    const struct http1_head *h = &a->response.head;
    a->decided = true;
    struct slice wish = http1_find(h, "retry-after");
    if (wish.at != NULL)
        (void)header_value_retry_after(wish, a->now_ms, &a->retry_after_ms); /* a bad one is no wish */
    http1_body_init(&a->body, h->framing, h->framing == HTTP1_LENGTH ? h->content_length : 0, UINT64_MAX);
}

static int take_head(struct http_answer *a, struct slice bytes) {
    size_t taken;
    bool gathered = a->head.length > 0;
    if (gathered)
        buffer_add_slice(&a->head, bytes);
    int code = http1_response_decode(&a->response, gathered ? buffer_slice(&a->head) : bytes, &taken);
    if (code == ERR_MORE) {
        if (!gathered)
            buffer_add_slice(&a->head, bytes);
        return buffer_failed(&a->head) == 0 ? ERR_MORE : ERR_MEMORY;
    }
    if (code < 0) {
        a->fault = a->response.head.refusal.sentence;
        return code;
    }
    decide(a);
    return take_body(a, slice_from(gathered ? buffer_slice(&a->head) : bytes, taken));
}

int http_answer_receive(struct http_answer *a, struct slice bytes) {
    assert(!a->complete);
    assert(a->fault == NULL);
    a->started = true;
    return a->decided ? take_body(a, bytes) : take_head(a, bytes);
}

void http_answer_end(struct http_answer *a) {
    if (!a->decided)
        return;
    (void)http1_body_close(&a->body); /* cut short or not: the status has decided */
    a->text = buffer_slice(&a->kept);
}

bool http_answer_keeps_alive(const struct http_answer *a) {
    return a->complete && a->response.head.keep_alive;
}
