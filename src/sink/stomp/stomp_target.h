/* A target of a STOMP broker taken apart:
 *
 *     stomp://[USER@]HOST[:PORT][,HOST...][/]?destination=D[&vhost=V][&persistent=false][&password_file=F]
 *
 * stomps is the same over TLS. Ports 61613 and 61614. The destination is the broker's own spelling
 * ("/queue/ship"). Without vhost it is "/", which is RabbitMQ's first one and means nothing to ActiveMQ.
 * User and password_file come together. Pure. */
#ifndef SINK_STOMP_TARGET_H
#define SINK_STOMP_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/sink_target.h"

#define STOMP_PORT 61613
#define STOMP_TLS_PORT 61614

/* Slices of the target, or static. */
struct stomp_target {
    struct slice destination;
    struct slice vhost;
    struct slice password_file; /* empty: no login */
    bool persistent;
    bool secure;
};

/* 0, or ERR_INVALID with a why that names the parameter: also the check of a target that is being accepted.
 * A broker's line (stomp_target_broker) has no destination and is read with broker_only. */
int stomp_target_read(const struct sink_target *t, bool broker_only, struct stomp_target *out,
                      struct why *why);
/* Append the line that names the broker and the login: the target without destination and persistent. Targets
 * with the same line share one connection. */
void stomp_target_broker(struct buffer *to, const struct sink_target *t);
uint16_t stomp_target_port(const struct sink_target *t, size_t host);

#endif
