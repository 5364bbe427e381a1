#include "store/sqlite_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/disk.h"

/* Pages of 8 KiB: a log of 16 MiB. Fewer made the slowest commits slower, more gained nothing
 * (libraries.md A). */
#define LOG_PAGES 2000

/* page_size comes before the first table, locking_mode before journal_mode: then there is no shared-memory
 * file and nobody else can open the database. A log that an unusual transaction has grown is cut back to
 * 64 MiB. secure_delete would write every deleted journal row once more. */
static const char settings_sql[] = "PRAGMA page_size=8192;"
                                   "PRAGMA locking_mode=EXCLUSIVE;"
                                   "PRAGMA synchronous=FULL;"
                                   "PRAGMA wal_autocheckpoint=0;"
                                   "PRAGMA journal_size_limit=67108864;"
                                   "PRAGMA cache_size=-4000;"
                                   "PRAGMA temp_store=MEMORY;"
                                   "PRAGMA mmap_size=0;"
                                   "PRAGMA secure_delete=OFF;"
                                   "PRAGMA cell_size_check=ON;"
                                   "PRAGMA trusted_schema=OFF;";

static char *join(const char *directory, const char *name) {
    size_t bytes = strlen(directory) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (path != NULL)
        snprintf(path, bytes, "%s/%s", directory, name);
    return path;
}

bool sqlite_file_exists(const struct sqlite_place *place, const char *name) {
    sqlite3_vfs *layer = sqlite3_vfs_find(place->vfs);
    char *path = join(place->directory, name);
    int there = 0;
    if (layer != NULL && path != NULL)
        layer->xAccess(layer, path, SQLITE_ACCESS_EXISTS, &there);
    free(path);
    return there != 0;
}

/* SQLite would create the file readable by everybody. */
static int create_private(const char *path, struct why *why) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    if (errno == EEXIST)
        return 0;
    return disk_fail(why, "create", path);
}

static int count_log_pages(void *self, sqlite3 *db, const char *schema, int pages) {
    struct sqlite_file *f = self;
    (void)db;
    (void)schema;
    f->log_pages = pages;
    return SQLITE_OK;
}

static int choose_log(struct sqlite_file *f, struct why *why) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite_file_prepare(f, "PRAGMA journal_mode=WAL", &statement, why);
    if (code != 0)
        return code;
    int result = sqlite3_step(statement);
    if (result != SQLITE_ROW)
        code = sqlite_file_fail(f, result, "choose the write-ahead log", why);
    else if (!slice_is(sqlite_file_column(statement, 0), "wal"))
        code = why_set(why, ERR_UNSUPPORTED, "%s: this file system or SQLite refuses a write-ahead log",
                       f->name);
    /* The switch is only written when the statement ends. */
    result = sqlite3_finalize(statement);
    if (code == 0 && result != SQLITE_OK)
        code = sqlite_file_fail(f, result, "choose the write-ahead log", why);
    return code;
}

static int prepare_file(struct sqlite_file *f, bool as_it_is, struct why *why) {
    int code = sqlite_file_run(f, settings_sql, why);
    if (code == 0 && !as_it_is)
        code = choose_log(f, why);
    if (code == 0)
        code = sqlite_file_prepare(f, "BEGIN IMMEDIATE", &f->begin, why);
    if (code == 0)
        code = sqlite_file_prepare(f, "COMMIT", &f->commit, why);
    if (code == 0)
        code = sqlite_file_prepare(f, "ROLLBACK", &f->rollback, why);
    return code;
}

int sqlite_file_open(struct sqlite_file *f, const struct sqlite_place *place, const char *name,
                     _Atomic int *failed, struct why *why) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    *f =
        (struct sqlite_file){ .name = name,
                              .failed = failed,
                              .path = join(place->directory, name),
                              .log_pages_max = place->log_pages_max == 0 ? LOG_PAGES : place->log_pages_max };
    if (f->path == NULL)
        return why_set(why, ERR_MEMORY, "no memory to open %s", name);
    int code = place->vfs == NULL ? create_private(f->path, why) : 0;
    if (code == 0) {
        int result = sqlite3_open_v2(f->path, &f->db, flags, place->vfs);
        if (result != SQLITE_OK)
            code = sqlite_file_fail(f, result, "open", why);
    }
    if (code == 0) {
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        code = prepare_file(f, place->as_it_is, why);
    }
    if (code == 0)
        sqlite3_wal_hook(f->db, count_log_pages, f);
    else
        sqlite_file_close(f);
    return code;
}

