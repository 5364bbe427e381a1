#include "sink/http/http_sink.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "base/limits.h"
#include "net/loop.h"
#include "net/pool.h"
#include "net/timer.h"
#include "sink/check_answer.h"
#include "sink/http/http_answer.h"
#include "sink/http/http_host.h"
#include "sink/http/http_request.h"
#include "sink/http/signers.h"
#include "sink/socket_address.h"

#define HEAD_BYTES (LIMIT_URL_BYTES + LIMIT_HEADER_BYTES)
/* A body up to this is copied behind its head: one run of bytes is a cheaper system call than two. */
#define COPIED_BODY_BYTES (16 * 1024)
/* Structs kept for the next call, beyond what can be under way at once. */
#define SPARE_FLIGHTS 1024

enum stage {
    STAGE_FAILED, /* never left: its outcome is told in the next round */
    STAGE_QUEUED, /* waits for a connection */
    STAGE_SENT,   /* waits for its answer */
};

/* One call on its way. */
struct flight {
    struct chain link; /* in the sink's flights or spares */
    struct http_sink *sink;
    struct call call;
    struct url url;
    struct http_host *host; /* NULL: the URL leads nowhere */
    struct pool_want want;
    struct connection *connection; /* while sent */
    struct reply *reply;           /* while sent */
    struct timer timer;
    uint64_t begun_ms;
    uint8_t stage;
    uint8_t verdict; /* of a failed one */
    bool reused;
    char sentence[240];
};

/* Room for an answer; there are only as many as there are connections. */
struct reply {
    struct chain link;
    struct http_answer answer;
};

struct http_sink {
    struct loop *loop;
    struct pool *pool;
    struct http_sink_options options;
    struct signature_secret secrets[SIGNATURE_SECRETS];
    size_t secret_count;
    struct signers signers;
    struct http_hosts hosts;
    struct chain flights;
    struct chain spares;
    size_t spare_count;
    struct chain replies; /* unused ones */
    struct buffer out;    /* the head that is being written */
    struct http_sink_counters counters;
};

static void on_timer(void *context);
static void on_given(struct pool_want *want, struct connection *c, bool reused);
static void on_failed(struct pool_want *want, int code, const struct why *why);

/* Flights. */

static void free_flight(struct flight *f) {
    timer_done(&f->timer);
    free(f);
}

static struct flight *new_flight(struct http_sink *s) {
    struct flight *f;
    if (!chain_empty(&s->spares)) {
        f = CHAIN_OWNER(s->spares.next, struct flight, link);
        chain_remove(&f->link);
        s->spare_count--;
    } else {
        f = calloc(1, sizeof *f);
        if (f == NULL || timer_init(&f->timer, s->loop, on_timer, f) < 0) {
            free(f);
            return NULL;
        }
        f->sink = s;
        f->want = (struct pool_want){ .given = on_given, .failed = on_failed };
    }
    chain_add_last(&s->flights, &f->link);
    s->counters.calls++;
    return f;
}

static void retire(struct flight *f) {
    struct http_sink *s = f->sink;
    if (f->host != NULL)
        f->host->calls--;
    if (f->reply != NULL)
        chain_add_after(&s->replies, &f->reply->link);
    f->host = NULL;
    f->reply = NULL;
    chain_remove(&f->link);
    s->counters.calls--;
    if (s->spare_count >= SPARE_FLIGHTS) {
        free_flight(f);
        return;
    }
    chain_add_after(&s->spares, &f->link);
    s->spare_count++;
}

/* The call is over. body stays valid until the flight is retired. */
static void tell(struct flight *f, enum verdict verdict, struct slice body) {
    struct http_sink *s = f->sink;
    const struct http_answer *a = f->reply == NULL ? NULL : &f->reply->answer;
    struct outcome o = { .transaction = f->call.transaction,
                         .branch = f->call.branch,
                         .role = f->call.role,
                         .verdict = (uint8_t)verdict,
                         .attempt = f->call.attempt,
                         .http = a == NULL ? 0 : a->response.status,
                         .retry_after_ms = a == NULL ? 0 : a->retry_after_ms,
                         .took_ms = (uint32_t)(loop_now_ms(s->loop) - f->begun_ms),
                         .body = body };
    assert(f->connection == NULL);
    timer_stop(&f->timer);
    s->counters.outcomes[verdict]++;
    s->options.on_outcome(s->options.context, &o);
    retire(f);
}

