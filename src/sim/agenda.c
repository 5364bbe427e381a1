#include "sim/agenda.h"

#include <assert.h>
#include <stdlib.h>

void agenda_init(struct agenda *a) {
    *a = (struct agenda){ 0 };
}

void agenda_done(struct agenda *a) {
    free(a->items);
    *a = (struct agenda){ 0 };
}

static bool earlier(const struct agenda_item *a, const struct agenda_item *b) {
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us;
    return a->order < b->order;
}

static void grow(struct agenda *a) {
    size_t capacity = a->capacity == 0 ? 256 : a->capacity * 2;
    struct agenda_item *items = realloc(a->items, capacity * sizeof *items);

    if (items == NULL)
        abort(); /* the simulator's own memory, not the product's */
    a->items = items;
    a->capacity = capacity;
}

void agenda_add(struct agenda *a, uint64_t at_us, agenda_act *act, void *subject, uint64_t number) {
    struct agenda_item item = { at_us, a->next_order++, act, subject, number };
    size_t at;

    assert(act != NULL);
    if (a->count == a->capacity)
        grow(a);
    at = a->count++;
    while (at > 0 && earlier(&item, &a->items[(at - 1) / 2])) {
        a->items[at] = a->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    a->items[at] = item;
}

bool agenda_next(struct agenda *a, struct agenda_item *out) {
    struct agenda_item last;
    size_t at = 0, child;

    if (a->count == 0)
        return false;
    *out = a->items[0];
    last = a->items[--a->count];
    while ((child = 2 * at + 1) < a->count) {
        if (child + 1 < a->count && earlier(&a->items[child + 1], &a->items[child]))
            child++;
        if (!earlier(&a->items[child], &last))
            break;
        a->items[at] = a->items[child];
        at = child;
    }
    a->items[at] = last;
    return true;
}