static void finalize(sqlite3_stmt **statement) {
    sqlite3_finalize(*statement);
    *statement = NULL;
}

void sqlite_file_close(struct sqlite_file *f) {
    int careful = 1;
    if (f->db != NULL) {
        finalize(&f->begin);
        finalize(&f->commit);
        finalize(&f->rollback);
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, -1, &careful);
        if (!careful && (*f->failed != 0 || sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
                                                                      NULL, NULL) != SQLITE_OK))
            sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    int result = sqlite3_close(f->db);
    assert(result == SQLITE_OK);
    (void)result;
    free(f->path);
    f->db = NULL;
    f->path = NULL;
}

static int write_again(sqlite3_file *log, char *piece, size_t piece_bytes) {
    sqlite3_int64 length = 0;
    int result = log->pMethods->xFileSize(log, &length);
    for (sqlite3_int64 at = 0; at < length && result == SQLITE_OK; at += (sqlite3_int64)piece_bytes) {
        int part = length - at < (sqlite3_int64)piece_bytes ? (int)(length - at) : (int)piece_bytes;
        result = log->pMethods->xRead(log, piece, part, at);
        if (result == SQLITE_OK)
            result = log->pMethods->xWrite(log, piece, part, at);
    }
    return result == SQLITE_OK && length > 0 ? log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) : result;
}

/* After a failed sync the page cache may show a log that the disk does not hold, and a sync of such pages
 * does nothing. Written again they are dirty, and can be synced (P2: "copied and synced before any call").
 * SQLite holds no lock on its log, so a second descriptor does no harm here. */
static int refresh_log(struct sqlite_file *f, struct why *why) {
    const size_t piece_bytes = 64 * 1024;
    const char *path = sqlite3_filename_wal(sqlite3_db_filename(f->db, "main"));
    sqlite3_vfs *vfs = NULL;
    int there = 0;
    sqlite3_file_control(f->db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
    int result = vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &there);
    if (result != SQLITE_OK || !there)
        return result == SQLITE_OK ? 0 : sqlite_file_fail(f, result, "look for its log", why);
    sqlite3_file *log = calloc(1, (size_t)vfs->szOsFile);
    char *piece = malloc(piece_bytes);
    result = log == NULL || piece == NULL ? SQLITE_NOMEM : SQLITE_OK;
    if (result == SQLITE_OK)
        result = vfs->xOpen(vfs, path, log, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, NULL);
    if (result == SQLITE_OK)
        result = write_again(log, piece, piece_bytes);
    if (log != NULL && log->pMethods != NULL)
        log->pMethods->xClose(log);
    free(log);
    free(piece);
    return result == SQLITE_OK ? 0 : sqlite_file_fail(f, result, "write its log again", why);
}

int sqlite_file_trust(struct sqlite_file *f, struct why *why) {
    int code = sqlite_file_ready(f, why);
    if (code == 0)
        code = refresh_log(f, why);
    if (code != 0)
        return code;
    int result = sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    /* On a full disk all stays in the log, which is synced by now. */
    if (result != SQLITE_OK && result != SQLITE_FULL)
        return sqlite_file_fail(f, result, "checkpoint at start", why);
    sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return 0;
}

int sqlite_file_ready(const struct sqlite_file *f, struct why *why) {
    int code = *f->failed;
    if (code == 0)
        return 0;
    return why_set(why, code, "%s: stopped by an earlier failure: %s; restart settled", f->name,
                   err_text(code));
}

static int translate(int result) {
    switch (result & 0xff) {
    case SQLITE_OK:
        return 0;
    case SQLITE_FULL:
        return ERR_SPACE;
    case SQLITE_NOMEM:
        return ERR_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_LOCKED;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_IOERR:
        return result == SQLITE_IOERR_CORRUPTFS ? ERR_CORRUPT : ERR_IO;
    default:
        return ERR_IO;
    }
}

int sqlite_file_fail(struct sqlite_file *f, int result, const char *doing, struct why *why) {
    int code = translate(result);
    const char *text = result == SQLITE_OK || f->db == NULL ? sqlite3_errstr(result) : sqlite3_errmsg(f->db);
    assert(code != 0);
    if (code == ERR_IO || code == ERR_CORRUPT)
        *f->failed = code;
    if (code == ERR_LOCKED)
        return why_set(why, code, "%s: cannot %s: another program has the file open (sqlite3?)", f->name,
                       doing);
    return why_set(why, code, "%s: cannot %s: %s (SQLite %d)", f->name, doing, text, result);
}

