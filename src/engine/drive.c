/* Driving: start what is owed, send what is allowed, and finish when nothing is left. Shared by every
 * pattern. */
#include <assert.h>

#include "base/limits.h"
#include "engine/mutant.h"
#include "engine/owed.h"
#include "engine/seat.h"

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
    owed_hold(t, held);
    for (uint16_t i = 0; i < t->branch_count && t->status == status; i++)
        for (uint8_t role = 0; role < ROLE_COUNT && t->status == status; role++)
            if (owed_may_start(t, &t->branches[i], role, held[i]))
                start(s, i, role);
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
    return s->transaction->status == STATUS_ROLLING_BACK && role == ROLE_FORWARD && owed_in_progress(o) &&
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
    return o->status == OPERATION_RUNNING || (owed_in_progress(o) && o->next_ms <= now_ms);
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
        if (!owed_anything(t)) {
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
