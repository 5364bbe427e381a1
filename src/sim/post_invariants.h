/* The checkers of messages and notifications, named after the promises (reliability.md section c). The rules
 * about records are in post_witness.c. */
#ifndef SIM_POST_INVARIANTS_H
#define SIM_POST_INVARIANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "sim/sim_driver.h"

struct world;
struct post;
struct delivery;
struct sim_store;

/* After every step: figures of channels, their limits and their order; nothing leaves a paused one. */
void post_invariants_step(struct world *w, const struct effects *effects, size_t calls_before);
/* At each send: I-G3, I-M1, I-M3, I-N1, I-N4, order, one attempt at a time. */
void post_invariants_call(struct world *w, struct post *p, const struct call *call);
/* A consumer gets deliveries by a pull. At the step: nobody else holds them. At the answer: durable. */
void post_invariants_leased(struct world *w, const struct told *told);
/* At each answer: I-G1, I-G2, I-M4. */
void post_invariants_answer(struct world *w, const struct ask *ask, const struct told *told);
/* A message reaches a consumer, by whatever way: I-M1. */
void post_invariants_received(struct world *w, const struct delivery *d);
/* After each recovery. */
void post_invariants_recovered(struct world *w, const struct engine *e);
/* When the world has come to rest: I-M2, I-M5, I-N2, liveness. */
void post_invariants_end(struct world *w);
/* Whether everything that can end has ended. */
bool post_invariants_all_final(struct world *w);
uint64_t post_invariants_digest(struct world *w, const struct engine *e, const struct sim_store *store,
                                uint64_t digest);

#endif
