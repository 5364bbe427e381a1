#include "store/sqlite_history.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "store/sqlite_identity.h"

const char sqlite_history_name[] = "history.db";

#define TABLE(name, kind)                                                                               \
    "CREATE TABLE " name                                                                                \
    "(id INTEGER PRIMARY KEY, key_hash INTEGER NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, "      \
    "seq INTEGER NOT NULL, final INTEGER NOT NULL, purge_after_ms INTEGER NOT NULL, batch INTEGER NOT " \
    "NULL, "                                                                                            \
    "span INTEGER NOT NULL, checksum INTEGER NOT NULL, image BLOB NOT NULL);"                           \
    "CREATE INDEX " name "_by_key ON " name "(span, key_hash);"                                         \
    "CREATE INDEX " name "_to_recover ON " name "(final, batch);"                                       \
    "INSERT INTO shelf VALUES(" kind ", '" name "', 0, 0);"

static const char create_sql[] = "CREATE TABLE shelf(kind INTEGER PRIMARY KEY, name TEXT NOT NULL, "
                                 "rows INTEGER NOT NULL, inserted INTEGER NOT NULL);" //
    TABLE("transactions", "1")                                                        //
    TABLE("answers", "2")                                                             //
    TABLE("audit", "3");
static const char counters_sql[] =
    "UPDATE shelf SET rows = rows + ?2, inserted = inserted + ?3 WHERE kind = ?1";

#define ROW "SELECT id, key_hash, key, state, seq, final, purge_after_ms, checksum, image FROM "
#define STATEMENTS(name)                                                                                    \
    {                                                                                                       \
        [HISTORY_FOLD] = "INSERT INTO " name " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "       \
                         "ON CONFLICT(id) DO UPDATE SET key_hash = excluded.key_hash, key = excluded.key, " \
                         "state = excluded.state, seq = excluded.seq, final = excluded.final, "             \
                         "purge_after_ms = excluded.purge_after_ms, batch = excluded.batch, "               \
                         "checksum = excluded.checksum, image = excluded.image WHERE excluded.seq >= seq",  \
        [HISTORY_FIND] = ROW name " WHERE span = ?1 AND key_hash = ?2 ORDER BY id DESC",                    \
        [HISTORY_SCAN_DOWN] = ROW name " WHERE id <= ?1 ORDER BY id DESC LIMIT ?2",                         \
        [HISTORY_SCAN_UP] = ROW name " WHERE id >= ?1 ORDER BY id ASC LIMIT ?2",                            \
        [HISTORY_KEYS] = "SELECT key_hash FROM " name,                                                      \
        [HISTORY_RECOVER] =                                                                                 \
            ROW name " WHERE final = 0 UNION ALL " ROW name " WHERE final = 1 AND batch > ?1",              \
        [HISTORY_LOOK] =                                                                                    \
            "SELECT id, final, purge_after_ms, batch FROM " name " WHERE id > ?1 ORDER BY id ASC LIMIT ?2", \
        [HISTORY_REMOVE] = "DELETE FROM " name " WHERE id = ?1",                                            \
        [HISTORY_FIRST_SPAN] = "SELECT min(span) FROM " name,                                               \
    }

static const struct {
    const char *name;
    const char *sql[HISTORY_STATEMENTS];
} tables[STORED_KIND_END] = {
    [STORED_TRANSACTION] = { "transactions", STATEMENTS("transactions") },
    [STORED_ANSWER] = { "answers", STATEMENTS("answers") },
    [STORED_AUDIT] = { "audit", STATEMENTS("audit") },
};

const char *sqlite_history_table(uint8_t kind) {
    assert(kind > 0 && kind < STORED_KIND_END);
    return tables[kind].name;
}

static uint64_t chain(uint64_t sum, struct slice bytes) {
    return XXH3_64bits_withSeed(bytes.length == 0 ? "" : bytes.at, bytes.length, sum);
}

static uint64_t checksum_of(const struct stored_row *row) {
    const uint64_t numbers[] = { row->kind,       row->id,           row->key_hash,
                                 row->seq,        row->final,        row->purge_after_ms,
                                 row->key.length, row->state.length, row->image.length };
    uint64_t sum = XXH3_64bits(numbers, sizeof numbers);
    return chain(chain(chain(sum, row->key), row->state), row->image);
}

