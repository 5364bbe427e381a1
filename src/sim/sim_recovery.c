#include "sim/sim_recovery.h"

#include "model/journal.h"
#include "sim/sometimes.h"
#include "sim/world.h"

/* The newest row of each kind, when it is final and so would not be shown: ids go on after it. */
static int recover_newest(struct engine *e, const struct sim_store *store, struct why *why) {
    for (uint8_t kind = 1; kind < STORED_KIND_END; kind++) {
        const struct stored_row *newest = NULL;
        int result;

        for (size_t i = 0; i < store->rows.count; i++) {
            const struct stored_row *row = &store->rows.at[i].row;

            if (row->kind == kind && (newest == NULL || row->id > newest->id))
                newest = row;
        }
        result = newest != NULL && newest->final ? engine_recover_row(e, newest, why) : 0;
        if (result != 0)
            return result;
    }
    return 0;
}

static int recover_rows(struct engine *e, const struct sim_store *store, struct why *why) {
    for (size_t i = 0; i < store->rows.count; i++) {
        const struct sim_row *row = &store->rows.at[i];
        int result = sim_store_shows(store, row) ? engine_recover_row(e, &row->row, why) : 0;

        if (result != 0)
            return result;
        if (!row->row.final)
            SOMETIMES(recover_from_rows);
    }
    return 0;
}

static int recover_batch(struct engine *e, const struct sim_store *store, const struct sim_batch *batch,
                         struct why *why) {
    struct slice left = slice_of(batch->at, batch->length);

    while (left.length > 0) {
        struct stored_entry entry;
        const struct stored_row *row;
        int result = journal_decode(&left, &entry);

        if (result == 0)
            result = engine_recover_entry(e, batch->number, &entry, why);
        if (result != 0)
            return result;
        row = sim_store_row(store, entry.kind, entry.id);
        if (row != NULL && !row->final && entry.seq > row->seq)
            SOMETIMES(recover_row_and_entries);
    }
    return 0;
}

static struct engine_options options_of(const struct world *w) {
    const struct swarm *s = &w->swarm;

    return (struct engine_options){
        .memory_max = s->memory_max,
        .unfinished_max = s->unfinished_max,
        .calls_max = s->calls_max,
        .attention_tries = s->attention_tries,
        .attention_ms = s->attention_ms,
        .working_ms = s->working_ms,
        .retain_finished_ms = s->retain_ms,
        .retain_failed_ms = s->retain_ms,
        .hash_seed = s->seed,
        .key_seed = s->seed,
    };
}

struct engine *sim_recovery_run(struct world *w, const struct sim_store *store) {
    struct engine_options options = options_of(w);
    struct engine *e = NULL;
    struct why why = { .text = "" };
    int result = engine_new(&e, &options, &why);

    if (result == 0)
        result = recover_newest(e, store, &why);
    if (result == 0)
        result = recover_rows(e, store, &why);
    for (size_t i = 0; result == 0 && i < store->batch_count; i++)
        result = recover_batch(e, store, &store->batches[i], &why);
    for (size_t i = 0; result == 0 && i < store->rows.count; i++)
        result = engine_recover_key(e, store->rows.at[i].row.kind, store->rows.at[i].row.key_hash);
    if (result != 0) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "recovery fails: %s: %s", err_text(result), why.text);
        engine_free(e);
        return NULL;
    }
    engine_recovered(e, world_clock_ms(w));
    engine_durable(e, store->batch_last);
    return e;
}
