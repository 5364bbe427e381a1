#include "sink/rabbitmq/rabbitmq_sink.h"

#include "sink/rabbitmq/rabbitmq_target.h"

#ifndef SETTLE_WITH_RABBITMQ

static int not_here(struct why *why) {
    return why_set(why, ERR_UNSUPPORTED,
                   "this settled was built without RabbitMQ: install librabbitmq-dev and build it again");
}

int rabbitmq_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                       struct why *why) {
    (void)out;
    (void)loop;
    (void)options;
    return not_here(why);
}

int rabbitmq_sink_check(const struct sink_target *t, struct why *why) {
    (void)t;
    return not_here(why);
}

const char *rabbitmq_sink_library(void) {
    return NULL;
}

#else

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "net/loop.h"
#include "net/timer.h"
#include "net/tls.h"
#include "sink/rabbitmq/rabbitmq_session.h"
#include "sink/rabbitmq/rabbitmq_worker.h"

/* Structs kept for the next calls. */
#define SPARE_FLIGHTS 4096
#define WATCH_MS 250
#define IDLE_MS 60000
#define SECRET_BYTES 4096

struct broker {
    struct chain link;
    struct rabbitmq_worker *worker;
    size_t flights; /* given to the worker */
    uint64_t used_ms;
    bool stopping; /* takes no more calls; freed when its thread has ended */
};

struct rabbitmq_sink {
    struct sink head;
    struct loop *loop;
    struct sink_options options;
    struct broker_judge judge;
    struct chain brokers;
    size_t broker_count;
    struct chain spares;
    size_t spare_count;
    struct chain told_soon; /* flights that never came to a worker */
    struct buffer line;
    struct timer timer;
    uv_async_t async; /* a worker, or told_soon, has something */
};

static void on_notify(void *context) {
    uv_async_send(context);
}

/* Flights. */

static struct rabbitmq_flight *new_flight(struct rabbitmq_sink *s) {
    struct rabbitmq_flight *f;
    if (chain_empty(&s->spares))
        return calloc(1, sizeof *f);
    f = CHAIN_OWNER(s->spares.next, struct rabbitmq_flight, link);
    chain_remove(&f->link);
    s->spare_count--;
    return f;
}

static void retire(struct rabbitmq_sink *s, struct rabbitmq_flight *f) {
    if (s->spare_count >= SPARE_FLIGHTS) {
        free(f);
        return;
    }
    chain_add_after(&s->spares, &f->link);
    s->spare_count++;
}

static void tell(struct rabbitmq_sink *s, struct rabbitmq_flight *f) {
    const struct outcome o = {
        .transaction = f->call.transaction,
        .branch = f->call.branch,
        .role = f->call.role,
        .verdict = f->verdict,
        .attempt = f->call.attempt,
        .took_ms = (uint32_t)(loop_now_ms(s->loop) - f->begun_ms),
        .body = f->verdict == VERDICT_DONE ? SLICE_NONE : slice_text(f->sentence),
    };
    s->options.on_outcome(s->options.context, &o);
    retire(s, f);
}

static void tell_all(struct rabbitmq_sink *s, struct chain *flights) {
    while (!chain_empty(flights)) {
        struct rabbitmq_flight *f = CHAIN_OWNER(flights->next, struct rabbitmq_flight, link);
        chain_remove(&f->link);
        tell(s, f);
    }
}

static void tell_soon(struct rabbitmq_sink *s, struct rabbitmq_flight *f, enum verdict verdict,
                      const char *sentence) {
    size_t length = strnlen(sentence, sizeof f->sentence - 1);
    f->verdict = (uint8_t)verdict;
    memcpy(f->sentence, sentence, length);
    f->sentence[length] = '\0';
    chain_add_last(&s->told_soon, &f->link);
    uv_async_send(&s->async);
}

/* Brokers. */

static struct broker *find_broker(struct rabbitmq_sink *s, struct slice line) {
    for (struct chain *link = s->brokers.next; link != &s->brokers; link = link->next) {
        struct broker *b = CHAIN_OWNER(link, struct broker, link);
        if (!b->stopping && slice_equal(rabbitmq_worker_line(b->worker), line))
            return b;
    }
    return NULL;
}

