/* Idempotency-Keys, for every POST there is, in one place (ux.md (b), design.md 4 (17), docs/design/012).
 *
 * The door (server/api.c) calls keyed_enter between admission and the route, so a route is under the rule
 * without knowing it: a key that is new goes on to the route; a repeat is answered with what was answered; a
 * key that came with another request is refused with 422, one whose first request is still running with 409.
 * visit_answer_sealed and visit_answer_once save the answer. That is all for a route that answers within the
 * turn of its act, as an act of the engine does: key, fingerprint and answer are in the batch of the act.
 *
 * A route whose act and answer are apart - it waits, or it acts on something that is not the engine - calls
 * keyed_mark in the turn of what it saves. The key is then known from that batch on, with a mark in place of
 * the answer, and the answer takes the mark's place when it is made. After a crash, or when the first client
 * went away, a repeat comes to the route with visit.known set and what it had marked in visit.mark: the route
 * finds out what became of the act, finishes it if need be, and answers. A route without marks sees known
 * only when its answer was too large for the turn of its act, with an empty mark: it answers what is there. A
 * route with ROUTE_KEY_MARK keeps no answer beside its mark: its repeat is always rendered anew.
 *
 * A submit and a publish take their id from the key and have their own ways (server/api_transactions.c,
 * server/api_messages.c); here it is only asked whether the key made something of another kind.
 *
 * One thread: the loop's. */
#ifndef SERVER_KEYED_H
#define SERVER_KEYED_H

#include "server/visit.h"

/* Read the header, if the route looks at it. 0, or ERR_INVALID with the problem filled. */
int keyed_read(struct visit *v, struct problem *p);

/* Answer the visit from what is known of its key, or go on to the route: now, or when the history was asked
 * whether the key once made a gid. Without a key: at once. */
void keyed_enter(struct visit *v, void (*route)(struct visit *v));

/* Make the key known in the gathering turn, before there is an answer. mark (at most 16 KiB, never a
 * secret) is what a repeat needs to know. Nothing to do without a key, or when it is known. ERR_MEMORY: not
 * known, do not act. */
int keyed_mark(struct visit *v, struct slice mark);

/* The answer is made: save it in the gathering turn, if it is one to be repeated. Called by visit_answer_*.
 */
void keyed_save(struct visit *v, uint16_t status, struct slice body);

/* Say that nothing was done by this request: the act was an earlier one's. */
void keyed_say_replayed(struct visit *v);

/* The key came with another request before. */
void keyed_refuse(struct visit *v);

/* The visit is over, or answered: the next one with this key may come in. */
void keyed_leave(struct visit *v);

#endif
