/* Unsigned LEB128 numbers and length-prefixed byte strings: the spelling of everything settle stores.
 *
 * A cursor reads with a sticky failure: read ten fields, look once. Only the shortest spelling of a number is
 * accepted, so that equal records have equal bytes. */
#ifndef BASE_LEB128_H
#define BASE_LEB128_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

void leb128_put_long(struct buffer *to, uint64_t number); /* of any size */
/* Inline for what nearly every number is: one byte. */
static inline void leb128_put(struct buffer *to, uint64_t number) {
    if (number < 0x80)
        buffer_add_byte(to, (char)number);
    else
        leb128_put_long(to, number);
}
void leb128_put_bytes(struct buffer *to, struct slice bytes);
size_t leb128_size(uint64_t number);

struct leb128_cursor {
    struct slice left;
    bool failed;
};

uint64_t leb128_take_long(struct leb128_cursor *c); /* of any size */
/* 0 when failed. */
static inline uint64_t leb128_take(struct leb128_cursor *c) {
    if (c->failed || c->left.length == 0 || (uint8_t)c->left.at[0] >= 0x80)
        return leb128_take_long(c);
    uint64_t number = (uint8_t)c->left.at[0];
    c->left.at++;
    c->left.length--;
    return number;
}
uint64_t leb128_take_upto(struct leb128_cursor *c, uint64_t max); /* fails above max */
struct slice leb128_take_bytes(struct leb128_cursor *c);          /* empty when failed */
struct slice leb128_take_exactly(struct leb128_cursor *c, size_t length);

#endif
