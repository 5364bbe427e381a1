#include "server/daemon.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/random.h"
#include "net/tls.h"
#include "server/api.h"
#include "server/backup_stream.h"
#include "server/confinement.h"
#include "server/datasources.h"
#include "server/endpoint_secrets.h"
#include "server/crash_point.h"
#include "server/logs.h"
#include "server/outbound.h"
#include "server/ports.h"
#include "server/recovery.h"
#include "server/secret_file.h"
#include "store/sqlite_store.h"
#include "wire/address.h"

enum {
    WATCH_EVERY_MS = 1000,
    DRAIN_MS = 10000, /* after this open connections are cut */
    DRAIN_AGAIN_MS = 150,
    FEED_BYTES = 64 * 1024 * 1024,
    FILES_KEPT = 32, /* descriptors for the store, the log, backups and libuv's own use */
};

uint64_t daemon_now_ms(const struct daemon *d) {
    return loop_wall_ms(d->loop);
}

uint64_t daemon_now_us(const struct daemon *d) {
    (void)d;
    return uv_hrtime() / 1000;
}

int daemon_exit_code(int code) {
    switch (code) {
    case 0:
        return 0;
    case ERR_IO:
    case ERR_SPACE:
        return 74;
    case ERR_LOCKED:
        return 75;
    default:
        return 1;
    }
}

/* --- settings in other shapes --- */

struct engine_options daemon_engine_options(const struct settings *s, uint64_t hash_seed) {
    return (struct engine_options){
        .memory_max = settings_number(s, SETTING_LIMITS_MEMORY),
        .unfinished_max = (uint32_t)settings_number(s, SETTING_LIMITS_UNFINISHED),
        .calls_max = daemon_calls_max(s),
        .attention_tries = (uint32_t)settings_number(s, SETTING_ATTENTION_AFTER_TRIES),
        .attention_ms = (uint32_t)settings_number(s, SETTING_ATTENTION_AFTER),
        .retain_finished_ms = settings_number(s, SETTING_STORE_RETAIN_FINISHED),
        .retain_failed_ms = settings_number(s, SETTING_STORE_RETAIN_FAILED),
        .hash_seed = hash_seed,
    };
}

/* Descriptors that connections of either direction may use. Nothing may run out of them: a listener that
 * cannot accept has no way to say so, and the store must not wait for one (P12). */
static uint64_t files_for_connections(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return UINT32_MAX;
    return files.rlim_cur < 2 * FILES_KEPT ? FILES_KEPT : files.rlim_cur - FILES_KEPT;
}

uint32_t daemon_calls_max(const struct settings *s) {
    uint64_t wanted = settings_number(s, SETTING_EGRESS_TOTAL);
    uint64_t room = files_for_connections() / 4;
    return (uint32_t)(wanted < room ? wanted : room);
}

/* Kept connections to participants may be as many as open calls. */
static uint32_t connections_max(const struct settings *s) {
    uint64_t wanted = settings_number(s, SETTING_LIMITS_CONNECTIONS);
    uint64_t room = files_for_connections() - 2 * (uint64_t)daemon_calls_max(s);
    return (uint32_t)(wanted < room ? wanted : room);
}

static void say_few_files(const struct settings *s) {
    uint32_t calls = daemon_calls_max(s);
    uint32_t connections = connections_max(s);
    if (calls < settings_number(s, SETTING_EGRESS_TOTAL) ||
        connections < settings_number(s, SETTING_LIMITS_CONNECTIONS))
        logs_say(LOG_FEW_FILES, "limits.connections is %u and egress.total is %u until the limit is raised",
                 connections, calls);
}

struct driver_limits daemon_driver_limits(const struct settings *s) {
    return (struct driver_limits){
        .queue_max = (uint32_t)settings_number(s, SETTING_LIMITS_STORE_QUEUE),
        .queue_ms_max = (uint32_t)settings_number(s, SETTING_LIMITS_STORE_WAIT),
        .group_commit_ms = (uint32_t)settings_number(s, SETTING_STORE_GROUP_COMMIT),
    };
}

