#include "store/sqlite_journal.h"

#include <assert.h>
#include <xxhash.h>

#include "store/sqlite_identity.h"

#define SHARD 0
#define SHARD_BITS 48

_Static_assert(STORE_SEQ_MAX < (UINT64_C(1) << SHARD_BITS), "a shard's batches stay in their places");

const char sqlite_journal_name[] = "journal.db";

static const char create_sql[] =
    "CREATE TABLE fence(shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, "
    "trimmed INTEGER NOT NULL, history INTEGER NOT NULL);"
    "CREATE TABLE journal(place INTEGER PRIMARY KEY, shard INTEGER NOT NULL, epoch INTEGER NOT NULL, "
    "seq INTEGER NOT NULL, checksum INTEGER NOT NULL, batch BLOB NOT NULL);"
    "INSERT INTO fence VALUES(0, 0, 0, 0, 0);";
static const char fence_sql[] = "UPDATE fence SET seq = ?3 WHERE shard = ?1 AND epoch = ?2 AND seq = ?3 - 1";
static const char insert_sql[] =
    "INSERT INTO journal(place, shard, epoch, seq, checksum, batch) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
#define COLUMNS "place, shard, epoch, seq, checksum, batch"
static const char one_sql[] = "SELECT " COLUMNS " FROM journal WHERE place = ?1";
static const char all_sql[] = "SELECT " COLUMNS " FROM journal ORDER BY place";
static const char cut_sql[] = "DELETE FROM journal WHERE place BETWEEN ?1 AND ?2";
static const char trim_sql[] = "UPDATE fence SET trimmed = ?3, history = max(history, ?4) WHERE shard = ?1 "
                               "AND epoch = ?2 AND seq >= ?3 AND trimmed < ?3";
static const char take_sql[] =
    "UPDATE fence SET epoch = epoch + ?3 WHERE shard = ?1 AND epoch = ?2 AND seq = ?4";

static sqlite3_int64 place_of(uint64_t seq) {
    return (sqlite3_int64)(((uint64_t)SHARD << SHARD_BITS) | seq);
}

static uint64_t checksum_of(uint64_t epoch, uint64_t seq, struct slice batch) {
    const uint64_t where[3] = { SHARD, epoch, seq };
    return XXH3_64bits_withSeed(batch.length == 0 ? "" : batch.at, batch.length,
                                XXH3_64bits(where, sizeof where));
}

static int damaged(struct sqlite_journal *j, struct why *why, uint64_t seq, const char *text) {
    *j->file.failed = ERR_CORRUPT;
    return why_set(why, ERR_CORRUPT, "%s: batch %llu of shard %d %s", sqlite_journal_name,
                   (unsigned long long)seq, SHARD, text);
}

static int read_fence(struct sqlite_journal *j, struct why *why) {
    int64_t epoch = 0;
    int64_t seq = 0;
    int64_t trimmed = 0;
    int64_t history = 0;
    int code = sqlite_file_number(&j->file, "SELECT epoch FROM fence WHERE shard = 0", &epoch, why);
    if (code == 0)
        code = sqlite_file_number(&j->file, "SELECT seq FROM fence WHERE shard = 0", &seq, why);
    if (code == 0)
        code = sqlite_file_number(&j->file, "SELECT trimmed FROM fence WHERE shard = 0", &trimmed, why);
    if (code == 0)
        code = sqlite_file_number(&j->file, "SELECT history FROM fence WHERE shard = 0", &history, why);
    if (code != 0)
        return code == ERR_NOT_FOUND ? why_set(why, ERR_CORRUPT, "%s: its fence is gone", sqlite_journal_name)
                                     : code;
    if (epoch < 0 || history < 0 || trimmed < 0 || trimmed > seq || seq > (int64_t)STORE_SEQ_MAX)
        return why_set(why, ERR_CORRUPT, "%s: its fence is damaged: epoch %lld, batch %lld, trimmed %lld",
                       sqlite_journal_name, (long long)epoch, (long long)seq, (long long)trimmed);
    j->epoch = (uint64_t)epoch;
    j->last = (uint64_t)seq;
    j->trimmed = (uint64_t)trimmed;
    j->history = (uint64_t)history;
    return 0;
}

static int prepare_statements(struct sqlite_journal *j, struct why *why) {
    const struct {
        const char *sql;
        sqlite3_stmt **out;
    } rows[] = { { fence_sql, &j->fence }, { insert_sql, &j->insert }, { one_sql, &j->one },
                 { all_sql, &j->all },     { cut_sql, &j->cut },       { trim_sql, &j->trim } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code = sqlite_file_prepare(&j->file, rows[i].sql, rows[i].out, why);
        if (code != 0)
            return code;
    }
    return 0;
}

