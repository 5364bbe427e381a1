/* Producers of messages and notifications, each with a tiny database of its own: one transaction, begun,
 * committed or rolled back, that answers check-backs and never says what is not true.
 *
 *   form     half message and local transaction        what a check-back finds
 *   http     half first; asked before the transaction begins, it never begins any more
 *   pg       begin, half, work: the database's record of the transaction; unknown after a fail-over
 *   marker   begin with a row, half, work: the row, read without waiting; locked means unknown
 *   none     nobody can be asked; the producer comes back and decides
 *
 * A producer dies between any two of its steps (CP16, CP17); what it had open is rolled back by its
 * database, some time later. Racers repeat what it asks, contradict it, or use its id for another body. */
#ifndef SIM_SIM_PRODUCER_H
#define SIM_SIM_PRODUCER_H

#include <stdint.h>

#include "sim/sim_driver.h"
#include "sim/sim_participant.h"

struct world;
struct post;

/* Put the post's producer and its racers on the agenda. */
void sim_producer_begin(struct world *w, struct post *p);
/* The check-back arrives. */
struct sim_answer sim_producer_check(struct world *w, struct post *p, uint8_t reaction);
/* The coordinator answered. */
void sim_producer_told(struct world *w, struct ask *ask, const struct told *told);
/* What an ask says about the truth. */
void sim_producer_note(struct ask *ask);
/* A producer that nobody asks back has come up again: it says what its database says. */
void sim_producer_returns(struct world *w, struct post *p);

#endif