static void tell_sentence(struct flight *f, enum verdict verdict) {
    tell(f, verdict, slice_text(f->sentence));
}

__attribute__((format(printf, 2, 3))) static void say(struct flight *f, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(f->sentence, sizeof f->sentence, format, arguments);
    va_end(arguments);
}

/* Tell in the next round, since nobody expects an outcome while sending. */
static void tell_soon(struct flight *f, enum verdict verdict) {
    f->stage = STAGE_FAILED;
    f->verdict = (uint8_t)verdict;
    timer_start(&f->timer, 0);
}

static void host_failed(struct flight *f) {
    http_hosts_failed(&f->sink->hosts, f->host, loop_now_ms(f->sink->loop));
}

static void host_answered(struct flight *f) {
    http_hosts_answered(&f->sink->hosts, f->host, loop_now_ms(f->sink->loop));
}

/* The answer is here, or as much of it as there will be. A check-back is decided by its words, so one that
 * was cut decides nothing. */
static void tell_answer(struct flight *f) {
    const struct http_answer *a = &f->reply->answer;
    const char *words = NULL;
    if (!check_answer_is_for(&f->call)) {
        tell(f, http_answer_verdict(a->response.status), a->text);
        return;
    }
    enum verdict verdict =
        check_answer_verdict(a->response.status, a->complete ? a->text : SLICE_NONE, &words);
    tell(f, verdict, verdict == VERDICT_UNKNOWN && words != NULL ? slice_text(words) : a->text);
}

/* Answers. */

static void ignore_bytes(void *context, struct slice bytes) {
    (void)context;
    (void)bytes;
}

static void ignore_end(void *context, int code, const char *sentence) {
    (void)context;
    (void)code;
    (void)sentence;
}

/* For a connection whose flight is over. */
static const struct connection_events ignoring = { .received = ignore_bytes, .closed = ignore_end };

static void close_connection(struct flight *f) {
    struct connection *c = f->connection;
    f->connection = NULL;
    connection_use(c, &ignoring, NULL);
    connection_close(c);
    pool_drop(f->host->endpoint);
}

/* The status is known, and as much of the body as is wanted: hand the connection back, then tell. */
static void finish(struct flight *f) {
    const struct http_answer *a = &f->reply->answer;
    struct connection *c = f->connection;
    host_answered(f);
    if (http_answer_keeps_alive(a) && connection_open(c) && connection_queued(c) == 0) {
        f->connection = NULL;
        pool_give_back(f->host->endpoint, c);
    } else {
        close_connection(f);
    }
    tell_answer(f);
}

static void on_received(void *context, struct slice bytes) {
    struct flight *f = context;
    struct http_answer *a = &f->reply->answer;
    int code = http_answer_receive(a, bytes);
    if (code == ERR_MORE) {
        connection_acknowledge(f->connection);
        return;
    }
    if (a->decided) { /* also when there is no memory for the body */
        finish(f);
        return;
    }
    if (a->fault != NULL)
        say(f, "%.*s answered something that is not HTTP/1.1: %s", SLICE_PRINT(f->url.authority), a->fault);
    else
        say(f, "no memory for the answer of %.*s", SLICE_PRINT(f->url.authority));
    host_answered(f); /* it can be reached, which is all that the breaker asks */
    close_connection(f);
    tell_sentence(f, VERDICT_UNKNOWN);
}

