#include "server/keyed.h"

#include <assert.h>
#include <string.h>

#include "model/stored.h"
#include "protocol/fingerprint.h"
#include "protocol/submission.h"
#include "server/crash_point.h"

enum {
    MARK_BYTES_MAX = 16384,
};

int keyed_read(struct visit *v, struct problem *p) {
    const struct http1_head *head = &v->exchange.request.head;
    struct slice key = http1_find(head, "idempotency-key");
    if (key.at == NULL || v->match.route->key == ROUTE_KEY_NONE)
        return 0;
    bool fine = key.length > 0 && key.length <= LIMIT_IDEMPOTENCY_KEY_BYTES &&
                http1_count(head, "idempotency-key") == 1;
    for (size_t i = 0; i < key.length && fine; i++)
        fine = key.at[i] > 0x20 && key.at[i] < 0x7f;
    if (!fine)
        return PROBLEM_SAY(p, PROBLEM_BAD_REQUEST,
                           "Idempotency-Key: expected 1 to %d visible ASCII characters without blanks, once",
                           LIMIT_IDEMPOTENCY_KEY_BYTES);
    v->key = key;
    return 0;
}

void keyed_say_replayed(struct visit *v) {
    exchange_header(&v->exchange, "Settle-Replayed", SLICE("true"));
}

void keyed_refuse(struct visit *v) {
    struct problem p;
    PROBLEM_SAY(&p, PROBLEM_KEY_REUSED, "this Idempotency-Key came with another request before");
    visit_refuse_sealed(v, &p);
}

static void refuse_for_now(struct visit *v, enum problem_type type) {
    struct problem p;
    problem_init(&p, type);
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

/* The visit that works on this key now; NULL: none. */
static const struct visit *running(const struct visit *v) {
    const struct chain *head = &v->daemon->keyed;
    for (struct chain *link = head->next; link != head; link = link->next) {
        const struct visit *other = CHAIN_OWNER(link, struct visit, keyed);
        if (slice_equal(other->key, v->key) && slice_equal(other->namespace_name, v->namespace_name))
            return other;
    }
    return NULL;
}

static bool is_same(const struct visit *v, const uint8_t fingerprint[32]) {
    return memcmp(fingerprint, v->fingerprint, sizeof v->fingerprint) == 0;
}

static void replay(struct visit *v, const struct remembered *before) {
    bool fine = before->http < 400;
    keyed_say_replayed(v);
    buffer_add_slice(visit_scratch(v), before->body);
    v->replayed = true;
    visit_answer_sealed(v, before->http, fine ? "application/json" : "application/problem+json");
}

/* Who makes names out of keys, and which route does. */
static const struct {
    uint8_t kind;
    enum route_id route;
} makers[] = {
    { STORED_TRANSACTION, ROUTE_SUBMIT },
    { STORED_MESSAGE, ROUTE_PUBLISH },
    { STORED_NOTICE, ROUTE_NOTIFY },
};
enum { MAKERS = sizeof makers / sizeof *makers };

static void ask_makers(struct visit *v);

/* Whether the key made a name: then it stands for that. */
static void asked(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    if (reply == NULL)
        refuse_for_now(v, PROBLEM_BUSY);
    else if (reply->transaction == NULL)
        ask_makers(v);
    else {
        visit_shows(v, reply->transaction);
        keyed_refuse(v);
    }
}

/* One after the other, but for the route's own: it finds that out itself. */
static void ask_makers(struct visit *v) {
    size_t next = v->makers_asked;
    v->ask = (struct driver_ask){ .answer = NULL };
    while (next < MAKERS && makers[next].route == v->match.route->id)
        next++;
    v->makers_asked = (uint8_t)(next + 1);
    if (next >= MAKERS) {
        v->route(v);
        return;
    }
    v->ask.event.kind = EVENT_SHOW;
    v->ask.event.subject = makers[next].kind;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.answer = asked;
    if (submission_key_name(makers[next].kind, v->namespace_name, v->key, &v->exchange.arena,
                            &v->ask.event.gid) != 0)
        refuse_for_now(v, PROBLEM_BUSY);
    else
        driver_ask(v->daemon->driver, &v->ask);
}

void keyed_enter(struct visit *v, void (*route)(struct visit *v)) {
    const struct exchange *x = &v->exchange;
    v->route = route;
    if (v->key.length == 0) {
        route(v);
        return;
    }
    if (v->match.route->key == ROUTE_KEY_GID) {
        ask_makers(v);
        return;
    }
    if (fingerprint_of(v->namespace_name, x->request.path, x->request.query, x->body, &v->exchange.arena,
                       v->fingerprint) != 0) {
        refuse_for_now(v, PROBLEM_BUSY);
        return;
    }
    const struct remembered *before = engine_answer_find(v->daemon->engine, v->namespace_name, v->key);
    const struct visit *other = running(v);
    if (before != NULL)
        id_range_add(&v->seal.shows, before->about);
    if ((before != NULL && !is_same(v, before->fingerprint)) ||
        (other != NULL && !is_same(v, other->fingerprint))) {
        keyed_refuse(v);
        return;
    }
    if (other != NULL) {
        refuse_for_now(v, PROBLEM_STILL_RUNNING);
        return;
    }
    if (before != NULL && before->http != 0) {
        replay(v, before);
        return;
    }
    chain_add_last(&v->daemon->keyed, &v->keyed);
    if (before == NULL) {
        ask_makers(v);
        return;
    }
    v->known = true;
    if (arena_copy(&v->exchange.arena, before->body, &v->mark) != 0)
        refuse_for_now(v, PROBLEM_BUSY);
    else
        route(v);
}

static int remember(struct visit *v, uint16_t status, struct slice body) {
    struct remembered answer = { .about = v->seal.shows.last, .http = status, .body = body };
    memcpy(answer.fingerprint, v->fingerprint, sizeof answer.fingerprint);
    return driver_remember(v->daemon->driver, v->namespace_name, v->key, &answer);
}

int keyed_mark(struct visit *v, struct slice mark) {
    assert(mark.length <= MARK_BYTES_MAX);
    if (v->key.length == 0 || v->known)
        return 0;
    int code = remember(v, 0, mark);
    v->known = code == 0;
    return code;
}

/* A refusal that only says what is wrong with the request, or that it is not the time for it, is no act: it
 * may be sent again under the same key. A conflict is an answer about state like any other. */
void keyed_save(struct visit *v, uint16_t status, struct slice body) {
    bool worth = status < 300 || status == 409;
    if (v->key.length == 0 || v->replayed || v->match.route->key == ROUTE_KEY_GID || !worth)
        return;
    if (v->match.route->key == ROUTE_KEY_MARK && v->known)
        return; /* what was marked is all that is kept */
    int code = remember(v, status, body);
    if (code != 0)
        code = keyed_mark(v, SLICE(""));
    if (code == 0)
        CRASH_POINT(ANSWER_SAVED);
}

void keyed_leave(struct visit *v) {
    chain_remove(&v->keyed);
}
