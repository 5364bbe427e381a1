#include "sim/shrink.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "sim/campaign.h"

struct shrinking {
    struct trial best;
    struct trial_result result;
    unsigned tries;
};

/* Whether the candidate breaks the same thing; then it is the best so far. */
static bool still_fails(struct shrinking *s, const struct trial *candidate) {
    struct trial_result result;

    trial_run_apart(candidate, &result);
    s->tries++;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\rshrinking: %u tries ", s->tries);
    if (result.end != s->result.end || strcmp(result.failure.invariant, s->result.failure.invariant) != 0)
        return false;
    s->best = *candidate;
    s->result = result;
    return true;
}

/* Drop transactions in runs: a half, a quarter, ... single ones. */
static bool drop_some(struct shrinking *s, uint32_t count) {
    bool shrunk = false;

    for (uint32_t run = (count + 1) / 2; run > 0; run /= 2)
        for (uint32_t at = 0; at < count; at += run) {
            struct trial candidate = s->best;
            bool any = false;

            for (uint32_t i = at; i < at + run && i < count && i < TRIAL_PLANS_MAX; i++) {
                any |= !candidate.dropped[i];
                candidate.dropped[i] = true;
            }
            if (any)
                shrunk |= still_fails(s, &candidate);
        }
    return shrunk;
}

static bool leave_out_classes(struct shrinking *s) {
    struct swarm swarm;
    bool shrunk = false;

    swarm_draw(&swarm, s->best.seed);
    for (int i = 0; i < SWARM_COUNT; i++) {
        struct trial candidate = s->best;

        candidate.without |= UINT32_C(1) << i;
        if (swarm_has(&swarm, (enum swarm_class)i) && candidate.without != s->best.without)
            shrunk |= still_fails(s, &candidate);
    }
    return shrunk;
}

static bool halve_horizon(struct shrinking *s) {
    struct swarm swarm;
    struct trial candidate = s->best;

    swarm_draw(&swarm, s->best.seed);
    candidate.horizon_ms = (s->best.horizon_ms != 0 ? s->best.horizon_ms : swarm.faults_ms) / 2;
    return candidate.horizon_ms > 100 && still_fails(s, &candidate);
}

int shrink_run(const struct trial *from) {
    struct shrinking s = { .best = *from };
    uint32_t left = 0;

    trial_run_apart(from, &s.result);
    if (s.result.end == TRIAL_GOOD) {
        printf("seed %" PRIu64 " does not fail\n", from->seed);
        return CAMPAIGN_GOOD;
    }
    while (drop_some(&s, s.result.transactions) | leave_out_classes(&s) | halve_horizon(&s))
        continue;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    for (uint32_t i = 0; i < s.result.transactions && i < TRIAL_PLANS_MAX; i++)
        left += !s.best.dropped[i];
    printf("%s after %u tries, %u transactions left: %s: %s\nsettle-sim --seed ",
           trial_end_word(s.result.end), s.tries, left, s.result.failure.invariant, s.result.failure.text);
    trial_print(&s.best, stdout);
    printf("\n");
    return CAMPAIGN_CORRECTNESS;
}