/* The connection is gone, and with it the rest of the answer. */
static void on_closed(void *context, int code, const char *sentence) {
    struct flight *f = context;
    struct http_answer *a = &f->reply->answer;
    (void)code;
    f->connection = NULL;
    pool_drop(f->host->endpoint);
    http_answer_end(a);
    if (a->decided) {
        host_answered(f);
        tell_answer(f);
        return;
    }
    say(f, "connection closed %s by %.*s: %s", a->started ? "in the middle of an answer" : "before an answer",
        SLICE_PRINT(f->url.authority), sentence);
    tell_sentence(f, f->reused && !a->started ? VERDICT_STALE : VERDICT_UNKNOWN);
}

static const struct connection_events answering = { .received = on_received, .closed = on_closed };

/* Sending. */

static struct reply *new_reply(struct http_sink *s) {
    struct reply *r;
    if (!chain_empty(&s->replies)) {
        r = CHAIN_OWNER(s->replies.next, struct reply, link);
        chain_remove(&r->link);
    } else {
        r = calloc(1, sizeof *r);
        if (r == NULL)
            return NULL;
        http_answer_init(&r->answer);
    }
    http_answer_begin(&r->answer, loop_wall_ms(s->loop));
    return r;
}

static int write_request(struct flight *f) {
    struct http_sink *s = f->sink;
    const struct signer *signer =
        f->call.signer.length == 0 ? NULL : signers_find(&s->signers, f->call.signer);
    if (signer == NULL && f->call.signer.length > 0)
        return ERR_NOT_FOUND; /* never signed with another's secret */
    return http_request_write(&s->out, &f->call, &f->url, signer == NULL ? s->secrets : signer->secrets,
                              signer == NULL ? s->secret_count : signer->count, loop_wall_ms(s->loop));
}

/* Head and body in one write. */
static void send_on(struct flight *f, struct connection *c, bool reused) {
    struct http_sink *s = f->sink;
    f->connection = c;
    f->reused = reused;
    connection_use(c, &answering, f);
    f->reply = new_reply(s);
    buffer_clear(&s->out);
    bool copied = f->call.body.length <= COPIED_BODY_BYTES;
    int code = ERR_MEMORY;
    if (f->reply != NULL)
        code = write_request(f);
    if (code == 0 && copied) {
        buffer_add_slice(&s->out, f->call.body);
        code = buffer_failed(&s->out);
    }
    if (code < 0) {
        close_connection(f);
        if (code == ERR_NOT_FOUND)
            say(f, "there is no secret of %.*s to sign the request with", SLICE_PRINT(f->call.signer));
        else
            say(f, "the request to %.*s cannot be written: %s", SLICE_PRINT(f->url.authority),
                err_text(code));
        tell_soon(f, VERDICT_NOT_SENT);
        return;
    }
    f->stage = STAGE_SENT;
    const struct slice parts[2] = { buffer_slice(&s->out), f->call.body };
    (void)connection_send(c, parts, copied ? 1 : 2); /* when it fails, on_closed tells */
}

static void on_given(struct pool_want *want, struct connection *c, bool reused) {
    struct flight *f = CHAIN_OWNER(want, struct flight, want);
    f->sink->counters.waiting--;
    send_on(f, c, reused);
}

static void on_failed(struct pool_want *want, int code, const struct why *why) {
    struct flight *f = CHAIN_OWNER(want, struct flight, want);
    f->sink->counters.waiting--;
    say(f, "%s", why->text);
    if (code != ERR_DENIED && code != ERR_MEMORY)
        host_failed(f);
    tell_sentence(f, code == ERR_DENIED ? VERDICT_FORBIDDEN : VERDICT_UNKNOWN);
}

