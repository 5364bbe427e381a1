/* For tests of the RocketMQ sink: two small name servers and two small brokers on the sink's own loop, a sink
 * that is aimed at them, and what came back. Included by one test file each, after cmocka. */
#ifndef SINK_ROCKETMQ_STAGE_TEST_H
#define SINK_ROCKETMQ_STAGE_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/connection.h"
#include "net/listener.h"
#include "net/loop.h"
#include "sink/rocketmq/rocketmq_session.h"
#include "sink/rocketmq/rocketmq_sink.h"
#include "sink/rocketmq/rocketmq_topic.h"
#include "wire/rocketmq_message.h"

#define SERVERS 4
#define NAMES 0   /* name servers 0 and 1 */
#define BROKERS 2 /* brokers 2 and 3 */
#define GUESTS 200
#define ARRIVALS 6000

static struct loop *loop;
static struct sink *sink;
static struct arena arena;
static struct egress egress;
static struct tls *server_tls;
static struct tls *client_tls;

/* What the servers do. */

enum behaviour {
    ANSWERS,
    SAYS_NOTHING,
    HANGS_UP,
    TALKS_HTTP,
    CONFUSES_NUMBERS, /* answers with another request's number */
    FORGETS_THE_ID,   /* success without a msgId */
    HOLDS,            /* answers when let go */
    CHATTERS,         /* requests of its own, an answer to nobody, then the answer, byte by byte */
};

struct guest {
    struct connection *c;
    struct buffer in;
    size_t server;
};

struct server {
    struct listener *listener;
    uint16_t port;
    enum behaviour behaviour;
    int32_t code; /* of its answers */
    const char *remark;
    size_t requests;
    size_t accepted;
};

/* A message that came to a broker. */
struct arrival {
    size_t server;
    unsigned queue;
    char unique[40];
    char keys[80];
    char body[24];
};

static struct server servers[SERVERS];
static struct guest *guests[GUESTS];
static size_t guest_count;
static struct arrival arrivals[ARRIVALS];
static size_t arrival_count;
static struct buffer last_properties;
static struct buffer last_fields;
static const char *route_text; /* what name servers say; NULL: both brokers */
static const char *template_text;
static const char *expected_secret;
static size_t held, held_peak;
static int32_t held_numbers[ARRIVALS];
static struct guest *held_guests[ARRIVALS];

static inline void answer_with(struct guest *g, struct rocketmq_command *c, const char *body) {
    struct buffer out;
    buffer_init(&out, 1 << 20);
    c->version = 409;
    assert_int_equal(rocketmq_frame_encode(&out, c, ROCKETMQ_JSON, strlen(body)), 0);
    buffer_add_text(&out, body);
    struct slice part = buffer_slice(&out);
    if (connection_open(g->c))
        connection_send(g->c, &part, 1);
    buffer_done(&out);
}

static inline void say_stored(struct guest *g, int32_t opaque, int32_t code, const char *remark) {
    struct rocketmq_command c = { .code = code,
                                  .opaque = opaque,
                                  .flag = ROCKETMQ_ANSWER,
                                  .remark = slice_text(remark),
                                  .fields = { { SLICE("msgId"), SLICE("7F000001000051AF0000000000003205") },
                                              { SLICE("queueId"), SLICE("1") },
                                              { SLICE("queueOffset"), SLICE("42") } },
                                  .field_count = 3 };
    answer_with(g, &c, "");
}

static inline const char *both_brokers(char room[600]) {
    snprintf(room, 600,
             "{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"127.0.0.1:%u\"},\"brokerName\":\"broker-b\"},"
             "{\"brokerAddrs\":{0:\"127.0.0.1:%u\"},\"brokerName\":\"broker-a\"}],\"queueDatas\":["
             "{\"brokerName\":\"broker-a\",\"perm\":6,\"writeQueueNums\":4},"
             "{\"brokerName\":\"broker-b\",\"perm\":6,\"writeQueueNums\":4}]}",
             servers[BROKERS + 1].port, servers[BROKERS].port);
    return room;
}

static inline void answer_lookup(struct guest *g, const struct rocketmq_command *request) {
    struct server *s = &servers[g->server];
    struct rocketmq_command c = {
        .code = s->code, .opaque = request->opaque, .flag = ROCKETMQ_ANSWER, .remark = slice_text(s->remark)
    };
    char room[600];
    assert_true(slice_is(rocketmq_field_value(request, "acceptStandardJsonOnly"), "true"));
    if (slice_is(rocketmq_field_value(request, "topic"), ROCKETMQ_TEMPLATE_TOPIC) && template_text != NULL) {
        c.code = 0;
        answer_with(g, &c, template_text);
        return;
    }
    assert_true(slice_is(rocketmq_field_value(request, "topic"), "Orders"));
    answer_with(g, &c, c.code != 0 ? "" : route_text != NULL ? route_text : both_brokers(room));
}

