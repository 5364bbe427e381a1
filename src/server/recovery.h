/* Recovery: what is stored becomes what the engine knows, before the first answer and the first call.
 *
 * The newest final row of each kind goes first, so that ids go on where they were; then every row that is not
 * final, then the journal above them, then the keys that were ever used; then the feed gets back the latest
 * events, which the journal still has. Nothing is written, so a recovery
 * that dies half way is simply done again (reliability.md CP13). Runs before the store has threads.
 *
 * Anything longer than a second is told on stderr every second. */
#ifndef SERVER_RECOVERY_H
#define SERVER_RECOVERY_H

#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "server/refill.h"
#include "server/tail.h"
#include "store/store.h"

struct recovery_figures {
    uint64_t rows;
    uint64_t rows_open; /* of transactions that are not final */
    uint64_t batches;
    uint64_t entries;
    uint64_t keys;
    uint64_t took_ms;
};

/* What else wants to know what the journal holds. */
struct recovery_watchers {
    struct feed *feed;     /* told of every batch */
    struct refill *refill; /* given every entry, and run at the end */
    struct tail *tail;     /* told of every batch, its bytes and its time */
};

/* ERR_CORRUPT: what is stored contradicts itself, the why names the thing; ERR_MEMORY; ERR_IO. */
int recovery_run(struct store *store, struct engine *engine, const struct recovery_watchers *watchers,
                 uint64_t now_ms, struct recovery_figures *out, struct why *why);

#endif