struct http_limits daemon_http_limits(const struct settings *s) {
    return (struct http_limits){
        .connections = connections_max(s),
        .connections_per_address = (uint32_t)settings_number(s, SETTING_LIMITS_CONNECTIONS_PER_ADDRESS),
        .requests_per_connection = (uint32_t)settings_number(s, SETTING_LIMITS_REQUESTS_PER_CONNECTION),
        .header_ms = settings_number(s, SETTING_LIMITS_HEADER_TIMEOUT),
        .idle_ms = settings_number(s, SETTING_LIMITS_IDLE),
        .body_rate = settings_number(s, SETTING_LIMITS_BODY_RATE),
        .body_bytes = settings_number(s, SETTING_LIMITS_BODY),
    };
}

static uint64_t shorter_retention(const struct settings *s) {
    uint64_t finished = settings_number(s, SETTING_STORE_RETAIN_FINISHED);
    uint64_t failed = settings_number(s, SETTING_STORE_RETAIN_FAILED);
    return finished < failed ? finished : failed;
}

/* --- the turn --- */

/* One timer stands for whatever of driver and chores is due first. */
static void arm_timer(struct daemon *d) {
    uint64_t at = driver_due(d->driver);
    uint64_t chores = chores_due(d->chores);
    uint64_t now = daemon_now_ms(d);
    at = chores < at ? chores : at;
    if (at == UINT64_MAX) {
        timer_stop(&d->timer);
        d->timer_at_ms = 0;
        return;
    }
    at = at > now ? at : now;
    if (d->timer_at_ms == at && timer_running(&d->timer))
        return;
    d->timer_at_ms = at;
    timer_start(&d->timer, at - now);
}

static void on_turn(void *context) {
    struct daemon *d = context;
    struct driver_figures figures;
    struct store_usage usage = { .journal_bytes = 0 };
    if (!d->ready)
        return;
    driver_flush(d->driver);
    pullers_look(&d->pullers, d->engine);
    if (chores_due(d->chores) <= daemon_now_ms(d)) {
        struct store *store = committer_store(d->committer);
        store->ops->usage(store, &usage);
        driver_figures(d->driver, &figures);
        chores_round(d->chores, daemon_now_ms(d), figures.durable, usage.journal_bytes);
    }
    arm_timer(d);
    if (d->stopping && driver_idle(d->driver) && http_server_empty(d->http) && chores_folded_up(d->chores))
        loop_stop(d->loop);
}

static void on_timer(void *context) {
    /* The turn hook does the work; the timer only makes the loop go round. */
    ((struct daemon *)context)->timer_at_ms = 0;
}

enum driver_admission daemon_admission(struct daemon *d) {
    enum driver_admission admission = driver_admission(d->driver);
    if (admission == DRIVER_ADMITS && space_is_low(&d->space, daemon_now_us(d)))
        admission = DRIVER_NO_SPACE;
    d->shed_space += admission == DRIVER_NO_SPACE;
    d->shed_busy += admission == DRIVER_BUSY;
    return admission;
}

static void tell_changes(struct daemon *d) {
    bool full = space_is_low(&d->space, daemon_now_us(d)) || driver_admission(d->driver) == DRIVER_NO_SPACE;
    bool busy = driver_admission(d->driver) == DRIVER_BUSY;
    if (full != d->told_full)
        logs_say(full ? LOG_STORE_FULL : LOG_STORE_ROOM, "%llu bytes are free in %s",
                 (unsigned long long)d->space.free, d->data);
    if (busy != d->told_busy)
        logs_say(busy ? LOG_STORE_BUSY : LOG_STORE_KEEPS_UP, "limits.store_queue, limits.store_wait");
    struct http_figures http;
    http_figures(d->http, &http);
    if (http.refused != d->told_refused)
        logs_say(LOG_CONNECTION_REFUSED,
                 "%llu in the last second; limits.connections, "
                 "limits.connections_per_address",
                 (unsigned long long)(http.refused - d->told_refused));
    d->told_refused = http.refused;
    d->told_full = full;
    d->told_busy = busy;
}

