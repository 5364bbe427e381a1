/* The SQL of history.db: its tables, and the statements over each of them. All text is constant; values are
 * bound. What the columns mean stands in store/sqlite_history.h. */
#ifndef STORE_SQLITE_HISTORY_SQL_H
#define STORE_SQLITE_HISTORY_SQL_H

#include <stdint.h>

#include "model/stored.h"

/* Statements of one table. "Rows" have the columns id, key_hash, key, state, seq, final, purge_after_ms,
 * checksum, image, in this order. */
enum history_statement {
    HISTORY_INSERT,  /* eleven columns as in the table: insert, unless the id is there */
    HISTORY_REPLACE, /* the same columns: replace what is there, but for its span, unless its seq is higher */
    HISTORY_OLD,     /* id: final and seq of the row that is there */
    HISTORY_FIND,    /* span, key_hash: rows, newest first */
    HISTORY_SCAN_DOWN,  /* id, limit: rows with at most this id, descending */
    HISTORY_SCAN_UP,    /* id, limit: rows with at least this id, ascending */
    HISTORY_KEYS,       /* every key_hash, straight from the index */
    HISTORY_RECOVER,    /* trimmed: rows that are not final, and final ones the journal may still know */
    HISTORY_LOOK,       /* id, limit: id, final, purge_after_ms, batch of rows above this id */
    HISTORY_REMOVE,     /* id */
    HISTORY_FIRST_SPAN, /* the lowest span there is, or NULL */
    HISTORY_STATEMENTS,
};

/* The table of a kind: "transactions", ... */
const char *sqlite_history_table(uint8_t kind);
const char *sqlite_history_sql(uint8_t kind, enum history_statement which);

extern const char sqlite_history_tables[];      /* makes them all */
extern const char sqlite_history_counters[];    /* kind, and what to add to rows, unfinished, inserted */
extern const char sqlite_history_count_write[]; /* the new number of writes */

#endif
