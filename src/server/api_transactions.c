/* Transactions: submit, show, commands, branches that register. */
#include <assert.h>
#include <string.h>

#include "protocol/command_form.h"
#include "protocol/render.h"
#include "protocol/submission.h"
#include "net/random.h"
#include "server/api.h"
#include "server/crash_point.h"
#include "server/keyed.h"
#include "server/outbound.h"

static const char json[] = "application/json";

static void render_to_scratch(struct visit *v, const struct transaction *t) {
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    render_transaction(&w, NULL, t);
}

static uint16_t unfinished_status(const struct visit *v) {
    /* A command that was obeyed answers 200 unless it was asked to wait, or begins phase two. */
    switch (v->match.route->id) {
    case ROUTE_SUBMIT:
    case ROUTE_COMMIT:
    case ROUTE_ROLLBACK:
        return 202;
    default:
        return v->query.wait_ms > 0 ? 202 : 200;
    }
}

/* The newest state finds no room on the disk, and an older one answers as well: the newest that is durable.
 */
static void on_state_stuck(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    const struct transaction *t;
    int code = engine_find_durable(v->daemon->engine, seal->shows.last, &t);
    if (code == ERR_NOT_FOUND) {
        exchange_send(&v->exchange); /* the history has all of it */
        return;
    }
    if (code != 0) {
        visit_stuck(v);
        return;
    }
    render_to_scratch(v, t);
    visit_answer_unsealed(v, status_is_final(t->status) ? 200 : unfinished_status(v), json);
}

static void answer_state(struct visit *v, const struct transaction *t, uint16_t status) {
    render_to_scratch(v, t);
    visit_shows(v, t);
    visit_answer_sealed(v, status, json);
    if (v->match.route->id == ROUTE_SUBMIT || v->match.route->id == ROUTE_SHOW)
        v->seal.stuck = on_state_stuck;
}

static void woken(struct waiter *w, const struct transaction *t) {
    struct visit *v = CHAIN_OWNER(w, struct visit, waiter);
    if (t != NULL) {
        answer_state(v, t, 200);
        return;
    }
    t = engine_find(v->daemon->engine, STORED_TRANSACTION, v->namespace_name, v->ask.event.gid);
    if (t != NULL)
        answer_state(v, t, status_is_final(t->status) ? 200 : 202);
    else
        visit_taken_back(v); /* whoever waits is woken by the end of a transaction, before it leaves memory */
}

/* The state now, or the final one if it comes in time. Whoever waits may be gone before the answer, and so
 * may settled: the key is known from the act's batch on, and its repeat asks for the state. */
static void answer_or_wait(struct visit *v, const struct transaction *t) {
    if (status_is_final(t->status)) {
        answer_state(v, t, 200);
        return;
    }
    v->waiter.wake = woken;
    if (v->query.wait_ms > 0 && !v->daemon->stopping &&
        (v->match.route->id == ROUTE_SUBMIT || keyed_mark(v, SLICE("")) == 0) &&
        waiters_add(&v->daemon->waiters, &v->waiter, t->id, v->query.wait_ms) == 0)
        return;
    answer_state(v, t, unfinished_status(v));
}

static void refuse_other_body(struct visit *v, const struct reply *reply) {
    struct problem p;
    if (v->key_is_gid) {
        keyed_refuse(v);
        return;
    }
    PROBLEM_SAY(&p, PROBLEM_GID_TAKEN, "%.*s was submitted before with another body",
                SLICE_PRINT(reply->transaction->gid));
    visit_refuse_sealed(v, &p);
}

