#ifdef SETTLE_WITH_RABBITMQ

#include "sink/rabbitmq/rabbitmq_session.h"

#include <amqp.h>
#include <amqp_framing.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/rabbitmq/rabbitmq_connect.h"

/* How long a goodbye may take. */
#define GOODBYE_MS 500

/* A message that comes back arrives in pieces: the method, the properties, the body. */
struct returning {
    struct rabbitmq_event event; /* what is known so far */
    uint64_t body_left;
    bool headed; /* the properties were there */
};

struct rabbitmq_session {
    amqp_connection_state_t connection;
    const char *place; /* host:port, for sentences */
    void (*on_socket)(void *context, int socket);
    void *context;
    amqp_table_entry_t *headers; /* room for those of one message */
    size_t header_room;
    struct returning *returning[RABBITMQ_CHANNELS + 1]; /* by channel; NULL: nothing is coming back */
    char place_text[300];
};

static amqp_bytes_t bytes_of(struct slice s) {
    return (amqp_bytes_t){ .len = s.length, .bytes = (void *)(uintptr_t)s.at };
}

static void copy_text(char *to, size_t room, amqp_bytes_t from) {
    size_t length = from.len < room - 1 ? from.len : room - 1;
    if (length > 0)
        memcpy(to, from.bytes, length);
    to[length] = '\0';
}

static struct timeval timeval_of(uint32_t ms) {
    return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

/* A synchronous call's answer: 0, ERR_CONFLICT with the broker's words, or ERR_IO. closed tells whose end a
 * broker's no was: a channel's (true) or the connection's. */
static int judge_reply(const struct rabbitmq_session *s, amqp_rpc_reply_t reply, const char *what,
                       bool *channel, struct why *why) {
    char words[256] = "";
    unsigned code = 0;
    *channel = false;
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return 0;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        return why_set(why, reply.library_error == AMQP_STATUS_TIMEOUT ? ERR_TIMEOUT : ERR_IO, "%s: %s: %s",
                       s->place, what, amqp_error_string2(reply.library_error));
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *m = reply.reply.decoded;
        copy_text(words, sizeof words, m->reply_text);
        code = m->reply_code;
        *channel = true;
    } else if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
               reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *m = reply.reply.decoded;
        copy_text(words, sizeof words, m->reply_text);
        code = m->reply_code;
    } else {
        return why_set(why, ERR_IO, "%s: %s: an answer that does not fit", s->place, what);
    }
    return why_set(why, ERR_CONFLICT, "%s: %s: the broker says %u %s", s->place, what, code, words);
}

static int login(struct rabbitmq_session *s, const struct rabbitmq_opening *o, struct why *why) {
    /* Without the first the broker stops reading and does not say so. */
    static const char *const names[] = { "connection.blocked", "authentication_failure_close", "basic.nack",
                                         "publisher_confirms" };
    enum { ABILITIES = sizeof names / sizeof names[0] };
    amqp_table_entry_t abilities[ABILITIES];
    amqp_table_entry_t properties[2];
    struct timeval limit = timeval_of(o->connect_ms);
    bool channel;
    for (size_t i = 0; i < ABILITIES; i++) {
        abilities[i].key = amqp_cstring_bytes(names[i]);
        abilities[i].value.kind = AMQP_FIELD_KIND_BOOLEAN;
        abilities[i].value.value.boolean = 1;
    }
    properties[0].key = amqp_cstring_bytes("capabilities");
    properties[0].value.kind = AMQP_FIELD_KIND_TABLE;
    properties[0].value.value.table = (amqp_table_t){ .num_entries = ABILITIES, .entries = abilities };
    properties[1].key = amqp_cstring_bytes("connection_name");
    properties[1].value.kind = AMQP_FIELD_KIND_UTF8;
    properties[1].value.value.bytes = amqp_cstring_bytes("settled");
    amqp_table_t table = { .num_entries = 2, .entries = properties };
    amqp_set_handshake_timeout(s->connection, &limit);
    amqp_set_rpc_timeout(s->connection, &limit);
    amqp_rpc_reply_t reply = amqp_login_with_properties(s->connection, o->vhost, AMQP_DEFAULT_MAX_CHANNELS,
                                                        AMQP_DEFAULT_FRAME_SIZE, RABBITMQ_HEARTBEAT_S, &table,
                                                        AMQP_SASL_METHOD_PLAIN, o->user, o->password);
    return judge_reply(s, reply, "login", &channel, why);
}

