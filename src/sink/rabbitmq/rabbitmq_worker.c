#ifdef SETTLE_WITH_RABBITMQ

#include "sink/rabbitmq/rabbitmq_worker.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "sink/rabbitmq/rabbitmq_session.h"

#define PAUSE_MS_FIRST 100
#define PAUSE_MS_MAX 5000
/* Published before the broker's answers are looked at. */
#define PUBLISH_AT_ONCE 64
#define STOP_PATIENCE_S 1
#define SECRET_BYTES 4096
/* A publish that is over in time is not mistaken for one that hangs. */
#define STUCK_GRACE_MS 100

enum secret {
    SECRET_NONE,
    SECRET_WANTED,
    SECRET_THERE,
    SECRET_FAILED,
};

struct rabbitmq_worker {
    struct rabbitmq_worker_options options;
    pthread_t thread;
    int wake;
    struct arena arena; /* holds line and target's slices */
    struct slice line;
    struct sink_target target; /* of the line */

    pthread_mutex_t lock; /* guards what follows */
    struct chain inbox;
    struct chain outbox;
    bool asleep; /* wake must be written to reach it */
    bool stopping;
    bool ended;
    bool rejudge;
    int socket; /* -1: none */
    enum secret secret;
    struct buffer password;
    struct why secret_why;

    _Atomic uint64_t stuck_ms; /* a call that may block should be over by then; 0: none is made */

    /* the thread's own */
    struct rabbitmq_session *session;
    struct chain waiting;
    struct chain done;
    struct due_heap due;
    size_t flights; /* in waiting or on a lane */
    struct rabbitmq_lanes lanes;
    bool closing; /* the session, when nothing is unconfirmed */
    bool no_lane; /* the first that waits has to wait for a confirm */
    bool blocked;
    char blocked_words[sizeof((struct rabbitmq_event *)NULL)->words];
    size_t next_host;
    uint64_t pause_ms;
    uint64_t retry_ms; /* no attempt to connect before */
    char last_failure[300];
};

/* Verdicts. */

/* With the sentence that it has. */
static void end(struct rabbitmq_worker *w, struct rabbitmq_flight *f, enum verdict verdict) {
    f->verdict = (uint8_t)verdict;
    due_clear(&w->due, &f->due);
    chain_remove(&f->link);
    chain_add_last(&w->done, &f->link);
    w->flights--;
}

__attribute__((format(printf, 4, 5))) static void finish(struct rabbitmq_worker *w, struct rabbitmq_flight *f,
                                                         enum verdict verdict, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(f->sentence, sizeof f->sentence, format, arguments);
    va_end(arguments);
    end(w, f, verdict);
}

static void confirm_one(struct rabbitmq_worker *w, struct rabbitmq_flight *f, bool refused) {
    rabbitmq_lane_remove(&w->lanes, f);
    if (f->returned)
        end(w, f, VERDICT_UNKNOWN);
    else if (refused)
        finish(
            w, f, VERDICT_UNKNOWN,
            "the broker refused the message (basic.nack): a full queue with overflow reject-publish, or an "
            "error inside it");
    else
        end(w, f, VERDICT_DONE);
}

static void confirm(struct rabbitmq_worker *w, const struct rabbitmq_event *e) {
    struct rabbitmq_lane *l = rabbitmq_lanes_of(&w->lanes, e->channel);
    if (l == NULL)
        return;
    uint64_t first = e->multiple ? l->oldest : e->tag;
    uint64_t last = e->tag >= l->next ? l->next - 1 : e->tag;
    for (uint64_t tag = first; tag <= last; tag++) {
        struct rabbitmq_flight *f = rabbitmq_lane_at(l, tag);
        if (f != NULL)
            confirm_one(w, f, e->kind == RABBITMQ_REFUSED);
    }
}

/* Everything unconfirmed on this lane is in doubt, and it begins anew. */
static void empty_lane(struct rabbitmq_worker *w, struct rabbitmq_lane *l, const char *sentence) {
    for (uint64_t tag = l->oldest; tag < l->next; tag++) {
        struct rabbitmq_flight *f = rabbitmq_lane_at(l, tag);
        if (f == NULL)
            continue;
        rabbitmq_lane_remove(&w->lanes, f);
        if (f->returned)
            end(w, f, VERDICT_UNKNOWN);
        else
            finish(w, f, VERDICT_UNKNOWN, "%s", sentence);
    }
    l->open = false;
}

