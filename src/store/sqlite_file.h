/* One SQLite database file the way settle keeps it: exactly one connection, exclusive, write-ahead log, every
 * commit synced, 8 KiB pages (libraries.md A; design.md section 3).
 *
 * One thread at a time. Nobody else may open the file while it is open here, not even another descriptor of
 * this process: closing that one would drop SQLite's POSIX locks.
 *
 * Failures. SQLite's own automatic checkpoint throws its errors away, a failed sync of the database file
 * among them, and would try again later on pages that the kernel has given up. So the automatic one is
 * replaced by sqlite_file_tend. The first failure that must stop the store (ERR_IO, ERR_CORRUPT) is noted in
 * *failed, which all files of a store share; from then on every operation of any of them answers it, and
 * close leaves the write-ahead log as it is. */
#ifndef STORE_SQLITE_FILE_H
#define STORE_SQLITE_FILE_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct sqlite_file {
    sqlite3 *db;
    const char *name;    /* "journal.db": for sentences */
    char *path;          /* owned */
    _Atomic int *failed; /* 0 or the code that stopped the store */
    int log_pages;       /* in the write-ahead log after the last commit */
    int log_pages_max;   /* when to checkpoint */
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *rollback;
};

/* Where files are and how they are kept. */
struct sqlite_place {
    const char *directory;
    const char *vfs;   /* an SQLite file layer by name; NULL: the system's */
    int log_pages_max; /* 0: 2,000 */
    bool as_it_is;     /* leave a file without a write-ahead log without one: to look at a copy */
};

bool sqlite_file_exists(const struct sqlite_place *place, const char *name);

/* Open, or create with mode 0600. Writes nothing to a file that exists, and close will not either until
 * sqlite_file_trust was called. name must outlive f. ERR_LOCKED: another program has it open. ERR_CORRUPT,
 * ERR_IO, ERR_SPACE, ERR_MEMORY. */
int sqlite_file_open(struct sqlite_file *f, const struct sqlite_place *place, const char *name,
                     _Atomic int *failed, struct why *why);
/* Finalizes begin, commit and rollback; all other statements must be finalized. When the file is trusted and
 * nothing failed, the log is folded into the database and removed. */
void sqlite_file_close(struct sqlite_file *f);
/* What is in the file has been checked: write the write-ahead log again, sync it, copy it into the database
 * and sync that, so that nothing rests on a page cache that a failed predecessor may have left behind
 * (reliability.md P2). From now on close folds the log too. */
int sqlite_file_trust(struct sqlite_file *f, struct why *why);

/* 0, or the code of the failure that stopped the store, with a sentence. */
int sqlite_file_ready(const struct sqlite_file *f, struct why *why);
/* Translate an SQLite result code. doing: "append batch 7". The codes that must stop the store do. */
int sqlite_file_fail(struct sqlite_file *f, int result, const char *doing, struct why *why);

int sqlite_file_prepare(struct sqlite_file *f, const char *sql, sqlite3_stmt **out, struct why *why);
/* Statements without results, one after the other. */
int sqlite_file_run(struct sqlite_file *f, const char *sql, struct why *why);
/* The first column of the first row; ERR_NOT_FOUND without one. */
int sqlite_file_number(struct sqlite_file *f, const char *sql, int64_t *out, struct why *why);
/* Step a statement that gives no rows, reset it, drop its bindings. */
int sqlite_file_step(struct sqlite_file *f, sqlite3_stmt *statement, const char *doing, struct why *why);

/* A transaction. finish commits when code is 0 and rolls back otherwise, and returns what became of it: 0 is
 * durable; ERR_SPACE (from code or from the commit) has left nothing behind and the file usable. A commit
 * that fails in any other way may be on the disk or not, so it stops the store with ERR_IO. */
int sqlite_file_begin(struct sqlite_file *f, struct why *why);
int sqlite_file_finish(struct sqlite_file *f, int code, const char *doing, struct why *why);

/* Checkpoint when the write-ahead log has grown to log_pages_max. A full disk is no failure here, the log
 * just grows on; anything else stops the store. Call after each commit, once the commit has been acknowledged
 * to whoever must know: what it returns says nothing about the commit. */
int sqlite_file_tend(struct sqlite_file *f, struct why *why);

/* A blob or text that may be empty, borrowed until the statement is reset. */
int sqlite_file_bind_bytes(sqlite3_stmt *statement, int place, struct slice bytes);
int sqlite_file_bind_text(sqlite3_stmt *statement, int place, struct slice text);
struct slice sqlite_file_column(sqlite3_stmt *statement, int column); /* valid until the next step */

#endif