static sqlite3_stmt *statement_of(struct sqlite_history *h, uint8_t kind, enum history_statement which) {
    assert(kind > 0 && kind < STORED_KIND_END);
    assert(h->shelves[kind].statements[which] != NULL);
    return h->shelves[kind].statements[which];
}

static uint64_t span_of(const struct history_shelf *shelf) {
    return shelf->inserted / SQLITE_HISTORY_SPAN_ROWS;
}

/* The lowest span that still has rows; the newest one when the table is empty. */
static int read_first_span(struct sqlite_history *h, uint8_t kind, struct why *why) {
    sqlite3_stmt *first = statement_of(h, kind, HISTORY_FIRST_SPAN);
    int code = 0;
    int result = sqlite3_step(first);
    if (result != SQLITE_ROW)
        code = sqlite_file_fail(&h->file, result, "read its spans", why);
    else if (sqlite3_column_type(first, 0) == SQLITE_NULL)
        h->shelves[kind].span_first = span_of(&h->shelves[kind]);
    else
        h->shelves[kind].span_first = (uint64_t)sqlite3_column_int64(first, 0);
    sqlite3_reset(first);
    return code;
}

static int read_counters(struct sqlite_history *h, struct why *why) {
    sqlite3_stmt *read = NULL;
    bool seen[STORED_KIND_END] = { false };
    int result = SQLITE_ROW;
    int code = sqlite_file_prepare(&h->file, "SELECT kind, rows, inserted FROM shelf", &read, why);
    while (code == 0 && (result = sqlite3_step(read)) == SQLITE_ROW) {
        int64_t kind = sqlite3_column_int64(read, 0);
        int64_t rows = sqlite3_column_int64(read, 1);
        int64_t inserted = sqlite3_column_int64(read, 2);
        if (kind <= 0 || kind >= STORED_KIND_END || rows < 0 || inserted < rows) {
            code = why_set(why, ERR_CORRUPT, "%s: its counters are damaged", sqlite_history_name);
            break;
        }
        seen[kind] = true;
        h->shelves[kind].rows = (uint64_t)rows;
        h->shelves[kind].inserted = (uint64_t)inserted;
    }
    if (code == 0 && result != SQLITE_DONE)
        code = sqlite_file_fail(&h->file, result, "read its counters", why);
    sqlite3_finalize(read);
    for (int kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        if (!seen[kind])
            code = why_set(why, ERR_CORRUPT, "%s: the counters of %s are gone", sqlite_history_name,
                           tables[kind].name);
    return code;
}

static int prepare_statements(struct sqlite_history *h, struct why *why) {
    int code = sqlite_file_prepare(&h->file, counters_sql, &h->counters, why);
    for (uint8_t kind = 1; kind < STORED_KIND_END; kind++)
        for (int which = 0; which < HISTORY_STATEMENTS && code == 0; which++)
            code = sqlite_file_prepare(&h->file, tables[kind].sql[which], &h->shelves[kind].statements[which],
                                       why);
    if (code == 0)
        code = read_counters(h, why);
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        code = read_first_span(h, kind, why);
    return code;
}

int sqlite_history_open(struct sqlite_history *h, const struct sqlite_place *place, _Atomic int *failed,
                        struct why *why) {
    *h = (struct sqlite_history){ .store = 0 };
    int code = sqlite_file_open(&h->file, place, sqlite_history_name, failed, why);
    if (code != 0)
        return code;
    code = sqlite_identity_read(&h->file, IDENTITY_HISTORY, &h->store, why);
    if (code == 0 && h->store != 0)
        code = prepare_statements(h, why);
    if (code != 0)
        sqlite_history_close(h);
    return code;
}

void sqlite_history_close(struct sqlite_history *h) {
    for (int kind = 1; kind < STORED_KIND_END; kind++) {
        for (int which = 0; which < HISTORY_STATEMENTS; which++) {
            sqlite3_finalize(h->shelves[kind].statements[which]);
            h->shelves[kind].statements[which] = NULL;
        }
    }
    sqlite3_finalize(h->counters);
    h->counters = NULL;
    sqlite_file_close(&h->file);
}

int sqlite_history_create(struct sqlite_history *h, uint64_t store, struct why *why) {
    assert(h->store == 0);
    int code = sqlite_identity_create(&h->file, IDENTITY_HISTORY, store, create_sql, why);
    if (code == 0)
        code = prepare_statements(h, why);
    if (code == 0)
        h->store = store;
    return code;
}

/* One row of ROW. ERR_CORRUPT when its checksum does not match. */
static int read_row(struct sqlite_history *h, uint8_t kind, sqlite3_stmt *from, struct stored_row *row,
                    struct why *why) {
    *row = (struct stored_row){ .kind = kind,
                                .id = (uint64_t)sqlite3_column_int64(from, 0),
                                .key_hash = (uint64_t)sqlite3_column_int64(from, 1),
                                .key = sqlite_file_column(from, 2),
                                .state = sqlite_file_column(from, 3),
                                .seq = (uint32_t)sqlite3_column_int64(from, 4),
                                .final = sqlite3_column_int64(from, 5) != 0,
                                .purge_after_ms = (uint64_t)sqlite3_column_int64(from, 6),
                                .image = sqlite_file_column(from, 8) };
    if ((uint64_t)sqlite3_column_int64(from, 7) == checksum_of(row))
        return 0;
    *h->file.failed = ERR_CORRUPT;
    return why_set(why, ERR_CORRUPT, "%s: row %llu of %s does not match its checksum", sqlite_history_name,
                   (unsigned long long)row->id, tables[kind].name);
}

/* Step through a statement of ROW, handing each row to visit; resets it. */
static int walk(struct sqlite_history *h, uint8_t kind, sqlite3_stmt *from, const struct store_visitor *visit,
                struct why *why) {
    int code = 0;
    int result = SQLITE_ROW;
    while (code == 0 && (result = sqlite3_step(from)) == SQLITE_ROW) {
        struct stored_row row;
        code = read_row(h, kind, from, &row, why);
        if (code == 0)
            code = visit->row(visit->self, &row);
    }
    if (code == 0 && result != SQLITE_DONE)
        code = sqlite_file_fail(&h->file, result, "read rows", why);
    sqlite3_reset(from);
    return code;
}

static int count_row(void *self, const struct stored_row *row) {
    uint64_t *rows = self;
    rows[row->kind]++;
    return 0;
}

int sqlite_history_verify(struct sqlite_history *h, uint64_t *rows, struct why *why) {
    struct store_visitor visit = { .row = count_row, .self = rows };
    int code = sqlite_file_ready(&h->file, why);
    for (uint8_t kind = 0; kind < STORED_KIND_END && code == 0; kind++) {
        rows[kind] = 0;
        if (kind == 0)
            continue;
        sqlite3_stmt *all = statement_of(h, kind, HISTORY_SCAN_UP);
        sqlite3_bind_int64(all, 1, 0);
        sqlite3_bind_int64(all, 2, -1);
        code = walk(h, kind, all, &visit, why);
        if (code == 0 && rows[kind] != h->shelves[kind].rows)
            code = why_set(why, ERR_CORRUPT, "%s: %s has %llu rows, its counter says %llu",
                           sqlite_history_name, tables[kind].name, (unsigned long long)rows[kind],
                           (unsigned long long)h->shelves[kind].rows);
    }
    return code;
}

int sqlite_history_visit(struct sqlite_history *h, uint64_t trimmed, const struct store_visitor *visit,
                         struct why *why) {
    int code = sqlite_file_ready(&h->file, why);
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++) {
        sqlite3_stmt *some = statement_of(h, kind, HISTORY_RECOVER);
        sqlite3_bind_int64(some, 1, (sqlite3_int64)trimmed);
        code = walk(h, kind, some, visit, why);
    }
    return code;
}

