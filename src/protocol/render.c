#include "protocol/render.h"

#include <assert.h>

#include "base/duration.h"
#include "base/instant.h"
#include "protocol/query.h"

/* The text is written straight behind the member's name: these run once or more in every answer. */
void render_time(struct json_writer *w, const char *name, uint64_t epoch_ms) {
    if (epoch_ms == 0) {
        json_put_null(w, name);
        return;
    }
    json_put_raw(w, name, SLICE("\""));
    instant_add(w->out, epoch_ms);
    buffer_add_byte(w->out, '"');
}

void render_duration(struct json_writer *w, const char *name, uint64_t ms) {
    json_put_raw(w, name, SLICE("\""));
    duration_add(w->out, ms);
    buffer_add_byte(w->out, '"');
}

/* A participant's text on one line, without the blanks around it. */
struct slice render_one_line(struct slice text) {
    while (text.length > 0 && (unsigned char)text.at[0] <= ' ')
        text = slice_from(text, 1);
    while (text.length > 0 && (unsigned char)text.at[text.length - 1] <= ' ')
        text.length--;
    return text;
}

static bool waits(const struct operation *o) {
    return (o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING) && !o->open;
}

/* Attempts made or under way; while one waits, the record already numbers the next. */
void render_last_answer(struct json_writer *w, const struct operation *o) {
    struct slice detail = render_one_line(operation_detail(o));
    if (o->http != 0)
        json_put_u64(w, "http", o->http);
    if (detail.length > 0)
        json_put_string(w, "detail", detail);
}

uint32_t render_attempts(const struct operation *o) {
    return waits(o) && o->attempt > 0 ? o->attempt - 1 : o->attempt;
}

const char *render_decision(const struct transaction *t) {
    if (t->status >= STATUS_HEURISTIC_COMMIT)
        return status_word(t->status);
    if (t->decision == DECISION_NONE)
        return NULL;
    return t->decision == DECISION_COMMIT ? "committed" : "rolled_back";
}

const char *render_cause(uint8_t cause) {
    switch (cause) {
    case CAUSE_ALL_DONE:
        return "every branch was done";
    case CAUSE_PIVOT:
        return "the pivot was done";
    case CAUSE_REFUSED:
        return "a participant refused";
    case CAUSE_PATIENCE:
        return "a branch was not done within its retry.for";
    case CAUSE_DEADLINE:
        return "its deadline passed";
    case CAUSE_CLIENT:
        return "the client asked for it";
    case CAUSE_OPERATOR:
        return "an operator decided it";
    case CAUSE_CHECK:
        return "the check-back said so";
    default:
        return "it was decided";
    }
}

void render_already_decided(const struct transaction *t, struct problem *p) {
    struct buffer at;
    const char *decision = render_decision(t);
    problem_init(p, PROBLEM_ALREADY_DECIDED);
    p->decision = decision;
    if (decision == NULL)
        return;
    buffer_init(&at, 64);
    instant_add(&at, t->decided_ms);
    why_set(&p->detail, 0, "%.*s was decided at %.*s: %s, because %s", SLICE_PRINT(t->gid),
            SLICE_PRINT(buffer_slice(&at)), decision, render_cause(t->cause));
    buffer_done(&at);
}

void render_why(const struct transaction *t, uint16_t branch, uint8_t role, struct buffer *to) {
    const struct branch *b = &t->branches[branch];
    const struct operation *o = &b->operation[role];
    struct slice detail = render_one_line(operation_detail(o));
    buffer_add_slice(to, b->id);
    if (o->verdict == VERDICT_REFUSED) {
        buffer_add_text(to, " refused to ");
        buffer_add_text(to, operation_word(t->mode, role));
    } else if (o->verdict == VERDICT_FORBIDDEN) {
        buffer_add_text(to, " may not be called");
    } else {
        buffer_add_format(to, ".%s is not done after %u attempts", operation_word(t->mode, role),
                          (unsigned)render_attempts(o));
    }
    if (o->http != 0 && o->verdict != VERDICT_REFUSED)
        buffer_add_format(to, ", HTTP %u", (unsigned)o->http);
    if (detail.length > 0)
        buffer_add_text(to, ": ");
    buffer_add_slice(to, detail);
}

/* Where it is stuck, why, since when, and when it is tried next; null when nobody needs to look. */
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
    render_why(t, branch, role, &why);
    json_put_object(w, "attention");
    json_put_string(w, "why", buffer_slice(&why));
    json_put_string(w, "branch", t->branches[branch].id);
    json_put_text(w, "op", operation_word(t->mode, role));
    json_put_u64(w, "attempts", render_attempts(o));
    render_time(w, "since", since_ms);
    render_time(w, "next_try", t->suspended ? 0 : o->next_ms);
    json_put_end(w);
    buffer_done(&why);
}

static void put_reason(struct json_writer *w, const struct transaction *t) {
    if (!t->reason_set) {
        json_put_null(w, "reason");
        return;
    }
    struct slice detail = render_one_line(t->reason_detail);
    json_put_object(w, "reason");
    if (t->reason_has_branch) {
        json_put_string(w, "branch", t->branches[t->reason_branch].id);
        json_put_text(w, "op", operation_word(t->mode, t->reason_role));
        json_put_u64(w, "attempt", t->reason_attempt);
        if (t->reason_http != 0)
            json_put_u64(w, "http", t->reason_http);
        else
            json_put_null(w, "http");
    }
    json_put_text(w, "cause", cause_word(t->cause));
    json_put_string(w, "detail", detail.length > 0 ? detail : slice_text(render_cause(t->cause)));
    json_put_end(w);
}

