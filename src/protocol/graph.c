#include "protocol/graph.h"

#include <assert.h>

#include "base/err.h"

enum color {
    COLOR_NEW = 0,
    COLOR_OPEN, /* on the stack: meeting it again closes a circle */
    COLOR_DONE, /* its row is complete */
};

/* A depth-first walk without recursion. */
struct walk {
    struct graph *g;
    const struct graph_node *nodes;
    uint8_t *color;
    uint16_t *stack;
    uint16_t *next; /* for each branch, how many of its `after` were followed */
    size_t depth;
};

bool graph_before(const struct graph *g, size_t a, size_t b) {
    assert(a < g->count);
    assert(b < g->count);
    return g->before[b * g->words + a / 64] >> (a % 64) & 1;
}

static void push(struct walk *w, uint16_t node) {
    w->color[node] = COLOR_OPEN;
    w->stack[w->depth++] = node;
}

/* Everything before `earlier`, and itself, is before `later`. */
static void inherit(struct graph *g, uint16_t later, uint16_t earlier) {
    uint64_t *to = g->before + later * g->words;
    const uint64_t *from = g->before + earlier * g->words;
    for (size_t i = 0; i < g->words; i++)
        to[i] |= from[i];
    to[earlier / 64] |= UINT64_C(1) << (earlier % 64);
}

/* Complete the row of one branch and of all it waits for. */
static int visit(struct walk *w, uint16_t start, size_t *culprit) {
    push(w, start);
    while (w->depth > 0) {
        uint16_t node = w->stack[w->depth - 1];
        if (w->next[node] == w->nodes[node].count) {
            w->color[node] = COLOR_DONE;
            w->depth--;
            continue;
        }
        uint16_t earlier = w->nodes[node].after[w->next[node]];
        assert(earlier < w->g->count);
        if (w->color[earlier] == COLOR_OPEN) {
            *culprit = node;
            return ERR_INVALID;
        }
        if (w->color[earlier] == COLOR_NEW) {
            push(w, earlier);
            continue;
        }
        inherit(w->g, node, earlier);
        w->next[node]++;
    }
    return 0;
}

int graph_init(struct graph *g, struct arena *arena, const struct graph_node *nodes, size_t count,
               size_t *culprit) {
    struct graph made = { .count = count, .words = (count + 63) / 64 };
    struct walk w = { .g = &made, .nodes = nodes };
    assert(count <= UINT16_MAX);
    made.before = arena_take_array(arena, count, made.words * sizeof *made.before);
    w.color = arena_take_array(arena, count, sizeof *w.color);
    w.stack = arena_take_array(arena, count, sizeof *w.stack);
    w.next = arena_take_array(arena, count, sizeof *w.next);
    if (made.before == NULL || w.color == NULL || w.stack == NULL || w.next == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (w.color[i] == COLOR_NEW && visit(&w, (uint16_t)i, culprit) != 0)
            return ERR_INVALID;
    *g = made;
    return 0;
}
