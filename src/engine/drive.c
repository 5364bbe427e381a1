/* Which operations are owed: what may start now, what is out, and when nothing is left. Shared by every
 * pattern; the order of things (reliability.md G7) is decided here and nowhere else. */
#include <assert.h>

#include "base/limits.h"
#include "engine/mutant.h"
#include "engine/seat.h"

static bool in_progress(const struct operation *o) {
    return o->status == OPERATION_RUNNING || o->status == OPERATION_WAITING ||
           o->status == OPERATION_RETRYING;
}

static bool succeeded(const struct operation *o) {
    return o->status == OPERATION_DONE || (o->status == OPERATION_RESOLVED && !o->not_done);
}

/* Whether the forward operation may have left something behind. */
bool drive_undo_needed(const struct transaction *t, const struct branch *b) {
    const struct operation *o = &b->operation[ROLE_FORWARD];
    if (b->to[ROLE_BACKWARD].url.length == 0)
        return false;
    if (t->drive == DRIVE_CLIENT)
        return !MUTANT(client_work_not_undone); /* the client may have run it, whatever we know */
    switch (o->status) {
    case OPERATION_DONE:
        return true;
    case OPERATION_RESOLVED:
        return !o->not_done;
    case OPERATION_REFUSED:
        return o->attempt > 0 && ((o->ever_unknown && !MUTANT(unknown_not_compensated)) ||
                                  (b->cancel_always && !MUTANT(cancel_always_ignored)));
    case OPERATION_SKIPPED:
        return o->ever_unknown || o->ever_working;
    default:
        return MUTANT(compensates_beside_open_call);
    }
}

/* A pivot without a compensation that was called and has not answered: neither rolling back nor committing
 * would be true. */
bool drive_pivot_in_doubt(const struct transaction *t) {
    for (size_t i = 0; i < t->branch_count; i++) {
        const struct branch *b = &t->branches[i];
        const struct operation *o = &b->operation[ROLE_FORWARD];
        if (!b->pivot || b->to[ROLE_BACKWARD].url.length > 0)
            continue;
        return o->status == OPERATION_RUNNING ||
               (in_progress(o) && (o->open || o->ever_unknown || o->ever_working));
    }
    return false;
}

static bool predecessors_succeeded(const struct transaction *t, const struct branch *b) {
    for (size_t i = 0; i < b->after_count; i++)
        if (!succeeded(&t->branches[b->after[i]].operation[ROLE_FORWARD]) && !MUTANT(starts_too_early))
            return false;
    return true;
}

/* Whether nothing of this branch is left to undo. */
static bool is_undone(const struct transaction *t, const struct branch *b) {
    const struct operation *forward = &b->operation[ROLE_FORWARD];
    const struct operation *backward = &b->operation[ROLE_BACKWARD];
    if (in_progress(forward) || forward->open)
        return false;
    return !drive_undo_needed(t, b) || backward->status == OPERATION_DONE ||
           backward->status == OPERATION_RESOLVED;
}

/* Reverse order (I-S4): a branch waits while anything that comes after it, directly or through others, is not
 * undone. One pass from the end settles it when branches stand in their order, which they nearly always do.
 */
static void hold_predecessors(const struct transaction *t, bool held[LIMIT_BRANCHES]) {
    bool changed = t->status == STATUS_ROLLING_BACK && !MUTANT(order_not_reversed);
    assert(t->branch_count <= LIMIT_BRANCHES);
    while (changed) {
        changed = false;
        for (size_t i = t->branch_count; i-- > 0;) {
            const struct branch *b = &t->branches[i];
            if (!held[i] && is_undone(t, b))
                continue;
            for (size_t k = 0; k < b->after_count; k++) {
                changed |= !held[b->after[k]] && b->after[k] > i;
                held[b->after[k]] = true;
            }
        }
    }
}

static bool may_start_forward(const struct transaction *t, const struct branch *b) {
    bool going = t->status == STATUS_ACTIVE || (t->status == STATUS_COMMITTING && t->mode == MODE_SAGA);
    return going && t->drive == DRIVE_SERVER && predecessors_succeeded(t, b);
}

static bool may_start_backward(const struct transaction *t, const struct branch *b) {
    const struct operation *forward = &b->operation[ROLE_FORWARD];
    bool over = (!in_progress(forward) && !forward->open) || MUTANT(compensates_beside_open_call);
    return t->status == STATUS_ROLLING_BACK && over && drive_undo_needed(t, b);
}

static bool may_start(const struct transaction *t, const struct branch *b, uint8_t role, bool held) {
    if (b->operation[role].status != OPERATION_PENDING || b->to[role].url.length == 0)
        return false;
    switch (role) {
    case ROLE_FORWARD:
        return may_start_forward(t, b);
    case ROLE_CONFIRM:
        return t->status == STATUS_COMMITTING || (MUTANT(confirms_before_decision) && t->mode == MODE_TCC);
    default:
        return !held && may_start_backward(t, b);
    }
}

/* Fill the body's references before the first call, once. A value that is not there is the same as the
 * participant refusing. */