int rabbitmq_session_open(struct rabbitmq_session **out, const struct rabbitmq_opening *o, struct why *why) {
    struct rabbitmq_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory to connect to %s", o->host);
    snprintf(s->place_text, sizeof s->place_text, "%s port %u", o->host, o->port);
    s->place = s->place_text;
    s->on_socket = o->on_socket;
    s->context = o->context;
    s->connection = amqp_new_connection();
    int code = s->connection == NULL ? why_set(why, ERR_MEMORY, "no memory to connect to %s", o->host)
                                     : rabbitmq_connect(s->connection, o, why);
    if (code == 0) {
        s->on_socket(s->context, amqp_get_sockfd(s->connection));
        code = login(s, o, why);
    }
    if (code < 0) {
        rabbitmq_session_close(s, false);
        return code;
    }
    amqp_maybe_release_buffers(s->connection);
    *out = s;
    return 0;
}

void rabbitmq_session_close(struct rabbitmq_session *s, bool polite) {
    if (s == NULL)
        return;
    if (polite) {
        struct timeval limit = timeval_of(GOODBYE_MS);
        amqp_set_rpc_timeout(s->connection, &limit);
        (void)amqp_connection_close(s->connection, AMQP_REPLY_SUCCESS);
    }
    s->on_socket(s->context, -1);
    if (s->connection != NULL)
        amqp_destroy_connection(s->connection);
    for (size_t i = 0; i <= RABBITMQ_CHANNELS; i++)
        free(s->returning[i]);
    free(s->headers);
    free(s);
}

int rabbitmq_session_socket(const struct rabbitmq_session *s) {
    return amqp_get_sockfd(s->connection);
}

uint32_t rabbitmq_session_pause_ms(const struct rabbitmq_session *s) {
    int heartbeat_s = amqp_get_heartbeat(s->connection);
    return (uint32_t)(heartbeat_s <= 0 ? RABBITMQ_HEARTBEAT_S : heartbeat_s) * 1000 / 4;
}

static int channel_answer(struct rabbitmq_session *s, uint16_t channel, const char *what, struct why *why) {
    bool of_channel;
    int code = judge_reply(s, amqp_get_rpc_reply(s->connection), what, &of_channel, why);
    if (code == ERR_CONFLICT && of_channel) {
        amqp_channel_close_ok_t answer = { 0 };
        if (amqp_send_method(s->connection, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &answer) < 0)
            return ERR_IO;
        return code;
    }
    return code == ERR_CONFLICT ? ERR_IO : code;
}

int rabbitmq_session_channel(struct rabbitmq_session *s, uint16_t channel, struct why *why) {
    assert(channel >= 1 && channel <= RABBITMQ_CHANNELS);
    amqp_channel_open(s->connection, channel);
    int code = channel_answer(s, channel, "opening a channel", why);
    if (code == 0) {
        amqp_confirm_select(s->connection, channel);
        code = channel_answer(s, channel, "asking for confirms", why);
    }
    return code;
}

/* Publishing. */

int rabbitmq_publish_check(const struct rabbitmq_publish *p, struct why *why) {
    const struct call_message *m = p->message;
    size_t bytes = m->topic.length + m->key.length + p->gid.length + 64;
    if (p->routing_key.length > RABBITMQ_NAME_BYTES)
        return why_set(why, ERR_LIMIT, "the routing key is %zu bytes long; AMQP allows %d",
                       p->routing_key.length, RABBITMQ_NAME_BYTES);
    if (m->id.length > RABBITMQ_NAME_BYTES || m->content_type.length > RABBITMQ_NAME_BYTES)
        return why_set(why, ERR_LIMIT,
                       "the message's id or content type is longer than the %d bytes AMQP allows",
                       RABBITMQ_NAME_BYTES);
    for (size_t i = 0; i < m->header_count; i++) {
        if (m->headers[i].key.length > RABBITMQ_NAME_BYTES)
            return why_set(why, ERR_LIMIT, "a header's name is %zu bytes long; AMQP allows %d",
                           m->headers[i].key.length, RABBITMQ_NAME_BYTES);
        bytes += m->headers[i].key.length + m->headers[i].value.length + 8;
    }
    if (bytes > RABBITMQ_HEADERS_BYTES)
        return why_set(why, ERR_LIMIT, "the message's headers take %zu bytes; %d fit", bytes,
                       RABBITMQ_HEADERS_BYTES);
    return 0;
}

