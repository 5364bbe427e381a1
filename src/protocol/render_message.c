#include "protocol/render_message.h"

#include <assert.h>

#include "base/digest.h"
#include "base/instant.h"
#include "protocol/message_form.h"
#include "protocol/render.h"

/* JSON as it is, anything else as base64. A type is only a claim: the bytes are looked at. */
static void put_body(struct json_writer *w, const struct message_request *m) {
    struct json_value root;
    bool json =
        m->body.length > 0 && message_is_json(m->head.content_type) && json_check(m->body, &root, NULL) == 0;
    if (json) {
        json_put_raw(w, "body", m->body);
        return;
    }
    json_put_raw(w, "body_base64", SLICE("\""));
    digest_add_base64(w->out, m->body, BASE64_STANDARD);
    buffer_add_byte(w->out, '"');
}

void render_message_content(struct json_writer *w, const struct message_request *m) {
    json_put_string(w, "content_type", m->head.content_type);
    json_put_object(w, "headers");
    for (size_t i = 0; i < m->head.header_count; i++) {
        json_put_key(w, m->head.headers[i].key);
        json_put_string(w, NULL, m->head.headers[i].value);
    }
    json_put_end(w);
    put_body(w, m);
}

static void put_address(struct json_writer *w, const struct message_request *m) {
    json_put_string(w, "topic", m->head.topic);
    if (m->head.key.length > 0)
        json_put_string(w, "key", m->head.key);
}

/* --- the check-back --- */

static const struct operation *check_of(const struct transaction *t) {
    bool checked = t->branch_count > 0 && !branch_is_delivery(&t->branches[0]);
    return checked ? &t->branches[0].operation[ROLE_FORWARD] : NULL;
}

static void put_check(struct json_writer *w, const struct transaction *t) {
    const struct operation *o = check_of(t);
    if (o == NULL)
        return;
    if (t->status == STATUS_ACTIVE)
        render_time(w, "next_check", o->next_ms);
    if (render_attempts(o) == 0)
        return;
    json_put_object(w, "check");
    json_put_u64(w, "attempts", render_attempts(o));
    render_last_answer(w, o);
    json_put_end(w);
}

/* --- attention --- */

static void add_why(const struct transaction *t, uint16_t branch, uint8_t role, struct buffer *to) {
    const struct branch *b = &t->branches[branch];
    const struct operation *o = &b->operation[role];
    struct slice detail = render_one_line(operation_detail(o));
    if (role == ROLE_FORWARD) {
        buffer_add_format(to, "the check-back has not decided it after %u attempts", render_attempts(o));
    } else {
        buffer_add_slice(to, b->id);
        if (o->verdict == VERDICT_REFUSED)
            buffer_add_text(to, " refused it");
        else if (o->verdict == VERDICT_FORBIDDEN)
            buffer_add_text(to, " may not be called");
        else
            buffer_add_format(to, " has not acked it after %u attempts", render_attempts(o));
    }
    if (o->http != 0 && o->verdict != VERDICT_REFUSED)
        buffer_add_format(to, ", HTTP %u", (unsigned)o->http);
    if (detail.length > 0)
        buffer_add_text(to, ": ");
    buffer_add_slice(to, detail);
}

static void put_attention(struct json_writer *w, const struct transaction *t) {
    struct buffer why;
    uint16_t branch;
    uint8_t role;
    uint64_t since_ms = transaction_attention(t, &branch, &role);
    if (since_ms == 0) {
        json_put_null(w, "attention");
        return;
    }
    const struct operation *o = &t->branches[branch].operation[role];
    buffer_init(&why, 4096);
    add_why(t, branch, role, &why);
    json_put_object(w, "attention");
    json_put_string(w, "why", buffer_slice(&why));
    if (role == ROLE_CONFIRM)
        json_put_string(w, "subscription", t->branches[branch].id);
    json_put_u64(w, "attempts", render_attempts(o));
    render_time(w, "since", since_ms);
    render_time(w, "next_try", o->next_ms);
    json_put_end(w);
    buffer_done(&why);
}

/* --- messages --- */

static void put_reason(struct json_writer *w, const struct transaction *t) {
    struct slice said = t->reason_set ? render_one_line(t->reason_detail) : SLICE_NONE;
    if (!t->reason_set)
        json_put_null(w, "reason");
    else
        json_put_string(w, "reason", said.length > 0 ? said : slice_text(render_cause(t->cause)));
}

static void put_head(struct json_writer *w, const struct transaction *t) {
    const struct message_request *m = t->message;
    json_put_string(w, "id", t->gid);
    json_put_text(w, "status", message_status_word(t->status));
    put_address(w, m);
    if (m->only.length > 0)
        json_put_string(w, "only", m->only);
    if (m->origin.length > 0)
        json_put_string(w, "origin", m->origin);
    render_labels(w, t);
    render_time(w, "created", t->created_ms);
    render_time(w, "updated", t->updated_ms);
    render_time(w, "finished", t->finished_ms);
    if (m->delay_ms > 0)
        render_duration(w, "delay", m->delay_ms);
    render_decided(w, t);
    put_reason(w, t);
    put_attention(w, t);
    put_check(w, t);
}

