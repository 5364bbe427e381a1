/* The feed: the latest events of all transactions, for streams (GET /v1/events and a transaction's own).
 *
 * While somebody watches everything is recorded. While nobody does, recording goes on as long as little
 * happens, so that whoever looks finds the latest events; under load it stops, so that a busy daemon whom
 * nobody watches pays nothing. An event is added during the step that made it and shown once its batch is
 * durable. The ring is bounded; a reader that is too far behind, or behind a gap, is told so and reads the
 * state again.
 *
 * Numbers grow by one with each event. Ids on the wire are "EPOCH-NUMBER": after a restart old ids are known
 * to be old. One thread. */
#ifndef SERVER_FEED_H
#define SERVER_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct feed;

struct feed_event {
    uint64_t number;
    uint64_t transaction; /* id */
    uint64_t batch;       /* holds its record */
    uint32_t seq;         /* of its record within the transaction */
    bool last;            /* nothing will follow it: the transaction is final */
    struct slice name;    /* "tx.created" */
    struct slice json;    /* one line */
};

/* count_max events of together bytes_max. ERR_MEMORY. */
int feed_new(struct feed **out, size_t count_max, size_t bytes_max);
void feed_free(struct feed *f); /* NULL is fine */

/* Somebody watches, or asked just now: record everything for ten minutes from now. */
void feed_watch(struct feed *f, uint64_t now_ms);
/* Asked once for each change: whether it is to be added. A change that is not leaves a gap. */
bool feed_wants(struct feed *f, uint64_t now_ms);

/* Add an event with a number of its own (event->number is ignored); its texts are copied. When there is no
 * memory the ring starts anew, so readers learn that they missed something. */
void feed_add(struct feed *f, const struct feed_event *event);
/* Everything up to this batch may be shown. */
void feed_durable(struct feed *f, uint64_t batch);

/* The next event that may be shown with a number above `after`. 0; ERR_NOT_FOUND: none yet; ERR_LIMIT: events
 * behind `after` are gone. The slices are valid until the next feed_add. */
int feed_next(const struct feed *f, uint64_t after, struct feed_event *out);
/* The number of the newest event added, shown or not. */
uint64_t feed_newest(const struct feed *f);
/* The number of the oldest event kept; above feed_newest: none is. */
uint64_t feed_oldest(const struct feed *f);

#endif
