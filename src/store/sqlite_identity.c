#include "store/sqlite_identity.h"

#include <assert.h>

#include "base/limits.h"

static const char create_sql[] = "CREATE TABLE settle(key TEXT PRIMARY KEY, value INTEGER NOT NULL)";
static const char insert_sql[] =
    "INSERT INTO settle(key, value) VALUES('format', ?1), ('shards', ?2), ('file', ?3), ('store', ?4)";

static int read_value(struct sqlite_file *f, const char *sql, int64_t *out, struct why *why) {
    int code = sqlite_file_number(f, sql, out, why);
    return code == ERR_NOT_FOUND ? why_set(why, ERR_CORRUPT, "%s: its table settle has gaps", f->name) : code;
}

static int judge(const struct sqlite_file *f, enum identity_role role, int64_t format, int64_t shards,
                 int64_t file, struct why *why) {
    if (format > SQLITE_IDENTITY_FORMAT)
        return why_set(why, ERR_UNSUPPORTED,
                       "%s has format %lld, this settled knows formats up to %d: it was written by a newer "
                       "version, start that one",
                       f->name, (long long)format, SQLITE_IDENTITY_FORMAT);
    if (format < 1)
        return why_set(why, ERR_CORRUPT, "%s: format %lld does not exist", f->name, (long long)format);
    if (file != role)
        return why_set(why, ERR_CORRUPT, "%s is not the store's %s: were two files swapped?", f->name,
                       role == IDENTITY_JOURNAL ? "journal" : "history");
    if (shards != LIMIT_SHARDS)
        return why_set(why, ERR_UNSUPPORTED, "%s was created with %lld shards, this settled has %d", f->name,
                       (long long)shards, LIMIT_SHARDS);
    return 0;
}

int sqlite_identity_read(struct sqlite_file *f, enum identity_role role, uint64_t *store, struct why *why) {
    int64_t tables = 0;
    int64_t format = 0;
    int64_t shards = 0;
    int64_t file = 0;
    int64_t number = 0;
    int code = sqlite_file_number(f, "SELECT count(*) FROM sqlite_schema", &tables, why);
    if (code == 0 && tables == 0) {
        *store = 0;
        return 0;
    }
    if (code == 0)
        code = read_value(f, "SELECT value FROM settle WHERE key = 'format'", &format, why);
    if (code == 0)
        code = read_value(f, "SELECT value FROM settle WHERE key = 'shards'", &shards, why);
    if (code == 0)
        code = read_value(f, "SELECT value FROM settle WHERE key = 'file'", &file, why);
    if (code == 0)
        code = read_value(f, "SELECT value FROM settle WHERE key = 'store'", &number, why);
    if (code == 0)
        code = judge(f, role, format, shards, file, why);
    if (code == 0 && number <= 0)
        code = why_set(why, ERR_CORRUPT, "%s: its store number is damaged", f->name);
    if (code == 0)
        *store = (uint64_t)number;
    return code;
}

int sqlite_identity_create(struct sqlite_file *f, enum identity_role role, uint64_t store, const char *more,
                           struct why *why) {
    sqlite3_stmt *insert = NULL;
    assert(store > 0 && store <= INT64_MAX);
    int code = sqlite_file_begin(f, why);
    if (code != 0)
        return code;
    code = sqlite_file_run(f, create_sql, why);
    if (code == 0)
        code = sqlite_file_run(f, more, why);
    if (code == 0)
        code = sqlite_file_prepare(f, insert_sql, &insert, why);
    if (code == 0) {
        sqlite3_bind_int64(insert, 1, SQLITE_IDENTITY_FORMAT);
        sqlite3_bind_int64(insert, 2, LIMIT_SHARDS);
        sqlite3_bind_int64(insert, 3, role);
        sqlite3_bind_int64(insert, 4, (sqlite3_int64)store);
        code = sqlite_file_step(f, insert, "create its tables", why);
    }
    sqlite3_finalize(insert);
    return sqlite_file_finish(f, code, "create its tables", why);
}