static void lose_session(struct rabbitmq_worker *w, const char *sentence, bool polite) {
    char text[400];
    snprintf(text, sizeof text, "%s; whether the broker has the message is unknown", sentence);
    for (size_t i = 0; i < RABBITMQ_CHANNELS; i++)
        empty_lane(w, &w->lanes.at[i], text);
    rabbitmq_session_close(w->session, polite);
    w->session = NULL;
    w->closing = false;
    w->blocked = false;
    assert(w->lanes.unconfirmed == 0);
}

static void expire(struct rabbitmq_worker *w, uint64_t now_ms) {
    for (;;) {
        struct due *d = due_first(&w->due);
        if (d == NULL || d->at_ms > now_ms)
            return;
        struct rabbitmq_flight *f = CHAIN_OWNER(d, struct rabbitmq_flight, due);
        if (f->channel != 0) {
            rabbitmq_lane_remove(&w->lanes, f);
            finish(w, f, VERDICT_UNKNOWN, "no confirm from the broker within %u ms", f->call.timeout_ms);
        } else if (w->blocked) {
            finish(w, f, VERDICT_NOT_SENT,
                   "the broker has blocked publishing (%s) for %u ms; nothing was sent", w->blocked_words,
                   f->call.timeout_ms);
        } else if (w->session == NULL && w->last_failure[0] != '\0') {
            finish(w, f, VERDICT_NOT_SENT, "no connection within %u ms; nothing was sent. Last: %s",
                   f->call.timeout_ms, w->last_failure);
        } else {
            finish(w, f, VERDICT_NOT_SENT, "no turn to publish within %u ms; nothing was sent",
                   f->call.timeout_ms);
        }
    }
}

/* Publishing. */

/* 0 when the lane can be published on; ERR_CONFLICT when the broker wants no such channel. */
static int open_lane(struct rabbitmq_worker *w, struct rabbitmq_lane *l, struct why *why) {
    if (l->open)
        return 0;
    int code = rabbitmq_session_channel(w->session, l->channel, why);
    if (code == 0) {
        l->open = true;
        rabbitmq_lane_begin(l);
    }
    return code;
}

static int publish_on(struct rabbitmq_worker *w, struct rabbitmq_lane *l, struct rabbitmq_flight *f,
                      struct why *why) {
    const struct rabbitmq_publish p = {
        .exchange = f->route.exchange,
        .routing_key = f->route.routing_key.length > 0 ? f->route.routing_key : f->message.topic,
        .body = f->call.body,
        .gid = f->call.gid,
        .message = &f->message,
    };
    if (rabbitmq_publish_check(&p, why) < 0) {
        finish(w, f, VERDICT_NOT_SENT, "%s", why->text);
        return 0;
    }
    rabbitmq_lane_add(&w->lanes, l, f);
    chain_remove(&f->link);
    return rabbitmq_session_publish(w->session, f->channel, &p, why);
}

static bool may_publish(const struct rabbitmq_worker *w) {
    return w->session != NULL && !w->closing && !w->blocked && w->lanes.unconfirmed < RABBITMQ_UNCONFIRMED &&
           !chain_empty(&w->waiting);
}

/* In order, as much as there is room for. */
static void publish_some(struct rabbitmq_worker *w) {
    struct why why = { "" };
    int code = 0;
    w->no_lane = false;
    for (int i = 0; i < PUBLISH_AT_ONCE && may_publish(w) && code == 0; i++) {
        struct rabbitmq_flight *f = CHAIN_OWNER(w->waiting.next, struct rabbitmq_flight, link);
        struct rabbitmq_lane *l = rabbitmq_lanes_find(&w->lanes, f->route.exchange);
        if (l == NULL || rabbitmq_lane_full(l)) {
            w->no_lane = true;
            break;
        }
        atomic_store_explicit(&w->stuck_ms, f->due_ms, memory_order_relaxed);
        code = open_lane(w, l, &why);
        if (code == ERR_CONFLICT) {
            finish(w, f, VERDICT_UNKNOWN, "%s", why.text);
            code = 0;
        } else if (code == 0) {
            code = publish_on(w, l, f, &why);
        }
    }
    atomic_store_explicit(&w->stuck_ms, 0, memory_order_relaxed);
    if (code < 0)
        lose_session(w, why.text, false);
}

