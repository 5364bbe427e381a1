/* The simulated disk: what the embedded store promises (store/store.h), in virtual time.
 *
 * It keeps two images at once: what is durable, and what has been handed over but not yet synced. An append
 * or a fold begins, and later is done, failed or cut off by a crash, which keeps or loses it. As in the real
 * store there is at most one append and one fold under way; a trim is durable at once. Row and batch bytes
 * live in malloc memory owned by the store.
 *
 * The store checks its own promises and reports a breach through `broken`, a sentence that stays NULL as long
 * as all is well: no gap in batches, no row replaced by an older one, no batch trimmed before everything in
 * it is covered by a durable row (G2). */
#ifndef SIM_SIM_STORE_H
#define SIM_SIM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/stored.h"

struct sim_batch {
    uint64_t number;
    char *at;
    size_t length;
};

struct sim_row {
    struct stored_row row; /* key, state and image point into bytes */
    char *bytes;
    uint64_t folded_at; /* the last batch there was when it was folded */
};

struct sim_rows {
    struct sim_row *at;
    size_t count;
    size_t capacity;
};

struct sim_store {
    struct sim_batch *batches; /* durable ones above the trimmed */
    size_t batch_count;
    size_t batch_capacity;
    uint64_t batch_last;
    uint64_t batch_trimmed;
    struct sim_batch pending; /* at NULL: none */
    struct sim_rows rows;     /* durable */
    struct sim_rows folding;  /* count 0: none */
    uint64_t bytes_written;
    uint64_t folds, trims, replaced, purges;
    const char *broken;
    char story[160]; /* what broken may point to */
};

void sim_store_init(struct sim_store *s);
void sim_store_done(struct sim_store *s);

/* Offer a batch. It must be the one after batch_last. */
void sim_store_append(struct sim_store *s, uint64_t number, struct slice batch);
/* The pending batch is durable now; or it is not and never will be. */
void sim_store_append_done(struct sim_store *s);
void sim_store_append_failed(struct sim_store *s);

void sim_store_fold(struct sim_store *s, const struct stored_row *rows, size_t count);
void sim_store_fold_done(struct sim_store *s);
void sim_store_fold_failed(struct sim_store *s);

void sim_store_trim(struct sim_store *s, uint64_t number);
/* Remove final rows whose time has come and whose records left the journal. Returns how many. */
size_t sim_store_purge(struct sim_store *s, uint64_t now_ms);
/* The durable row of this key, or NULL. */
const struct stored_row *sim_store_find(const struct sim_store *s, uint8_t kind, uint64_t key_hash,
                                        struct slice key);
const struct stored_row *sim_store_row(const struct sim_store *s, uint8_t kind, uint64_t id);
/* Whether recovery shows this row: unfinished, or final with records that may still be in the journal. */
bool sim_store_shows(const struct sim_store *s, const struct sim_row *row);

/* A copy of everything durable, for recovering from the same image twice. */
void sim_store_copy(struct sim_store *to, const struct sim_store *from);

#endif