int sqlite_file_prepare(struct sqlite_file *f, const char *sql, sqlite3_stmt **out, struct why *why) {
    int result = sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (result == SQLITE_OK)
        return 0;
    if ((result & 0xff) == SQLITE_ERROR) {
        *f->failed = ERR_CORRUPT;
        return why_set(why, ERR_CORRUPT, "%s: its tables are not those of settle: %s", f->name,
                       sqlite3_errmsg(f->db));
    }
    return sqlite_file_fail(f, result, "read its tables", why);
}

int sqlite_file_run(struct sqlite_file *f, const char *sql, struct why *why) {
    int result = sqlite3_exec(f->db, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : sqlite_file_fail(f, result, "set it up", why);
}

int sqlite_file_number(struct sqlite_file *f, const char *sql, int64_t *out, struct why *why) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite_file_prepare(f, sql, &statement, why);
    if (code != 0)
        return code;
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else if (result == SQLITE_DONE)
        code = why_set(why, ERR_NOT_FOUND, "%s: no row for: %s", f->name, sql);
    else
        code = sqlite_file_fail(f, result, "read a number", why);
    sqlite3_finalize(statement);
    return code;
}

int sqlite_file_step(struct sqlite_file *f, sqlite3_stmt *statement, const char *doing, struct why *why) {
    int result = sqlite3_step(statement);
    int code = 0;
    assert(result != SQLITE_ROW);
    if (result != SQLITE_DONE)
        code = sqlite_file_fail(f, result, doing, why);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code;
}

int sqlite_file_begin(struct sqlite_file *f, struct why *why) {
    int code = sqlite_file_ready(f, why);
    if (code != 0)
        return code;
    assert(sqlite3_get_autocommit(f->db));
    return sqlite_file_step(f, f->begin, "begin", why);
}

/* Some failures roll back by themselves. */
static int roll_back(struct sqlite_file *f, int code, const char *doing, struct why *why) {
    if (sqlite3_get_autocommit(f->db))
        return code;
    int result = sqlite3_step(f->rollback);
    sqlite3_reset(f->rollback);
    if (result == SQLITE_DONE)
        return code;
    *f->failed = ERR_IO;
    return why_set(why, ERR_IO, "%s: cannot %s, nor roll it back: %s", f->name, doing, sqlite3_errmsg(f->db));
}

int sqlite_file_finish(struct sqlite_file *f, int code, const char *doing, struct why *why) {
    if (code != 0)
        return roll_back(f, code, doing, why);
    int result = sqlite3_step(f->commit);
    if (result == SQLITE_DONE) {
        sqlite3_reset(f->commit);
        return 0;
    }
    code = sqlite_file_fail(f, result, doing, why);
    sqlite3_reset(f->commit);
    if (code == ERR_SPACE)
        return roll_back(f, code, doing, why);
    *f->failed = code == ERR_CORRUPT ? ERR_CORRUPT : ERR_IO;
    roll_back(f, code, doing, NULL);
    return *f->failed;
}

int sqlite_file_tend(struct sqlite_file *f, struct why *why) {
    if (f->log_pages < f->log_pages_max)
        return 0;
    int left = 0;
    int copied = 0;
    int result = sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &left, &copied);
    if (result == SQLITE_OK || result == SQLITE_FULL)
        return 0;
    int code = sqlite_file_fail(f, result, "checkpoint", why);
    *f->failed = code == ERR_CORRUPT ? ERR_CORRUPT : ERR_IO;
    return *f->failed;
}

int sqlite_file_bind_bytes(sqlite3_stmt *statement, int place, struct slice bytes) {
    return sqlite3_bind_blob64(statement, place, bytes.length == 0 ? "" : bytes.at, bytes.length,
                               SQLITE_STATIC);
}

int sqlite_file_bind_text(sqlite3_stmt *statement, int place, struct slice text) {
    return sqlite3_bind_text64(statement, place, text.length == 0 ? "" : text.at, text.length, SQLITE_STATIC,
                               SQLITE_UTF8);
}

struct slice sqlite_file_column(sqlite3_stmt *statement, int column) {
    const void *at = sqlite3_column_blob(statement, column);
    int length = sqlite3_column_bytes(statement, column);
    return at == NULL ? SLICE_NONE : slice_of(at, (size_t)length);
}
