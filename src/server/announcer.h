/* The announcer: entries of the journal become events in the feed. It serves both ways there: a batch that
 * has just become durable (server/events.h), and batches of the last life (server/refill.h). Here, and only
 * here, is decided what kinds of entries show as events, and as which.
 *
 * The text of an event says the same whenever it is made, so a thing may be shown by any of its later states.
 * One thread. */
#ifndef SERVER_ANNOUNCER_H
#define SERVER_ANNOUNCER_H

#include "base/arena.h"
#include "base/bytes.h"
#include "model/stored.h"
#include "model/transaction.h"
#include "server/feed.h"

struct announcer {
    struct feed *feed;
    struct arena arena; /* decoding one record */
    struct buffer text;
};

/* Where the things are that entries belong to, a function for each kind that is announced. NULL: not found.
 * What is returned must stay until the next call. */
struct announcer_source {
    void *self;
    const struct transaction *(*transaction)(void *self, uint8_t kind, uint64_t id); /* messages, too */
};

void announcer_init(struct announcer *a, struct feed *feed);
void announcer_done(struct announcer *a);

/* Whether entries of this kind show as events at all. */
bool announcer_shows(uint8_t kind);
/* Add the events of an entry, which is the entry-th (from 0) of its batch. What cannot be shown, because its
 * thing is not found or memory is short, is missing, and readers learn it. */
void announcer_entry(struct announcer *a, const struct announcer_source *source, uint64_t batch, size_t entry,
                     const struct stored_entry *content);
/* The same for all entries of a batch. */
void announcer_batch(struct announcer *a, const struct announcer_source *source, uint64_t batch,
                     struct slice bytes);

#endif
