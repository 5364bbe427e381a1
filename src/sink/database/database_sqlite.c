/* A SQLite file of an application. Every step is one piece of work on libuv's threads, one after another: the
 * connection is never used by two threads at once. */
#include "sink/database/database.h"

#include <assert.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/loop.h"

#define CELL_BYTES 512
#define PROGRESS_STEPS 1000 /* of the virtual machine between two looks at the clock */

enum job {
    JOB_NONE,
    JOB_OPEN,
    JOB_RUN,
    JOB_CLOSE,
};

struct lite {
    struct database base;
    sqlite3 *file;
    uv_work_t work;
    enum job job;
    bool closing;
    int code; /* of the job that is done; words in said */
    struct why words;
    uint64_t until_ms;
    char path[DATABASE_PATH_BYTES];
    char real[PATH_MAX]; /* where path leads */
    char **directories;  /* copies, NULL-terminated */
    const char *sql;
    size_t count;
    char values[DATABASE_VALUES][DATABASE_VALUE_BYTES];
    size_t lengths[DATABASE_VALUES];
    uint64_t changed;
    size_t rows, columns;
    char (*store)[CELL_BYTES]; /* DATABASE_CELLS */
};

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- on a worker thread --- */

static int code_of(int result) {
    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_LOCKED;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_READONLY:
        return ERR_FENCED;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_CANTOPEN:
        return ERR_NOT_FOUND;
    case SQLITE_INTERRUPT:
        return ERR_TIMEOUT;
    case SQLITE_FULL:
        return ERR_SPACE;
    case SQLITE_NOMEM:
        return ERR_MEMORY;
    default:
        return ERR_IO;
    }
}

static int fail(struct lite *l, int result) {
    const char *words = l->file == NULL ? sqlite3_errstr(result) : sqlite3_errmsg(l->file);
    int code = strncmp(words, "no such table", 13) == 0 ? ERR_NOT_FOUND : code_of(result);
    return why_set(&l->words, code, "%s", words);
}

static int is_too_late(void *context) {
    return now_ms() > ((struct lite *)context)->until_ms;
}

/* Where the name leads must be below one of the folders: a link may lead elsewhere. */
static int judge_path(struct lite *l) {
    if (l->directories[0] == NULL)
        return why_set(&l->words, ERR_DENIED,
                       "%s: no folder is open to SQLite files; list it in datasource.directories", l->path);
    if (realpath(l->path, l->real) == NULL)
        return why_set(&l->words, ERR_NOT_FOUND, "%s cannot be opened: there is no such file", l->path);
    for (char **at = l->directories; *at != NULL; at++) {
        char folder[PATH_MAX];
        size_t length = realpath(*at, folder) == NULL ? 0 : strlen(folder);
        if (length > 1 && strncmp(l->real, folder, length) == 0 && l->real[length] == '/')
            return 0;
    }
    return why_set(&l->words, ERR_DENIED, "%s is not below a folder of datasource.directories", l->path);
}

