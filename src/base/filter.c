#include "base/filter.h"

#include <stdlib.h>

#include "base/err.h"

enum {
    KEYS_FIRST = 1 << 16,
    KEYS_MOST = 1 << 21,
    BITS_PER_KEY = 16,
    PROBES = 8,
};

struct filter_segment {
    struct filter_segment *older;
    size_t keys;
    size_t keys_max;
    uint64_t words[]; /* keys_max * BITS_PER_KEY / 64, a power of two */
};

void filter_init(struct filter *f) {
    *f = (struct filter){ 0 };
}

void filter_done(struct filter *f) {
    while (f->newest != NULL) {
        struct filter_segment *segment = f->newest;
        f->newest = segment->older;
        free(segment);
    }
    f->bytes = 0;
}

static size_t words_in(size_t keys_max) {
    return keys_max * BITS_PER_KEY / 64;
}

/* All probes fall into one cache line of eight words, so that a question costs one memory access a segment.
 */
static size_t line_of(const struct filter_segment *segment, uint64_t hash) {
    return (size_t)(hash & (words_in(segment->keys_max) / 8 - 1)) * 8;
}

/* Four probes from the high bits of each of two products: the low bits of a product depend on the hash's low
 * bits alone, which chose the line already and are the same for every key in it. */
static uint64_t probe(uint64_t hash, int number) {
    uint64_t product = hash * (number < PROBES / 2 ? 0x9e3779b97f4a7c15u : 0xc2b2ae3d27d4eb4fu);
    return (product >> (55 - number % (PROBES / 2) * 9)) & 511;
}

int filter_add(struct filter *f, uint64_t hash) {
    struct filter_segment *segment = f->newest;
    if (segment == NULL || segment->keys == segment->keys_max) {
        size_t keys_max = segment == NULL ? KEYS_FIRST : segment->keys_max * 2;
        if (keys_max > KEYS_MOST)
            keys_max = KEYS_MOST;
        size_t bytes = sizeof *segment + words_in(keys_max) * sizeof(uint64_t);
        struct filter_segment *added = calloc(1, bytes);
        if (added == NULL)
            return ERR_MEMORY;
        added->older = segment;
        added->keys_max = keys_max;
        f->newest = segment = added;
        f->bytes += bytes;
    }
    size_t line = line_of(segment, hash);
    for (int i = 0; i < PROBES; i++) {
        uint64_t bit = probe(hash, i);
        segment->words[line + bit / 64] |= (uint64_t)1 << (bit % 64);
    }
    segment->keys++;
    return 0;
}

static bool segment_maybe(const struct filter_segment *segment, uint64_t hash) {
    size_t line = line_of(segment, hash);
    for (int i = 0; i < PROBES; i++) {
        uint64_t bit = probe(hash, i);
        if ((segment->words[line + bit / 64] & (uint64_t)1 << (bit % 64)) == 0)
            return false;
    }
    return true;
}

bool filter_maybe(const struct filter *f, uint64_t hash) {
    for (const struct filter_segment *segment = f->newest; segment != NULL; segment = segment->older)
        if (segment_maybe(segment, hash))
            return true;
    return false;
}