/* What the broker says. */

static void take_event(struct rabbitmq_worker *w, const struct rabbitmq_event *e) {
    char text[400];
    struct rabbitmq_lane *l = rabbitmq_lanes_of(&w->lanes, e->channel);
    switch (e->kind) {
    case RABBITMQ_CONFIRMED:
    case RABBITMQ_REFUSED:
        confirm(w, e);
        break;
    case RABBITMQ_RETURNED:
        if (l != NULL)
            rabbitmq_lane_return(l, e);
        break;
    case RABBITMQ_CHANNEL_CLOSED:
        snprintf(text, sizeof text, "the broker closed the channel: %u %s", e->code, e->words);
        if (l != NULL)
            empty_lane(w, l, text);
        break;
    case RABBITMQ_BLOCKED:
        w->blocked = true;
        memcpy(w->blocked_words, e->words, sizeof e->words);
        break;
    case RABBITMQ_UNBLOCKED:
        w->blocked = false;
        break;
    case RABBITMQ_OTHER:
        break;
    }
}

static void listen_to_broker(struct rabbitmq_worker *w) {
    struct rabbitmq_event e;
    struct why why = { "" };
    int code = 0;
    while (w->session != NULL && code == 0) {
        code = rabbitmq_session_next(w->session, &e, &why);
        if (code == 0)
            take_event(w, &e);
    }
    if (code != 0 && code != ERR_AGAIN)
        lose_session(w, why.text, false);
}

/* Connecting. */

static void on_socket(void *context, int socket) {
    struct rabbitmq_worker *w = context;
    pthread_mutex_lock(&w->lock);
    w->socket = socket;
    pthread_mutex_unlock(&w->lock);
}

static void give_up_waiting(struct rabbitmq_worker *w, enum verdict verdict, const char *sentence) {
    while (!chain_empty(&w->waiting))
        finish(w, CHAIN_OWNER(w->waiting.next, struct rabbitmq_flight, link), verdict, "%s", sentence);
    w->pause_ms = w->pause_ms == 0 ? PAUSE_MS_FIRST : w->pause_ms * 2;
    if (w->pause_ms > PAUSE_MS_MAX)
        w->pause_ms = PAUSE_MS_MAX;
    w->retry_ms = broker_now_ms() + w->pause_ms;
    snprintf(w->last_failure, sizeof w->last_failure, "%s", sentence);
}

static enum verdict verdict_of(int code) {
    return code == ERR_DENIED ? VERDICT_FORBIDDEN : code == ERR_CONFLICT ? VERDICT_UNKNOWN : VERDICT_NOT_SENT;
}

static void text_of(char *to, size_t room, struct slice s, const char *otherwise) {
    snprintf(to, room, "%.*s", s.length == 0 ? (int)strlen(otherwise) : (int)s.length,
             s.length == 0 ? otherwise : s.at);
}

/* The hosts in turn, beginning with the one that last answered. */
static int connect_any(struct rabbitmq_worker *w, const char *password, struct why *why) {
    char host[256], vhost[256], user[256];
    int code = 0;
    text_of(vhost, sizeof vhost, w->target.path, "/");
    text_of(user, sizeof user, w->target.user, "guest");
    for (size_t i = 0; i < w->target.host_count; i++) {
        size_t number = (w->next_host + i) % w->target.host_count;
        text_of(host, sizeof host, w->target.hosts[number].name, "");
        const struct rabbitmq_opening o = {
            .host = host,
            .port = rabbitmq_port(&w->target, number),
            .secure = rabbitmq_is_secure(&w->target),
            .ca = w->options.ca,
            .vhost = vhost,
            .user = user,
            .password = password,
            .connect_ms = w->options.connect_ms,
            .judge = w->options.judge,
            .wake = w->wake,
            .on_socket = on_socket,
            .context = w,
        };
        code = rabbitmq_session_open(&w->session, &o, why);
        if (code == 0 || code == ERR_CONFLICT) {
            w->next_host = number;
            return code;
        }
        pthread_mutex_lock(&w->lock);
        bool stopping = w->stopping;
        pthread_mutex_unlock(&w->lock);
        if (stopping)
            return code;
    }
    return code;
}

