/* A participant's own database: one SQLite file with its business tables and the barrier table, changed
 * together in one local transaction.
 *
 * The barrier is what makes a participant idempotent and safe against order (reliability.md G6). Its primary
 * key is (gid, branch, op), rows are inserted first, and the insert decides: forward  (try, action) inserted:
 * do the work · there, by itself: done before, answer again · there, by the backward operation: too late,
 * refuse confirm                       inserted: do the work · there: done before backward (cancel,
 * compensate) inserts a marker under the forward operation's key first. Marker inserted: the forward never
 * ran, nothing to undo, and the marker keeps a late one out · marker refused: the forward ran; then like
 * confirm
 *
 * deliver (gid: the message's id, branch: the subscription) is a forward operation with no way back: a
 * message that comes again finds the row. produce is the producer's own transaction, check the question
 * whether it committed; check is produce's backward operation: asked first, it keeps a late produce out, so
 * that "rolled back" stays true.
 *
 * One connection, used by one thread at a time (the service's). */
#ifndef DEMO_LEDGER_H
#define DEMO_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/bytes.h"
#include "base/err.h"

struct ledger {
    sqlite3 *database;
};

enum barrier {
    BARRIER_PROCEED,  /* do the work, then ledger_commit */
    BARRIER_SKIP,     /* nothing to do: ledger_commit, answer success */
    BARRIER_TOO_LATE, /* ledger_rollback, refuse */
};

/* Opens or makes the file and runs schema (SQL, "create table if not exists ..."). ERR_IO. */
int ledger_open(struct ledger *l, const char *path, const char *schema, struct why *why);
void ledger_close(struct ledger *l); /* also after a failed open */

/* Begin the local transaction of one call and pass the barrier. operation is one of the words above.
 * ERR_INVALID: not such a word; ERR_IO: the database failed. After an error nothing is open. */
int ledger_begin(struct ledger *l, struct slice gid, struct slice branch, struct slice operation,
                 enum barrier *barrier, struct why *why);
/* After ledger_begin of a check: whether the producer's transaction committed. ERR_IO. */
int ledger_produced(struct ledger *l, struct slice gid, struct slice branch, bool *produced, struct why *why);
int ledger_commit(struct ledger *l, struct why *why);
void ledger_rollback(struct ledger *l);

/* Run one statement with values bound by position: 't' a struct slice *, 'i' an int64_t. *changed (may be
 * NULL) gets the number of rows. ERR_IO. */
int ledger_change(struct ledger *l, int *changed, struct why *why, const char *sql, const char *kinds, ...);
/* One number; 0 rows give fallback. */
int ledger_number(struct ledger *l, int64_t *number, int64_t fallback, struct why *why, const char *sql,
                  const char *kinds, ...);

#endif
