/* Coming back: rows, then the records after them, then whatever was allowed when the last life ended is known
 * to be uncertain. */
#include <assert.h>

#include "base/err.h"
#include "base/hash.h"
#include "engine/mutant.h"
#include "engine/seat.h"

/* Nothing is owed for it any more; what the journal still has of it is passed over. */
static int final_row(struct engine *e, const struct stored_row *row, struct why *why) {
    if (row->id > e->last_id)
        e->last_id = row->id; /* also of a definition that was deleted */
    if (order_reserve(&e->final_rows) != 0)
        return why_set(why, ERR_MEMORY, "no memory for recovery");
    if (order_find(&e->final_rows, row->id) == NULL)
        order_add(&e->final_rows, row->id, e);
    return 0;
}

static int transaction_row(struct engine *e, const struct stored_row *row, struct why *why) {
    if (row->final)
        return final_row(e, row, why);
    if (seat_reserve(e) != 0)
        return why_set(why, ERR_MEMORY, "no memory for unfinished transactions; raise limits.memory");
    struct seat *seat = seat_new(e, row->kind, row->id);
    if (seat == NULL)
        return why_set(why, ERR_MEMORY, "no memory for unfinished transactions; raise limits.memory");
    arena_reset(&e->scratch);
    int result = transaction_load(&seat->transaction, row->image, &e->memory, &e->scratch);
    if (result == 0 && (seat->transaction.seq != row->seq || seat->transaction.id != row->id))
        result = ERR_CORRUPT;
    if (result != 0) {
        seat_drop(e, seat);
        return why_set(why, result, "row of transaction %.*s: %s", SLICE_PRINT(row->key), err_text(result));
    }
    seat->thing.seq = row->seq;
    seat_enter(e, seat);
    return 0;
}

static bool is_seated(uint8_t kind) {
    return kind == STORED_TRANSACTION || kind == STORED_MESSAGE || kind == STORED_NOTICE;
}

int engine_recover_row(struct engine *e, const struct stored_row *row, struct why *why) {
    int result = 0;
    if (is_seated(row->kind))
        return transaction_row(e, row, why);
    if (row->kind == STORED_DEFINITION)
        result = row->final ? final_row(e, row, why) : channel_recover(e, 0, row->id, row->seq, row->image);
    else if (row->kind == STORED_AUDIT)
        result = audit_recover(e, 0, row->id, row->image);
    else if (row->final)
        e->answer_id = row->id > e->answer_id ? row->id : e->answer_id;
    else
        result = answer_recover(e, 0, row->id, 1, row->image);
    return result == 0 ? 0
                       : why_set(why, result, "row %llu of kind %d: %s", (unsigned long long)row->id,
                                 row->kind, err_text(result));
}

static int begin_again(struct engine *e, const struct stored_entry *entry, struct seat **out) {
    if (seat_reserve(e) != 0)
        return ERR_MEMORY;
    struct seat *seat = seat_new(e, entry->kind, entry->id);
    if (seat == NULL)
        return ERR_MEMORY;
    arena_reset(&e->scratch);
    int result = transaction_apply(&seat->transaction, entry->record, &e->scratch);
    if (result == 0 && seat->transaction.id != entry->id)
        result = ERR_CORRUPT;
    if (result != 0) {
        seat_drop(e, seat);
        return result;
    }
    seat_enter(e, seat);
    *out = seat;
    return 0;
}

static int transaction_entry(struct engine *e, uint64_t batch, const struct stored_entry *entry) {
    struct seat *seat = order_find(&e->by_id[subject_of(entry->kind)], entry->id);
    int result = 0;
    if (seat == NULL && (entry->seq != 1 || order_find(&e->final_rows, entry->id) != NULL))
        return 0; /* final and folded: its row has more than this */
    if (seat == NULL) {
        result = begin_again(e, entry, &seat);
    } else {
        if (entry->seq <= seat->thing.seq || (MUTANT(recovery_stops_at_rows) && seat->thing.last_batch == 0))
            return 0; /* folded already */
        if (entry->seq != seat->thing.seq + 1)
            return ERR_CORRUPT;
        arena_reset(&e->scratch);
        result = transaction_apply(&seat->transaction, entry->record, &e->scratch);
    }
    if (result != 0)
        return result;
    seat->thing.seq = entry->seq;
    seat->thing.complete = status_is_final(seat->transaction.status);
    thing_dirty(e, &seat->thing, batch);
    return 0;
}