/* The password, asked for on the loop. 0, ERR_AGAIN while it is on its way. */
static int get_password(struct rabbitmq_worker *w, char *to, size_t room, struct why *why) {
    if (sink_target_value(&w->target, "password_file").length == 0) {
        snprintf(to, room, "guest");
        return 0;
    }
    int code = ERR_AGAIN;
    bool ask = false;
    pthread_mutex_lock(&w->lock);
    if (w->secret == SECRET_NONE) {
        w->secret = SECRET_WANTED;
        ask = true;
    } else if (w->secret == SECRET_THERE) {
        snprintf(to, room, "%.*s", SLICE_PRINT(buffer_slice(&w->password)));
        explicit_bzero(w->password.at, w->password.length);
        buffer_clear(&w->password);
        w->secret = SECRET_NONE;
        code = 0;
    } else if (w->secret == SECRET_FAILED) {
        *why = w->secret_why;
        w->secret = SECRET_NONE;
        code = ERR_IO;
    }
    pthread_mutex_unlock(&w->lock);
    if (ask)
        w->options.notify(w->options.context);
    return code;
}

/* Nobody waits any more for what it was asked for. */
static void drop_secret(struct rabbitmq_worker *w) {
    pthread_mutex_lock(&w->lock);
    if (w->secret == SECRET_THERE || w->secret == SECRET_FAILED) {
        if (w->password.at != NULL)
            explicit_bzero(w->password.at, w->password.length);
        buffer_clear(&w->password);
        w->secret = SECRET_NONE;
    }
    pthread_mutex_unlock(&w->lock);
}

static void connect_if_wanted(struct rabbitmq_worker *w, uint64_t now_ms) {
    struct why why = { "" };
    char password[SECRET_BYTES];
    if (w->session == NULL && chain_empty(&w->waiting))
        drop_secret(w);
    if (w->session != NULL || chain_empty(&w->waiting) || now_ms < w->retry_ms)
        return;
    if (rabbitmq_is_secure(&w->target) && !w->options.have_tls) {
        give_up_waiting(w, VERDICT_UNKNOWN, "TLS is not set up here, so rabbitmqs targets cannot be reached");
        return;
    }
    int code = get_password(w, password, sizeof password, &why);
    if (code == ERR_AGAIN)
        return;
    if (code == 0)
        code = connect_any(w, password, &why);
    explicit_bzero(password, sizeof password);
    if (code == 0) {
        w->pause_ms = 0;
        w->last_failure[0] = '\0';
    } else {
        give_up_waiting(w, verdict_of(code), why.text);
    }
}

/* The thread. */

/* Hand what is done to the loop, and take what is new. False: stop. */
static bool trade(struct rabbitmq_worker *w) {
    struct chain fresh;
    bool notify = false;
    chain_init(&fresh);
    pthread_mutex_lock(&w->lock);
    bool stopping = w->stopping;
    if (!chain_empty(&w->done)) {
        notify = chain_empty(&w->outbox);
        while (!chain_empty(&w->done)) {
            struct chain *link = w->done.next;
            chain_remove(link);
            chain_add_last(&w->outbox, link);
        }
    }
    while (!chain_empty(&w->inbox)) {
        struct chain *link = w->inbox.next;
        chain_remove(link);
        chain_add_last(&fresh, link);
    }
    if (w->rejudge && w->session != NULL)
        w->closing = true;
    w->rejudge = false;
    pthread_mutex_unlock(&w->lock);
    if (notify && !stopping)
        w->options.notify(w->options.context);
    while (!chain_empty(&fresh)) {
        struct rabbitmq_flight *f = CHAIN_OWNER(fresh.next, struct rabbitmq_flight, link);
        chain_remove(&f->link);
        chain_add_last(&w->waiting, &f->link);
        w->flights++;
        if (due_heap_reserve(&w->due, w->flights) < 0)
            finish(w, f, VERDICT_NOT_SENT, "no memory for one more message");
        else
            due_set(&w->due, &f->due, f->due_ms);
    }
    return !stopping;
}

