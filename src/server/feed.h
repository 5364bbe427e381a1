/* The feed: the latest events of everything, for streams (GET /v1/events and a transaction's own).
 *
 * An event's place is where its record stands in the journal: which batch, and where in it. So a place is the
 * same in every life of the daemon, and the feed can be filled again at start (server/refill.h). It also
 * names the epoch that wrote the batch: a store that was put back from a copy writes the numbers of lost
 * batches anew, and a reader of the lost ones must learn it. On the wire it is opaque: "EPOCH-BATCH-INDEX".
 *
 * While somebody watches everything is recorded. While nobody does, recording goes on as long as little
 * happens, so that whoever looks finds the latest events; under load it stops, so that a busy daemon whom
 * nobody watches pays nothing: then the feed begins anew behind the gap. The ring is bounded; a reader whose
 * place is before what is kept is told so and reads the state again.
 *
 * Everything in it is durable. One thread. */
#ifndef SERVER_FEED_H
#define SERVER_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct feed;

/* index: of the entry in the batch and the event in the entry, from 1, growing within a batch. FEED_BATCH_END
 * is behind all of them. */
struct feed_place {
    uint64_t epoch;
    uint64_t batch;
    uint64_t index;
};
#define FEED_ENTRY_EVENTS 16 /* places for the events of one entry */
#define FEED_BATCH_END UINT32_MAX

struct feed_event {
    struct feed_place place;
    uint8_t kind;      /* enum stored_kind, of the thing that it is about */
    uint64_t id;       /* of the thing */
    uint32_t seq;      /* of its record */
    size_t index;      /* among the events of that record */
    bool last;         /* nothing will follow it: the thing is final */
    struct slice name; /* "tx.created" */
    struct slice json; /* one line */
};

/* count_max events of together bytes_max. epoch is this life's; batches up to `before` are not here.
 * ERR_MEMORY. */
int feed_new(struct feed **out, size_t count_max, size_t bytes_max, uint64_t epoch, uint64_t before);
void feed_free(struct feed *f); /* NULL is fine */

/* Somebody watches, or asked just now: record everything for ten minutes from now. */
void feed_watch(struct feed *f, uint64_t now_ms);
/* Readers of the last life will be back soon, if they come: the same for half a minute. */
void feed_expect(struct feed *f, uint64_t now_ms);
/* Asked once for each batch: whether its events, of so many entries, are to be added. */
bool feed_wants(struct feed *f, size_t entries, uint64_t now_ms);

/* The next durable batch, and the epoch that wrote it. Its events may be added from now on. */
void feed_batch(struct feed *f, uint64_t batch, uint64_t epoch);
/* The place of an event in a batch that feed_batch told of: the event-th (from 0) of an entry (from 0). */
struct feed_place feed_place_of(const struct feed *f, uint64_t batch, size_t entry, size_t event);
/* The place behind all of its events. */
struct feed_place feed_place_end(const struct feed *f, uint64_t batch);
/* Add the next event; its texts are copied. Without memory what is before it and it are forgotten. */
void feed_add(struct feed *f, const struct feed_event *event);
/* Events up to this place are missing: whoever has not read them is told. */
void feed_forget(struct feed *f, struct feed_place upto);

/* The next event behind `after`. 0; ERR_NOT_FOUND: none yet; ERR_LIMIT: events behind `after` are gone, or it
 * is no place of this store. The slices are valid until the next feed_add or feed_forget. */
int feed_next(const struct feed *f, struct feed_place after, struct feed_event *out);
/* Behind everything there is. */
struct feed_place feed_newest(const struct feed *f);
/* Everything behind this place is here. */
struct feed_place feed_floor(const struct feed *f);

#endif
