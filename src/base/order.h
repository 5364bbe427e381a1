/* Things in the order of their ids: an array of (id, pointer), binary-searched. New things usually have the
 * greatest id, so adding is cheap; removing leaves a hole that is closed when holes are half of the array. */
#ifndef BASE_ORDER_H
#define BASE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct order_slot {
    uint64_t id;
    void *item; /* NULL: a hole */
};

struct order {
    struct order_slot *slots;
    size_t length; /* holes included */
    size_t count;
    size_t capacity;
};

void order_init(struct order *o);
void order_done(struct order *o);
/* Make room for one more, so that the next order_add cannot fail. ERR_MEMORY. */
int order_reserve(struct order *o);
void order_add(struct order *o, uint64_t id,
               void *item);                            /* id must be new; any order, greatest last is fast */
void order_remove(struct order *o, uint64_t id);       /* must be there */
void *order_find(const struct order *o, uint64_t id);  /* NULL when absent */
void *order_below(const struct order *o, uint64_t id); /* greatest id < id; NULL when none */
void *order_above(const struct order *o, uint64_t id); /* smallest id > id; NULL when none */

#endif