int engine_recover_entry(struct engine *e, uint64_t batch, const struct stored_entry *entry,
                         struct why *why) {
    int result;
    if (is_seated(entry->kind))
        result = transaction_entry(e, batch, entry);
    else if (entry->kind == STORED_DEFINITION)
        result = channel_recover(e, batch, entry->id, entry->seq, entry->record);
    else if (entry->kind == STORED_ANSWER)
        result = answer_recover(e, batch, entry->id, entry->seq, entry->record);
    else
        result = audit_recover(e, batch, entry->id, entry->record);
    return result == 0
               ? 0
               : why_set(why, result,
                         "batch %llu: record %u of thing %llu (kind %d) cannot follow what is there: %s",
                         (unsigned long long)batch, entry->seq, (unsigned long long)entry->id, entry->kind,
                         err_text(result));
}

int engine_recover_key(struct engine *e, uint8_t kind, uint64_t key_hash) {
    return is_seated(kind) ? filter_add(&e->seen, key_hash) : 0;
}

/* The newest time that anything recovered tells of. */
static uint64_t newest_ms(const struct engine *e) {
    uint64_t newest = 0;
    for (size_t subject = 0; subject < SUBJECTS; subject++)
        for (const struct seat *seat = order_above(&e->by_id[subject], 0); seat != NULL;
             seat = order_above(&e->by_id[subject], seat->thing.id))
            if (seat->transaction.updated_ms > newest)
                newest = seat->transaction.updated_ms;
    return newest;
}

/* until_ms: attempts that were due by then may have been sent. */
static void mark_interrupted(struct transaction *t, uint64_t until_ms) {
    if (status_is_final(t->status))
        return;
    for (size_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++) {
            struct operation *o = &t->branches[i].operation[role];
            bool waits = o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING;
            waits &=
                t->mode != MODE_NOTICE; /* its attempts are recorded one by one, right before they are made */
            o->interrupted = o->status == OPERATION_RUNNING || (waits && o->next_ms <= until_ms);
            o->interrupted &= !MUTANT(recovery_forgets_calls);
            o->interrupted &= !MUTANT(notice_not_counted) || t->mode != MODE_NOTICE;
        }
}

static void recovered_seat(struct engine *e, struct seat *seat, uint64_t now_ms) {
    const struct transaction *t = &seat->transaction;
    transaction_check(t);
    seat_count(e, seat);
    seat_schedule(e, seat, now_ms);
    /* Nothing is waiting for a time, and no call of the last life will come back: look what is owed. */
    if (seat->due.place == 0 && !status_is_final(t->status) && !t->suspended)
        due_set(&e->due, &seat->due, now_ms);
    int result = filter_add(&e->seen, seat_key_hash(e, t->namespace_name, t->gid));
    assert(result == 0);
}

void engine_recovered(struct engine *e, uint64_t now_ms) {
    order_done(&e->final_rows);
    /* Records from the future: the clock was set back, and tells neither what was due before nor when to go
     * on. */
    uint64_t until_ms = newest_ms(e) > now_ms ? UINT64_MAX : now_ms;
    for (size_t subject = 0; subject < SUBJECTS; subject++)
        for (struct seat *seat = order_above(&e->by_id[subject], 0); seat != NULL;
             seat = order_above(&e->by_id[subject], seat->thing.id))
            mark_interrupted(&seat->transaction, until_ms);
    parcels_recover(e);
    for (size_t subject = 0; subject < SUBJECTS; subject++)
        for (struct seat *seat = order_above(&e->by_id[subject], 0); seat != NULL;
             seat = order_above(&e->by_id[subject], seat->thing.id))
            recovered_seat(e, seat, now_ms);
    for (int status = 0; status < STATUS_END; status++)
        e->figures.finished[status] = 0;
    e->figures.delivered = e->figures.gave_up = e->figures.cancelled = 0;
}
