#include "protocol/render_notice.h"

#include "protocol/render.h"
#include "protocol/render_message.h"

/* The last entry of the schedule ends here when every attempt fails at once. */
static uint64_t gives_up_ms(const struct transaction *t) {
    uint64_t at_ms = t->created_ms;
    for (size_t i = 0; i < t->message->schedule_count; i++)
        at_ms += t->message->schedule_ms[i];
    return at_ms;
}

static void put_address(struct json_writer *w, const struct message_request *m) {
    json_put_string(w, "endpoint", m->only);
    json_put_string(w, "event", m->head.topic);
    if (m->head.key.length > 0)
        json_put_string(w, "ref", m->head.key);
    if (m->origin.length > 0)
        json_put_string(w, "origin", m->origin);
}

static void put_end(struct json_writer *w, const struct transaction *t) {
    const char *why = notice_end_word(t);
    struct slice said =
        t->reason_set && !t->reason_has_branch ? render_one_line(t->reason_detail) : SLICE_NONE;
    if (why == NULL) {
        json_put_null(w, "reason");
        return;
    }
    json_put_object(w, "reason");
    json_put_text(w, "why", why);
    if (said.length > 0)
        json_put_string(w, "detail", said);
    json_put_end(w);
}

static void put_head(struct json_writer *w, const struct transaction *t) {
    const struct operation *o = &t->branches[0].operation[ROLE_FORWARD];
    enum notice_status status = notice_status(t);
    json_put_string(w, "id", t->gid);
    json_put_text(w, "status", notice_status_word(status));
    put_address(w, t->message);
    render_labels(w, t);
    render_time(w, "created", t->created_ms);
    render_time(w, "finished", t->finished_ms);
    json_put_u64(w, "attempts", notice_attempts(t));
    json_put_u64(w, "of", t->message->schedule_count);
    render_last_answer(w, o);
    if (t->decision == DECISION_NONE) {
        render_time(w, "next_try", o->next_ms);
        render_time(w, "gives_up_at", gives_up_ms(t));
    }
    put_end(w, t);
}

static void put_plan(struct json_writer *w, const struct transaction *t) {
    const struct message_request *m = t->message;
    uint32_t timeout_ms = t->branches[0].to[ROLE_FORWARD].timeout_ms;
    json_put_array(w, "schedule");
    for (size_t i = 0; i < m->schedule_count; i++)
        render_duration(w, NULL, m->schedule_ms[i]);
    json_put_end(w);
    json_put_object(w, "success");
    if (m->success_http == 0)
        json_put_text(w, "status", "2xx");
    else
        json_put_u64(w, "status", m->success_http);
    if (m->success_body.length > 0)
        json_put_string(w, "body", m->success_body);
    json_put_end(w);
    if (timeout_ms > 0) /* else its endpoint's */
        render_duration(w, "timeout", timeout_ms);
}

static void put_links(struct json_writer *w, const struct transaction *t) {
    json_put_object(w, "links");
    json_put_raw(w, "self", SLICE("\"/v1/notifications/"));
    buffer_add_slice(w->out, t->gid); /* of A-Za-z0-9._:- : nothing to escape */
    buffer_add_byte(w->out, '"');
    json_put_raw(w, "events", SLICE("\"/v1/notifications/"));
    buffer_add_slice(w->out, t->gid);
    buffer_add_text(w->out, "/events\"");
    json_put_end(w);
}

void render_notice(struct json_writer *w, const struct transaction *t) {
    json_put_object(w, NULL);
    put_head(w, t);
    render_message_content(w, t->message);
    put_plan(w, t);
    put_links(w, t);
    json_put_end(w);
}

void render_notice_item(struct json_writer *w, const struct transaction *t) {
    json_put_object(w, NULL);
    put_head(w, t);
    json_put_end(w);
}

void render_missed(struct json_writer *w, const struct transaction *t) {
    json_put_object(w, NULL);
    put_head(w, t);
    render_message_content(w, t->message);
    json_put_end(w);
}
