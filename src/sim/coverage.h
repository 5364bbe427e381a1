/* What the simulation has seen: rows of the engine's rule tables, and the points of sometimes.h.
 *
 * Counters are added up over all engines of a process; in a pool, over all workers. coverage_print lists
 * both and returns how many were never hit. */
#ifndef SIM_COVERAGE_H
#define SIM_COVERAGE_H

#include <stdint.h>
#include <stdio.h>

#include "engine/engine.h"
#include "engine/rule.h"
#include "sim/sometimes.h"

struct coverage {
    uint64_t rules[RULES_ROWS_MAX];
    uint64_t points[SOMETIMES_COUNT];
};

/* Where this process counts from now on; sometimes_hits follows. */
void coverage_count_into(struct coverage *c);
/* An engine is about to go: keep its counters. */
void coverage_take(const struct engine *e);
void coverage_add(struct coverage *to, const struct coverage *from);
const struct coverage *coverage_current(void);
unsigned coverage_print(const struct coverage *c, FILE *to);

#endif
