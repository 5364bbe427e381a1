/* The bytes of what messages carry, as parts of records. Only model/record.c and model/definition.c use it.
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

void outgoing_request_encode(struct buffer *to, const struct outgoing_request *all, uint16_t count);
int outgoing_request_decode(struct leb128_cursor *c, struct arena *arena, const struct outgoing_request **all,
                            uint16_t *count);

#endif