/* Forward operations are always shown (unless the client calls them itself), the others once they are due. */
static bool is_shown(const struct transaction *t, const struct branch *b, uint8_t role) {
    if (operation_word(t->mode, role)[0] == '\0')
        return false;
    if (b->operation[role].status != OPERATION_PENDING)
        return true;
    if (role == ROLE_FORWARD)
        return t->drive == DRIVE_SERVER;
    return role == ROLE_CONFIRM && t->decision == DECISION_COMMIT;
}

static void put_branch(struct json_writer *w, const struct transaction *t, const struct branch *b) {
    const struct operation *latest = NULL;
    static const uint8_t order[] = { ROLE_FORWARD, ROLE_CONFIRM, ROLE_BACKWARD };
    json_put_object(w, NULL);
    json_put_string(w, "id", b->id);
    for (size_t i = 0; i < sizeof order; i++) {
        const struct operation *o = &b->operation[order[i]];
        if (is_shown(t, b, order[i]))
            json_put_text(w, operation_word(t->mode, order[i]), operation_status_word(o));
        if (o->attempt > 0)
            latest = o;
    }
    if (b->pivot)
        json_put_bool(w, "pivot", true);
    if (latest != NULL) {
        struct slice detail = render_one_line(operation_detail(latest));
        json_put_u64(w, "attempts", render_attempts(latest));
        if (latest->http != 0)
            json_put_u64(w, "http", latest->http);
        if (detail.length > 0)
            json_put_string(w, "detail", detail);
        if (waits(latest) && !t->suspended)
            render_time(w, "next_try", latest->next_ms);
    }
    json_put_end(w);
}

void render_labels(struct json_writer *w, const struct transaction *t) {
    json_put_object(w, "labels");
    for (size_t i = 0; i < t->label_count; i++) {
        json_put_key(w, t->labels[i].key);
        json_put_string(w, NULL, t->labels[i].value);
    }
    json_put_end(w);
}

void render_decided(struct json_writer *w, const struct transaction *t) {
    if (t->decision == DECISION_NONE) {
        json_put_null(w, "decision");
        return;
    }
    json_put_object(w, "decision");
    json_put_text(w, "decision", decision_word(t->decision));
    json_put_text(w, "by", cause_word(t->cause));
    render_time(w, "at", t->decided_ms);
    json_put_end(w);
}

static void put_path(struct json_writer *w, const char *name, struct slice gid, const char *end) {
    json_put_raw(w, name, SLICE("\"/v1/transactions/"));
    buffer_add_slice(w->out, gid); /* of A-Za-z0-9._:- : nothing to escape */
    buffer_add_text(w->out, end);
    buffer_add_byte(w->out, '"');
}

static void put_head(struct json_writer *w, const struct transaction *t) {
    json_put_string(w, "gid", t->gid);
    json_put_text(w, "mode", mode_word(t->mode));
    json_put_text(w, "status", status_word(t->status));
    if (t->drive == DRIVE_CLIENT)
        json_put_text(w, "drive", "client");
    if (t->name.length > 0)
        json_put_string(w, "name", t->name);
    render_labels(w, t);
    render_time(w, "created", t->created_ms);
    render_time(w, "updated", t->updated_ms);
    render_time(w, "deadline", t->deadline_ms);
    if (status_is_final(t->status)) {
        render_time(w, "finished", t->finished_ms);
        render_duration(w, "took", t->finished_ms - t->created_ms);
    }
    json_put_bool(w, "suspended", t->suspended);
    render_decided(w, t);
    put_reason(w, t);
    put_attention(w, t);
    if (!status_is_final(t->status))
        render_time(w, "next_try", t->suspended ? 0 : transaction_next(t));
}

void render_transaction(struct json_writer *w, const char *name, const struct transaction *t) {
    json_put_object(w, name);
    put_head(w, t);
    json_put_array(w, "branches");
    for (size_t i = 0; i < t->branch_count; i++)
        put_branch(w, t, &t->branches[i]);
    json_put_end(w);
    json_put_object(w, "links");
    put_path(w, "self", t->gid, "");
    put_path(w, "events", t->gid, "/events");
    json_put_end(w);
    json_put_end(w);
}

void render_item(struct json_writer *w, const struct transaction *t) {
    json_put_object(w, NULL);
    put_head(w, t);
    json_put_end(w);
}

void render_list_begin(struct json_writer *w) {
    json_put_object(w, NULL);
    json_put_array(w, "items");
}

void render_list_end(struct json_writer *w, uint64_t next_id, bool oldest_first, uint64_t approx_total) {
    json_put_end(w);
    if (next_id == 0) {
        json_put_null(w, "next");
    } else {
        json_put_raw(w, "next", SLICE("\""));
        query_add_cursor(next_id, oldest_first, w->out);
        buffer_add_byte(w->out, '"');
    }
    json_put_u64(w, "approx_total", approx_total);
    json_put_end(w);
}