static void add_header(struct rabbitmq_session *s, int *count, struct slice name, struct slice value) {
    amqp_table_entry_t *entry = &s->headers[(*count)++];
    entry->key = bytes_of(name);
    entry->value.kind = AMQP_FIELD_KIND_UTF8;
    entry->value.value.bytes = bytes_of(value);
}

static int write_headers(struct rabbitmq_session *s, const struct rabbitmq_publish *p, amqp_table_t *out) {
    const struct call_message *m = p->message;
    size_t room = (size_t)m->header_count + 3;
    if (s->header_room < room) {
        amqp_table_entry_t *more = realloc(s->headers, room * sizeof *more);
        if (more == NULL)
            return ERR_MEMORY;
        s->headers = more;
        s->header_room = room;
    }
    int count = 0;
    add_header(s, &count, SLICE("settle-topic"), m->topic);
    if (m->key.length > 0)
        add_header(s, &count, SLICE("settle-key"), m->key);
    add_header(s, &count, SLICE("settle-gid"), p->gid);
    for (size_t i = 0; i < m->header_count; i++)
        add_header(s, &count, m->headers[i].key, m->headers[i].value);
    *out = (amqp_table_t){ .num_entries = count, .entries = s->headers };
    return 0;
}

int rabbitmq_session_publish(struct rabbitmq_session *s, uint16_t channel, const struct rabbitmq_publish *p,
                             struct why *why) {
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                  AMQP_BASIC_HEADERS_FLAG,
        .content_type = bytes_of(p->message->content_type),
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .message_id = bytes_of(p->message->id),
    };
    int code = write_headers(s, p, &properties.headers);
    if (code < 0)
        return why_set(why, code, "no memory to publish to %s", s->place);
    int status = amqp_basic_publish(s->connection, channel, bytes_of(p->exchange), bytes_of(p->routing_key),
                                    1, 0, &properties, bytes_of(p->body));
    if (status == AMQP_STATUS_OK)
        return 0;
    return why_set(why, ERR_IO, "the connection to %s broke while publishing: %s", s->place,
                   amqp_error_string2(status));
}

/* What the broker says. */

static int begin_return(struct rabbitmq_session *s, const amqp_frame_t *frame) {
    const amqp_basic_return_t *m = frame->payload.method.decoded;
    if (frame->channel < 1 || frame->channel > RABBITMQ_CHANNELS)
        return ERR_IO;
    struct returning *r = s->returning[frame->channel];
    if (r == NULL)
        r = s->returning[frame->channel] = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_MEMORY;
    *r = (struct returning){
        .event = { .kind = RABBITMQ_RETURNED, .channel = frame->channel, .code = m->reply_code }
    };
    copy_text(r->event.words, sizeof r->event.words, m->reply_text);
    copy_text(r->event.exchange, sizeof r->event.exchange, m->exchange);
    copy_text(r->event.routing_key, sizeof r->event.routing_key, m->routing_key);
    return 0;
}

