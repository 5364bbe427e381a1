#include "sim/dice.h"

#include <assert.h>

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void dice_init(struct dice *d, uint64_t seed, enum dice_stream stream) {
    uint64_t state = seed * UINT64_C(0x2545f4914f6cdd1d) + (uint64_t)stream * UINT64_C(0x9fb21c651e98df25);

    for (int i = 0; i < 4; i++)
        d->state[i] = splitmix(&state);
}

static uint64_t rotate(uint64_t x, int by) {
    return (x << by) | (x >> (64 - by));
}

uint64_t dice_u64(struct dice *d) {
    uint64_t *s = d->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The bias of a plain remainder is below 2^-32 for every bound used here. */
uint64_t dice_below(struct dice *d, uint64_t bound) {
    assert(bound > 0);
    return dice_u64(d) % bound;
}

uint64_t dice_between(struct dice *d, uint64_t low, uint64_t high) {
    assert(low <= high);
    return low + dice_below(d, high - low + 1);
}

bool dice_chance(struct dice *d, uint32_t per_million) {
    return dice_below(d, 1000000) < per_million;
}

uint64_t dice_delay(struct dice *d, uint64_t mean) {
    uint64_t draw = dice_u64(d);
    uint64_t spread = (draw >> 8) % (mean + 1);

    if (draw % 16 == 0)
        return mean + 7 * spread;
    return mean / 4 + spread;
}
