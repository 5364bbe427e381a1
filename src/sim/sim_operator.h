/* Operators of subscriptions, endpoints and dead deliveries. They define them at the beginning, or later;
 * redefine, delete, pause and resume them; replay, discard and edit deliveries, dead ones and others. When
 * the faults are over they look every second and put right what only a person can. */
#ifndef SIM_SIM_OPERATOR_H
#define SIM_SIM_OPERATOR_H

struct world;
struct sim_channel;

void sim_operator_begin(struct world *w);
/* A push of this channel is out just now: a good moment to define it anew, now and then. */
void sim_operator_meddle(struct world *w, struct sim_channel *c);
void sim_operator_calm(struct world *w);

#endif
