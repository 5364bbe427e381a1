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
    if (!b->has_references || (b->filled_length > 0 && !MUTANT(fills_body_afresh)))
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

/* When the first attempt may be made; 0: now. */
static uint64_t first_ms(const struct step *s) {
    const struct transaction *t = s->transaction;
    if (t->mode == MODE_MESSAGE)
        return s->event->now_ms + t->message->check_after_ms;
    if (t->mode != MODE_NOTICE)
        return 0;
    return s->event->now_ms + (MUTANT(notice_early) ? 0 : t->message->schedule_ms[0]);
}

static void start(struct step *s, uint16_t branch, uint8_t role) {
    if (!fill(s, branch, role))
        return;
    struct record r = {
        .kind = RECORD_ALLOWED, .branch = branch, .role = role, .attempt = 1, .next_ms = first_ms(s)
    };
    step_put(s, &r);
    if (operation_is_queued(s->transaction, branch, role))
        parcel_new(s->engine, s->seat, branch, role);
}

/* Stops when a decision falls on the way (a reference to nothing is a refusal): other things are owed then.
 */
static void start_owed(struct step *s) {
    struct transaction *t = s->transaction;
    uint8_t status = t->status;
    bool held[LIMIT_BRANCHES] = { false };
    bool undoes = t->message == NULL; /* a delivery is never undone, and there may be more of them */
    if (undoes)
        owed_hold(t, held);
    for (uint16_t i = 0; i < t->branch_count && t->status == status; i++)
        for (uint8_t role = 0; role < ROLE_COUNT && t->status == status; role++)
            if (owed_may_start(t, &t->branches[i], role, undoes && held[i]))
                start(s, i, role);
}

void emit(struct step *s, uint16_t branch, uint8_t role, const struct version *version) {
    struct transaction *t = s->transaction;
    struct branch *b = &t->branches[branch];
    struct operation *o = &b->operation[role];
    const struct outlet *outlet = version == NULL ? NULL : &version->definition.outlet;
    uint32_t timeout_ms = b->to[role].timeout_ms;
    struct call call = {
        .transaction = t->id,
        .branch = branch,
        .role = role,
        .attempt = o->attempt,
        .timeout_ms = timeout_ms > 0 || outlet == NULL ? timeout_ms : outlet->timeout_ms,
        .deadline_ms = t->decision == DECISION_NONE ? t->deadline_ms : 0,
        .gid = t->gid,
        .branch_id = b->id,
        .operation = slice_text(operation_word(t->mode, role)),
        .url = outlet == NULL ? branch_url(b, role) : outlet->url,
        .body = outlet == NULL ? branch_payload(b) : t->message->body,
        .signer = t->mode == MODE_NOTICE ? b->id : SLICE_NONE,
        .message = outlet == NULL ? NULL : &t->message->head,
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
 * be sent; nor will a check-back of a decided message. */
static bool is_moot(const struct step *s, const struct operation *o, uint8_t role) {
    const struct transaction *t = s->transaction;
    bool moot = t->status == STATUS_ROLLING_BACK || (t->mode == MODE_MESSAGE && t->decision != DECISION_NONE);
    return moot && role == ROLE_FORWARD && owed_in_progress(o) && !o->open && !o->interrupted;
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

/* Whether a message's call that has not left this host is still wanted: a check-back until the decision, a
 * delivery until it is acked or given up. */
static bool is_wanted(const struct transaction *t, const struct operation *o, uint8_t role) {
    return owed_in_progress(o) && (role != ROLE_FORWARD || t->decision == DECISION_NONE);
}

/* The same turn may bring the decision right after it allowed a check-back (reliability.md I-M3): what has
 * not left stays here. */
static void withdraw_unwanted(struct step *s) {
    struct transaction *t = s->transaction;
    if (t->message == NULL || s->seat->open_calls == 0)
        return;
    for (uint16_t i = 0; i < t->branch_count; i++)
        for (uint8_t role = 0; role < ROLE_COUNT; role++) {
            struct operation *o = &t->branches[i].operation[role];
            if (!o->open || is_wanted(t, o, role) || MUTANT(check_after_decision) ||
                !effects_withdraw(s->effects, t->id, i, role))
                continue;
            o->open = false;
            s->seat->open_calls--;
            s->engine->figures.calls_open--;
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
            if (!wants_out(&t->branches[i].operation[role], s->event->now_ms) ||
                operation_is_queued(t, i, role)) /* its channel sends it when its turn comes */
                continue;
            if (s->engine->figures.calls_open >= s->engine->options.calls_max)
                return; /* the tick comes back for it */
            if (fill(s, i, role))
                emit(s, i, role, NULL);
        }
}

void drive(struct step *s) {
    struct transaction *t = s->transaction;
    while (!status_is_final(t->status) && (!t->suspended || MUTANT(suspended_still_calls))) {
        uint8_t status = t->status;
        withdraw_unwanted(s);
        drop_moot(s);
        start_owed(s);
        if (t->status != status)
            continue;
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
