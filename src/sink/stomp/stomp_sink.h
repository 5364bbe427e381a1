/* Deliveries into brokers that speak STOMP 1.2 (ActiveMQ, Artemis, RabbitMQ with its plugin): schemes stomp
 * and stomps. What a target may say is in sink/stomp/stomp_target.h, what goes out in
 * sink/stomp/stomp_message.h.
 *
 * VERDICT_DONE is the broker's RECEIPT for exactly this SEND. For a persistent message in a queue both
 * brokers send it when the message is stored; what a topic does is the broker's affair (docs/sinks.md).
 *
 * All calls of one user, hosts, vhost and password file share one connection and keep their order on it
 * (sink/stomp/stomp_session.h). Whatever has no receipt when the connection ends is VERDICT_UNKNOWN, with the
 * broker's words when it had some. A call that is not a delivery, or whose target says something that no
 * STOMP target can say, is VERDICT_NOT_SENT.
 *
 * One thread: the loop's. Memory: at most STOMP_SINK_BROKERS connections, each with STOMP_WINDOW messages
 * under way and buffers of about 800 KiB at most; for each unanswered call a struct that refers to its
 * bytes. */
#ifndef SINK_STOMP_SINK_H
#define SINK_STOMP_SINK_H

#include "sink/sink.h"
#include "sink/stomp/stomp_session.h"

#define STOMP_SINK_BROKERS 64

/* 0 or ERR_MEMORY. options is copied; sink_close ends it. */
int stomp_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                    struct why *why);
/* The same at another pace, copied: for tests. */
int stomp_sink_open_paced(struct sink **out, struct loop *loop, const struct sink_options *options,
                          const struct stomp_pace *pace, struct why *why);

#endif
