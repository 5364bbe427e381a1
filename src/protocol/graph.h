/* Who comes before whom among the branches of a transaction: circles, ancestors, and the pivot's rule.
 *
 * Work is the number of `after` entries times the number of branches over 64. Memory: one bit for each pair,
 * from the arena. Pure otherwise. */
#ifndef PROTOCOL_GRAPH_H
#define PROTOCOL_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* The branches that one branch waits for, by index. */
struct graph_node {
    const uint16_t *after;
    uint16_t count;
};

struct graph {
    size_t count;
    size_t words;     /* of 64 bits, for one branch */
    uint64_t *before; /* count rows of words: bit j of row i says that j is done before i starts */
};

/* ERR_INVALID when they wait in a circle: *culprit is one of them. ERR_MEMORY. */
int graph_init(struct graph *g, struct arena *arena, const struct graph_node *nodes, size_t count,
               size_t *culprit);
/* Whether a is surely done before b starts. */
bool graph_before(const struct graph *g, size_t a, size_t b);

#endif