static inline void copy(char *to, size_t room, struct slice from) {
    assert_true(from.length < room);
    memcpy(to, from.length > 0 ? from.at : "", from.length);
    to[from.length] = '\0';
}

static inline void note_arrival(struct guest *g, const struct rocketmq_command *request, struct slice body) {
    struct slice properties = rocketmq_field_value(request, "i");
    struct arrival *a = &arrivals[arrival_count++];
    uint64_t queue;
    assert_true(arrival_count < ARRIVALS);
    assert_int_equal(slice_u64(rocketmq_field_value(request, "e"), &queue), 0);
    assert_true(slice_is(rocketmq_field_value(request, "b"), "Orders"));
    assert_true(slice_is(rocketmq_field_value(request, "n"), g->server == BROKERS ? "broker-a" : "broker-b"));
    a->server = g->server;
    a->queue = (unsigned)queue;
    copy(a->unique, sizeof a->unique, rocketmq_property_value(properties, "UNIQ_KEY"));
    copy(a->keys, sizeof a->keys, rocketmq_property_value(properties, "KEYS"));
    copy(a->body, sizeof a->body, slice_upto(body, sizeof a->body - 1));
    buffer_clear(&last_properties);
    buffer_add_slice(&last_properties, properties);
    buffer_add_byte(&last_properties, '\0');
    buffer_clear(&last_fields);
    for (size_t i = 0; i < request->field_count; i++)
        buffer_add_format(
            &last_fields, "%.*s=%.*s;", SLICE_PRINT(request->fields[i].name),
            SLICE_PRINT(slice_is(request->fields[i].name, "i") ? SLICE("P") : request->fields[i].value));
    buffer_add_byte(&last_fields, '\0');
}

static inline void chatter(struct guest *g, int32_t opaque, int32_t code) {
    struct rocketmq_command notice = { .code = 40, .flag = ROCKETMQ_ONE_WAY, .opaque = opaque };
    struct rocketmq_command question = { .code = 220, .opaque = opaque };
    answer_with(g, &notice, "{}");
    answer_with(g, &question, "");
    say_stored(g, opaque + 256, 0, "to nobody");
    struct buffer out;
    buffer_init(&out, 4096);
    struct rocketmq_command c = { .code = code,
                                  .opaque = opaque,
                                  .flag = ROCKETMQ_ANSWER,
                                  .fields = { { SLICE("msgId"), SLICE("7F") } },
                                  .field_count = 1 };
    assert_int_equal(rocketmq_frame_encode(&out, &c, ROCKETMQ_BINARY, 0), 0);
    for (size_t i = 0; i < out.length; i++) {
        struct slice part = slice_of(out.at + i, 1);
        connection_send(g->c, &part, 1);
    }
    buffer_done(&out);
}

static inline void answer_message(struct guest *g, const struct rocketmq_command *request) {
    struct server *s = &servers[g->server];
    struct rocketmq_command bare = { .opaque = request->opaque, .flag = ROCKETMQ_ANSWER };
    switch (s->behaviour) {
    case CONFUSES_NUMBERS:
        say_stored(g, request->opaque ^ 256, 0, "");
        break;
    case FORGETS_THE_ID:
        answer_with(g, &bare, "");
        break;
    case HOLDS:
        held_guests[held] = g;
        held_numbers[held++] = request->opaque;
        held_peak = held > held_peak ? held : held_peak;
        break;
    case CHATTERS:
        chatter(g, request->opaque, s->code);
        break;
    default:
        say_stored(g, request->opaque, s->code, s->remark);
        break;
    }
}

/* The last one first: answers are matched by their number alone. */
static inline void let_go(void) {
    while (held > 0) {
        held--;
        say_stored(held_guests[held], held_numbers[held], 0, "");
    }
}

/* What a broker with access control does. */
static inline void check_signature(const struct rocketmq_command *request, struct slice body) {
    char signature[ROCKETMQ_SIGNATURE_BYTES];
    struct buffer scratch;
    if (expected_secret == NULL) {
        assert_int_equal(rocketmq_field_value(request, "Signature").length, 0);
        return;
    }
    buffer_init(&scratch, 1 << 20);
    assert_true(slice_is(rocketmq_field_value(request, "AccessKey"), "shop"));
    assert_int_equal(rocketmq_sign(request, body, slice_text(expected_secret), &scratch, signature), 0);
    assert_true(
        slice_equal(rocketmq_field_value(request, "Signature"), slice_of(signature, sizeof signature)));
    buffer_done(&scratch);
}

