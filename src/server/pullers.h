/* Pullers: requests that wait until their subscription has something to pull.
 *
 * A puller lives in its owner's struct. It is woken once and waits no more: when there may be something, or
 * with time_is_up. Looking costs a look-up for each of them and round of the loop. One thread. */
#ifndef SERVER_PULLERS_H
#define SERVER_PULLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chain.h"
#include "engine/engine.h"
#include "net/timer.h"

struct loop;

struct pullers {
    struct chain waiting; /* first come, first served */
    struct loop *loop;
    size_t count;
};

struct puller {
    struct chain link; /* linked: waits */
    struct pullers *pullers;
    struct timer timer;
    struct slice subscription;
    void (*wake)(struct puller *p, bool time_is_up);
};

void pullers_init(struct pullers *ps, struct loop *loop);
/* wake and subscription are set, the rest is zero. ERR_MEMORY: not waiting. */
int pullers_add(struct pullers *ps, struct puller *p, uint64_t wait_ms);
/* Stop waiting without being woken; fine when not waiting. */
void pullers_remove(struct puller *p);
/* Wake those for whom there is something, or whose subscription is gone. */
void pullers_look(struct pullers *ps, const struct engine *engine);
/* Time is up for everybody (the daemon stops). */
void pullers_expire(struct pullers *ps);

#endif
