/* Replies: what the engine answered becomes an HTTP status and a body. The only place that knows which status
 * goes with which answer (design.md 4 (8), (17)).
 *
 * Pure; the body goes into the caller's buffer, whose failure the caller looks at. */
#ifndef PROTOCOL_REPLY_H
#define PROTOCOL_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/effect.h"
#include "protocol/problem.h"

struct reply_options {
    bool waited;       /* ?wait= was given, so 202 says "not yet" */
    bool gid_from_key; /* the gid was made from the Idempotency-Key */
    struct slice path; /* of the request: a problem's instance */
    struct slice trace_id;
};

struct reply_outcome {
    uint16_t http;
    bool is_problem;         /* application/problem+json instead of application/json */
    bool replayed;           /* Settle-Replayed: true */
    bool created;            /* Location: links.self */
    uint32_t retry_after_ms; /* 0: no Retry-After */
};

/* Append the body. */
struct reply_outcome reply_render(const struct reply *r, const struct reply_options *options,
                                  struct buffer *body);
/* The answer to a request that waited for a transaction and now gets its state: 200 when final, else 202. */
struct reply_outcome reply_render_waited(const struct transaction *t, struct buffer *body);
/* The problem behind a reply that refuses; false when the reply is no refusal. */
bool reply_problem(const struct reply *r, const struct reply_options *options, struct problem *out);

#endif
