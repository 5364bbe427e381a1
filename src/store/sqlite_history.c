#include "store/sqlite_history.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "store/sqlite_history_sql.h"
#include "store/sqlite_identity.h"

const char sqlite_history_name[] = "history.db";

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
    int code =
        sqlite_file_prepare(&h->file, "SELECT kind, rows, unfinished, inserted FROM shelf", &read, why);
    while (code == 0 && (result = sqlite3_step(read)) == SQLITE_ROW) {
        int64_t kind = sqlite3_column_int64(read, 0);
        int64_t rows = sqlite3_column_int64(read, 1);
        int64_t unfinished = sqlite3_column_int64(read, 2);
        int64_t inserted = sqlite3_column_int64(read, 3);
        if (kind <= 0 || kind >= STORED_KIND_END || unfinished < 0 || rows < unfinished || inserted < rows) {
            code = why_set(why, ERR_CORRUPT, "%s: its counters are damaged", sqlite_history_name);
            break;
        }
        seen[kind] = true;
        h->shelves[kind].rows = (uint64_t)rows;
        h->shelves[kind].unfinished = (uint64_t)unfinished;
        h->shelves[kind].inserted = (uint64_t)inserted;
    }
    if (code == 0 && result != SQLITE_DONE)
        code = sqlite_file_fail(&h->file, result, "read its counters", why);
    sqlite3_finalize(read);
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        if (!seen[kind])
            code = why_set(why, ERR_CORRUPT, "%s: the counters of %s are gone", sqlite_history_name,
                           sqlite_history_table(kind));
    return code;
}

static int prepare_statements(struct sqlite_history *h, struct why *why) {
    int64_t writes = 0;
    int code = sqlite_file_prepare(&h->file, sqlite_history_counters, &h->counters, why);
    if (code == 0)
        code = sqlite_file_prepare(&h->file, sqlite_history_count_write, &h->count_write, why);
    if (code == 0)
        code = sqlite_file_number(&h->file, "SELECT value FROM settle WHERE key = 'writes'", &writes, why);
    if (code == ERR_NOT_FOUND || writes < 0)
        code = why_set(why, ERR_CORRUPT, "%s: its number of writes is damaged", sqlite_history_name);
    h->writes = (uint64_t)writes;
    for (uint8_t kind = 1; kind < STORED_KIND_END; kind++)
        for (int which = 0; which < HISTORY_STATEMENTS && code == 0; which++)
            code = sqlite_file_prepare(&h->file, sqlite_history_sql(kind, which),
                                       &h->shelves[kind].statements[which], why);
    if (code == 0)
        code = read_counters(h, why);
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        code = read_first_span(h, kind, why);
    return code;
}

int sqlite_history_open(struct sqlite_history *h, const struct sqlite_place *place, _Atomic int *failed,
                        struct why *why) {
    *h = (struct sqlite_history){ .identity = { 0, 0 } };
    int code = sqlite_file_open(&h->file, place, sqlite_history_name, failed, why);
    if (code != 0)
        return code;
    code = sqlite_identity_read(&h->file, IDENTITY_HISTORY, &h->identity, why);
    if (code == 0 && h->identity.store != 0)
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
    sqlite3_finalize(h->count_write);
    h->counters = NULL;
    h->count_write = NULL;
    sqlite_file_close(&h->file);
}

int sqlite_history_create(struct sqlite_history *h, struct sqlite_identity identity, struct why *why) {
    assert(h->identity.store == 0);
    int code = sqlite_identity_create(&h->file, IDENTITY_HISTORY, identity, sqlite_history_tables, why);
    if (code == 0)
        code = prepare_statements(h, why);
    if (code == 0)
        h->identity = identity;
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
                   (unsigned long long)row->id, sqlite_history_table(kind));
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

struct census {
    uint64_t rows;
    uint64_t unfinished;
};

static int count_row(void *self, const struct stored_row *row) {
    struct census *c = self;
    c->rows++;
    c->unfinished += !row->final;
    return 0;
}

