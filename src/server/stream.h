/* Event streams: visits that read the feed as Server-Sent Events, until they leave, fall behind or their
 * transaction is final. Ids are resumable, over a restart too: a place in the feed ("EPOCH-BATCH-INDEX") for
 * all transactions, "SEQ-INDEX" for one.
 *
 * A reader that does not keep up is not waited for: what it has not read stays in the feed, and when that is
 * gone it is told `lagged`. */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include "server/daemon.h"

struct visit;

/* Tell every stream what has become durable. */
void stream_pump(struct daemon *d);
/* Heartbeats, once a second; one in 15 s is sent. */
void stream_second(struct daemon *d);
/* The daemon stops: all streams end. */
void stream_end_all(struct daemon *d);

#endif
