/* Folding: whole rows for history, and what may leave memory and journal once they are durable. */
#include <assert.h>

#include "base/hash.h"
#include "engine/mutant.h"
#include "engine/seat.h"

static struct slice row_image(struct thing *thing, struct arena *arena) {
    struct buffer image;
    struct slice copy = SLICE_NONE;
    if (thing->kind == STORED_ANSWER)
        return CHAIN_OWNER(thing, struct answer, thing)->record;
    if (thing->kind == STORED_AUDIT)
        return CHAIN_OWNER(thing, struct audit_line, thing)->record;
    if (thing->kind == STORED_DEFINITION) {
        const struct version *v = CHAIN_OWNER(thing, struct channel, thing)->version;
        if (arena_copy(arena, slice_of((const char *)(v + 1), v->length), &copy) != 0)
            return SLICE_NONE; /* copied: the next version may replace it before the row is durable */
        return copy;
    }
    buffer_init(&image, SIZE_MAX / 2);
    transaction_image(&CHAIN_OWNER(thing, struct seat, thing)->transaction, &image);
    if (buffer_failed(&image) != 0 || arena_copy(arena, buffer_slice(&image), &copy) != 0)
        copy = SLICE_NONE;
    buffer_done(&image);
    return copy;
}

static void describe_transaction(const struct engine *e, struct thing *thing, struct stored_row *row) {
    const struct transaction *t = &CHAIN_OWNER(thing, struct seat, thing)->transaction;
    bool clean = t->status == STATUS_COMMITTED;
    row->key = t->gid;
    row->key_hash = seat_key_hash(e, t->namespace_name, t->gid);
    row->state = slice_text(status_word(t->status));
    row->final = status_is_final(t->status);
    if (row->final)
        row->purge_after_ms =
            t->finished_ms + (clean ? e->options.retain_finished_ms : e->options.retain_failed_ms);
}

static void describe_answer(const struct engine *e, struct thing *thing, struct stored_row *row) {
    const struct answer *a = CHAIN_OWNER(thing, struct answer, thing);
    size_t separator = slice_find(a->key, '\0');
    row->key = a->key;
    row->key_hash =
        hash_stored(e->options.key_seed, slice_upto(a->key, separator), slice_from(a->key, separator + 1));
    row->state = thing->complete ? SLICE("forgotten") : SLICE("remembered");
    row->final = thing->complete;
    row->purge_after_ms = a->forget_ms;
}

static void describe_definition(const struct engine *e, struct thing *thing, struct stored_row *row) {
    struct definition d;
    int result = definition_decode(row->image, &d);
    assert(result == 0);
    row->key = d.name;
    row->key_hash = hash_stored(e->options.key_seed, slice_text(definition_word(d.kind)), d.name);
    row->state = d.deleted ? SLICE("deleted") : slice_text(definition_word(d.kind));
    row->final = thing->complete;
    row->purge_after_ms = d.at_ms + e->options.retain_finished_ms;
}

static void describe(const struct engine *e, struct thing *thing, struct stored_row *row) {
    if (thing->kind == STORED_DEFINITION) {
        describe_definition(e, thing, row);
    } else if (thing->kind == STORED_TRANSACTION || thing->kind == STORED_MESSAGE ||
               thing->kind == STORED_NOTICE) {
        describe_transaction(e, thing, row);
    } else if (thing->kind == STORED_ANSWER) {
        describe_answer(e, thing, row);
    } else {
        row->state = SLICE("audit");
        row->key_hash = thing->id;
        row->final = true;
        row->purge_after_ms = UINT64_MAX;
    }
}

/* Put one thing's row on the way. False when its image found no memory: it stays where it is. */
static bool take_row(struct engine *e, struct thing *thing, struct stored_row *row, struct arena *arena) {
    *row = (struct stored_row){ .kind = thing->kind, .id = thing->id, .seq = thing->seq };
    row->image = row_image(thing, arena);
    if (row->image.length == 0)
        return false;
    describe(e, thing, row);
    thing->folding = true;
    thing->folding_seq = thing->seq;
    chain_remove(&thing->dirty);
    thing_unready(e, thing);
    chain_add_last(&e->folding, &thing->dirty);
    return true;
}

