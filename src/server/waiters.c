#include "server/waiters.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

/* Ids are made by the engine out of time, so nobody can aim them at one chain; spread them over the table. */
static uint64_t spread(uint64_t id) {
    id ^= id >> 32;
    id *= UINT64_C(0x9e3779b97f4a7c15);
    return id ^ (id >> 29);
}

void waiters_init(struct waiters *ws, struct loop *loop) {
    table_init(&ws->table);
    ws->loop = loop;
}

void waiters_done(struct waiters *ws) {
    assert(ws->table.count == 0);
    table_done(&ws->table);
}

size_t waiters_count(const struct waiters *ws) {
    return ws->table.count;
}

static void on_time(void *context) {
    struct waiter *w = context;
    waiters_remove(w);
    w->wake(w, NULL);
}

int waiters_add(struct waiters *ws, struct waiter *w, uint64_t transaction, uint64_t wait_ms) {
    assert(transaction != 0);
    assert(w->transaction == 0);
    if (table_reserve(&ws->table) != 0 || timer_init(&w->timer, ws->loop, on_time, w) != 0)
        return ERR_MEMORY;
    table_add(&ws->table, spread(transaction), w);
    w->transaction = transaction;
    w->waiters = ws;
    timer_start(&w->timer, wait_ms);
    return 0;
}

void waiters_remove(struct waiter *w) {
    if (w->transaction == 0)
        return;
    table_remove(&w->waiters->table, spread(w->transaction), w);
    w->transaction = 0;
    timer_done(&w->timer);
    memset(&w->timer, 0, sizeof w->timer);
}

static struct waiter *find(struct waiters *ws, uint64_t transaction) {
    size_t cursor = 0;
    struct waiter *w;
    while ((w = table_find(&ws->table, spread(transaction), &cursor)) != NULL)
        if (w->transaction == transaction)
            return w;
    return NULL;
}

void waiters_final(struct waiters *ws, const struct transaction *t) {
    if (ws->table.count == 0)
        return;
    for (struct waiter *w = find(ws, t->id); w != NULL; w = find(ws, t->id)) {
        waiters_remove(w);
        w->wake(w, t);
    }
}

/* Removing moves others, sometimes behind the place where the walk stands: another walk finds them. */
void waiters_take_back(struct waiters *ws, struct id_set set) {
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < ws->table.capacity;) {
            struct waiter *w = ws->table.slots[i].item;
            if (w == NULL || !id_set_has(set, w->transaction)) {
                i++;
                continue;
            }
            waiters_remove(w);
            w->wake(w, NULL);
            again = true;
        }
    }
}

void waiters_expire(struct waiters *ws) {
    for (size_t i = 0; i < ws->table.capacity;) {
        struct waiter *w = ws->table.slots[i].item;
        if (w == NULL) {
            i++;
            continue;
        }
        waiters_remove(w);
        w->wake(w, NULL);
        i = 0; /* removing may move others forward */
    }
}
