/* When to try again, and when somebody should look. Source: design.md 4 (5), (13), (14). */
#include <assert.h>

#include "engine/mutant.h"
#include "engine/seat.h"

/* Rounded up, so that a factor above 1 always grows and the loop ends after at most about two thousand
 * rounds, however many failures there were. */
static uint64_t backoff_ms(const struct retry_policy *policy, uint32_t failures) {
    uint64_t pause_ms = policy->first_ms;
    if (policy->factor_percent == 100)
        return pause_ms;
    for (uint32_t i = 0; i < failures && pause_ms < policy->max_ms; i++)
        pause_ms = (pause_ms * policy->factor_percent + 99) / 100;
    return pause_ms < policy->max_ms ? pause_ms : policy->max_ms;
}

/* Plus or minus 20 percent, so that calls that failed together do not come back together. */
static uint64_t jitter(uint64_t pause_ms, uint64_t random) {
    uint64_t spread = pause_ms * 2 / 5;
    return spread == 0 ? pause_ms : pause_ms - spread / 2 + (random >> 11) % (spread + 1);
}

static uint64_t pause(const struct step *s, const struct branch *b, const struct operation *o) {
    const struct outcome *outcome = s->outcome;
    if (MUTANT(hot_retry))
        return 1;
    uint64_t random = s->event->random ^ (uint64_t)outcome->branch * 0x9e3779b97f4a7c15u;
    switch (outcome->verdict) {
    case VERDICT_INTERRUPTED:
        return 0;
    case VERDICT_STALE:
        if (o->verdict != VERDICT_STALE)
            return 0;
        break;
    case VERDICT_WORKING:
        if (outcome->retry_after_ms > 0)
            return outcome->retry_after_ms;
        return s->engine->options.working_ms > 0 ? s->engine->options.working_ms : b->retry.first_ms;
    case VERDICT_SLOW_DOWN:
        if (outcome->retry_after_ms > 0 && !MUTANT(retry_after_ignored))
            return outcome->retry_after_ms;
        break;
    case VERDICT_REFUSED:
    case VERDICT_FORBIDDEN:
        return jitter(b->retry.max_ms, random);
    default:
        break;
    }
    return jitter(backoff_ms(&b->retry, o->failures), random);
}

static bool has_own_patience(const struct step *s, const struct branch *b) {
    return s->transaction->status == STATUS_ACTIVE && s->role == ROLE_FORWARD && b->retry.for_ms > 0 &&
           b->retry.then == GIVE_UP_ROLLBACK;
}

uint64_t retry_next(const struct step *s) {
    const struct branch *b = &s->transaction->branches[s->branch];
    const struct operation *o = &b->operation[s->role];
    uint64_t now_ms = s->event->now_ms;
    uint64_t next_ms = now_ms + pause(s, b, o);
    if (has_own_patience(s, b)) {
        uint64_t last_ms = o->first_ms + b->retry.for_ms;
        if (next_ms > last_ms && last_ms > now_ms)
            next_ms = last_ms; /* one more try at the very end */
    }
    return next_ms;
}

/* The outcome being judged is no part of the state yet: a pivot that cannot be undone may have happened by
 * it.
 */
static bool leaves_pivot_in_doubt(const struct step *s, const struct branch *b) {
    uint8_t verdict = s->outcome->verdict;
    return b->pivot && b->to[ROLE_BACKWARD].url.length == 0 && verdict != VERDICT_NOT_SENT &&
           verdict != VERDICT_FORBIDDEN && !MUTANT(pivot_doubt_ignored);
}

bool retry_out_of_patience(const struct step *s) {
    const struct branch *b = &s->transaction->branches[s->branch];
    const struct operation *o = &b->operation[s->role];
    if (!has_own_patience(s, b) || owed_pivot_in_doubt(s->transaction) || leaves_pivot_in_doubt(s, b))
        return false;
    return s->event->now_ms >= o->first_ms + b->retry.for_ms;
}

bool retry_needs_attention(const struct step *s) {
    const struct branch *b = &s->transaction->branches[s->branch];
    const struct operation *o = &b->operation[s->role];
    const struct engine_options *options = &s->engine->options;
    uint8_t verdict = s->outcome->verdict;
    uint64_t now_ms = s->event->now_ms;
    uint64_t spent_ms = now_ms > o->first_ms ? now_ms - o->first_ms : 0;
    if (MUTANT(attention_forgotten))
        return false;
    if (o->attention_ms != 0)
        return true;
    if (verdict == VERDICT_WORKING || verdict == VERDICT_INTERRUPTED)
        return false;
    if (verdict == VERDICT_FORBIDDEN || verdict == VERDICT_REFUSED)
        return true;
    if (b->retry.then == GIVE_UP_ATTENTION && b->retry.for_ms > 0 && spent_ms >= b->retry.for_ms)
        return true;
    return o->failures + 1 >= options->attention_tries || spent_ms >= options->attention_ms;
}
