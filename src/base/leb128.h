/* Unsigned LEB128 numbers and length-prefixed byte strings: the spelling of everything settle stores.
 *
 * A cursor reads with a sticky failure: read ten fields, look once. Only the shortest spelling of a number is
 * accepted, so that equal records have equal bytes. */
#ifndef BASE_LEB128_H
#define BASE_LEB128_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

void leb128_put(struct buffer *to, uint64_t number);
void leb128_put_bytes(struct buffer *to, struct slice bytes);
size_t leb128_size(uint64_t number);

struct leb128_cursor {
    struct slice left;
    bool failed;
};

uint64_t leb128_take(struct leb128_cursor *c);                    /* 0 when failed */
uint64_t leb128_take_upto(struct leb128_cursor *c, uint64_t max); /* fails above max */
struct slice leb128_take_bytes(struct leb128_cursor *c);          /* empty when failed */
struct slice leb128_take_exactly(struct leb128_cursor *c, size_t length);

#endif
