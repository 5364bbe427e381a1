#include "store/sqlite_history_sql.h"

#include <assert.h>

/* clang-format off */

/* Columns that decisions are made from stand before the long ones: SQLite then reads no overflow page. */
#define TABLE(name, kind) \
    "CREATE TABLE " name "(" \
    "id INTEGER PRIMARY KEY, key_hash INTEGER NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, " \
    "seq INTEGER NOT NULL, final INTEGER NOT NULL, purge_after_ms INTEGER NOT NULL, batch INTEGER NOT NULL, " \
    "span INTEGER NOT NULL, checksum INTEGER NOT NULL, image BLOB NOT NULL);" \
    "CREATE INDEX " name "_by_key ON " name "(span, key_hash);" \
    "CREATE INDEX " name "_to_recover ON " name "(final, batch);" \
    "INSERT INTO shelf VALUES(" kind ", '" name "', 0, 0, 0);"

const char sqlite_history_tables[] =
    "CREATE TABLE shelf(kind INTEGER PRIMARY KEY, name TEXT NOT NULL, rows INTEGER NOT NULL, "
    "unfinished INTEGER NOT NULL, inserted INTEGER NOT NULL);"
    "INSERT INTO settle(key, value) VALUES('writes', 0);"
    TABLE("transactions", "1")
    TABLE("answers", "2")
    TABLE("audit", "3")
    TABLE("messages", "4")
    TABLE("notifications", "5")
    TABLE("definitions", "6");

const char sqlite_history_counters[] =
    "UPDATE shelf SET rows = rows + ?2, unfinished = unfinished + ?3, inserted = inserted + ?4 WHERE kind = ?1";

const char sqlite_history_count_write[] = "UPDATE settle SET value = ?1 WHERE key = 'writes'";

#define ROW "SELECT id, key_hash, key, state, seq, final, purge_after_ms, checksum, image FROM "

#define STATEMENTS(name) { \
    [HISTORY_INSERT] = \
        "INSERT INTO " name " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT(id) DO NOTHING", \
    [HISTORY_REPLACE] = \
        "UPDATE " name " SET key_hash = ?2, key = ?3, state = ?4, seq = ?5, final = ?6, purge_after_ms = ?7, " \
        "batch = ?8, checksum = ?10, image = ?11 WHERE id = ?1 AND seq <= ?5", \
    [HISTORY_OLD] = "SELECT final, seq FROM " name " WHERE id = ?1", \
    [HISTORY_FIND] = ROW name " WHERE span = ?1 AND key_hash = ?2 ORDER BY id DESC", \
    [HISTORY_SCAN_DOWN] = ROW name " WHERE id <= ?1 ORDER BY id DESC LIMIT ?2", \
    [HISTORY_SCAN_UP] = ROW name " WHERE id >= ?1 ORDER BY id ASC LIMIT ?2", \
    [HISTORY_KEYS] = "SELECT key_hash FROM " name, \
    [HISTORY_RECOVER] = \
        ROW name " WHERE final = 0 UNION ALL " ROW name " WHERE final = 1 AND batch > ?1", \
    [HISTORY_LOOK] = \
        "SELECT id, final, purge_after_ms, batch FROM " name " WHERE id > ?1 ORDER BY id ASC LIMIT ?2", \
    [HISTORY_REMOVE] = "DELETE FROM " name " WHERE id = ?1", \
    [HISTORY_FIRST_SPAN] = "SELECT min(span) FROM " name, \
}

/* clang-format on */

static const struct {
    const char *name;
    const char *sql[HISTORY_STATEMENTS];
} tables[STORED_KIND_END] = {
    [STORED_TRANSACTION] = { "transactions", STATEMENTS("transactions") },
    [STORED_ANSWER] = { "answers", STATEMENTS("answers") },
    [STORED_AUDIT] = { "audit", STATEMENTS("audit") },
    [STORED_MESSAGE] = { "messages", STATEMENTS("messages") },
    [STORED_NOTICE] = { "notifications", STATEMENTS("notifications") },
    [STORED_DEFINITION] = { "definitions", STATEMENTS("definitions") },
};

const char *sqlite_history_table(uint8_t kind) {
    assert(kind > 0 && kind < STORED_KIND_END);
    return tables[kind].name;
}

const char *sqlite_history_sql(uint8_t kind, enum history_statement which) {
    assert(kind > 0 && kind < STORED_KIND_END);
    assert(which < HISTORY_STATEMENTS);
    return tables[kind].sql[which];
}
