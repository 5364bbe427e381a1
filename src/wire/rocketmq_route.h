/* The route of a RocketMQ topic: which brokers take messages for it, and how many queues each has.
 *
 * A name server answers with JSON; older ones write the number of a broker as a bare key
 * ({0:"10.0.0.1:10911"}), which is read as well. Kept are the brokers that have a master (number 0) and may
 * be written to, in the order of their names, so that the same route has the same order on every host and
 * after every restart.
 *
 * Everything lives in the arena. Pure. */
#ifndef WIRE_ROCKETMQ_ROUTE_H
#define WIRE_ROCKETMQ_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

#define ROCKETMQ_BROKERS 256 /* of one topic */
#define ROCKETMQ_QUEUES 1024 /* of one topic on one broker */
#define ROCKETMQ_BROKER_NAME_BYTES 255
#define ROCKETMQ_HOST_BYTES 253

struct rocketmq_broker {
    struct slice name;
    struct slice host; /* of the master, without brackets; as the name server says it */
    uint16_t port;
    uint32_t queues; /* 1 to ROCKETMQ_QUEUES: numbers 0 to queues - 1 */
};

struct rocketmq_route {
    const struct rocketmq_broker *brokers;
    size_t count;    /* 0: nobody takes messages for the topic */
    uint32_t queues; /* of all of them */
};

/* A queue of a route. */
struct rocketmq_queue {
    const struct rocketmq_broker *broker;
    uint32_t number;
};

/* The body of the answer to ROCKETMQ_GET_ROUTE. queues_max: of one broker, for a topic that is yet to be made
 * from its template (0: no such limit). 0; ERR_SYNTAX for what is no route; ERR_LIMIT (brokers, queues,
 * names); ERR_MEMORY. */
int rocketmq_route_decode(struct slice body, uint32_t queues_max, struct arena *arena,
                          struct rocketmq_route *out, struct why *why);

/* The queue at a place, 0 to queues - 1. */
struct rocketmq_queue rocketmq_route_queue(const struct rocketmq_route *r, uint32_t place);
/* The queue for the attempt (from 1) of a message that belongs there for its first one: each attempt goes to
 * another broker than the one before, or with only one broker to another of its queues. */
struct rocketmq_queue rocketmq_route_other(const struct rocketmq_route *r, uint32_t place, uint32_t attempt);

#endif
