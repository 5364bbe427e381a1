/* The thread that speaks with one RabbitMQ broker: takes flights from the loop in order, publishes them over
 * one connection, matches the broker's confirms to them, and gives each back with a verdict.
 *
 * Exchanges have a channel each, since the broker answers a publish to an exchange that is not there by
 * closing the channel: so the others' messages are not in doubt with it. At most RABBITMQ_UNCONFIRMED
 * messages are on their way at a time; the rest waits. The thread sleeps in poll on the broker's socket and
 * its own wake-up descriptor.
 *
 * A connection that breaks makes every unconfirmed flight VERDICT_UNKNOWN; those that wait are published on
 * the next connection. When there is no connection to be had, all that wait are given back, and the next
 * attempt is made no sooner than after a pause that grows from 100 ms to 5 s. */
#ifndef SINK_RABBITMQ_WORKER_H
#define SINK_RABBITMQ_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/chain.h"
#include "sink/broker.h"
#include "sink/rabbitmq/rabbitmq_lane.h"

struct rabbitmq_worker;

struct rabbitmq_worker_options {
    struct slice line; /* rabbitmq_broker_line; copied */
    struct broker_judge *judge;
    bool have_tls;
    const char *ca; /* borrowed; NULL: the system's */
    uint32_t connect_ms;
    /* Any thread: something wants rabbitmq_worker_take or rabbitmq_worker_wants_secret. */
    void (*notify)(void *context);
    void *context;
};

/* The loop's thread, all of them. 0, ERR_MEMORY or ERR_IO (no thread, no descriptor). */
int rabbitmq_worker_start(struct rabbitmq_worker **out, const struct rabbitmq_worker_options *options,
                          struct why *why);
struct slice rabbitmq_worker_line(const struct rabbitmq_worker *w);
void rabbitmq_worker_give(struct rabbitmq_worker *w, struct rabbitmq_flight *f);
/* Move what has a verdict to the end of chain. Returns how many. */
size_t rabbitmq_worker_take(struct rabbitmq_worker *w, struct chain *chain);
/* The file whose content the worker waits for; empty: none. Answer with rabbitmq_worker_secret, once. */
struct slice rabbitmq_worker_wants_secret(struct rabbitmq_worker *w);
/* code < 0: it cannot be had, and why says so. The bytes are copied. */
void rabbitmq_worker_secret(struct rabbitmq_worker *w, int code, struct slice secret, const struct why *why);
/* Connect anew, under new rules, as soon as nothing is unconfirmed. */
void rabbitmq_worker_rejudge(struct rabbitmq_worker *w);
/* Break a connection on which the thread has been stuck beyond a flight's time. */
void rabbitmq_worker_watch(struct rabbitmq_worker *w);
/* Ask it to end: no flight comes back any more. */
void rabbitmq_worker_stop(struct rabbitmq_worker *w);
/* After the stop: whether the thread has ended, so that freeing does not wait. */
bool rabbitmq_worker_ended(struct rabbitmq_worker *w);
/* After the stop: waits for the thread, a second at most and then as long as a broken socket needs to be
 * noticed (a name that is being resolved: until the resolver gives up), moves all flights to chain, and
 * frees. */
void rabbitmq_worker_free(struct rabbitmq_worker *w, struct chain *chain);

#endif
