/* Deliveries into RabbitMQ (AMQP 0-9-1) over librabbitmq: schemes rabbitmq and rabbitmqs; see
 * rabbitmq_target.h for targets and docs/sinks.md for what an operator sees.
 *
 * A message goes out persistent and mandatory, with its id as message_id and its content type, and with the
 * headers settle-topic, settle-key (when it has a key), settle-gid and its own. It is VERDICT_DONE when the
 * broker has confirmed it and has not returned it. A return, a basic.nack, a closed channel or connection and
 * a timeout after the publish are VERDICT_UNKNOWN, as is a refused login; without a connection, or when the
 * broker blocks publishers, it is VERDICT_NOT_SENT; when no address may be called, VERDICT_FORBIDDEN.
 *
 * A thread and a connection for each broker (scheme, user, hosts, vhost, password_file), ended after a minute
 * without work, RABBITMQ_SINK_BROKERS at most. Passwords are asked for before each login and wiped after it.
 * Memory: a slot for each unanswered call; bodies are never copied. */
#ifndef SINK_RABBITMQ_SINK_H
#define SINK_RABBITMQ_SINK_H

#include "sink/sink.h"

#define RABBITMQ_SINK_BROKERS 32

/* 0; ERR_MEMORY; ERR_UNSUPPORTED when settle was built without librabbitmq, and why names the package. */
int rabbitmq_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                       struct why *why);

/* For whoever accepts a target: 0, ERR_INVALID with a why that names the parameter, or ERR_UNSUPPORTED as
 * above. Pure. */
int rabbitmq_sink_check(const struct sink_target *t, struct why *why);

/* "librabbitmq 0.11.0"; NULL when it is not in this build. */
const char *rabbitmq_sink_library(void);

#endif