static void stop_idle(struct rabbitmq_sink *s, uint64_t idle_ms) {
    uint64_t now_ms = loop_now_ms(s->loop);
    for (struct chain *link = s->brokers.next; link != &s->brokers; link = link->next) {
        struct broker *b = CHAIN_OWNER(link, struct broker, link);
        if (b->flights > 0 || b->stopping || now_ms - b->used_ms < idle_ms)
            continue;
        b->stopping = true;
        rabbitmq_worker_stop(b->worker);
    }
}

static struct broker *new_broker(struct rabbitmq_sink *s, struct slice line, struct why *why) {
    if (s->broker_count >= RABBITMQ_SINK_BROKERS) {
        stop_idle(s, 0);
        why_set(why, ERR_LIMIT,
                "more than %d RabbitMQ brokers (user, hosts, vhost) at a time; nothing was sent",
                RABBITMQ_SINK_BROKERS);
        return NULL;
    }
    struct broker *b = calloc(1, sizeof *b);
    const struct rabbitmq_worker_options options = {
        .line = line,
        .judge = &s->judge,
        .have_tls = s->options.tls != NULL,
        .ca = s->options.tls == NULL ? NULL : tls_ca(s->options.tls),
        .connect_ms = s->options.connect_ms == 0 ? LIMIT_CONNECT_MS : s->options.connect_ms,
        .notify = on_notify,
        .context = &s->async,
    };
    if (b == NULL || rabbitmq_worker_start(&b->worker, &options, why) < 0) {
        free(b);
        return NULL;
    }
    chain_add_last(&s->brokers, &b->link);
    s->broker_count++;
    return b;
}

static void free_broker(struct rabbitmq_sink *s, struct broker *b) {
    struct chain left;
    chain_init(&left);
    rabbitmq_worker_free(b->worker, &left);
    while (!chain_empty(&left)) {
        struct rabbitmq_flight *f = CHAIN_OWNER(left.next, struct rabbitmq_flight, link);
        chain_remove(&f->link);
        retire(s, f);
    }
    chain_remove(&b->link);
    s->broker_count--;
    free(b);
}

static void answer_secret(struct rabbitmq_sink *s, struct broker *b, struct slice file) {
    struct buffer secret;
    struct why why = { "" };
    buffer_init(&secret, SECRET_BYTES);
    int code =
        s->options.secret == NULL
            ? why_set(&why, ERR_DENIED, "no secret files are set up, so %.*s is not read", SLICE_PRINT(file))
            : s->options.secret(s->options.context, file, &secret, &why);
    rabbitmq_worker_secret(b->worker, code, buffer_slice(&secret), &why);
    if (secret.at != NULL)
        explicit_bzero(secret.at, secret.capacity);
    buffer_done(&secret);
}

/* Everything that workers have for the loop. */
static void on_async(uv_async_t *async) {
    struct rabbitmq_sink *s = async->data;
    struct chain done;
    chain_init(&done);
    struct chain *link = s->brokers.next;
    while (link != &s->brokers) {
        struct broker *b = CHAIN_OWNER(link, struct broker, link);
        link = link->next;
        b->flights -= rabbitmq_worker_take(b->worker, &done);
        struct slice file = rabbitmq_worker_wants_secret(b->worker);
        if (file.length > 0)
            answer_secret(s, b, file);
        if (b->stopping && rabbitmq_worker_ended(b->worker))
            free_broker(s, b);
    }
    while (!chain_empty(&s->told_soon)) {
        struct chain *first = s->told_soon.next;
        chain_remove(first);
        chain_add_last(&done, first);
    }
    tell_all(s, &done);
}

/* While there are brokers. */
static void on_timer(void *context) {
    struct rabbitmq_sink *s = context;
    bool busy = false;
    for (struct chain *link = s->brokers.next; link != &s->brokers; link = link->next) {
        struct broker *b = CHAIN_OWNER(link, struct broker, link);
        busy |= b->flights > 0;
        if (b->flights > 0)
            rabbitmq_worker_watch(b->worker);
    }
    stop_idle(s, IDLE_MS);
    if (s->broker_count > 0)
        timer_start(&s->timer, busy ? WATCH_MS : IDLE_MS);
}

/* The operations. */

