#include "sim/post_witness.h"
#include "sim/sometimes.h"
#include "sim/world.h"

bool channel_interested(const struct sim_channel *c, const struct message_request *m) {
    if (c->kind != DEFINITION_SUBSCRIPTION || !c->exists)
        return false;
    return m->only.length > 0 ? slice_equal(c->name, m->only) : slice_equal(c->outlet.topic, m->head.topic);
}

/* ---- definitions ---- */

static void take_version(struct world *w, struct sim_channel *c, const struct definition *d) {
    bool was_paused = c->exists && c->paused;

    if (c->exists && (c->outlet.ordered != d->outlet.ordered || c->outlet.park_key != d->outlet.park_key))
        c->order_moved = true;
    if (c->seq > 1 && !slice_equal(c->source, d->source))
        SOMETIMES(redefined);
    if (d->paused && !was_paused && !c->asked_pause && !c->said_gone)
        world_fail(w, FAILURE_CORRECTNESS, "I-S6", "%.*s is paused, and nobody asked for it",
                   SLICE_PRINT(c->name));
    if (d->paused && !was_paused)
        SOMETIMES(channel_paused);
    c->exists = !d->deleted;
    c->paused = d->paused;
    c->source = d->source;
    c->outlet = d->outlet;
    if (d->deleted) {
        SOMETIMES(undefined);
        c->id = c->seq = 0;
    }
}

void post_witness_definition(struct world *w, const struct stored_entry *entry, struct slice bytes) {
    struct definition d;
    struct sim_channel *c;

    if (definition_decode(bytes, &d) != 0 || (c = channel_named(w, d.kind, d.name)) == NULL) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "a definition that nobody made");
        return;
    }
    if (entry->seq != c->seq + 1 || (c->id != 0 && entry->id != c->id))
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s: version %u follows %u", SLICE_PRINT(c->name),
                   entry->seq, c->seq);
    c->id = entry->id;
    c->seq = entry->seq;
    take_version(w, c, &d);
}
