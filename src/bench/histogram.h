/* Latencies counted in buckets that are 1/64 of their size wide: percentiles within 1.6 %, in constant
 * memory. Values are microseconds; anything over an hour counts as an hour. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 1728

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t max_us;
};

void histogram_add(struct histogram *h, uint64_t us);
/* The value that thousandths/1000 of all values do not exceed; 0 when there are none. */
uint64_t histogram_at(const struct histogram *h, unsigned thousandths);

#endif
