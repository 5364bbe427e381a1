/* Datasources: the databases of applications that settled itself connects to, by name.
 *
 * A book holds them. Each has a small pool: at most `connections` at a time, jobs wait in order, an idle
 * connection is closed after `idle_ms`. Whatever is connected to was resolved first and judged by the egress
 * rules, address by address. A definition names the file that holds the password, which is read again for
 * every connection. One thread: the loop's.
 *
 * A job is a conversation with one connection: started, ready, statements and answers, ended. */
#ifndef SINK_DATASOURCE_H
#define SINK_DATASOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/err.h"
#include "net/timer.h"
#include "sink/database/database.h"
#include "wire/egress.h"

#define DATASOURCE_NAME_BYTES 64
#define DATASOURCES_MAX 256
#define DATASOURCE_CONNECTIONS 4 /* unless the definition says otherwise; SQLite files have one */
#define DATASOURCE_CONNECTIONS_MAX 32
#define DATASOURCE_IDLE_MS 60000
#define DATASOURCE_CONNECT_MS 5000

struct datasource_book;
struct loop;

struct datasource_definition {
    struct slice url;           /* sink/database/database_place.h */
    struct slice user;          /* instead of the URL's; may be empty */
    struct slice password_file; /* may be empty: no password */
    uint32_t connections;       /* 0: DATASOURCE_CONNECTIONS */
    uint32_t idle_ms;           /* 0: DATASOURCE_IDLE_MS */
    uint32_t connect_ms;        /* 0: DATASOURCE_CONNECT_MS; for all addresses together, login included */
};

struct datasource_options {
    const struct egress *egress; /* borrowed until datasource_book_set_egress or close */
    /* The secret in a file, as sink_options.secret. NULL: no datasource may have a password. */
    int (*secret)(void *context, struct slice file, struct buffer *to, struct why *why);
    void *context;
    /* Folders below which SQLite files may be (setting datasource.directories). Borrowed. */
    const char *const *directories;
    size_t directory_count;
};

/* 0 or ERR_MEMORY. */
int datasource_book_open(struct datasource_book **out, struct loop *loop,
                         const struct datasource_options *options, struct why *why);
/* Of jobs only dropped is called. The loop must go round at least once more (or be freed). NULL is fine. */
void datasource_book_close(struct datasource_book *b);

/* Define one, or define it anew: jobs that wait for the old one fail (ERR_CONFLICT), those that run end with
 * it. Names are 1 to 63 letters, digits and hyphens, a letter first and no hyphen last. 0; ERR_SYNTAX,
 * ERR_INVALID, ERR_LIMIT, ERR_DENIED (egress rules refuse the host as it is written, or no folder is open to
 * SQLite files) with a why that names the member; ERR_MEMORY. Nothing is connected. */
int datasource_book_put(struct datasource_book *b, struct slice name,
                        const struct datasource_definition *definition, struct why *why);
/* What put would say, and nothing is defined. */
int datasource_book_judge(struct datasource_book *b, struct slice name,
                          const struct datasource_definition *definition, struct why *why);
/* 0 or ERR_NOT_FOUND. */
int datasource_book_remove(struct datasource_book *b, struct slice name);
bool datasource_book_has(const struct datasource_book *b, struct slice name);
/* From now on judge by these rules; connections made under the old ones are not used again. */
void datasource_book_set_egress(struct datasource_book *b, const struct egress *egress);

struct datasource_counters {
    size_t datasources;
    size_t connections; /* open or being opened */
    size_t idle;
    size_t waiting; /* jobs */
    uint64_t opened;
    uint64_t failed; /* connections that did not come up */
};
struct datasource_counters datasource_book_counters(const struct datasource_book *b);

/* --- check: what an operator is told before anything hurts --- */

enum finding_state {
    FINDING_OK,
    FINDING_WARN, /* works, with the limit that is said */
    FINDING_FAIL,
};

struct finding {
    const char *id; /* "reachable", "login", "version", ...: docs/datasources.md lists them */
    enum finding_state state;
    char say[320];
};

#define FINDINGS_MAX 16

struct datasource_report {
    struct slice name;
    size_t count;
    struct finding findings[FINDINGS_MAX];
    enum finding_state worst;
};

/* Connect and look; nothing is changed in the database. done comes once, never from inside, with findings
 * borrowed for the call; not when the book is closed before. 0, ERR_NOT_FOUND (no such datasource) or
 * ERR_MEMORY. */
int datasource_book_check(struct datasource_book *b, struct slice name, uint32_t timeout_ms,
                          void (*done)(void *context, const struct datasource_report *r), void *context);
/* "ok", "warn", "fail". Static storage. */
const char *finding_state_word(enum finding_state state);

/* --- jobs --- */

struct datasource;
struct channel;

struct datasource_job_events {
    /* A connection is there: run the first statement, or end. */
    void (*ready)(void *context);
    void (*answered)(void *context, const struct database_answer *a);
    /* The job is over without having been ended: ERR_NOT_FOUND no such datasource, host name or file,
     * ERR_TIMEOUT its time is over, ERR_DENIED egress rules or datasource.directories, ERR_INVALID password
     * file or login, ERR_CONFLICT the definition was changed or removed, ERR_IO no connection, ERR_MEMORY.
     * connected: its connection had been there, so a statement may have run. */
    void (*failed)(void *context, int code, bool connected, const char *say);
    /* Instead of everything else: the book is closed. May be NULL. */
    void (*dropped)(void *context);
};

struct datasource_job {
    struct chain link;
    struct datasource *source;
    struct channel *channel; /* once it has a connection */
    struct timer timer;
    const struct datasource_job_events *events;
    void *context;
    int failure; /* told by the timer */
    struct why why;
    struct chain in_book;
};

/* The struct is the caller's until ready leads to an end, or failed came. timeout_ms: for everything. No
 * callback comes from inside. 0 or ERR_MEMORY. */
int datasource_job_start(struct datasource_book *b, struct slice name, struct datasource_job *job,
                         uint32_t timeout_ms, const struct datasource_job_events *events, void *context);
enum database_kind datasource_job_kind(const struct datasource_job *job);
const struct database_place *datasource_job_place(const struct datasource_job *job);
/* Whether this connection has passed the marker table's inspection: kept with the connection. */
bool *datasource_job_inspected(struct datasource_job *job);
void datasource_job_run(struct datasource_job *job, const char *sql, const struct slice *values,
                        size_t count);
/* After an answer, or from ready: give the connection back. Nothing comes any more. */
void datasource_job_end(struct datasource_job *job);
/* At any time before the end: forget it; its connection is closed. */
void datasource_job_drop(struct datasource_job *job);

#endif
