/* A crew of forked workers that take numbered units of work, so that two cores are used and an assertion
 * costs one unit, not the run.
 *
 * Everything the workers report lies in memory shared with the parent. Units are taken in order from one
 * counter; a worker that dies is replaced, and its unit is reported as a crash with the words it left on
 * stderr. Coverage counters (sometimes.h, coverage.h) are one set per worker, added up at the end. */
#ifndef SIM_CREW_H
#define SIM_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/trial.h"

#define CREW_FAILURES_MAX 32

struct crew_failure {
    uint64_t unit;
    struct trial_result result;
    char label[128]; /* what the unit was, when its number does not say it */
};

struct crew_totals {
    uint64_t units, runs, virtual_us, transactions, calls, crashes;
    uint64_t ends[4]; /* by enum trial_end */
    uint64_t failure_count;
    struct crew_failure failures[CREW_FAILURES_MAX]; /* the first so many */
};

/* Runs in the worker; reports through crew_report, any number of times. */
typedef void crew_work(uint64_t unit, void *context);

/* Units first .. last with so many workers. stop_early: no new unit once one has failed. title: for the
 * progress line, shown on a terminal only. The caller reads *out and forgets it. */
void crew_run(uint64_t first, uint64_t last, unsigned jobs, bool stop_early, const char *title,
              crew_work *work, void *context, struct crew_totals *out);
void crew_report(uint64_t unit, const char *label, const struct trial_result *result);

#endif
