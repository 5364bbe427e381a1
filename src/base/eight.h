/* Eight bytes looked at together: is there such a byte among them? Each question takes three or four
 * instructions where a loop takes thirty, and its answer is exact: not zero if and only if there is one.
 * (Which one it is may be wrong behind the first: whoever needs to know looks byte by byte.) Pure. */
#ifndef BASE_EIGHT_H
#define BASE_EIGHT_H

#include <stdint.h>
#include <string.h>

#define EIGHT_ONES UINT64_C(0x0101010101010101)
#define EIGHT_HIGH UINT64_C(0x8080808080808080)

static inline uint64_t eight_at(const char *at) {
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    return eight;
}

/* Below limit, which is at most 0x80. */
static inline uint64_t eight_below(uint64_t eight, uint8_t limit) {
    return (eight - EIGHT_ONES * limit) & ~eight & EIGHT_HIGH;
}

static inline uint64_t eight_equal(uint64_t eight, uint8_t byte) {
    return eight_below(eight ^ (EIGHT_ONES * byte), 1);
}

/* 0x80 or more: not ASCII. */
static inline uint64_t eight_high(uint64_t eight) {
    return eight & EIGHT_HIGH;
}

#endif
