/* Messages and deliveries as JSON, in the words of ux.md (b). One place, as for transactions
 * (protocol/render.h), and like there nothing fails. Pure. */
#ifndef PROTOCOL_RENDER_MESSAGE_H
#define PROTOCOL_RENDER_MESSAGE_H

#include <stdint.h>

#include "base/json.h"
#include "protocol/message_word.h"
#include "protocol/problem.h"

/* The whole message with its body and, one by one, its deliveries. */
void render_message(struct json_writer *w, const struct transaction *t, delivery_look *look, void *self);
/* As an item of a list and as the answer to an act: deliveries are only counted. */
void render_message_item(struct json_writer *w, const struct transaction *t);
/* Content type, headers and body of what a message or notification carries. */
void render_message_content(struct json_writer *w, const struct message_request *m);
/* One delivery. whole: with what is delivered. replaced_by: the message that an edit made; empty: none. */
void render_delivery(struct json_writer *w, const struct transaction *t, uint16_t branch,
                     const struct delivery_stand *stand, bool whole, struct slice replaced_by);
/* As a consumer gets it that pulls. */
void render_pulled(struct json_writer *w, const struct transaction *t, uint16_t branch, uint64_t until_ms);

/* Fill a PROBLEM_ALREADY_DECIDED. */
void render_message_decided(const struct transaction *t, struct problem *p);

#endif
