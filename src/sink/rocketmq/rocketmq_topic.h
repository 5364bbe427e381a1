/* Topics that messages go to: for each target its settings, its credentials, and its route, asked for from
 * the name servers when it is needed and kept fresh.
 *
 *     rocketmq://[ACCESSKEY@]HOST[:9876][,HOST[:9876]...]/TOPIC?group=settled&tag=TAG&password_file=FILE
 *                                                       &create=no&accept_weak=no
 *
 * A route is asked for again ROCKETMQ_REFRESH_MS after it was asked for, and after a failure at once, but not
 * more often than every ROCKETMQ_DOUBT_MS. Name servers are asked one after another until one answers with a
 * route; the one that did is asked first the next time. As long as none does, the route that is known stays
 * in use. The secret is read with every lookup, so that a new one is used soon after the file has changed.
 *
 * At most ROCKETMQ_TOPICS targets are remembered; one that nobody has used for ROCKETMQ_FORGET_MS is
 * forgotten. One thread: the loop's. */
#ifndef SINK_ROCKETMQ_TOPIC_H
#define SINK_ROCKETMQ_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/chain.h"
#include "base/err.h"
#include "net/timer.h"
#include "sink/rocketmq/rocketmq_session.h"
#include "sink/sink.h"
#include "wire/rocketmq_message.h"
#include "wire/rocketmq_route.h"

#define ROCKETMQ_TOPICS 1024
#define ROCKETMQ_PORT 9876
#define ROCKETMQ_REFRESH_MS 30000
#define ROCKETMQ_DOUBT_MS 1000
#define ROCKETMQ_LOOKUP_MS 3000
#define ROCKETMQ_FORGET_MS 300000

struct rocketmq_topics;

/* What is wrong with this target. 0 or ERR_INVALID. */
int rocketmq_target_check(const struct sink_target *target, struct why *why);

struct rocketmq_topic {
    struct slice name;
    struct slice group;
    struct slice tag; /* empty: none */
    bool secure;
    bool create;      /* where the topic does not exist: let the broker make it */
    bool accept_weak; /* stored, but not flushed or not replicated, is good enough */
    bool known;       /* there is a route */
    struct rocketmq_route route;
    size_t users; /* whoever holds it */
    /* Below: the topics'. */
    struct chain link; /* the one least recently taken first */
    struct rocketmq_topics *topics;
    struct arena arena;     /* of the target */
    struct arena routes[2]; /* the current one and the one that is being read */
    uint8_t current;
    struct slice line; /* the target, which is its name in the table */
    struct sink_target target;
    struct slice secret_file;
    struct buffer secret;
    uint64_t hash;
    struct chain waiters;
    struct timer timer; /* the lookup's timeout, or when the next one is due */
    struct rocketmq_exchange exchange;
    bool asking;
    bool template;     /* what is asked for is the template's route */
    bool denied;       /* egress forbids every name server that was tried */
    uint8_t preferred; /* the host that gave the last route */
    uint8_t tried;
    uint64_t asked_ms;
    uint64_t used_ms;
    struct why why; /* of the last thing that went wrong */
};

/* Somebody who waits for a route; embedded in its owner, who sets the two functions. One of them is called,
 * never from inside rocketmq_topic_wait. */
struct rocketmq_waiter {
    void (*known)(struct rocketmq_waiter *w);
    /* ERR_DENIED: no name server may be called. Anything else: the sentence says. */
    void (*failed)(struct rocketmq_waiter *w, int code, const char *sentence);
    struct chain link;
};

/* options and sessions are borrowed until close. 0 or ERR_MEMORY. */
int rocketmq_topics_open(struct rocketmq_topics **out, struct loop *loop, struct rocketmq_sessions *sessions,
                         const struct sink_options *options);
/* Nobody may hold a topic or wait. Before the sessions are closed. */
void rocketmq_topics_close(struct rocketmq_topics *all);

/* The topic of this target, held until rocketmq_topic_release. NULL with a why that says what is wrong with
 * the target, or that there is no memory or too many are in use. */
struct rocketmq_topic *rocketmq_topics_take(struct rocketmq_topics *all, const struct sink_target *target,
                                            struct why *why);
void rocketmq_topic_release(struct rocketmq_topic *t);

/* Wait until the route is known; only while it is not. */
void rocketmq_topic_wait(struct rocketmq_topic *t, struct rocketmq_waiter *w);
void rocketmq_topic_cancel(struct rocketmq_waiter *w); /* fine when it does not wait */
/* Something went wrong with a message: ask for the route, and read the secret, again. */
void rocketmq_topic_doubt(struct rocketmq_topic *t);
/* Add the fields of access control to a request, when the target has an access key. signature is room for
 * one; both are borrowed by the command. 0, or what rocketmq_sign returns. */
int rocketmq_topic_sign(const struct rocketmq_topic *t, struct rocketmq_command *c, struct slice body,
                        struct buffer *scratch, char signature[ROCKETMQ_SIGNATURE_BYTES]);

#endif
