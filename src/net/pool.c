#include "net/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/table.h"
#include "net/dialler.h"
#include "net/loop.h"
#include "net/timer.h"

/* A connection nobody uses. It listens, so that its end is noticed before somebody takes it. */
struct idle {
    struct chain link;   /* in the endpoint: the freshest first */
    struct chain by_age; /* in the pool: the oldest first */
    struct pool_endpoint *endpoint;
    struct connection *connection;
    uint64_t until_ms;
};

/* One dial, which serves whoever is first in the queue when it is done. */
struct attempt {
    struct chain link;
    struct pool_endpoint *endpoint;
    struct dial *dial;
};

struct pool_endpoint {
    struct pool *pool;
    struct chain idle;
    struct chain wants;
    struct chain attempts;
    struct chain starved; /* in the pool's list: wants wait, and only the pool's limit is in the way */
    size_t want_count;
    size_t lent;
    size_t dialling;
    size_t holders;
    uint64_t hash;
    uint16_t port;
    bool secure;
    char host[POOL_HOST_BYTES];
};

struct pool {
    struct loop *loop;
    struct pool_options options;
    struct pool_counters counters;
    struct table endpoints;
    uint64_t seed;
    struct chain starved; /* endpoints in the order in which they met the pool's limit */
    struct chain by_age;  /* idle connections, the oldest first */
    struct chain spare;   /* struct idle for the next time */
    struct timer reaper;
};

static void serve(struct pool_endpoint *e);

const struct pool_counters *pool_counters(const struct pool *p) {
    return &p->counters;
}

/* Endpoints. */

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* The endpoint goes when nobody holds it and nothing of it is left. */
static void forget(struct pool_endpoint *e) {
    if (e->holders > 0 || e->lent > 0 || e->dialling > 0 || !chain_empty(&e->idle) || !chain_empty(&e->wants))
        return;
    chain_remove(&e->starved);
    table_remove(&e->pool->endpoints, e->hash, e);
    free(e);
}

struct pool_endpoint *pool_endpoint(struct pool *p, struct slice host, uint16_t port, bool secure) {
    char name[POOL_HOST_BYTES + 3];
    assert(host.length > 0);
    assert(host.length < POOL_HOST_BYTES);
    for (size_t i = 0; i < host.length; i++)
        name[i] = lower(host.at[i]);
    name[host.length] = '\0';
    name[host.length + 1] = (char)(port >> 8);
    name[host.length + 2] = (char)port;
    uint64_t hash = hash_seeded(p->seed + secure, slice_of(name, host.length + 3));
    size_t cursor = 0;
    for (;;) {
        struct pool_endpoint *e = table_find(&p->endpoints, hash, &cursor);
        if (e == NULL)
            break;
        if (e->port == port && e->secure == secure && strcmp(e->host, name) == 0) {
            e->holders++;
            return e;
        }
    }
    struct pool_endpoint *e = calloc(1, sizeof *e);
    if (e == NULL || table_reserve(&p->endpoints) < 0) {
        free(e);
        return NULL;
    }
    e->pool = p;
    e->hash = hash;
    e->port = port;
    e->secure = secure;
    e->holders = 1;
    memcpy(e->host, name, host.length + 1);
    chain_init(&e->idle);
    chain_init(&e->wants);
    chain_init(&e->attempts);
    table_add(&p->endpoints, hash, e);
    return e;
}

void pool_release(struct pool_endpoint *e) {
    assert(e->holders > 0);
    e->holders--;
    forget(e);
}

bool pool_is_connecting(const struct pool_endpoint *e) {
    return e->dialling > 0 && e->lent == 0;
}

/* Idle connections. */

/* Out of both lists; the struct is kept for the next one. */
static struct connection *unlink_idle(struct idle *i) {
    struct pool *p = i->endpoint->pool;
    struct connection *c = i->connection;
    chain_remove(&i->link);
    chain_remove(&i->by_age);
    chain_add_after(&p->spare, &i->link);
    p->counters.idle--;
    return c;
}

static void on_unused_closed(void *context, int code, const char *sentence) {
    (void)context;
    (void)code;
    (void)sentence;
}

static void on_unused_received(void *context, struct slice bytes) {
    (void)context;
    (void)bytes;
}

/* For a connection that is being thrown away. */
static const struct connection_events unused_events = { .received = on_unused_received,
                                                        .closed = on_unused_closed };

static void throw_away(struct connection *c) {
    connection_use(c, &unused_events, NULL);
    connection_close(c);
}

static void drop_idle(struct idle *i) {
    struct pool_endpoint *e = i->endpoint;
    throw_away(unlink_idle(i));
    forget(e);
}

/* A server that speaks without being asked is confused, or is saying goodbye: either way the connection is no
 * longer at the beginning of a request. */
static void on_idle_received(void *context, struct slice bytes) {
    (void)bytes;
    drop_idle(context);
}

static void on_idle_ended(void *context) {
    drop_idle(context);
}

