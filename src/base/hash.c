#include "base/hash.h"

#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_stable(struct slice s) {
    return XXH3_64bits(s.at == NULL ? "" : s.at, s.length);
}

uint64_t hash_pair_stable(struct slice namespace, struct slice key) {
    return XXH3_64bits_withSeed(key.at == NULL ? "" : key.at, key.length, hash_stable(namespace));
}

static uint64_t rotate(uint64_t x, unsigned bits) {
    return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* Up to eight bytes, least significant first. */
static uint64_t word_at(const char *at, size_t count) {
    uint64_t word = 0;
    memcpy(&word, at, count);
    return le64toh(word);
}

uint64_t hash_seeded(uint64_t seed, struct slice s) {
    uint64_t v[4] = { seed ^ 0x736f6d6570736575u, ~seed ^ 0x646f72616e646f6du, seed ^ 0x6c7967656e657261u,
                      ~seed ^ 0x7465646279746573u };
    size_t whole = s.length - s.length % 8;
    for (size_t i = 0; i <= whole; i += 8) {
        uint64_t word = i < whole ? word_at(s.at + i, 8) : (uint64_t)s.length << 56;
        if (i == whole && s.length > whole)
            word |= word_at(s.at + whole, s.length - whole);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_stored(uint64_t seed, struct slice namespace, struct slice key) {
    return hash_seeded(hash_seeded(seed, namespace), key);
}
