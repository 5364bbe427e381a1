/* What an outcome means: which rule of the pattern it calls for. */
#include <assert.h>

#include "engine/mutant.h"
#include "engine/seat.h"

static enum on meaning(uint8_t role, uint8_t verdict) {
    bool forward = role == ROLE_FORWARD;
    if (MUTANT(timeout_is_refusal) && verdict == VERDICT_UNKNOWN)
        verdict = VERDICT_REFUSED;
    if (MUTANT(working_is_done) && verdict == VERDICT_WORKING)
        verdict = VERDICT_DONE;
    switch (verdict) {
    case VERDICT_DONE:
        return forward ? ON_STEP_DONE : ON_END_DONE;
    case VERDICT_REFUSED:
        return forward ? ON_STEP_REFUSED : ON_END_REFUSED;
    default:
        return forward ? ON_STEP_UNKNOWN : ON_END_UNKNOWN;
    }
}

void judge(struct step *s, const struct outcome *outcome) {
    s->outcome = outcome;
    s->branch = outcome->branch;
    s->role = outcome->role;
    bool known = rule_obey(s, meaning(outcome->role, outcome->verdict));
    assert(known); /* an operation that is in progress always has a rule */
    s->outcome = NULL;
}

void judge_settled(struct step *s, bool not_done) {
    if (s->role != ROLE_FORWARD)
        return;
    s->cause = CAUSE_OPERATOR;
    if (not_done && s->transaction->status == STATUS_ACTIVE)
        rule_obey(s, ON_ROLLBACK);
    else
        rule_obey(s, ON_STEP_SETTLED);
}

void judge_deadline(struct step *s) {
    const struct transaction *t = s->transaction;
    struct reply reply = s->effects->reply;
    if (t->status != STATUS_ACTIVE || t->suspended || t->deadline_ms > s->event->now_ms)
        return;
    s->cause = CAUSE_DEADLINE;
    s->text = SLICE("not decided before its deadline");
    rule_obey(s, ON_DEADLINE);
    s->effects->reply = reply; /* nobody asked */
}
