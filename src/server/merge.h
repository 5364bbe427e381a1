/* Merging two ordered sources of ids into one order: what is in memory, always whole, and what is in history,
 * read in slices. Pure. */
#ifndef SERVER_MERGE_H
#define SERVER_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum merge_choice {
    MERGE_ROW,    /* the slice's next row comes next */
    MERGE_MEMORY, /* the thing in memory comes next */
    MERGE_BOTH,   /* they are the same thing: memory is newer, the row is passed over */
    MERGE_WAIT,   /* a row of the next slice may come before what is in memory */
    MERGE_END,    /* nothing is left in either */
};

/* Where a slice stands. */
struct merge_slice {
    uint64_t next;  /* id of its next row; only read when left > 0 */
    size_t left;    /* rows not yet taken */
    bool more;      /* history has rows after this slice */
    bool ascending; /* smallest id first */
};

/* memory: the next id in memory, 0 when there is none. While a slice has no row left and history has more,
 * nothing can be said about what is in memory either, since the next row may come before it. */
enum merge_choice merge_next(const struct merge_slice *slice, uint64_t memory);

#endif
