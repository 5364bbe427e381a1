#include "sink/stomp/stomp_inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "net/connection.h"
#include "net/dialler.h"
#include "net/loop.h"
#include "sink/socket_address.h"

#define SECRET_BYTES 4096
#define CONNECT_BYTES (SECRET_BYTES + 4096)
#define HOST_BYTES 256
/* ActiveMQ looks once in an interval whether it has written anything since it last looked, and beats only if
 * not: nearly two intervals pass in between, and it has to get here. */
#define SILENT_BEATS 3

static void dial_host(struct stomp_session *s);

void stomp_session_enter(struct stomp_session *s, enum stomp_state state, uint64_t clock_ms) {
    s->state = (uint8_t)state;
    timer_start(&s->clock, clock_ms);
}

void stomp_session_over(struct stomp_session *s, struct stomp_flight *f, enum verdict verdict,
                        const char *sentence) {
    f->session = NULL;
    f->receipt = 0;
    s->telling = true;
    s->options.over(s->options.context, f, verdict, sentence);
    s->telling = false;
}

uint64_t stomp_session_now_ms(const struct stomp_session *s) {
    return loop_now_ms(s->options.loop);
}

/* Letting go. */

static void ignore_bytes(void *context, struct slice bytes) {
    (void)context;
    (void)bytes;
}

static void ignore_end(void *context, int code, const char *sentence) {
    (void)context;
    (void)code;
    (void)sentence;
}

static const struct connection_events ignoring = { .received = ignore_bytes, .closed = ignore_end };

/* politely: with a DISCONNECT behind what is queued. */
static void drop_connection(struct stomp_session *s, bool politely) {
    static const char bye[] = "DISCONNECT\n\n";
    struct connection *c = s->connection;
    s->connection = NULL;
    s->stale = false;
    buffer_clear(&s->in);
    stomp_frame_init(&s->frame, &s->room);
    if (c == NULL)
        return;
    connection_use(c, &ignoring, NULL);
    const struct slice part = slice_of(bye, sizeof bye); /* its NUL is the frame's */
    if (politely && connection_send(c, &part, 1) == 0)
        connection_finish(c);
    else
        connection_close(c);
}

/* Nothing is under way. */
static void leave(struct stomp_session *s) {
    struct stomp_flight *f = stomp_window_take(&s->window);
    assert(f == NULL); /* only abandoned ones were left */
    drop_connection(s, true);
}

static void rest_a_while(struct stomp_session *s) {
    const struct stomp_pace *pace = s->options.pace;
    uint32_t doubled = s->pause_ms == 0 ? pace->pause_first_ms : s->pause_ms * 2;
    s->pause_ms = doubled < pace->pause_max_ms ? doubled : pace->pause_max_ms;
    s->tried = 0;
    stomp_session_enter(s, STOMP_STATE_PAUSE, s->pause_ms);
}

/* No host took us in: whoever waits learns why. */
static void fail_round(struct stomp_session *s) {
    struct chain told;
    chain_init(&told);
    while (!chain_empty(&s->waiting)) {
        struct chain *link = s->waiting.next;
        chain_remove(link);
        chain_add_last(&told, link);
    }
    s->waiting_count = 0;
    rest_a_while(s);
    while (!chain_empty(&told)) {
        struct stomp_flight *f = CHAIN_OWNER(told.next, struct stomp_flight, link);
        chain_remove(&f->link);
        stomp_session_over(s, f, s->verdict, s->words);
    }
}

void stomp_session_fail_host(struct stomp_session *s, enum verdict verdict, const char *format, ...) {
    static const uint8_t rank[VERDICT_COUNT] = {
        [VERDICT_FORBIDDEN] = 1, [VERDICT_NOT_SENT] = 2, [VERDICT_UNKNOWN] = 3
    };
    va_list arguments;
    if (s->tried == 0 || rank[verdict] >= rank[s->verdict]) {
        s->verdict = (uint8_t)verdict;
        va_start(arguments, format);
        vsnprintf(s->words, sizeof s->words, format, arguments);
        va_end(arguments);
    }
    drop_connection(s, false);
    s->host = (s->host + 1) % s->hosts.host_count;
    s->tried++;
    if (s->tried < s->hosts.host_count)
        dial_host(s);
    else
        fail_round(s);
}