static int verify_table(struct sqlite_history *h, uint8_t kind, uint64_t *rows, struct why *why) {
    struct census c = { 0, 0 };
    struct store_visitor visit = { .row = count_row, .self = &c };
    const struct history_shelf *shelf = &h->shelves[kind];
    sqlite3_stmt *all = statement_of(h, kind, HISTORY_SCAN_UP);
    sqlite3_bind_int64(all, 1, 0);
    sqlite3_bind_int64(all, 2, -1);
    int code = walk(h, kind, all, &visit, why);
    *rows = c.rows;
    if (code == 0 && (c.rows != shelf->rows || c.unfinished != shelf->unfinished))
        code = why_set(why, ERR_CORRUPT,
                       "%s: %s has %llu rows, %llu of them unfinished; its counters say %llu and %llu",
                       sqlite_history_name, sqlite_history_table(kind), (unsigned long long)c.rows,
                       (unsigned long long)c.unfinished, (unsigned long long)shelf->rows,
                       (unsigned long long)shelf->unfinished);
    return code;
}

int sqlite_history_verify(struct sqlite_history *h, uint64_t *rows, struct why *why) {
    int code = sqlite_file_ready(&h->file, why);
    rows[0] = 0;
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        code = verify_table(h, kind, &rows[kind], why);
    return code;
}

/* Shows rows on, and counts those that are not final. */
struct recovery {
    const struct store_visitor *visit;
    uint64_t unfinished;
};

static int show_row(void *self, const struct stored_row *row) {
    struct recovery *r = self;
    r->unfinished += !row->final;
    return r->visit->row(r->visit->self, row);
}

