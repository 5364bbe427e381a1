/* What consumers say about deliveries (ack, nack) and what operators do with them (replay, discard, edit).
 * Source: ux.md (b), "Reliable message". */
#include <assert.h>

#include "engine/mutant.h"
#include "engine/seat.h"

static void answer(struct step *s, uint8_t kind, struct slice text) {
    s->effects->reply.kind = kind;
    s->effects->reply.text = text;
}

/* The delivery that the command names; NULL (and answered) when there is none. */
static struct operation *find_delivery(struct step *s) {
    struct transaction *t = s->transaction;
    int branch = transaction_branch(t, s->event->branch_id);
    if (t->mode != MODE_MESSAGE || branch < 0 || !branch_is_delivery(&t->branches[branch])) {
        answer(s, REPLY_NO_BRANCH, SLICE("the message has no delivery to that subscription"));
        return NULL;
    }
    s->branch = (uint16_t)branch;
    s->role = ROLE_CONFIRM;
    answer(s, REPLY_STATE, SLICE_NONE);
    return &t->branches[branch].operation[ROLE_CONFIRM];
}

/* The attempt that a consumer talks about: the one that is out, or the last that was. */
static uint32_t attempt_heard(const struct step *s, const struct operation *o) {
    const struct parcel *p = s->seat == NULL ? NULL : parcel_of(s->seat, s->branch);
    bool waits = o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING;
    bool pulled = p != NULL && p->state == PARCEL_OUT && channel_outlet(p->channel)->url.length == 0;
    return waits && !o->open && !pulled && o->attempt > 1 ? o->attempt - 1 : o->attempt;
}

static void hear(struct step *s, uint8_t verdict, uint32_t pause_ms, struct slice text) {
    struct operation *o = &s->transaction->branches[s->branch].operation[s->role];
    struct outcome heard = {
        .transaction = s->transaction->id,
        .branch = s->branch,
        .role = s->role,
        .verdict = verdict,
        .attempt = attempt_heard(s, o),
        .retry_after_ms = pause_ms,
        .body = text,
    };
    struct parcel *p = parcel_of(s->seat, s->branch);
    o->interrupted = false;
    p->lease_ms = 0; /* whatever was said, it is not the consumer's any more */
    judge(s, &heard);
}

void acknowledge(struct step *s) {
    const struct operation *o = find_delivery(s);
    if (o == NULL || o->status == OPERATION_DONE)
        return; /* a repeat of an ack is an ack */
    if (o->status == OPERATION_REFUSED || o->status == OPERATION_RESOLVED) {
        answer(s, REPLY_NOT_ALLOWED,
               o->status == OPERATION_REFUSED ? SLICE("the delivery was refused, and that is final")
                                              : SLICE("the delivery was discarded by an operator"));
        return;
    }
    hear(s, VERDICT_DONE, 0, SLICE_NONE);
    answer(s, REPLY_STATE, SLICE_NONE);
}

void refuse_delivery(struct step *s) {
    const struct operation *o = find_delivery(s);
    if (o == NULL)
        return;
    if (o->open) {
        answer(s, REPLY_NOT_ALLOWED, SLICE("its push is still out: answer the push instead"));
        return;
    }
    if (!owed_in_progress(o)) {
        answer(s, REPLY_NOT_ALLOWED, SLICE("the delivery is not waiting for an ack any more"));
        return;
    }
    struct slice why = s->event->text;
    hear(s, s->event->not_done ? VERDICT_REFUSED : VERDICT_SLOW_DOWN, s->event->pause_ms, why);
    answer(s, REPLY_STATE, SLICE_NONE);
}

void replay_delivery(struct step *s) {
    const struct operation *o = find_delivery(s);
    if (o == NULL)
        return;
    if (o->status != OPERATION_DEAD) {
        answer(s, REPLY_NOT_ALLOWED, SLICE("only a dead delivery is replayed; this one is not dead"));
        return;
    }
    struct record r = {
        .kind = RECORD_NUDGED,
        .branch = s->branch,
        .role = s->role,
        .next_ms = s->event->now_ms,
        .text = s->event->text,
        .who = s->event->who,
    };
    step_put(s, &r);
    audit_put(s->engine, s->effects, s->event, "replay");
}