void stomp_session_lose(struct stomp_session *s, const char *format, ...) {
    va_list arguments;
    struct stomp_flight *f;
    va_start(arguments, format);
    vsnprintf(s->words, sizeof s->words, format, arguments);
    va_end(arguments);
    drop_connection(s, false);
    s->host = (s->host + 1) % s->hosts.host_count;
    rest_a_while(s);
    while ((f = stomp_window_take(&s->window)) != NULL)
        stomp_session_over(s, f, VERDICT_UNKNOWN, s->words);
}

/* Connecting. */

static void on_received(void *context, struct slice bytes) {
    stomp_session_hear(context, bytes);
}

static void on_drained(void *context) {
    struct stomp_session *s = context;
    if (s->waiting_count > 0)
        timer_start(&s->pump, 0);
}

static void on_closed(void *context, int code, const char *sentence) {
    struct stomp_session *s = context;
    (void)code;
    s->connection = NULL;
    if (s->state == STOMP_STATE_LOGIN)
        stomp_session_fail_host(s, VERDICT_NOT_SENT,
                                "%.*s closed the connection before it answered CONNECT: %s",
                                SLICE_PRINT(s->hosts.hosts[s->host].name), sentence);
    else
        stomp_session_lose(s, "the connection to %.*s broke before a receipt for this message: %s",
                           SLICE_PRINT(s->hosts.hosts[s->host].name), sentence);
}

static const struct connection_events events = { .received = on_received,
                                                 .drained = on_drained,
                                                 .closed = on_closed };

/* Every address that a name resolved to, before anything is sent there. */
static int judge(void *context, const char *host, uint16_t port, const struct sockaddr *at, struct why *why) {
    const struct stomp_session *s = context;
    return socket_address_judge(s->options.sink->egress, host, port, at, why);
}

static int read_secret(struct stomp_session *s, struct buffer *secret, struct why *why) {
    const struct sink_options *o = s->options.sink;
    if (s->target.password_file.length == 0)
        return 0;
    if (o->secret == NULL)
        return why_set(why, ERR_DENIED, "no secret files are set up, so %.*s is not read",
                       SLICE_PRINT(s->target.password_file));
    return o->secret(o->context, s->target.password_file, secret, why);
}

static void wipe(struct buffer *b) {
    if (b->at != NULL)
        explicit_bzero(b->at, b->capacity);
    buffer_done(b);
}

/* CONNECT, with the password for as long as it takes to write it. The buffers get all their room at once, so
 * that growing leaves no copy behind. */
static void log_in(struct stomp_session *s) {
    struct buffer secret;
    struct buffer frame;
    struct why why = { "" };
    buffer_init(&secret, SECRET_BYTES);
    buffer_init(&frame, CONNECT_BYTES);
    (void)buffer_reserve(&secret, SECRET_BYTES);
    (void)buffer_reserve(&frame, CONNECT_BYTES);
    int code = read_secret(s, &secret, &why);
    if (code == 0) {
        const struct stomp_login login = { .host = s->target.vhost,
                                           .login = s->hosts.user,
                                           .passcode = buffer_slice(&secret),
                                           .heart_beat_ms = s->options.pace->heart_beat_ms };
        stomp_add_connect(&frame, &login);
        code = buffer_failed(&frame);
        if (code < 0)
            why_set(&why, code, "the login cannot be written as a STOMP frame: %s%s", err_text(code),
                    code == ERR_INVALID ? ", the password has a line end or a NUL inside" : "");
    }
    const struct slice part = buffer_slice(&frame);
    if (code == 0)
        (void)connection_send(s->connection, &part, 1); /* on_closed tells when it fails */
    wipe(&frame);
    wipe(&secret);
    if (code == 0) {
        stomp_session_enter(s, STOMP_STATE_LOGIN, s->options.pace->login_ms);
        return;
    }
    s->tried = s->hosts.host_count - 1; /* it is our own fault: no other host helps */
    s->verdict = VERDICT_FORBIDDEN;     /* the least: these words are told */
    stomp_session_fail_host(s, VERDICT_NOT_SENT, "%s", why.text);
}

static void on_dialled(void *context, int code, struct connection *c, const struct why *why) {
    struct stomp_session *s = context;
    s->dial = NULL;
    if (code < 0) {
        stomp_session_fail_host(s, code == ERR_DENIED ? VERDICT_FORBIDDEN : VERDICT_NOT_SENT, "%s",
                                why->text);
        return;
    }
    s->connection = c;
    s->state = STOMP_STATE_LOGIN;
    s->heard_ms = s->wrote_ms = stomp_session_now_ms(s);
    connection_use(c, &events, s);
    log_in(s);
}

