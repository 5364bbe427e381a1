/* One step of the simulated daemon: what arrived becomes an event, the engine takes it into the turn that
 * gathers, and its reply is copied and sealed until that turn is durable. */
#ifndef SIM_SIM_STEP_H
#define SIM_SIM_STEP_H

#include "sim/sim_driver.h"

struct world;

/* 0, also when the world failed meanwhile; ERR_LIMIT: the turn is full, the event comes again with the next
 * one. */
int sim_step(struct world *w, const struct arrival *arrival);

/* What the engine has said of itself goes to whoever listens. */
void sim_step_show_trace(struct world *w);

#endif