/* The timeout of a call, or the moment to tell a failure. */
static void on_timer(void *context) {
    struct flight *f = context;
    struct http_sink *s = f->sink;
    switch (f->stage) {
    case STAGE_FAILED:
        tell_sentence(f, f->verdict);
        return;
    case STAGE_QUEUED:
        pool_cancel(&f->want);
        s->counters.waiting--;
        if (pool_is_connecting(f->host->endpoint)) {
            host_failed(f);
            say(f, "no connection to %.*s within %u ms; nothing was sent", SLICE_PRINT(f->url.authority),
                f->call.timeout_ms);
        } else {
            say(f, "no connection to %.*s became free within %u ms; nothing was sent",
                SLICE_PRINT(f->url.authority), f->call.timeout_ms);
        }
        tell_sentence(f, VERDICT_NOT_SENT);
        return;
    default:
        http_answer_end(&f->reply->answer);
        if (f->reply->answer.decided) {
            finish(f);
            return;
        }
        s->counters.timeouts++;
        host_failed(f);
        close_connection(f);
        say(f, "no answer from %.*s within %u ms", SLICE_PRINT(f->url.authority), f->call.timeout_ms);
        tell_sentence(f, VERDICT_UNKNOWN);
    }
}

/* May this call be made? 0, or what it is instead, with a sentence. */
static enum verdict admit(struct flight *f) {
    struct http_sink *s = f->sink;
    struct why why = { "" };
    f->url.authority = SLICE_NONE;
    if (url_decode(f->call.url, &f->url, &why) < 0 ||
        egress_judge_url(s->options.egress, &f->url, &why) == EGRESS_REFUSED) {
        say(f, "%s", why.text);
        return VERDICT_FORBIDDEN;
    }
    if (f->url.secure && s->options.tls == NULL) {
        say(f, "%.*s wants https, which is not set up here", SLICE_PRINT(f->url.authority));
        return VERDICT_UNKNOWN;
    }
    f->host = http_hosts_find(&s->hosts, &f->url, loop_now_ms(s->loop));
    if (f->host == NULL) {
        say(f, "no memory for one more host");
        return VERDICT_NOT_SENT;
    }
    f->host->calls++;
    if (!breaker_allows(&f->host->breaker, loop_now_ms(s->loop))) {
        s->counters.breaker_refusals++;
        say(f, "%.*s could not be reached lately and is only probed, so this call was not made",
            SLICE_PRINT(f->url.authority));
        return VERDICT_NOT_SENT;
    }
    return VERDICT_NONE;
}

void http_sink_send(struct http_sink *s, const struct call *call) {
    struct flight *f = new_flight(s);
    if (f == NULL) { /* the one outcome that cannot wait: there is nothing to keep it in */
        struct outcome o = { .transaction = call->transaction,
                             .branch = call->branch,
                             .role = call->role,
                             .verdict = VERDICT_NOT_SENT,
                             .attempt = call->attempt,
                             .body = SLICE("no memory for one more call") };
        s->counters.outcomes[VERDICT_NOT_SENT]++;
        s->options.on_outcome(s->options.context, &o);
        return;
    }
    f->call = *call;
    f->begun_ms = loop_now_ms(s->loop);
    enum verdict instead = admit(f);
    if (instead != VERDICT_NONE) {
        tell_soon(f, instead);
        return;
    }
    timer_start(&f->timer, call->timeout_ms);
    struct connection *c;
    int code = pool_take(f->host->endpoint, &f->want, &c);
    if (code == 0) {
        send_on(f, c, true);
    } else if (code == ERR_AGAIN) {
        f->stage = STAGE_QUEUED;
        s->counters.waiting++;
    } else {
        say(f, "no memory to connect to %.*s", SLICE_PRINT(f->url.authority));
        tell_soon(f, VERDICT_NOT_SENT);
    }
}

/* Around. */

/* Every address that a name resolved to, before anything is sent there. */
static int judge(void *context, const char *host, uint16_t port, const struct sockaddr *at, struct why *why) {
    const struct http_sink *s = context;
    return socket_address_judge(s->options.egress, host, port, at, why);
}

