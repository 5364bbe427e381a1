/* An arena: memory that lives together and dies together (one request, one turn, one test).
 *
 * Allocations are aligned to 16 bytes and zeroed; there is no free, only arena_reset (keeps the first block)
 * and arena_done. Under AddressSanitizer every allocation is its own malloc, so that a use after reset is
 * seen. Not thread-safe. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t block_bytes;         /* size of an ordinary block */
    size_t used;                /* bytes handed out since the last reset */
    size_t max;                 /* arena_take returns NULL beyond this */
};

void arena_init(struct arena *a, size_t block_bytes, size_t max);
void arena_done(struct arena *a);
void arena_reset(struct arena *a);
/* NULL when out of memory or over max. bytes may be 0 (a valid, unusable pointer comes back). */
void *arena_take(struct arena *a, size_t bytes);
void *arena_take_array(struct arena *a, size_t count, size_t bytes_each); /* NULL also on overflow */
/* A copy of the bytes. On failure *out is untouched and ERR_MEMORY comes back. */
int arena_copy(struct arena *a, struct slice from, struct slice *out);

#endif
