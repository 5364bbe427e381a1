#include "store/sqlite_identity.h"

#include <assert.h>
#include <sys/random.h>

#include "base/limits.h"

static const char create_sql[] = "CREATE TABLE settle(key TEXT PRIMARY KEY, value INTEGER NOT NULL)";
static const char insert_sql[] =
    "INSERT INTO settle(key, value) VALUES('format', ?1), ('shards', ?2), ('file', ?3), ('store', ?4), "
    "('seed', ?5)";

int sqlite_identity_make(struct sqlite_identity *out, struct why *why) {
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return why_set(why, ERR_IO, "no random number for a new store");
    random[0] &= INT64_MAX;
    *out = (struct sqlite_identity){ .store = random[0] == 0 ? 1 : random[0],
                                     .seed = random[1] == 0 ? 1 : random[1] };
    return 0;
}

bool sqlite_identity_same(struct sqlite_identity a, struct sqlite_identity b) {
    return a.store == b.store && a.seed == b.seed;
}

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
    if (format < SQLITE_IDENTITY_FORMAT) /* only builds from before the first release wrote them */
        return why_set(why, ERR_UNSUPPORTED,
                       "%s has format %lld, from before settled 0.1.0 was released; this settled begins at "
                       "format %d: let the old build finish what is open, then start with a new directory",
                       f->name, (long long)format, SQLITE_IDENTITY_FORMAT);
    if (file != role)
        return why_set(why, ERR_CORRUPT, "%s is not the store's %s: were two files swapped?", f->name,
                       role == IDENTITY_JOURNAL ? "journal" : "history");
    if (shards != LIMIT_SHARDS)
        return why_set(why, ERR_UNSUPPORTED, "%s was created with %lld shards, this settled has %d", f->name,
                       (long long)shards, LIMIT_SHARDS);
    return 0;
}

int sqlite_identity_read(struct sqlite_file *f, enum identity_role role, struct sqlite_identity *out,
                         struct why *why) {
    int64_t tables = 0;
    int64_t format = 0;
    int64_t shards = 0;
    int64_t file = 0;
    int64_t number = 0;
    int64_t seed = 0;
    int code = sqlite_file_number(f, "SELECT count(*) FROM sqlite_schema", &tables, why);
    if (code == 0 && tables == 0) {
        *out = (struct sqlite_identity){ 0, 0 };
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
        code = read_value(f, "SELECT value FROM settle WHERE key = 'seed'", &seed, why);
    if (code == 0 && seed == 0)
        code = why_set(why, ERR_CORRUPT, "%s: its seed is damaged", f->name);
    if (code == 0)
        *out = (struct sqlite_identity){ .store = (uint64_t)number, .seed = (uint64_t)seed };
    return code;
}

int sqlite_identity_create(struct sqlite_file *f, enum identity_role role, struct sqlite_identity identity,
                           const char *more, struct why *why) {
    sqlite3_stmt *insert = NULL;
    assert(identity.store > 0 && identity.store <= INT64_MAX);
    assert(identity.seed != 0);
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
        sqlite3_bind_int64(insert, 4, (sqlite3_int64)identity.store);
        sqlite3_bind_int64(insert, 5, (sqlite3_int64)identity.seed);
        code = sqlite_file_step(f, insert, "create its tables", why);
    }
    sqlite3_finalize(insert);
    return sqlite_file_finish(f, code, "create its tables", why);
}
