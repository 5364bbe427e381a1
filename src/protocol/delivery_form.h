/* The bodies of what consumers and operators say about deliveries: pull, ack, nack, replay, edit, discard.
 * Source: ux.md (b), "Reliable message"; reliability.md H4 (who overrides must say why).
 *
 * An absent body is an empty object where nothing is required. Errors as in protocol/form.h. Texts borrow the
 * body or the arena. Pure. */
#ifndef PROTOCOL_DELIVERY_FORM_H
#define PROTOCOL_DELIVERY_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "protocol/problem.h"

enum delivery_act {
    DELIVERY_PULL,    /* {"max": 1 to 1000, "lease": duration, "wait": duration}, all optional */
    DELIVERY_ACK,     /* {} */
    DELIVERY_NACK,    /* {"delay": duration, "refused": bool, "reason"}, all optional */
    DELIVERY_REPLAY,  /* {"reason": required} */
    DELIVERY_DISCARD, /* likewise */
    DELIVERY_EDIT,    /* {"reason": required, "body" or "body_base64", "content_type"} */
    DELIVERY_ACT_COUNT,
};

#define DELIVERY_PULL_DEFAULT 10u
#define DELIVERY_LEASE_MS_MIN 100u

struct delivery_command {
    uint32_t max;      /* PULL */
    uint32_t lease_ms; /* PULL; 0: as the subscription says */
    uint32_t wait_ms;  /* PULL; at most LIMIT_WAIT_MS */
    bool waits;        /* PULL: wait was given */
    uint32_t delay_ms; /* NACK; 0: as the retry policy says */
    bool refused;      /* NACK */
    struct slice reason;
    struct slice body;         /* EDIT */
    struct slice content_type; /* EDIT; empty: as it was */
};

/* 0; ERR_INVALID or ERR_MEMORY with *problem filled. */
int delivery_form_decode(struct slice body, enum delivery_act act, struct arena *arena,
                         struct delivery_command *out, struct problem *problem);

#endif
