#include <string.h>

#include "base/hash.h"
#include "sim/post_invariants.h"
#include "sim/world.h"

enum {
    LATE_MS = 10 * 60 * 1000,
};

/* ---- after a recovery ---- */

/* What the witnesses say is owed to a channel. */
static uint64_t count_owed(struct world *w, const struct sim_channel *c) {
    uint64_t owed = 0;

    for (uint32_t i = 0; i < w->post_count; i++) {
        const struct post *p = w->posts[i];
        const struct delivery *d = post_delivery(p, c->name);

        if (p->witness.id == 0 || p->witness.id == p->purged_id)
            continue;
        if (c->kind == DEFINITION_SUBSCRIPTION)
            owed += p->mode == MODE_MESSAGE && d != NULL && !post_operation_over(&d->o);
        else
            owed += p->mode == MODE_NOTICE && slice_equal(p->witness.request->message->only, c->name) &&
                    !status_is_final(p->witness.status);
    }
    return owed;
}

static void check_channel(struct world *w, const struct engine *e, const struct sim_channel *c) {
    const struct channel *found = engine_channel(e, c->kind, c->name);
    const struct definition *d = found == NULL ? NULL : engine_definition(found);
    uint64_t owed = 0, place = 0;

    if (c->exists && (d == NULL || d->paused != c->paused || !slice_equal(d->source, c->source)))
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s does not come back as it was defined",
                   SLICE_PRINT(c->name));
    if (!c->exists && d != NULL && d->source.length > 0)
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s comes back from nowhere", SLICE_PRINT(c->name));
    if (found == NULL)
        return;
    for (const struct parcel *p = engine_parcel_next(found, NULL); p != NULL;
         p = engine_parcel_next(found, p)) {
        struct parcel_view view;

        engine_parcel_view(p, &view);
        owed++;
        if (view.transaction->mode != MODE_MESSAGE)
            continue;
        if (branch_place(&view.transaction->branches[view.branch]) <= place)
            world_fail(w, FAILURE_CORRECTNESS, "order", "%.*s comes back with its queue in another order",
                       SLICE_PRINT(c->name));
        place = branch_place(&view.transaction->branches[view.branch]);
    }
    if (owed != count_owed(w, c))
        world_fail(w, FAILURE_CORRECTNESS, "I-M2", "%.*s comes back with %llu in its queue, owed are %llu",
                   SLICE_PRINT(c->name), (unsigned long long)owed, (unsigned long long)count_owed(w, c));
}

void post_invariants_recovered(struct world *w, const struct engine *e) {
    for (uint32_t i = 0; i < w->post_count && !world_failed(w); i++)
        durable_check_recovered(w, durable_of_post(w->posts[i]), e);
    for (uint32_t i = 0; i < w->channel_count && !world_failed(w); i++)
        check_channel(w, e, &w->channels[i]);
}

/* ---- at the end ---- */

static bool is_at_rest(struct world *w, const struct post *p) {
    const struct producer *producer = &p->producer;

    if (p->witness.id == 0)
        return producer->dead || producer->stage > PRODUCER_SUBMITS || swarm_has(&w->swarm, SWARM_tight) ||
               swarm_has(&w->swarm, SWARM_scarce);
    return status_is_final(p->witness.status);
}

bool post_invariants_all_final(struct world *w) {
    for (uint32_t i = 0; i < w->post_count; i++)
        if (!is_at_rest(w, w->posts[i]))
            return false;
    return true;
}

/* A second life of a purged id, or another body under it: its consumers' deeds prove nothing. */
static bool is_exempt(const struct post *p) {
    return p->purged_id != 0 || p->witness.other_body;
}

static void check_delivered(struct world *w, const struct delivery *d) {
    if (d->o.done && d->effects == 0)
        world_fail(w, FAILURE_CORRECTNESS, "I-M2", "%.*s~%.*s is acked, and had no effect",
                   SLICE_PRINT(d->post->gid), SLICE_PRINT(d->channel->name));
    if (d->channel->inbox && d->effects > 1)
        world_fail(w, FAILURE_CORRECTNESS, "I-M5", "%.*s~%.*s took effect %u times",
                   SLICE_PRINT(d->post->gid), SLICE_PRINT(d->channel->name), d->effects);
}

