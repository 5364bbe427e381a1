#include "base/table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

void table_init(struct table *t) {
    *t = (struct table){ 0 };
}

void table_done(struct table *t) {
    free(t->slots);
    *t = (struct table){ 0 };
}

int table_reserve(struct table *t) {
    if ((t->count + 1) * 4 <= t->capacity * 3)
        return 0;
    struct table grown = { .capacity = t->capacity == 0 ? 64 : t->capacity * 2 };
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i].item != NULL)
            table_add(&grown, t->slots[i].hash, t->slots[i].item);
    free(t->slots);
    *t = grown;
    return 0;
}

void table_add(struct table *t, uint64_t hash, void *item) {
    assert(item != NULL);
    assert(t->count < t->capacity);
    size_t mask = t->capacity - 1;
    size_t at = hash & mask;
    while (t->slots[at].item != NULL)
        at = (at + 1) & mask;
    t->slots[at] = (struct table_slot){ .hash = hash, .item = item };
    t->count++;
}

void table_remove(struct table *t, uint64_t hash, const void *item) {
    size_t mask = t->capacity - 1;
    size_t at = hash & mask;
    while (t->slots[at].item != item) {
        assert(t->slots[at].item != NULL);
        at = (at + 1) & mask;
    }
    /* Close the gap: move back whatever would no longer be reached past a free slot. */
    for (size_t next = (at + 1) & mask; t->slots[next].item != NULL; next = (next + 1) & mask) {
        size_t home = t->slots[next].hash & mask;
        if (((next - home) & mask) >= ((next - at) & mask)) {
            t->slots[at] = t->slots[next];
            at = next;
        }
    }
    t->slots[at] = (struct table_slot){ 0 };
    t->count--;
}

void *table_find(const struct table *t, uint64_t hash, size_t *cursor) {
    if (t->capacity == 0)
        return NULL;
    size_t mask = t->capacity - 1;
    for (size_t step = *cursor; step < t->capacity; step++) {
        const struct table_slot *slot = &t->slots[(hash + step) & mask];
        if (slot->item == NULL)
            return NULL;
        if (slot->hash == hash) {
            *cursor = step + 1;
            return slot->item;
        }
    }
    return NULL;
}