/* Settle the delivery by hand: it did not and will not happen. False (and answered) when it is over. */
static bool give_up(struct step *s, const struct operation *o, struct slice text) {
    if (!owed_in_progress(o) && o->status != OPERATION_DEAD) {
        answer(s, REPLY_NOT_ALLOWED, SLICE("the delivery is over: acked, refused or discarded already"));
        return false;
    }
    struct record r = {
        .kind = RECORD_RESOLVED,
        .branch = s->branch,
        .role = s->role,
        .flags = RECORD_FLAG_NOT_DONE,
        .text = text,
        .who = s->event->who,
    };
    step_put(s, &r);
    return true;
}

void discard_delivery(struct step *s) {
    const struct operation *o = find_delivery(s);
    if (o != NULL && give_up(s, o, s->event->text))
        audit_put(s->engine, s->effects, s->event, "discard");
}

/* Something new on an operator's word is refused where a client's would be. True: answered. */
static bool is_refused(struct step *s, uint8_t mode, const struct message_request *m) {
    struct transaction_request q = { .mode = mode, .message = m };
    struct slice limit;
    uint8_t refusal = submit_refusal(s->engine, &q, &limit);
    if (refusal != 0)
        answer(s, refusal, limit);
    return refusal != 0;
}

/* The original stays as it was and says what replaced it; the new message is for this subscription alone. */
void edit_delivery(struct step *s) {
    const struct operation *o = find_delivery(s);
    struct message_request with_body = { .body = s->event->body };
    if (o == NULL || is_refused(s, MODE_MESSAGE, &with_body) || !give_up(s, o, s->event->text))
        return;
    char origin[16 + LIMIT_GID_BYTES + LIMIT_BRANCH_ID_BYTES];
    struct buffer text = { .at = origin, .capacity = sizeof origin, .max = sizeof origin };
    buffer_add_format(&text, "edit of %.*s~%.*s", SLICE_PRINT(s->transaction->gid),
                      SLICE_PRINT(s->event->branch_id));
    struct message_request m = *s->transaction->message;
    m.body = s->event->body;
    if (s->event->content_type.length > 0)
        m.head.content_type = s->event->content_type;
    m.only = s->event->branch_id;
    m.origin = buffer_slice(&text);
    m.delay_ms = 0;
    m.half = false;
    struct slice id = publish(s, MODE_MESSAGE, &m, 0);
    audit_put(s->engine, s->effects, s->event, "edit");
    answer(s, REPLY_STATE, id);
}

/* What gave up stays as it was: the new one has its own attempts, and says what it repeats. */
void notify_again(struct step *s) {
    const struct transaction *t = s->transaction;
    char origin[16 + LIMIT_GID_BYTES];
    struct buffer text = { .at = origin, .capacity = sizeof origin, .max = sizeof origin };
    if (t->mode != MODE_NOTICE) {
        answer(s, REPLY_NOT_ALLOWED, SLICE("only a notification is sent again"));
        return;
    }
    const struct channel *c = channel_find(s->engine, DEFINITION_ENDPOINT, t->message->only);
    if (c == NULL || c->thing.id == 0) {
        answer(s, REPLY_NOT_ALLOWED, SLICE("its endpoint is not defined any more"));
        return;
    }
    if (is_refused(s, MODE_NOTICE, t->message))
        return;
    buffer_add_format(&text, "retry of %.*s", SLICE_PRINT(t->gid));
    struct message_request m = *t->message;
    m.origin = buffer_slice(&text);
    struct slice id = publish(s, MODE_NOTICE, &m, t->branches[0].to[ROLE_FORWARD].timeout_ms);
    audit_put(s->engine, s->effects, s->event, "retry");
    answer(s, REPLY_STATE, id);
}

void leases_end(struct step *s) {
    for (struct parcel *p = s->seat->parcels; p != NULL; p = p->next) {
        const struct operation *o = &s->transaction->branches[p->branch].operation[p->role];
        if (p->state != PARCEL_OUT || p->lease_ms == 0 || p->lease_ms > s->event->now_ms ||
            MUTANT(lease_forgotten) || !owed_in_progress(o))
            continue;
        s->branch = p->branch;
        s->role = p->role;
        hear(s, VERDICT_UNKNOWN, 0, SLICE("the consumer did not ack in time"));
    }
}