int sqlite_journal_open(struct sqlite_journal *j, const struct sqlite_place *place, _Atomic int *failed,
                        struct why *why) {
    *j = (struct sqlite_journal){ .identity = { 0, 0 } };
    int code = sqlite_file_open(&j->file, place, sqlite_journal_name, failed, why);
    if (code != 0)
        return code;
    code = sqlite_identity_read(&j->file, IDENTITY_JOURNAL, &j->identity, why);
    if (code == 0 && j->identity.store != 0)
        code = read_fence(j, why);
    if (code == 0 && j->identity.store != 0)
        code = prepare_statements(j, why);
    if (code != 0)
        sqlite_journal_close(j);
    return code;
}

void sqlite_journal_close(struct sqlite_journal *j) {
    sqlite3_stmt **all[] = { &j->fence, &j->insert, &j->one, &j->all, &j->cut, &j->trim };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        sqlite3_finalize(*all[i]);
        *all[i] = NULL;
    }
    sqlite_file_close(&j->file);
}

int sqlite_journal_create(struct sqlite_journal *j, struct sqlite_identity identity, struct why *why) {
    assert(j->identity.store == 0);
    int code = sqlite_identity_create(&j->file, IDENTITY_JOURNAL, identity, create_sql, why);
    if (code == 0)
        code = prepare_statements(j, why);
    if (code == 0)
        j->identity = identity;
    return code;
}

/* One row of COLUMNS against the batch that must be there. */
static int check_row(struct sqlite_journal *j, sqlite3_stmt *row, uint64_t seq, uint64_t epoch_before,
                     struct slice *batch, struct why *why) {
    uint64_t epoch = (uint64_t)sqlite3_column_int64(row, 2);
    if (sqlite3_column_int64(row, 0) != place_of(seq) || (uint64_t)sqlite3_column_int64(row, 3) != seq ||
        sqlite3_column_int64(row, 1) != SHARD)
        return damaged(j, why, seq, "is missing or misplaced");
    if (epoch < epoch_before || epoch > j->epoch)
        return damaged(j, why, seq, "has an epoch out of order");
    if (sqlite3_column_type(row, 5) != SQLITE_BLOB)
        return damaged(j, why, seq, "is not a batch");
    *batch = sqlite_file_column(row, 5);
    if ((uint64_t)sqlite3_column_int64(row, 4) != checksum_of(epoch, seq, *batch))
        return damaged(j, why, seq, "does not match its checksum");
    return 0;
}

/* Every batch in order, checked. visit may be NULL. */
static int walk(struct sqlite_journal *j, const struct store_visitor *visit, uint64_t *batches,
                uint64_t *bytes, struct why *why) {
    uint64_t seq = j->trimmed;
    uint64_t epoch = 0;
    int code = sqlite_file_ready(&j->file, why);
    int result = SQLITE_ROW;
    while (code == 0 && (result = sqlite3_step(j->all)) == SQLITE_ROW) {
        struct slice batch = SLICE_NONE;
        if (seq == j->last)
            code = damaged(j, why, seq + 1, "is beyond the last one that was committed");
        else
            code = check_row(j, j->all, ++seq, epoch, &batch, why);
        epoch = (uint64_t)sqlite3_column_int64(j->all, 2);
        *bytes += batch.length;
        if (code == 0 && visit != NULL)
            code = visit->batch(visit->self, seq, epoch, batch);
    }
    if (code == 0 && result != SQLITE_DONE)
        code = sqlite_file_fail(&j->file, result, "read its batches", why);
    sqlite3_reset(j->all);
    if (code == 0 && seq != j->last)
        code = damaged(j, why, seq + 1, "is missing");
    *batches = seq - j->trimmed;
    return code;
}

int sqlite_journal_verify(struct sqlite_journal *j, uint64_t *batches, uint64_t *bytes, struct why *why) {
    uint64_t count = 0;
    uint64_t sum = 0;
    assert(j->identity.store != 0);
    int code = walk(j, NULL, &count, &sum, why);
    if (code == 0 && batches != NULL)
        *batches = count;
    if (code == 0 && bytes != NULL)
        *bytes = sum;
    return code;
}

int sqlite_journal_visit(struct sqlite_journal *j, const struct store_visitor *visit, struct why *why) {
    uint64_t count = 0;
    uint64_t sum = 0;
    return walk(j, visit, &count, &sum, why);
}

/* Run a fence statement: it must change exactly one row. */
static int move_fence(struct sqlite_journal *j, sqlite3_stmt *statement, uint64_t number, const char *doing,
                      struct why *why) {
    sqlite3_bind_int64(statement, 1, SHARD);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)j->epoch);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)number);
    int code = sqlite_file_step(&j->file, statement, doing, why);
    if (code != 0 || sqlite3_changes(j->file.db) == 1)
        return code;
    return why_set(why, ERR_FENCED, "%s: shard %d is no longer owned under epoch %llu: cannot %s",
                   sqlite_journal_name, SHARD, (unsigned long long)j->epoch, doing);
}

