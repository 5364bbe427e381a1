/* The store: it remembers. One contract, several databases; store/contract_test.c runs it against every one
 * of them.
 *
 * Two halves, one owner. The *journal* takes one batch per group commit and is the hot path. The *history*
 * holds one row per thing. In the embedded store these are two files, each with exactly one connection used
 * by exactly one thread, so each operation says which thread may call it: J (the journal's) or H (the
 * history's). open and close run while no other thread exists. All operations block; store/committer.h puts
 * them on threads.
 *
 * Answers (reliability.md P5-P8, design.md section 2): 0 durable · ERR_SPACE definitely nothing written, may
 * be offered again · ERR_FENCED another owner has taken over, stop · ERR_UNKNOWN it may or may not be
 * durable: offer the very same thing again and nothing else until it is answered, whoever finds it already
 * there answers 0 · ERR_IO a sync or write failed: stop, never retried on this handle, every later operation
 * answers ERR_IO too · ERR_CORRUPT what is stored cannot be trusted: stop, refuse to start · ERR_MEMORY
 * nothing was written · ERR_INVALID, ERR_LIMIT the caller broke a rule written here; nothing was written.
 *
 * A *batch* is a byte string made by model/journal.h; batches are numbered 1, 2, 3 ... without a gap within a
 * shard. The store adds a checksum and does not look inside, except recover, which hands it back whole.
 *
 * What keeps the two halves true to each other: rows are made durable first (fold), then the batches below
 * them go (trim). With every row the store notes the last batch there was when it was folded, so it knows
 * which rows may still have records in the journal: recover shows those rows too, and purge spares them. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "model/stored.h"

/* Hard limits of every store, each well above what design.md lets a driver produce. */
#define STORE_BATCH_BYTES_MAX (64u * 1024 * 1024) /* a turn is 4 MiB and at most one transaction more */
#define STORE_ROW_BYTES_MAX (64u * 1024 * 1024)   /* key, state and image of one row together */
#define STORE_ID_MAX ((uint64_t)INT64_MAX)        /* ids are 1 ... this: SQL integers are signed */
#define STORE_SEQ_MAX ((UINT64_C(1) << 48) - 1)   /* batches: a million a second for nine years */
#define STORE_PURGE_MAX 4096                      /* rows looked at in one purge, whatever max says */

struct store;

/* Receives what recovery and reading find; epoch is that of the owner who wrote the batch. Slices are valid
 * during the call, which must not call the store. A non-zero return stops the walk and is returned. */
struct store_visitor {
    int (*row)(void *self, const struct stored_row *row);
    int (*batch)(void *self, uint64_t seq, uint64_t epoch, struct slice batch);
    int (*key)(void *self, uint8_t kind, uint64_t key_hash);
    void *self;
};

struct store_usage {
    uint64_t journal_bytes;
    uint64_t history_bytes;
    uint64_t free_bytes; /* of the file system; UINT64_MAX when there is none */
    uint64_t batch_last; /* highest durable batch */
    uint64_t batch_trimmed;
    uint64_t epoch; /* of this owner; grows with every open */
};

struct store_ops {
    const char *name;

    /* J, before anything else, no other thread running: every row that is not final and every final row whose
     * records may still be in the journal (in any order), then every batch above the trimmed ones in order.
     * visit->row and visit->batch are called. May be repeated as long as nothing else was called. */
    int (*recover)(struct store *s, const struct store_visitor *visit, struct why *why);
    /* J: make batch seq durable. seq must be batch_last + 1 (else ERR_INVALID), or batch_last with the same
     * bytes as before, which answers 0 and changes nothing. */
    int (*append)(struct store *s, uint64_t seq, struct slice batch, struct why *why);
    /* J: batches up to and including seq are no longer needed: their rows are durable. Never above what was
     * folded, but as far below as their owner likes. Durable on return, so a trimmed batch never comes back;
     * costs a sync, so trim many at a time. seq at or below what is trimmed already answers 0; above
     * batch_last ERR_INVALID. */
    int (*trim)(struct store *s, uint64_t seq, struct why *why);

    /* H: insert or replace rows, all or none, durable on return. A row never replaces one of higher seq; that
     * is no error. */
    int (*fold)(struct store *s, const struct stored_row *rows, size_t count, struct why *why);
    /* H: visit all rows with this hash, newest first as far as the store knows; the caller compares the key
     * itself. */
    int (*find)(struct store *s, uint8_t kind, uint64_t key_hash, const struct store_visitor *visit,
                struct why *why);
    /* H: at most max rows in descending id order with id < before (UINT64_MAX: from the newest), or, when
     * ascending, in ascending order with id > before. */
    int (*scan)(struct store *s, uint8_t kind, uint64_t before, bool ascending, size_t max,
                const struct store_visitor *visit, struct why *why);
    /* H: visit the hash of every key of a kind, any order. For the filter that is built at start. */
    int (*keys)(struct store *s, uint8_t kind, const struct store_visitor *visit, struct why *why);
    /* H: look at up to max (STORE_PURGE_MAX) rows of a kind, oldest first, beginning after *cursor; remove
     * those that are final, whose purge_after_ms is at or before now_ms, and whose records are surely trimmed
     * from the journal. Moves *cursor on, and back to 0 at the end. Never a row that is not final. On failure
     * nothing is removed and *cursor stays. */
    int (*purge)(struct store *s, uint8_t kind, uint64_t now_ms, uint64_t *cursor, size_t max,
                 size_t *removed, struct why *why);
    /* H: how many rows there are per kind: fills counts[STORED_KIND_END]. */
    int (*count)(struct store *s, uint64_t counts[STORED_KIND_END], struct why *why);

    /* Either thread. Figures may be a moment old. */
    void (*usage)(struct store *s, struct store_usage *usage);

    /* A final checkpoint where the database has one; frees s. */
    void (*close)(struct store *s);
};

/* The head of every store; an implementation puts it first in its own struct. */
struct store {
    const struct store_ops *ops;
    /* Under which rows' key_hash is made (base/hash.h): random, made with the store and kept as long as it
     * and its copies live. 0: the store was made before there were seeds. A secret. */
    uint64_t key_seed;
};

static inline void store_close(struct store *s) { /* NULL is fine */
    if (s != NULL)
        s->ops->close(s);
}

#endif