struct folding {
    struct engine *engine;
    struct stored_row *rows;
    struct arena *arena;
    size_t count;
    size_t count_max;
    size_t bytes;
    size_t bytes_max;
};

static bool has_room(const struct folding *f) {
    return f->count < f->count_max && f->bytes < f->bytes_max;
}

static bool add_row(struct folding *f, struct thing *thing) {
    if (!take_row(f->engine, thing, &f->rows[f->count], f->arena))
        return false;
    f->bytes += f->rows[f->count++].image.length;
    return true;
}

size_t engine_fold(struct engine *e, uint64_t keep_from, struct stored_row *rows, size_t count_max,
                   size_t bytes_max, struct arena *arena) {
    struct folding f = { e, rows, arena, 0, count_max, 0, bytes_max };
    while (has_room(&f) && !chain_empty(&e->ready)) {
        struct thing *thing = CHAIN_OWNER(e->ready.next, struct thing, ready);
        if (thing->last_batch > e->durable || !add_row(&f, thing))
            break;
    }
    for (struct chain *link = e->dirty.next; has_room(&f) && link != &e->dirty;) {
        struct thing *thing = thing_of(link);
        link = link->next;
        if (thing->dirty_batch >= keep_from)
            break;
        if (thing->last_batch <= e->durable && !add_row(&f, thing))
            break;
    }
    return f.count;
}

size_t engine_foldable(const struct engine *e) {
    return e->ready_count;
}

/* The row is durable: clean, unless records came meanwhile. */
static void folded(struct engine *e, struct thing *thing) {
    bool again = thing->again_after != 0;
    uint64_t again_batch = thing->dirty_batch + thing->again_after;
    uint64_t last_batch = thing->last_batch;
    bool more = thing->seq != thing->folding_seq && !MUTANT(fold_forgets_newer);
    thing_clean(e, thing);
    if (more) {
        assert(again);
        thing_dirty(e, thing, again_batch);
        thing->last_batch = last_batch;
        return;
    }
    if (!thing->complete)
        return;
    if (thing->kind == STORED_ANSWER)
        answer_drop(e, CHAIN_OWNER(thing, struct answer, thing));
    else if (thing->kind == STORED_AUDIT)
        audit_drop(e, CHAIN_OWNER(thing, struct audit_line, thing));
    else if (thing->kind == STORED_DEFINITION)
        channel_drop(e, CHAIN_OWNER(thing, struct channel, thing));
    else if (CHAIN_OWNER(thing, struct seat, thing)->open_calls == 0)
        seat_leave(e, CHAIN_OWNER(thing, struct seat, thing));
}

void engine_folded(struct engine *e) {
    while (!chain_empty(&e->folding))
        folded(e, thing_of(e->folding.next));
}

/* Back to the front, the last one first: rows of the audit chain must become durable in the order of their
 * numbers, or recovery would take a line for folded because a later one is. */
void engine_fold_failed(struct engine *e) {
    while (!chain_empty(&e->folding))
        thing_unfold(e, thing_of(e->folding.previous));
}

static uint64_t sooner(uint64_t first, struct chain *link, const struct chain *head) {
    return link != head && thing_of(link)->dirty_batch < first ? thing_of(link)->dirty_batch : first;
}

uint64_t engine_trim_point(const struct engine *e) {
    if (MUTANT(fold_drops_unfinished))
        return e->durable;
    uint64_t first = sooner(e->durable + 1, e->dirty.next, &e->dirty);
    for (struct chain *link = e->folding.next; link != &e->folding; link = link->next)
        first = sooner(first, link, &e->folding);
    return first - 1;
}
