/* Check-backs against an application's own database: the sink of scheme "datasource".
 *
 *     datasource://NAME/pg?xid=XID&system=SYSTEM%2FTIMELINE%2FEPOCH      PostgreSQL's record of a transaction
 *     datasource://NAME/marker                                          the marker row of call->gid
 *
 * VERDICT_DONE      the producer's local transaction has committed, durably
 * VERDICT_REFUSED   it has not and never will
 * VERDICT_FORBIDDEN egress rules do not permit the database's address
 * VERDICT_UNKNOWN   everything else: still open, another system, lost connection, no such datasource, a
 * target that makes no sense; the outcome's body is a sentence that says which
 *
 * By xid. xid is the producer's pg_current_xact_id() and system what marker_identity (sink/database/marker.h)
 * gave it in the same transaction. Another system identifier or timeline: UNKNOWN, since the same number may
 * there be another transaction. EPOCH is when the server's statistics were last reset, which PostgreSQL does
 * whenever it recovers from a crash: after a crash it may give a transaction id again that had been given but
 * was not yet on disk, so "committed" is believed only under the same epoch
 * (docs/design/025-check-back-by-database.md). "aborted" is true either way. Committed is said only when the
 * commit record is on the server's disk.
 *
 * By marker: sink/database/marker.h. The inserted row is the decision, so a check-back whose answer was lost
 * finds its own row the next time. */
#ifndef SINK_DATASOURCE_SINK_H
#define SINK_DATASOURCE_SINK_H

#include "sink/database/datasource.h"
#include "sink/sink.h"

/* The book is borrowed until close. Of the options on_outcome and context are used. set_egress passes the
 * rules on to the book. 0 or ERR_MEMORY. */
int datasource_sink_open(struct sink **out, struct loop *loop, struct datasource_book *book,
                         const struct sink_options *options, struct why *why);

/* For a submission: is this a target that a check-back can be made with? 0; ERR_SYNTAX or ERR_INVALID with a
 * why that names the part. Nothing is looked up. */
int datasource_target_check(const struct sink_target *target, struct why *why);

#endif
