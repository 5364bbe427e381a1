#include "protocol/chronicle.h"

#include <assert.h>

#include "base/err.h"
#include "base/limits.h"
#include "model/stored.h"
#include "protocol/message_word.h"
#include "protocol/notice_word.h"
#include "protocol/render.h"

/* What an event tells. */
enum tale {
    TALE_NONE,
    TALE_CREATED,
    TALE_OP,
    TALE_ATTEMPT,
    TALE_ATTENTION,
    TALE_DECISION,
    TALE_STATUS,
    TALE_SENT,
    TALES,
};

/* Whom it is about. */
enum hero {
    HERO_TRANSACTION,
    HERO_MESSAGE,
    HERO_DELIVERY,
    HERO_NOTICE,
    HEROES,
};

static const char *const names[HEROES][TALES] = {
    [HERO_TRANSACTION] = { NULL, "tx.created", "tx.op", "tx.attempt", "tx.attention", "tx.decision",
                           "tx.status", "tx.sent" },
    [HERO_MESSAGE] = { NULL, "msg.created", "msg.op", "msg.attempt", "msg.attention", "msg.decision",
                       "msg.status", "msg.sent" },
    [HERO_NOTICE] = { NULL, "ntf.created", "ntf.op", "ntf.attempt", "ntf.attention", NULL, "ntf.status",
                      "ntf.sent" },
    [HERO_DELIVERY] = { NULL, "delivery.created", "delivery.op", "delivery.attempt", "delivery.attention",
                        NULL, NULL, NULL },
};

/* What a record shows as, in order. */
static const uint8_t shown[RECORD_KIND_END][CHRONICLE_EVENTS_MAX] = {
    [RECORD_CREATED] = { TALE_CREATED, TALE_NONE },
    [RECORD_BRANCH] = { TALE_OP, TALE_NONE },
    [RECORD_FILLED] = { TALE_NONE, TALE_NONE },
    [RECORD_ALLOWED] = { TALE_OP, TALE_NONE },
    [RECORD_OUTCOME] = { TALE_ATTEMPT, TALE_ATTENTION },
    [RECORD_DECIDED] = { TALE_DECISION, TALE_STATUS },
    [RECORD_FINISHED] = { TALE_STATUS, TALE_NONE },
    [RECORD_SUSPENDED] = { TALE_STATUS, TALE_NONE },
    [RECORD_RESUMED] = { TALE_STATUS, TALE_NONE },
    [RECORD_RESOLVED] = { TALE_OP, TALE_NONE },
    [RECORD_NUDGED] = { TALE_OP, TALE_NONE },
    [RECORD_FORCED] = { TALE_STATUS, TALE_NONE },
    [RECORD_DELIVERY] = { TALE_CREATED, TALE_NONE },
    [RECORD_SENT] = { TALE_SENT, TALE_NONE },
};

static enum hero hero_of(const struct transaction *t, const struct record *r) {
    bool of_branch = r->kind == RECORD_ALLOWED || r->kind == RECORD_OUTCOME || r->kind == RECORD_RESOLVED ||
                     r->kind == RECORD_NUDGED;
    if (t->mode != MODE_MESSAGE)
        return t->mode == MODE_NOTICE ? HERO_NOTICE : HERO_TRANSACTION;
    if (r->kind == RECORD_DELIVERY)
        return HERO_DELIVERY;
    return of_branch && r->branch < t->branch_count && branch_is_delivery(&t->branches[r->branch])
               ? HERO_DELIVERY
               : HERO_MESSAGE;
}

/* How a notification ends is told once, by its last record; its decision only when somebody took it. */
static enum tale tale_of(const struct transaction *t, const struct record *r, size_t index) {
    if (t->mode == MODE_NOTICE && r->kind == RECORD_DECIDED)
        return index == 0 && cause_is_by_hand(r->cause) ? TALE_OP : TALE_NONE;
    return index < CHRONICLE_EVENTS_MAX ? (enum tale)shown[r->kind][index] : TALE_NONE;
}

size_t chronicle_count(const struct transaction *t, const struct record *r) {
    size_t count = 0;
    assert(r->kind > 0 && r->kind < RECORD_KIND_END);
    if (r->kind == RECORD_OUTCOME)
        return (r->flags & (RECORD_FLAG_ATTENTION | RECORD_FLAG_DEAD)) != 0 ? 2 : 1;
    while (tale_of(t, r, count) != TALE_NONE)
        count++;
    return count;
}