static void dial_host(struct stomp_session *s) {
    char host[HOST_BYTES];
    const struct sink_options *o = s->options.sink;
    const struct slice name = s->hosts.hosts[s->host].name;
    const struct dial_options dial = { .host = host,
                                       .port = stomp_target_port(&s->hosts, s->host),
                                       .timeout_ms = o->connect_ms == 0 ? LIMIT_CONNECT_MS : o->connect_ms,
                                       .tls = s->target.secure ? o->tls : NULL,
                                       .judge = judge,
                                       .done = on_dialled,
                                       .context = s };
    snprintf(host, sizeof host, "%.*s", SLICE_PRINT(name));
    timer_stop(&s->clock);
    s->state = STOMP_STATE_DIALLING;
    if (s->target.secure && o->tls == NULL)
        stomp_session_fail_host(s, VERDICT_UNKNOWN, "%.*s wants stomps, but TLS is not set up here",
                                SLICE_PRINT(name));
    else if (dial_start(&s->dial, s->options.loop, &dial) < 0)
        stomp_session_fail_host(s, VERDICT_NOT_SENT, "no memory to connect to %.*s", SLICE_PRINT(name));
}

/* Time. */

/* The next look at the clock while ready: often enough for the shortest of what it watches. */
static uint64_t tick_every(const struct stomp_session *s) {
    uint64_t every = s->options.pace->idle_ms / 4;
    if (s->beat_ms != 0 && s->beat_ms / 4 < every)
        every = s->beat_ms / 4;
    if (s->hears_ms != 0 && s->hears_ms / 4 < every)
        every = s->hears_ms / 4;
    return every == 0 ? 1 : every;
}

static void tick(struct stomp_session *s) {
    const struct stomp_pace *pace = s->options.pace;
    uint64_t now = stomp_session_now_ms(s);
    uint64_t every = tick_every(s);
    if (now - s->tick_ms >
        every * 2 + 100) /* the process stood still, and what came meanwhile is not read yet */
        s->heard_ms = now;
    s->tick_ms = now;
    uint64_t silent_ms = now - s->heard_ms;
    if (s->hears_ms != 0 && silent_ms >= SILENT_BEATS * (uint64_t)s->hears_ms) {
        stomp_session_lose(
            s,
            "nothing came from the broker for %lu ms, not even a heart-beat; the connection was closed "
            "before a receipt for this message",
            (unsigned long)silent_ms);
        return;
    }
    if (s->hears_ms == 0 && s->window.open > 0 && silent_ms >= pace->silence_ms &&
        now - s->begun_ms >= pace->silence_ms) {
        stomp_session_lose(
            s,
            "nothing came from the broker for %lu ms; the connection was closed before a receipt for this "
            "message",
            (unsigned long)silent_ms);
        return;
    }
    if (stomp_session_at_rest(s) && now - s->used_ms >= pace->idle_ms) {
        leave(s);
        stomp_session_enter(s, STOMP_STATE_IDLE, 0);
        return;
    }
    if (s->beat_ms != 0 && now - s->wrote_ms >= s->beat_ms / 3) {
        const struct slice beat = STOMP_BEAT;
        s->wrote_ms = now;
        (void)connection_send(s->connection, &beat, 1);
    }
    timer_start(&s->clock, every);
}

/* There is something to send, or the rules of egress have changed. */
static void on_pump(void *context) {
    struct stomp_session *s = context;
    if (s->state == STOMP_STATE_READY && s->stale && s->window.open == s->window.abandoned) {
        leave(s);
        stomp_session_enter(s, STOMP_STATE_IDLE, s->options.pace->idle_ms);
    }
    if (s->state == STOMP_STATE_READY) {
        stomp_session_pump(s);
    } else if (s->state == STOMP_STATE_IDLE && s->waiting_count > 0) {
        s->tried = 0;
        dial_host(s);
    }
}

static void on_clock(void *context) {
    struct stomp_session *s = context;
    switch (s->state) {
    case STOMP_STATE_LOGIN:
        stomp_session_fail_host(s, VERDICT_NOT_SENT, "%.*s did not answer CONNECT within %u ms",
                                SLICE_PRINT(s->hosts.hosts[s->host].name), s->options.pace->login_ms);
        return;
    case STOMP_STATE_READY:
        tick(s);
        return;
    case STOMP_STATE_PAUSE: /* its length is remembered for a while */
        stomp_session_enter(s, STOMP_STATE_IDLE, s->options.pace->idle_ms);
        if (s->waiting_count > 0)
            on_pump(s);
        return;
    default:
        if (s->waiting_count == 0)
            s->options.idle(s->options.context, s);
    }
}

