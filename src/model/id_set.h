/* Ids of things: a few that follow one another, or a set. No thing has the id 0. */
#ifndef MODEL_ID_SET_H
#define MODEL_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From first to last, both included. All 0: none. */
struct id_range {
    uint64_t first;
    uint64_t last;
};

/* Ascending, each once; the maker says how long they stay valid. */
struct id_set {
    const uint64_t *ids;
    size_t count;
};

/* Make the range reach to this id, too; 0 changes nothing. */
void id_range_add(struct id_range *range, uint64_t id);

bool id_set_has(struct id_set set, uint64_t id);
/* Whether any of the set lies in the range. */
bool id_set_meets(struct id_set set, struct id_range range);

#endif