/* Accepted only when room was made for it. */
static bool came_late(const struct world *w, const struct post *p) {
    bool narrow = swarm_has(&w->swarm, SWARM_tight) || swarm_has(&w->swarm, SWARM_scarce);

    return narrow && p->witness.id != 0 && p->witness.created_ms + LATE_MS > world_clock_ms(w);
}

static void check_end(struct world *w, const struct post *p) {
    const struct post_witness *t = &p->witness;
    bool committed = t->decision == DECISION_COMMIT;

    if (!is_at_rest(w, p) && !came_late(w, p))
        world_fail(w, FAILURE_LIVENESS, "liveness", "%.*s is still %s after ten quiet minutes",
                   SLICE_PRINT(p->gid), t->id == 0 ? "not accepted" : status_word(t->status));
    if (t->id == 0 || is_exempt(p))
        return;
    if (p->mode == MODE_MESSAGE && committed && !post_happened(p) && !p->untrue_commit)
        world_fail(w, FAILURE_CORRECTNESS, "I-M1", "%.*s is committed, and its producer did not",
                   SLICE_PRINT(p->gid));
    if (p->mode == MODE_MESSAGE && !committed && post_happened(p) && !p->untrue_rollback &&
        status_is_final(t->status))
        world_fail(w, FAILURE_CORRECTNESS, "I-M2", "%.*s is rolled back, and its producer committed",
                   SLICE_PRINT(p->gid));
    for (uint32_t i = 0; i < t->delivery_count; i++)
        check_delivered(w, t->deliveries[i]);
}

void post_invariants_end(struct world *w) {
    for (uint32_t i = 0; i < w->post_count && !world_failed(w); i++) {
        const struct post *p = w->posts[i];

        check_end(w, p);
        if (p->witness.id != 0 && status_is_final(p->witness.status))
            w->figures.finished++;
        else
            w->figures.stuck++;
    }
}

static uint64_t mix(uint64_t digest, uint64_t number) {
    return (digest ^ number) * UINT64_C(0x9e3779b97f4a7c15) ^ (digest >> 29);
}

static uint64_t channel_digest(const struct channel *c, uint64_t digest) {
    digest = mix(digest, hash_stable(engine_definition(c)->source));
    digest = mix(digest, engine_definition(c)->paused);
    for (const struct parcel *p = engine_parcel_next(c, NULL); p != NULL; p = engine_parcel_next(c, p)) {
        struct parcel_view view;

        engine_parcel_view(p, &view);
        digest = mix(digest, view.transaction->id);
        digest = mix(digest, (uint64_t)view.branch << 2 | (uint64_t)view.behind << 1 | view.parked);
    }
    return digest;
}

uint64_t post_invariants_digest(struct world *w, const struct engine *e, const struct sim_store *store,
                                uint64_t digest) {
    for (uint32_t i = 0; i < w->post_count; i++) {
        const struct post *p = w->posts[i];
        const struct transaction *t = engine_find(e, mode_kind(p->mode), SLICE("default"), p->gid);
        const struct stored_row *row = sim_store_row(store, mode_kind(p->mode), p->witness.id);
        struct buffer image;

        buffer_init(&image, SIZE_MAX / 2);
        if (t != NULL) {
            transaction_image(t, &image);
            digest = mix(digest, hash_stable(buffer_slice(&image)));
        } else if (row != NULL) {
            digest = mix(digest, hash_stable(row->image));
        }
        buffer_done(&image);
    }
    for (uint32_t i = 0; i < w->channel_count; i++) {
        const struct channel *c = engine_channel(e, w->channels[i].kind, w->channels[i].name);

        if (c != NULL && engine_definition(c)->source.length > 0)
            digest = channel_digest(c, digest);
    }
    return digest;
}