static void on_idle_closed(void *context, int code, const char *sentence) {
    struct idle *i = context;
    struct pool_endpoint *e = i->endpoint;
    (void)code;
    (void)sentence;
    unlink_idle(i);
    forget(e);
}

static const struct connection_events idle_events = { .received = on_idle_received,
                                                      .ended = on_idle_ended,
                                                      .closed = on_idle_closed };

static struct idle *first_by_age(struct pool *p) {
    return CHAIN_OWNER(p->by_age.next, struct idle, by_age);
}

static void reap(void *context) {
    struct pool *p = context;
    uint64_t now = loop_now_ms(p->loop);
    while (!chain_empty(&p->by_age) && first_by_age(p)->until_ms <= now)
        drop_idle(first_by_age(p));
    if (!chain_empty(&p->by_age))
        timer_start(&p->reaper, first_by_age(p)->until_ms - now);
}

static struct idle *new_idle(struct pool *p) {
    if (chain_empty(&p->spare))
        return calloc(1, sizeof(struct idle));
    struct idle *i = CHAIN_OWNER(p->spare.next, struct idle, link);
    chain_remove(&i->link);
    return i;
}

static void keep_idle(struct pool_endpoint *e, struct connection *c) {
    struct pool *p = e->pool;
    struct idle *i = new_idle(p);
    if (i == NULL) {
        throw_away(c);
        return;
    }
    i->endpoint = e;
    i->connection = c;
    i->until_ms = loop_now_ms(p->loop) + p->options.idle_ms;
    chain_add_after(&e->idle, &i->link);
    chain_add_last(&p->by_age, &i->by_age);
    p->counters.idle++;
    if (!timer_running(&p->reaper))
        timer_start(&p->reaper, p->options.idle_ms);
    connection_use(c, &idle_events, i);
}

/* The freshest idle connection that is still open, or NULL. */
static struct connection *take_idle(struct pool_endpoint *e) {
    while (!chain_empty(&e->idle)) {
        struct connection *c = unlink_idle(CHAIN_OWNER(e->idle.next, struct idle, link));
        if (connection_open(c))
            return c;
        connection_use(c, &unused_events, NULL);
    }
    return NULL;
}

/* Wants. */

static struct pool_want *shift_want(struct pool_endpoint *e) {
    if (chain_empty(&e->wants))
        return NULL;
    struct pool_want *w = CHAIN_OWNER(e->wants.next, struct pool_want, link);
    pool_cancel(w);
    return w;
}

void pool_cancel(struct pool_want *w) {
    if (!chain_linked(&w->link))
        return;
    struct pool_endpoint *e = w->endpoint;
    chain_remove(&w->link);
    e->want_count--;
    e->pool->counters.waiting--;
    if (chain_empty(&e->wants))
        chain_remove(&e->starved);
}

static bool pool_is_full(const struct pool *p) {
    return p->counters.lent + p->counters.dialling >= p->options.max;
}

static void lend(struct pool_endpoint *e) {
    e->lent++;
    e->pool->counters.lent++;
}

/* Somebody's right to a connection is free again: the endpoint that starved longest gets it first. */
static void serve_starved(struct pool *p) {
    while (!chain_empty(&p->starved) && !pool_is_full(p)) {
        struct pool_endpoint *e = CHAIN_OWNER(p->starved.next, struct pool_endpoint, starved);
        chain_remove(&e->starved);
        serve(e);
    }
}

static void end_attempt(struct attempt *a) {
    struct pool_endpoint *e = a->endpoint;
    chain_remove(&a->link);
    free(a);
    e->dialling--;
    e->pool->counters.dialling--;
}

/* The dial that just failed speaks for one want; the others have dials of their own or get new ones. */
static void on_dialled(void *context, int code, struct connection *c, const struct why *why) {
    struct attempt *a = context;
    struct pool_endpoint *e = a->endpoint;
    struct pool *p = e->pool;
    struct pool_want *w = shift_want(e);
    end_attempt(a);
    e->holders++; /* the callbacks below may let go of it */
    if (code < 0) {
        p->counters.dial_failures++;
        if (w != NULL)
            w->failed(w, code, why);
    } else if (w != NULL) {
        lend(e);
        w->given(w, c, false);
    } else {
        keep_idle(e, c);
    }
    serve_starved(p); /* before this endpoint, or a busy one would keep the others out */
    serve(e);
    pool_release(e);
}

static int judge(void *context, const char *host, uint16_t port, const struct sockaddr *address,
                 struct why *why) {
    const struct attempt *a = context;
    const struct pool_options *o = &a->endpoint->pool->options;
    return o->judge == NULL ? 0 : o->judge(o->context, host, port, address, why);
}

static int dial(struct pool_endpoint *e) {
    struct pool *p = e->pool;
    struct attempt *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ERR_MEMORY;
    a->endpoint = e;
    struct dial_options options = { .host = e->host,
                                    .port = e->port,
                                    .timeout_ms = p->options.connect_ms,
                                    .tls = e->secure ? p->options.tls : NULL,
                                    .judge = judge,
                                    .done = on_dialled,
                                    .context = a };
    int code = dial_start(&a->dial, p->loop, &options);
    if (code < 0) {
        free(a);
        return code;
    }
    chain_add_last(&e->attempts, &a->link);
    e->dialling++;
    p->counters.dialling++;
    p->counters.dialled++;
    return 0;
}

