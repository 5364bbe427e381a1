/* The daemon: who knows whom. Opened in the order of its members, closed in reverse.
 *
 * It belongs to the loop's thread, and to the files of this room: everything else is told only what it needs,
 * through ports and callbacks. Times: daemon_now_ms is the steady epoch clock that events carry. */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "engine/engine.h"
#include "net/loop.h"
#include "net/timer.h"
#include "server/access.h"
#include "server/announcer.h"
#include "server/chores.h"
#include "server/driver.h"
#include "server/feed.h"
#include "server/http_server.h"
#include "server/pullers.h"
#include "server/settings.h"
#include "server/space.h"
#include "server/waiters.h"
#include "sink/http/http_sink.h"
#include "store/committer.h"
#include "wire/address.h"

struct datasource_book;
struct egress_book;
struct endpoint_secrets;
struct sinks;

struct daemon {
    struct settings settings;
    char *const *environment; /* as at the start, for reloads */
    char data[PATH_MAX - 64];
    char config_path[PATH_MAX]; /* "": none */
    struct loop *loop;
    struct store *store; /* NULL once the committer has it */
    struct engine *engine;
    struct access *access;
    struct committer *committer;
    struct driver *driver;
    struct chores *chores;
    struct waiters waiters;
    struct pullers pullers;
    struct feed *feed;
    struct announcer announcer;
    struct tail tail; /* what recovery found; chores go on with a copy */
    struct space space;
    struct egress_book *egress;
    struct address listen_address;
    size_t secret_count; /* signing now: 2 during a rotation */
    struct tls *tls;
    struct tls *tls_out;
    struct http_sink *sink;
    struct endpoint_secrets *endpoint_secrets;
    struct sinks *sinks; /* for every scheme but http and https */
    struct datasource_book *datasources;
    struct folders *folders; /* of datasource.directories, for it */
    struct chain datasource_tickets;
    struct http_server *http;
    struct loop_turn turn;
    struct timer timer;      /* the next thing due: driver or chores */
    uint64_t timer_at_ms;    /* when it fires, 0: not running */
    struct timer watch;      /* once a second: busy, full and stuck are told */
    struct timer stop_timer; /* how long draining may take */
    uint64_t epoch;          /* of the store: grows with every start */
    uint64_t started_ms;
    uint64_t rows_recovered; /* of unfinished transactions, that recovery read */
    uint64_t rows_at_start;  /* transactions there were, in history or only in the journal */
    uint64_t messages_at_start;
    uint64_t notices_at_start; /* notifications, likewise */
    struct memory list_memory; /* for transactions read from rows */
    uint64_t shed_busy;        /* new work refused, for metrics */
    uint64_t shed_space;
    struct buffer scratch; /* rendering: cleared by whoever uses it */
    struct chain keyed;    /* visits whose Idempotency-Key is being worked on */
    struct chain streams;  /* visits that read an event stream */
    size_t stream_count;
    uint32_t stream_seconds;
    struct arena event_arena; /* decoding one record */
    struct buffer event_text;
    bool ready;
    bool stopping;
    bool committer_stopped;
    bool told_full;
    bool told_busy;
    uint64_t told_refused;
    uint64_t told_attention;
    uint64_t told_breakers;
    int exit_code;
};

/* Open everything and begin. On failure what was opened is closed and the code says why: the why is for
 * people; daemon_exit_code turns the code into a process exit code. */
int daemon_open(struct daemon *d, struct why *why);
/* Run until told to stop; returns the exit code. */
int daemon_run(struct daemon *d);
void daemon_close(struct daemon *d);
/* Begin to stop in good order: no new connections, what was gathered is made durable, then daemon_run
 * returns. */
void daemon_stop(struct daemon *d);
/* Stop at once with this exit code: nothing more leaves. */
void daemon_die(struct daemon *d, int exit_code);
int daemon_exit_code(int code);

uint64_t daemon_now_ms(const struct daemon *d);
uint64_t daemon_now_us(const struct daemon *d);

/* Is there a reason not to take new work now? Counts what it says no to. */
enum driver_admission daemon_admission(struct daemon *d);

/* Read the settings again and put them into force, all or nothing. The report lists what changed and what
 * waits for a restart, a line each; who stands in the audit. */
int daemon_reload(struct daemon *d, struct slice who, struct buffer *report, struct why *why);
/* An audit line about no transaction. */
void daemon_note(struct daemon *d, struct slice who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Settings in the shape that others want. */
struct engine_options daemon_engine_options(const struct settings *s, uint64_t hash_seed);
struct driver_limits daemon_driver_limits(const struct settings *s);
struct http_limits daemon_http_limits(const struct settings *s);
/* egress.total, or what the limit of open files leaves for calls. */
uint32_t daemon_calls_max(const struct settings *s);

#endif
