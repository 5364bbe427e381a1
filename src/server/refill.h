/* The refill: at start, the latest events of the last lives go back into the feed, under the places that they
 * had. Recovery hands over every entry of the journal as it passes; the latest of them are copied, as many as
 * the feed can hold, and when the engine knows everything again they are announced. A transaction that is
 * final and folded is read from its row: while the journal has a record of it, its row is there
 * (store/store.h, purge).
 *
 * Part of recovery: it may call the store, and runs before the store has threads. */
#ifndef SERVER_REFILL_H
#define SERVER_REFILL_H

#include "engine/engine.h"
#include "server/feed.h"
#include "store/store.h"

struct refill;

/* The latest count_max entries of together bytes_max. The feed outlives it. ERR_MEMORY. */
int refill_new(struct refill **out, struct feed *feed, size_t count_max, size_t bytes_max);
void refill_free(struct refill *r); /* NULL is fine */

/* An entry of a batch that the feed was told of, the entry-th (from 0) in it. Copied. ERR_MEMORY. */
int refill_entry(struct refill *r, uint64_t batch, size_t entry, const struct stored_entry *content);
/* Announce them. ERR_CORRUPT when a row cannot be read; ERR_IO. */
int refill_run(struct refill *r, struct store *store, const struct engine *engine, struct why *why);

#endif