const char *chronicle_event(const struct transaction *t, const struct record *r, size_t index) {
    assert(index < chronicle_count(t, r));
    return names[hero_of(t, r)][tale_of(t, r, index)];
}

static void put_if_said(struct json_writer *w, const char *name, struct slice text) {
    if (text.length > 0)
        json_put_string(w, name, slice_upto(text, LIMIT_REASON_BYTES));
}

/* Which operation; of a delivery its head says it all. */
static void put_place(struct json_writer *w, const struct transaction *t, const struct record *r) {
    enum hero hero = hero_of(t, r);
    assert(r->branch < t->branch_count);
    if (hero == HERO_DELIVERY)
        return;
    if (hero == HERO_TRANSACTION)
        json_put_string(w, "branch", t->branches[r->branch].id);
    json_put_text(w, "op", operation_word(t->mode, r->role));
}

/* An act by hand: which, by whom, why. */
static void put_act(struct json_writer *w, const struct record *r, const char *act) {
    json_put_text(w, "act", act);
    put_if_said(w, "by", r->who);
    put_if_said(w, "detail", r->text);
}

static void put_message_created(struct json_writer *w, const struct transaction *t) {
    json_put_text(w, "status", message_status_word(t->message->half ? STATUS_ACTIVE : STATUS_COMMITTED));
    json_put_string(w, "topic", t->message->head.topic);
    put_if_said(w, "key", t->message->head.key);
    put_if_said(w, "origin", t->message->origin);
    put_if_said(w, "by", t->principal);
}

static void put_notice_created(struct json_writer *w, const struct transaction *t) {
    json_put_text(w, "status", notice_status_word(NOTICE_SCHEDULED));
    json_put_string(w, "endpoint", t->message->only);
    json_put_string(w, "name", t->message->head.topic);
    put_if_said(w, "ref", t->message->head.key);
    put_if_said(w, "origin", t->message->origin);
    put_if_said(w, "by", t->principal);
}

static void put_created(struct json_writer *w, const struct transaction *t, const struct record *r) {
    if (r->kind == RECORD_DELIVERY) {
        json_put_text(w, "state", delivery_status_word(DELIVERY_PENDING));
        if (r->next_ms != 0)
            render_time(w, "next_try", r->next_ms);
        return;
    }
    if (t->mode == MODE_MESSAGE) {
        put_message_created(w, t);
        return;
    }
    if (t->mode == MODE_NOTICE) {
        put_notice_created(w, t);
        return;
    }
    json_put_text(w, "status", "active");
    json_put_text(w, "mode", mode_word(t->mode));
    if (t->name.length > 0)
        json_put_string(w, "name", t->name);
    put_if_said(w, "by", t->principal);
    render_time(w, "deadline", t->deadline_ms);
}

/* Where an outcome left a delivery. A consumer that is at work, or has still to ack, has it. */
static const char *delivery_after(const struct record *r) {
    if (r->verdict == VERDICT_DONE)
        return delivery_status_word(DELIVERY_ACKED);
    if (r->next_ms != 0)
        return delivery_status_word(r->verdict == VERDICT_WORKING ? DELIVERY_DELIVERING : DELIVERY_RETRYING);
    return delivery_status_word((r->flags & RECORD_FLAG_DEAD) != 0 ? DELIVERY_DEAD : DELIVERY_REFUSED);
}

/* Where an outcome left a notification. One that comes after the end changes nothing. */
static const char *notice_after(const struct transaction *t, const struct record *r) {
    return notice_status_word(r->next_ms != 0 ? NOTICE_RETRYING : notice_status(t));
}

/* The state that an outcome left its operation in: a dry copy of what model/transaction.c applies. */
static const char *state_after(const struct record *r) {
    struct operation after = { .status = OPERATION_SKIPPED };
    if (r->verdict == VERDICT_DONE)
        after.status = OPERATION_DONE;
    else if (r->next_ms != 0)
        after.status = r->verdict == VERDICT_WORKING ? OPERATION_WAITING : OPERATION_RETRYING;
    else if (r->verdict == VERDICT_REFUSED)
        after.status = OPERATION_REFUSED;
    return operation_status_word(&after);
}

