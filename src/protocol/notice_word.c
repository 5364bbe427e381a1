#include "protocol/notice_word.h"

#include <assert.h>

static const char *const words[NOTICE_STATUS_COUNT] = {
    [NOTICE_SCHEDULED] = "scheduled", [NOTICE_DELIVERING] = "delivering", [NOTICE_RETRYING] = "retrying",
    [NOTICE_DELIVERED] = "delivered", [NOTICE_GAVE_UP] = "gave_up",       [NOTICE_CANCELLED] = "cancelled",
};

static const struct operation *attempts_of(const struct transaction *t) {
    assert(t->mode == MODE_NOTICE);
    assert(t->branch_count == 1);
    return &t->branches[0].operation[ROLE_FORWARD];
}

enum notice_status notice_status(const struct transaction *t) {
    const struct operation *o = attempts_of(t);
    if (t->decision == DECISION_COMMIT)
        return NOTICE_DELIVERED;
    if (t->decision == DECISION_ROLLBACK)
        return cause_is_by_hand(t->cause) ? NOTICE_CANCELLED : NOTICE_GAVE_UP;
    if (o->status == OPERATION_RUNNING)
        return NOTICE_DELIVERING;
    return o->attempt > 1 ? NOTICE_RETRYING : NOTICE_SCHEDULED;
}

const char *notice_status_word(enum notice_status status) {
    return words[status];
}

const char *const *notice_status_words(size_t *count) {
    *count = NOTICE_STATUS_COUNT;
    return words;
}

const char *notice_end_word(const struct transaction *t) {
    if (t->decision != DECISION_ROLLBACK)
        return NULL;
    switch (t->cause) {
    case CAUSE_PATIENCE:
        return "exhausted";
    case CAUSE_REFUSED:
        return "gone";
    case CAUSE_DEADLINE:
        return "too late";
    default:
        return "cancelled";
    }
}

/* The attempt that an operation numbers while it waits is still to be made. */
uint32_t notice_attempts(const struct transaction *t) {
    const struct operation *o = attempts_of(t);
    bool waits = o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING;
    bool never_made = o->status == OPERATION_SKIPPED && o->verdict == VERDICT_NOT_SENT && o->attempt > 0;
    return o->attempt - ((waits && o->attempt > 0) || never_made ? 1u : 0u);
}
