/* The words for where messages and deliveries are (ux.md (b), "Status words"). Pure. */
#ifndef PROTOCOL_MESSAGE_WORD_H
#define PROTOCOL_MESSAGE_WORD_H

#include <stdbool.h>
#include <stdint.h>

#include "model/transaction.h"

/* "half", "committed" or "rolled_back": of an enum status. What is decided is so, delivered or not. */
const char *message_status_word(uint8_t status);
/* The statuses that a word stands for: bits 1 << enum status; 0: no such word. */
uint32_t message_statuses(struct slice word);
const char *const *message_status_words(size_t *count);

enum delivery_status {
    DELIVERY_PENDING = 0, /* its first attempt was not made yet */
    DELIVERY_DELIVERING,  /* it was sent, or a consumer holds it */
    DELIVERY_RETRYING,
    DELIVERY_PARKED, /* stands behind a dead one of its key */
    DELIVERY_ACKED,
    DELIVERY_REFUSED,
    DELIVERY_DEAD,
    DELIVERY_DISCARDED,
    DELIVERY_STATUS_COUNT,
};

/* What only the engine's queues know of a delivery; all zero when they know nothing. */
struct delivery_stand {
    bool out; /* sent, or with a consumer */
    bool parked;
    uint64_t lease_ms; /* until when the consumer holds it */
};
typedef struct delivery_stand delivery_look(void *self, const struct transaction *t, uint16_t branch);

enum delivery_status delivery_status(const struct transaction *t, uint16_t branch,
                                     const struct delivery_stand *stand);
const char *delivery_status_word(enum delivery_status status);
/* Whether nothing more will be sent, whatever happens. */
bool delivery_is_over(enum delivery_status status);
const char *const *delivery_status_words(size_t *count);

/* How many deliveries a message has. */
uint32_t message_deliveries(const struct transaction *t);

/* Append "MESSAGE~SUBSCRIPTION", a delivery's id. */
void delivery_add_id(struct buffer *to, const struct transaction *t, struct slice subscription);

#endif