static void on_watch(void *context) {
    struct daemon *d = context;
    if (!d->ready)
        return;
    tell_changes(d);
    api_second(d);
    endpoint_secrets_second(d->endpoint_secrets, daemon_now_ms(d));
    timer_start(&d->watch, WATCH_EVERY_MS);
}

/* --- opening --- */

static int open_directory(struct daemon *d, struct why *why) {
    const char *path = settings_text(&d->settings, SETTING_STORE_URL) + strlen("file:");
    snprintf(d->data, sizeof d->data, "%s", path);
    if (mkdir(d->data, 0700) != 0 && errno != EEXIST)
        return why_set(why, ERR_INVALID, "cannot make the data directory %s: %s", d->data, strerror(errno));
    backup_stream_sweep(d->data);
    return 0;
}

static int recover(struct daemon *d, struct recovery_figures *figures, struct why *why) {
    struct recovery_watchers watchers = { .tail = &d->tail };
    struct store_usage usage;
    size_t events = settings_number(&d->settings, SETTING_LIMITS_STREAM_BACKLOG);
    d->store->ops->usage(d->store, &usage);
    d->epoch = usage.epoch;
    tail_init(&d->tail, settings_number(&d->settings, SETTING_STORE_EVENTS_KEEP),
              shorter_retention(&d->settings));
    int code = feed_new(&d->feed, events, FEED_BYTES, usage.epoch, usage.batch_trimmed);
    watchers.feed = d->feed;
    if (code == 0)
        code = refill_new(&watchers.refill, d->feed, events, FEED_BYTES);
    if (code != 0)
        return why_set(why, code, "no memory for events; lower limits.stream_backlog");
    d->announcer.feed = d->feed;
    code = recovery_run(d->store, d->engine, &watchers, daemon_now_ms(d), figures, why);
    refill_free(watchers.refill);
    return code;
}

static int open_engine(struct daemon *d, struct why *why) {
    struct engine_options options = daemon_engine_options(&d->settings, random_u64(loop_random(d->loop)));
    struct recovery_figures figures;
    int code = sqlite_store_open(&d->store, d->data, NULL, why);
    if (code == 0) {
        options.key_seed = d->store->key_seed;
        code = engine_new(&d->engine, &options, why);
    }
    if (code == 0)
        code = recover(d, &figures, why);
    if (code != 0)
        return code;
    d->rows_recovered = figures.rows_open;
    loop_refresh(d->loop);
    if (figures.batches > 0)
        feed_expect(d->feed, daemon_now_ms(d));
    logs_say(LOG_READY, "%llu rows, %llu batches, %llu records in %llu ms", (unsigned long long)figures.rows,
             (unsigned long long)figures.batches, (unsigned long long)figures.entries,
             (unsigned long long)figures.took_ms);
    return 0;
}

static int open_driver(struct daemon *d, struct why *why) {
    struct store_usage usage;
    uint64_t counts[STORED_KIND_END] = { 0 };
    d->store->ops->usage(d->store, &usage);
    struct engine_figures recovered;
    engine_figures(d->engine, &recovered);
    /* As near as one can count cheaply: what came back from the journal alone has no row yet. */
    uint64_t others = d->rows_recovered + recovered.messages + recovered.notices;
    uint64_t without_row = recovered.in_memory > others ? recovered.in_memory - others : 0;
    if (d->store->ops->count(d->store, counts, NULL) == 0) {
        d->rows_at_start = counts[STORED_TRANSACTION] + without_row;
        d->messages_at_start =
            counts[STORED_MESSAGE] > recovered.messages ? counts[STORED_MESSAGE] : recovered.messages;
        d->notices_at_start =
            counts[STORED_NOTICE] > recovered.notices ? counts[STORED_NOTICE] : recovered.notices;
    }
    struct committer_options options = { .store = d->store, .post = ports_post, .post_context = d->loop };
    int code = committer_open(&d->committer, &options, why);
    if (code != 0)
        return code;
    d->store = NULL;
    struct driver_port port = ports_driver(d);
    struct chores_port chores = ports_chores(d);
    struct driver_limits limits = daemon_driver_limits(&d->settings);
    code = driver_new(&d->driver, d->engine, &port, &limits, usage.batch_last);
    if (code == 0)
        code = chores_new(&d->chores, d->engine, &chores, &d->tail, shorter_retention(&d->settings));
    engine_durable(d->engine, usage.batch_last);
    waiters_init(&d->waiters, d->loop);
    pullers_init(&d->pullers, d->loop);
    space_init(&d->space, d->data, settings_number(&d->settings, SETTING_STORE_LOW_WATER));
    return code == 0 ? 0 : why_set(why, code, "%s", err_text(code));
}

