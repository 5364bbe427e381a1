/* The chronicle: records of a transaction as events of the API, for GET /v1/transactions/{gid}/events (JSON)
 * and for both event streams. The event types are those of ux.md (b): tx.created, tx.status, tx.op,
 * tx.attempt, tx.decision, tx.attention, tx.sent; a message's begin with "msg.", those of its deliveries with
 * "delivery.", a notification's with "ntf.". What an event calls status or state of a notification is a word
 * of protocol/notice_word.h.
 *
 * One record shows as none, one or two events; they share the record's seq, which is what a client resumes
 * by. Every event has event, at, seq, and gid (a message's, a notification's: id; a delivery's: id, message,
 * subscription); an act by hand has act ("suspend", "force", ...) and by. Pure. */
#ifndef PROTOCOL_CHRONICLE_H
#define PROTOCOL_CHRONICLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "model/record.h"
#include "model/transaction.h"

#define CHRONICLE_EVENTS_MAX 2

/* How many events a record of this transaction or message shows as. */
size_t chronicle_count(const struct transaction *t, const struct record *r);
/* The type of one of them: "tx.decision". */
const char *chronicle_event(const struct transaction *t, const struct record *r, size_t index);
/* Write one of them as an object. t is the transaction in any later state; seq is the record's number. */
void chronicle_put(struct json_writer *w, const struct transaction *t, const struct record *r, uint32_t seq,
                   size_t index);

/* Write {"gid":...,"items":[...],"next":...} (a message, a notification: "id"): the events of all records
 * with a seq above `after`, and no more than max records (0: all of them). next is the seq to go on after, or
 * null. scratch is reset for each record. 0; ERR_CORRUPT or ERR_MEMORY when a record cannot be read: then
 * what was written is useless. */
int chronicle_list(struct json_writer *w, const struct transaction *t, uint32_t after, uint32_t max,
                   struct arena *scratch);

#endif
