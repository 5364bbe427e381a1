/* Building an engine from what is durable, as server/recovery.c does: rows, entries, keys. */
#ifndef SIM_SIM_RECOVERY_H
#define SIM_SIM_RECOVERY_H

#include "engine/engine.h"
#include "sim/sim_store.h"

struct world;

/* NULL, and a breach of I-G2, when that fails. */
struct engine *sim_recovery_run(struct world *w, const struct sim_store *store);

#endif
