/* Clients and operators: they submit, repeat, drive, change their minds, die, and never lie about it.
 *
 * A client asks again until it is answered (a lost answer is unknown, reliability.md G3); a dead one stops.
 * Operators act on transactions of others. What anybody asked is noted in the plan before it is sent, so that
 * the witness can demand evidence. */
#ifndef SIM_SIM_CLIENT_H
#define SIM_SIM_CLIENT_H

#include <stdint.h>

#include "sim/sim_driver.h"

struct world;
struct plan;

/* Put the plan's client and everybody who will interfere on the agenda. */
void sim_client_begin(struct world *w, struct plan *p);
/* The coordinator answered. */
void sim_client_told(struct world *w, struct ask *ask, const struct told *told);
/* A participant answered the client's own call. */
void sim_client_answered(struct world *w, struct plan *p, uint16_t branch, uint8_t verdict);
/* The faults are over: operators resume what they suspended. */
void sim_client_calm(struct world *w);
/* Plan an ask of somebody else, to be sent at that time once. */
void sim_client_plan(struct world *w, struct plan *p, struct ask ask, uint64_t at_us);
/* Send an ask over the network once. */
void sim_client_send(struct world *w, struct plan *p, struct ask ask);
/* The same in two steps: an ask with its number, for p, or with p NULL for the post or the channel that it
 * names; and its way over the network, now or later. */
struct ask *sim_client_make(struct world *w, struct plan *p, struct ask ask);
void sim_client_transmit(struct world *w, struct ask *ask);
void sim_client_later(struct world *w, struct ask *ask, uint64_t in_us);

#endif