static int split_address(const char *text, char *host, size_t room, uint16_t *port) {
    struct slice all = slice_text(text);
    size_t colon = all.length;
    uint64_t number = 0;
    while (colon > 0 && all.at[colon - 1] != ':')
        colon--;
    struct slice name = slice_upto(all, colon == 0 ? 0 : colon - 1);
    if (slice_u64(slice_from(all, colon), &number) != 0 || number > 65535)
        return ERR_INVALID;
    if (name.length > 2 && name.at[0] == '[' && name.at[name.length - 1] == ']')
        name = slice_of(name.at + 1, name.length - 2);
    if (slice_is(name, "localhost"))
        name = SLICE("127.0.0.1");
    if (name.length == 0 || name.length >= room)
        return ERR_INVALID;
    memcpy(host, name.at, name.length);
    host[name.length] = '\0';
    *port = (uint16_t)number;
    return 0;
}

static bool is_loopback(const struct address *address) {
    struct address four, six;
    bool known = address_decode4(SLICE("127.0.0.0"), &four) == 0 && address_decode6(SLICE("::1"), &six) == 0;
    assert(known);
    return address_within(address, &four, 96 + 8) || address_equal(address, &six);
}

/* Nothing beyond loopback without a token and without TLS, unless it was said in so many words (H1). */
static int check_exposure(struct daemon *d, struct why *why) {
    bool tls = settings_text(&d->settings, SETTING_LISTEN_TLS_CERT)[0] != '\0';
    if (!settings_flag(&d->settings, SETTING_AUTH_REQUIRED)) {
        if (!is_loopback(&d->listen_address))
            return why_set(why, ERR_DENIED,
                           "listen.api = %s: without tokens settled listens on loopback only",
                           settings_text(&d->settings, SETTING_LISTEN_API));
        logs_say(LOG_NO_AUTH, "(auth.required = false)");
    }
    if (is_loopback(&d->listen_address) || tls)
        return 0;
    if (!settings_flag(&d->settings, SETTING_LISTEN_ALLOW_PLAIN))
        return why_set(why, ERR_DENIED,
                       "listen.api = %s is not loopback: set listen.tls_cert and listen.tls_key, or "
                       "listen.allow_plain = true",
                       settings_text(&d->settings, SETTING_LISTEN_API));
    logs_say(LOG_ALLOW_PLAIN, "(listen.allow_plain = true)");
    return 0;
}

static int open_tls(struct daemon *d, struct why *why) {
    const char *cert = settings_text(&d->settings, SETTING_LISTEN_TLS_CERT);
    const char *key = settings_text(&d->settings, SETTING_LISTEN_TLS_KEY);
    const char *ca = settings_text(&d->settings, SETTING_LISTEN_CLIENT_CA);
    if (cert[0] == '\0')
        return 0;
    int code = secret_file_check(key, why);
    return code != 0 ? code : tls_new_server(&d->tls, cert, key, ca[0] == '\0' ? NULL : ca, why);
}

static int open_listener(struct daemon *d, struct why *why) {
    char host[256];
    struct http_server_options options = api_server_options(d);
    if (split_address(settings_text(&d->settings, SETTING_LISTEN_API), host, sizeof host, &options.port) != 0)
        return why_set(why, ERR_INVALID, "listen.api: expected HOST:PORT");
    if (address_decode(slice_text(host), &d->listen_address) != 0)
        return why_set(why, ERR_INVALID, "listen.api: \"%s\" is not an address", host);
    int code = check_exposure(d, why);
    if (code == 0)
        code = open_tls(d, why);
    options.host = host;
    options.tls = d->tls;
    options.limits = daemon_http_limits(&d->settings);
    say_few_files(&d->settings);
    if (code == 0)
        code = http_server_open(&d->http, d->loop, &options, why);
    return code;
}

