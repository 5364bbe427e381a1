/* Taking back: what began in batches that the disk has no room for never was.
 *
 * What a transaction makes in a step (publish.c) exists for it and goes with it: each seat knows the batch of
 * the request that it goes back to, and that batch alone decides. Whatever belongs to a seat is known by its
 * id. Nothing has left yet that shows or calls one of them: their envelopes are sealed, and no consumer holds
 * one (serve.c). */
#include <assert.h>

#include "engine/mutant.h"
#include "engine/seat.h"
#include "model/journal.h"

static bool is_seat(uint8_t kind) {
    return kind == STORED_TRANSACTION || kind == STORED_MESSAGE || kind == STORED_NOTICE;
}

/* The last thing of engine.dirty that has been there since before this batch. */
static struct chain *dirty_before(struct engine *e, uint64_t batch) {
    struct chain *link = e->dirty.previous;
    while (link != &e->dirty && thing_of(link)->dirty_batch >= batch)
        link = link->previous;
    return link;
}

/* A seat that is not durable is dirty since it began, so they stand there in the order of their ids. */
static struct id_set collect(struct engine *e, uint64_t from) {
    struct buffer *ids = &e->taken_back;
    buffer_clear(ids);
    for (struct chain *link = dirty_before(e, from)->next; link != &e->dirty; link = link->next) {
        const struct thing *thing = thing_of(link);
        if (is_seat(thing->kind) && CHAIN_OWNER(thing, struct seat, thing)->origin_batch >= from)
            buffer_add(ids, &thing->id, sizeof thing->id);
    }
    assert(buffer_failed(ids) == 0); /* without memory settled stops, it never half takes back */
    struct id_set set = { .ids = (const uint64_t *)(const void *)ids->at,
                          .count = ids->length / sizeof(uint64_t) };
    for (size_t i = 1; i < set.count; i++)
        assert(set.ids[i - 1] < set.ids[i]);
    return set;
}

static bool goes(const struct engine *e, const struct stored_entry *entry, struct id_set set) {
    if (entry->kind == STORED_ANSWER)
        return !MUTANT(taken_back_remembered) && answer_is_about(e, entry->id, set);
    return is_seat(entry->kind) && id_set_has(set, entry->id) && !(MUTANT(taken_back_half) && entry->seq > 1);
}

/* The entries that stay move up over those that go. */
static void rewrite_entries(const struct engine *e, struct effects *turn, struct id_set set) {
    struct slice left = buffer_slice(&turn->entries);
    size_t kept = 0;
    turn->entry_count = 0;
    while (left.length > 0) {
        struct stored_entry entry;
        const char *at = left.at;
        int code = journal_decode(&left, &entry);
        assert(code == 0); /* the engine's own bytes */
        size_t length = (size_t)(left.at - at);
        if (goes(e, &entry, set))
            continue;
        memmove(turn->entries.at + kept, at, length);
        kept += length;
        turn->entry_count++;
    }
    buffer_cut(&turn->entries, kept);
}

static void drop_calls(struct effects *turn, struct id_set set) {
    size_t kept = 0;
    for (size_t i = 0; i < turn->call_count; i++) {
        if (!id_set_has(set, turn->calls[i].transaction) || MUTANT(taken_back_called))
            turn->calls[kept++] = turn->calls[i];
    }
    effects_cut_calls(turn, kept);
}

static void drop_answers(struct engine *e, uint64_t from, struct id_set set) {
    for (struct chain *link = dirty_before(e, from)->next; link != &e->dirty;) {
        struct thing *thing = thing_of(link);
        link = link->next;
        if (thing->kind != STORED_ANSWER || thing->complete || MUTANT(taken_back_remembered))
            continue;
        struct answer *a = CHAIN_OWNER(thing, struct answer, thing);
        if (id_set_has(set, a->remembered.about))
            answer_drop(e, a);
    }
}

struct id_set engine_take_back(struct engine *e, uint64_t from, struct effects *const *turns,
                               size_t turn_count) {
    assert(from > e->durable);
    assert(turn_count > 0);
    struct id_set set = collect(e, from);
    if (set.count == 0)
        return set;
    for (size_t i = 0; i < turn_count; i++) {
        effects_clear_step(turns[i]); /* it may show one of them */
        rewrite_entries(e, turns[i], set);
        drop_calls(turns[i], set);
    }
    drop_answers(e, from, set);
    for (size_t i = set.count; i-- > 0;) {
        struct seat *seat = seat_by_id(e, set.ids[i]);
        trace_taken_back(turns[0]->trace, &seat->transaction);
        seat_take_back(e, seat);
    }
    return set;
}
