/* Waiters: requests that wait until a transaction is final, or for their time to run out (?wait=).
 *
 * A waiter lives in its owner's struct. It is woken once: with the transaction when that became final, during
 * the step that made it so, or with NULL when the time is up or there will be no such transaction. One
 * thread. */
#ifndef SERVER_WAITERS_H
#define SERVER_WAITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"
#include "model/id_set.h"
#include "model/transaction.h"
#include "net/timer.h"

struct loop;

struct waiters {
    struct table table; /* by transaction id */
    struct loop *loop;
};

struct waiter {
    uint64_t transaction; /* 0: not waiting */
    struct waiters *waiters;
    struct timer timer;
    void (*wake)(struct waiter *w, const struct transaction *t);
};

void waiters_init(struct waiters *ws, struct loop *loop);
void waiters_done(struct waiters *ws); /* nobody may wait any more */
size_t waiters_count(const struct waiters *ws);

/* Wait for this transaction, wait_ms at most. wake is set, the rest is zero. ERR_MEMORY: not waiting. */
int waiters_add(struct waiters *ws, struct waiter *w, uint64_t transaction, uint64_t wait_ms);
/* Stop waiting without being woken; fine when not waiting. */
void waiters_remove(struct waiter *w);
/* This transaction is final: wake everybody who waits for it. */
void waiters_final(struct waiters *ws, const struct transaction *t);
/* These transactions never were: wake everybody who waits for one, with NULL. */
void waiters_take_back(struct waiters *ws, struct id_set set);
/* Time is up for everybody (the daemon stops). */
void waiters_expire(struct waiters *ws);

#endif
