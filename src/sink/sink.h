/* What every sink is: something that carries calls to one kind of counterpart and comes back with one outcome
 * for each. server/ keeps a table of sinks by scheme and hands every call to the sink of its URL's scheme.
 *
 * A sink may run threads of its own, as the client libraries of brokers do, but everything here is called on
 * the loop's thread, and outcomes are given on the loop's thread. Nothing is sent twice by a sink of its own
 * accord, unless the protocol in question makes the repeat invisible (a Kafka producer's idempotent resend):
 * a lost connection or a timeout is VERDICT_UNKNOWN, and what follows is the engine's decision.
 *
 * Verdicts of a delivery into a broker: VERDICT_DONE only after the broker's own positive confirmation of
 * exactly this message. VERDICT_NOT_SENT when nothing left this host, VERDICT_FORBIDDEN when egress rules
 * forbid the address, VERDICT_UNKNOWN for everything else, a broker's refusal included (its words are the
 * outcome's body): a broker has no business "no", so such a delivery is tried again and raises attention. */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include "base/err.h"
#include "model/call.h"
#include "wire/egress.h"
#include "wire/sink_target.h"

struct loop;
struct tls;
struct sink;

struct sink_ops {
    const char *const *schemes; /* of the targets it takes, NULL-terminated: "stomp", "stomps" */
    /* Carry a call. Its slices and *target are borrowed until its outcome has been given. The timeout
     * (call->timeout_ms) starts now. No outcome comes from inside send. */
    void (*send)(struct sink *s, const struct call *call, const struct sink_target *target);
    /* From now on judge by these rules (borrowed until the next set_egress or close); connections that were
     * judged by the old ones are closed when nothing is under way on them. */
    void (*set_egress)(struct sink *s, const struct egress *egress);
    /* No outcome comes any more; threads have ended on return. The loop must go round at least once more (or
     * be freed) before everything is released. */
    void (*close)(struct sink *s);
};

/* The head of every sink; an implementation puts it first in its own struct. */
struct sink {
    const struct sink_ops *ops;
};

struct sink_options {
    struct tls *tls; /* for targets that want TLS; NULL: such calls are VERDICT_UNKNOWN. Borrowed */
    const struct egress *egress; /* who may be called; borrowed */
    uint32_t connect_ms;         /* 0: LIMIT_CONNECT_MS */
    /* The secret in a file that a target names (password_file), without its line end, into to, which is
     * cleared first. 0, or ERR_NOT_FOUND, ERR_DENIED (readable by others, or outside the directories that
     * settings allow), ERR_IO; why names the file and never its contents. The caller wipes what it got. */
    int (*secret)(void *context, struct slice file, struct buffer *to, struct why *why);
    /* Every call's one outcome, on the loop's thread, never from inside send. */
    void (*on_outcome)(void *context, const struct outcome *o);
    void *context; /* for secret and on_outcome */
};

static inline void sink_close(struct sink *s) { /* NULL is fine */
    if (s != NULL)
        s->ops->close(s);
}

#endif