/* Signals, like timers, that come while the daemon closes find half of it gone. */
static void on_stop_signal(void *context, int number) {
    struct daemon *d = context;
    (void)number;
    if (d->ready)
        daemon_stop(d);
}

static void on_reload_signal(void *context, int number) {
    struct daemon *d = context;
    struct buffer report;
    struct why why = { .text = "" };
    (void)number;
    if (!d->ready)
        return;
    buffer_init(&report, 65536);
    (void)daemon_reload(d, SLICE("SIGHUP"), &report, &why);
    buffer_done(&report);
}

static int open_loop(struct daemon *d, struct why *why) {
    int code = loop_new(&d->loop, why);
    if (code == 0)
        code = loop_on_signal(d->loop, SIGTERM, on_stop_signal, d);
    if (code == 0)
        code = loop_on_signal(d->loop, SIGINT, on_stop_signal, d);
    if (code == 0)
        code = loop_on_signal(d->loop, SIGHUP, on_reload_signal, d);
    if (code == 0)
        code = timer_init(&d->timer, d->loop, on_timer, d);
    if (code == 0)
        code = timer_init(&d->watch, d->loop, on_watch, d);
    return code == 0 ? 0 : why_prefix(why, code, "event loop");
}

int daemon_open(struct daemon *d, struct why *why) {
    chain_init(&d->keyed);
    chain_init(&d->streams);
    chain_init(&d->datasource_tickets);
    buffer_init(&d->scratch, SIZE_MAX / 2);
    buffer_init(&d->event_text, SIZE_MAX / 2);
    announcer_init(&d->announcer, NULL);
    memory_init(&d->list_memory, SIZE_MAX / 2);
    arena_init(&d->event_arena, 4096, SIZE_MAX / 2);
    int code = open_loop(d, why);
    if (code == 0)
        code = open_directory(d, why);
    /* Before the first thread: it holds for those that come later only. */
    if (code == 0)
        confinement_begin(&d->settings, d->data, d->config_path);
    if (code == 0)
        code = open_engine(d, why);
    if (code == 0)
        code = access_open(&d->access, d->data, slice_text(settings_text(&d->settings, SETTING_AUTH_TOKEN)),
                           slice_text(settings_text(&d->settings, SETTING_AUTH_SIGNING_SECRET)),
                           daemon_now_ms(d), why);
    if (code == 0)
        code = open_driver(d, why);
    if (code == 0)
        code = open_listener(d, why);
    if (code == 0)
        code = outbound_open(d, why);
    if (code == 0)
        datasources_restore(d);
    if (code == 0)
        code = endpoint_secrets_match(d->endpoint_secrets, d->engine, daemon_now_ms(d), why);
    if (code != 0) {
        daemon_close(d);
        return code;
    }
    confinement_seal(&d->settings);
    d->started_ms = daemon_now_ms(d);
    d->turn = (struct loop_turn){ .run = on_turn, .context = d };
    loop_on_turn(d->loop, &d->turn);
    timer_start(&d->watch, WATCH_EVERY_MS);
    d->ready = true;
    logs_say(LOG_LISTENING, "%s", settings_text(&d->settings, SETTING_LISTEN_API));
    CRASH_POINT(FIRST_TICK);
    driver_begin(d->driver);
    return 0;
}

/* --- running and stopping --- */

int daemon_run(struct daemon *d) {
    loop_run(d->loop);
    if (d->exit_code == 0) {
        CRASH_POINT(LAST_BATCH);
        logs_say(LOG_STOPPED, "%s", d->data);
    }
    return d->exit_code;
}

