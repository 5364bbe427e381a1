/* "Was this key ever seen?": never a wrong no, rarely a wrong yes. Bloom filters in segments that are added
 * as keys come, 16 bits and 8 probes a key, so that a full segment answers wrongly about once in 1,100. Keys
 * are stable 64-bit hashes. */
#ifndef BASE_FILTER_H
#define BASE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter_segment;

struct filter {
    struct filter_segment *newest;
    size_t bytes;
};

void filter_init(struct filter *f);
void filter_done(struct filter *f);
int filter_add(struct filter *f, uint64_t hash); /* ERR_MEMORY */
bool filter_maybe(const struct filter *f, uint64_t hash);

#endif
