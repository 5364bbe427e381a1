/* What the sinks of brokers share: parameters that nobody knows are a fault, a broker is known by one line of
 * text, and every address is judged before anything is sent to it, on whichever thread connects. */
#ifndef SINK_BROKER_H
#define SINK_BROKER_H

#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"
#include "model/call.h"
#include "sink/sink.h"
#include "wire/egress.h"
#include "wire/sink_target.h"

/* 0 when the target has no parameter beyond these (NULL-terminated); else ERR_INVALID, and why names the
 * parameter and those that there are. */
int broker_only_parameters(const struct sink_target *t, const char *const *known, struct why *why);

/* User and password_file come together, or neither is there. 0 or ERR_INVALID. */
int broker_credentials(const struct sink_target *t, struct why *why);

/* The one outcome that is given from inside send: there is no memory to keep it in. */
void broker_no_memory(const struct sink_options *options, const struct call *call);

/* The rules of egress as threads may ask them: the owner replaces the rules while others judge by them. */
struct broker_judge {
    pthread_mutex_t lock;
    const struct egress *egress;
};

void broker_judge_init(struct broker_judge *j, const struct egress *egress);
void broker_judge_done(struct broker_judge *j);
/* When this returns, nobody looks at the old rules any more. */
void broker_judge_set(struct broker_judge *j, const struct egress *egress);
/* Any thread. host: as in the target, without brackets. 0, or ERR_DENIED with a why that names host and
 * setting. */
int broker_judge_address(struct broker_judge *j, const char *host, uint16_t port,
                         const struct sockaddr *address, struct why *why);

/* A thread that no signal is delivered to: those are the loop's. 0 or an errno. */
int broker_thread(pthread_t *out, void *(*run)(void *context), void *context);

/* Milliseconds of the monotonic clock, for deadlines that are set on one thread and kept on another. */
uint64_t broker_now_ms(void);

#endif
