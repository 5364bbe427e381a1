/* One idempotent producer of librdkafka: what is produced comes back as one report each.
 *
 * librdkafka has threads of its own, which connect and speak; what it tells comes out of kafka_producer_poll,
 * called on the loop's thread when the producer's descriptor is readable. Every address that it connects to
 * is judged by the egress rules, those included that the cluster's metadata told it.
 *
 * The time that a message may take is a property of the producer: librdkafka gives messages up by it, looking
 * about once a second. */
#ifndef SINK_KAFKA_PRODUCER_H
#define SINK_KAFKA_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "model/call.h"
#include "sink/broker.h"

struct kafka_producer;

struct kafka_report {
    void *flight;
    enum verdict verdict;
    const char *sentence; /* for the call of the callback; "" for VERDICT_DONE */
};

struct kafka_producer_options {
    const struct sink_target *target; /* used until open returns */
    struct slice password;            /* the same; librdkafka keeps a copy while the producer lives */
    const char *ca;                   /* PEM file; NULL: the system's certificates */
    uint32_t timeout_ms;              /* of every message */
    uint32_t connect_ms;
    struct broker_judge *judge;
    /* On the loop's thread, from inside kafka_producer_poll. */
    void (*on_report)(void *context, const struct kafka_report *report);
    /* Any thread: egress forbids every host there is to begin with, see kafka_producer_denied. */
    void (*on_denied)(void *context);
    void *context;
};

/* 0; ERR_MEMORY; ERR_INVALID, and why has librdkafka's words; ERR_IO (no descriptor, no threads). */
int kafka_producer_open(struct kafka_producer **out, const struct kafka_producer_options *options,
                        struct why *why);
/* Non-blocking; readable when kafka_producer_poll has something to do. */
int kafka_producer_descriptor(const struct kafka_producer *p);
void kafka_producer_poll(struct kafka_producer *p);

struct kafka_message {
    struct slice topic; /* checked by kafka_topic_check */
    struct slice body;  /* not copied: borrowed until the report */
    struct slice gid;
    const struct call_message *message;
};
/* 0: exactly one report will come. ERR_LIMIT (the queue is full or the message too large), ERR_CLOSED (a
 * fatal error: the producer can only be closed), ERR_MEMORY, ERR_INVALID; why tells. */
int kafka_producer_send(struct kafka_producer *p, const struct kafka_message *m, void *flight,
                        struct why *why);
/* An error that ended the producer; the text is in why. */
bool kafka_producer_fatal(struct kafka_producer *p, struct why *why);
/* Whether every host to begin with was found forbidden and none other was reached. */
bool kafka_producer_denied(struct kafka_producer *p);
/* Give up what is unreported: the reports come with the next polls. */
void kafka_producer_purge(struct kafka_producer *p);
/* May take as long as a name look-up that is under way: not on the loop, unless everything ends. No reports.
 */
void kafka_producer_close(struct kafka_producer *p);

/* "librdkafka 2.0.2". */
const char *kafka_producer_library(void);

#endif
