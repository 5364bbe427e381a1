#include "sim/sim_chores.h"

#include <assert.h>

#include "sim/sometimes.h"
#include "sim/world.h"

enum {
    FOLD_ROWS_MAX = 16,
    FOLD_BYTES_MAX = 256 * 1024,
};

static void note_history(struct world *w) {
    for (uint32_t i = 0; i < w->plan_count; i++) {
        struct plan *p = &w->plans[i];

        p->in_history =
            p->witness.id != 0 && sim_store_row(&w->store, STORED_TRANSACTION, p->witness.id) != NULL;
    }
    for (uint32_t i = 0; i < w->post_count; i++) {
        struct post *p = w->posts[i];

        p->in_history =
            p->witness.id != 0 && sim_store_row(&w->store, mode_kind(p->mode), p->witness.id) != NULL;
    }
}

/* Rows that go are noted in their plans: their gids may live again. */
static void purge(struct world *w) {
    note_history(w);
    if (sim_store_purge(&w->store, world_clock_ms(w)) == 0)
        return;
    SOMETIMES(purged);
    for (uint32_t i = 0; i < w->plan_count; i++) {
        struct plan *p = &w->plans[i];

        if (p->in_history && sim_store_row(&w->store, STORED_TRANSACTION, p->witness.id) == NULL)
            p->purged_id = p->witness.id;
    }
    for (uint32_t i = 0; i < w->post_count; i++) {
        struct post *p = w->posts[i];

        if (p->in_history && sim_store_row(&w->store, mode_kind(p->mode), p->witness.id) == NULL)
            p->purged_id = p->witness.id;
    }
}

/* As far as the engine allows, and the tail that is kept for event streams. */
static void trim(struct world *w) {
    uint64_t point = engine_trim_point(w->driver.engine);
    uint64_t last = w->store.batch_last, tail = w->swarm.tail_batches;

    if (point + tail > last)
        point = last > tail ? last - tail : 0;
    if (point <= w->store.batch_trimmed)
        return;
    SOMETIMES(trimmed);
    sim_store_trim(&w->store, point);
}

static void fold_failed(struct world *w) {
    SOMETIMES(fold_failed);
    sim_store_fold_failed(&w->store);
    engine_fold_failed(w->driver.engine);
}

static void fold_finished(struct world *w, void *subject, uint64_t number) {
    struct sim_driver *d = &w->driver;
    bool fails = dice_chance(world_dice(w, DICE_DISK), w->swarm.fold_error) && !world_calm(w);
    uint64_t replaced = w->store.replaced;

    (void)subject;
    if (number != d->life || !d->up)
        return;
    d->folding = false;
    if (fails) {
        fold_failed(w);
        return;
    }
    sim_store_fold_done(&w->store);
    if (sim_driver_point(w))
        return;
    engine_folded(d->engine);
    if (w->store.replaced > replaced)
        SOMETIMES(fold_replaced);
    trim(w);
    purge(w);
    if (w->store.broken != NULL)
        world_fail(w, FAILURE_CORRECTNESS, "G2", "store: %s", w->store.broken);
}

void sim_chores_now(struct world *w) {
    struct sim_driver *d = &w->driver;
    struct stored_row rows[FOLD_ROWS_MAX];
    uint64_t last = w->store.batch_last, keep = w->swarm.keep_batches;
    struct arena arena;
    size_t count;

    if (d->folding || !d->up)
        return;
    assert(w->swarm.fold_rows <= FOLD_ROWS_MAX);
    arena_init(&arena, 16 * 1024, 64 * 1024 * 1024);
    d->turns_since_fold = 0;
    count = engine_fold(d->engine, last > keep ? last - keep : 0, rows, w->swarm.fold_rows, FOLD_BYTES_MAX,
                        &arena);
    for (size_t i = 0; i < count; i++)
        if (rows[i].kind == STORED_TRANSACTION && !rows[i].final)
            SOMETIMES(fold_unfinished);
    if (count > 0) {
        d->folding = true;
        sim_store_fold(&w->store, rows, count);
        world_plan(w, dice_delay(world_dice(w, DICE_DISK), w->swarm.sync_us), fold_finished, NULL, d->life);
    }
    arena_done(&arena);
}

void sim_chores_after_turn(struct world *w) {
    if (++w->driver.turns_since_fold >= w->swarm.fold_every)
        sim_chores_now(w);
}
