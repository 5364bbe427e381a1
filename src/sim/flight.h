/* A flight: one call on its way to a participant and its answer on the way back, by whoever made it (the
 * coordinator, or a client that drives its own transaction).
 *
 * The network may lose it, double it, or keep it until long after its timeout. The caller hears exactly one
 * outcome: the first of answer and timeout. */
#ifndef SIM_FLIGHT_H
#define SIM_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/call.h"

struct world;
struct plan;
struct post;
struct delivery;

struct flight {
    struct plan *plan; /* NULL: of a post */
    struct post *post;
    struct delivery *delivery; /* NULL: a check-back or a notification */
    bool by_call;              /* the delivery is to be acked by a call */
    uint32_t *open;            /* the calls of this kind that are out, and until when its receiver */
    uint64_t *busy_until_us;   /* wants no more of them; NULL: a client sent it */
    uint16_t participant;
    uint64_t transaction;
    uint32_t life; /* the coordinator's when it was sent; 0: a client sent it */
    uint16_t branch;
    uint8_t role;
    uint32_t attempt;
    uint32_t timeout_ms;
    struct slice body;
    uint8_t reaction; /* enum reaction */
    bool answered;    /* the caller has its outcome */
    bool effect_may_follow;
    uint64_t sent_us;
};

/* The coordinator's calls. */
void flight_send(struct world *w, const struct call *call);
/* A client's own call of a forward operation; sim_client_answered hears of it. */
void flight_send_own(struct world *w, struct plan *p, uint16_t branch, uint32_t attempt);

#endif
