/* The witness of messages, notifications and definitions: what witness.h is for transactions. It is fed every
 * durable record, in order, and knows from the definitions that are durable at that moment what a message is
 * owed to, what becomes of a refusal, and for how long a delivery is tried. A breach is reported to the
 * world. */
#ifndef SIM_POST_WITNESS_H
#define SIM_POST_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/record.h"
#include "model/stored.h"
#include "sim/post.h"

struct world;

/* An entry of kind message or notification, decoded. */
void post_witness_record(struct world *w, const struct stored_entry *entry, const struct record *r,
                         struct slice bytes);
void post_witness_definition(struct world *w, const struct stored_entry *entry, struct slice bytes);
/* Whether a message that is committed now is owed to this subscription. */
bool channel_interested(const struct sim_channel *c, const struct message_request *m);
/* Somebody's record says that it made a post: asked, and from whom ("transaction g3"). The post must be there
 * and be what was asked for; it is claimed once. */
void post_witness_claim(struct world *w, const struct record *sent, const struct message_request *asked,
                        struct slice origin);
/* Everything of a batch was told: what came into being must have been claimed. */
void post_witness_batch(struct world *w);
/* Whether this call is allowed by what is durable. NULL, or what is wrong. */
const char *post_witness_allows(const struct post *p, uint16_t branch, uint8_t role, uint32_t attempt);
/* The operation and the errand of a call; NULL when there is no such branch. */
struct post_operation *post_operation_of(struct post *p, uint16_t branch, uint8_t role);
struct errand *post_errand_of(struct post *p, uint16_t branch, uint8_t role);
/* The delivery that a branch stands for, or NULL. */
struct delivery *post_delivery_at(const struct post *p, uint16_t branch);

#endif
