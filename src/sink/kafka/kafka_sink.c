#include "sink/kafka/kafka_sink.h"

#include "sink/kafka/kafka_target.h"

#ifndef SETTLE_WITH_KAFKA

static int not_here(struct why *why) {
    return why_set(why, ERR_UNSUPPORTED,
                   "this settled was built without Kafka: install librdkafka-dev and build it again");
}

int kafka_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                    struct why *why) {
    (void)out;
    (void)loop;
    (void)options;
    return not_here(why);
}

int kafka_sink_check(const struct sink_target *t, struct why *why) {
    (void)t;
    return not_here(why);
}

const char *kafka_sink_library(void) {
    return NULL;
}

#else

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "base/limits.h"
#include "net/loop.h"
#include "net/timer.h"
#include "net/tls.h"
#include "sink/kafka/kafka_producer.h"

#define SPARE_FLIGHTS 4096
#define IDLE_MS 60000
#define SECRET_BYTES 4096

/* One message on its way. */
struct flight {
    struct chain link; /* in the sink's flights, told_soon or spares */
    struct cluster *cluster;
    struct outcome outcome; /* whose it is; verdict and body are set when it is told soon */
    uint64_t begun_ms;
    char sentence[300];
};

/* A producer and the targets' line that it serves. */
struct cluster {
    struct chain link;
    struct kafka_sink *sink;
    struct kafka_producer *producer; /* the undertaker's from burial on */
    uv_poll_t *poll;                 /* frees itself when it is closed */
    uint32_t timeout_ms;
    size_t flights;
    uint64_t used_ms;
    bool retired;  /* takes no more calls; buried when the last is answered */
    bool polling;  /* its reports are being told, so it cannot be buried now */
    bool burying;  /* its undertaker runs */
    bool threaded; /* as a thread, which is to be joined */
    _Atomic bool buried;
    pthread_t undertaker;
    size_t line_length;
    char line[];
};

struct kafka_sink {
    struct sink head;
    struct loop *loop;
    struct sink_options options;
    struct broker_judge judge;
    struct chain clusters;
    size_t cluster_count; /* not retired */
    struct chain flights;
    struct chain told_soon;
    struct chain spares;
    size_t spare_count;
    struct buffer line;
    struct timer timer;
    uv_async_t async; /* something was denied or buried, or is to be told soon */
};

/* Flights. */

static struct flight *new_flight(struct kafka_sink *s, const struct call *call) {
    struct flight *f;
    if (chain_empty(&s->spares)) {
        f = calloc(1, sizeof *f);
        if (f == NULL)
            return NULL;
    } else {
        f = CHAIN_OWNER(s->spares.next, struct flight, link);
        chain_remove(&f->link);
        s->spare_count--;
    }
    f->cluster = NULL;
    f->begun_ms = loop_now_ms(s->loop);
    f->outcome = (struct outcome){
        .transaction = call->transaction, .branch = call->branch, .role = call->role, .attempt = call->attempt
    };
    chain_add_last(&s->flights, &f->link);
    return f;
}

static void tell(struct kafka_sink *s, struct flight *f) {
    struct outcome o = f->outcome;
    o.took_ms = (uint32_t)(loop_now_ms(s->loop) - f->begun_ms);
    s->options.on_outcome(s->options.context, &o);
    chain_remove(&f->link);
    if (s->spare_count >= SPARE_FLIGHTS) {
        free(f);
        return;
    }
    chain_add_after(&s->spares, &f->link);
    s->spare_count++;
}

static void tell_soon(struct kafka_sink *s, struct flight *f, enum verdict verdict, const char *sentence) {
    size_t length = strnlen(sentence, sizeof f->sentence - 1);
    memcpy(f->sentence, sentence, length);
    f->outcome.verdict = (uint8_t)verdict;
    f->outcome.body = slice_of(f->sentence, length);
    chain_remove(&f->link);
    chain_add_last(&s->told_soon, &f->link);
    uv_async_send(&s->async);
}

