/* For tests: a place whose last byte is the last byte of a page, with an unreadable page behind it, so that a
 * decoder which looks one byte too far faults. */
#ifndef WIRE_EDGE_TEST_H
#define WIRE_EDGE_TEST_H

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"

#define EDGE_BYTES (256u * 1024u)

struct edge {
    char *end; /* one past the last readable byte */
};

static inline void edge_init(struct edge *e) {
    char *at = mmap(NULL, EDGE_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(at != MAP_FAILED);
    int code = mprotect(at + EDGE_BYTES, 4096, PROT_NONE);
    assert(code == 0);
    e->end = at + EDGE_BYTES;
}

static inline void edge_done(struct edge *e) {
    munmap(e->end - EDGE_BYTES, EDGE_BYTES + 4096);
}

/* A copy of s that ends at the edge; valid until the next one. */
static inline struct slice edge_place(struct edge *e, struct slice s) {
    assert(s.length <= EDGE_BYTES);
    memset(e->end - EDGE_BYTES, 0xee, EDGE_BYTES - s.length);
    if (s.length > 0)
        memcpy(e->end - s.length, s.at, s.length);
    return slice_of(e->end - s.length, s.length);
}

#endif
