/* What an outcome means: which rule of the pattern it calls for. */
#include <assert.h>

#include "engine/mutant.h"
#include "engine/seat.h"

static enum on meaning(bool is_check, uint8_t role, uint8_t verdict) {
    bool forward = role == ROLE_FORWARD;
    if (MUTANT(timeout_is_refusal) && verdict == VERDICT_UNKNOWN)
        verdict = VERDICT_REFUSED;
    if (MUTANT(check_unknown_rolls_back) && is_check && verdict == VERDICT_UNKNOWN)
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

/* What a notification's attempt came to: success is what its sender called success, 410 is the receiver's
 * goodbye, and no other answer is final. */
static void judge_notice(struct step *s, struct outcome *o) {
    const struct message_request *m = s->transaction->message;
    struct channel *c = parcel_of(s->seat, o->branch)->channel;
    bool wanted = o->verdict == VERDICT_DONE && (m->success_http == 0 || m->success_http == o->http) &&
                  (m->success_body.length == 0 || MUTANT(notice_body_ignored) ||
                   slice_equal(slice_strip(o->body), m->success_body));
    if (o->http == 410 && !MUTANT(gone_is_tried))
        o->verdict = VERDICT_REFUSED;
    else if (o->verdict == VERDICT_REFUSED || (o->verdict == VERDICT_DONE && !wanted))
        o->verdict = VERDICT_UNKNOWN;
    if (o->verdict != VERDICT_INTERRUPTED)
        channel_heard(s->engine, c, wanted || o->http == 410, s->event->now_ms);
}

/* The push went well, and the consumer acks by a call of its own: until then it holds the delivery. */
static void judge_push(struct step *s, struct outcome *o) {
    struct parcel *p = parcel_of(s->seat, o->branch);
    /* as it was sent: its consumer knows nothing of a later definition */
    const struct outlet *outlet = p->version == NULL || MUTANT(later_definition_judges)
                                      ? channel_outlet(p->channel)
                                      : &p->version->definition.outlet;
    if (o->verdict != VERDICT_DONE || outlet->ack != ACK_CALL || s->event->kind != EVENT_OUTCOME)
        return;
    o->verdict = VERDICT_WORKING;
    o->retry_after_ms = outlet->ack_timeout_ms;
    p->lease_ms = s->event->now_ms + outlet->ack_timeout_ms;
}

void judge_interrupted(struct step *s, uint16_t branch, uint8_t role) {
    struct transaction *t = s->transaction;
    struct operation *o = &t->branches[branch].operation[role];
    struct outcome outcome = {
        .transaction = t->id,
        .branch = branch,
        .role = role,
        .verdict = MUTANT(interrupted_not_counted) ? VERDICT_NOT_SENT : VERDICT_INTERRUPTED,
        .attempt = o->attempt,
        .body = SLICE("settled was restarted while this attempt was allowed; whether it arrived is unknown"),
    };
    o->interrupted = false;
    judge(s, &outcome);
}

void judge(struct step *s, const struct outcome *given) {
    struct outcome copy = *given;
    const struct outcome *outcome = &copy;
    s->outcome = outcome;
    s->branch = outcome->branch;
    s->role = outcome->role;
    if (operation_is_queued(s->transaction, s->branch, s->role) && parcel_of(s->seat, s->branch) != NULL) {
        if (s->transaction->mode == MODE_NOTICE)
            judge_notice(s, &copy);
        else
            judge_push(s, &copy);
    }
    bool is_check = s->transaction->mode == MODE_MESSAGE && outcome->role == ROLE_FORWARD;
    bool known = rule_obey(s, meaning(is_check, outcome->role, outcome->verdict));
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
    if (t->status != STATUS_ACTIVE || t->suspended || t->deadline_ms > s->event->now_ms ||
        t->deadline_ms == 0)
        return;
    s->cause = CAUSE_DEADLINE;
    s->text = SLICE("not decided before its deadline");
    rule_obey(s, ON_DEADLINE);
    s->effects->reply = reply; /* nobody asked */
}