static void refuse_reply(struct visit *v, const struct reply *reply) {
    struct problem p;
    struct slice text = reply->text;
    switch (reply->kind) {
    case REPLY_NOT_FOUND:
        PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "there is no transaction %.*s", SLICE_PRINT(v->ask.event.gid));
        break;
    case REPLY_NO_BRANCH:
        PROBLEM_SAY(&p, PROBLEM_NO_BRANCH, "%.*s: %.*s", SLICE_PRINT(v->ask.event.branch_id),
                    SLICE_PRINT(text));
        break;
    case REPLY_ALREADY_DECIDED:
        render_already_decided(reply->transaction, &p);
        break;
    case REPLY_NOT_ALLOWED:
        PROBLEM_SAY(&p, PROBLEM_CONFLICT, "%.*s", SLICE_PRINT(text));
        break;
    case REPLY_FULL:
    case REPLY_NO_MEMORY:
        if (reply->kind == REPLY_FULL)
            PROBLEM_SAY(&p, PROBLEM_BUSY, "%s transactions are unfinished, as many as there may be",
                        settings_text(&v->daemon->settings, SETTING_LIMITS_UNFINISHED));
        else
            PROBLEM_SAY(&p, PROBLEM_BUSY, "memory for unfinished transactions is short");
        PROBLEM_NOTE(&p, setting, text);
        p.retry_after_ms = 1000;
        break;
    default:
        problem_init(&p, PROBLEM_INTERNAL);
    }
    visit_refuse_sealed(v, &p);
}

