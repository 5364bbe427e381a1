/* How the branches of a request relate: their ids, what each waits for, the references between them, and the
 * pivot (design.md 4 (9), (12)). Fills in what branch_form_read leaves open.
 *
 * Errors as in protocol/form.h. Memory from the form's arena. Pure. */
#ifndef PROTOCOL_BRANCH_ORDER_H
#define PROTOCOL_BRANCH_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "protocol/branch_form.h"
#include "protocol/form.h"
#include "protocol/graph.h"

struct branch_order {
    struct form *form;
    struct digest *digest;        /* `after` as written goes in here */
    const struct form_path *path; /* of the array of branches; NULL when the body is a single branch */
    struct branch_draft *drafts;  /* count of them, in the order of their ids unless path is NULL */
    size_t count;
    uint8_t mode;
    uint8_t drive;
    /* The rest is the order's own. */
    struct slice *ids;
    size_t id_count;
    uint16_t *slots; /* a hash table of index + 1 */
    size_t slot_count;
    struct graph_node *nodes;
    struct graph graph;
};

/* Room for so many ids; the members above "the rest" are the caller's to set. */
int branch_order_init(struct branch_order *o, size_t most);
/* Enter the next id; it must be new. */
void branch_order_add(struct branch_order *o, struct slice id);
/* The index of the branch with that id, or -1. */
int branch_order_find(const struct branch_order *o, struct slice id);

/* Resolve one draft's `after`. The ids below `known` may be named; previous is the branch that a saga's
 * branch follows when it says nothing, -1 for none. */
int branch_order_after(struct branch_order *o, const struct form_path *branch, struct branch_draft *draft,
                       int previous, size_t known);
/* References in the body of drafts[index]: has_references, and referenced of those it names. */
int branch_order_references(struct branch_order *o, size_t index);
/* All of it, for drafts[0..count). */
int branch_order_relate(struct branch_order *o);

#endif