static int check_row(const struct stored_row *row, struct why *why) {
    size_t bytes = row->key.length + row->state.length + row->image.length;
    if (row->kind == 0 || row->kind >= STORED_KIND_END || row->id == 0 || row->id > STORE_ID_MAX)
        return why_set(why, ERR_INVALID, "no row can have kind %u and id %llu", row->kind,
                       (unsigned long long)row->id);
    if (bytes > STORE_ROW_BYTES_MAX)
        return why_set(why, ERR_LIMIT, "row %llu is too large: %zu bytes", (unsigned long long)row->id,
                       bytes);
    return 0;
}

/* Insert or replace one row inside a transaction; *fresh: it was not there before. An upsert that updates
 * leaves the last rowid as it was, that is how the two are told apart. */
static int put_row(struct sqlite_history *h, const struct stored_row *row, uint64_t batch_last, uint64_t span,
                   bool *fresh, struct why *why) {
    sqlite3_stmt *fold = statement_of(h, row->kind, HISTORY_FOLD);
    sqlite3_bind_int64(fold, 1, (sqlite3_int64)row->id);
    sqlite3_bind_int64(fold, 2, (sqlite3_int64)row->key_hash);
    int result = sqlite_file_bind_text(fold, 3, row->key);
    if (result == SQLITE_OK)
        result = sqlite_file_bind_text(fold, 4, row->state);
    sqlite3_bind_int64(fold, 5, row->seq);
    sqlite3_bind_int64(fold, 6, row->final);
    sqlite3_bind_int64(fold, 7, (sqlite3_int64)row->purge_after_ms);
    sqlite3_bind_int64(fold, 8, (sqlite3_int64)batch_last);
    sqlite3_bind_int64(fold, 9, (sqlite3_int64)span);
    sqlite3_bind_int64(fold, 10, (sqlite3_int64)checksum_of(row));
    if (result == SQLITE_OK)
        result = sqlite_file_bind_bytes(fold, 11, row->image);
    if (result != SQLITE_OK)
        return sqlite_file_fail(&h->file, result, "fold a row", why);
    sqlite3_set_last_insert_rowid(h->file.db, 0);
    int code = sqlite_file_step(&h->file, fold, "fold a row", why);
    *fresh = sqlite3_last_insert_rowid(h->file.db) != 0;
    return code;
}

