#include "server/pullers.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

void pullers_init(struct pullers *ps, struct loop *loop) {
    chain_init(&ps->waiting);
    ps->loop = loop;
}

static void on_time(void *context) {
    struct puller *p = context;
    pullers_remove(p);
    p->wake(p, true);
}

int pullers_add(struct pullers *ps, struct puller *p, uint64_t wait_ms) {
    assert(!chain_linked(&p->link));
    if (timer_init(&p->timer, ps->loop, on_time, p) != 0)
        return ERR_MEMORY;
    p->pullers = ps;
    chain_add_last(&ps->waiting, &p->link);
    ps->count++;
    timer_start(&p->timer, wait_ms);
    return 0;
}

void pullers_remove(struct puller *p) {
    if (!chain_linked(&p->link))
        return;
    chain_remove(&p->link);
    p->pullers->count--;
    timer_done(&p->timer);
    memset(&p->timer, 0, sizeof p->timer);
}

static bool may_have(const struct engine *engine, const struct puller *p) {
    const struct channel *c = engine_channel(engine, DEFINITION_SUBSCRIPTION, p->subscription);
    return c == NULL || engine_channel_has_ready(engine, c);
}

/* Everybody goes once from the front to the end, which keeps the order and holds whoever comes and goes. */
void pullers_look(struct pullers *ps, const struct engine *engine) {
    for (size_t left = ps->count; left > 0 && ps->count > 0; left--) {
        struct puller *p = CHAIN_OWNER(ps->waiting.next, struct puller, link);
        chain_remove(&p->link);
        chain_add_last(&ps->waiting, &p->link);
        if (!may_have(engine, p))
            continue;
        pullers_remove(p);
        p->wake(p, false);
    }
}

void pullers_expire(struct pullers *ps) {
    while (ps->count > 0) {
        struct puller *p = CHAIN_OWNER(ps->waiting.next, struct puller, link);
        pullers_remove(p);
        p->wake(p, true);
    }
}
