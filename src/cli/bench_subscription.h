/* The subscriptions of settle bench: those who get the messages of one run. They are named TOPIC.0, TOPIC.1,
 * ... when pushed to, TOPIC when pulled. */
#ifndef CLI_BENCH_SUBSCRIPTION_H
#define CLI_BENCH_SUBSCRIPTION_H

#include "bench/load.h"
#include "cli/cli.h"

/* Subscribe what listens on these ports of 127.0.0.1, or a puller. ERR_DENIED: settled said no, the why tells
 * what. */
int bench_subscribe(stl_client *client, const struct load_options *options, const uint16_t *ports,
                    struct why *why);
/* Take them away again; one to which a message is still owed stays. */
void bench_unsubscribe(stl_client *client, const struct load_options *options);

#endif
