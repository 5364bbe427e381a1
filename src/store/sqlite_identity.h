/* Who a database file is: the table "settle" in journal.db and in history.db.
 *
 *   format   2; a file of another format is refused, never guessed at
 *   shards   LIMIT_SHARDS when the store was created; fixed for ever, because gids are mapped by it
 *   file     1 journal, 2 history: two files swapped by hand are noticed
 *   store    a random number, the same in both files: files of two stores mixed by hand are noticed
 *   seed     another one, the same in both files: store->key_seed */
#ifndef STORE_SQLITE_IDENTITY_H
#define STORE_SQLITE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite_file.h"

#define SQLITE_IDENTITY_FORMAT 2

enum identity_role {
    IDENTITY_JOURNAL = 1,
    IDENTITY_HISTORY = 2,
};

struct sqlite_identity {
    uint64_t store; /* 1 ... INT64_MAX */
    uint64_t seed;  /* not 0 */
};

/* A new store's. ERR_IO: no random numbers. */
int sqlite_identity_make(struct sqlite_identity *out, struct why *why);
bool sqlite_identity_same(struct sqlite_identity a, struct sqlite_identity b);

/* *out becomes all 0 when the file is empty and may be created. ERR_UNSUPPORTED: another format. ERR_CORRUPT:
 * another file than expected, or none of ours. */
int sqlite_identity_read(struct sqlite_file *f, enum identity_role role, struct sqlite_identity *out,
                         struct why *why);
/* Create the table, then run more (SQL, which may already use the table), in one transaction: after a crash
 * the file is empty or complete. ERR_SPACE leaves it empty; ERR_IO. */
int sqlite_identity_create(struct sqlite_file *f, enum identity_role role, struct sqlite_identity identity,
                           const char *more, struct why *why);

#endif