/* Add to the counters of every kind that changed, inside the transaction. */
static int put_counters(struct sqlite_history *h, const int64_t rows[STORED_KIND_END],
                        const int64_t inserted[STORED_KIND_END], struct why *why) {
    int code = 0;
    for (int kind = 1; kind < STORED_KIND_END && code == 0; kind++) {
        if (rows[kind] == 0 && inserted[kind] == 0)
            continue;
        sqlite3_bind_int64(h->counters, 1, kind);
        sqlite3_bind_int64(h->counters, 2, rows[kind]);
        sqlite3_bind_int64(h->counters, 3, inserted[kind]);
        code = sqlite_file_step(&h->file, h->counters, "count rows", why);
    }
    return code;
}

int sqlite_history_fold(struct sqlite_history *h, const struct stored_row *rows, size_t count,
                        uint64_t batch_last, struct why *why) {
    int64_t inserted[STORED_KIND_END] = { 0 };
    int code = sqlite_file_ready(&h->file, why);
    for (size_t i = 0; i < count && code == 0; i++)
        code = check_row(&rows[i], why);
    if (code != 0 || count == 0)
        return code;
    code = sqlite_file_begin(&h->file, why);
    if (code != 0)
        return code;
    for (size_t i = 0; i < count && code == 0; i++) {
        const struct history_shelf *shelf = &h->shelves[rows[i].kind];
        bool fresh = false;
        code = put_row(h, &rows[i], batch_last, span_of(shelf), &fresh, why);
        inserted[rows[i].kind] += fresh;
    }
    if (code == 0)
        code = put_counters(h, inserted, inserted, why);
    code = sqlite_file_finish(&h->file, code, "fold rows", why);
    for (int kind = 1; kind < STORED_KIND_END && code == 0; kind++) {
        h->shelves[kind].rows += (uint64_t)inserted[kind];
        h->shelves[kind].inserted += (uint64_t)inserted[kind];
    }
    return code;
}

int sqlite_history_find(struct sqlite_history *h, uint8_t kind, uint64_t key_hash,
                        const struct store_visitor *visit, struct why *why) {
    sqlite3_stmt *find = statement_of(h, kind, HISTORY_FIND);
    const struct history_shelf *shelf = &h->shelves[kind];
    int code = sqlite_file_ready(&h->file, why);
    for (uint64_t span = span_of(shelf) + 1; span > shelf->span_first && code == 0; span--) {
        sqlite3_bind_int64(find, 1, (sqlite3_int64)(span - 1));
        sqlite3_bind_int64(find, 2, (sqlite3_int64)key_hash);
        code = walk(h, kind, find, visit, why);
    }
    return code;
}