static inline void behave(struct guest *g, const struct rocketmq_command *request, struct slice body) {
    struct server *s = &servers[g->server];
    s->requests++;
    check_signature(request, body);
    if (request->code == ROCKETMQ_SEND_MESSAGE)
        note_arrival(g, request, body);
    struct slice http = SLICE("HTTP/1.1 400 Bad Request\r\n\r\n");
    if (s->behaviour == SAYS_NOTHING)
        return;
    if (s->behaviour == HANGS_UP)
        connection_close(g->c);
    else if (s->behaviour == TALKS_HTTP)
        connection_send(g->c, &http, 1);
    else if (request->code == ROCKETMQ_GET_ROUTE)
        answer_lookup(g, request);
    else
        answer_message(g, request);
}

static inline void on_received(void *context, struct slice bytes) {
    struct guest *g = context;
    buffer_add_slice(&g->in, bytes);
    while (connection_open(g->c)) {
        struct rocketmq_frame frame;
        struct rocketmq_command request;
        struct arena room;
        size_t taken;
        if (rocketmq_frame_decode(buffer_slice(&g->in), 8 << 20, &frame, &taken, NULL) != 0)
            return;
        arena_init(&room, 4096, 1 << 20);
        assert_int_equal(rocketmq_header_decode(&frame, &room, &request, NULL), 0);
        assert_int_equal(request.version, ROCKETMQ_VERSION);
        behave(g, &request, frame.body);
        arena_done(&room);
        buffer_consume(&g->in, taken);
    }
}

static inline void on_closed(void *context, int code, const char *sentence) {
    struct guest *g = context;
    (void)code;
    (void)sentence;
    buffer_done(&g->in);
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] == g)
            guests[i] = NULL;
    free(g);
}

static const struct connection_events guest_events = { .received = on_received, .closed = on_closed };

static inline void on_accepted(void *context, struct connection *c) {
    struct guest *g = calloc(1, sizeof *g);
    assert_true(guest_count < GUESTS);
    g->c = c;
    g->server = (size_t)(uintptr_t)context;
    servers[g->server].accepted++;
    buffer_init(&g->in, 16 << 20);
    guests[guest_count++] = g;
    connection_use(c, &guest_events, g);
}

/* What came back. */

struct seen {
    struct outcome o;
    char body[600];
};

static struct seen seen[ARRIVALS];
static size_t seen_count;
static bool sending;
static uint32_t resend; /* send this many more from inside the outcome */
static const char *secret_text;

static char target_line[400];
static struct sink_target target;
static struct call_message message;

static inline void send_message(const char *id, const char *key, uint32_t attempt, uint32_t timeout_ms) {
    static char ids[1024][40];
    static char keys[1024][40];
    static struct call_message messages[1024];
    static size_t next;
    size_t i = next++ % 1024; /* more than are ever on their way */
    snprintf(ids[i], sizeof ids[i], "%s", id);
    snprintf(keys[i], sizeof keys[i], "%s", key);
    messages[i] = message;
    messages[i].id = slice_text(ids[i]);
    messages[i].key = slice_text(keys[i]);
    struct call call = { .transaction = 7,
                         .branch = 2,
                         .role = ROLE_FORWARD,
                         .attempt = attempt,
                         .timeout_ms = timeout_ms,
                         .gid = SLICE("g-1"),
                         .branch_id = SLICE("b"),
                         .operation = SLICE("action"),
                         .url = slice_text(target_line),
                         .body = SLICE("{\"n\":1}"),
                         .message = &messages[i] };
    sending = true;
    sink->ops->send(sink, &call, &target);
    sending = false;
}

static inline void on_outcome(void *context, const struct outcome *o) {
    assert_ptr_equal(context, &seen_count);
    assert_false(sending); /* never from inside send */
    assert_true(seen_count < ARRIVALS);
    struct seen *s = &seen[seen_count++];
    s->o = *o;
    copy(s->body, sizeof s->body, o->body);
    assert_int_equal(o->transaction, 7);
    assert_int_equal(o->branch, 2);
    assert_int_equal(o->role, ROLE_FORWARD);
    assert_int_equal(o->http, 0);
    if (resend > 0) {
        char id[20];
        snprintf(id, sizeof id, "m-%u", --resend);
        send_message(id, "", 1, 5000);
    }
}