static bool fill(struct step *s, uint16_t branch, uint8_t role) {
    struct transaction *t = s->transaction;
    const struct branch *b = &t->branches[branch];
    struct buffer filled;
    struct why why = { .text = "" };
    if (!b->has_references || (b->filled.length > 0 && !MUTANT(fills_body_afresh)))
        return true;
    buffer_init(&filled, LIMIT_BRANCH_PAYLOAD_BYTES);
    int result = reference_fill(t, branch, &filled, &why);
    if (result == 0) {
        struct record r = { .kind = RECORD_FILLED, .branch = branch, .text = buffer_slice(&filled) };
        step_put(s, &r);
        buffer_done(&filled);
        return true;
    }
    buffer_done(&filled);
    struct outcome refused = {
        .transaction = t->id,
        .branch = branch,
        .role = role,
        .verdict = VERDICT_REFUSED,
        .attempt = b->operation[role].attempt == 0 ? 0 : b->operation[role].attempt - 1,
        .body = slice_text(why.text),
    };
    judge(s, &refused);
    return false;
}

static void start(struct step *s, uint16_t branch, uint8_t role) {
    if (!fill(s, branch, role))
        return;
    struct record r = { .kind = RECORD_ALLOWED, .branch = branch, .role = role, .attempt = 1 };
    step_put(s, &r);
}

/* Stops when a decision falls on the way (a reference to nothing is a refusal): other things are owed then.
 */
static void start_owed(struct step *s) {
    struct transaction *t = s->transaction;
    uint8_t status = t->status;
    bool held[LIMIT_BRANCHES] = { false };
    hold_predecessors(t, held);
    for (uint16_t i = 0; i < t->branch_count && t->status == status; i++)
        for (uint8_t role = 0; role < ROLE_COUNT && t->status == status; role++)
            if (may_start(t, &t->branches[i], role, held[i]))
                start(s, i, role);
}

static bool anything_in_progress(const struct transaction *t) {
    for (size_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++)
            if (in_progress(&t->branches[i].operation[role]) || t->branches[i].operation[role].open)
                return true;
    return false;
}

static void emit(struct step *s, uint16_t branch, uint8_t role) {
    struct transaction *t = s->transaction;
    struct branch *b = &t->branches[branch];
    struct operation *o = &b->operation[role];
    struct call call = {
        .transaction = t->id,
        .branch = branch,
        .role = role,
        .attempt = o->attempt,
        .timeout_ms = b->to[role].timeout_ms,
        .deadline_ms = t->decision == DECISION_NONE ? t->deadline_ms : 0,
        .gid = t->gid,
        .branch_id = b->id,
        .operation = slice_text(operation_word(t->mode, role)),
        .url = b->to[role].url,
        .body = branch_payload(b),
    };
    o->open = true;
    s->seat->open_calls++;
    s->engine->figures.calls_open++;
    s->engine->figures.attempts++;
    trace_call(s, &call);
    int result = effects_call(s->effects, &call);
    assert(result == 0);
}

/* A forward operation whose attempt was allowed but is not out when the decision is to roll back will never
 * be sent. */
static bool is_moot(const struct step *s, const struct operation *o, uint8_t role) {
    return s->transaction->status == STATUS_ROLLING_BACK && role == ROLE_FORWARD && in_progress(o) &&
           !o->open && !o->interrupted;
}

static void drop_moot(struct step *s) {
    struct transaction *t = s->transaction;
    for (uint16_t i = 0; i < t->branch_count; i++) {
        struct operation *o = &t->branches[i].operation[ROLE_FORWARD];
        if (!is_moot(s, o, ROLE_FORWARD))
            continue;
        struct outcome never = {
            .transaction = t->id, .branch = i, .verdict = VERDICT_NOT_SENT, .attempt = o->attempt
        };
        judge(s, &never);
    }
}

static bool wants_out(const struct operation *o, uint64_t now_ms) {
    if (o->open || o->interrupted)
        return false;
    return o->status == OPERATION_RUNNING || (in_progress(o) && o->next_ms <= now_ms);
}

static void send_allowed(struct step *s) {
    struct transaction *t = s->transaction;
    for (uint16_t i = 0; i < t->branch_count; i++)
        for (uint8_t role = 0; role < ROLE_COUNT; role++) {
            if (!wants_out(&t->branches[i].operation[role], s->event->now_ms))
                continue;
            if (s->engine->figures.calls_open >= s->engine->options.calls_max)
                return; /* the tick comes back for it */
            if (fill(s, i, role))
                emit(s, i, role);
        }
}

void drive(struct step *s) {
    struct transaction *t = s->transaction;
    while (!status_is_final(t->status) && (!t->suspended || MUTANT(suspended_still_calls))) {
        uint8_t status = t->status;
        drop_moot(s);
        start_owed(s);
        if (t->status != status)
            continue;
        if (t->status == STATUS_ROLLING_BACK)
            drop_moot(s);
        if (!anything_in_progress(t)) {
            if (!rule_obey(s, ON_NOTHING_OWED))
                return;
            continue;
        }
        uint32_t seq = t->seq;
        send_allowed(s);
        if (t->seq == seq)
            return;
    }
}
