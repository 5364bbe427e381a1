/* Who a database file is: the table "settle" in journal.db and in history.db.
 *
 *   format   1; a file of a newer format is refused, never guessed at
 *   shards   LIMIT_SHARDS when the store was created; fixed for ever, because gids are mapped by it
 *   file     1 journal, 2 history: two files swapped by hand are noticed
 *   store    a random number, the same in both files: files of two stores mixed by hand are noticed */
#ifndef STORE_SQLITE_IDENTITY_H
#define STORE_SQLITE_IDENTITY_H

#include <stdint.h>

#include "store/sqlite_file.h"

#define SQLITE_IDENTITY_FORMAT 1

enum identity_role {
    IDENTITY_JOURNAL = 1,
    IDENTITY_HISTORY = 2,
};

/* *store becomes the store's number, or 0 when the file is empty and may be created. ERR_UNSUPPORTED: a newer
 * format. ERR_CORRUPT: another file than expected, or none of ours. */
int sqlite_identity_read(struct sqlite_file *f, enum identity_role role, uint64_t *store, struct why *why);
/* Create the table, then run more (SQL, which may already use the table), in one transaction: after a crash
 * the file is empty or complete. store: 1 ... INT64_MAX. ERR_SPACE leaves it empty; ERR_IO. */
int sqlite_identity_create(struct sqlite_file *f, enum identity_role role, uint64_t store, const char *more,
                           struct why *why);

#endif
