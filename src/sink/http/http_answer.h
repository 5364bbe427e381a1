/* A participant's answer as it arrives, and what it means. Dry: bytes in, an outcome out; no socket, no
 * clock.
 *
 * The status line decides (design.md 4 (7)): of the body at most LIMIT_ANSWER_BYTES are kept, up to
 * HTTP_ANSWER_DISCARD_BYTES more are read and dropped so that the connection can be used again, and a body
 * that is longer, cut short or badly chunked leaves the verdict as it is. An answer that arrives in one piece
 * is not copied. */
#ifndef SINK_HTTP_ANSWER_H
#define SINK_HTTP_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/call.h"
#include "wire/http1.h"

#define HTTP_ANSWER_DISCARD_BYTES (1024 * 1024)

struct http_answer {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_response response;
    struct http1_body body;
    struct buffer head; /* an incomplete head, kept until it is complete */
    struct buffer kept; /* body bytes, when they came in several pieces */
    struct slice text;  /* the body, once complete: into kept, or into the last bytes received */
    uint64_t now_ms;
    uint32_t retry_after_ms;
    bool started;      /* at least one byte has come */
    bool decided;      /* the head is complete: verdict and retry_after_ms are final */
    bool complete;     /* the whole answer is here, and the connection stands at its end */
    const char *fault; /* after ERR_SYNTAX and friends: what is wrong with the head; static storage */
};

void http_answer_init(struct http_answer *a);
void http_answer_done(struct http_answer *a);
/* Forget everything and wait for the next answer; memory is kept. now_epoch_ms: for a Retry-After date. */
void http_answer_begin(struct http_answer *a, uint64_t now_epoch_ms);
/* The next bytes. 0: nothing more is needed (look at complete and text; text may point into bytes). ERR_MORE:
 * go on. ERR_SYNTAX, ERR_LIMIT, ERR_UNSUPPORTED: the head is not one, fault tells; ERR_MEMORY. */
int http_answer_receive(struct http_answer *a, struct slice bytes);
/* No more bytes will come. When decided, text is what there was of the body. */
void http_answer_end(struct http_answer *a);
/* The answer is complete, and the connection may carry another request. */
bool http_answer_keeps_alive(const struct http_answer *a);
/* The verdict that a status means. */
enum verdict http_answer_verdict(unsigned status);

#endif
