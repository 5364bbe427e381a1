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

const struct retry_policy *retry_policy_of(const struct step *s) {
    const struct transaction *t = s->transaction;
    if (!operation_is_queued(t, s->branch, s->role) || t->mode == MODE_NOTICE)
        return &t->branches[s->branch].retry;
    return &channel_outlet(parcel_of(s->seat, s->branch)->channel)->retry;
}

/* Plus or minus 20 percent, so that calls that failed together do not come back together. */
static uint64_t jitter(uint64_t pause_ms, uint64_t random) {
    uint64_t spread = pause_ms * 2 / 5;
    return spread == 0 ? pause_ms : pause_ms - spread / 2 + (random >> 11) % (spread + 1);
}

static uint64_t pause(const struct step *s, const struct retry_policy *policy, const struct operation *o) {
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
        return s->engine->options.working_ms > 0 ? s->engine->options.working_ms : policy->first_ms;
    case VERDICT_SLOW_DOWN:
        if (outcome->retry_after_ms > 0 && !MUTANT(retry_after_ignored))
            return outcome->retry_after_ms;
        break;
    case VERDICT_REFUSED:
    case VERDICT_FORBIDDEN:
        return jitter(policy->max_ms, random);
    default:
        break;
    }
    return jitter(backoff_ms(policy, o->failures), random);
}

/* A delivery's patience ends in a dead letter, a forward step's in a rollback. */
static bool has_own_patience(const struct step *s, const struct retry_policy *policy) {
    const struct transaction *t = s->transaction;
    if (policy->for_ms == 0 || policy->then != GIVE_UP_ROLLBACK)
        return false;
    if (t->mode == MODE_MESSAGE)
        return s->role == ROLE_CONFIRM && !MUTANT(patience_ignored);
    return t->status == STATUS_ACTIVE && s->role == ROLE_FORWARD;
}

uint64_t retry_next(const struct step *s) {
    const struct operation *o = &s->transaction->branches[s->branch].operation[s->role];
    const struct retry_policy *policy = retry_policy_of(s);
    uint64_t now_ms = s->event->now_ms;
    if (s->transaction->mode == MODE_NOTICE) /* its schedule says it exactly, and never early (I-N4) */
        return now_ms + (MUTANT(hot_retry) ? 0 : s->transaction->message->schedule_ms[s->outcome->attempt]);
    uint64_t next_ms = now_ms + pause(s, policy, o);
    if (has_own_patience(s, policy) && o->first_ms != 0) {
        uint64_t last_ms = o->first_ms + policy->for_ms;
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
    return b->pivot && branch_url(b, ROLE_BACKWARD).length == 0 && verdict != VERDICT_NOT_SENT &&
           verdict != VERDICT_FORBIDDEN && !MUTANT(pivot_doubt_ignored);
}

bool retry_out_of_patience(const struct step *s) {
    const struct branch *b = &s->transaction->branches[s->branch];
    const struct operation *o = &b->operation[s->role];
    const struct retry_policy *policy = retry_policy_of(s);
    if (!has_own_patience(s, policy) || owed_pivot_in_doubt(s->transaction) || leaves_pivot_in_doubt(s, b) ||
        o->first_ms == 0)
        return false;
    if (s->role == ROLE_CONFIRM &&
        (s->outcome->verdict == VERDICT_WORKING || s->outcome->verdict == VERDICT_INTERRUPTED))
        return false;
    return s->event->now_ms >= o->first_ms + policy->for_ms;
}

bool retry_needs_attention(const struct step *s) {
    const struct branch *b = &s->transaction->branches[s->branch];
    const struct operation *o = &b->operation[s->role];
    const struct engine_options *options = &s->engine->options;
    uint8_t verdict = s->outcome->verdict;
    uint64_t now_ms = s->event->now_ms;
    uint64_t spent_ms = o->first_ms != 0 && now_ms > o->first_ms ? now_ms - o->first_ms : 0;
    if (MUTANT(attention_forgotten))
        return false;
    if (o->attention_ms != 0)
        return true;
    if (verdict == VERDICT_WORKING || verdict == VERDICT_INTERRUPTED)
        return false;
    if (verdict == VERDICT_FORBIDDEN || verdict == VERDICT_REFUSED)
        return true;
    const struct retry_policy *policy = retry_policy_of(s);
    if (policy->then == GIVE_UP_ATTENTION && policy->for_ms > 0 && spent_ms >= policy->for_ms)
        return true;
    if (s->transaction->mode == MODE_NOTICE)
        return false; /* it ends by itself, and says so */
    if (s->role == ROLE_FORWARD && s->transaction->message != NULL &&
        s->transaction->message->check_tries > 0)
        return o->failures + 1 >= s->transaction->message->check_tries;
    return o->failures + 1 >= options->attention_tries || spent_ms >= options->attention_ms;
}
