/* Words and questions about a transaction: nothing here changes one. */
#include <assert.h>

#include "model/stored.h"
#include "model/transaction.h"

static const char *const status_words[STATUS_END] = {
    [STATUS_ACTIVE] = "active",
    [STATUS_COMMITTING] = "committing",
    [STATUS_ROLLING_BACK] = "rolling_back",
    [STATUS_COMMITTED] = "committed",
    [STATUS_ROLLED_BACK] = "rolled_back",
    [STATUS_HEURISTIC_COMMIT] = "heuristic_commit",
    [STATUS_HEURISTIC_ROLLBACK] = "heuristic_rollback",
    [STATUS_HEURISTIC_MIXED] = "heuristic_mixed",
};

static const struct mode_words {
    const char *mode;
    uint8_t kind;
    const char *operations[ROLE_COUNT];
} modes[MODE_END] = {
    [MODE_SAGA] = { "saga", STORED_TRANSACTION, { "action", "", "compensate" } },
    [MODE_TCC] = { "tcc", STORED_TRANSACTION, { "try", "confirm", "cancel" } },
    [MODE_MESSAGE] = { "message", STORED_MESSAGE, { "check", "deliver", "" } },
    [MODE_NOTICE] = { "notification", STORED_NOTICE, { "notify", "", "" } },
};

bool status_is_final(uint8_t status) {
    return status >= STATUS_COMMITTED && status < STATUS_END;
}

const char *status_word(uint8_t status) {
    return status > 0 && status < STATUS_END ? status_words[status] : "?";
}

uint8_t status_from_word(struct slice word) {
    for (uint8_t status = STATUS_ACTIVE; status < STATUS_END; status++)
        if (slice_is(word, status_words[status]))
            return status;
    return 0;
}

const char *mode_word(uint8_t mode) {
    return mode > 0 && mode < MODE_END ? modes[mode].mode : "?";
}

uint8_t mode_kind(uint8_t mode) {
    assert(mode > 0 && mode < MODE_END);
    return modes[mode].kind;
}

const char *operation_word(uint8_t mode, uint8_t role) {
    assert(mode > 0 && mode < MODE_END);
    assert(role < ROLE_COUNT);
    return modes[mode].operations[role];
}

int operation_role(uint8_t mode, struct slice word) {
    for (uint8_t role = 0; word.length > 0 && role < ROLE_COUNT; role++)
        if (slice_is(word, operation_word(mode, role)))
            return role;
    return -1;
}

const char *operation_status_word(const struct operation *o) {
    static const char *const words[] = {
        [OPERATION_PENDING] = "pending",   [OPERATION_RUNNING] = "running",   [OPERATION_WAITING] = "waiting",
        [OPERATION_RETRYING] = "retrying", [OPERATION_DONE] = "done",         [OPERATION_REFUSED] = "refused",
        [OPERATION_SKIPPED] = "skipped",   [OPERATION_RESOLVED] = "resolved", [OPERATION_DEAD] = "dead",
    };
    bool waits = o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING;
    return waits && o->open ? words[OPERATION_RUNNING] : words[o->status];
}

struct slice operation_detail(const struct operation *o) {
    return slice_of(o->detail, o->detail_length);
}

bool branch_is_delivery(const struct branch *b) {
    return b->delivery;
}

int transaction_branch(const struct transaction *t, struct slice id) {
    for (size_t i = 0; i < t->branch_count; i++)
        if (slice_equal(t->branches[i].id, id))
            return (int)i;
    return -1;
}

struct slice branch_payload(const struct branch *b) {
    return b->filled_length > 0 ? branch_filled(b) : b->body;
}

uint64_t transaction_attention(const struct transaction *t, uint16_t *branch, uint8_t *role) {
    uint64_t since_ms = 0;
    if (status_is_final(t->status))
        return 0;
    for (uint16_t i = 0; i < t->branch_count; i++)
        for (uint8_t r = 0; r < ROLE_COUNT; r++) {
            uint64_t at_ms = t->branches[i].operation[r].attention_ms;
            if (at_ms == 0 || (since_ms != 0 && at_ms >= since_ms))
                continue;
            since_ms = at_ms;
            *branch = i;
            *role = r;
        }
    return since_ms;
}

uint64_t transaction_next(const struct transaction *t) {
    uint64_t next_ms = 0;
    for (size_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++) {
            const struct operation *o = &t->branches[i].operation[role];
            bool waits = o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING;
            if (waits && (next_ms == 0 || o->next_ms < next_ms))
                next_ms = o->next_ms;
        }
    return next_ms;
}

static void check_operation(const struct transaction *t, const struct branch *b, uint8_t role) {
    const struct operation *o = &b->operation[role];
    bool waits = o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING;
    assert(waits == (o->next_ms != 0));
    assert(o->attention_ms == 0 || waits || o->status == OPERATION_RUNNING || o->status == OPERATION_DEAD);
    if (o->status == OPERATION_PENDING)
        assert(o->attempt == 0);
    if (o->open)
        assert(o->attempt > 0);
    if (role == ROLE_CONFIRM && o->attempt > 0) /* I-T2: confirm only after commit */
        assert(t->decision == DECISION_COMMIT);
    if (role == ROLE_BACKWARD &&
        o->attempt > 0) /* I-S2: nothing is undone unless the decision is to roll back */
        assert(t->decision == DECISION_ROLLBACK);
}

void transaction_check(const struct transaction *t) {
    assert(t->id != 0);
    assert(t->seq > 0);
    assert(t->gid.length > 0);
    assert(t->status > 0 && t->status < STATUS_END);
    if (t->status == STATUS_ACTIVE)
        assert(t->decision == DECISION_NONE);
    if (t->status == STATUS_COMMITTING || t->status == STATUS_COMMITTED) /* G1 */
        assert(t->decision == DECISION_COMMIT);
    if (t->status == STATUS_ROLLING_BACK || t->status == STATUS_ROLLED_BACK)
        assert(t->decision == DECISION_ROLLBACK);
    assert(status_is_final(t->status) == (t->finished_ms != 0));
    for (size_t i = 0; i < t->branch_count; i++)
        for (uint8_t role = 0; role < ROLE_COUNT; role++)
            check_operation(t, &t->branches[i], role);
    if (status_is_final(t->status)) /* nothing is scheduled for a final transaction (I-R1) */
        assert(transaction_next(t) == 0);
}
