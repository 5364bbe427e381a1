#include "engine/owed.h"

#include <assert.h>

#include "engine/mutant.h"

bool owed_in_progress(const struct operation *o) {
    return o->status == OPERATION_RUNNING || o->status == OPERATION_WAITING ||
           o->status == OPERATION_RETRYING;
}

static bool succeeded(const struct operation *o) {
    return o->status == OPERATION_DONE || (o->status == OPERATION_RESOLVED && !o->not_done);
}

/* Whether the forward operation may have left something behind. */
bool owed_undo(const struct transaction *t, const struct branch *b) {
    const struct operation *o = &b->operation[ROLE_FORWARD];
    if (branch_url(b, ROLE_BACKWARD).length == 0)
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
bool owed_pivot_in_doubt(const struct transaction *t) {
    for (size_t i = 0; i < t->branch_count; i++) {
        const struct branch *b = &t->branches[i];
        const struct operation *o = &b->operation[ROLE_FORWARD];
        if (!b->pivot || branch_url(b, ROLE_BACKWARD).length > 0)
            continue;
        return o->status == OPERATION_RUNNING ||
               (owed_in_progress(o) && (o->open || o->interrupted || o->ever_unknown || o->ever_working));
    }
    return false;
}

static bool predecessors_succeeded(const struct transaction *t, const struct branch *b) {
    for (size_t i = 0; i < b->after_count; i++)
        if (!succeeded(&t->branches[branch_after(b)[i]].operation[ROLE_FORWARD]) && !MUTANT(starts_too_early))
            return false;
    return true;
}

/* Whether nothing of this branch is left to undo. */
static bool is_undone(const struct transaction *t, const struct branch *b) {
    const struct operation *forward = &b->operation[ROLE_FORWARD];
    const struct operation *backward = &b->operation[ROLE_BACKWARD];
    if (owed_in_progress(forward) || forward->open)
        return false;
    return !owed_undo(t, b) || backward->status == OPERATION_DONE || backward->status == OPERATION_RESOLVED;
}

/* Reverse order (I-S4): a branch waits while anything that comes after it, directly or through others, is not
 * undone. One pass from the end settles it when branches stand in their order, which they nearly always do.
 */
void owed_hold(const struct transaction *t, bool held[LIMIT_BRANCHES]) {
    bool changed = t->status == STATUS_ROLLING_BACK && !MUTANT(order_not_reversed);
    assert(t->branch_count <= LIMIT_BRANCHES);
    while (changed) {
        changed = false;
        for (size_t i = t->branch_count; i-- > 0;) {
            const struct branch *b = &t->branches[i];
            if (!held[i] && is_undone(t, b))
                continue;
            for (size_t k = 0; k < b->after_count; k++) {
                changed |= !held[branch_after(b)[k]] && branch_after(b)[k] > i;
                held[branch_after(b)[k]] = true;
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
    bool over = (!owed_in_progress(forward) && !forward->open) || MUTANT(compensates_beside_open_call);
    return t->status == STATUS_ROLLING_BACK && over && owed_undo(t, b);
}

bool owed_may_start(const struct transaction *t, const struct branch *b, uint8_t role, bool held) {
    bool exists = branch_url(b, role).length > 0 || (t->mode == MODE_NOTICE && role == ROLE_FORWARD);
    if (b->operation[role].status != OPERATION_PENDING || !exists)
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

bool owed_anything(const struct transaction *t) {
    for (size_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++) {
            const struct operation *o = &t->branches[i].operation[role];
            if (owed_in_progress(o) || o->open || o->status == OPERATION_DEAD)
                return true;
        }
    return false;
}
