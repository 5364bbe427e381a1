/* Things with records: into the batch, dirty until history has them. */
#include <assert.h>

#include "base/limits.h"
#include "engine/seat.h"
#include "model/journal.h"

/* Keep engine.dirty in the order of dirty_batch. New dirt is the newest, so the place is nearly always the
 * end. */
static void enter_dirty(struct engine *e, struct thing *thing) {
    struct chain *place = e->dirty.previous;
    while (place != &e->dirty && thing_of(place)->dirty_batch > thing->dirty_batch)
        place = place->previous;
    chain_add_after(place, &thing->dirty);
}

static void make_ready(struct engine *e, struct thing *thing, struct chain *place) {
    if (!thing->complete || chain_linked(&thing->ready))
        return;
    chain_add_after(place, &thing->ready);
    e->ready_count++;
}

void thing_unready(struct engine *e, struct thing *thing) {
    if (!chain_linked(&thing->ready))
        return;
    chain_remove(&thing->ready);
    e->ready_count--;
}

void thing_dirty(struct engine *e, struct thing *thing, uint64_t batch) {
    assert(batch > 0);
    thing->last_batch = batch;
    if (thing->folding) {
        uint64_t later = batch - thing->dirty_batch;
        assert(batch > thing->dirty_batch); /* only what is durable is folded */
        if (thing->again_after == 0) /* an earlier batch than the true one only keeps more of the journal */
            thing->again_after = later < UINT32_MAX ? (uint32_t)later : UINT32_MAX;
        return;
    }
    if (thing->dirty_batch == 0) {
        thing->dirty_batch = batch;
        enter_dirty(e, thing);
        e->figures.unfolded++;
    }
    make_ready(e, thing, e->ready.previous);
}

void thing_put(struct engine *e, struct effects *effects, struct thing *thing, struct slice record) {
    struct stored_entry entry = { .kind = thing->kind, .id = thing->id, .seq = thing->seq, .record = record };
    journal_encode(&effects->entries, &entry);
    assert(buffer_failed(&effects->entries) == 0); /* the step asked for room before it began */
    effects->entry_count++;
    thing_dirty(e, thing, e->batch);
}

void thing_unfold(struct engine *e, struct thing *thing) {
    chain_remove(&thing->dirty);
    thing->folding = false;
    thing->again_after = 0;
    struct chain *place = e->dirty.previous;
    while (place != &e->dirty && thing_of(place)->dirty_batch >= thing->dirty_batch)
        place = place->previous;
    chain_add_after(place, &thing->dirty);
    make_ready(e, thing, &e->ready);
}

void thing_clean(struct engine *e, struct thing *thing) {
    if (thing->dirty_batch != 0 || thing->folding)
        e->figures.unfolded--;
    chain_remove(&thing->dirty);
    thing_unready(e, thing);
    thing->dirty_batch = 0;
    thing->again_after = 0;
    thing->folding = false;
}

bool batch_is_full(const struct effects *effects, size_t more) {
    return effects->entry_count > 0 && effects->entries.length + more > LIMIT_TURN_BYTES;
}
