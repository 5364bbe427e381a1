#include "sink/rocketmq/rocketmq_sink.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "net/loop.h"
#include "net/timer.h"
#include "sink/rocketmq/rocketmq_session.h"
#include "sink/rocketmq/rocketmq_topic.h"
#include "wire/rocketmq_message.h"
#include "wire/rocketmq_route.h"

#define SPARE_FLIGHTS 1024
/* Twice what a string of properties may have, so that one that is too long is seen as such. */
#define PROPERTIES_ROOM (2 * (ROCKETMQ_PROPERTIES_BYTES + 1))

enum stage {
    STAGE_FAILED, /* its outcome is told in the next round */
    STAGE_ROUTE,  /* waits for the topic's route */
    STAGE_BROKER, /* with the broker's session */
};

/* One call on its way. */
struct flight {
    struct chain link; /* in the sink's flights or spares */
    struct rocketmq_sink *sink;
    struct call call;
    struct rocketmq_topic *topic; /* NULL: none was found */
    struct rocketmq_waiter waiter;
    struct rocketmq_exchange exchange;
    struct timer timer;
    uint64_t begun_ms;
    uint32_t queue;
    uint8_t stage;
    uint8_t verdict; /* of a failed one */
    char broker[ROCKETMQ_BROKER_NAME_BYTES + 1];
    char sentence[512];
};

struct rocketmq_sink {
    struct sink head;
    struct loop *loop;
    struct sink_options options;
    struct rocketmq_sessions *sessions;
    struct rocketmq_topics *topics;
    struct chain flights;
    struct chain spares;
    size_t spare_count;
    struct buffer properties; /* of the message that is being written */
    struct buffer scratch;    /* what is signed, an id, an outcome's body */
    struct rocketmq_sink_counters counters;
};

static void on_timer(void *context);
static void on_route_known(struct rocketmq_waiter *w);
static void on_route_failed(struct rocketmq_waiter *w, int code, const char *sentence);
static int write_message(struct rocketmq_exchange *x, int32_t opaque, struct buffer *to, struct slice *body);
static void on_answered(struct rocketmq_exchange *x, const struct rocketmq_command *answer,
                        struct slice body);
static void on_failed(struct rocketmq_exchange *x, int code, const char *sentence);

/* Flights. */

static void free_flight(struct flight *f) {
    timer_done(&f->timer);
    free(f);
}

static struct flight *new_flight(struct rocketmq_sink *s) {
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
        f->waiter = (struct rocketmq_waiter){ .known = on_route_known, .failed = on_route_failed };
        f->exchange = (struct rocketmq_exchange){ .write = write_message,
                                                  .answered = on_answered,
                                                  .failed = on_failed };
    }
    chain_add_last(&s->flights, &f->link);
    s->counters.calls++;
    return f;
}

