/* Events: what changes make for those who watch. A change is rendered into the feed during its step, while
 * its transaction is at hand, and wakes who waits for its end; the streams are told when it is durable. */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include "server/daemon.h"

/* A step gave this transaction new records. */
void events_changed(struct daemon *d, const struct change *change);
/* More of the feed may be shown. */
void events_durable(struct daemon *d);

#endif
