/* What messages carry: its bytes as parts of records, and what follows from it.
 *
 * Encoders append; the buffer's own failure tells. Decoders take from a cursor: 0, ERR_CORRUPT, ERR_MEMORY;
 * slices look into the cursor's bytes, arrays live in the arena. */
#ifndef MODEL_MESSAGE_REQUEST_H
#define MODEL_MESSAGE_REQUEST_H

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/leb128.h"
#include "model/request.h"

void labels_encode(struct buffer *to, const struct label *labels, uint16_t count);
int labels_decode(struct leb128_cursor *c, struct arena *arena, const struct label **labels, uint16_t *count);

void message_request_encode(struct buffer *to, const struct message_request *m);
int message_request_decode(struct leb128_cursor *c, struct arena *arena, const struct message_request **out);

/* How long a notification may take at the most: then it is given up even if its endpoint was never free.
 * timeout_ms: of one attempt; 0: its endpoint's, whatever that will be by then. */
uint32_t message_request_patience_ms(const struct message_request *m, uint32_t timeout_ms);

void outgoing_request_encode(struct buffer *to, const struct outgoing_request *all, uint16_t count);
int outgoing_request_decode(struct leb128_cursor *c, struct arena *arena, const struct outgoing_request **all,
                            uint16_t *count);

#endif
