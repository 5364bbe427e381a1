/* Random bytes from the kernel, fetched in pools: ids and secrets by the thousand for one system call. Bytes
 * handed out are wiped from the pool. One owner at a time. */
#ifndef NET_RANDOM_H
#define NET_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_POOL_BYTES 1024

struct random {
    uint8_t pool[RANDOM_POOL_BYTES];
    size_t left; /* unused bytes, at the pool's end */
};

void random_init(struct random *r);
void random_done(struct random *r); /* wipes */
/* Always succeeds: a kernel that refuses random bytes ends the process, since every id would be guessable. */
void random_fill(struct random *r, void *out, size_t length);
uint64_t random_u64(struct random *r);
/* Evenly from 0 to below - 1; below > 0. */
uint64_t random_below(struct random *r, uint64_t below);

#endif
