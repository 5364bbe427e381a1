/* The exhaustive crash sweep: every scenario, killed at every crash point, with every fate of what was not
 * synced, and killed again at every point of the recovery that follows. */
#ifndef SIM_SWEEP_H
#define SIM_SWEEP_H

#include <stdbool.h>

/* All scenarios, or the one of that name. quick: single crashes only. Returns the exit code. */
int sweep_run(const char *only, unsigned jobs, bool quick);
/* One scenario in words; crash is NULL or "P/OUTCOME[,Q/OUTCOME]" with OUTCOME loses, keeps or tosses. */
int sweep_show(const char *name, const char *crash);

#endif
