#include "sim/campaign.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/coverage.h"

enum {
    SHOWN_MAX = 20,
};

static double seconds_now(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int campaign_exit_of(const struct crew_totals *totals) {
    if (totals->ends[TRIAL_CORRECTNESS] > 0)
        return CAMPAIGN_CORRECTNESS;
    if (totals->ends[TRIAL_CRASH] > 0)
        return CAMPAIGN_CRASH;
    return totals->ends[TRIAL_LIVENESS] > 0 ? CAMPAIGN_LIVENESS : CAMPAIGN_GOOD;
}

void campaign_print_failures(const struct crew_totals *totals, const char *command) {
    uint64_t shown = totals->failure_count < SHOWN_MAX ? totals->failure_count : SHOWN_MAX;

    for (uint64_t i = 0; i < shown; i++) {
        const struct crew_failure *f = &totals->failures[i];

        printf("  %s%" PRIu64 "%s%s   %s: %s\n", command, f->unit, f->label[0] == '\0' ? "" : " ", f->label,
               f->result.failure.invariant, f->result.failure.text);
    }
    if (shown < totals->failure_count)
        printf("  ... and %" PRIu64 " more\n", totals->failure_count - shown);
}

static void print_summary(const char *what, const struct crew_totals *totals, double seconds) {
    printf("%s: %" PRIu64 " seeds, %.1f virtual hours, %" PRIu64 " transactions, %" PRIu64 " calls, %" PRIu64
           " crashes of the coordinator, %" PRIu64 " violations (%.1f s)\n",
           what, totals->runs, (double)totals->virtual_us / 3.6e9, totals->transactions, totals->calls,
           totals->crashes, totals->failure_count, seconds);
}

static void one_seed(uint64_t seed, void *context) {
    struct trial t = { .seed = seed };
    struct trial_result result;

    (void)context;
    trial_run(&t, NULL, &result);
    crew_report(seed, NULL, &result);
}

static int conclude(const char *what, const struct campaign *c, const struct crew_totals *totals,
                    double began) {
    int code = campaign_exit_of(totals);

    print_summary(what, totals, seconds_now() - began);
    if (!c->quiet)
        campaign_print_failures(totals, "settle-sim --seed ");
    if (c->coverage) {
        unsigned missing = coverage_print(coverage_current(), stdout);

        printf("coverage: %u never reached\n", missing);
        if (code == CAMPAIGN_GOOD && missing > 0)
            code = CAMPAIGN_COVERAGE;
    }
    return code;
}

int campaign_seeds(const struct campaign *c) {
    struct crew_totals totals;
    double began = seconds_now();

    crew_run(c->first, c->last, c->jobs, c->stop_early, "sim", one_seed, NULL, &totals);
    return conclude("sim", c, &totals, began);
}

static void same_twice(uint64_t seed, void *context) {
    struct trial t = { .seed = seed };
    struct trial_result first, second;

    (void)context;
    trial_run(&t, NULL, &first);
    trial_run(&t, NULL, &second);
    if (first.end == TRIAL_GOOD && first.digest != second.digest) {
        first.end = TRIAL_CORRECTNESS;
        snprintf(first.failure.invariant, sizeof first.failure.invariant, "determinism");
        snprintf(first.failure.text, sizeof first.failure.text,
                 "two runs differ: digests %" PRIx64 " and %" PRIx64, first.digest, second.digest);
    }
    crew_report(seed, NULL, &first);
}

int campaign_determinism(const struct campaign *c) {
    struct crew_totals totals;
    double began = seconds_now();

    crew_run(c->first, c->last, c->jobs, c->stop_early, "determinism", same_twice, NULL, &totals);
    return conclude("determinism", c, &totals, began);
}

struct regress {
    struct trial *trials;
    size_t count;
};

static void one_trial(uint64_t unit, void *context) {
    const struct regress *r = context;
    struct trial_result result;

    trial_run(&r->trials[unit], NULL, &result);
    crew_report(r->trials[unit].seed, NULL, &result);
}

static bool read_trials(FILE *from, const char *path, struct regress *r) {
    char line[4096];
    unsigned number = 0;

    while (fgets(line, sizeof line, from) != NULL) {
        struct trial *grown;

        number++;
        if (line[strspn(line, " \t\n")] == '\0' || line[strspn(line, " \t")] == '#')
            continue;
        grown = realloc(r->trials, (r->count + 1) * sizeof *grown);
        if (grown == NULL)
            abort();
        r->trials = grown;
        if (!trial_parse(line, &r->trials[r->count])) {
            fprintf(stderr, "%s:%u: not a trial: %s", path, number, line);
            return false;
        }
        r->count++;
    }
    return true;
}

int campaign_regress(const char *path, unsigned jobs) {
    struct regress r = { 0 };
    struct crew_totals totals = { 0 };
    double began = seconds_now();
    FILE *from = fopen(path, "r");
    bool readable;

    if (from == NULL) {
        fprintf(stderr, "settle-sim: cannot open %s\n", path);
        return CAMPAIGN_USAGE;
    }
    readable = read_trials(from, path, &r);
    fclose(from);
    if (readable && r.count > 0)
        crew_run(0, r.count - 1, jobs, false, "regress", one_trial, &r, &totals);
    free(r.trials);
    if (!readable)
        return CAMPAIGN_USAGE;
    print_summary("regress", &totals, seconds_now() - began);
    campaign_print_failures(&totals, "settle-sim --seed ");
    return campaign_exit_of(&totals);
}

int campaign_show(const struct trial *t) {
    static const int codes[] = { CAMPAIGN_GOOD, CAMPAIGN_LIVENESS, CAMPAIGN_CRASH, CAMPAIGN_CORRECTNESS };
    struct trial_result result;

    trial_run(t, stdout, &result);
    if (result.end == TRIAL_GOOD)
        printf("good: %u finished, %u need attention, %" PRIu64 " calls, %" PRIu64 " crashes, %" PRIu64
               " crash points, %.1f virtual minutes, digest %016" PRIx64 "\n",
               result.figures.finished, result.figures.stuck, result.figures.calls, result.figures.crashes,
               result.figures.points, (double)result.figures.virtual_us / 6e7, result.digest);
    else
        printf("%s: seed %" PRIu64 " breaks %s at %.3f s: %s\n", trial_end_word(result.end), t->seed,
               result.failure.invariant, (double)result.failure.at_us / 1e6, result.failure.text);
    return codes[result.end];
}
