/* Timers of one loop: a heap of due times behind one timer of the operating system, so that a deadline for
 * every call and connection costs a few nanoseconds to set and clear. Resolution 1 ms, counted from the
 * beginning of the round (loop_now_ms); a timer fires late by as long as the loop is busy. One thread: the
 * loop's. */
#ifndef NET_TIMER_H
#define NET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/due.h"

struct loop;

struct timer {
    struct due due;
    struct loop *loop;
    void (*fire)(void *context);
    void *context;
};

/* Embedded in its owner. 0 or ERR_MEMORY (room in the heap is taken here, so that starting cannot fail). fire
 * runs on the loop's thread; it may start this timer again, or end its owner after timer_done. */
int timer_init(struct timer *t, struct loop *loop, void (*fire)(void *context), void *context);
void timer_done(struct timer *t); /* stops; fine on a zeroed struct and twice */
/* Fire once in ms milliseconds; 0 means in the next round of the loop. Started again, it only moves. */
void timer_start(struct timer *t, uint64_t ms);
void timer_stop(struct timer *t);
bool timer_running(const struct timer *t);

#endif
