#include "base/order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void order_init(struct order *o) {
    *o = (struct order){ 0 };
}

void order_done(struct order *o) {
    free(o->slots);
    *o = (struct order){ 0 };
}

static void close_holes(struct order *o) {
    size_t to = 0;
    for (size_t from = 0; from < o->length; from++)
        if (o->slots[from].item != NULL)
            o->slots[to++] = o->slots[from];
    o->length = to;
}

int order_reserve(struct order *o) {
    if (o->length < o->capacity)
        return 0;
    if (o->count < o->length / 2) {
        close_holes(o);
        return 0;
    }
    size_t capacity = o->capacity == 0 ? 64 : o->capacity * 2;
    struct order_slot *grown = realloc(o->slots, capacity * sizeof *grown);
    if (grown == NULL)
        return ERR_MEMORY;
    o->slots = grown;
    o->capacity = capacity;
    return 0;
}

/* Index of the first slot whose id is >= id. */
static size_t seek(const struct order *o, uint64_t id) {
    size_t low = 0;
    size_t high = o->length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (o->slots[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void order_add(struct order *o, uint64_t id, void *item) {
    assert(item != NULL);
    assert(o->length < o->capacity);
    size_t at = o->length == 0 || o->slots[o->length - 1].id < id ? o->length : seek(o, id);
    if (at < o->length && o->slots[at].id == id) {
        assert(o->slots[at].item == NULL);
        o->slots[at].item = item;
        o->count++;
        return;
    }
    memmove(o->slots + at + 1, o->slots + at, (o->length - at) * sizeof *o->slots);
    o->slots[at] = (struct order_slot){ .id = id, .item = item };
    o->length++;
    o->count++;
}

void order_remove(struct order *o, uint64_t id) {
    size_t at = seek(o, id);
    assert(at < o->length);
    assert(o->slots[at].id == id);
    assert(o->slots[at].item != NULL);
    o->slots[at].item = NULL;
    o->count--;
    while (o->length > 0 && o->slots[o->length - 1].item == NULL)
        o->length--;
    if (o->length > 64 && o->count < o->length / 2)
        close_holes(o);
}

void *order_find(const struct order *o, uint64_t id) {
    size_t at = seek(o, id);
    return at < o->length && o->slots[at].id == id ? o->slots[at].item : NULL;
}

void *order_below(const struct order *o, uint64_t id) {
    for (size_t at = seek(o, id); at > 0; at--)
        if (o->slots[at - 1].item != NULL)
            return o->slots[at - 1].item;
    return NULL;
}

void *order_above(const struct order *o, uint64_t id) {
    if (id == UINT64_MAX)
        return NULL;
    for (size_t at = seek(o, id + 1); at < o->length; at++)
        if (o->slots[at].item != NULL)
            return o->slots[at].item;
    return NULL;
}