static int open_file(struct lite *l) {
    static const char settings[] =
        "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";
    int code = judge_path(l);
    if (code != 0)
        return code;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    int result = sqlite3_open_v2(l->real, &l->file, flags, NULL);
    if (result == SQLITE_OK) {
        sqlite3_extended_result_codes(l->file, 1);
        sqlite3_busy_timeout(l->file, DATABASE_LOCK_MS);
        sqlite3_progress_handler(l->file, PROGRESS_STEPS, is_too_late, l);
        sqlite3_db_config(l->file, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(l->file, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        l->until_ms = now_ms() + DATABASE_STATEMENT_MS;
        result = sqlite3_exec(l->file, settings, NULL, NULL, NULL);
    }
    return result == SQLITE_OK ? 0 : fail(l, result);
}

static void keep_row(struct lite *l, sqlite3_stmt *statement) {
    l->columns = (size_t)sqlite3_column_count(statement);
    if (l->columns > DATABASE_COLUMNS || (l->rows + 1) * l->columns > DATABASE_CELLS)
        return;
    for (size_t i = 0; i < l->columns; i++) {
        size_t cell = l->rows * l->columns + i;
        const unsigned char *text = sqlite3_column_text(statement, (int)i);
        size_t length = (size_t)sqlite3_column_bytes(statement, (int)i);
        length = length < CELL_BYTES ? length : CELL_BYTES;
        if (text != NULL)
            memcpy(l->store[cell], text, length);
        l->base.cells[cell] = text == NULL ? SLICE_NONE : slice_of(l->store[cell], length);
    }
    l->rows++;
}

static int run_statement(struct lite *l) {
    sqlite3_stmt *statement = NULL;
    l->rows = l->columns = 0;
    l->changed = 0;
    l->until_ms = now_ms() + DATABASE_STATEMENT_MS;
    int result = sqlite3_prepare_v2(l->file, l->sql, -1, &statement, NULL);
    for (size_t i = 0; i < l->count && result == SQLITE_OK; i++)
        result = sqlite3_bind_text(statement, (int)i + 1, l->values[i], (int)l->lengths[i], SQLITE_STATIC);
    if (result == SQLITE_OK) {
        int before = sqlite3_total_changes(l->file);
        while ((result = sqlite3_step(statement)) == SQLITE_ROW)
            keep_row(l, statement);
        l->changed = (uint64_t)(sqlite3_total_changes(l->file) - before);
    }
    int code = result == SQLITE_OK || result == SQLITE_DONE ? 0 : fail(l, result);
    sqlite3_finalize(statement);
    return code;
}

static void work(uv_work_t *request) {
    struct lite *l = request->data;
    if (l->job == JOB_OPEN)
        l->code = open_file(l);
    else if (l->job == JOB_RUN)
        l->code = run_statement(l);
    else
        sqlite3_close(l->file);
}

/* --- on the loop's thread --- */

static void after_work(uv_work_t *request, int status);

static void start(struct lite *l, enum job job) {
    l->job = job;
    l->code = 0;
    l->work.data = l;
    uv_queue_work(loop_uv(l->base.loop), &l->work, work, after_work); /* cannot fail with a callback */
}

static void forget(struct lite *l) {
    for (char **at = l->directories; at != NULL && *at != NULL; at++)
        free(*at);
    free(l->directories);
    free(l->store);
    free(l);
}

static void after_work(uv_work_t *request, int status) {
    struct lite *l = request->data;
    enum job job = l->job;
    (void)status; /* never cancelled */
    l->job = JOB_NONE;
    if (job == JOB_CLOSE)
        forget(l);
    else if (l->closing)
        start(l, JOB_CLOSE);
    else if (job == JOB_OPEN)
        l->base.events->opened(l->base.context, l->code, &l->words);
    else {
        database_say(&l->base, l->code, l->code == 0 ? "" : l->words.text);
        l->base.answer.changed = l->changed;
        l->base.answer.rows = l->code == 0 ? l->rows : 0;
        l->base.answer.columns = l->columns;
        database_answer(&l->base);
    }
}

static void run(struct database *d, const char *sql, const struct slice *values, size_t count) {
    struct lite *l = (struct lite *)d;
    assert(l->job == JOB_NONE);
    l->sql = sql;
    l->count = count;
    for (size_t i = 0; i < count; i++) {
        memcpy(l->values[i], values[i].at == NULL ? "" : values[i].at, values[i].length);
        l->lengths[i] = values[i].length;
    }
    start(l, JOB_RUN);
}

static void close_file(struct database *d) {
    struct lite *l = (struct lite *)d;
    l->closing = true;
    if (l->job == JOB_NONE)
        start(l, JOB_CLOSE);
}

static const struct database_ops lite_ops = { .run = run, .close = close_file };

static int copy_directories(struct lite *l, const struct database_options *options) {
    l->directories = calloc(options->directory_count + 1, sizeof *l->directories);
    for (size_t i = 0; l->directories != NULL && i < options->directory_count; i++)
        if ((l->directories[i] = strdup(options->directories[i])) == NULL)
            return ERR_MEMORY;
    return l->directories == NULL ? ERR_MEMORY : 0;
}

int database_open_sqlite(struct database **out, struct loop *loop, const struct database_options *options,
                         struct why *why) {
    struct lite *l = calloc(1, sizeof *l);
    if (l == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a connection to a SQLite file");
    snprintf(l->path, sizeof l->path, "%s", options->place->path);
    l->store = calloc(DATABASE_CELLS, sizeof *l->store);
    if (l->store == NULL || copy_directories(l, options) != 0 ||
        database_init(&l->base, &lite_ops, loop, options) != 0) {
        forget(l);
        return why_set(why, ERR_MEMORY, "no memory for a connection to a SQLite file");
    }
    start(l, JOB_OPEN);
    *out = &l->base;
    return 0;
}
