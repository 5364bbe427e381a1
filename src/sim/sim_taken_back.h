/* What was taken back because the disk had no room, remembered so that nobody ever sees any of it, and the
 * answers that were to show it. */
#ifndef SIM_SIM_TAKEN_BACK_H
#define SIM_SIM_TAKEN_BACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/sim_driver.h"

void taken_back_done(struct taken_back *t);
void taken_back_note(struct taken_back *t, struct id_set set);
bool taken_back_has(const struct taken_back *t, uint64_t id);
/* Move the turn's replies that show one of these to `told`, where there is room for all of them, and say
 * there what is so now: a question finds nothing, whatever else was asked is refused. Returns how many. */
size_t taken_back_sort_out(struct sim_turn *turn, struct id_set set, struct outgoing *told);

#endif
