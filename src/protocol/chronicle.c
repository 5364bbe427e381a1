#include "protocol/chronicle.h"

#include <assert.h>

#include "base/err.h"
#include "base/limits.h"
#include "protocol/render.h"

/* What a record shows as, in order. */
static const char *const shown[RECORD_KIND_END][CHRONICLE_EVENTS_MAX] = {
    [RECORD_CREATED] = { "tx.created", NULL },
    [RECORD_BRANCH] = { "tx.op", NULL },
    [RECORD_FILLED] = { NULL, NULL },
    [RECORD_ALLOWED] = { "tx.op", NULL },
    [RECORD_OUTCOME] = { "tx.attempt", "tx.attention" },
    [RECORD_DECIDED] = { "tx.decision", "tx.status" },
    [RECORD_FINISHED] = { "tx.status", NULL },
    [RECORD_SUSPENDED] = { "tx.status", NULL },
    [RECORD_RESUMED] = { "tx.status", NULL },
    [RECORD_RESOLVED] = { "tx.op", NULL },
    [RECORD_NUDGED] = { "tx.op", NULL },
    [RECORD_FORCED] = { "tx.status", NULL },
    [RECORD_DELIVERY] = { "tx.op", NULL },
    [RECORD_SENT] = { "tx.sent", NULL },
};

size_t chronicle_count(const struct record *r) {
    size_t count = 0;
    assert(r->kind > 0 && r->kind < RECORD_KIND_END);
    if (r->kind == RECORD_OUTCOME)
        return (r->flags & RECORD_FLAG_ATTENTION) != 0 ? 2 : 1;
    while (count < CHRONICLE_EVENTS_MAX && shown[r->kind][count] != NULL)
        count++;
    return count;
}

const char *chronicle_event(const struct record *r, size_t index) {
    assert(index < chronicle_count(r));
    return shown[r->kind][index];
}

static void put_if_said(struct json_writer *w, const char *name, struct slice text) {
    if (text.length > 0)
        json_put_string(w, name, slice_upto(text, LIMIT_REASON_BYTES));
}

static void put_place(struct json_writer *w, const struct transaction *t, const struct record *r) {
    assert(r->branch < t->branch_count);
    json_put_string(w, "branch", t->branches[r->branch].id);
    json_put_text(w, "op", operation_word(t->mode, r->role));
}

/* An act by hand: which, by whom, why. */
static void put_act(struct json_writer *w, const struct record *r, const char *act) {
    json_put_text(w, "act", act);
    put_if_said(w, "by", r->who);
    put_if_said(w, "detail", r->text);
}

static void put_created(struct json_writer *w, const struct transaction *t, const struct record *r) {
    (void)r;
    json_put_text(w, "status", "active");
    json_put_text(w, "mode", mode_word(t->mode));
    if (t->name.length > 0)
        json_put_string(w, "name", t->name);
    put_if_said(w, "by", t->principal);
    render_time(w, "deadline", t->deadline_ms);
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

static void put_attempt(struct json_writer *w, const struct transaction *t, const struct record *r) {
    put_place(w, t, r);
    json_put_u64(w, "attempt", r->attempt);
    json_put_text(w, "state", state_after(r));
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

static void put_operation(struct json_writer *w, const struct transaction *t, const struct record *r) {
    if (r->kind == RECORD_BRANCH) {
        json_put_string(w, "branch", r->added->id);
        json_put_text(w, "op", operation_word(t->mode, ROLE_FORWARD));
        json_put_text(w, "state", "pending");
        return;
    }
    put_place(w, t, r);
    if (r->kind == RECORD_ALLOWED) {
        json_put_u64(w, "attempt", r->attempt);
        json_put_text(w, "state", "running");
    } else if (r->kind == RECORD_NUDGED) {
        json_put_text(w, "state", "retrying");
        render_time(w, "next_try", r->next_ms);
        put_act(w, r, "retry");
    } else {
        json_put_text(w, "state", "resolved");
        json_put_text(w, "as", (r->flags & RECORD_FLAG_NOT_DONE) != 0 ? "refused" : "done");
        put_act(w, r, "resolve");
    }
}

static void put_status(struct json_writer *w, const struct transaction *t, const struct record *r) {
    (void)t;
    switch (r->kind) {
    case RECORD_DECIDED:
        json_put_text(w, "status",
                      status_word(r->decision == DECISION_COMMIT ? STATUS_COMMITTING : STATUS_ROLLING_BACK));
        break;
    case RECORD_SUSPENDED:
    case RECORD_RESUMED:
        json_put_bool(w, "suspended", r->kind == RECORD_SUSPENDED);
        put_act(w, r, r->kind == RECORD_SUSPENDED ? "suspend" : "resume");
        break;
    default:
        json_put_text(w, "status", status_word(r->status));
        if (r->kind == RECORD_FORCED)
            put_act(w, r, "force");
    }
}

void chronicle_put(struct json_writer *w, const struct transaction *t, const struct record *r, uint32_t seq,
                   size_t index) {
    struct slice event = slice_text(chronicle_event(r, index));
    json_put_object(w, NULL);
    json_put_string(w, "event", event);
    json_put_string(w, "gid", t->gid);
    render_time(w, "at", r->at_ms);
    json_put_u64(w, "seq", seq);
    if (slice_is(event, "tx.created"))
        put_created(w, t, r);
    else if (slice_is(event, "tx.op"))
        put_operation(w, t, r);
    else if (slice_is(event, "tx.attempt"))
        put_attempt(w, t, r);
    else if (slice_is(event, "tx.attention"))
        put_attention(w, t, r);
    else if (slice_is(event, "tx.decision"))
        put_decision(w, t, r);
    else
        put_status(w, t, r);
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
    json_put_string(w, "gid", t->gid);
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
        for (size_t i = 0; i < chronicle_count(&r); i++)
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
