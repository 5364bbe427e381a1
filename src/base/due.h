/* What is due next: a binary heap of times, embedded in whatever waits. The owner keeps struct due in its own
 * struct; the heap holds pointers. Equal times come out in the order of their rank, so that a run can be
 * repeated exactly. */
#ifndef BASE_DUE_H
#define BASE_DUE_H

#include <stddef.h>
#include <stdint.h>

struct due {
    uint64_t at_ms;
    uint64_t rank; /* breaks ties: the owner's id */
    size_t place;  /* 1-based place in the heap; 0: not in it */
};

struct due_heap {
    struct due **at;
    size_t count;
    size_t capacity;
};

void due_heap_init(struct due_heap *h);
void due_heap_done(struct due_heap *h);
/* Make room for count members, so that due_set cannot fail. ERR_MEMORY. */
int due_heap_reserve(struct due_heap *h, size_t count);
/* Put in or move. The heap must have room (due_heap_reserve). */
void due_set(struct due_heap *h, struct due *d, uint64_t at_ms);
void due_clear(struct due_heap *h, struct due *d); /* take out; fine when not in */
struct due *due_first(const struct due_heap *h);   /* NULL when empty */

#endif
