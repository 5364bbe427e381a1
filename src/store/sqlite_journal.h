/* The journal half of the embedded store: DATA/journal.db.
 *
 *   fence(shard, epoch, seq, trimmed, history)   one row per shard: who owns it, its last batch, how far it
 * is trimmed, how many writes the history had then journal(place, shard, epoch, seq, checksum, batch)   one
 * row per batch above trimmed; place = shard * 2^48 + seq keeps a shard's batches side by side
 *
 * Every commit moves the fence from seq - 1 to seq under the owner's epoch and must change exactly one row;
 * so neither an older owner nor a repeated batch can slip in. The checksum is XXH3-64 over shard, epoch, seq
 * and the batch: a batch in the wrong place is as wrong as a damaged one.
 *
 * The embedded store uses shard 0. Thread: J, except the three atomics, which anyone may read. */
#ifndef STORE_SQLITE_JOURNAL_H
#define STORE_SQLITE_JOURNAL_H

#include "store/sqlite_identity.h"
#include "store/store.h"

struct sqlite_journal {
    struct sqlite_file file;
    struct sqlite_identity identity; /* all 0: the file was empty */
    _Atomic uint64_t epoch;
    _Atomic uint64_t last;
    _Atomic uint64_t trimmed;
    uint64_t history; /* the history's writes at the last trim: it must have as many */
    sqlite3_stmt *fence;
    sqlite3_stmt *insert;
    sqlite3_stmt *one;
    sqlite3_stmt *all;
    sqlite3_stmt *cut;
    sqlite3_stmt *trim;
};

extern const char sqlite_journal_name[]; /* "journal.db" */

/* Open and read the fence; writes nothing to a journal that exists. ERR_LOCKED, ERR_CORRUPT, ERR_UNSUPPORTED
 * (newer format), ERR_IO, ERR_SPACE, ERR_MEMORY. */
int sqlite_journal_open(struct sqlite_journal *j, const struct sqlite_place *place, _Atomic int *failed,
                        struct why *why);
void sqlite_journal_close(struct sqlite_journal *j);
/* Make the tables in an empty file. */
int sqlite_journal_create(struct sqlite_journal *j, struct sqlite_identity identity, struct why *why);

/* Read every batch: places, checksums, numbers without a gap from trimmed + 1 to the fence. ERR_CORRUPT names
 * the file and the batch. batches and bytes may be NULL. */
int sqlite_journal_verify(struct sqlite_journal *j, uint64_t *batches, uint64_t *bytes, struct why *why);
/* Become the owner: what is there is synced (sqlite_file_trust), then the epoch goes up by step, durably. */
int sqlite_journal_take(struct sqlite_journal *j, uint64_t step, struct why *why);

/* These as in store.h. trim takes the number of durable writes of the history, which hold all the rows.
 * append does not tend the file: sqlite_file_tend is the caller's. */
int sqlite_journal_visit(struct sqlite_journal *j, const struct store_visitor *visit, struct why *why);
int sqlite_journal_append(struct sqlite_journal *j, uint64_t seq, struct slice batch, struct why *why);
int sqlite_journal_trim(struct sqlite_journal *j, uint64_t seq, uint64_t history_writes, struct why *why);

/* For upkeep: from now on the history must have so many writes, whatever it had. */
int sqlite_journal_adopt(struct sqlite_journal *j, uint64_t history_writes, struct why *why);

#endif
