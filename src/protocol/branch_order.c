#include "protocol/branch_order.h"

#include <assert.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/word.h"
#include "protocol/canon.h"
#include "protocol/mention.h"

/* The table of ids: at most half full. */
int branch_order_init(struct branch_order *o, size_t most) {
    o->slot_count = 4;
    while (o->slot_count < most * 2)
        o->slot_count *= 2;
    o->slots = arena_take_array(o->form->arena, o->slot_count, sizeof *o->slots);
    o->ids = arena_take_array(o->form->arena, most, sizeof *o->ids);
    o->id_count = 0;
    return o->slots == NULL || o->ids == NULL ? form_no_memory(o->form) : 0;
}

/* The slot that holds the id, or where it would go. As in base/json, an address is secret enough as a seed.
 */
static uint16_t *find_slot(const struct branch_order *o, struct slice id) {
    size_t at = hash_seeded((uint64_t)(uintptr_t)o->slots, id) & (o->slot_count - 1);
    while (o->slots[at] != 0 && !slice_equal(o->ids[o->slots[at] - 1], id))
        at = (at + 1) & (o->slot_count - 1);
    return &o->slots[at];
}

/* The branch with that id, or -1. */
int branch_order_find(const struct branch_order *o, struct slice id) {
    return (int)*find_slot(o, id) - 1;
}

void branch_order_add(struct branch_order *o, struct slice id) {
    uint16_t *slot = find_slot(o, id);
    assert(*slot == 0);
    o->ids[o->id_count++] = id;
    *slot = (uint16_t)o->id_count;
}

/* Note the known id that was probably meant. */
static void note_nearest_id(struct branch_order *o, struct slice id) {
    size_t best = (id.length + 2) / 3 + 1;
    for (size_t i = 0; i < o->id_count; i++) {
        size_t distance = word_distance(id, o->ids[i]);
        if (distance >= best)
            continue;
        best = distance;
        PROBLEM_NOTE(o->form->problem, nearest, o->ids[i]);
    }
}

static struct form_path branch_path(const struct branch_order *o, size_t index) {
    return form_element(o->path, index);
}

/* One element of an `after`. */
static int read_after_id(struct branch_order *o, const struct form_path *path, struct json_value value,
                         size_t known, uint64_t *seen, uint16_t *out) {
    struct slice id;
    if (value.kind != JSON_STRING)
        return form_refuse(o->form, path, value, PROBLEM_WRONG_TYPE, "must be the id of a branch, not %s",
                           json_kind_text(value.kind));
    if (json_string(value, o->form->arena, &id) != 0)
        return form_no_memory(o->form);
    canon_text(o->digest, 'a', id);
    int index = branch_order_find(o, id);
    if (index < 0 || (size_t)index >= known) {
        form_refuse(o->form, path, value, PROBLEM_INVALID_ORDER, "there is no branch with this id");
        note_nearest_id(o, id);
        return ERR_INVALID;
    }
    if (seen[index / 64] >> (index % 64) & 1)
        return form_refuse(o->form, path, value, PROBLEM_INVALID_ORDER, "this branch is named twice");
    seen[index / 64] |= UINT64_C(1) << (index % 64);
    *out = (uint16_t)index;
    return 0;
}

/* Resolve `after`: the ids below known may be named; previous is the branch listed before, -1 for the first.
 */
int branch_order_after(struct branch_order *o, const struct form_path *branch, struct branch_draft *draft,
                       int previous, size_t known) {
    uint64_t seen[LIMIT_BRANCHES / 64 + 1] = { 0 };
    struct form_path path = form_below(branch, "after");
    bool given = form_given(draft->after);
    bool follows = !given && o->mode == MODE_SAGA && previous >= 0;
    struct json_value element;
    uint16_t used = 0;
    size_t count = given ? form_count(draft->after) : follows ? 1 : 0;
    uint16_t *after = arena_take_array(o->form->arena, count, sizeof *after);
    if (after == NULL)
        return form_no_memory(o->form);
    if (given) {
        canon_number(o->digest, 'A', count);
        struct json_cursor cursor = json_cursor_of(draft->after);
        while (json_element_next(&cursor, &element)) {
            struct form_path place = form_element(&path, used);
            int failed = read_after_id(o, &place, element, known, seen, &after[used]);
            if (failed != 0)
                return failed;
            used++;
        }
    } else {
        canon_none(o->digest, 'A');
        if (follows)
            after[used++] = (uint16_t)previous;
    }
    draft->request.after = after;
    draft->request.after_count = used;
    return 0;
}

