#include "model/id_set.h"

void id_range_add(struct id_range *range, uint64_t id) {
    if (id == 0)
        return;
    if (range->first == 0 || id < range->first)
        range->first = id;
    if (id > range->last)
        range->last = id;
}

bool id_set_has(struct id_set set, uint64_t id) {
    return id_set_meets(set, (struct id_range){ .first = id, .last = id });
}

bool id_set_meets(struct id_set set, struct id_range range) {
    size_t low = 0, high = set.count; /* the first that is not below the range lies in [low, high] */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set.ids[middle] < range.first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set.count && set.ids[low] <= range.last;
}
