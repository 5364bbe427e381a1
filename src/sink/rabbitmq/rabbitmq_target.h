/* A target of RabbitMQ taken apart:
 *
 *     rabbitmq://[USER@]HOST[:PORT][,HOST...][/VHOST]?exchange=E[&routing_key=K][&password_file=F]
 *     rabbitmq://[USER@]HOST[:PORT][,HOST...][/VHOST]?queue=Q[&password_file=F]
 *
 * rabbitmqs is the same over TLS. Ports 5672 and 5671. Without a path the vhost is "/". Without routing_key
 * the message's topic is the key. queue goes through the default exchange to a queue that must be there.
 * Without a user it is guest, whom a broker lets in from its own machine only. Pure. */
#ifndef SINK_RABBITMQ_TARGET_H
#define SINK_RABBITMQ_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/sink_target.h"

/* AMQP 0-9-1 writes names with one byte for their length. */
#define RABBITMQ_NAME_BYTES 255

/* Slices of the target. */
struct rabbitmq_route {
    struct slice exchange;    /* empty: the default exchange */
    struct slice routing_key; /* empty: the message's topic */
    bool queue;               /* routing_key is a queue's name */
};

/* 0, or ERR_INVALID with a why that names the parameter. */
int rabbitmq_route(const struct sink_target *t, struct rabbitmq_route *out, struct why *why);

/* Append the line that names the broker: the target without exchange, routing_key and queue. Targets with the
 * same line share one connection. */
void rabbitmq_broker_line(struct buffer *to, const struct sink_target *t);

bool rabbitmq_is_secure(const struct sink_target *t);
uint16_t rabbitmq_port(const struct sink_target *t, size_t host);

#endif
