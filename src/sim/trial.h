/* A trial: one seed, minus what was taken away from it, run from beginning to end.
 *
 * Taking away is how a failure is shrunk: fault classes, single transactions, the end of the faulty phase.
 * Nothing else changes, so that what is left behaves as much as possible as before. The text form is the one
 * of the command line and of tests/sim/regress.txt: "17 without=crash,loss drop=0,3 horizon=9000". */
#ifndef SIM_TRIAL_H
#define SIM_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/swarm.h"
#include "sim/world.h"

#define TRIAL_PLANS_MAX 256

struct trial {
    uint64_t seed;
    uint32_t without;              /* bit per enum swarm_class */
    bool dropped[TRIAL_PLANS_MAX]; /* by the number of the transaction */
    uint64_t horizon_ms;           /* the faults end here at the latest; 0: as drawn */
};

/* What became of it. */
enum trial_end {
    TRIAL_GOOD = 0,
    TRIAL_LIVENESS,
    TRIAL_CRASH,
    TRIAL_CORRECTNESS,
};

struct trial_result {
    uint8_t end; /* enum trial_end */
    struct failure failure;
    struct world_figures figures;
    uint32_t transactions;
    uint64_t digest;
};

/* Run in this process. say: NULL or where options and timeline go. An assertion of the engine ends the
 * process. */
void trial_run(const struct trial *t, FILE *say, struct trial_result *out);
/* Run in a child process, so that an assertion becomes TRIAL_CRASH with the assertion's words. */
void trial_run_apart(const struct trial *t, struct trial_result *out);
/* Read the text form; false when it is not one. */
bool trial_parse(const char *text, struct trial *out);
/* One of its parts, "without=...", "drop=..." or "horizon=...": false when it is none. */
bool trial_parse_part(const char *part, struct trial *t);
void trial_print(const struct trial *t, FILE *to);
/* The verdict about a world that has run. */
void trial_judge(const struct world *w, struct trial_result *out);
const char *trial_end_word(uint8_t end);

#endif
