/* What arrives: every event finds its step here. */
#include <assert.h>

#include "engine/mutant.h"
#include "engine/seat.h"

/* About how much a step can add to the batch, payloads apart. */
static size_t room_for(const struct event *event) {
    size_t bytes = 64 * 1024;
    if (event->kind == EVENT_SUBMIT)
        for (size_t i = 0; i < event->request->branch_count; i++)
            bytes += event->request->branches[i].body.length + 256;
    if (event->kind == EVENT_SUBMIT && event->request->message != NULL)
        bytes += event->request->message->body.length;
    if (event->kind == EVENT_EDIT)
        bytes += event->body.length;
    if (event->kind == EVENT_DEFINE)
        bytes += event->definition->source.length;
    if (event->kind == EVENT_OUTCOME)
        bytes += event->outcome->body.length;
    return bytes;
}

int engine_step(struct engine *e, const struct event *event, struct effects *effects) {
    assert(event->kind > 0);
    assert(event->kind < EVENT_KIND_END);
    assert(e->batch > 0);
    effects_clear_step(effects);
    if (batch_is_full(effects, room_for(event)))
        return ERR_LIMIT;
    if (e->shown_loaded)
        transaction_done(&e->shown);
    e->shown_loaded = false;
    switch (event->kind) {
    case EVENT_SUBMIT:
        submit_step(e, event, effects);
        break;
    case EVENT_OUTCOME:
        outcome_step(e, event, effects);
        break;
    case EVENT_TICK:
        tick_step(e, event, effects);
        break;
    case EVENT_NOTE:
        audit_put(e, effects, event, "note");
        break;
    case EVENT_PULL:
        pull_step(e, event, effects);
        break;
    case EVENT_DEFINE:
    case EVENT_UNDEFINE:
    case EVENT_PAUSE:
        define_step(e, event, effects);
        break;
    default:
        command_step(e, event, effects);
    }
    serve(e, event, effects);
    if (effects->reply.kind != 0) {
        effects->reply.ticket = event->ticket;
        effects->reply.event = event->kind;
        trace_reply(effects, &effects->reply);
    }
    return 0;
}

void outcome_step(struct engine *e, const struct event *event, struct effects *effects) {
    const struct outcome *outcome = event->outcome;
    struct seat *seat = seat_by_id(e, outcome->transaction);
    struct step s;
    if (seat == NULL || outcome->branch >= seat->transaction.branch_count)
        return;
    struct operation *o = &seat->transaction.branches[outcome->branch].operation[outcome->role];
    if (!o->open || o->attempt != outcome->attempt)
        return; /* not a call of this life of the daemon */
    o->open = false;
    seat->open_calls--;
    e->figures.calls_open--;
    e->figures.verdicts[outcome->verdict]++;
    step_begin(&s, e, event, effects, seat);
    if (owed_in_progress(o))
        judge(&s, outcome);
    if (!s.transaction->suspended)
        judge_deadline(&s); /* it may be over before a tick says so: nothing new begins after it */
    drive(&s);
    step_end(&s);
    if (seat->thing.complete && seat->open_calls == 0 && seat->thing.dirty_batch == 0 && !seat->thing.folding)
        seat_leave(e, seat); /* ended by hand while this call was out; its row is durable */
}

/* A delivery's turn comes when its channel gets to it: a backlog of a million would otherwise be a million
 * records at every start. */
static bool is_delivery(const struct transaction *t, uint16_t branch, uint8_t role) {
    return t->mode == MODE_MESSAGE && operation_is_queued(t, branch, role);
}

/* An attempt that may be out although its time has not come: the clock was set back over a restart. Made due,
 * so that a decision which falls now takes it for one that may have happened. */
static void bring_forward(struct step *s, uint16_t branch, uint8_t role) {
    const struct operation *o = &s->transaction->branches[branch].operation[role];
    if (!o->interrupted || o->next_ms <= s->event->now_ms || is_delivery(s->transaction, branch, role))
        return;
    struct record r = {
        .kind = RECORD_NUDGED,
        .branch = branch,
        .role = role,
        .next_ms = s->event->now_ms,
        .text = SLICE("the clock stands before the last record: it may have been due already"),
    };
    step_put(s, &r);
}

/* What recovery found allowed: nobody knows whether it was sent. It counts as an attempt, and the next one
 * has its own number. */
void settle_interrupted(struct step *s) {
    struct transaction *t = s->transaction;
    for (uint16_t i = 0; i < t->branch_count; i++)
        for (uint8_t role = 0; role < ROLE_COUNT; role++)
            bring_forward(s, i, role);
    for (uint16_t i = 0; i < t->branch_count; i++)
        for (uint8_t role = 0; role < ROLE_COUNT; role++) {
            if (!t->branches[i].operation[role].interrupted || is_delivery(t, i, role))
                continue;
            judge_interrupted(s, i, role);
        }
}

static void wake(struct engine *e, const struct event *event, struct effects *effects, struct seat *seat) {
    struct step s;
    step_begin(&s, e, event, effects, seat);
    settle_interrupted(&s);
    leases_end(&s);
    const struct transaction *t = s.transaction;
    if (MUTANT(deadline_after_decision) && t->status == STATUS_COMMITTING && t->deadline_ms <= event->now_ms)
        roll_back(&s);
    judge_deadline(&s);
    drive(&s);
    step_end(&s);
}

enum {
    WAKES_PER_TICK = 512,
};

/* Whether a call came back and somebody waits for its place. */
static bool has_place(const struct engine *e) {
    return !chain_empty(&e->places) && e->figures.calls_open < e->options.calls_max;
}

void tick_step(struct engine *e, const struct event *event, struct effects *effects) {
    int wakes = 0;
    answers_forget(e, event->now_ms, effects);
    while (has_place(e) && wakes++ < WAKES_PER_TICK && !batch_is_full(effects, 64 * 1024)) {
        struct seat *seat = CHAIN_OWNER(e->places.next, struct seat, place);
        seat_forgo(e, seat);
        wake(e, event, effects, seat);
    }
    while (wakes++ < WAKES_PER_TICK) {
        struct due *due = due_first(&e->due);
        if (due == NULL || due->at_ms > event->now_ms || batch_is_full(effects, 64 * 1024))
            return;
        struct seat *seat = CHAIN_OWNER(due, struct seat, due);
        wake(e, event, effects, seat);
        if (seat->due.place != 0 && seat->due.at_ms <= event->now_ms)
            return; /* nothing came of it: not again in this tick */
    }
}

uint64_t engine_due(const struct engine *e) {
    const struct due *due = due_first(&e->due);
    const struct due *answer = due_first(&e->answers_due);
    uint64_t at_ms = due == NULL ? UINT64_MAX : due->at_ms;
    if (answer != NULL && answer->at_ms < at_ms)
        at_ms = answer->at_ms;
    const struct due *probe = due_first(&e->probes);
    if (probe != NULL && probe->at_ms < at_ms)
        at_ms = probe->at_ms;
    return has_place(e) || serve_waits(e) ? 0 : at_ms;
}
