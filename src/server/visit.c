#include "server/visit.h"

#include <assert.h>
#include <stdio.h>

#include "base/digest.h"
#include "net/random.h"
#include "server/crash_point.h"
#include "server/keyed.h"
#include "server/logs.h"
#include "wire/header_value.h"

struct buffer *visit_scratch(struct visit *v) {
    buffer_clear(&v->daemon->scratch);
    return &v->daemon->scratch;
}

static void log_request(const struct visit *v) {
    if (!logs_wants(LOG_REQUEST))
        return;
    logs_say(LOG_REQUEST, "%.*s %.*s %u %s %s", SLICE_PRINT(v->exchange.request.method),
             SLICE_PRINT(slice_upto(v->exchange.request.path, 200)), v->exchange.status, v->who,
             exchange_peer(&v->exchange));
}

static void render(struct visit *v, uint16_t status, const char *content_type) {
    assert(!v->answered);
    v->answered = true;
    exchange_answer(&v->exchange, status, content_type, buffer_slice(&v->daemon->scratch));
    log_request(v);
    keyed_leave(v);
}

static void on_sealed(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    exchange_send(&v->exchange);
    CRASH_POINT(REPLY_SENT);
}

void visit_shows(struct visit *v, const struct transaction *t) {
    if (t != NULL)
        id_range_add(&v->seal.shows, t->id);
}

/* What the path of a question names, when it may be taken back itself; NULL: it names something else. */
static const char *named(const struct visit *v) {
    switch (v->match.route->id) {
    case ROUTE_SHOW:
    case ROUTE_TIMELINE:
        return "transaction";
    case ROUTE_MESSAGE_SHOW:
    case ROUTE_MESSAGE_TIMELINE:
        return "message";
    case ROUTE_NOTICE_SHOW:
    case ROUTE_NOTICE_TIMELINE:
        return "notification";
    case ROUTE_DELIVERY_SHOW:
        return "delivery of message";
    default:
        return NULL;
    }
}

void visit_taken_back(struct visit *v) {
    struct problem p;
    buffer_clear(&v->exchange.extra);
    v->answered = false;
    v->seal.shows = (struct id_range){ 0 };
    if (named(v) != NULL) {
        PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "there is no %s %s", named(v), v->match.gid);
    } else if (v->match.route->method == ROUTE_METHOD_GET) {
        PROBLEM_SAY(&p, PROBLEM_STORE_UNAVAILABLE,
                    "the disk has no room for something that the answer told of");
        p.retry_after_ms = 1000;
    } else {
        problem_init(&p, PROBLEM_DISK_FULL);
        p.retry_after_ms = 1000;
        v->daemon->shed_space++;
    }
    visit_refuse(v, &p);
}

static void on_taken_back(struct driver_seal *seal) {
    visit_taken_back(CHAIN_OWNER(seal, struct visit, seal));
}

void visit_stuck(struct visit *v) {
    struct problem p;
    buffer_clear(&v->exchange.extra);
    v->answered = false;
    PROBLEM_SAY(
        &p, PROBLEM_STORE_UNAVAILABLE,
        "the disk has no room; whether this will be done is not known yet. Repeat it, with the same gid or "
        "Idempotency-Key, to learn");
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

static void on_stuck(struct driver_seal *seal) {
    visit_stuck(CHAIN_OWNER(seal, struct visit, seal));
}

static void answer(struct visit *v, uint16_t status, const char *content_type) {
    render(v, status, content_type);
    exchange_send(&v->exchange);
}

void visit_answer_unsealed(struct visit *v, uint16_t status, const char *content_type) {
    v->answered = false;
    answer(v, status, content_type);
}

void visit_answer(struct visit *v, uint16_t status, const char *content_type) {
    assert(v->key.length == 0 || status >= 300);
    answer(v, status, content_type);
}

void visit_answer_once(struct visit *v, uint16_t status, const char *content_type, struct slice kept) {
    assert(v->match.route->key == ROUTE_KEY_ONCE);
    if (kept.length > 0)
        keyed_save(v, status, kept);
    answer(v, status, content_type);
}

void visit_answer_sealed(struct visit *v, uint16_t status, const char *content_type) {
    assert(v->match.route->key != ROUTE_KEY_ONCE || status >= 300 || v->replayed);
    keyed_save(v, status, buffer_slice(&v->daemon->scratch));
    render(v, status, content_type);
    v->seal.open = on_sealed;
    v->seal.taken_back = on_taken_back;
    v->seal.stuck = on_stuck;
    driver_seal(v->daemon->driver, &v->seal);
}

static void render_problem(struct visit *v, const struct problem *p) {
    struct exchange *x = &v->exchange;
    struct buffer *body = visit_scratch(v);
    struct buffer trace;
    struct traceparent parent;
    char seconds[16];
    buffer_init(&trace, 64);
    /* The caller's trace, or a number of our own that a log line can be found by. */
    if (header_value_traceparent(http1_find(&x->request.head, "traceparent"), &parent) != 0)
        random_fill(loop_random(v->daemon->loop), parent.trace, sizeof parent.trace);
    digest_add_hex(&trace, slice_of((const char *)parent.trace, sizeof parent.trace));
    problem_render(p, x->request.path, buffer_slice(&trace), body);
    buffer_done(&trace);
    if (p->allow[0] != '\0')
        exchange_header(x, "Allow", slice_text(p->allow));
    if (p->type == PROBLEM_UNAUTHORIZED)
        exchange_header(x, "WWW-Authenticate", SLICE("Bearer realm=\"settled\""));
    if (p->retry_after_ms > 0) {
        snprintf(seconds, sizeof seconds, "%u", (p->retry_after_ms + 999) / 1000);
        exchange_header(x, "Retry-After", slice_text(seconds));
    }
}

void visit_render_refusal(struct visit *v, uint16_t status, const struct problem *p) {
    render_problem(v, p);
    render(v, status, "application/problem+json");
}

void visit_refuse(struct visit *v, const struct problem *p) {
    render_problem(v, p);
    visit_answer(v, problem_http(p), "application/problem+json");
}

void visit_refuse_sealed(struct visit *v, const struct problem *p) {
    render_problem(v, p);
    visit_answer_sealed(v, problem_http(p), "application/problem+json");
}