static const char *state_told(const struct transaction *t, const struct record *r) {
    switch (hero_of(t, r)) {
    case HERO_DELIVERY:
        return delivery_after(r);
    case HERO_NOTICE:
        return notice_after(t, r);
    default:
        return state_after(r);
    }
}

static void put_attempt(struct json_writer *w, const struct transaction *t, const struct record *r) {
    put_place(w, t, r);
    json_put_u64(w, "attempt", r->attempt);
    json_put_text(w, "state", state_told(t, r));
    json_put_text(w, "verdict", verdict_word(r->verdict));
    if (r->http != 0)
        json_put_u64(w, "http", r->http);
    render_duration(w, "took", r->took_ms);
    if (r->verdict != VERDICT_DONE && r->text.length > 0)
        json_put_string(w, "detail", slice_upto(r->text, LIMIT_DETAIL_BYTES));
    if (r->next_ms != 0)
        render_time(w, "next_try", r->next_ms);
}

static void put_attention(struct json_writer *w, const struct transaction *t, const struct record *r) {
    put_place(w, t, r);
    json_put_bool(w, "attention", true);
    json_put_u64(w, "attempts", r->attempt);
    if (r->http != 0)
        json_put_u64(w, "http", r->http);
    if (r->text.length > 0)
        json_put_string(w, "detail", slice_upto(r->text, LIMIT_DETAIL_BYTES));
    if (r->next_ms != 0)
        render_time(w, "next_try", r->next_ms);
}

static void put_decision(struct json_writer *w, const struct transaction *t, const struct record *r) {
    bool by_branch = r->cause == CAUSE_PIVOT || r->cause == CAUSE_REFUSED || r->cause == CAUSE_PATIENCE;
    json_put_text(w, "decision", decision_word(r->decision));
    json_put_text(w, "cause", cause_word(r->cause));
    if (by_branch && r->branch < t->branch_count)
        put_place(w, t, r);
    put_if_said(w, "by", r->who);
    if (r->text.length > 0)
        json_put_string(w, "detail", slice_upto(r->text, LIMIT_DETAIL_BYTES));
}

/* What operators do with deliveries. */
static void put_delivery_act(struct json_writer *w, const struct record *r) {
    bool replayed = r->kind == RECORD_NUDGED;
    json_put_text(w, "state", delivery_status_word(replayed ? DELIVERY_RETRYING : DELIVERY_DISCARDED));
    if (replayed)
        render_time(w, "next_try", r->next_ms);
    put_act(w, r, replayed ? "replay" : "discard");
}

static const char *allowed_state(const struct transaction *t, const struct record *r) {
    bool now = r->next_ms == 0;
    if (t->mode == MODE_NOTICE)
        return notice_status_word(now ? NOTICE_DELIVERING : NOTICE_SCHEDULED);
    return now ? "running" : "waiting";
}

static void put_operation(struct json_writer *w, const struct transaction *t, const struct record *r) {
    if (hero_of(t, r) == HERO_DELIVERY) {
        put_delivery_act(w, r);
        return;
    }
    if (r->kind == RECORD_BRANCH) {
        json_put_string(w, "branch", r->added->id);
        json_put_text(w, "op", operation_word(t->mode, ROLE_FORWARD));
        json_put_text(w, "state", "pending");
        return;
    }
    put_place(w, t, r);
    if (r->kind == RECORD_ALLOWED) {
        json_put_u64(w, "attempt", r->attempt);
        json_put_text(w, "state", allowed_state(t, r));
        if (r->next_ms != 0)
            render_time(w, "next_try", r->next_ms);
    } else if (r->kind == RECORD_NUDGED) {
        json_put_text(w, "state", "retrying");
        render_time(w, "next_try", r->next_ms);
        put_act(w, r, "retry");
    } else if (r->kind == RECORD_DECIDED) {
        json_put_text(w, "state", notice_status_word(NOTICE_CANCELLED));
        put_act(w, r, "cancel");
    } else {
        json_put_text(w, "state", "resolved");
        json_put_text(w, "as", (r->flags & RECORD_FLAG_NOT_DONE) != 0 ? "refused" : "done");
        put_act(w, r, "resolve");
    }
}

static const char *word_of(const struct transaction *t, uint8_t status) {
    return t->mode == MODE_MESSAGE ? message_status_word(status) : status_word(status);
}