static void on_report(void *context, const struct kafka_report *report) {
    struct cluster *c = context;
    struct flight *f = report->flight;
    assert(f->cluster == c);
    c->flights--;
    c->used_ms = loop_now_ms(c->sink->loop);
    f->outcome.verdict = (uint8_t)report->verdict;
    f->outcome.body = slice_text(report->sentence);
    tell(c->sink, f);
}

/* The end of a producer. */

static void *undertake(void *context) {
    struct cluster *c = context;
    uv_async_t *async = &c->sink->async;
    kafka_producer_close(c->producer);
    atomic_store(&c->buried, true);
    uv_async_send(async);
    return NULL;
}

static void on_poll_closed(uv_handle_t *handle) {
    free(handle);
}

/* librdkafka ends its threads before it lets go, which is not for the loop to wait for. */
static void bury(struct cluster *c) {
    assert(!c->burying);
    assert(!c->polling); /* librdkafka would be freed under its own poll */
    c->burying = true;
    uv_close((uv_handle_t *)c->poll, on_poll_closed);
    c->threaded = broker_thread(&c->undertaker, undertake, c) == 0;
    if (!c->threaded)
        undertake(c);
}

static void retire(struct cluster *c) {
    if (!c->retired)
        c->sink->cluster_count--;
    c->retired = true;
    if (c->flights == 0 && !c->polling && !c->burying)
        bury(c);
}

static void remove_cluster(struct cluster *c) {
    if (c->threaded)
        pthread_join(c->undertaker, NULL);
    chain_remove(&c->link);
    free(c);
}

static void retire_idle(struct kafka_sink *s, uint64_t idle_ms) {
    uint64_t now_ms = loop_now_ms(s->loop);
    for (struct chain *link = s->clusters.next; link != &s->clusters; link = link->next) {
        struct cluster *c = CHAIN_OWNER(link, struct cluster, link);
        if (!c->retired && c->flights == 0 && now_ms - c->used_ms >= idle_ms)
            retire(c);
    }
}

/* Producers. */

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct cluster *c = poll->data;
    struct why why;
    (void)status;
    (void)events;
    c->polling = true;
    kafka_producer_poll(c->producer);
    c->polling = false;
    if (!c->retired && kafka_producer_fatal(c->producer, &why)) {
        kafka_producer_purge(c->producer);
        retire(c);
    } else if (c->retired && c->flights == 0) {
        bury(c);
    }
}

static void on_denied(void *context) {
    struct cluster *c = context;
    uv_async_send(&c->sink->async);
}

static struct cluster *find_cluster(struct kafka_sink *s, struct slice line, uint32_t timeout_ms) {
    for (struct chain *link = s->clusters.next; link != &s->clusters; link = link->next) {
        struct cluster *c = CHAIN_OWNER(link, struct cluster, link);
        if (!c->retired && c->timeout_ms == timeout_ms &&
            slice_equal(slice_of(c->line, c->line_length), line))
            return c;
    }
    return NULL;
}

static int open_producer(struct cluster *c, const struct sink_target *target, struct why *why) {
    struct kafka_sink *s = c->sink;
    struct slice file = sink_target_value(target, "password_file");
    struct buffer secret;
    int code = 0;
    if (kafka_is_secure(target) && s->options.tls == NULL)
        return why_set(why, ERR_UNSUPPORTED, "TLS is not set up here, so kafkas targets cannot be reached");
    buffer_init(&secret, SECRET_BYTES);
    if (file.length > 0)
        code = s->options.secret == NULL
                   ? why_set(why, ERR_DENIED, "no secret files are set up, so %.*s is not read",
                             SLICE_PRINT(file))
                   : s->options.secret(s->options.context, file, &secret, why);
    const struct kafka_producer_options options = {
        .target = target,
        .password = buffer_slice(&secret),
        .ca = s->options.tls == NULL ? NULL : tls_ca(s->options.tls),
        .timeout_ms = c->timeout_ms,
        .connect_ms = s->options.connect_ms == 0 ? LIMIT_CONNECT_MS : s->options.connect_ms,
        .judge = &s->judge,
        .on_report = on_report,
        .on_denied = on_denied,
        .context = c,
    };
    if (code == 0)
        code = kafka_producer_open(&c->producer, &options, why);
    if (secret.at != NULL)
        explicit_bzero(secret.at, secret.capacity);
    buffer_done(&secret);
    return code;
}

