/* The marker table: one row of the application's database says whether the local transaction that carries a
 * message has committed.
 *
 * The producer inserts the message's id in its transaction before it sends the half message. Whoever inserts
 * an id first decides it: settled's check-back inserts it too, as `rolled_back`, in a transaction of its own.
 * If that succeeds, the producer's insert, if it ever comes, or its commit fails on the key. If it fails on
 * the key, a committed row is there and says what became of it. If it would have to wait, the producer's
 * transaction is still open. Dry: constant texts. */
#ifndef SINK_MARKER_H
#define SINK_MARKER_H

#include "sink/database/database_place.h"

/* The statements that make the table, with advice on how long rows are kept, as an operator runs them. */
const char *marker_schema(enum database_kind kind);
/* What a producer runs in its transaction before it sends the half message; the id is its parameter. */
const char *marker_insert(enum database_kind kind);

/* One row, one column: empty, or why the table cannot be relied on. */
const char *marker_inspection(enum database_kind kind);
/* Insert the id (parameter 1) as rolled back; changes no row, or fails, when there is one. */
const char *marker_tombstone(enum database_kind kind);
/* The state of the id's committed row (parameter 1). */
const char *marker_state(enum database_kind kind);
/* Inserts nothing, but needs the privilege to insert. */
const char *marker_privilege(enum database_kind kind);

/* PostgreSQL: what a producer reads in its transaction for a check-back by transaction id: xid, system. */
extern const char marker_identity[];

#endif