static void put_links(struct json_writer *w, const struct transaction *t) {
    json_put_object(w, "links");
    json_put_raw(w, "self", SLICE("\"/v1/messages/"));
    buffer_add_slice(w->out, t->gid); /* of A-Za-z0-9._:- : nothing to escape */
    buffer_add_byte(w->out, '"');
    json_put_raw(w, "events", SLICE("\"/v1/messages/"));
    buffer_add_slice(w->out, t->gid);
    buffer_add_text(w->out, "/events\"");
    json_put_end(w);
}

static void put_delivery_id(struct json_writer *w, const struct transaction *t, uint16_t branch) {
    json_put_raw(w, "id", SLICE("\""));
    delivery_add_id(w->out, t, t->branches[branch].id);
    buffer_add_byte(w->out, '"');
}

/* Made or under way. The attempt that an operation numbers is still to be made unless it is out; one that is
 * pushed and waits for its ack numbers the next. */
static uint32_t attempts_of(const struct operation *o, const struct delivery_stand *stand) {
    bool over = o->status == OPERATION_DONE || o->status == OPERATION_REFUSED ||
                o->status == OPERATION_DEAD || o->status == OPERATION_RESOLVED;
    bool under_way = o->open || (stand->out && o->status != OPERATION_WAITING);
    return over || under_way || o->attempt == 0 ? o->attempt : o->attempt - 1;
}

static void put_delivery(struct json_writer *w, const struct transaction *t, uint16_t branch,
                         const struct delivery_stand *stand) {
    const struct operation *o = &t->branches[branch].operation[ROLE_CONFIRM];
    enum delivery_status status = delivery_status(t, branch, stand);
    put_delivery_id(w, t, branch);
    json_put_string(w, "subscription", t->branches[branch].id);
    json_put_text(w, "status", delivery_status_word(status));
    json_put_u64(w, "attempts", attempts_of(o, stand));
    render_last_answer(w, o);
    if (status == DELIVERY_DELIVERING && stand->lease_ms != 0)
        render_time(w, "lease_until", stand->lease_ms);
    else if (!delivery_is_over(status) && o->next_ms != 0)
        render_time(w, "next_try", o->next_ms);
    json_put_bool(w, "attention", !status_is_final(t->status) && o->attention_ms != 0);
}

void render_message(struct json_writer *w, const struct transaction *t, delivery_look *look, void *self) {
    json_put_object(w, NULL);
    put_head(w, t);
    render_message_content(w, t->message);
    json_put_array(w, "deliveries");
    for (uint16_t i = 0; i < t->branch_count; i++) {
        if (!branch_is_delivery(&t->branches[i]))
            continue;
        struct delivery_stand stand = look(self, t, i);
        json_put_object(w, NULL);
        put_delivery(w, t, i, &stand);
        json_put_end(w);
    }
    json_put_end(w);
    put_links(w, t);
    json_put_end(w);
}

void render_message_item(struct json_writer *w, const struct transaction *t) {
    json_put_object(w, NULL);
    put_head(w, t);
    json_put_u64(w, "deliveries", message_deliveries(t));
    json_put_end(w);
}

void render_delivery(struct json_writer *w, const struct transaction *t, uint16_t branch,
                     const struct delivery_stand *stand, bool whole, struct slice replaced_by) {
    json_put_object(w, NULL);
    put_delivery(w, t, branch, stand);
    json_put_string(w, "message", t->gid);
    put_address(w, t->message);
    render_time(w, "created", t->decided_ms);
    if (replaced_by.length > 0)
        json_put_string(w, "replaced_by", replaced_by);
    if (whole)
        render_message_content(w, t->message);
    json_put_end(w);
}

void render_pulled(struct json_writer *w, const struct transaction *t, uint16_t branch, uint64_t until_ms) {
    json_put_object(w, NULL);
    put_delivery_id(w, t, branch);
    json_put_string(w, "message", t->gid);
    put_address(w, t->message);
    json_put_u64(w, "attempt", t->branches[branch].operation[ROLE_CONFIRM].attempt);
    render_time(w, "lease_until", until_ms);
    render_message_content(w, t->message);
    json_put_end(w);
}

void render_message_decided(const struct transaction *t, struct problem *p) {
    struct buffer at;
    problem_init(p, PROBLEM_ALREADY_DECIDED);
    if (t->decision == DECISION_NONE)
        return;
    p->decision = message_status_word(t->status);
    buffer_init(&at, 64);
    instant_add(&at, t->decided_ms);
    why_set(&p->detail, 0, "%.*s was decided at %.*s: %s, because %s", SLICE_PRINT(t->gid),
            SLICE_PRINT(buffer_slice(&at)), p->decision, render_cause(t->cause));
    buffer_done(&at);
}
