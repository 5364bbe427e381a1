#include "server/sinks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "base/hash.h"
#include "base/table.h"
#include "net/loop.h"
#include "net/timer.h"

enum {
    ROUTE_BLOCK_BYTES = 512,
    ROUTE_MAX_BYTES = 64 * 1024,
    ROUTES_KEPT = 4096, /* beyond them all are forgotten as soon as no call is out */
};

/* A decoded target and its sink. */
struct route {
    struct chain link; /* in sinks.routes */
    uint64_t hash;
    struct slice url; /* in the arena */
    struct sink *sink;
    struct sink_target target;
    struct arena arena;
};

/* A call that nobody can carry; told in the next round. */
struct refusal {
    struct chain link;
    struct outcome outcome;
    struct why why;
};

struct sinks {
    struct loop *loop;
    struct sink *sinks[SINKS_MAX];
    size_t count;
    struct table by_url;
    struct chain routes;
    struct chain refusals;
    struct timer timer;
    uint64_t seed;
    size_t out; /* calls that sinks have and have not answered */
    void (*on_outcome)(void *context, const struct outcome *o);
    void *context;
};

static void tell_refusals(void *context) {
    struct sinks *s = context;
    while (!chain_empty(&s->refusals)) {
        struct refusal *r = CHAIN_OWNER(s->refusals.next, struct refusal, link);
        chain_remove(&r->link);
        r->outcome.body = slice_text(r->why.text);
        s->on_outcome(s->context, &r->outcome);
        free(r);
    }
}

int sinks_new(struct sinks **out, struct loop *loop,
              void (*on_outcome)(void *context, const struct outcome *o), void *context) {
    struct sinks *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_MEMORY;
    if (timer_init(&s->timer, loop, tell_refusals, s) != 0) {
        free(s);
        return ERR_MEMORY;
    }
    s->loop = loop;
    s->on_outcome = on_outcome;
    s->context = context;
    s->seed = random_u64(loop_random(loop));
    table_init(&s->by_url);
    chain_init(&s->routes);
    chain_init(&s->refusals);
    *out = s;
    return 0;
}

void sinks_add(struct sinks *s, struct sink *sink) {
    assert(s->count < SINKS_MAX);
    s->sinks[s->count++] = sink;
}

static struct sink *sink_of(const struct sinks *s, struct slice scheme) {
    for (size_t i = 0; i < s->count; i++)
        for (const char *const *taken = s->sinks[i]->ops->schemes; *taken != NULL; taken++)
            if (slice_is(scheme, *taken))
                return s->sinks[i];
    return NULL;
}

bool sinks_takes(const struct sinks *s, struct slice scheme) {
    return sink_of(s, scheme) != NULL;
}

/* Routes. */

static void route_free(struct route *r) {
    chain_remove(&r->link);
    arena_done(&r->arena);
    free(r);
}

static void forget_routes(struct sinks *s) {
    while (!chain_empty(&s->routes)) {
        struct route *r = CHAIN_OWNER(s->routes.next, struct route, link);
        table_remove(&s->by_url, r->hash, r);
        route_free(r);
    }
}

static int route_fill(struct sinks *s, struct route *r, struct slice url, struct why *why) {
    if (arena_copy(&r->arena, url, &r->url) != 0 || table_reserve(&s->by_url) != 0)
        return why_set(why, ERR_MEMORY, "no memory for one more target");
    int code = sink_target_decode(r->url, &r->arena, &r->target, why);
    if (code != 0)
        return code;
    r->sink = sink_of(s, r->target.scheme);
    return r->sink != NULL
               ? 0
               : why_set(why, ERR_UNSUPPORTED, "this settled has no sink for %.*s: see settled --version",
                         SLICE_PRINT(r->target.scheme));
}

static struct route *route_new(struct sinks *s, struct slice url, uint64_t hash, struct why *why) {
    struct route *r = calloc(1, sizeof *r);
    if (r == NULL) {
        why_set(why, ERR_MEMORY, "no memory for one more target");
        return NULL;
    }
    arena_init(&r->arena, ROUTE_BLOCK_BYTES, ROUTE_MAX_BYTES);
    r->hash = hash;
    chain_add_last(&s->routes, &r->link);
    if (route_fill(s, r, url, why) != 0) {
        route_free(r);
        return NULL;
    }
    table_add(&s->by_url, hash, r);
    return r;
}

static struct route *route_of(struct sinks *s, struct slice url, struct why *why) {
    uint64_t hash = hash_seeded(s->seed, url);
    size_t cursor = 0;
    for (struct route *r; (r = table_find(&s->by_url, hash, &cursor)) != NULL;)
        if (slice_equal(r->url, url))
            return r;
    if (s->by_url.count >= ROUTES_KEPT && s->out == 0)
        forget_routes(s);
    return route_new(s, url, hash, why);
}

/* Calls. */

static void refuse(struct sinks *s, const struct call *call, const struct why *why) {
    struct outcome o = { .transaction = call->transaction,
                         .branch = call->branch,
                         .role = call->role,
                         .verdict = VERDICT_NOT_SENT,
                         .attempt = call->attempt };
    struct refusal *r = calloc(1, sizeof *r);
    if (r == NULL) { /* the one outcome that cannot wait: there is nothing to keep it in */
        o.body = slice_text(why->text);
        s->on_outcome(s->context, &o);
        return;
    }
    r->outcome = o;
    r->why = *why;
    chain_add_last(&s->refusals, &r->link);
    timer_start(&s->timer, 0);
}

void sinks_send(struct sinks *s, const struct call *call) {
    struct why why = { "" };
    struct route *r = route_of(s, call->url, &why);
    if (r == NULL) {
        refuse(s, call, &why);
        return;
    }
    s->out++;
    r->sink->ops->send(r->sink, call, &r->target);
}

void sinks_heard(struct sinks *s, const struct outcome *o) {
    assert(s->out > 0);
    s->out--;
    s->on_outcome(s->context, o);
}

void sinks_set_egress(struct sinks *s, const struct egress *egress) {
    for (size_t i = 0; i < s->count; i++)
        s->sinks[i]->ops->set_egress(s->sinks[i], egress);
}

void sinks_free(struct sinks *s) {
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        sink_close(s->sinks[i]);
    timer_done(&s->timer);
    while (!chain_empty(&s->refusals)) {
        struct refusal *r = CHAIN_OWNER(s->refusals.next, struct refusal, link);
        chain_remove(&r->link);
        free(r);
    }
    forget_routes(s);
    table_done(&s->by_url);
    free(s);
}