/* asking: a password is on its way, and its arrival wakes. */
static int sleep_ms(const struct rabbitmq_worker *w, uint64_t now_ms, bool asking) {
    uint64_t until_ms = UINT64_MAX;
    const struct due *d = due_first(&w->due);
    if (w->session != NULL)
        until_ms = now_ms + rabbitmq_session_pause_ms(w->session);
    else if (!chain_empty(&w->waiting) && !asking)
        until_ms = w->retry_ms; /* to connect */
    if (d != NULL && d->at_ms < until_ms)
        until_ms = d->at_ms;
    if (until_ms == UINT64_MAX)
        return -1;
    return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

/* Until the broker speaks, the loop calls, or something is due. */
static void sleep_a_while(struct rabbitmq_worker *w) {
    uint64_t count;
    struct pollfd files[2] = { { .fd = w->wake, .events = POLLIN } };
    nfds_t number = 1;
    if (w->session != NULL)
        files[number++] = (struct pollfd){ .fd = rabbitmq_session_socket(w->session), .events = POLLIN };
    pthread_mutex_lock(&w->lock);
    bool sleeps = chain_empty(&w->inbox) && !w->stopping && !w->rejudge &&
                  (w->secret == SECRET_NONE || w->secret == SECRET_WANTED) && chain_empty(&w->done);
    bool asking = w->secret == SECRET_WANTED;
    w->asleep = sleeps;
    pthread_mutex_unlock(&w->lock);
    if (!sleeps)
        return;
    (void)poll(files, number, sleep_ms(w, broker_now_ms(), asking));
    pthread_mutex_lock(&w->lock);
    w->asleep = false;
    ssize_t got = read(w->wake, &count, sizeof count);
    pthread_mutex_unlock(&w->lock);
    (void)got;
}

static void *run(void *context) {
    struct rabbitmq_worker *w = context;
    while (trade(w)) {
        uint64_t now_ms = broker_now_ms();
        expire(w, now_ms);
        connect_if_wanted(w, now_ms);
        publish_some(w);
        listen_to_broker(w);
        if (w->closing && w->lanes.unconfirmed == 0)
            lose_session(w, "", true);
        if (chain_empty(&w->done) && (!may_publish(w) || w->no_lane))
            sleep_a_while(w);
    }
    if (w->session != NULL)
        lose_session(w, "settled stopped", true);
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_mutex_unlock(&w->lock);
    w->options.notify(w->options.context);
    return NULL;
}

/* The loop's side. */

static void release(struct rabbitmq_worker *w) {
    rabbitmq_lanes_done(&w->lanes);
    if (w->password.at != NULL)
        explicit_bzero(w->password.at, w->password.capacity);
    buffer_done(&w->password);
    due_heap_done(&w->due);
    arena_done(&w->arena);
    pthread_mutex_destroy(&w->lock);
    if (w->wake >= 0)
        close(w->wake);
    free(w);
}

static int prepare(struct rabbitmq_worker *w, const struct rabbitmq_worker_options *options,
                   struct why *why) {
    int code = arena_copy(&w->arena, options->line, &w->line);
    if (code < 0)
        return why_set(why, code, "no memory for a connection to RabbitMQ");
    code = sink_target_decode(w->line, &w->arena, &w->target, why);
    if (code < 0)
        return code;
    w->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->wake < 0)
        return why_set(why, ERR_IO, "no descriptor for a connection to RabbitMQ: %s", strerror(errno));
    int error = broker_thread(&w->thread, run, w);
    if (error != 0)
        return why_set(why, ERR_IO, "no thread for a connection to RabbitMQ: %s", strerror(error));
    return 0;
}

int rabbitmq_worker_start(struct rabbitmq_worker **out, const struct rabbitmq_worker_options *options,
                          struct why *why) {
    struct rabbitmq_worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a connection to RabbitMQ");
    w->options = *options;
    w->wake = -1;
    w->socket = -1;
    pthread_mutex_init(&w->lock, NULL);
    chain_init(&w->inbox);
    chain_init(&w->outbox);
    chain_init(&w->waiting);
    chain_init(&w->done);
    due_heap_init(&w->due);
    rabbitmq_lanes_init(&w->lanes);
    buffer_init(&w->password, SECRET_BYTES);
    arena_init(&w->arena, 4096, (size_t)64 * 1024);
    int code = prepare(w, options, why);
    if (code < 0) {
        release(w);
        return code;
    }
    *out = w;
    return 0;
}

