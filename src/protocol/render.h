/* Transactions as JSON, exactly in the words of ux.md (b). One place, so that a submit's answer, a GET, a
 * list and a stream never disagree.
 *
 * Nothing here fails: JSON goes into the writer's buffer, and the buffer knows whether it held. Times come
 * out as RFC 3339, durations as "212ms". A participant's text is shown as text, at most LIMIT_DETAIL_BYTES of
 * it. Pure. */
#ifndef PROTOCOL_RENDER_H
#define PROTOCOL_RENDER_H

#include <stdint.h>

#include "base/json.h"
#include "model/record.h"
#include "model/transaction.h"
#include "protocol/problem.h"

/* The whole transaction as one object. */
void render_transaction(struct json_writer *w, const char *name, const struct transaction *t);
/* As an item of a list: the same without its branches. */
void render_item(struct json_writer *w, const struct transaction *t);
/* Around the items of a list: {"items":[ ... ],"next":...,"approx_total":...}. next_id is the id of the last
 * item when more follow, 0 when not. */
void render_list_begin(struct json_writer *w);
void render_list_end(struct json_writer *w, uint64_t next_id, bool oldest_first, uint64_t approx_total);

/* Parts that messages have too: the members "labels" and "decision", the attempts that were made or are under
 * way, and somebody's text on one line. */
void render_labels(struct json_writer *w, const struct transaction *t);
void render_decided(struct json_writer *w, const struct transaction *t);
uint32_t render_attempts(const struct operation *o);
/* Members http and detail, as far as the last attempt brought them. */
void render_last_answer(struct json_writer *w, const struct operation *o);
struct slice render_one_line(struct slice text);
/* "the client asked for it": why it was decided so. */
const char *render_cause(uint8_t cause);

/* A time member, null for 0. */
void render_time(struct json_writer *w, const char *name, uint64_t epoch_ms);
/* A duration member such as "212ms". */
void render_duration(struct json_writer *w, const char *name, uint64_t ms);

/* "committed" or "rolled_back": what was decided, in the word that problems carry; NULL when nothing is. */
const char *render_decision(const struct transaction *t);
/* Fill a PROBLEM_ALREADY_DECIDED: what was decided, when and why. */
void render_already_decided(const struct transaction *t, struct problem *p);
/* "points refused to confirm: user closed": why an operation needs attention. Appends one line. */
void render_why(const struct transaction *t, uint16_t branch, uint8_t role, struct buffer *to);

#endif
