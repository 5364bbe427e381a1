#include "server/api_things.h"

#include <string.h>

#include "server/api_common.h"
#include "server/keyed.h"

static const char json[] = "application/json";

/* A command that was obeyed answers 200 unless it was asked to wait, or begins phase two. */
static uint16_t unfinished_status(const struct visit *v) {
    switch (v->match.route->id) {
    case ROUTE_SUBMIT:
    case ROUTE_COMMIT:
    case ROUTE_ROLLBACK:
        return 202;
    default:
        return v->query.wait_ms > 0 ? 202 : 200;
    }
}

static uint16_t status_of(const struct visit *v, const struct transaction *t) {
    if (v->thing->is_created && v->query.wait_ms == 0)
        return v->accepted ? 201 : 200;
    return status_is_final(t->status) ? 200 : unfinished_status(v);
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
    v->thing->render(v, t);
    visit_answer_unsealed(v, status_of(v, t), json);
}

static void answer_state(struct visit *v, const struct transaction *t) {
    const struct route *route = v->match.route;
    v->thing->render(v, t);
    visit_shows(v, t);
    visit_answer_sealed(v, status_of(v, t), json);
    if (route->key == ROUTE_KEY_GID || route->method == ROUTE_METHOD_GET)
        v->seal.stuck = on_state_stuck;
}

static void woken(struct waiter *w, const struct transaction *t) {
    struct visit *v = CHAIN_OWNER(w, struct visit, waiter);
    if (t == NULL)
        t = engine_by_id(v->daemon->engine, v->waits_for);
    if (t != NULL)
        answer_state(v, t);
    else
        visit_taken_back(v); /* whoever waits is woken by the end of a transaction, before it leaves memory */
}

/* The state now, or the final one if it comes in time. Whoever waits may be gone before the answer, and so
 * may settled: the key is known from the act's batch on, and its repeat asks for the state. */
static void answer_or_wait(struct visit *v, const struct transaction *t) {
    v->waiter.wake = woken;
    v->waits_for = t->id;
    visit_shows(v, t);
    if (v->query.wait_ms > 0 && !status_is_final(t->status) && !v->daemon->stopping &&
        (v->match.route->key == ROUTE_KEY_GID || keyed_mark(v, SLICE("")) == 0) &&
        waiters_add(&v->daemon->waiters, &v->waiter, t->id, v->query.wait_ms) == 0)
        return;
    answer_state(v, t);
}

static void answer_reply(struct visit *v, const struct reply *reply) {
    const struct transaction *t = v->thing->shown == NULL ? reply->transaction : v->thing->shown(v, reply);
    if (t != NULL)
        answer_or_wait(v, t);
}

static void answered(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    if (reply == NULL) {
        common_refuse_unasked(v);
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
        v->accepted = true;
        common_remember_key(v);
        answer_or_wait(v, reply->transaction);
        break;
    case REPLY_STATE:
        answer_reply(v, reply);
        break;
    case REPLY_OTHER_BODY:
        common_refuse_other_body(v, reply);
        break;
    default:
        common_refuse_reply(v, reply, v->thing->word);
    }
}

void things_ask(struct visit *v, const struct thing *thing, uint8_t event) {
    v->thing = thing;
    v->ask.event.kind = event;
    v->ask.event.subject = thing->kind;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.event.who = slice_text(v->who);
    v->ask.answer = answered;
    driver_ask(v->daemon->driver, &v->ask);
}

void things_show(struct visit *v, const struct thing *thing) {
    v->ask.event.gid = slice_text(v->match.gid);
    things_ask(v, thing, EVENT_SHOW);
}

/* --- submit --- */

static void shown_for_submit(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    if (reply == NULL)
        common_refuse_unasked(v);
    else if (reply->transaction != NULL)
        things_ask(v, v->thing, EVENT_SUBMIT);
    else if (reply->kind == REPLY_NOT_FOUND)
        common_refuse_new(v, DRIVER_NO_SPACE);
    else
        common_refuse_reply(v, reply, v->thing->word);
}

/* 507 says that the thing does not exist, so it is not said to the repeat of one that only the history knows.
 * True when the visit was answered or is asking. */
static bool has_to_wait(struct visit *v) {
    enum driver_admission admission = daemon_admission(v->daemon);
    if (admission == DRIVER_ADMITS)
        return false;
    if (admission != DRIVER_NO_SPACE || v->part.submit.gid_is_fresh) {
        common_refuse_new(v, admission);
        return true;
    }
    v->ask.event.kind = EVENT_SHOW;
    v->ask.event.subject = v->thing->kind;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.answer = shown_for_submit;
    driver_ask(v->daemon->driver, &v->ask);
    return true;
}

void things_submit(struct visit *v, const struct thing *thing) {
    struct transaction_request *request = &v->part.submit;
    struct problem p;
    v->thing = thing;
    memcpy(v->fingerprint, request->fingerprint, sizeof v->fingerprint);
    if (common_key_is_taken(v)) {
        keyed_refuse(v);
        return;
    }
    if (request->gid.length == 0 && common_make_name(v, thing->kind, request) != 0) {
        PROBLEM_SAY(&p, PROBLEM_BUSY, "out of memory");
        visit_refuse(v, &p);
        return;
    }
    request->principal = slice_text(v->who);
    v->ask.event.request = request;
    v->ask.event.gid = request->gid;
    /* A repeat is answered whatever the disk says: it writes nothing. */
    if (engine_find(v->daemon->engine, thing->kind, v->namespace_name, request->gid) == NULL &&
        has_to_wait(v))
        return;
    things_ask(v, thing, EVENT_SUBMIT);
}
