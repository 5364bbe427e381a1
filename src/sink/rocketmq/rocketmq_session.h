/* Conversations with RocketMQ servers, name servers and brokers alike: one connection to each, over which
 * requests go out one behind the other and answers come back in any order, matched by their number.
 *
 * A session is one dial and one connection, and ends with it; whoever wants the same server again gets a new
 * one. It is kept while it is used and ROCKETMQ_IDLE_MS longer, which is less than the 120 s after which
 * servers close, so that a request seldom meets a connection that was just closed. Nothing is ever sent
 * twice.
 *
 * Bounds: ROCKETMQ_SESSIONS sessions; on each ROCKETMQ_IN_FLIGHT unanswered requests and about
 * ROCKETMQ_UNSENT bytes that the kernel has not taken, further requests wait in order and are spelled only
 * when they go; frames of at most ROCKETMQ_ANSWER_BYTES come in. One thread: the loop's. */
#ifndef SINK_ROCKETMQ_SESSION_H
#define SINK_ROCKETMQ_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/err.h"
#include "wire/egress.h"
#include "wire/rocketmq_frame.h"

#define ROCKETMQ_SESSIONS 512
#define ROCKETMQ_IN_FLIGHT 256
#define ROCKETMQ_UNSENT (1024u * 1024u)
#define ROCKETMQ_ANSWER_BYTES (1024u * 1024u)
#define ROCKETMQ_IDLE_MS 60000

struct loop;
struct tls;
struct rocketmq_session;
struct rocketmq_sessions;

/* One request and its answer; embedded in its owner, who sets the three functions. Exactly one of answered
 * and failed is called, on the loop's thread and never from inside rocketmq_session_ask, unless it is
 * cancelled. */
struct rocketmq_exchange {
    /* Spell the request, with this number, into to; *body, empty before, is what follows as it is (borrowed
     * for the call). 0, or an error, which failed is then told. */
    int (*write)(struct rocketmq_exchange *x, int32_t opaque, struct buffer *to, struct slice *body);
    /* Everything is borrowed for the call. */
    void (*answered)(struct rocketmq_exchange *x, const struct rocketmq_command *answer, struct slice body);
    /* ERR_DENIED: the server may not be called. Anything else: no connection, a connection that ended, no
     * memory. x->sent tells whether the request may have arrived. */
    void (*failed)(struct rocketmq_exchange *x, int code, const char *sentence);
    bool sent;
    /* Below: the session's. */
    struct chain link;
    struct rocketmq_session *session; /* NULL: not under way */
    int32_t opaque;
    uint64_t heard; /* pieces that had come in when it was sent */
};

struct rocketmq_sessions_options {
    struct tls *tls; /* NULL: secure sessions fail. Borrowed */
    const struct egress *egress;
    uint32_t connect_ms;
};

/* 0 or ERR_MEMORY. */
int rocketmq_sessions_open(struct rocketmq_sessions **out, struct loop *loop,
                           const struct rocketmq_sessions_options *options);
/* Every exchange must be cancelled before. Memory goes with the loop's next rounds. */
void rocketmq_sessions_close(struct rocketmq_sessions *all);
/* Judge by these rules from now on. Sessions that stand take no more requests and end with what is under way.
 */
void rocketmq_sessions_set_egress(struct rocketmq_sessions *all, const struct egress *egress);
size_t rocketmq_sessions_count(const struct rocketmq_sessions *all); /* those that end included */

/* The session with this server, begun when there is none. host: without brackets. NULL with a why when there
 * are too many, there is no memory, or TLS is wanted and not set up. */
struct rocketmq_session *rocketmq_sessions_find(struct rocketmq_sessions *all, struct slice host,
                                                uint16_t port, bool secure, struct why *why);
/* Send it, now or when there is a connection and room. */
void rocketmq_session_ask(struct rocketmq_session *s, struct rocketmq_exchange *x);
/* Its time is over; fine when it is not under way. When it was sent and not a byte has come since, the
 * connection is taken for dead: it gets no more requests, and those that wait for it fail from in here. */
void rocketmq_exchange_timeout(struct rocketmq_exchange *x);
/* Forget it, as everything is being closed; fine when it is not under way. */
void rocketmq_exchange_cancel(struct rocketmq_exchange *x);

#endif
