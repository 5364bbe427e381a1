/* Consumers of messages and receivers of notifications.
 *
 * A consumer takes a delivery out of a push or a pull, does its work, and acks: by its answer, or by a call
 * of its own; late, twice, or not at all, because it died before or after its work. One with an inbox
 * remembers what it has done; the others do it again. Some refuse, some ask for a pause. */
#ifndef SIM_SIM_CONSUMER_H
#define SIM_SIM_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/sim_driver.h"
#include "sim/sim_participant.h"

struct world;
struct post;
struct delivery;
struct errand;

/* How the next call of this errand goes: prescribed or drawn. */
uint8_t sim_consumer_reaction(struct world *w, struct errand *errand, bool may_refuse);
/* A push arrives. by_call: it was sent to be acked by a call. */
struct sim_answer sim_consumer_receive(struct world *w, struct delivery *d, bool by_call, uint32_t timeout_ms,
                                       uint8_t reaction);
/* A notification arrives. */
struct sim_answer sim_endpoint_receive(struct world *w, struct post *p, uint32_t timeout_ms,
                                       uint8_t reaction);
/* What an ask of a consumer says about its work. */
void sim_consumer_note(const struct ask *ask);
/* Those who pull begin to. */
void sim_consumer_begin(struct world *w);
/* An answer to a pull. */
void sim_consumer_told(struct world *w, struct ask *ask, const struct told *told);

#endif
