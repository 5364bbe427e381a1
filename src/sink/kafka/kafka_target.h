/* A target of Kafka taken apart:
 *
 *     kafka://[USER@]HOST[:PORT][,HOST[:PORT]...][/TOPIC][?sasl=M&password_file=F][&compression=C]
 *
 * kafkas is the same over TLS. Port 9092 when none is written. Without a path the message's topic is the
 * topic. sasl is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 and comes with a user and a password_file; compression
 * is none, gzip, snappy, lz4 or zstd. The hosts are where the client begins; the cluster tells it the others.
 * Pure. */
#ifndef SINK_KAFKA_TARGET_H
#define SINK_KAFKA_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/sink_target.h"

#define KAFKA_TOPIC_BYTES 249
#define KAFKA_PORT 9092

/* 0, or ERR_INVALID with a why that names the parameter. */
int kafka_target_check(const struct sink_target *t, struct why *why);
/* 0, or ERR_INVALID: letters, digits, dots, underscores and hyphens, 1 to KAFKA_TOPIC_BYTES, neither . nor ..
 */
int kafka_topic_check(struct slice topic, struct why *why);
/* Append the line that names the cluster and how it is spoken with: the target without its topic. */
void kafka_cluster_line(struct buffer *to, const struct sink_target *t);
/* Append "host:port,host:port". */
void kafka_bootstrap(struct buffer *to, const struct sink_target *t);
bool kafka_is_secure(const struct sink_target *t);

#endif
