/* Calls as HTTP POST: carries every struct call to its participant and comes back with one outcome.
 *
 * One thread: the loop's. A call is a slot, a place in the pool's queue, one write, one answer. Nothing is
 * ever sent twice: a connection that dies is an outcome, and what follows is the engine's decision (design.md
 * 4 (5)).
 *
 * What an answer means (ux.md, "What a participant answers"): 2xx VERDICT_DONE, 409 VERDICT_REFUSED, 425
 * VERDICT_WORKING, 429 and 503 VERDICT_SLOW_DOWN, each with its Retry-After; every other status, redirects
 * included, VERDICT_UNKNOWN. The status line decides even when the body is too long or cut short. Without a
 * status line the outcome's body is a sentence for people: VERDICT_UNKNOWN    no connection, no answer in
 * time, a broken connection, or something that is not HTTP VERDICT_STALE      a reused connection was closed
 * before the first byte of an answer VERDICT_NOT_SENT   the timeout passed in the queue, or the host's
 * breaker is open VERDICT_FORBIDDEN  egress.allow does not permit the host or any address it resolves to
 *
 * Memory: at most limits.calls connections, one slot for each unanswered call, and for each slot that
 * receives an answer in several pieces a buffer of at most LIMIT_ANSWER_BYTES and a head. */
#ifndef SINK_HTTP_SINK_H
#define SINK_HTTP_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/call.h"
#include "wire/egress.h"
#include "wire/signature.h"

struct http_sink;
struct loop;
struct tls;

struct http_sink_options {
    size_t calls;                /* on their way at a time; 0: LIMIT_CALLS. More wait in order */
    size_t calls_per_host;       /* the same per host and port; 0: LIMIT_CALLS_PER_HOST */
    uint32_t connect_ms;         /* 0: LIMIT_CONNECT_MS */
    struct tls *tls;             /* for https; NULL: such calls are VERDICT_UNKNOWN. Borrowed */
    const struct egress *egress; /* who may be called; borrowed until http_sink_set_egress or close */
    /* Every call's one outcome, on the loop's thread, never from inside http_sink_send. Sending from inside
     * it is fine. The outcome's body is borrowed for the call. */
    void (*on_outcome)(void *context, const struct outcome *o);
    void *context;
};

/* 0 or ERR_MEMORY. */
int http_sink_open(struct http_sink **out, struct loop *loop, const struct http_sink_options *options,
                   struct why *why);
/* No outcome comes any more; what is under way is closed. The loop must go round at least once more (or be
 * freed) before everything is released. NULL is fine. */
void http_sink_close(struct http_sink *s);

/* Carry a call. Its slices are borrowed until its outcome has been given. The timeout starts now. */
void http_sink_send(struct http_sink *s, const struct call *call);

/* From the next call on: sign with these (up to SIGNATURE_SECRETS, copied; 0: no signature headers). */
void http_sink_set_secrets(struct http_sink *s, const struct signature_secret *secrets, size_t count);
/* From the next call on: sign calls of this signer (call->signer) with these instead (copied; 0: forget it).
 * A call whose signer nobody has set is VERDICT_NOT_SENT: nothing is signed with another's. ERR_MEMORY. */
int http_sink_set_signer(struct http_sink *s, struct slice signer, const struct signature_secret *secrets,
                         size_t count);
/* From now on: judge by these rules. Idle connections are closed, since they were judged by the old ones. */
void http_sink_set_egress(struct http_sink *s, const struct egress *egress);

struct http_sink_counters {
    uint64_t outcomes[VERDICT_COUNT];
    uint64_t timeouts;         /* sent and not answered in time */
    uint64_t breaker_refusals; /* VERDICT_NOT_SENT because a breaker is open */
    uint64_t breaker_openings;
    size_t hosts;
    size_t hosts_open; /* whose breaker is open */
    size_t calls;      /* unanswered, waiting ones included */
    size_t waiting;    /* not yet on a connection */
    size_t connections_busy;
    size_t connections_idle;
    uint64_t connections_made;
    uint64_t connections_reused;
};
/* A picture of now. */
struct http_sink_counters http_sink_counters(const struct http_sink *s);

/* Call visit for every host whose breaker is open, with "host:port". */
void http_sink_open_hosts(const struct http_sink *s, void (*visit)(void *context, struct slice host),
                          void *context);

#endif