int sqlite_journal_take(struct sqlite_journal *j, uint64_t step, struct why *why) {
    sqlite3_stmt *take = NULL;
    assert(step > 0);
    int code = sqlite_file_trust(&j->file, why);
    if (code == 0)
        code = sqlite_file_prepare(&j->file, take_sql, &take, why);
    if (code == 0)
        code = sqlite_file_begin(&j->file, why);
    if (code == 0) {
        sqlite3_bind_int64(take, 4, (sqlite3_int64)j->last);
        code = move_fence(j, take, step, "take the store over", why);
        code = sqlite_file_finish(&j->file, code, "take the store over", why);
    }
    sqlite3_finalize(take);
    if (code == 0)
        j->epoch += step;
    return code;
}

/* The last batch, offered again after an unknown answer: 0 when it is the same. */
static int same_batch(struct sqlite_journal *j, uint64_t seq, struct slice batch, struct why *why) {
    struct slice kept = SLICE_NONE;
    int code = 0;
    bool same = false;
    sqlite3_bind_int64(j->one, 1, place_of(seq));
    int result = sqlite3_step(j->one);
    if (result == SQLITE_ROW) {
        code = check_row(j, j->one, seq, 0, &kept, why);
        same = code == 0 && slice_equal(kept, batch);
    } else if (result != SQLITE_DONE) {
        code = sqlite_file_fail(&j->file, result, "read a batch again", why);
    }
    sqlite3_reset(j->one);
    if (code == 0 && !same)
        code = why_set(why, ERR_INVALID, "batch %llu is already there with other bytes",
                       (unsigned long long)seq);
    return code;
}

static int insert_batch(struct sqlite_journal *j, uint64_t seq, struct slice batch, struct why *why) {
    int code = move_fence(j, j->fence, seq, "append a batch", why);
    if (code != 0)
        return code;
    sqlite3_bind_int64(j->insert, 1, place_of(seq));
    sqlite3_bind_int64(j->insert, 2, SHARD);
    sqlite3_bind_int64(j->insert, 3, (sqlite3_int64)j->epoch);
    sqlite3_bind_int64(j->insert, 4, (sqlite3_int64)seq);
    sqlite3_bind_int64(j->insert, 5, (sqlite3_int64)checksum_of(j->epoch, seq, batch));
    int result = sqlite_file_bind_bytes(j->insert, 6, batch);
    if (result != SQLITE_OK)
        return sqlite_file_fail(&j->file, result, "append a batch", why);
    return sqlite_file_step(&j->file, j->insert, "append a batch", why);
}

int sqlite_journal_append(struct sqlite_journal *j, uint64_t seq, struct slice batch, struct why *why) {
    int code = sqlite_file_ready(&j->file, why);
    if (code != 0)
        return code;
    if (batch.length > STORE_BATCH_BYTES_MAX)
        return why_set(why, ERR_LIMIT, "a batch of %zu bytes is too large", batch.length);
    if (seq == j->last && seq > 0)
        return same_batch(j, seq, batch, why);
    if (seq != j->last + 1 || seq > STORE_SEQ_MAX)
        return why_set(why, ERR_INVALID, "batch %llu cannot follow batch %llu", (unsigned long long)seq,
                       (unsigned long long)j->last);
    code = sqlite_file_begin(&j->file, why);
    if (code != 0)
        return code;
    code = insert_batch(j, seq, batch, why);
    code = sqlite_file_finish(&j->file, code, "append a batch", why);
    if (code == 0)
        j->last = seq;
    return code;
}

int sqlite_journal_trim(struct sqlite_journal *j, uint64_t seq, uint64_t history_writes, struct why *why) {
    int code = sqlite_file_ready(&j->file, why);
    if (code != 0)
        return code;
    if (seq > j->last)
        return why_set(why, ERR_INVALID, "cannot trim to batch %llu, the last is %llu",
                       (unsigned long long)seq, (unsigned long long)j->last);
    if (seq <= j->trimmed)
        return 0;
    code = sqlite_file_begin(&j->file, why);
    if (code != 0)
        return code;
    sqlite3_bind_int64(j->trim, 4, (sqlite3_int64)history_writes);
    code = move_fence(j, j->trim, seq, "trim", why);
    if (code == 0) {
        sqlite3_bind_int64(j->cut, 1, place_of(j->trimmed + 1));
        sqlite3_bind_int64(j->cut, 2, place_of(seq));
        code = sqlite_file_step(&j->file, j->cut, "trim", why);
    }
    code = sqlite_file_finish(&j->file, code, "trim", why);
    if (code == 0)
        j->trimmed = seq;
    return code;
}

int sqlite_journal_adopt(struct sqlite_journal *j, uint64_t history_writes, struct why *why) {
    sqlite3_stmt *adopt = NULL;
    int code = sqlite_file_prepare(&j->file, "UPDATE fence SET history = ?3 WHERE shard = ?1 AND epoch = ?2",
                                   &adopt, why);
    if (code == 0)
        code = sqlite_file_begin(&j->file, why);
    if (code == 0) {
        code = move_fence(j, adopt, history_writes, "adopt a history", why);
        code = sqlite_file_finish(&j->file, code, "adopt a history", why);
    }
    sqlite3_finalize(adopt);
    if (code == 0)
        j->history = history_writes;
    return code;
}
