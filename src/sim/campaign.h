/* Campaigns: many seeds, the same seeds twice, the seeds that failed before. Each prints one summary line
 * and every failure with the command that repeats it, and returns the process's exit code:
 *
 *   0 all good · 3 an assertion or a crash · 4 liveness only · 5 correctness */
#ifndef SIM_CAMPAIGN_H
#define SIM_CAMPAIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/crew.h"

enum campaign_exit {
    CAMPAIGN_GOOD = 0,
    CAMPAIGN_USAGE = 2,
    CAMPAIGN_CRASH = 3,
    CAMPAIGN_LIVENESS = 4,
    CAMPAIGN_CORRECTNESS = 5,
    CAMPAIGN_COVERAGE = 6, /* something was never reached */
};

struct campaign {
    uint64_t first, last;
    unsigned jobs;
    bool stop_early;
    bool coverage; /* print it, and demand that everything was reached */
    bool quiet;    /* no failures in words: for the mutants' script */
};

int campaign_seeds(const struct campaign *c);
int campaign_determinism(const struct campaign *c);
/* A file of trials, one a line; empty lines and # comments are fine. */
int campaign_regress(const char *path, unsigned jobs);
/* One seed with all its words. */
int campaign_show(const struct trial *t);
int campaign_exit_of(const struct crew_totals *totals);
/* The failures, each with what repeats it. command: "settle-sim --seed " or the like. */
void campaign_print_failures(const struct crew_totals *totals, const char *command);

#endif
