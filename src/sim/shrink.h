/* Shrinking: the smallest trial that still breaks the same invariant. Greedy: transactions are dropped,
 * classes left out, the faulty phase halved, again and again until nothing more can go. Prints what is left
 * and how to run it. Returns the exit code: 0 when the seed does not fail at all. */
#ifndef SIM_SHRINK_H
#define SIM_SHRINK_H

#include "sim/trial.h"

int shrink_run(const struct trial *from);

#endif
