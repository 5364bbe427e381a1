#include "base/due.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"

void due_heap_init(struct due_heap *h) {
    *h = (struct due_heap){ 0 };
}

void due_heap_done(struct due_heap *h) {
    free(h->at);
    *h = (struct due_heap){ 0 };
}

int due_heap_reserve(struct due_heap *h, size_t count) {
    if (count <= h->capacity)
        return 0;
    size_t capacity = h->capacity < 64 ? 64 : h->capacity;
    while (capacity < count)
        capacity *= 2;
    struct due **grown = realloc(h->at, capacity * sizeof *grown);
    if (grown == NULL)
        return ERR_MEMORY;
    h->at = grown;
    h->capacity = capacity;
    return 0;
}

static bool sooner(const struct due *a, const struct due *b) {
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->rank < b->rank;
}

static void settle_at(struct due_heap *h, size_t place, struct due *d) {
    h->at[place - 1] = d;
    d->place = place;
}

static void sift(struct due_heap *h, struct due *d) {
    size_t place = d->place;
    while (place > 1 && sooner(d, h->at[place / 2 - 1])) {
        settle_at(h, place, h->at[place / 2 - 1]);
        place /= 2;
    }
    for (;;) {
        size_t child = place * 2;
        if (child > h->count)
            break;
        if (child < h->count && sooner(h->at[child], h->at[child - 1]))
            child++;
        if (!sooner(h->at[child - 1], d))
            break;
        settle_at(h, place, h->at[child - 1]);
        place = child;
    }
    settle_at(h, place, d);
}

void due_set(struct due_heap *h, struct due *d, uint64_t at_ms) {
    d->at_ms = at_ms;
    if (d->place == 0) {
        assert(h->count < h->capacity);
        d->place = ++h->count;
    }
    sift(h, d);
}

void due_clear(struct due_heap *h, struct due *d) {
    if (d->place == 0)
        return;
    assert(h->at[d->place - 1] == d);
    struct due *last = h->at[--h->count];
    if (last != d) {
        last->place = d->place;
        sift(h, last);
    }
    d->place = 0;
}

struct due *due_first(const struct due_heap *h) {
    return h->count == 0 ? NULL : h->at[0];
}