static void fill(struct rabbitmq_sink *s, struct rabbitmq_flight *f, const struct call *call) {
    *f = (struct rabbitmq_flight){ .call = *call,
                                   .due_ms = broker_now_ms() + call->timeout_ms,
                                   .begun_ms = loop_now_ms(s->loop) };
    if (call->message != NULL) {
        f->message = *call->message;
        f->call.message = &f->message;
    }
}

static void carry(struct sink *sink, const struct call *call, const struct sink_target *target) {
    struct rabbitmq_sink *s = (struct rabbitmq_sink *)sink;
    struct why why = { "" };
    struct rabbitmq_flight *f = new_flight(s);
    if (f == NULL) {
        broker_no_memory(&s->options, call);
        return;
    }
    fill(s, f, call);
    int code = rabbitmq_route(target, &f->route, &why);
    if (code == 0 && call->message == NULL)
        code = why_set(&why, ERR_INVALID, "only messages can be delivered into RabbitMQ; nothing was sent");
    buffer_clear(&s->line);
    rabbitmq_broker_line(&s->line, target);
    if (code == 0)
        code = buffer_failed(&s->line);
    struct broker *b = code == 0 ? find_broker(s, buffer_slice(&s->line)) : NULL;
    if (code == 0 && b == NULL)
        b = new_broker(s, buffer_slice(&s->line), &why);
    if (b == NULL) {
        tell_soon(s, f, VERDICT_NOT_SENT, why.text[0] == '\0' ? err_text(code) : why.text);
        return;
    }
    b->used_ms = loop_now_ms(s->loop);
    b->flights++;
    if (b->flights == 1)
        timer_start(&s->timer, WATCH_MS);
    rabbitmq_worker_give(b->worker, f);
}

static void set_egress(struct sink *sink, const struct egress *egress) {
    struct rabbitmq_sink *s = (struct rabbitmq_sink *)sink;
    broker_judge_set(&s->judge, egress);
    for (struct chain *link = s->brokers.next; link != &s->brokers; link = link->next)
        rabbitmq_worker_rejudge(CHAIN_OWNER(link, struct broker, link)->worker);
}

static void drop_flights(struct chain *flights) {
    while (!chain_empty(flights)) {
        struct rabbitmq_flight *f = CHAIN_OWNER(flights->next, struct rabbitmq_flight, link);
        chain_remove(&f->link);
        free(f);
    }
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void shut(struct sink *sink) {
    struct rabbitmq_sink *s = (struct rabbitmq_sink *)sink;
    for (struct chain *link = s->brokers.next; link != &s->brokers; link = link->next)
        rabbitmq_worker_stop(CHAIN_OWNER(link, struct broker, link)->worker);
    while (!chain_empty(&s->brokers))
        free_broker(s, CHAIN_OWNER(s->brokers.next, struct broker, link));
    drop_flights(&s->told_soon);
    drop_flights(&s->spares);
    timer_done(&s->timer);
    buffer_done(&s->line);
    broker_judge_done(&s->judge);
    uv_close((uv_handle_t *)&s->async, on_closed);
}

int rabbitmq_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                       struct why *why) {
    static const char *const schemes[] = { "rabbitmq", "rabbitmqs", NULL };
    static const struct sink_ops ops = {
        .schemes = schemes, .send = carry, .set_egress = set_egress, .close = shut
    };
    assert(options->egress != NULL);
    assert(options->on_outcome != NULL);
    struct rabbitmq_sink *s = calloc(1, sizeof *s);
    if (s == NULL || timer_init(&s->timer, loop, on_timer, s) < 0 ||
        uv_async_init(loop_uv(loop), &s->async, on_async) < 0) {
        if (s != NULL)
            timer_done(&s->timer);
        free(s);
        return why_set(why, ERR_MEMORY, "no memory for the RabbitMQ sink");
    }
    s->head.ops = &ops;
    s->loop = loop;
    s->options = *options;
    s->async.data = s;
    broker_judge_init(&s->judge, options->egress);
    chain_init(&s->brokers);
    chain_init(&s->spares);
    chain_init(&s->told_soon);
    buffer_init(&s->line, 2 * LIMIT_URL_BYTES);
    *out = &s->head;
    return 0;
}

int rabbitmq_sink_check(const struct sink_target *t, struct why *why) {
    struct rabbitmq_route route;
    return rabbitmq_route(t, &route, why);
}

const char *rabbitmq_sink_library(void) {
    return rabbitmq_session_library();
}

#endif