/* Properties and body of what comes back; the last piece makes the event. */
static void go_on_returning(struct rabbitmq_session *s, const amqp_frame_t *frame,
                            struct rabbitmq_event *out) {
    struct returning *r = frame->channel <= RABBITMQ_CHANNELS ? s->returning[frame->channel] : NULL;
    if (r == NULL || r->event.kind != RABBITMQ_RETURNED)
        return;
    if (frame->frame_type == AMQP_FRAME_HEADER) {
        const amqp_basic_properties_t *p = frame->payload.properties.decoded;
        r->headed = true;
        r->body_left = frame->payload.properties.body_size;
        if ((p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0)
            copy_text(r->event.id, sizeof r->event.id, p->message_id);
    } else {
        size_t length = frame->payload.body_fragment.len;
        r->body_left -= length < r->body_left ? length : r->body_left;
    }
    if (r->headed && r->body_left == 0) {
        *out = r->event;
        r->event.kind = RABBITMQ_OTHER;
    }
}

static int close_channel(struct rabbitmq_session *s, const amqp_frame_t *frame, struct rabbitmq_event *out) {
    const amqp_channel_close_t *m = frame->payload.method.decoded;
    amqp_channel_close_ok_t answer = { 0 };
    out->kind = RABBITMQ_CHANNEL_CLOSED;
    out->code = m->reply_code;
    copy_text(out->words, sizeof out->words, m->reply_text);
    return amqp_send_method(s->connection, frame->channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &answer) < 0 ? ERR_IO
                                                                                                      : 0;
}

static int end_connection(struct rabbitmq_session *s, const amqp_frame_t *frame, struct why *why) {
    const amqp_connection_close_t *m = frame->payload.method.decoded;
    amqp_connection_close_ok_t answer = { 0 };
    char words[256];
    copy_text(words, sizeof words, m->reply_text);
    (void)amqp_send_method(s->connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &answer);
    return why_set(why, ERR_CLOSED, "%s closed the connection: %u %s", s->place, m->reply_code, words);
}

static int take_method(struct rabbitmq_session *s, const amqp_frame_t *frame, struct rabbitmq_event *out,
                       struct why *why) {
    const void *method = frame->payload.method.decoded;
    switch (frame->payload.method.id) {
    case AMQP_BASIC_ACK_METHOD:
        out->kind = RABBITMQ_CONFIRMED;
        out->tag = ((const amqp_basic_ack_t *)method)->delivery_tag;
        out->multiple = ((const amqp_basic_ack_t *)method)->multiple != 0;
        return 0;
    case AMQP_BASIC_NACK_METHOD:
        out->kind = RABBITMQ_REFUSED;
        out->tag = ((const amqp_basic_nack_t *)method)->delivery_tag;
        out->multiple = ((const amqp_basic_nack_t *)method)->multiple != 0;
        return 0;
    case AMQP_BASIC_RETURN_METHOD:
        return begin_return(s, frame);
    case AMQP_CHANNEL_CLOSE_METHOD:
        return close_channel(s, frame, out);
    case AMQP_CONNECTION_CLOSE_METHOD:
        return end_connection(s, frame, why);
    case AMQP_CONNECTION_BLOCKED_METHOD:
        out->kind = RABBITMQ_BLOCKED;
        copy_text(out->words, sizeof out->words, ((const amqp_connection_blocked_t *)method)->reason);
        return 0;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        out->kind = RABBITMQ_UNBLOCKED;
        return 0;
    default:
        return 0;
    }
}

int rabbitmq_session_next(struct rabbitmq_session *s, struct rabbitmq_event *out, struct why *why) {
    amqp_frame_t frame;
    struct timeval none = { 0 };
    amqp_maybe_release_buffers(s->connection);
    int status = amqp_simple_wait_frame_noblock(s->connection, &frame, &none);
    if (status == AMQP_STATUS_TIMEOUT)
        return ERR_AGAIN;
    if (status != AMQP_STATUS_OK)
        return why_set(why, ERR_IO, "the connection to %s broke: %s", s->place, amqp_error_string2(status));
    out->kind = RABBITMQ_OTHER;
    out->channel = frame.channel;
    out->words[0] = '\0';
    if (frame.frame_type == AMQP_FRAME_HEADER || frame.frame_type == AMQP_FRAME_BODY) {
        go_on_returning(s, &frame, out);
        return 0;
    }
    return frame.frame_type == AMQP_FRAME_METHOD ? take_method(s, &frame, out, why) : 0;
}

const char *rabbitmq_session_library(void) {
    static char text[64];
    if (text[0] == '\0')
        snprintf(text, sizeof text, "librabbitmq %s", amqp_version());
    return text;
}

#endif
