/* Messages into RocketMQ topics, over its remoting protocol: schemes "rocketmq" and, under TLS, "rocketmqs";
 * the target is spelled in sink/rocketmq/rocketmq_topic.h, what goes out in wire/rocketmq_message.h.
 *
 * Where a message goes: with an ordering key to the queue that the key's hash chooses among all queues of the
 * topic, every time; without one to a queue that its id chooses, and each further attempt to another broker
 * than the one before (to another queue when there is only one broker), as long as the route stays the same.
 * What it carries: UNIQ_KEY, the same for all attempts and after a restart; KEYS, the message's id and key;
 * TAGS; WAIT=true; __SHARDINGKEY, the key; settle-id, settle-topic, settle-gid, content-type; and the
 * message's headers. A call that is no delivery goes as a message whose id is gid/branch/operation.
 *
 * Verdicts: VERDICT_DONE after SEND_OK for this message, its body is
 * {"broker":..,"queueId":..,"queueOffset":.., "msgId":..}. Stored but not flushed or not replicated in time
 * (FLUSH_DISK_TIMEOUT, FLUSH_SLAVE_TIMEOUT, SLAVE_NOT_AVAILABLE) is VERDICT_UNKNOWN, so that the message is
 * sent again and consumers may see it twice; with accept_weak=yes it is VERDICT_DONE. Every other answer, a
 * connection that ends and a timeout after sending are VERDICT_UNKNOWN with a sentence; VERDICT_NOT_SENT when
 * nothing of the message left, be it for want of a route or connection, in the time given or at all, or
 * because the target or the message cannot be sent as it is; VERDICT_FORBIDDEN when egress rules forbid the
 * name servers or the broker, each by every address it resolves to.
 *
 * One thread: the loop's. */
#ifndef SINK_ROCKETMQ_SINK_H
#define SINK_ROCKETMQ_SINK_H

#include <stdint.h>

#include "sink/sink.h"

/* 0 or ERR_MEMORY. options are copied, what they point to is borrowed until close. */
int rocketmq_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                       struct why *why);

struct rocketmq_sink_counters {
    uint64_t outcomes[VERDICT_COUNT];
    uint64_t timeouts; /* sent and not answered in time */
    size_t calls;      /* unanswered */
    size_t servers;    /* connections, name servers' and brokers' */
};
/* A picture of now. */
struct rocketmq_sink_counters rocketmq_sink_counters(const struct sink *sink);

#endif
