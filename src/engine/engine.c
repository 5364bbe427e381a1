/* The engine's own life, and looking into it. Deciding is in step.c and the files it calls. */
#include "engine/engine.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "engine/seat.h"

enum {
    SCRATCH_BLOCK_BYTES = 16 * 1024,
    SCRATCH_MAX_BYTES = 64 * 1024 * 1024,
};

int engine_new(struct engine **out, const struct engine_options *options, struct why *why) {
    if (options->memory_max == 0 || options->unfinished_max == 0 || options->calls_max == 0)
        return why_set(why, ERR_INVALID, "the engine needs memory_max, unfinished_max and calls_max above 0");
    struct memory budget;
    memory_init(&budget, sizeof(struct engine));
    struct engine *e = memory_take(&budget, sizeof *e);
    if (e == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the engine");
    e->options = *options;
    memory_init(&e->memory, SIZE_MAX / 2); /* the limit is for new work only, see submit.c */
    table_init(&e->seats);
    for (size_t subject = 0; subject < SUBJECTS; subject++)
        order_init(&e->by_id[subject]);
    order_init(&e->final_rows);
    table_init(&e->channels_by_name);
    table_init(&e->channels_by_topic);
    chain_init(&e->channels);
    chain_init(&e->awake);
    due_heap_init(&e->probes);
    due_heap_init(&e->due);
    table_init(&e->answers);
    order_init(&e->answers_by_id);
    due_heap_init(&e->answers_due);
    filter_init(&e->seen);
    chain_init(&e->places);
    chain_init(&e->dirty);
    chain_init(&e->ready);
    chain_init(&e->folding);
    chain_init(&e->audit);
    arena_init(&e->scratch, SCRATCH_BLOCK_BYTES, SCRATCH_MAX_BYTES);
    buffer_init(&e->record, SCRATCH_MAX_BYTES);
    buffer_init(&e->taken_back, SCRATCH_MAX_BYTES);
    transaction_init(&e->shown, &e->memory);
    *out = e;
    return 0;
}

/* A forgotten answer or a deleted definition that waits for its last row is in no table any more: only the
 * chain knows it. */
static void drop_forgotten(struct engine *e, struct chain *head) {
    for (struct chain *link = head->next; link != head;) {
        struct thing *thing = CHAIN_OWNER(link, struct thing, dirty);
        link = link->next;
        if (thing->kind == STORED_ANSWER && thing->complete)
            answer_drop(e, CHAIN_OWNER(thing, struct answer, thing));
        else if (thing->kind == STORED_DEFINITION && thing->complete)
            channel_drop(e, CHAIN_OWNER(thing, struct channel, thing));
    }
}

static void drop_everything(struct engine *e) {
    drop_forgotten(e, &e->dirty); /* first: the chains run through seats too */
    drop_forgotten(e, &e->folding);
    for (struct chain *link = e->channels.next; link != &e->channels; link = link->next)
        thing_clean(e, &CHAIN_OWNER(link, struct channel, channel)->thing);
    /* From the end: holes there are closed at once, so that this stays linear. */
    for (size_t subject = 0; subject < SUBJECTS; subject++)
        for (struct seat *seat; (seat = order_below(&e->by_id[subject], UINT64_MAX)) != NULL;) {
            order_remove(&e->by_id[subject], seat->thing.id);
            seat_drop(e, seat);
        }
    while (!chain_empty(&e->channels))
        channel_drop(e, CHAIN_OWNER(e->channels.next, struct channel, channel));
    for (size_t i = 0; i < e->answers.capacity; i++) {
        struct answer *a = e->answers.slots[i].item;
        if (a != NULL)
            memory_give(&e->memory, a, sizeof *a + a->record.length);
    }
    while (!chain_empty(&e->audit)) {
        struct audit_line *line = CHAIN_OWNER(e->audit.next, struct audit_line, line);
        chain_remove(&line->line);
        memory_give(&e->memory, line, sizeof *line + line->record.length);
    }
}

void engine_free(struct engine *e) {
    if (e == NULL)
        return;
    transaction_done(&e->shown);
    drop_everything(e);
    table_done(&e->seats);
    for (size_t subject = 0; subject < SUBJECTS; subject++)
        order_done(&e->by_id[subject]);
    order_done(&e->final_rows);
    table_done(&e->channels_by_name);
    table_done(&e->channels_by_topic);
    due_heap_done(&e->probes);
    due_heap_done(&e->due);
    table_done(&e->answers);
    order_done(&e->answers_by_id);
    due_heap_done(&e->answers_due);
    filter_done(&e->seen);
    arena_done(&e->scratch);
    buffer_done(&e->record);
    buffer_done(&e->taken_back);
    struct memory budget = { .used = sizeof *e, .max = sizeof *e };
    memory_give(&budget, e, sizeof *e);
}

void engine_tune(struct engine *e, const struct engine_options *options) {
    e->options.attention_tries = options->attention_tries;
    e->options.attention_ms = options->attention_ms;
    e->options.working_ms = options->working_ms;
    e->options.retain_finished_ms = options->retain_finished_ms;
    e->options.retain_failed_ms = options->retain_failed_ms;
}

void engine_turn(struct engine *e, uint64_t batch) {
    assert(batch > 0);
    assert(batch >= e->batch);
    e->batch = batch;
}

void engine_durable(struct engine *e, uint64_t batch) {
    assert(batch >= e->durable);
    e->durable = batch;
}

const struct transaction *engine_find(const struct engine *e, uint8_t kind, struct slice namespace_name,
                                      struct slice gid) {
    const struct seat *seat = seat_find(e, kind, namespace_name, gid);
    return seat == NULL ? NULL : &seat->transaction;
}

const struct transaction *engine_by_id(const struct engine *e, uint64_t id) {
    const struct seat *seat = seat_by_id(e, id);
    return seat == NULL ? NULL : &seat->transaction;
}

/* At most two batches are not durable: one in flight, one gathering. */
static uint32_t durable_records(const struct engine *e, const struct seat *seat) {
    if (seat->made[0].batch <= e->durable)
        return seat->transaction.seq;
    return seat->made[seat->made[1].batch <= e->durable ? 0 : 1].seq;
}

int engine_find_durable(struct engine *e, uint64_t id, const struct transaction **out) {
    const struct seat *seat = seat_by_id(e, id);
    struct image_cursor cursor;
    struct slice record;
    int result = 0;
    if (seat == NULL)
        return ERR_NOT_FOUND;
    uint32_t count = durable_records(e, seat);
    if (count == 0)
        return ERR_AGAIN;
    if (e->shown_loaded)
        transaction_done(&e->shown);
    transaction_init(&e->shown, &e->memory);
    transaction_records(&seat->transaction, &cursor);
    while (result == 0 && e->shown.seq < count && transaction_next_record(&cursor, &record)) {
        arena_reset(&e->scratch);
        result = transaction_apply(&e->shown, record, &e->scratch);
    }
    e->shown_loaded = result == 0;
    if (result != 0)
        transaction_done(&e->shown);
    *out = &e->shown;
    return result;
}

const struct transaction *engine_walk(const struct engine *e, uint8_t kind, uint64_t before, bool ascending) {
    const struct order *order = &e->by_id[subject_of(kind)];
    const struct seat *seat = ascending ? order_above(order, before) : order_below(order, before);
    return seat == NULL ? NULL : &seat->transaction;
}

void engine_figures(const struct engine *e, struct engine_figures *out) {
    *out = e->figures;
    out->in_memory = e->seats.count;
    out->memory_used = e->memory.used;
    for (const struct seat *seat = order_above(&e->by_id[0], 0); seat != NULL;
         seat = order_above(&e->by_id[0], seat->thing.id)) {
        if (status_is_final(seat->transaction.status))
            continue;
        out->oldest_ms = seat->transaction.created_ms;
        break;
    }
}

const struct rule_hits *engine_rule_hits(const struct engine *e) {
    return &e->rule_hits;
}
