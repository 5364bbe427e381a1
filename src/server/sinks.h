/* Sinks: which sink carries a call. http and https go to the HTTP sink; every other URL is a target of
 * wire/sink_target.h, and the sink that takes its scheme gets the call. A scheme that no sink takes, and a
 * URL that is no target, come back as VERDICT_NOT_SENT with a sentence.
 *
 * Targets are decoded once and kept, since a subscription's is the same for every delivery. One thread: the
 * loop's. */
#ifndef SERVER_SINKS_H
#define SERVER_SINKS_H

#include "sink/sink.h"

struct loop;
struct sinks;

#define SINKS_MAX 16

/* on_outcome: every call's one outcome that no sink gives, never from inside sinks_send; the sinks themselves
 * are opened with an on_outcome that ends in sinks_heard. ERR_MEMORY. */
int sinks_new(struct sinks **out, struct loop *loop,
              void (*on_outcome)(void *context, const struct outcome *o), void *context);
/* It takes the calls of its schemes from now on, and is closed with the others. */
void sinks_add(struct sinks *s, struct sink *sink);
void sinks_send(struct sinks *s, const struct call *call);
/* What a sink's on_outcome has to end in. */
void sinks_heard(struct sinks *s, const struct outcome *o);
void sinks_set_egress(struct sinks *s, const struct egress *egress);
/* Whether a sink of this build takes the scheme. */
bool sinks_takes(const struct sinks *s, struct slice scheme);
/* Closes every sink. The loop must go round once more before it is freed. NULL is fine. */
void sinks_free(struct sinks *s);

#endif