/* Whoever still holds a connection has had its time, and so has folding. A batch that the store does not take
 * was promised to nobody: waiting for room on the disk would only end in a kill. */
static void on_drain_over(void *context) {
    struct daemon *d = context;
    if (!d->ready)
        return;
    http_server_abort(d->http);
    chores_stop(d->chores);
    if (driver_is_refused(d->driver)) {
        logs_say(LOG_STORE_FULL, "stopping without the last batch, which nobody was told of");
        daemon_die(d, daemon_exit_code(ERR_SPACE));
    }
    timer_start(&d->stop_timer, DRAIN_AGAIN_MS);
}

void daemon_stop(struct daemon *d) {
    if (d->stopping)
        return;
    logs_say(LOG_STOPPING, "%s", d->data);
    d->stopping = true;
    driver_drain(d->driver);
    chores_drain(d->chores);
    waiters_expire(&d->waiters);
    pullers_expire(&d->pullers);
    api_drain(d);
    http_server_drain(d->http);
    CRASH_POINT(DRAINING);
    if (timer_init(&d->stop_timer, d->loop, on_drain_over, d) == 0)
        timer_start(&d->stop_timer, DRAIN_MS);
    loop_again(d->loop);
}

void daemon_die(struct daemon *d, int exit_code) {
    if (d->exit_code != 0)
        return;
    d->exit_code = exit_code;
    driver_abandon(d->driver);
    loop_stop(d->loop);
}

static void on_committer_stopped(void *self) {
    struct daemon *d = self;
    d->committer_stopped = true;
    loop_stop(d->loop);
}

/* Close what has callbacks under way, and let them come. */
static void close_front(struct daemon *d) {
    d->ready = false;
    if (d->driver != NULL)
        driver_abandon(d->driver); /* the sink goes before the store has answered everything */
    if (d->http != NULL) {
        waiters_expire(&d->waiters);
        pullers_expire(&d->pullers);
        http_server_abort(d->http);
        while (!http_server_empty(d->http))
            loop_run_for(d->loop, 10);
        http_server_free(d->http);
        d->http = NULL;
    }
    outbound_close(d);
}

void daemon_close(struct daemon *d) {
    close_front(d);
    if (d->committer != NULL) {
        committer_stop(d->committer, on_committer_stopped, d);
        while (!d->committer_stopped) /* a failure on the way stops the loop, too */
            loop_run(d->loop);
        committer_free(d->committer);
    } else if (d->store != NULL) {
        d->store->ops->close(d->store);
    }
    if (d->loop != NULL) {
        timer_done(&d->timer);
        timer_done(&d->watch);
        timer_done(&d->stop_timer);
    }
    chores_free(d->chores);
    driver_free(d->driver);
    announcer_done(&d->announcer);
    feed_free(d->feed);
    engine_free(d->engine);
    access_close(d->access);
    tls_free(d->tls);
    if (d->waiters.loop != NULL)
        waiters_done(&d->waiters);
    buffer_done(&d->scratch);
    buffer_done(&d->event_text);
    arena_done(&d->event_arena);
    memory_done(&d->list_memory);
    loop_free(d->loop);
    settings_done(&d->settings);
}

/* --- notes for the audit --- */

struct note {
    struct driver_ask ask;
    char who[ACCESS_NAME_BYTES + 1];
    char text[LIMIT_REASON_BYTES];
};

static void noted(struct driver_ask *ask, const struct reply *reply) {
    (void)reply;
    free((struct note *)(void *)ask);
}

void daemon_note(struct daemon *d, struct slice who, const char *format, ...) {
    struct note *note = calloc(1, sizeof *note);
    va_list arguments;
    if (note == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(note->text, sizeof note->text, format, arguments);
    va_end(arguments);
    snprintf(note->who, sizeof note->who, "%.*s", SLICE_PRINT(who));
    note->ask.event.kind = EVENT_NOTE;
    note->ask.event.namespace_name = SLICE("default");
    note->ask.event.who = slice_text(note->who);
    note->ask.event.text = slice_text(note->text);
    note->ask.answer = noted;
    driver_ask(d->driver, &note->ask);
}