struct slice rabbitmq_worker_line(const struct rabbitmq_worker *w) {
    return w->line;
}

/* The lock is held. */
static void wake_up(struct rabbitmq_worker *w, bool always) {
    if (w->asleep || always)
        (void)!write(w->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
    w->asleep = false;
}

void rabbitmq_worker_give(struct rabbitmq_worker *w, struct rabbitmq_flight *f) {
    pthread_mutex_lock(&w->lock);
    chain_add_last(&w->inbox, &f->link);
    wake_up(w, false);
    pthread_mutex_unlock(&w->lock);
}

static size_t move_all(struct chain *from, struct chain *to) {
    size_t count = 0;
    while (!chain_empty(from)) {
        struct chain *link = from->next;
        chain_remove(link);
        chain_add_last(to, link);
        count++;
    }
    return count;
}

size_t rabbitmq_worker_take(struct rabbitmq_worker *w, struct chain *chain) {
    pthread_mutex_lock(&w->lock);
    size_t count = move_all(&w->outbox, chain);
    pthread_mutex_unlock(&w->lock);
    return count;
}

struct slice rabbitmq_worker_wants_secret(struct rabbitmq_worker *w) {
    pthread_mutex_lock(&w->lock);
    bool wants = w->secret == SECRET_WANTED && !w->stopping;
    pthread_mutex_unlock(&w->lock);
    return wants ? sink_target_value(&w->target, "password_file") : SLICE_NONE;
}

void rabbitmq_worker_secret(struct rabbitmq_worker *w, int code, struct slice secret, const struct why *why) {
    pthread_mutex_lock(&w->lock);
    assert(w->secret == SECRET_WANTED);
    buffer_clear(&w->password);
    buffer_add_slice(&w->password, secret);
    if (code == 0 && buffer_failed(&w->password) != 0) {
        w->secret = SECRET_FAILED;
        why_set(&w->secret_why, ERR_LIMIT, "the password is longer than %d bytes", SECRET_BYTES);
    } else if (code == 0) {
        w->secret = SECRET_THERE;
    } else {
        w->secret = SECRET_FAILED;
        w->secret_why = *why;
    }
    wake_up(w, false);
    pthread_mutex_unlock(&w->lock);
}

void rabbitmq_worker_rejudge(struct rabbitmq_worker *w) {
    pthread_mutex_lock(&w->lock);
    w->rejudge = true;
    wake_up(w, false);
    pthread_mutex_unlock(&w->lock);
}

/* The lock is held. */
static void break_socket(struct rabbitmq_worker *w) {
    if (w->socket >= 0)
        shutdown(w->socket, SHUT_RDWR);
}

void rabbitmq_worker_watch(struct rabbitmq_worker *w) {
    uint64_t stuck_ms = atomic_load_explicit(&w->stuck_ms, memory_order_relaxed);
    if (stuck_ms == 0 || stuck_ms + STUCK_GRACE_MS > broker_now_ms())
        return;
    pthread_mutex_lock(&w->lock);
    break_socket(w);
    pthread_mutex_unlock(&w->lock);
}

void rabbitmq_worker_stop(struct rabbitmq_worker *w) {
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    wake_up(w, true);
    pthread_mutex_unlock(&w->lock);
}

bool rabbitmq_worker_ended(struct rabbitmq_worker *w) {
    pthread_mutex_lock(&w->lock);
    bool ended = w->ended;
    pthread_mutex_unlock(&w->lock);
    return ended;
}

void rabbitmq_worker_free(struct rabbitmq_worker *w, struct chain *chain) {
    struct timespec end;
    assert(w->stopping);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += STOP_PATIENCE_S;
    if (pthread_timedjoin_np(w->thread, NULL, &end) != 0) {
        pthread_mutex_lock(&w->lock);
        break_socket(w);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    move_all(&w->inbox, chain);
    move_all(&w->waiting, chain);
    move_all(&w->done, chain);
    move_all(&w->outbox, chain);
    release(w);
}

#endif