/* Begin as many dials as there are wants without one, as far as the limits allow. */
static int dial_enough(struct pool_endpoint *e) {
    struct pool *p = e->pool;
    while (e->dialling < e->want_count && e->lent + e->dialling < p->options.max_per_host) {
        if (pool_is_full(p)) {
            if (!chain_linked(&e->starved))
                chain_add_last(&p->starved, &e->starved);
            return 0;
        }
        int code = dial(e);
        if (code < 0)
            return code;
    }
    return 0;
}

/* Idle connections to waiting wants, and dials for the rest. */
static void serve(struct pool_endpoint *e) {
    struct pool *p = e->pool;
    while (!chain_empty(&e->wants) && e->lent + e->dialling < p->options.max_per_host && !pool_is_full(p)) {
        struct connection *c = take_idle(e);
        if (c == NULL)
            break;
        struct pool_want *w = shift_want(e);
        p->counters.reused++;
        lend(e);
        w->given(w, c, true);
    }
    if (dial_enough(e) < 0 && e->dialling == 0) {
        struct why why;
        struct pool_want *w = shift_want(e);
        why_set(&why, ERR_MEMORY, "no memory to connect to %s", e->host);
        if (w != NULL)
            w->failed(w, ERR_MEMORY, &why);
    }
}

int pool_take(struct pool_endpoint *e, struct pool_want *w, struct connection **out) {
    struct pool *p = e->pool;
    assert(!chain_linked(&w->link));
    if (e->secure && p->options.tls == NULL)
        return ERR_UNSUPPORTED;
    if (chain_empty(&e->wants) && e->lent + e->dialling < p->options.max_per_host && !pool_is_full(p)) {
        struct connection *c = take_idle(e);
        if (c != NULL) {
            p->counters.reused++;
            lend(e);
            *out = c;
            return 0;
        }
    }
    w->endpoint = e;
    chain_add_last(&e->wants, &w->link);
    e->want_count++;
    p->counters.waiting++;
    if (dial_enough(e) < 0 && e->dialling == 0 && e->lent == 0) {
        pool_cancel(w);
        return ERR_MEMORY;
    }
    return ERR_AGAIN;
}

/* A lent connection comes back in some form. */
static void unlend(struct pool_endpoint *e) {
    assert(e->lent > 0);
    e->lent--;
    e->pool->counters.lent--;
}

void pool_give_back(struct pool_endpoint *e, struct connection *c) {
    struct pool *p = e->pool;
    unlend(e);
    e->holders++;
    if (connection_open(c))
        keep_idle(e, c);
    serve_starved(p); /* before this endpoint, or a busy one would keep the others out */
    serve(e);
    pool_release(e);
}

void pool_drop(struct pool_endpoint *e) {
    struct pool *p = e->pool;
    unlend(e);
    e->holders++;
    serve_starved(p); /* before this endpoint, or a busy one would keep the others out */
    serve(e);
    pool_release(e);
}

int pool_new(struct pool **out, struct loop *loop, const struct pool_options *options) {
    assert(options->max > 0);
    assert(options->max_per_host > 0);
    struct pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ERR_MEMORY;
    p->loop = loop;
    p->options = *options;
    if (p->options.idle_ms == 0)
        p->options.idle_ms = POOL_IDLE_MS;
    p->seed = random_u64(loop_random(loop));
    table_init(&p->endpoints);
    chain_init(&p->starved);
    chain_init(&p->by_age);
    chain_init(&p->spare);
    if (timer_init(&p->reaper, loop, reap, p) < 0) {
        free(p);
        return ERR_MEMORY;
    }
    *out = p;
    return 0;
}

void pool_close_idle(struct pool *p) {
    while (!chain_empty(&p->by_age))
        drop_idle(first_by_age(p));
}

void pool_free(struct pool *p) {
    if (p == NULL)
        return;
    assert(p->counters.lent == 0);
    assert(p->counters.waiting == 0);
    pool_close_idle(p);
    for (size_t i = 0; i < p->endpoints.capacity; i++) {
        struct pool_endpoint *e = p->endpoints.slots[i].item;
        while (e != NULL && !chain_empty(&e->attempts)) {
            struct attempt *a = CHAIN_OWNER(e->attempts.next, struct attempt, link);
            dial_cancel(a->dial);
            end_attempt(a);
        }
    }
    while (!chain_empty(&p->spare)) {
        struct idle *i = CHAIN_OWNER(p->spare.next, struct idle, link);
        chain_remove(&i->link);
        free(i);
    }
    for (size_t i = 0; i < p->endpoints.capacity; i++)
        free(p->endpoints.slots[i].item);
    timer_done(&p->reaper);
    table_done(&p->endpoints);
    free(p);
}