int http_sink_open(struct http_sink **out, struct loop *loop, const struct http_sink_options *options,
                   struct why *why) {
    assert(options->egress != NULL);
    assert(options->on_outcome != NULL);
    struct http_sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the HTTP sink");
    s->loop = loop;
    s->options = *options;
    struct pool_options pool = {
        .max = options->calls == 0 ? LIMIT_CALLS : options->calls,
        .max_per_host = options->calls_per_host == 0 ? LIMIT_CALLS_PER_HOST : options->calls_per_host,
        .connect_ms = options->connect_ms == 0 ? LIMIT_CONNECT_MS : options->connect_ms,
        .tls = options->tls,
        .judge = judge,
        .context = s
    };
    int code = pool_new(&s->pool, loop, &pool);
    if (code < 0) {
        free(s);
        return why_set(why, code, "no memory for the HTTP sink");
    }
    http_hosts_init(&s->hosts, s->pool, random_u64(loop_random(loop)));
    signers_init(&s->signers, random_u64(loop_random(loop)));
    chain_init(&s->flights);
    chain_init(&s->spares);
    chain_init(&s->replies);
    buffer_init(&s->out, HEAD_BYTES + COPIED_BODY_BYTES);
    *out = s;
    return 0;
}

/* First whoever waits, so that no connection that is closed after them goes to one of them. */
static void abandon_flights(struct http_sink *s, enum stage stage) {
    struct chain *link = s->flights.next;
    while (link != &s->flights) {
        struct flight *f = CHAIN_OWNER(link, struct flight, link);
        link = link->next;
        if ((f->stage == STAGE_SENT) != (stage == STAGE_SENT))
            continue;
        pool_cancel(&f->want);
        if (f->connection != NULL)
            close_connection(f);
        retire(f);
    }
}

void http_sink_close(struct http_sink *s) {
    if (s == NULL)
        return;
    abandon_flights(s, STAGE_QUEUED);
    abandon_flights(s, STAGE_SENT);
    while (!chain_empty(&s->spares)) {
        struct flight *f = CHAIN_OWNER(s->spares.next, struct flight, link);
        chain_remove(&f->link);
        free_flight(f);
    }
    while (!chain_empty(&s->replies)) {
        struct reply *r = CHAIN_OWNER(s->replies.next, struct reply, link);
        chain_remove(&r->link);
        http_answer_done(&r->answer);
        free(r);
    }
    http_hosts_done(&s->hosts);
    pool_free(s->pool);
    buffer_done(&s->out);
    signature_wipe(s->secrets, SIGNATURE_SECRETS);
    signers_done(&s->signers);
    free(s);
}

void http_sink_set_secrets(struct http_sink *s, const struct signature_secret *secrets, size_t count) {
    assert(count <= SIGNATURE_SECRETS);
    signature_wipe(s->secrets, SIGNATURE_SECRETS);
    if (count > 0)
        memcpy(s->secrets, secrets, count * sizeof *secrets);
    s->secret_count = count;
}

int http_sink_set_signer(struct http_sink *s, struct slice signer, const struct signature_secret *secrets,
                         size_t count) {
    return signers_set(&s->signers, signer, secrets, count);
}

void http_sink_set_egress(struct http_sink *s, const struct egress *egress) {
    s->options.egress = egress;
    pool_close_idle(s->pool);
}

struct http_sink_counters http_sink_counters(const struct http_sink *s) {
    struct http_sink_counters c = s->counters;
    const struct pool_counters *p = pool_counters(s->pool);
    c.hosts = s->hosts.count;
    c.hosts_open = s->hosts.open;
    c.breaker_openings = s->hosts.openings;
    c.connections_busy = p->lent;
    c.connections_idle = p->idle;
    c.connections_made = p->dialled - p->dial_failures;
    c.connections_reused = p->reused;
    return c;
}

void http_sink_open_hosts(const struct http_sink *s, void (*visit)(void *context, struct slice host),
                          void *context) {
    for (const struct chain *link = s->hosts.by_use.next; link != &s->hosts.by_use; link = link->next) {
        const struct http_host *h = CHAIN_OWNER(link, const struct http_host, link);
        char text[POOL_HOST_BYTES + 8];
        if (!h->breaker.open)
            continue;
        int length = snprintf(text, sizeof text, "%s:%u", h->name, h->port);
        visit(context, slice_of(text, (size_t)length));
    }
}