static int watch(struct cluster *c, struct why *why) {
    c->poll = calloc(1, sizeof *c->poll);
    if (c->poll == NULL ||
        uv_poll_init(loop_uv(c->sink->loop), c->poll, kafka_producer_descriptor(c->producer)) < 0) {
        free(c->poll);
        kafka_producer_close(c->producer);
        return why_set(why, ERR_MEMORY, "no memory for a Kafka producer");
    }
    c->poll->data = c;
    uv_poll_start(c->poll, UV_READABLE, on_readable);
    return 0;
}

static int new_cluster(struct cluster **out, struct kafka_sink *s, struct slice line, const struct call *call,
                       const struct sink_target *target, struct why *why) {
    if (s->cluster_count >= KAFKA_SINK_PRODUCERS)
        retire_idle(s, 0);
    if (s->cluster_count >= KAFKA_SINK_PRODUCERS)
        return why_set(why, ERR_LIMIT,
                       "more than %d Kafka producers (user, hosts, timeout) at a time; nothing was sent",
                       KAFKA_SINK_PRODUCERS);
    struct cluster *c = calloc(1, sizeof *c + line.length);
    if (c == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a Kafka producer");
    c->sink = s;
    c->timeout_ms = call->timeout_ms;
    c->line_length = line.length;
    memcpy(c->line, line.at, line.length);
    int code = open_producer(c, target, why);
    if (code == 0)
        code = watch(c, why);
    if (code < 0) {
        free(c);
        return code;
    }
    chain_add_last(&s->clusters, &c->link);
    if (++s->cluster_count == 1)
        timer_start(&s->timer, IDLE_MS);
    *out = c;
    return 0;
}

static int produce(struct kafka_sink *s, struct flight *f, const struct call *call,
                   const struct sink_target *target, struct why *why) {
    const struct kafka_message m = {
        .topic = target->path.length > 0 ? target->path : call->message->topic,
        .body = call->body,
        .gid = call->gid,
        .message = call->message,
    };
    int code = kafka_topic_check(m.topic, why);
    buffer_clear(&s->line);
    kafka_cluster_line(&s->line, target);
    if (code == 0)
        code = buffer_failed(&s->line);
    for (int tries = 2; tries > 0 && code == 0; tries--) {
        struct cluster *c = find_cluster(s, buffer_slice(&s->line), call->timeout_ms);
        if (c == NULL)
            code = new_cluster(&c, s, buffer_slice(&s->line), call, target, why);
        if (code < 0)
            return code;
        code = kafka_producer_send(c->producer, &m, f, why);
        if (code == 0) {
            f->cluster = c;
            c->flights++;
            return 0;
        }
        if (code != ERR_CLOSED)
            return code;
        kafka_producer_purge(c->producer); /* it has ended; another takes over */
        retire(c);
        if (tries > 1)
            code = 0;
    }
    return code;
}

/* The operations. */

static void carry(struct sink *sink, const struct call *call, const struct sink_target *target) {
    struct kafka_sink *s = (struct kafka_sink *)sink;
    struct why why = { "" };
    struct flight *f = new_flight(s, call);
    if (f == NULL) {
        broker_no_memory(&s->options, call);
        return;
    }
    int code = kafka_target_check(target, &why);
    if (code == 0 && call->message == NULL)
        code = why_set(&why, ERR_INVALID, "only messages can be delivered into Kafka; nothing was sent");
    if (code == 0)
        code = produce(s, f, call, target, &why);
    if (code < 0)
        tell_soon(s, f, code == ERR_UNSUPPORTED ? VERDICT_UNKNOWN : VERDICT_NOT_SENT,
                  why.text[0] == '\0' ? err_text(code) : why.text);
}

static void on_async(uv_async_t *async) {
    struct kafka_sink *s = async->data;
    struct chain *link = s->clusters.next;
    while (link != &s->clusters) {
        struct cluster *c = CHAIN_OWNER(link, struct cluster, link);
        link = link->next;
        if (c->burying && atomic_load(&c->buried))
            remove_cluster(c);
        else if (!c->burying && c->flights > 0 && kafka_producer_denied(c->producer))
            kafka_producer_purge(c->producer);
    }
    struct chain told;
    chain_init(&told);
    while (!chain_empty(&s->told_soon)) {
        struct chain *first = s->told_soon.next;
        chain_remove(first);
        chain_add_last(&told, first);
    }
    while (!chain_empty(&told))
        tell(s, CHAIN_OWNER(told.next, struct flight, link));
}

static void on_timer(void *context) {
    struct kafka_sink *s = context;
    retire_idle(s, IDLE_MS);
    if (s->cluster_count > 0)
        timer_start(&s->timer, IDLE_MS);
}

/* librdkafka cannot be asked to connect anew: other producers take over. */
static void set_egress(struct sink *sink, const struct egress *egress) {
    struct kafka_sink *s = (struct kafka_sink *)sink;
    broker_judge_set(&s->judge, egress);
    for (struct chain *link = s->clusters.next; link != &s->clusters; link = link->next)
        retire(CHAIN_OWNER(link, struct cluster, link));
}

static void drop_flights(struct chain *flights) {
    while (!chain_empty(flights)) {
        struct flight *f = CHAIN_OWNER(flights->next, struct flight, link);
        chain_remove(&f->link);
        free(f);
    }
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void shut(struct sink *sink) {
    struct kafka_sink *s = (struct kafka_sink *)sink;
    for (struct chain *link = s->clusters.next; link != &s->clusters; link = link->next) {
        struct cluster *c = CHAIN_OWNER(link, struct cluster, link);
        if (!c->burying)
            bury(c);
    }
    while (!chain_empty(&s->clusters))
        remove_cluster(CHAIN_OWNER(s->clusters.next, struct cluster, link));
    drop_flights(&s->flights);
    drop_flights(&s->told_soon);
    drop_flights(&s->spares);
    timer_done(&s->timer);
    buffer_done(&s->line);
    broker_judge_done(&s->judge);
    uv_close((uv_handle_t *)&s->async, on_closed);
}

int kafka_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                    struct why *why) {
    static const char *const schemes[] = { "kafka", "kafkas", NULL };
    static const struct sink_ops ops = {
        .schemes = schemes, .send = carry, .set_egress = set_egress, .close = shut
    };
    assert(options->egress != NULL);
    assert(options->on_outcome != NULL);
    struct kafka_sink *s = calloc(1, sizeof *s);
    if (s == NULL || timer_init(&s->timer, loop, on_timer, s) < 0 ||
        uv_async_init(loop_uv(loop), &s->async, on_async) < 0) {
        if (s != NULL)
            timer_done(&s->timer);
        free(s);
        return why_set(why, ERR_MEMORY, "no memory for the Kafka sink");
    }
    s->head.ops = &ops;
    s->loop = loop;
    s->options = *options;
    s->async.data = s;
    broker_judge_init(&s->judge, options->egress);
    chain_init(&s->clusters);
    chain_init(&s->flights);
    chain_init(&s->told_soon);
    chain_init(&s->spares);
    buffer_init(&s->line, 2 * LIMIT_URL_BYTES);
    *out = &s->head;
    return 0;
}

int kafka_sink_check(const struct sink_target *t, struct why *why) {
    return kafka_target_check(t, why);
}

const char *kafka_sink_library(void) {
    return kafka_producer_library();
}

#endif
