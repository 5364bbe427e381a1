#include <string.h>

#include "base/hash.h"
#include "sim/invariants.h"
#include "sim/post_invariants.h"
#include "sim/sim_recovery.h"
#include "sim/world.h"

/* ---- cold restarts ---- */

static uint64_t mix(uint64_t digest, uint64_t number) {
    return (digest ^ number) * UINT64_C(0x9e3779b97f4a7c15) ^ (digest >> 29);
}

static uint64_t state_digest(const struct transaction *t) {
    uint64_t digest = mix(t->id, t->seq);

    digest = mix(digest, (uint64_t)t->status << 16 | (uint64_t)t->decision << 8 | t->cause);
    digest = mix(digest, t->suspended);
    digest = mix(digest, t->deadline_ms);
    for (uint16_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++) {
            const struct operation *o = &t->branches[i].operation[role];

            digest = mix(digest, (uint64_t)o->status << 24 | (uint64_t)o->ever_unknown << 2 |
                                     (uint64_t)o->ever_working << 1 | o->not_done);
            digest = mix(digest, (uint64_t)o->attempt << 32 | o->failures);
            digest = mix(digest, o->next_ms);
            digest = mix(digest, o->attention_ms);
        }
    return digest;
}

uint64_t invariants_digest(struct world *w, const struct engine *e, const struct sim_store *store) {
    uint64_t digest = 0;

    for (uint32_t i = 0; i < w->plan_count; i++) {
        const struct plan *p = &w->plans[i];
        const struct transaction *t = engine_find(e, STORED_TRANSACTION, SLICE("default"), p->gid);
        const struct stored_row *row = sim_store_row(store, STORED_TRANSACTION, p->witness.id);
        struct buffer image;

        buffer_init(&image, SIZE_MAX / 2);
        if (t != NULL) {
            transaction_image(t, &image);
            digest = mix(digest, hash_stable(buffer_slice(&image)));
            if (!status_is_final(t->status))
                digest = mix(digest, state_digest(t));
        } else if (row != NULL) {
            digest = mix(digest, hash_stable(row->image));
        }
        buffer_done(&image);
    }
    return post_invariants_digest(w, e, store, digest);
}

/* Fold everything there is, as a driver would, until nothing is left to fold. */
static void fold_everything(struct engine *e, struct sim_store *store) {
    struct stored_row rows[8];
    struct arena arena;
    size_t count;

    arena_init(&arena, 16 * 1024, 64 * 1024 * 1024);
    while ((count = engine_fold(e, UINT64_MAX, rows, 8, 1024 * 1024, &arena)) > 0) {
        sim_store_fold(store, rows, count);
        sim_store_fold_done(store);
        engine_folded(e);
        arena_reset(&arena);
    }
    sim_store_trim(store, engine_trim_point(e));
    arena_done(&arena);
}

/* H12: the audit chain has no gap, and each line is bound to the one before it. */
static void check_audit(struct world *w, const struct sim_store *store) {
    uint8_t hash[32] = { 0 };
    const struct stored_row *row;

    for (uint64_t id = 1; (row = sim_store_row(store, STORED_AUDIT, id)) != NULL; id++) {
        struct audit_entry line;

        if (audit_decode(row->image, &line) != 0 || !line.chained ||
            memcmp(line.hash_before, hash, 32) != 0) {
            world_fail(w, FAILURE_CORRECTNESS, "H12", "audit line %llu is not bound to the one before it",
                       (unsigned long long)id);
            return;
        }
        memcpy(hash, line.hash, sizeof hash);
        w->figures.audit_lines++;
    }
    for (size_t i = 0; i < store->rows.count; i++)
        if (store->rows.at[i].row.kind == STORED_AUDIT && store->rows.at[i].row.id > w->figures.audit_lines)
            world_fail(
                w, FAILURE_CORRECTNESS, "H12", "the audit chain ends at %llu, but there is a line %llu",
                (unsigned long long)w->figures.audit_lines, (unsigned long long)store->rows.at[i].row.id);
}

void invariants_cold(struct world *w) {
    uint64_t before = invariants_digest(w, w->driver.engine, &w->store), first = 0, second = 0, folded = 0;
    struct sim_store copy;
    struct engine *e;

    sim_store_copy(&copy, &w->store);
    e = sim_recovery_run(w, &copy);
    if (e != NULL) {
        first = invariants_digest(w, e, &copy);
        fold_everything(e, &copy);
        engine_free(e);
        check_audit(w, &copy);
        if (copy.broken != NULL)
            world_fail(w, FAILURE_CORRECTNESS, "G2", "store: %s", copy.broken);
        else if (copy.batch_count > 0)
            world_fail(w, FAILURE_CORRECTNESS, "I-R1", "everything is folded, yet the journal keeps batches");
    }
    if (!world_failed(w) && (e = sim_recovery_run(w, &copy)) != NULL) {
        folded = invariants_digest(w, e, &copy);
        engine_free(e);
    }
    if (!world_failed(w) && (e = sim_recovery_run(w, &w->store)) != NULL) {
        second = invariants_digest(w, e, &w->store);
        engine_free(e);
    }
    sim_store_done(&copy);
    if (world_failed(w))
        return;
    if (first != before || second != before || folded != before)
        world_fail(w, FAILURE_CORRECTNESS, "I-G8",
                   "states differ: live %llx, recovered %llx %llx, folded %llx", (unsigned long long)before,
                   (unsigned long long)first, (unsigned long long)second, (unsigned long long)folded);
    w->digest ^= before;
}
