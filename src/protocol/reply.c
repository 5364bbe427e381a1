#include "protocol/reply.h"

#include <assert.h>

#include "base/err.h"
#include "model/event.h"
#include "protocol/render.h"

#define BUSY_RETRY_MS 1000

bool reply_problem(const struct reply *r, const struct reply_options *options, struct problem *out) {
    struct slice gid = r->transaction == NULL ? SLICE_NONE : r->transaction->gid;
    switch (r->kind) {
    case REPLY_NOT_FOUND:
        PROBLEM_SAY(out, PROBLEM_NOT_FOUND, "there is no transaction with this id");
        return true;
    case REPLY_NO_BRANCH:
        PROBLEM_SAY(out, PROBLEM_NO_BRANCH, "%.*s", SLICE_PRINT(r->text));
        return true;
    case REPLY_OTHER_BODY:
        if (options->gid_from_key)
            PROBLEM_SAY(out, PROBLEM_KEY_REUSED, "the Idempotency-Key was used with another body before");
        else if (r->event == EVENT_REGISTER)
            PROBLEM_SAY(out, PROBLEM_CONFLICT, "\"%.*s\" has a branch of this id with another body",
                        SLICE_PRINT(gid));
        else
            PROBLEM_SAY(out, PROBLEM_GID_TAKEN, "\"%.*s\" was submitted with another body before",
                        SLICE_PRINT(gid));
        return true;
    case REPLY_ALREADY_DECIDED:
        assert(r->transaction != NULL);
        render_already_decided(r->transaction, out);
        return true;
    case REPLY_NOT_ALLOWED:
        PROBLEM_SAY(out, PROBLEM_CONFLICT, "%.*s", SLICE_PRINT(r->text));
        return true;
    case REPLY_FULL:
    case REPLY_NO_MEMORY:
        PROBLEM_SAY(out, PROBLEM_BUSY, "no room for new transactions (%.*s); those that were accepted go on",
                    SLICE_PRINT(r->text));
        PROBLEM_NOTE(out, setting, r->text);
        out->retry_after_ms = BUSY_RETRY_MS;
        return true;
    default:
        return false;
    }
}

static void put_transaction(const struct transaction *t, struct buffer *body) {
    struct json_writer w;
    json_writer_init(&w, body);
    render_transaction(&w, NULL, t);
}

/* Questions are answered 200 unless they waited in vain; what sets something in motion that is not over yet
 * is 202. */
static bool says_not_yet(const struct reply *r, const struct reply_options *options) {
    if (status_is_final(r->transaction->status))
        return false;
    return options->waited || r->kind == REPLY_ACCEPTED || r->kind == REPLY_REPEATED ||
           r->event == EVENT_COMMIT || r->event == EVENT_ROLLBACK;
}

struct reply_outcome reply_render(const struct reply *r, const struct reply_options *options,
                                  struct buffer *body) {
    struct reply_outcome outcome = { .http = 200 };
    struct problem problem;
    if (reply_problem(r, options, &problem)) {
        outcome.http = problem_http(&problem);
        outcome.is_problem = true;
        outcome.retry_after_ms = problem.retry_after_ms;
        problem_render(&problem, options->path, options->trace_id, body);
        return outcome;
    }
    assert(r->transaction != NULL);
    if (says_not_yet(r, options))
        outcome.http = 202;
    outcome.replayed = r->kind == REPLY_REPEATED;
    outcome.created = r->kind == REPLY_ACCEPTED;
    put_transaction(r->transaction, body);
    return outcome;
}

struct reply_outcome reply_render_waited(const struct transaction *t, struct buffer *body) {
    struct reply_outcome outcome = { .http = status_is_final(t->status) ? 200 : 202 };
    put_transaction(t, body);
    return outcome;
}
