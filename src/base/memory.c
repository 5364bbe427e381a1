#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void memory_init(struct memory *m, size_t max) {
    assert(max > 0);
    *m = (struct memory){ .max = max };
}

void memory_done(struct memory *m) {
    assert(m->used == 0);
    m->max = 0;
}

void *memory_take(struct memory *m, size_t bytes) {
    assert(bytes > 0);
    if (bytes > m->max - m->used)
        return NULL;
    void *at = calloc(1, bytes);
    if (at != NULL)
        m->used += bytes;
    return at;
}

void memory_give(struct memory *m, void *at, size_t bytes) {
    if (at == NULL)
        return;
    assert(m->used >= bytes);
    m->used -= bytes;
    free(at);
}

void *memory_resize(struct memory *m, void *at, size_t bytes_before, size_t bytes_after) {
    assert(bytes_after > 0);
    if (at == NULL)
        return memory_take(m, bytes_after);
    if (bytes_after > bytes_before && bytes_after - bytes_before > m->max - m->used)
        return NULL;
    void *moved = realloc(at, bytes_after);
    if (moved == NULL)
        return NULL;
    if (bytes_after > bytes_before)
        memset((char *)moved + bytes_before, 0, bytes_after - bytes_before);
    m->used = m->used - bytes_before + bytes_after;
    return moved;
}