static void refuse_unasked(struct visit *v) {
    struct problem p;
    PROBLEM_SAY(&p, PROBLEM_BUSY, "too many questions wait for the history");
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

/* A key beside a gid of the client's own is saved in the turn of the submit, so that it stands for no other
 * request. The transaction itself is what a repeat is answered from; where the turn has no room the key is
 * simply not known later. */
static void remember_key(struct visit *v) {
    struct daemon *d = v->daemon;
    if (v->match.route->id == ROUTE_SUBMIT && v->key.length > 0 && !v->key_is_gid &&
        engine_answer_find(d->engine, v->namespace_name, v->key) == NULL)
        (void)keyed_mark(v, SLICE(""));
}

static bool key_is_taken(struct visit *v) {
    const struct remembered *before =
        v->key.length == 0 ? NULL : engine_answer_find(v->daemon->engine, v->namespace_name, v->key);
    if (before == NULL || memcmp(before->fingerprint, v->fingerprint, sizeof before->fingerprint) == 0)
        return false;
    id_range_add(&v->seal.shows, before->about);
    return true;
}

static void answered(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    if (reply == NULL) {
        refuse_unasked(v);
        return;
    }
    visit_shows(v, reply->transaction);
    switch (reply->kind) {
    case REPLY_REPEATED:
        if (v->key.length > 0)
            keyed_say_replayed(v);
        answer_or_wait(v, reply->transaction);
        break;
    case REPLY_ACCEPTED:
        remember_key(v);
        answer_or_wait(v, reply->transaction);
        break;
    case REPLY_STATE:
        answer_or_wait(v, reply->transaction);
        break;
    case REPLY_OTHER_BODY:
        refuse_other_body(v, reply);
        break;
    default:
        refuse_reply(v, reply);
    }
}

static void ask(struct visit *v, uint8_t kind) {
    v->ask.event.kind = kind;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.event.who = slice_text(v->who);
    v->ask.answer = answered;
    driver_ask(v->daemon->driver, &v->ask);
}

static void refuse_new(struct visit *v, enum driver_admission admission) {
    struct problem p;
    switch (admission) {
    case DRIVER_NO_SPACE:
        problem_init(&p, PROBLEM_DISK_FULL);
        PROBLEM_NOTE(&p, setting, SLICE("store.low_water"));
        break;
    case DRIVER_BUSY:
        problem_init(&p, PROBLEM_BUSY);
        break;
    default:
        problem_init(&p, PROBLEM_STOPPING);
        break;
    }
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

/* 0, or the visit was refused because new work has to wait. */
static int admit_new(struct visit *v) {
    enum driver_admission admission = daemon_admission(v->daemon);
    if (admission == DRIVER_ADMITS)
        return 0;
    refuse_new(v, admission);
    return ERR_AGAIN;
}

static struct submission_options submission_options(struct visit *v) {
    const struct settings *s = &v->daemon->settings;
    return (struct submission_options){
        .namespace_name = v->namespace_name,
        .deadline_ms = (uint32_t)settings_number(s, SETTING_DEFAULTS_DEADLINE),
        .call_timeout_ms = (uint32_t)settings_number(s, SETTING_DEFAULTS_CALL_TIMEOUT),
        .retry = { .first_ms = (uint32_t)settings_number(s, SETTING_DEFAULTS_RETRY_FIRST),
                   .factor_percent = (uint32_t)(settings_number(s, SETTING_DEFAULTS_RETRY_FACTOR) / 10),
                   .max_ms = (uint32_t)settings_number(s, SETTING_DEFAULTS_RETRY_MAX),
                   .then = GIVE_UP_ROLLBACK },
        .judge = outbound_judge,
        .judge_self = v->daemon,
    };
}

/* The gid that the client left out. */
static int make_gid(struct visit *v) {
    struct transaction_request *request = &v->part.submit;
    uint8_t random[16];
    if (v->key.length > 0) {
        v->key_is_gid = true;
        return submission_key_name(STORED_TRANSACTION, v->namespace_name, v->key, &v->exchange.arena, &request->gid);
    }
    random_fill(loop_random(v->daemon->loop), random, sizeof random);
    request->gid_is_fresh = true;
    return submission_fresh_name(STORED_TRANSACTION, random, &v->exchange.arena, &request->gid);
}

static void shown_for_submit(struct driver_ask *a, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(a, struct visit, ask);
    if (reply == NULL)
        refuse_unasked(v);
    else if (reply->transaction != NULL)
        ask(v, EVENT_SUBMIT);
    else if (reply->kind == REPLY_NOT_FOUND)
        refuse_new(v, DRIVER_NO_SPACE);
    else
        refuse_reply(v, reply);
}

/* 507 says that the transaction does not exist, so it is not said to the repeat of one that only the history
 * knows. True when the visit was answered or is asking. */
static bool has_to_wait(struct visit *v) {
    enum driver_admission admission = daemon_admission(v->daemon);
    if (admission == DRIVER_ADMITS)
        return false;
    if (admission != DRIVER_NO_SPACE || v->part.submit.gid_is_fresh) {
        refuse_new(v, admission);
        return true;
    }
    v->ask.event.kind = EVENT_SHOW;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.answer = shown_for_submit;
    driver_ask(v->daemon->driver, &v->ask);
    return true;
}

void api_submit(struct visit *v) {
    struct transaction_request *request = &v->part.submit;
    struct submission_options options = submission_options(v);
    struct problem p;
    if (submission_decode(v->exchange.body, &options, &v->exchange.arena, request, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    memcpy(v->fingerprint, request->fingerprint, sizeof v->fingerprint);
    if (key_is_taken(v)) {
        keyed_refuse(v);
        return;
    }
    if (request->gid.length == 0 && make_gid(v) != 0) {
        PROBLEM_SAY(&p, PROBLEM_BUSY, "out of memory");
        visit_refuse(v, &p);
        return;
    }
    request->principal = slice_text(v->who);
    v->ask.event.request = request;
    v->ask.event.gid = request->gid;
    /* A repeat is answered whatever the disk says: it writes nothing. */
    if (engine_find(v->daemon->engine, STORED_TRANSACTION, v->namespace_name, request->gid) == NULL &&
        has_to_wait(v))
        return;
    ask(v, EVENT_SUBMIT);
}

void api_show(struct visit *v) {
    v->ask.event.gid = slice_text(v->match.gid);
    ask(v, EVENT_SHOW);
}

/* --- commands --- */

static enum command_kind kind_of_command(enum route_id id) {
    return id == ROUTE_FORCE ? COMMAND_FORCE : id == ROUTE_BRANCH_RESOLVE ? COMMAND_RESOLVE : COMMAND_REASON;
}

static uint8_t event_of_command(enum route_id id) {
    switch (id) {
    case ROUTE_COMMIT:
        return EVENT_COMMIT;
    case ROUTE_ROLLBACK:
        return EVENT_ROLLBACK;
    case ROUTE_RETRY:
    case ROUTE_BRANCH_RETRY:
        return EVENT_RETRY;
    case ROUTE_SUSPEND:
        return EVENT_SUSPEND;
    case ROUTE_RESUME:
        return EVENT_RESUME;
    case ROUTE_FORCE:
        return EVENT_FORCE;
    default:
        return EVENT_RESOLVE;
    }
}

/* The role that a command names: none means whichever is owed. ERR_INVALID: no such operation, in the
 * transaction's mode if that is known. */
static int role_of(struct visit *v, struct slice word, uint8_t *role) {
    const struct transaction *t =
        engine_find(v->daemon->engine, STORED_TRANSACTION, v->namespace_name, slice_text(v->match.gid));
    *role = ROLE_COUNT;
    if (word.length == 0)
        return 0;
    for (uint8_t mode = MODE_SAGA; mode <= MODE_TCC; mode++) {
        int found = t != NULL && t->mode != mode ? -1 : operation_role(mode, word);
        if (found >= 0)
            *role = (uint8_t)found;
    }
    return *role == ROLE_COUNT ? ERR_INVALID : 0;
}

void api_command(struct visit *v) {
    struct event *event = &v->ask.event;
    enum route_id id = v->match.route->id;
    struct command command;
    struct problem p;
    if (command_form_decode(v->exchange.body, kind_of_command(id), &v->exchange.arena, &command, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    if (role_of(v, command.operation, &event->role) != 0) {
        PROBLEM_SAY(&p, PROBLEM_INVALID_VALUE, "operation: \"%.*s\" is no operation of this transaction",
                    SLICE_PRINT(slice_upto(command.operation, 40)));
        PROBLEM_NOTE(&p, field, SLICE("operation"));
        PROBLEM_NOTE(&p, value, command.operation);
        visit_refuse(v, &p);
        return;
    }
    event->gid = slice_text(v->match.gid);
    if (v->known) {
        keyed_say_replayed(v);
        ask(v, EVENT_SHOW);
        return;
    }
    event->branch_id = slice_text(v->match.branch);
    event->text = command.reason;
    event->decision = command.decision;
    event->not_done = command.not_done;
    ask(v, event_of_command(id));
}

/* --- branches that register --- */

/* t tells how to read the branch: mode, and what `after` may name. */
static void register_with(struct visit *v, const struct transaction *t) {
    struct submission_options options = submission_options(v);
    struct problem p;
    if (submission_decode_branch(v->exchange.body, &options, t, &v->exchange.arena, &v->part.branch.request,
                                 v->part.branch.fingerprint, &p) != 0) {
        visit_shows(v, t);
        visit_refuse_sealed(v, &p);
        return;
    }
    /* The repeat of one that is there writes nothing. */
    bool is_new = !status_is_final(t->status) && transaction_branch(t, v->part.branch.request.id) < 0;
    if (is_new && admit_new(v) != 0)
        return;
    v->ask.event.branch = &v->part.branch.request;
    v->ask.event.branch_id = v->part.branch.request.id;
    v->ask.event.fingerprint = v->part.branch.fingerprint;
    ask(v, EVENT_REGISTER);
}

static void shown_for_register(struct driver_ask *a, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(a, struct visit, ask);
    if (reply == NULL)
        refuse_unasked(v);
    else if (reply->transaction != NULL)
        register_with(v, reply->transaction);
    else
        refuse_reply(v, reply);
}

void api_register(struct visit *v) {
    v->ask.event.gid = slice_text(v->match.gid);
    const struct transaction *t =
        engine_find(v->daemon->engine, STORED_TRANSACTION, v->namespace_name, v->ask.event.gid);
    if (t != NULL) {
        register_with(v, t);
        return;
    }
    v->ask.event.kind = EVENT_SHOW;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.answer = shown_for_register;
    driver_ask(v->daemon->driver, &v->ask);
}