static void retire(struct flight *f) {
    struct rocketmq_sink *s = f->sink;
    timer_stop(&f->timer);
    if (f->topic != NULL)
        rocketmq_topic_release(f->topic);
    f->topic = NULL;
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
    struct rocketmq_sink *s = f->sink;
    struct outcome o = { .transaction = f->call.transaction,
                         .branch = f->call.branch,
                         .role = f->call.role,
                         .verdict = (uint8_t)verdict,
                         .attempt = f->call.attempt,
                         .took_ms = (uint32_t)(loop_now_ms(s->loop) - f->begun_ms),
                         .body = body };
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

/* The message. */

/* The producer's id; for a call that is no delivery, what its Idempotency-Key would be. */
static struct slice message_id(const struct call *c, struct buffer *scratch) {
    if (c->message != NULL)
        return c->message->id;
    buffer_clear(scratch);
    buffer_add_slice(scratch, c->gid);
    buffer_add_byte(scratch, '/');
    buffer_add_slice(scratch, c->branch_id);
    buffer_add_byte(scratch, '/');
    buffer_add_slice(scratch, c->operation);
    return buffer_slice(scratch);
}

static void unique_key(const struct call *c, struct buffer *scratch, char out[ROCKETMQ_UNIQUE_BYTES]) {
    struct slice topic = c->message == NULL ? SLICE_NONE : c->message->topic;
    rocketmq_unique_key(topic, message_id(c, scratch), out);
}

static struct slice ordering_key(const struct call *c) {
    return c->message == NULL ? SLICE_NONE : c->message->key;
}

/* KEYS: what a message can be found by, blank-separated. */
static void add_keys(struct buffer *to, struct slice id, struct slice key) {
    char keys[2 * LIMIT_LABEL_BYTES + 2];
    size_t length = 0;
    if (id.length <= LIMIT_LABEL_BYTES && id.length > 0)
        memcpy(keys, id.at, length = id.length);
    if (key.length <= LIMIT_LABEL_BYTES && key.length > 0 && !slice_equal(id, key)) {
        if (length > 0)
            keys[length++] = ' ';
        memcpy(keys + length, key.at, key.length);
        length += key.length;
    }
    rocketmq_property_add(to, SLICE("KEYS"), slice_of(keys, length));
}

static int write_properties(const struct call *c, struct slice tag, struct buffer *to,
                            struct buffer *scratch) {
    char unique[ROCKETMQ_UNIQUE_BYTES];
    const struct call_message *m = c->message;
    buffer_clear(to);
    unique_key(c, scratch, unique);
    struct slice id = message_id(c, scratch);
    rocketmq_property_add(to, SLICE("UNIQ_KEY"), slice_of(unique, sizeof unique));
    rocketmq_property_add(to, SLICE("WAIT"), SLICE("true"));
    add_keys(to, id, ordering_key(c));
    rocketmq_property_add(to, SLICE("TAGS"), tag);
    rocketmq_property_add(to, SLICE("__SHARDINGKEY"), ordering_key(c));
    rocketmq_property_add(to, SLICE("settle-id"), id);
    rocketmq_property_add(to, SLICE("settle-gid"), c->gid);
    if (m != NULL) {
        rocketmq_property_add(to, SLICE("settle-topic"), m->topic);
        rocketmq_property_add(to, SLICE("content-type"), m->content_type);
    }
    for (size_t i = 0; m != NULL && i < m->header_count; i++)
        rocketmq_property_add_foreign(to, m->headers[i].key, m->headers[i].value);
    return buffer_failed(to) == 0 && to->length > ROCKETMQ_PROPERTIES_BYTES ? ERR_LIMIT : buffer_failed(to);
}

static int write_message(struct rocketmq_exchange *x, int32_t opaque, struct buffer *to, struct slice *body) {
    struct flight *f = CHAIN_OWNER(x, struct flight, exchange);
    struct rocketmq_sink *s = f->sink;
    char signature[ROCKETMQ_SIGNATURE_BYTES];
    int code = write_properties(&f->call, f->topic->tag, &s->properties, &s->scratch);
    if (code < 0)
        return code;
    struct rocketmq_send send = { .group = f->topic->group,
                                  .topic = f->topic->name,
                                  .broker = slice_text(f->broker),
                                  .queue = f->queue,
                                  .born_ms = loop_wall_ms(s->loop),
                                  .properties = buffer_slice(&s->properties) };
    struct rocketmq_command c = { .opaque = opaque };
    rocketmq_send_encode(&send, &c);
    code = rocketmq_topic_sign(f->topic, &c, f->call.body, &s->scratch, signature);
    *body = f->call.body;
    return code < 0 ? code : rocketmq_frame_encode(to, &c, ROCKETMQ_JSON, f->call.body.length);
}

/* Answers. */

/* Called with a field of the answer that must be a number; brokers write it as text. */
static void put_number(struct json_writer *w, const char *name, struct slice text) {
    uint64_t number;
    if (slice_u64(text, &number) == 0)
        json_put_u64(w, name, number);
    else
        json_put_null(w, name);
}

static void tell_stored(struct flight *f, const struct rocketmq_command *answer) {
    struct buffer *out = &f->sink->scratch;
    struct json_writer w;
    buffer_clear(out);
    json_writer_init(&w, out);
    json_put_object(&w, NULL);
    json_put_text(&w, "broker", f->broker);
    put_number(&w, "queueId", rocketmq_field_value(answer, "queueId"));
    put_number(&w, "queueOffset", rocketmq_field_value(answer, "queueOffset"));
    json_put_string(&w, "msgId", slice_upto(rocketmq_field_value(answer, "msgId"), 128));
    json_put_end(&w);
    /* Without memory for the words it is done all the same; the callee may send again and use the scratch. */
    size_t length = buffer_failed(out) == 0 && out->length < sizeof f->sentence ? out->length : 0;
    memcpy(f->sentence, length > 0 ? out->at : "", length);
    tell(f, VERDICT_DONE, slice_of(f->sentence, length));
}

static void on_answered(struct rocketmq_exchange *x, const struct rocketmq_command *answer,
                        struct slice body) {
    struct flight *f = CHAIN_OWNER(x, struct flight, exchange);
    enum rocketmq_verdict verdict = rocketmq_verdict(answer->code);
    struct slice remark = slice_upto(answer->remark, 300);
    (void)body;
    bool good = verdict == ROCKETMQ_STORED || (verdict == ROCKETMQ_WEAK && f->topic->accept_weak);
    if (good && rocketmq_field_value(answer, "msgId").length > 0) {
        tell_stored(f, answer);
        return;
    }
    if (good)
        say(f, "broker %s answered %s without a msgId, which confirms no message", f->broker,
            rocketmq_code_text(answer->code));
    else if (verdict == ROCKETMQ_WEAK)
        say(f, "broker %s stored it, but not safely: %d %s %.*s", f->broker, answer->code,
            rocketmq_code_text(answer->code), SLICE_PRINT(remark));
    else
        say(f, "broker %s answered %d %s: %.*s", f->broker, answer->code, rocketmq_code_text(answer->code),
            SLICE_PRINT(remark));
    if (verdict != ROCKETMQ_WEAK)
        rocketmq_topic_doubt(f->topic);
    tell_sentence(f, VERDICT_UNKNOWN);
}

static void on_failed(struct rocketmq_exchange *x, int code, const char *sentence) {
    struct flight *f = CHAIN_OWNER(x, struct flight, exchange);
    say(f, "broker %s: %s%s", f->broker, sentence, x->sent ? "" : "; nothing was sent");
    rocketmq_topic_doubt(f->topic);
    if (code == ERR_DENIED && !x->sent)
        tell_sentence(f, VERDICT_FORBIDDEN);
    else
        tell_sentence(f, x->sent ? VERDICT_UNKNOWN : VERDICT_NOT_SENT);
}

/* Sending. */

/* Whether brokers take it at all, before anything is asked. */
static int check_message(struct flight *f, struct why *why) {
    struct rocketmq_sink *s = f->sink;
    const struct call *c = &f->call;
    if (c->body.length > ROCKETMQ_MESSAGE_BYTES)
        return why_set(why, ERR_LIMIT, "a body of %zu bytes; brokers take at most %u", c->body.length,
                       ROCKETMQ_MESSAGE_BYTES);
    if (c->body.length == 0) /* brokers fail over it with an answer that says little */
        return why_set(why, ERR_INVALID, "an empty body; brokers take no message without one");
    int code = write_properties(c, f->topic->tag, &s->properties, &s->scratch);
    if (code < 0)
        return why_set(why, code, "id, key and headers take more than %d bytes; brokers take no more",
                       ROCKETMQ_PROPERTIES_BYTES);
    return 0;
}

/* The route is known: choose the queue, and hand the call to the broker's session. */
static void dispatch(struct flight *f) {
    struct rocketmq_sink *s = f->sink;
    const struct rocketmq_route *r = &f->topic->route;
    struct slice key = ordering_key(&f->call);
    struct rocketmq_queue q;
    struct why why = { "" };
    if (key.length > 0) {
        q = rocketmq_route_queue(r, (uint32_t)(hash_stable(key) % r->queues));
    } else {
        char unique[ROCKETMQ_UNIQUE_BYTES];
        unique_key(&f->call, &s->scratch, unique);
        uint64_t hash = hash_stable(slice_of(unique, sizeof unique));
        q = rocketmq_route_other(r, (uint32_t)(hash % r->queues), f->call.attempt);
    }
    f->queue = q.number;
    memcpy(f->broker, q.broker->name.at, q.broker->name.length);
    f->broker[q.broker->name.length] = '\0';
    struct rocketmq_session *session =
        rocketmq_sessions_find(s->sessions, q.broker->host, q.broker->port, f->topic->secure, &why);
    if (session == NULL) {
        say(f, "broker %s: %s; nothing was sent", f->broker, why.text);
        tell_soon(f, VERDICT_NOT_SENT);
        return;
    }
    f->stage = STAGE_BROKER;
    rocketmq_session_ask(session, &f->exchange);
}

static void on_route_known(struct rocketmq_waiter *w) {
    dispatch(CHAIN_OWNER(w, struct flight, waiter));
}

static void on_route_failed(struct rocketmq_waiter *w, int code, const char *sentence) {
    struct flight *f = CHAIN_OWNER(w, struct flight, waiter);
    say(f, "%s", sentence);
    tell_sentence(f, code == ERR_DENIED ? VERDICT_FORBIDDEN : VERDICT_NOT_SENT);
}

/* The timeout of a call, or the moment to tell a failure. */
static void on_timer(void *context) {
    struct flight *f = context;
    if (f->stage == STAGE_FAILED) {
        tell_sentence(f, f->verdict);
        return;
    }
    if (f->stage == STAGE_ROUTE) {
        rocketmq_topic_cancel(&f->waiter);
        say(f, "no name server gave a route of topic %.*s within %u ms; nothing was sent",
            SLICE_PRINT(f->topic->name), f->call.timeout_ms);
        tell_sentence(f, VERDICT_NOT_SENT);
        return;
    }
    bool sent = f->exchange.sent;
    rocketmq_exchange_timeout(&f->exchange);
    rocketmq_topic_doubt(f->topic);
    f->sink->counters.timeouts += sent;
    if (sent)
        say(f, "no answer from broker %s within %u ms", f->broker, f->call.timeout_ms);
    else
        say(f, "no connection to broker %s became free within %u ms; nothing was sent", f->broker,
            f->call.timeout_ms);
    tell_sentence(f, sent ? VERDICT_UNKNOWN : VERDICT_NOT_SENT);
}

static void tell_no_memory(struct rocketmq_sink *s, const struct call *call) {
    struct outcome o = { .transaction = call->transaction,
                         .branch = call->branch,
                         .role = call->role,
                         .verdict = VERDICT_NOT_SENT,
                         .attempt = call->attempt,
                         .body = SLICE("no memory for one more call") };
    s->counters.outcomes[VERDICT_NOT_SENT]++;
    s->options.on_outcome(s->options.context, &o);
}

static void send_call(struct sink *sink, const struct call *call, const struct sink_target *target) {
    struct rocketmq_sink *s = CHAIN_OWNER(sink, struct rocketmq_sink, head);
    struct flight *f = new_flight(s);
    struct why why = { "" };
    if (f == NULL) { /* the one outcome that cannot wait: there is nothing to keep it in */
        tell_no_memory(s, call);
        return;
    }
    f->call = *call;
    f->begun_ms = loop_now_ms(s->loop);
    f->exchange.sent = false;
    if (s->options.tls == NULL && slice_is(target->scheme, "rocketmqs")) {
        say(f, "rocketmqs wants TLS, which is not set up here");
        tell_soon(f, VERDICT_UNKNOWN);
        return;
    }
    f->topic = rocketmq_topics_take(s->topics, target, &why);
    if (f->topic == NULL || check_message(f, &why) < 0) {
        say(f, "%s; nothing was sent", why.text);
        tell_soon(f, VERDICT_NOT_SENT);
        return;
    }
    timer_start(&f->timer, call->timeout_ms);
    if (f->topic->known) {
        dispatch(f);
        return;
    }
    f->stage = STAGE_ROUTE;
    rocketmq_topic_wait(f->topic, &f->waiter);
}

/* Around. */

static void set_egress(struct sink *sink, const struct egress *egress) {
    struct rocketmq_sink *s = CHAIN_OWNER(sink, struct rocketmq_sink, head);
    s->options.egress = egress;
    rocketmq_sessions_set_egress(s->sessions, egress);
}

static void close_sink(struct sink *sink) {
    struct rocketmq_sink *s = CHAIN_OWNER(sink, struct rocketmq_sink, head);
    while (!chain_empty(&s->flights)) {
        struct flight *f = CHAIN_OWNER(s->flights.next, struct flight, link);
        rocketmq_topic_cancel(&f->waiter);
        rocketmq_exchange_cancel(&f->exchange);
        retire(f);
    }
    while (!chain_empty(&s->spares)) {
        struct flight *f = CHAIN_OWNER(s->spares.next, struct flight, link);
        chain_remove(&f->link);
        free_flight(f);
    }
    rocketmq_topics_close(s->topics);
    rocketmq_sessions_close(s->sessions);
    buffer_done(&s->properties);
    buffer_done(&s->scratch);
    free(s);
}

static const char *const schemes[] = { "rocketmq", "rocketmqs", NULL };

static const struct sink_ops ops = {
    .schemes = schemes, .send = send_call, .set_egress = set_egress, .close = close_sink
};

int rocketmq_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                       struct why *why) {
    assert(options->egress != NULL);
    assert(options->on_outcome != NULL);
    struct rocketmq_sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the RocketMQ sink");
    s->head.ops = &ops;
    s->loop = loop;
    s->options = *options;
    chain_init(&s->flights);
    chain_init(&s->spares);
    buffer_init(&s->properties, PROPERTIES_ROOM);
    buffer_init(&s->scratch, ROCKETMQ_FRAME_BYTES);
    const struct rocketmq_sessions_options sessions = { .tls = options->tls,
                                                        .egress = options->egress,
                                                        .connect_ms = options->connect_ms == 0
                                                                          ? LIMIT_CONNECT_MS
                                                                          : options->connect_ms };
    int code = rocketmq_sessions_open(&s->sessions, loop, &sessions);
    if (code == 0) {
        code = rocketmq_topics_open(&s->topics, loop, s->sessions, &s->options);
        if (code < 0)
            rocketmq_sessions_close(s->sessions);
    }
    if (code < 0) {
        free(s);
        return why_set(why, code, "no memory for the RocketMQ sink");
    }
    *out = &s->head;
    return 0;
}

struct rocketmq_sink_counters rocketmq_sink_counters(const struct sink *sink) {
    const struct rocketmq_sink *s = CHAIN_OWNER(sink, const struct rocketmq_sink, head);
    struct rocketmq_sink_counters c = s->counters;
    c.servers = rocketmq_sessions_count(s->sessions);
    return c;
}