/* From outside. */

int stomp_session_new(struct stomp_session **out, struct slice broker,
                      const struct stomp_session_options *options, struct why *why) {
    struct stomp_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory for one more STOMP broker");
    s->options = *options;
    arena_init(&s->arena, 4096, 64 * 1024);
    chain_init(&s->waiting);
    stomp_window_init(&s->window);
    stomp_frame_init(&s->frame, &s->room);
    buffer_init(&s->in, STOMP_FRAME_BYTES + LOOP_READ_BYTES);
    buffer_init(&s->head, STOMP_SEND_HEAD_BYTES);
    buffer_init(&s->out, STOMP_GATHERED_BYTES + STOMP_SEND_HEAD_BYTES);
    s->used_ms = stomp_session_now_ms(s);
    int code = arena_copy(&s->arena, broker, &s->broker);
    if (code == 0)
        code = sink_target_decode(s->broker, &s->arena, &s->hosts, why);
    if (code == 0)
        code = stomp_target_read(&s->hosts, true, &s->target, why);
    if (code == 0)
        code = timer_init(&s->pump, options->loop, on_pump, s);
    if (code == 0)
        code = timer_init(&s->clock, options->loop, on_clock, s);
    if (code < 0) {
        stomp_session_free(s);
        return why_prefix(why, code, "STOMP broker");
    }
    stomp_session_enter(s, STOMP_STATE_IDLE, options->pace->idle_ms);
    *out = s;
    return 0;
}

void stomp_session_free(struct stomp_session *s) {
    if (s == NULL)
        return;
    if (s->dial != NULL)
        dial_cancel(s->dial);
    drop_connection(s, false);
    timer_done(&s->pump);
    timer_done(&s->clock);
    buffer_done(&s->in);
    buffer_done(&s->head);
    buffer_done(&s->out);
    arena_done(&s->arena);
    free(s);
}

struct slice stomp_session_broker(const struct stomp_session *s) {
    return s->broker;
}

bool stomp_session_at_rest(const struct stomp_session *s) {
    bool quiet = s->state == STOMP_STATE_IDLE || s->state == STOMP_STATE_READY;
    return quiet && !s->telling && s->waiting_count == 0 && s->window.open == s->window.abandoned;
}

int stomp_session_send(struct stomp_session *s, struct stomp_flight *f) {
    assert(f->call->message != NULL);
    if (s->waiting_count == STOMP_WAITING)
        return ERR_LIMIT;
    f->session = s;
    f->receipt = 0;
    chain_add_last(&s->waiting, &f->link);
    s->waiting_count++;
    if (!timer_running(&s->pump))
        timer_start(&s->pump, 0);
    return 0;
}

enum verdict stomp_session_withdraw(struct stomp_flight *f, struct why *why) {
    struct stomp_session *s = f->session;
    uint32_t within = f->call->timeout_ms;
    f->session = NULL;
    if (f->receipt != 0) {
        why_set(why, 0, "no receipt from the broker within %u ms", within);
        stomp_window_abandon(&s->window, f);
        f->receipt = 0;
        if (s->stale)
            timer_start(&s->pump, 0);
        if (stomp_window_full(&s->window) && s->window.open == s->window.abandoned)
            stomp_session_lose(s, "no receipts came"); /* nobody hears this: all have been withdrawn */
        return VERDICT_UNKNOWN;
    }
    chain_remove(&f->link);
    s->waiting_count--;
    if (s->state == STOMP_STATE_READY)
        why_set(why, 0, "%zu messages before this one have no receipt yet, so it was not sent within %u ms",
                s->window.open + s->waiting_count, within);
    else
        why_set(why, 0, "no connection to the broker within %u ms; nothing was sent%s%s", within,
                s->words[0] == '\0' ? "" : "; last: ", s->words);
    return VERDICT_NOT_SENT;
}

void stomp_session_rejudge(struct stomp_session *s) {
    if (s->state == STOMP_STATE_READY) {
        s->stale = true;
        timer_start(&s->pump, 0);
        return;
    }
    if (s->state != STOMP_STATE_DIALLING && s->state != STOMP_STATE_LOGIN)
        return;
    if (s->dial != NULL)
        dial_cancel(s->dial);
    s->dial = NULL;
    drop_connection(s, false);
    stomp_session_enter(s, STOMP_STATE_IDLE, s->options.pace->idle_ms);
    timer_start(&s->pump, 0);
}
