/* The SQL of history.db: its tables, and the statements over each of them. All text is constant; values are
 * bound. What the columns mean stands in store/sqlite_history.h. */
#ifndef STORE_SQLITE_HISTORY_SQL_H
#define STORE_SQLITE_HISTORY_SQL_H

#include <stdint.h>

#include "model/stored.h"

/* Statements of one table. */
enum history_statement {
    HISTORY_FOLD,
    HISTORY_OLD,
    HISTORY_FIND,
    HISTORY_SCAN_DOWN,
    HISTORY_SCAN_UP,
    HISTORY_KEYS,
    HISTORY_RECOVER,
    HISTORY_LOOK,
    HISTORY_REMOVE,
    HISTORY_FIRST_SPAN,
    HISTORY_STATEMENTS,
};

/* The table of a kind: "transactions", ... */
const char *sqlite_history_table(uint8_t kind);
const char *sqlite_history_sql(uint8_t kind, enum history_statement which);

extern const char sqlite_history_tables[];      /* makes them all */
extern const char sqlite_history_counters[];    /* kind, and what to add to rows, unfinished, inserted */
extern const char sqlite_history_count_write[]; /* the new number of writes */

#endif