int branch_order_references(struct branch_order *o, size_t index) {
    struct branch_draft *draft = &o->drafts[index];
    struct form_path branch = branch_path(o, index);
    struct form_path path = form_below(o->path == NULL ? NULL : &branch, "body");
    struct mention_cursor cursor = mention_begin(draft->request.body);
    struct mention mention;
    struct why why = { .text = "" };
    int found;
    while ((found = mention_next(&cursor, &mention, &why)) == 1) {
        struct json_value place = { .kind = JSON_STRING, .raw = mention.whole };
        if (o->drive == DRIVE_CLIENT)
            return form_refuse(
                o->form, &path, place, PROBLEM_INVALID_VALUE,
                "with \"drive\":\"client\" settled does not see the answers, so nothing can be "
                "referred to; write $${ for a literal ${");
        int earlier = branch_order_find(o, mention.branch);
        if (earlier < 0) {
            form_refuse(o->form, &path, place, PROBLEM_INVALID_ORDER,
                        "the reference names a branch that does not exist; write $${ for a literal ${");
            note_nearest_id(o, mention.branch);
            return ERR_INVALID;
        }
        if (!graph_before(&o->graph, (size_t)earlier, index))
            return form_refuse(o->form, &path, place, PROBLEM_INVALID_ORDER,
                               "\"%.*s\" is not surely done before \"%.*s\": name it in \"after\"",
                               SLICE_PRINT(mention.branch), SLICE_PRINT(draft->request.id));
        o->drafts[earlier].request.referenced = true;
        draft->request.has_references = true;
    }
    if (found < 0)
        return form_refuse(o->form, &path, draft->body, PROBLEM_INVALID_VALUE, "%s", why.text);
    draft->request.has_references |= cursor.literal;
    return 0;
}

static int check_pivot(struct branch_order *o) {
    size_t pivot = o->count;
    for (size_t i = 0; i < o->count; i++) {
        if (!o->drafts[i].request.pivot)
            continue;
        if (pivot < o->count) {
            struct form_path branch = branch_path(o, i);
            struct form_path path = form_below(&branch, "pivot");
            return form_refuse(o->form, &path, o->drafts[i].pivot, PROBLEM_INVALID_ORDER,
                               "\"%.*s\" is the pivot already; there is at most one",
                               SLICE_PRINT(o->drafts[pivot].request.id));
        }
        pivot = i;
    }
    for (size_t i = 0; pivot < o->count && i < o->count; i++) {
        if (i == pivot || graph_before(&o->graph, i, pivot) || graph_before(&o->graph, pivot, i))
            continue;
        struct form_path branch = branch_path(o, i);
        struct form_path path = form_below(&branch, "after");
        return form_refuse(o->form, &path, o->drafts[i].after, PROBLEM_INVALID_ORDER,
                           "\"%.*s\" stands neither before nor after the pivot \"%.*s\"",
                           SLICE_PRINT(o->drafts[i].request.id), SLICE_PRINT(o->drafts[pivot].request.id));
    }
    return 0;
}

/* Order, circles, references, pivot: all drafts have been read. */
int branch_order_relate(struct branch_order *o) {
    size_t culprit = 0;
    o->nodes = arena_take_array(o->form->arena, o->count, sizeof *o->nodes);
    if (o->nodes == NULL)
        return form_no_memory(o->form);
    for (size_t i = 0; i < o->count; i++) {
        struct form_path branch = branch_path(o, i);
        int failed = branch_order_after(o, &branch, &o->drafts[i], (int)i - 1, o->count);
        if (failed != 0)
            return failed;
        o->nodes[i] = (struct graph_node){ o->drafts[i].request.after, o->drafts[i].request.after_count };
    }
    int failed = graph_init(&o->graph, o->form->arena, o->nodes, o->count, &culprit);
    if (failed == ERR_MEMORY)
        return form_no_memory(o->form);
    if (failed != 0) {
        struct form_path branch = branch_path(o, culprit);
        struct form_path path = form_below(&branch, "after");
        return form_refuse(o->form, &path, o->drafts[culprit].after, PROBLEM_INVALID_ORDER,
                           "\"%.*s\" waits for itself, directly or through others",
                           SLICE_PRINT(o->drafts[culprit].request.id));
    }
    for (size_t i = 0; failed == 0 && i < o->count; i++)
        failed = branch_order_references(o, i);
    return failed == 0 ? check_pivot(o) : failed;
}
