/* The history half of the embedded store: DATA/history.db.
 *
 *   transactions, answers, audit   one table per kind, readable columns, one row per thing:
 *       id, key_hash, key, state, seq, final, purge_after_ms, image   as in model/stored.h
 *       batch      the journal's last batch when the row was written (store.h: what recover and purge need)
 *       span       every 32,768 new rows a new one begins
 *       checksum   XXH3-64 over everything of model/stored.h: SQLite has no checksums of its own
 *   shelf(kind, name, rows, unfinished, inserted)   how many rows a table has, how many of them are not
 *       final (recovery must find as many), and how many it ever had
 *   settle: writes   how many commits of rows there were. The journal notes it with every trim, so a history
 * that lost its newest commits is noticed when the journal no longer has their records
 *
 * Why spans. key_hash is random, and an index over it alone would have every new row change another page: ten
 * million rows make that index 200 MB, and each insert then costs a page of log. The index is (span,
 * key_hash), so that inserts stay within the newest span's pages; a search asks one span after the other,
 * newest first, about 2 us each.
 *
 * Thread: H, except open, create, verify, trust and visit, which run before there are threads. */
#ifndef STORE_SQLITE_HISTORY_H
#define STORE_SQLITE_HISTORY_H

#include "store/sqlite_identity.h"
#include "store/sqlite_history_sql.h"
#include "store/store.h"

#define SQLITE_HISTORY_SPAN_ROWS 32768

struct history_shelf {
    sqlite3_stmt *statements[HISTORY_STATEMENTS];
    uint64_t rows;
    uint64_t unfinished;
    uint64_t inserted;
    uint64_t span_first; /* no row has a lower span */
};

struct sqlite_history {
    struct sqlite_file file;
    struct sqlite_identity identity; /* all 0: the file was empty */
    struct history_shelf shelves[STORED_KIND_END];
    sqlite3_stmt *counters;
    sqlite3_stmt *count_write;
    _Atomic uint64_t writes; /* durable commits of rows; anyone may read it */
};

extern const char sqlite_history_name[]; /* "history.db" */

/* As the functions of the same name in sqlite_journal.h. */
int sqlite_history_open(struct sqlite_history *h, const struct sqlite_place *place, _Atomic int *failed,
                        struct why *why);
void sqlite_history_close(struct sqlite_history *h);
int sqlite_history_create(struct sqlite_history *h, struct sqlite_identity identity, struct why *why);
/* Read every row: checksums and counters. Slow: for upkeep, not for a start. rows[STORED_KIND_END] is filled.
 * ERR_CORRUPT names the file, the table and the row. */
int sqlite_history_verify(struct sqlite_history *h, uint64_t *rows, struct why *why);

/* As in store.h. batch_last and trimmed are the journal's. fold and purge do not tend the file. */
int sqlite_history_visit(struct sqlite_history *h, uint64_t trimmed, const struct store_visitor *visit,
                         struct why *why);
int sqlite_history_fold(struct sqlite_history *h, const struct stored_row *rows, size_t count,
                        uint64_t batch_last, struct why *why);
int sqlite_history_find(struct sqlite_history *h, uint8_t kind, uint64_t key_hash,
                        const struct store_visitor *visit, struct why *why);
int sqlite_history_scan(struct sqlite_history *h, uint8_t kind, uint64_t before, bool ascending, size_t max,
                        const struct store_visitor *visit, struct why *why);
int sqlite_history_keys(struct sqlite_history *h, uint8_t kind, const struct store_visitor *visit,
                        struct why *why);
int sqlite_history_purge(struct sqlite_history *h, uint8_t kind, uint64_t now_ms, uint64_t trimmed,
                         uint64_t *cursor, size_t max, size_t *removed, struct why *why);

#endif
