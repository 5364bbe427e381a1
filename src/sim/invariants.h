/* The checkers, named after the promises (reliability.md section c). Each is called at the moment its promise
 * could break; the rules about the order of records are in witness.c, those about participants' effects at
 * the effect itself in sim_participant.c. */
#ifndef SIM_INVARIANTS_H
#define SIM_INVARIANTS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "sim/sim_driver.h"

struct world;
struct plan;
struct sim_store;

/* After every step: limits (I-R1), no call of a suspended transaction. calls_before: how many calls the
 * effects held before the step. */
void invariants_step(struct world *w, const struct effects *effects, size_t calls_before);
/* At each send: I-G3, one attempt per key in flight (I-G7), I-S4, never early. */
void invariants_call(struct world *w, const struct call *call);
/* At each answer: I-G1, I-G2, I-G8, I-T4. */
void invariants_answer(struct world *w, const struct ask *ask, const struct told *told);
/* When something was taken back (P1): none of it is left in memory, and the figures are those of what is.
 * That none is ever called, told of or found in the store is checked at each call, answer and durable record.
 */
void invariants_taken_back(struct world *w, struct id_set set);
/* When the disk has no room: what is durable of each transaction is known (I-G2). */
void invariants_no_space(struct world *w);
/* After each recovery: everything durable is there and nothing else (I-G2, I-G4). */
void invariants_recovered(struct world *w, const struct engine *e);
/* When the world has come to rest: I-S1, I-S5, I-T1, I-T3, I-G7, liveness. */
void invariants_end(struct world *w);
/* Whether everything that can end has ended. */
bool invariants_all_final(struct world *w);
/* Cold restarts: I-G8. */
void invariants_cold(struct world *w);
/* A number made of everything that is unfinished or stored; equal states have equal numbers. */
uint64_t invariants_digest(struct world *w, const struct engine *e, const struct sim_store *store);

#endif