static inline int read_secret(void *context, struct slice file, struct buffer *to, struct why *why) {
    assert_ptr_equal(context, &seen_count);
    assert_true(slice_is(file, "/run/secrets/mq"));
    buffer_clear(to);
    if (secret_text == NULL)
        return why_set(why, ERR_DENIED, "/run/secrets/mq is readable by others");
    buffer_add_text(to, secret_text);
    return buffer_failed(to);
}

/* more: parameters from '?' on. */
static inline void aim(const char *user, const char *more) {
    snprintf(target_line, sizeof target_line, "%s://%s127.0.0.1:%u,127.0.0.1:%u/Orders%s",
             client_tls == NULL ? "rocketmq" : "rocketmqs", user, servers[0].port, servers[1].port, more);
    assert_int_equal(sink_target_decode(slice_text(target_line), &arena, &target, NULL), 0);
}

static inline void open_server(size_t i) {
    struct listener_options l = { .host = "127.0.0.1",
                                  .port = servers[i].port,
                                  .tls = server_tls,
                                  .accepted = on_accepted,
                                  .context = (void *)(uintptr_t)i };
    assert_int_equal(listener_open(&servers[i].listener, loop, &l, NULL), 0);
    servers[i].port = listener_port(servers[i].listener);
}

static inline int open_all(void **state) {
    (void)state;
    memset(servers, 0, sizeof servers);
    seen_count = guest_count = arrival_count = held = held_peak = 0;
    resend = 0;
    route_text = template_text = expected_secret = secret_text = NULL;
    message = (struct call_message){ .topic = SLICE("orders"), .content_type = SLICE("application/json") };
    assert_int_equal(loop_new(&loop, NULL), 0);
    arena_init(&arena, 4096, 1 << 20);
    buffer_init(&last_properties, 1 << 20);
    buffer_init(&last_fields, 1 << 20);
    for (size_t i = 0; i < SERVERS; i++)
        open_server(i);
    egress_init(&egress, &arena);
    assert_int_equal(egress_allow_loopback(&egress), 0);
    struct sink_options o = { .egress = &egress,
                              .tls = client_tls,
                              .connect_ms = 500,
                              .secret = read_secret,
                              .on_outcome = on_outcome,
                              .context = &seen_count };
    aim("", "");
    return rocketmq_sink_open(&sink, loop, &o, NULL);
}

static inline int close_all(void **state) {
    (void)state;
    sink_close(sink);
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] != NULL)
            connection_close(guests[i]->c);
    for (size_t i = 0; i < SERVERS; i++)
        listener_close(servers[i].listener);
    loop_free(loop);
    arena_done(&arena);
    buffer_done(&last_properties);
    buffer_done(&last_fields);
    return 0;
}

static inline void wait_for(size_t count) {
    for (int i = 0; i < 5000 && seen_count < count; i++)
        loop_run_for(loop, 2);
    assert_int_equal(seen_count, count);
}

static inline const struct seen *ask(const char *id, const char *key, uint32_t attempt, uint32_t timeout_ms) {
    size_t before = seen_count;
    loop_refresh(loop);
    send_message(id, key, attempt, timeout_ms);
    wait_for(before + 1);
    return &seen[before];
}

static inline void expect(const struct seen *s, enum verdict verdict, const char *words) {
    if (s->o.verdict != verdict || strstr(s->body, words) == NULL)
        fail_msg("verdict %d, not %d \"%s\": %s", s->o.verdict, verdict, words, s->body);
}

static inline void both(enum behaviour behaviour, int32_t code, const char *remark) {
    for (size_t i = BROKERS; i < SERVERS; i++) {
        servers[i].behaviour = behaviour;
        servers[i].code = code;
        servers[i].remark = remark;
    }
}

/* From now on there is this one broker. */
static char route_room[400];

static inline void route_to(const char *host, size_t server, unsigned queues) {
    const char *name = server == BROKERS ? "broker-a" : "broker-b";
    snprintf(route_room, sizeof route_room,
             "{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"%s:%u\"},\"brokerName\":\"%s\"}],"
             "\"queueDatas\":[{\"brokerName\":\"%s\",\"perm\":6,\"writeQueueNums\":%u}]}",
             host, servers[server].port, name, name, queues);
    route_text = route_room;
}

static inline void both_names(enum behaviour behaviour, int32_t code, const char *remark) {
    for (size_t i = NAMES; i < BROKERS; i++) {
        servers[i].behaviour = behaviour;
        servers[i].code = code;
        servers[i].remark = remark;
    }
}

/* One test with all of it. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

#endif
