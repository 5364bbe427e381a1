#include "bench/histogram.h"

#include <assert.h>

#define FINE 64 /* buckets per doubling */
#define HOUR_US UINT64_C(3600000000)

static unsigned bucket_of(uint64_t us) {
    if (us < FINE)
        return (unsigned)us;
    unsigned log = 63u - (unsigned)__builtin_clzll(us); /* at least 6 */
    return (log - 5) * FINE + (unsigned)((us >> (log - 6)) - FINE);
}

/* The greatest value of a bucket. */
static uint64_t top_of(unsigned bucket) {
    if (bucket < FINE)
        return bucket;
    unsigned shift = bucket / FINE - 1;
    return ((uint64_t)(bucket % FINE + FINE + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us) {
    us = us > HOUR_US ? HOUR_US : us;
    unsigned bucket = bucket_of(us);
    assert(bucket < HISTOGRAM_BUCKETS);
    h->counts[bucket]++;
    h->total++;
    h->max_us = us > h->max_us ? us : h->max_us;
}

uint64_t histogram_at(const struct histogram *h, unsigned thousandths) {
    uint64_t wanted = (h->total * thousandths + 999) / 1000, seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && wanted > 0; i++) {
        seen += h->counts[i];
        if (seen >= wanted)
            return top_of(i) < h->max_us ? top_of(i) : h->max_us;
    }
    return h->max_us;
}
