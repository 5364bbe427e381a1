/* Events: what changes make for those who watch. A batch that has become durable is announced in the feed
 * while its transactions are still in memory, and the streams are told; whoever waits for a transaction's end
 * is woken by the step that ends it. */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include "server/daemon.h"

/* A step gave this transaction new records. */
void events_changed(struct daemon *d, const struct change *change);
/* This batch, of so many entries, is durable. Called for every batch in order, before anything of it can have
 * been folded. */
void events_durable(struct daemon *d, uint64_t seq, struct slice batch, uint32_t entries);

#endif
