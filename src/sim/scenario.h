/* Scenarios: small worlds of one transaction, or of a few messages and notifications, in which every call's
 * fate is written down and nothing is left to chance. The crash sweep runs each with a crash at every point
 * (reliability.md section c). */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/post_scenario.h"
#include "sim/trial.h"
#include "sim/world.h"

enum {
    SCENARIO_SCRIPTS_MAX = 6,
    SCENARIO_CALLS_MAX = 4,
    SCENARIO_EXTRAS_MAX = 6,
};

/* What becomes of the first calls of one operation; further ones go well. */
struct scenario_script {
    uint8_t branch;
    uint8_t role;
    uint8_t count;
    uint8_t reactions[SCENARIO_CALLS_MAX]; /* enum reaction */
};

/* Somebody else asks something. */
struct scenario_extra {
    uint32_t at_ms;
    uint8_t kind; /* enum event_kind; 0: none */
    uint8_t branch;
    uint8_t decision; /* FORCE */
    bool other_body;  /* SUBMIT */
    bool not_done;    /* RESOLVE */
};

struct scenario {
    const char *name;
    struct plan_shape shape;       /* gid NULL: no transaction */
    const struct post_scene *post; /* messages and notifications, see post_scenario.h */
    uint8_t end;                   /* enum status without any crash; 0: more than one is right */
    uint32_t restart_ms;
    struct scenario_script scripts[SCENARIO_SCRIPTS_MAX];
    struct scenario_extra extras[SCENARIO_EXTRAS_MAX];
};

/* By index; NULL beyond the last. */
const struct scenario *scenario_at(size_t index);
/* Run one with these crashes. say: NULL or where the timeline goes. */
void scenario_run(const struct scenario *s, const struct crash_orders *orders, FILE *say,
                  struct trial_result *out);

#endif
