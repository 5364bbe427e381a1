/* Counted memory: malloc with a budget, so that a limit is met before the machine meets it. Whoever takes
 * gives back with the same size. Not thread-safe. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

struct memory {
    size_t used;
    size_t max;
};

void memory_init(struct memory *m, size_t max);
void memory_done(struct memory *m); /* asserts that everything was given back */
/* Zeroed; NULL when over the budget or out of memory. bytes > 0. */
void *memory_take(struct memory *m, size_t bytes);
void memory_give(struct memory *m, void *at, size_t bytes); /* at may be NULL */
/* Grow or shrink, keeping the content; new bytes are zeroed. On NULL the old memory is untouched. */
void *memory_resize(struct memory *m, void *at, size_t bytes_before, size_t bytes_after);

#endif