int sqlite_history_visit(struct sqlite_history *h, uint64_t trimmed, const struct store_visitor *visit,
                         struct why *why) {
    int code = sqlite_file_ready(&h->file, why);
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++) {
        sqlite3_stmt *some = statement_of(h, kind, HISTORY_RECOVER);
        struct recovery r = { .visit = visit };
        struct store_visitor through = { .row = show_row, .self = &r };
        sqlite3_bind_int64(some, 1, (sqlite3_int64)trimmed);
        code = walk(h, kind, some, &through, why);
        if (code == 0 && r.unfinished != h->shelves[kind].unfinished) {
            *h->file.failed = ERR_CORRUPT;
            code = why_set(why, ERR_CORRUPT, "%s: %s should have %llu unfinished rows, %llu were found",
                           sqlite_history_name, sqlite_history_table(kind),
                           (unsigned long long)h->shelves[kind].unfinished, (unsigned long long)r.unfinished);
        }
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

/* What a transaction of rows changes in the counters. */
struct change {
    int64_t rows[STORED_KIND_END];
    int64_t unfinished[STORED_KIND_END];
    int64_t inserted[STORED_KIND_END];
};

/* Is the row there, and what is it? */
static int look_back(struct sqlite_history *h, const struct stored_row *row, bool *there, bool *was_final,
                     uint64_t *was_seq, struct why *why) {
    sqlite3_stmt *old = statement_of(h, row->kind, HISTORY_OLD);
    int code = 0;
    sqlite3_bind_int64(old, 1, (sqlite3_int64)row->id);
    int result = sqlite3_step(old);
    *there = result == SQLITE_ROW;
    *was_final = *there && sqlite3_column_int64(old, 0) != 0;
    *was_seq = *there ? (uint64_t)sqlite3_column_int64(old, 1) : 0;
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        code = sqlite_file_fail(&h->file, result, "fold a row", why);
    sqlite3_reset(old);
    return code;
}

/* Run HISTORY_INSERT or HISTORY_REPLACE. */
static int write_row(struct sqlite_history *h, enum history_statement which, const struct stored_row *row,
                     uint64_t batch_last, uint64_t span, struct why *why) {
    sqlite3_stmt *fold = statement_of(h, row->kind, which);
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
    return sqlite_file_step(&h->file, fold, "fold a row", why);
}

/* Insert or replace one row inside a transaction. Nearly every row is new, so it is inserted first and looked
 * for only when that changed nothing. */
static int put_row(struct sqlite_history *h, const struct stored_row *row, uint64_t batch_last, uint64_t span,
                   struct change *change, struct why *why) {
    bool there = false;
    bool was_final = false;
    uint64_t was_seq = 0;
    int code = write_row(h, HISTORY_INSERT, row, batch_last, span, why);
    if (code != 0)
        return code;
    if (sqlite3_changes(h->file.db) == 1) {
        change->rows[row->kind]++;
        change->inserted[row->kind]++;
        change->unfinished[row->kind] += !row->final;
        return 0;
    }
    code = look_back(h, row, &there, &was_final, &was_seq, why);
    if (code != 0 || was_seq > row->seq)
        return code;
    if (!there) {
        *h->file.failed = ERR_CORRUPT;
        return why_set(why, ERR_CORRUPT, "%s: row %llu of %s neither goes in nor is there",
                       sqlite_history_name, (unsigned long long)row->id, sqlite_history_table(row->kind));
    }
    change->unfinished[row->kind] += !row->final - !was_final;
    return write_row(h, HISTORY_REPLACE, row, batch_last, span, why);
}

/* End a transaction of rows: counters, then commit (or roll back when code is not 0). */
static int finish_rows(struct sqlite_history *h, int code, const struct change *change, const char *doing,
                       struct why *why) {
    uint64_t writes = h->writes + 1;
    for (int kind = 1; kind < STORED_KIND_END && code == 0; kind++) {
        if (change->rows[kind] == 0 && change->unfinished[kind] == 0)
            continue;
        sqlite3_bind_int64(h->counters, 1, kind);
        sqlite3_bind_int64(h->counters, 2, change->rows[kind]);
        sqlite3_bind_int64(h->counters, 3, change->unfinished[kind]);
        sqlite3_bind_int64(h->counters, 4, change->inserted[kind]);
        code = sqlite_file_step(&h->file, h->counters, doing, why);
    }
    if (code == 0) {
        sqlite3_bind_int64(h->count_write, 1, (sqlite3_int64)writes);
        code = sqlite_file_step(&h->file, h->count_write, doing, why);
    }
    code = sqlite_file_finish(&h->file, code, doing, why);
    if (code != 0)
        return code;
    for (int kind = 1; kind < STORED_KIND_END; kind++) {
        h->shelves[kind].rows += (uint64_t)change->rows[kind];
        h->shelves[kind].unfinished += (uint64_t)change->unfinished[kind];
        h->shelves[kind].inserted += (uint64_t)change->inserted[kind];
    }
    h->writes = writes;
    return 0;
}

int sqlite_history_fold(struct sqlite_history *h, const struct stored_row *rows, size_t count,
                        uint64_t batch_last, struct why *why) {
    struct change change = { .rows = { 0 } };
    int code = sqlite_file_ready(&h->file, why);
    for (size_t i = 0; i < count && code == 0; i++)
        code = check_row(&rows[i], why);
    if (code != 0 || count == 0)
        return code;
    code = sqlite_file_begin(&h->file, why);
    if (code != 0)
        return code;
    for (size_t i = 0; i < count && code == 0; i++)
        code = put_row(h, &rows[i], batch_last, span_of(&h->shelves[rows[i].kind]), &change, why);
    return finish_rows(h, code, &change, "fold rows", why);
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
    struct change change = { .rows = { 0 } };
    int code = sqlite_file_begin(&h->file, why);
    if (code != 0)
        return code;
    for (size_t i = 0; i < count && code == 0; i++) {
        sqlite3_bind_int64(delete, 1, (sqlite3_int64)ids[i]);
        code = sqlite_file_step(&h->file, delete, "remove old rows", why);
    }
    change.rows[kind] = -(int64_t)count;
    code = finish_rows(h, code, &change, "remove old rows", why);
    return code == 0 ? read_first_span(h, kind, why) : code;
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
