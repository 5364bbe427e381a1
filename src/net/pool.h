/* Outgoing connections, kept for the next user: per endpoint (host, port, TLS) a last-in-first-out list of
 * idle ones, a limit, and a first-in-first-out queue of wants behind it; over all endpoints one limit more.
 *
 * The pool moves connections and never bytes: it sends nothing, so it never sends anything twice. A
 * connection that dies while it is lent out is its borrower's affair (design.md 4 (5)). One thread: the
 * loop's. */
#ifndef NET_POOL_H
#define NET_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/chain.h"
#include "net/connection.h"

/* Shorter than common servers keep idle connections, so that they seldom close under a request. */
#define POOL_IDLE_MS 4000
#define POOL_HOST_BYTES 256

struct pool;
struct pool_endpoint;

struct pool_options {
    size_t max;          /* connections lent out or being dialled, over all endpoints */
    size_t max_per_host; /* the same per endpoint */
    uint32_t idle_ms;    /* 0: POOL_IDLE_MS */
    uint32_t connect_ms; /* for one dial */
    struct tls *tls;     /* for secure endpoints; NULL: they fail with ERR_UNSUPPORTED. Borrowed */
    /* As in dial_options. */
    int (*judge)(void *context, const char *host, uint16_t port, const struct sockaddr *address,
                 struct why *why);
    void *context;
};

/* Somebody who wants a connection; embedded in its owner. given and failed are set before pool_take and
 * called at most once each time, never from inside pool_take or pool_cancel. */
struct pool_want {
    /* reused: the connection has been idle, so its other side may have closed it unseen. */
    void (*given)(struct pool_want *w, struct connection *c, bool reused);
    /* The dial failed: code and why as in dial_options.done. */
    void (*failed)(struct pool_want *w, int code, const struct why *why);
    /* Below: the pool's. */
    struct chain link;
    struct pool_endpoint *endpoint;
};

struct pool_counters {
    uint64_t dialled;
    uint64_t dial_failures;
    uint64_t reused;
    size_t lent; /* connections in somebody's hands */
    size_t dialling;
    size_t idle;
    size_t waiting; /* wants in queues */
};

int pool_new(struct pool **out, struct loop *loop, const struct pool_options *options);
/* Every want must be cancelled and every connection handed back or dropped before. Idle connections are
 * closed in here; their memory goes with the loop's next rounds. */
void pool_free(struct pool *p);
const struct pool_counters *pool_counters(const struct pool *p);
/* Close every idle connection: the rules by which they were judged have changed. */
void pool_close_idle(struct pool *p);

/* The endpoint with this name, made when it is new; the caller holds it until pool_release. host: without
 * brackets, at most POOL_HOST_BYTES - 1 bytes, compared without case. NULL when there is no memory. */
struct pool_endpoint *pool_endpoint(struct pool *p, struct slice host, uint16_t port, bool secure);
void pool_release(struct pool_endpoint *e);
/* Dials are under way and no connection stands: what waits here waits for the host, not for its turn. */
bool pool_is_connecting(const struct pool_endpoint *e);

/* Take a connection. 0: *out is an idle one, freshest first; the caller must call connection_use before it
 * returns to the loop. ERR_AGAIN: the want is queued; given or failed will tell. ERR_MEMORY: neither; try
 * later. */
int pool_take(struct pool_endpoint *e, struct pool_want *w, struct connection **out);
/* No longer wanted. A dial that is under way for this endpoint goes on and serves the next. Fine when the
 * want is not queued. */
void pool_cancel(struct pool_want *w);
/* Hand back a connection that stands at the beginning of its next request: open, nothing queued, nothing
 * unread. */
void pool_give_back(struct pool_endpoint *e, struct connection *c);
/* Hand back the right to have one: the connection is closed or about to be, by the borrower. */
void pool_drop(struct pool_endpoint *e);

#endif
