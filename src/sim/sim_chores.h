/* The simulated daemon's housekeeping, as in server/chores.c: fold, trim, purge. */
#ifndef SIM_SIM_CHORES_H
#define SIM_SIM_CHORES_H

struct world;

/* A batch is durable, or a second has passed: perhaps it is time to fold. */
void sim_chores_after_turn(struct world *w);
void sim_chores_now(struct world *w);

#endif