static void put_notice_status(struct json_writer *w, const struct transaction *t) {
    const char *why = notice_end_word(t);
    json_put_text(w, "status", notice_status_word(notice_status(t)));
    if (why != NULL)
        json_put_text(w, "why", why);
    json_put_bool(w, "finished", true);
}

static void put_status(struct json_writer *w, const struct transaction *t, const struct record *r) {
    if (t->mode == MODE_NOTICE) {
        put_notice_status(w, t);
        return;
    }
    switch (r->kind) {
    case RECORD_DECIDED:
        json_put_text(w, "status",
                      word_of(t, r->decision == DECISION_COMMIT ? STATUS_COMMITTING : STATUS_ROLLING_BACK));
        break;
    case RECORD_SUSPENDED:
    case RECORD_RESUMED:
        json_put_bool(w, "suspended", r->kind == RECORD_SUSPENDED);
        put_act(w, r, r->kind == RECORD_SUSPENDED ? "suspend" : "resume");
        break;
    default:
        json_put_text(w, "status", word_of(t, r->status));
        if (t->mode == MODE_MESSAGE)
            json_put_bool(w, "finished", true);
        if (r->kind == RECORD_FORCED)
            put_act(w, r, "force");
    }
}

/* What it made: a message goes to a topic, a notification to an endpoint. */
static void put_sent(struct json_writer *w, const struct transaction *t, const struct record *r) {
    bool message = r->made == STORED_MESSAGE;
    (void)t;
    json_put_string(w, message ? "message" : "notification", r->text);
    json_put_string(w, message ? "topic" : "endpoint", r->who);
}

static void put_delivery_id(struct json_writer *w, const struct transaction *t, struct slice subscription) {
    json_put_raw(w, "id", SLICE("\""));
    delivery_add_id(w->out, t, subscription);
    buffer_add_byte(w->out, '"');
    json_put_string(w, "message", t->gid);
    json_put_string(w, "subscription", subscription);
}

static void put_hero(struct json_writer *w, const struct transaction *t, const struct record *r) {
    switch (hero_of(t, r)) {
    case HERO_DELIVERY:
        put_delivery_id(w, t, r->kind == RECORD_DELIVERY ? r->text : t->branches[r->branch].id);
        break;
    case HERO_MESSAGE:
    case HERO_NOTICE:
        json_put_string(w, "id", t->gid);
        break;
    default:
        json_put_string(w, "gid", t->gid);
    }
}

void chronicle_put(struct json_writer *w, const struct transaction *t, const struct record *r, uint32_t seq,
                   size_t index) {
    static void (*const put[TALES])(struct json_writer *, const struct transaction *,
                                    const struct record *) = {
        [TALE_CREATED] = put_created,     [TALE_OP] = put_operation,      [TALE_ATTEMPT] = put_attempt,
        [TALE_ATTENTION] = put_attention, [TALE_DECISION] = put_decision, [TALE_STATUS] = put_status,
        [TALE_SENT] = put_sent,
    };
    json_put_object(w, NULL);
    json_put_text(w, "event", chronicle_event(t, r, index));
    put_hero(w, t, r);
    render_time(w, "at", r->at_ms);
    json_put_u64(w, "seq", seq);
    put[tale_of(t, r, index)](w, t, r);
    json_put_end(w);
}

int chronicle_list(struct json_writer *w, const struct transaction *t, uint32_t after, uint32_t max,
                   struct arena *scratch) {
    struct image_cursor cursor;
    struct slice bytes;
    struct record r;
    uint32_t seq = 0;
    uint32_t written = 0;
    bool more = false;
    transaction_records(t, &cursor);
    json_put_object(w, NULL);
    json_put_string(w, t->mode == MODE_MESSAGE || t->mode == MODE_NOTICE ? "id" : "gid", t->gid);
    json_put_array(w, "items");
    while (!more && transaction_next_record(&cursor, &bytes)) {
        if (++seq <= after)
            continue;
        more = max != 0 && written == max;
        if (more)
            break;
        arena_reset(scratch);
        int failed = record_decode(bytes, scratch, &r);
        if (failed != 0)
            return failed;
        for (size_t i = 0; i < chronicle_count(t, &r); i++)
            chronicle_put(w, t, &r, seq, i);
        written++;
    }
    json_put_end(w);
    if (more)
        json_put_u64(w, "next", seq - 1);
    else
        json_put_null(w, "next");
    json_put_end(w);
    return 0;
}
