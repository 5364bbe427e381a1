/* Guards and acts: the words that the rule tables are written in. */
#include <assert.h>

#include "base/limits.h"
#include "engine/mutant.h"
#include "engine/seat.h"

static struct branch *branch_of(const struct step *s) {
    assert(s->branch < s->transaction->branch_count);
    return &s->transaction->branches[s->branch];
}

bool always(const struct step *s) {
    (void)s;
    return true;
}

bool is_pivot(const struct step *s) {
    return branch_of(s)->pivot && !MUTANT(pivot_ignored);
}

bool pivot_in_doubt(const struct step *s) {
    return owed_pivot_in_doubt(s->transaction) && !MUTANT(pivot_doubt_ignored);
}

bool out_of_patience(const struct step *s) {
    return retry_out_of_patience(s);
}

bool server_drives(const struct step *s) {
    return s->transaction->drive == DRIVE_SERVER;
}

bool client_drives(const struct step *s) {
    return s->transaction->drive == DRIVE_CLIENT || s->transaction->mode == MODE_MESSAGE;
}

static const struct parcel *parcel_judged(const struct step *s) {
    const struct parcel *p = parcel_of(s->seat, s->branch);
    assert(p != NULL); /* a queued operation that is owed always has one */
    return p;
}

bool refusal_is_wanted(const struct step *s) {
    return channel_outlet(parcel_judged(s)->channel)->refused_topic.length > 0;
}

bool out_of_attempts(const struct step *s) {
    return s->outcome->attempt >= s->transaction->message->schedule_count && !MUTANT(notice_never_ends);
}

bool something_is_missing(const struct step *s) {
    const struct transaction *t = s->transaction;
    for (size_t i = 0; i < t->branch_count; i++) {
        const struct operation *o = t->branches[i].operation;
        bool missing = t->decision == DECISION_COMMIT ? o[ROLE_FORWARD].not_done || o[ROLE_CONFIRM].not_done
                                                      : o[ROLE_BACKWARD].not_done;
        if (missing)
            return true;
    }
    return false;
}

/* What is kept of the answer: all of it when another branch refers to it, else what a person needs to read.
 */
static void put_outcome(struct step *s, uint64_t next_ms, uint8_t flags) {
    const struct outcome *o = s->outcome;
    const struct branch *b = branch_of(s);
    bool whole = o->verdict == VERDICT_DONE && o->role == ROLE_FORWARD && b->referenced;
    struct record r = {
        .kind = RECORD_OUTCOME,
        .branch = o->branch,
        .role = o->role,
        .attempt = o->attempt,
        .verdict = o->verdict,
        .http = o->http,
        .took_ms = o->took_ms,
        .next_ms = next_ms,
        .flags = (uint8_t)(flags | (whole ? RECORD_FLAG_ANSWER : 0)),
        .text = whole ? slice_upto(o->body, LIMIT_ANSWER_BYTES) : slice_upto(o->body, LIMIT_DETAIL_BYTES),
    };
    if (o->verdict == VERDICT_DONE && !whole)
        r.text = SLICE_NONE;
    step_put(s, &r);
}

static void put_decision(struct step *s, uint8_t decision, uint8_t cause) {
    struct record r = {
        .kind = RECORD_DECIDED,
        .decision = decision,
        .cause = cause,
        .branch = s->branch,
        .role = s->role,
        .text = s->text,
        .who = s->event->who,
    };
    step_put(s, &r);
    if (s->transaction->mode == MODE_MESSAGE && decision == DECISION_COMMIT)
        fan_out(s);
    send_outgoing(s);
}

void note(struct step *s) {
    put_outcome(s, 0, 0);
}

void retry(struct step *s) {
    uint64_t next_ms = MUTANT(retry_limit_gives_up) && s->outcome->attempt >= 3 ? 0 : retry_next(s);
    put_outcome(s, next_ms, retry_needs_attention(s) ? RECORD_FLAG_ATTENTION : 0);
}

void insist(struct step *s) {
    put_outcome(s, retry_next(s), MUTANT(attention_forgotten) ? 0 : RECORD_FLAG_ATTENTION);
}

void commit(struct step *s) {
    uint8_t cause = s->cause;
    if (cause == CAUSE_NONE)
        cause = CAUSE_ALL_DONE;
    put_decision(s, DECISION_COMMIT, cause);
}

void roll_back(struct step *s) {
    put_decision(s, DECISION_ROLLBACK, s->cause);
}

void note_and_commit(struct step *s) {
    note(s);
    put_decision(s, DECISION_COMMIT, CAUSE_PIVOT);
}

void note_and_roll_back(struct step *s) {
    note(s);
    put_decision(s, DECISION_ROLLBACK, CAUSE_REFUSED);
}

void give_up_and_roll_back(struct step *s) {
    note(s);
    put_decision(s, DECISION_ROLLBACK, CAUSE_PATIENCE);
}

void note_and_commit_as_checked(struct step *s) {
    note(s);
    put_decision(s, DECISION_COMMIT, CAUSE_CHECK);
}

void note_and_roll_back_as_checked(struct step *s) {
    note(s);
    put_decision(s, DECISION_ROLLBACK, CAUSE_CHECK);
}

void note_and_report(struct step *s) {
    const struct outlet *outlet = channel_outlet(parcel_judged(s)->channel);
    note(s);
    if (!MUTANT(refusal_not_published))
        publish_refusal(s, outlet);
}

void set_aside(struct step *s) {
    put_outcome(s, 0, MUTANT(dead_is_done) ? 0 : RECORD_FLAG_DEAD);
}

void note_gone_and_roll_back(struct step *s) {
    const struct parcel *p = parcel_of(s->seat, s->branch);
    struct channel *c = p->channel;
    /* The address that is gone may have been changed while the call was out. */
    bool current =
        p->version == NULL || slice_equal(p->version->definition.outlet.url, channel_outlet(c)->url);
    note(s);
    put_decision(s, DECISION_ROLLBACK, CAUSE_REFUSED);
    if (current && !c->version->definition.paused && c->thing.id != 0)
        (void)channel_pause(s->engine, s->event, s->effects, c, true, SLICE("it answered 410: gone"));
}

void finish(struct step *s) {
    struct record r = { .kind = RECORD_FINISHED, .status = s->rule->next };
    step_put(s, &r);
}

void go_on(struct step *s) {
    (void)s;
}

static void answer(struct step *s, uint8_t kind, struct slice text) {
    s->effects->reply.kind = kind;
    s->effects->reply.text = text;
}

void agree(struct step *s) {
    answer(s, REPLY_STATE, SLICE_NONE);
}

void too_late(struct step *s) {
    if (MUTANT(racer_overwrites_decision))
        roll_back(s);
    answer(s, REPLY_ALREADY_DECIDED, SLICE_NONE);
}

void not_yours(struct step *s) {
    answer(s, REPLY_NOT_ALLOWED,
           SLICE("settled drives this transaction and decides by itself; only drive:\"client\" transactions "
                 "take a commit"));
}

void wait_for_pivot(struct step *s) {
    answer(s, REPLY_NOT_ALLOWED,
           SLICE("the pivot was called, its outcome is unknown and it has no compensation; it is tried until "
                 "it answers, and only a refusal "
                 "rolls back"));
}
