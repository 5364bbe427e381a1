#include "base/leb128.h"

void leb128_put_long(struct buffer *to, uint64_t number) {
    char *at = buffer_reserve(to, 10);
    size_t length = 0;
    if (at == NULL)
        return;
    for (; number >= 0x80; number >>= 7)
        at[length++] = (char)(number | 0x80);
    at[length++] = (char)number;
    buffer_grew(to, length);
}

void leb128_put_bytes(struct buffer *to, struct slice bytes) {
    leb128_put(to, bytes.length);
    buffer_add_slice(to, bytes);
}

size_t leb128_size(uint64_t number) {
    size_t length = 1;
    for (; number >= 0x80; number >>= 7)
        length++;
    return length;
}

uint64_t leb128_take_long(struct leb128_cursor *c) {
    uint64_t number = 0;
    if (c->failed)
        return 0;
    for (size_t i = 0; i < c->left.length && i < 10; i++) {
        uint64_t part = (uint8_t)c->left.at[i];
        bool last = part < 0x80;
        part &= 0x7f;
        if ((i == 9 && part > 1) || (last && part == 0 && i > 0))
            break;
        number |= part << (7 * i);
        if (last) {
            c->left = slice_from(c->left, i + 1);
            return number;
        }
    }
    c->failed = true;
    return 0;
}

uint64_t leb128_take_upto(struct leb128_cursor *c, uint64_t max) {
    uint64_t number = leb128_take(c);
    if (number <= max)
        return number;
    c->failed = true;
    return 0;
}

struct slice leb128_take_exactly(struct leb128_cursor *c, size_t length) {
    if (c->failed || length > c->left.length) {
        c->failed = true;
        return SLICE_NONE;
    }
    struct slice bytes = slice_upto(c->left, length);
    c->left = slice_from(c->left, length);
    return bytes;
}

struct slice leb128_take_bytes(struct leb128_cursor *c) {
    return leb128_take_exactly(c, leb128_take_upto(c, SIZE_MAX));
}
