/* Deliveries into Kafka over librdkafka: schemes kafka and kafkas; see kafka_target.h for targets and
 * docs/sinks.md for what an operator sees.
 *
 * A message goes out through an idempotent producer with acks=all: its body as value (an empty one as an
 * empty value, never as a tombstone), its ordering key as key, and the headers settle-id, settle-topic,
 * settle-gid, content-type and its own. It is VERDICT_DONE when the delivery report says that it is
 * persisted. A message that may be in the log and one that the cluster refuses are VERDICT_UNKNOWN; one that
 * found no way to the cluster in time is VERDICT_NOT_SENT, or VERDICT_FORBIDDEN when egress was what stood in
 * its way.
 *
 * A producer for each cluster, way of speaking and timeout (target without topic, call->timeout_ms), retired
 * after a minute without work, KAFKA_SINK_PRODUCERS at most; librdkafka looks for overdue messages once a
 * second, so an outcome may come that much after the timeout. A producer keeps its password while it lives.
 * Memory: a slot for each unanswered call, and what librdkafka keeps of it; bodies are never copied. */
#ifndef SINK_KAFKA_SINK_H
#define SINK_KAFKA_SINK_H

#include "sink/sink.h"

#define KAFKA_SINK_PRODUCERS 32

/* 0; ERR_MEMORY; ERR_UNSUPPORTED when settle was built without librdkafka, and why names the package. */
int kafka_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                    struct why *why);

/* For whoever accepts a target: 0, ERR_INVALID with a why that names the parameter, or ERR_UNSUPPORTED as
 * above. Pure. */
int kafka_sink_check(const struct sink_target *t, struct why *why);

/* "librdkafka 2.0.2"; NULL when it is not in this build. */
const char *kafka_sink_library(void);

#endif
