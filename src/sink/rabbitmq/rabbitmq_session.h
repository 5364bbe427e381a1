/* One AMQP 0-9-1 connection to a RabbitMQ broker, for one thread, over librabbitmq.
 *
 * Opening blocks, bounded by connect_ms for each address (and by the resolver for a name); so do opening a
 * channel, and publishing while the broker does not read. Shutting the socket down from another thread ends
 * all of these except the resolver. Everything else returns at once. After any error but those of a closed
 * channel the session can only be closed. */
#ifndef SINK_RABBITMQ_SESSION_H
#define SINK_RABBITMQ_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "model/call.h"
#include "sink/broker.h"
#include "sink/rabbitmq/rabbitmq_target.h"

#define RABBITMQ_CHANNELS 64               /* of one connection, numbered from 1 */
#define RABBITMQ_HEARTBEAT_S 30            /* asked for; the broker may want it shorter */
#define RABBITMQ_HEADERS_BYTES (64 * 1024) /* of one message, names and values: half a frame */

struct rabbitmq_session;

struct rabbitmq_opening {
    const char *host; /* without brackets */
    uint16_t port;
    bool secure;
    const char *ca; /* PEM file; NULL: the system's certificates */
    const char *vhost;
    const char *user;
    const char *password;
    uint32_t connect_ms;
    struct broker_judge *judge;
    int wake; /* readable: stop connecting */
    /* The socket, as soon as there is one, so that another thread can shut it down; -1 before it is closed.
     */
    void (*on_socket)(void *context, int socket);
    void *context;
};

/* 0; ERR_DENIED egress forbids every address (nothing was sent) · ERR_NOT_FOUND the name does not resolve ·
 * ERR_TIMEOUT · ERR_IO no connection or no TLS · ERR_CONFLICT the broker refused user, password or vhost ·
 * ERR_MEMORY. why names host and port, and has the broker's words. */
int rabbitmq_session_open(struct rabbitmq_session **out, const struct rabbitmq_opening *o, struct why *why);
/* polite: say goodbye and wait a moment for the answer. NULL is fine. */
void rabbitmq_session_close(struct rabbitmq_session *s, bool polite);
int rabbitmq_session_socket(const struct rabbitmq_session *s);
/* rabbitmq_session_next wants to be called at least as often, for the heartbeats. */
uint32_t rabbitmq_session_pause_ms(const struct rabbitmq_session *s);

/* Open a channel whose publishes are confirmed, counted from 1. 0, ERR_CONFLICT (the broker said no; the
 * channel is closed, the connection stands), ERR_IO, ERR_TIMEOUT. */
int rabbitmq_session_channel(struct rabbitmq_session *s, uint16_t channel, struct why *why);

struct rabbitmq_publish {
    struct slice exchange; /* at most RABBITMQ_NAME_BYTES each */
    struct slice routing_key;
    struct slice body;
    struct slice gid;
    const struct call_message *message;
};

/* Whether AMQP can carry it: 0, or ERR_LIMIT with a why that names what is too long. */
int rabbitmq_publish_check(const struct rabbitmq_publish *p, struct why *why);
/* Persistent and mandatory. 0 means written to the socket and nothing more. ERR_IO: the connection is gone,
 * and the message may be with the broker or not. Only after rabbitmq_publish_check. */
int rabbitmq_session_publish(struct rabbitmq_session *s, uint16_t channel, const struct rabbitmq_publish *p,
                             struct why *why);

enum rabbitmq_event_kind {
    RABBITMQ_CONFIRMED, /* tag, multiple */
    RABBITMQ_REFUSED,   /* tag, multiple: basic.nack */
    RABBITMQ_RETURNED,  /* no queue took it: code, words, id, exchange, routing_key; its CONFIRMED follows */
    RABBITMQ_CHANNEL_CLOSED, /* code, words; may be opened again, counting from 1 */
    RABBITMQ_BLOCKED,        /* words: nothing may be published until */
    RABBITMQ_UNBLOCKED,
    RABBITMQ_OTHER, /* nothing to do */
};

struct rabbitmq_event {
    enum rabbitmq_event_kind kind;
    uint16_t channel;
    bool multiple; /* all up to tag */
    uint64_t tag;
    uint16_t code;
    char words[256];
    char id[RABBITMQ_NAME_BYTES + 1];
    char exchange[RABBITMQ_NAME_BYTES + 1];
    char routing_key[RABBITMQ_NAME_BYTES + 1];
};

/* What the broker said next; serves heartbeats too. 0, ERR_AGAIN when there is nothing, ERR_CLOSED (the
 * broker's words are in why) or ERR_IO. */
int rabbitmq_session_next(struct rabbitmq_session *s, struct rabbitmq_event *out, struct why *why);

/* "librabbitmq 0.11.0". */
const char *rabbitmq_session_library(void);

#endif
