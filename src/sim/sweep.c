#include "sim/sweep.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/campaign.h"
#include "sim/scenario.h"

enum {
    RECOVERY_POINTS = 14, /* from the restart until every interrupted call is out again */
    UNITS_MAX = 1 << 16,
};

static const char *const outcome_words[] = { "loses", "keeps", "tosses" };

/* One unit of work: a scenario and its first crash. first 0: none at all. */
struct sweep_unit {
    const struct scenario *scenario;
    uint64_t first;
    uint8_t outcome;
};

struct sweep {
    struct sweep_unit *units;
    uint64_t count;
    bool quick;
};

static void label_of(char *to, size_t size, const struct scenario *s, const struct crash_orders *orders) {
    int length = snprintf(to, size, "%s", s->name);

    if (orders->first != 0)
        length += snprintf(to + length, size - (size_t)length, " crash=%" PRIu64 "/%s", orders->first,
                           outcome_words[orders->first_outcome]);
    if (orders->second != 0)
        snprintf(to + length, size - (size_t)length, ",%" PRIu64 "/%s", orders->second,
                 outcome_words[orders->second_outcome]);
}

static uint64_t run_one(uint64_t unit, const struct scenario *s, const struct crash_orders *orders) {
    struct trial_result result;
    char label[128];

    scenario_run(s, orders, NULL, &result);
    label_of(label, sizeof label, s, orders);
    crew_report(unit, label, &result);
    return result.figures.points;
}

static void run_unit(uint64_t number, void *context) {
    const struct sweep *sweep = context;
    const struct sweep_unit *unit = &sweep->units[number];
    struct crash_orders orders = { .first = unit->first, .first_outcome = unit->outcome };
    uint64_t points = run_one(number, unit->scenario, &orders);

    if (unit->first == 0 || sweep->quick)
        return;
    for (uint64_t at = unit->first + 1; at <= unit->first + RECOVERY_POINTS && at <= points; at++)
        for (uint8_t outcome = DISK_LOSES; outcome <= DISK_TOSSES; outcome++) {
            orders.second = at;
            orders.second_outcome = outcome;
            run_one(number, unit->scenario, &orders);
        }
}

static void add_units(struct sweep *sweep, const struct scenario *s) {
    const struct crash_orders none = { 0 };
    struct trial_result result;

    scenario_run(s, &none, NULL, &result);
    sweep->units[sweep->count++] = (struct sweep_unit){ s, 0, DISK_LOSES };
    for (uint64_t first = 1; first <= result.figures.points; first++)
        for (uint8_t outcome = DISK_LOSES; outcome <= DISK_TOSSES; outcome++) {
            assert(sweep->count < UNITS_MAX);
            sweep->units[sweep->count++] = (struct sweep_unit){ s, first, outcome };
        }
}

int sweep_run(const char *only, unsigned jobs, bool quick) {
    struct sweep sweep = { .quick = quick };
    struct crew_totals totals;
    const struct scenario *s;
    unsigned scenarios = 0;

    sweep.units = calloc(UNITS_MAX, sizeof *sweep.units);
    if (sweep.units == NULL)
        abort();
    for (size_t i = 0; (s = scenario_at(i)) != NULL; i++)
        if (only == NULL || strcmp(only, s->name) == 0) {
            add_units(&sweep, s);
            scenarios++;
        }
    if (scenarios == 0) {
        fprintf(stderr, "settle-sim: no such scenario: %s\n", only);
        free(sweep.units);
        return CAMPAIGN_USAGE;
    }
    crew_run(0, sweep.count - 1, jobs, false, "sweep", run_unit, &sweep, &totals);
    printf("sweep: %u scenarios, %" PRIu64 " crash points x outcomes, %" PRIu64 " runs, %" PRIu64
           " crashes, %" PRIu64 " violations\n",
           scenarios, sweep.count - scenarios, totals.runs, totals.crashes, totals.failure_count);
    campaign_print_failures(&totals, "settle-sim --scenario ");
    free(sweep.units);
    return campaign_exit_of(&totals);
}

static bool parse_crash(const char *text, uint64_t *point, uint8_t *outcome, const char **rest) {
    char *end;

    *point = strtoull(text, &end, 10);
    if (end == text || *end != '/')
        return false;
    for (uint8_t i = DISK_LOSES; i <= DISK_TOSSES; i++) {
        size_t length = strlen(outcome_words[i]);

        if (strncmp(end + 1, outcome_words[i], length) != 0)
            continue;
        *outcome = i;
        *rest = end + 1 + length;
        return true;
    }
    return false;
}

int sweep_show(const char *name, const char *crash) {
    struct crash_orders orders = { 0 };
    const struct scenario *s = NULL;
    struct trial_result result;
    const char *rest = "";

    for (size_t i = 0; (s = scenario_at(i)) != NULL && strcmp(s->name, name) != 0; i++)
        continue;
    if (crash != NULL && !parse_crash(crash, &orders.first, &orders.first_outcome, &rest))
        s = NULL;
    if (*rest == ',' && !parse_crash(rest + 1, &orders.second, &orders.second_outcome, &rest))
        s = NULL;
    if (s == NULL) {
        fprintf(stderr, "settle-sim: no such scenario or crash: %s %s\n", name, crash == NULL ? "" : crash);
        return CAMPAIGN_USAGE;
    }
    scenario_run(s, &orders, stdout, &result);
    printf("%s: %s after %" PRIu64 " crash points%s%s\n", s->name, trial_end_word(result.end),
           result.figures.points, result.end == TRIAL_GOOD ? "" : ": ", result.failure.text);
    return result.end == TRIAL_GOOD ? CAMPAIGN_GOOD : CAMPAIGN_CORRECTNESS;
}