int sqlite_history_scan(struct sqlite_history *h, uint8_t kind, uint64_t before, bool ascending, size_t max,
                        const struct store_visitor *visit, struct why *why) {
    int code = sqlite_file_ready(&h->file, why);
    if (code != 0)
        return code;
    if (max == 0 || (ascending ? before >= STORE_ID_MAX : before == 0))
        return 0;
    uint64_t edge = ascending ? before + 1 : before - 1;
    sqlite3_stmt *scan = statement_of(h, kind, ascending ? HISTORY_SCAN_UP : HISTORY_SCAN_DOWN);
    sqlite3_bind_int64(scan, 1, (sqlite3_int64)(edge < STORE_ID_MAX ? edge : STORE_ID_MAX));
    sqlite3_bind_int64(scan, 2, (sqlite3_int64)(max < INT32_MAX ? max : INT32_MAX));
    return walk(h, kind, scan, visit, why);
}

int sqlite_history_keys(struct sqlite_history *h, uint8_t kind, const struct store_visitor *visit,
                        struct why *why) {
    sqlite3_stmt *keys = statement_of(h, kind, HISTORY_KEYS);
    int code = sqlite_file_ready(&h->file, why);
    int result = SQLITE_ROW;
    while (code == 0 && (result = sqlite3_step(keys)) == SQLITE_ROW)
        code = visit->key(visit->self, kind, (uint64_t)sqlite3_column_int64(keys, 0));
    if (code == 0 && result != SQLITE_DONE)
        code = sqlite_file_fail(&h->file, result, "read its keys", why);
    sqlite3_reset(keys);
    return code;
}

/* Look at up to max rows after *cursor and list those that may go in ids. */
static int look(struct sqlite_history *h, uint8_t kind, uint64_t now_ms, uint64_t trimmed, uint64_t *cursor,
                size_t max, uint64_t *ids, size_t *found, struct why *why) {
    sqlite3_stmt *rows = statement_of(h, kind, HISTORY_LOOK);
    size_t looked = 0;
    int code = 0;
    int result;
    sqlite3_bind_int64(rows, 1, (sqlite3_int64)*cursor);
    sqlite3_bind_int64(rows, 2, (sqlite3_int64)max);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        uint64_t id = (uint64_t)sqlite3_column_int64(rows, 0);
        bool due = (uint64_t)sqlite3_column_int64(rows, 2) <= now_ms;
        bool safe = (uint64_t)sqlite3_column_int64(rows, 3) <= trimmed;
        if (sqlite3_column_int64(rows, 1) == 1 && due && safe)
            ids[(*found)++] = id;
        *cursor = id;
        looked++;
    }
    if (result != SQLITE_DONE)
        code = sqlite_file_fail(&h->file, result, "look for old rows", why);
    sqlite3_reset(rows);
    if (looked < max)
        *cursor = 0;
    return code;
}

static int remove_rows(struct sqlite_history *h, uint8_t kind, const uint64_t *ids, size_t count,
                       struct why *why) {
    sqlite3_stmt *delete = statement_of(h, kind, HISTORY_REMOVE);
    const int64_t inserted[STORED_KIND_END] = { 0 };
    int64_t rows[STORED_KIND_END] = { 0 };
    int code = sqlite_file_begin(&h->file, why);
    if (code != 0)
        return code;
    for (size_t i = 0; i < count && code == 0; i++) {
        sqlite3_bind_int64(delete, 1, (sqlite3_int64)ids[i]);
        code = sqlite_file_step(&h->file, delete, "remove old rows", why);
    }
    rows[kind] = -(int64_t)count;
    if (code == 0)
        code = put_counters(h, rows, inserted, why);
    code = sqlite_file_finish(&h->file, code, "remove old rows", why);
    if (code != 0)
        return code;
    h->shelves[kind].rows -= count;
    return read_first_span(h, kind, why);
}

int sqlite_history_purge(struct sqlite_history *h, uint8_t kind, uint64_t now_ms, uint64_t trimmed,
                         uint64_t *cursor, size_t max, size_t *removed, struct why *why) {
    size_t some = max < STORE_PURGE_MAX ? max : STORE_PURGE_MAX;
    uint64_t reached = *cursor;
    size_t found = 0;
    assert(max > 0);
    int code = sqlite_file_ready(&h->file, why);
    if (code != 0)
        return code;
    uint64_t *ids = calloc(some, sizeof *ids);
    if (ids == NULL)
        return why_set(why, ERR_MEMORY, "no memory to purge");
    code = look(h, kind, now_ms, trimmed, &reached, some, ids, &found, why);
    if (code == 0 && found > 0)
        code = remove_rows(h, kind, ids, found, why);
    free(ids);
    if (code != 0)
        return code;
    *cursor = reached;
    *removed = found;
    return 0;
}
