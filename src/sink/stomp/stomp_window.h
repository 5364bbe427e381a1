/* Who waits for which receipt: a ring of STOMP_WINDOW places behind the numbers of receipts, which count from
 * 1 for as long as a session lives, so that no connection's receipt is ever taken for another's.
 *
 * A place is open from sending until its receipt, also when its flight no longer waits: so what a slow broker
 * still has to do is bounded. Pure bookkeeping, one owner. */
#ifndef SINK_STOMP_WINDOW_H
#define SINK_STOMP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sink/stomp/stomp_session.h"

struct stomp_window {
    struct {
        struct stomp_flight *flight; /* NULL: it no longer waits */
        bool open;
    } places[STOMP_WINDOW];
    uint64_t oldest; /* no open place before it */
    uint64_t next;
    size_t open;
    size_t abandoned; /* of those, without a flight */
};

void stomp_window_init(struct stomp_window *w);
bool stomp_window_full(const struct stomp_window *w);
/* Open the next place for it and set its receipt. The window is not full. */
void stomp_window_add(struct stomp_window *w, struct stomp_flight *f);
/* The flight no longer waits. */
void stomp_window_abandon(struct stomp_window *w, struct stomp_flight *f);
/* Close the place that the text numbers. 0 and *out, which is NULL when nobody waits for it; ERR_NOT_FOUND
 * when no such number was ever sent. */
int stomp_window_close(struct stomp_window *w, struct slice number, struct stomp_flight **out);
/* Close the oldest open place and return its flight; NULL when none is left with a flight. */
struct stomp_flight *stomp_window_take(struct stomp_window *w);

#endif
