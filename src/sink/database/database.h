/* One connection to one database, of any of the three kinds: open it, run one statement after another, close
 * it. One thread: the loop's. libpq and libmariadb are used through their non-blocking calls and uv_poll;
 * SQLite works on libuv's worker threads.
 *
 * A session is prepared when it is opened: autocommit, read committed, waits for a lock at most
 * DATABASE_LOCK_MS (MySQL: one second), runs a statement at most DATABASE_STATEMENT_MS, commits durably, time
 * zone UTC. Every statement is a constant with bound values, never text that was put together.
 *
 * Callbacks never come from inside database_open or database_run. From inside a callback every function may
 * be called. */
#ifndef SINK_DATABASE_H
#define SINK_DATABASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/timer.h"
#include "sink/database/database_place.h"

#define DATABASE_LOCK_MS 50
#define DATABASE_STATEMENT_MS 5000
#define DATABASE_VALUES 2        /* bound to one statement */
#define DATABASE_VALUE_BYTES 256 /* longer ones are refused (ERR_LIMIT) */
#define DATABASE_COLUMNS 10
#define DATABASE_CELLS 200 /* rows beyond these are not shown */

struct database;
struct loop;

/* What a statement came to. Texts and cells are borrowed for the callback. */
struct database_answer {
    /* 0. Otherwise: ERR_CLOSED    the connection is gone; whether the statement took effect is unknown
     *   ERR_LOCKED    somebody else holds what it needs            ERR_CONFLICT  a unique key forbids it
     *   ERR_DENIED    no privilege                                 ERR_NOT_FOUND no such table or function
     *   ERR_TIMEOUT   the statement's time is over (it had no effect)
     *   ERR_FENCED    this server takes no writes                  ERR_AGAIN     deadlock, serialization
     *   ERR_INVALID   a value that the server refuses              ERR_SPACE, ERR_LIMIT, ERR_MEMORY
     *   ERR_IO        anything else that the server said */
    int code;
    const char *say;  /* the server's own words, one line; "" when code is 0 */
    uint64_t changed; /* rows */
    size_t rows;
    size_t columns;
    const struct slice *cells; /* row by row; NULL values have at == NULL */
};

/* The cell of a row, or the empty slice when there is no such row or column. */
static inline struct slice database_cell(const struct database_answer *a, size_t row, size_t column) {
    return row < a->rows && column < a->columns ? a->cells[row * a->columns + column] : SLICE_NONE;
}

struct database_events {
    /* Once. With a code the connection is of no use and must still be closed: ERR_DENIED login refused,
     * ERR_NOT_FOUND no such database or file, ERR_IO the rest; why says what. */
    void (*opened)(void *context, int code, const struct why *why);
    /* Once for every database_run. */
    void (*answered)(void *context, const struct database_answer *a);
    /* While nothing runs: the server has closed it. */
    void (*lost)(void *context);
};

struct database_options {
    const struct database_place *place; /* copied where needed */
    const struct sockaddr *address;     /* where to connect, judged by the caller; NULL for a file */
    const char *password;               /* "" for none; borrowed for the call of database_open */
    /* SQLite: folders, absolute and without links, below which the file must be. Borrowed. */
    const char *const *directories;
    size_t directory_count;
    const struct database_events *events; /* borrowed */
    void *context;
};

/* 0, ERR_MEMORY, ERR_UNSUPPORTED. */
int database_open(struct database **out, struct loop *loop, const struct database_options *options,
                  struct why *why);
/* Run one statement: $1, $2 in PostgreSQL, ? elsewhere. sql must be static; values are copied. Only one at a
 * time. */
void database_run(struct database *d, const char *sql, const struct slice *values, size_t count);
/* At any time. No callback comes any more; memory goes in a later round of the loop. A statement that runs
 * may still take effect. NULL is fine. */
void database_close(struct database *d);

/* --- for the three kinds --- */

struct database_ops {
    void (*run)(struct database *d, const char *sql, const struct slice *values, size_t count);
    void (*close)(struct database *d); /* frees, now or later; base was stopped before */
};

struct database {
    const struct database_ops *ops;
    struct loop *loop;
    const struct database_events *events;
    void *context;
    uv_poll_t *poll;
    int watched; /* the descriptor of poll */
    int wanted;  /* what poll waits for */
    struct timer soon;
    int soon_code; /* the answer that soon gives */
    struct database_answer answer;
    struct why said; /* what answer.say points to */
    struct slice cells[DATABASE_CELLS];
};

int database_init(struct database *d, const struct database_ops *ops, struct loop *loop,
                  const struct database_options *options);
/* Call progress when the descriptor is ready for any of these UV_READABLE, UV_WRITABLE. Before the library
 * may close a descriptor it must be unwatched. 0 or ERR_IO. */
int database_watch(struct database *d, int descriptor, int events, void (*progress)(struct database *d));
void database_unwatch(struct database *d);
/* Fill answer.code and the words (one line of them) and clear the rest. */
void database_say(struct database *d, int code, const char *text);
void database_answer(struct database *d); /* hand over answer */
/* The same in the next round, without rows. */
void database_answer_soon(struct database *d, int code, const char *text);

int database_open_postgresql(struct database **out, struct loop *loop, const struct database_options *options,
                             struct why *why);
int database_open_mariadb(struct database **out, struct loop *loop, const struct database_options *options,
                          struct why *why);
int database_open_sqlite(struct database **out, struct loop *loop, const struct database_options *options,
                         struct why *why);

#endif
