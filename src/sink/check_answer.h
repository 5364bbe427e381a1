/* What a producer's answer to an HTTP check-back means (ux.md (b), "Reliable message"). Only the words
 * decide:
 *
 *     200 {"status": "committed"}     VERDICT_DONE
 *     200 {"status": "rolled_back"}   VERDICT_REFUSED
 *     200 {"status": "unknown"}       VERDICT_UNKNOWN: the local transaction is still open, ask again
 *     425, 429, 503                   as for every participant: VERDICT_WORKING, VERDICT_SLOW_DOWN
 *     anything else                   VERDICT_UNKNOWN, a 404 and a 409 too: that a producer does not know the
 *                                     message now is no proof that it never commits
 *
 * Other members of the object are ignored, so that a producer may say more. Pure. */
#ifndef SINK_CHECK_ANSWER_H
#define SINK_CHECK_ANSWER_H

#include "base/bytes.h"
#include "model/call.h"

/* Whether the call is such a check-back. */
bool check_answer_is_for(const struct call *call);
/* The verdict of a whole answer. *say is set when the answer should have decided but does not: half a
 * sentence for people, static storage; else it is untouched. */
enum verdict check_answer_verdict(unsigned http, struct slice body, const char **say);

#endif
