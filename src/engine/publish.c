/* Messages and notifications that come into being inside a step, in the very batch of what caused them: on a
 * decision, on a consumer's refusal, by an operator's edit. Either all of it is durable or none. */
#include <assert.h>

#include "base/limits.h"
#include "engine/mutant.h"
#include "engine/seat.h"
#include "model/message_request.h"

static void owe(struct step *s, const struct channel *c) {
    const struct message_request *m = s->transaction->message;
    struct record r = {
        .kind = RECORD_DELIVERY,
        .id = ++s->engine->last_place,
        .next_ms = m->delay_ms == 0 || MUTANT(delay_ignored) ? 0 : s->event->now_ms + m->delay_ms,
        .text = c->version->definition.name,
    };
    step_put(s, &r);
    parcel_new(s->engine, s->seat, s->transaction->branch_count - 1, ROLE_CONFIRM);
}

void fan_out(struct step *s) {
    const struct message_request *m = s->transaction->message;
    size_t cursor = 0;
    if (m->only.length > 0) {
        const struct channel *c = channel_find(s->engine, DEFINITION_SUBSCRIPTION, m->only);
        if (c != NULL)
            owe(s, c);
        return;
    }
    for (const struct channel *c; (c = channel_of_topic(s->engine, m->head.topic, &cursor)) != NULL;) {
        owe(s, c);
        if (MUTANT(one_subscription_only))
            return;
    }
}

/* "msg_" or "ntf_", the engine's id and 64 random bits: nobody has it, and it sorts by time. */
static struct slice new_name(struct step *s, uint8_t mode, char to[40]) {
    struct buffer name = { .at = to, .capacity = 40, .max = 40 };
    buffer_add_format(&name, "%s_%016llx%016llx", mode == MODE_NOTICE ? "ntf" : "msg",
                      (unsigned long long)seat_next_id(s->engine, s->event->now_ms),
                      (unsigned long long)(s->event->random ^ s->engine->last_id));
    return buffer_slice(&name);
}

struct slice publish(struct step *s, uint8_t mode, const struct message_request *m, uint32_t timeout_ms) {
    char name[40];
    struct branch_request notify = { .id = m->only, .to[ROLE_FORWARD].timeout_ms = timeout_ms };
    struct transaction_request q = {
        .namespace_name = s->transaction->namespace_name,
        .gid = new_name(s, mode, name),
        .gid_is_fresh = true,
        .mode = mode,
        .principal = s->transaction->principal,
        .message = m,
    };
    if (mode == MODE_NOTICE) {
        q.branches = &notify;
        q.branch_count = 1;
        q.deadline_ms = message_request_patience_ms(m, timeout_ms);
    }
    struct event birth = { .kind = EVENT_SUBMIT, .now_ms = s->event->now_ms, .random = s->event->random };
    struct seat *seat = submit_create(s->engine, &birth, &q);
    assert(seat != NULL); /* what was accepted goes on whatever it takes: without memory settled stops */
    seat->origin_batch = s->seat == NULL ? 0 : s->seat->origin_batch; /* of history: long durable */
    struct reply reply = s->effects->reply;
    submit_begin(s->engine, &birth, s->effects, seat);
    s->effects->reply = reply; /* nobody asked for it */
    trace_go_on(s);
    struct record r = {
        .kind = RECORD_SENT,
        .made = mode_kind(mode),
        .branch = s->branch,
        .text = seat->transaction.gid,
        .who = mode == MODE_NOTICE ? m->only : m->head.topic,
    };
    if (s->seat != NULL) /* one that is only shown, from history, takes no records any more */
        step_put(s, &r);
    return seat->transaction.gid;
}

static struct slice add_origin(struct buffer *to, const char *what, const struct step *s) {
    buffer_add_format(to, "%s %.*s", what, SLICE_PRINT(s->transaction->gid));
    return buffer_slice(to);
}

void send_outgoing(struct step *s) {
    const struct transaction *t = s->transaction;
    char origin[16 + LIMIT_GID_BYTES];
    struct buffer text = { .at = origin, .capacity = sizeof origin, .max = sizeof origin };
    struct slice from = add_origin(&text, "transaction", s);
    for (size_t i = 0; i < t->outgoing_count; i++) {
        const struct outgoing_request *o = &t->outgoing[i];
        if (o->on_rollback != (t->decision == DECISION_ROLLBACK) && !MUTANT(sent_on_any_decision))
            continue;
        struct message_request m = o->message;
        m.origin = from;
        publish(s, o->is_notice ? MODE_NOTICE : MODE_MESSAGE, &m, o->timeout_ms);
    }
}

/* What the producer gets back: the refused message's own body, so that it can undo what it stands for, and
 * who refused it and why as headers. */
void publish_refusal(struct step *s, const struct outlet *outlet) {
    const struct transaction *t = s->transaction;
    const struct message_request *refused = t->message;
    struct label headers[LIMIT_MESSAGE_HEADERS + 3];
    char origin[24 + LIMIT_GID_BYTES + LIMIT_BRANCH_ID_BYTES];
    struct buffer text = { .at = origin, .capacity = sizeof origin, .max = sizeof origin };
    uint16_t count = 0;
    for (size_t i = 0; i < refused->head.header_count; i++)
        if (!slice_starts(refused->head.headers[i].key, "Settle-Refused-")) /* it was a refusal itself */
            headers[count++] = refused->head.headers[i];
    assert(count <= LIMIT_MESSAGE_HEADERS);
    headers[count++] = (struct label){ SLICE("Settle-Refused-Message"), t->gid };
    headers[count++] = (struct label){ SLICE("Settle-Refused-By"), t->branches[s->branch].id };
    headers[count++] = (struct label){ SLICE("Settle-Refused-Why"),
                                       operation_detail(&t->branches[s->branch].operation[ROLE_CONFIRM]) };
    buffer_add_format(&text, "refusal of %.*s~%.*s", SLICE_PRINT(t->gid),
                      SLICE_PRINT(t->branches[s->branch].id));
    struct message_request m = {
        .head = refused->head,
        .body = refused->body,
        .origin = buffer_slice(&text),
    };
    m.head.topic = outlet->refused_topic;
    m.head.headers = headers;
    m.head.header_count = count;
    publish(s, MODE_MESSAGE, &m, 0);
}
