/* The tail: the latest part of the journal, which is kept beyond what folding needs, so that event streams
 * can be continued over a restart (docs/design/019-journal-is-the-event-table.md).
 *
 * It is bounded by bytes and by age: a finished transaction's row can only be purged once its records have
 * left the journal, so nothing is kept for longer than the shorter retention. Counted in segments of many
 * batches, so that it costs a few words however many batches there are.
 *
 * Times: epoch ms of the steady clock. One thread. */
#ifndef SERVER_TAIL_H
#define SERVER_TAIL_H

#include <stddef.h>
#include <stdint.h>

enum {
    TAIL_PARTS = 32, /* a segment is closed at this part of the allowed bytes, or of the allowed age */
    TAIL_SEGMENTS = 4 * TAIL_PARTS,
};

struct tail_segment {
    uint64_t last; /* batch */
    uint64_t bytes;
    uint64_t begin_ms; /* when its first batch was written */
};

struct tail {
    struct tail_segment segments[TAIL_SEGMENTS]; /* a ring */
    size_t first;
    size_t count;
    uint64_t bytes;
    uint64_t bytes_max; /* 0: keep nothing */
    uint64_t ms_max;
    uint64_t passed; /* batches up to this one need not be kept */
};

void tail_init(struct tail *t, uint64_t bytes_max, uint64_t ms_max);
/* New settings. */
void tail_limit(struct tail *t, uint64_t bytes_max, uint64_t ms_max);
/* This batch is the newest. Batches come in order; their times may stand still but are never set back. */
void tail_add(struct tail *t, uint64_t batch, size_t bytes, uint64_t at_ms);
/* Batches up to and including this one need not be kept. */
uint64_t tail_point(struct tail *t, uint64_t now_ms);
/* When tail_point will say more although nothing was added; UINT64_MAX: never. */
uint64_t tail_due(const struct tail *t);

#endif
