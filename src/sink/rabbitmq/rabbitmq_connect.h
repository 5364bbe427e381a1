/* Inside rabbitmq_session: from a host's name to a connection that speaks to a judged address, in clear text
 * or with TLS whose certificate was checked against the name. */
#ifndef SINK_RABBITMQ_CONNECT_H
#define SINK_RABBITMQ_CONNECT_H

#include <amqp.h>

#include "base/err.h"
#include "sink/rabbitmq/rabbitmq_session.h"

/* Fills connection, a fresh one, with an open socket. Errors as rabbitmq_session_open, ERR_CONFLICT apart. */
int rabbitmq_connect(amqp_connection_state_t connection, const struct rabbitmq_opening *o, struct why *why);

#endif
