/* Seats: where transactions sit in the engine, and when they are woken. */
#include <assert.h>

#include "base/hash.h"
#include "engine/seat.h"

static uint64_t seat_hash(const struct engine *e, struct slice namespace_name, struct slice gid) {
    return hash_seeded(e->options.hash_seed, gid) ^ (hash_seeded(e->options.hash_seed, namespace_name) << 1);
}

uint64_t seat_key_hash(const struct engine *e, struct slice namespace_name, struct slice gid) {
    return hash_stored(e->options.key_seed, namespace_name, gid);
}

uint64_t seat_next_id(const struct engine *e, uint64_t now_ms) {
    uint64_t id = now_ms << 16;
    return id > e->last_id ? id : e->last_id + 1;
}

struct seat *seat_by_id(const struct engine *e, uint64_t id) {
    struct seat *seat = NULL;
    for (size_t subject = 0; subject < SUBJECTS && seat == NULL; subject++)
        seat = order_find(&e->by_id[subject], id);
    return seat;
}

struct seat *seat_find(const struct engine *e, uint8_t kind, struct slice namespace_name, struct slice gid) {
    uint64_t hash = seat_hash(e, namespace_name, gid);
    size_t cursor = 0;
    for (struct seat *seat; (seat = table_find(&e->seats, hash, &cursor)) != NULL;)
        if (subject_of(seat->thing.kind) == subject_of(kind) && slice_equal(seat->transaction.gid, gid) &&
            slice_equal(seat->transaction.namespace_name, namespace_name))
            return seat;
    return NULL;
}

struct seat *seat_new(struct engine *e, uint8_t kind, uint64_t id) {
    struct seat *seat = memory_take(&e->memory, sizeof *seat);
    if (seat == NULL)
        return NULL;
    seat->thing = (struct thing){ .kind = kind, .id = id };
    seat->due.rank = id;
    transaction_init(&seat->transaction, &e->memory);
    return seat;
}

int seat_reserve(struct engine *e) {
    int result = table_reserve(&e->seats);
    for (size_t subject = 0; subject < SUBJECTS && result == 0; subject++)
        result = order_reserve(&e->by_id[subject]);
    if (result == 0)
        result = due_heap_reserve(&e->due, e->seats.count + 1);
    return result;
}

void seat_enter(struct engine *e, struct seat *seat) {
    table_add(&e->seats, seat_hash(e, seat->transaction.namespace_name, seat->transaction.gid), seat);
    order_add(&e->by_id[subject_of(seat->thing.kind)], seat->thing.id, seat);
    if (seat->thing.id > e->last_id)
        e->last_id = seat->thing.id;
    seat_count(e, seat);
}

void seat_drop(struct engine *e, struct seat *seat) {
    parcels_drop(e, seat);
    transaction_done(&seat->transaction);
    memory_give(&e->memory, seat, sizeof *seat);
}

void seat_leave(struct engine *e, struct seat *seat) {
    assert(seat->open_calls == 0);
    assert(seat->due.place == 0);
    assert(!chain_linked(&seat->place));
    thing_clean(e, &seat->thing);
    if (seat->thing.kind == STORED_TRANSACTION)
        e->figures.by_status[seat->counted_status]--;
    table_remove(&e->seats, seat_hash(e, seat->transaction.namespace_name, seat->transaction.gid), seat);
    order_remove(&e->by_id[subject_of(seat->thing.kind)], seat->thing.id);
    seat_drop(e, seat);
}

void seat_note(struct engine *e, struct seat *seat) {
    if (seat->made[0].batch == e->batch)
        return;
    seat->made[1] = seat->made[0];
    seat->made[0].batch = e->batch;
    seat->made[0].seq = seat->transaction.seq - 1;
}

static void count_flag(uint64_t *figure, bool *counted, bool now) {
    if (now && !*counted)
        ++*figure;
    if (!now && *counted)
        --*figure;
    *counted = now;
}

static void count_notice_end(struct engine_figures *f, const struct transaction *t) {
    if (t->decision == DECISION_COMMIT)
        f->delivered++;
    else if (cause_is_by_hand(t->cause))
        f->cancelled++;
    else
        f->gave_up++;
}

/* Messages and notifications. */
static void count_other(struct engine *e, const struct seat *seat, bool unfinished, bool unfinished_before) {
    uint64_t *figure = seat->thing.kind == STORED_MESSAGE ? &e->figures.messages : &e->figures.notices;
    *figure += unfinished && !unfinished_before;
    *figure -= !unfinished && unfinished_before;
    if (seat->thing.kind != STORED_MESSAGE) {
        if (!unfinished && unfinished_before)
            count_notice_end(&e->figures, &seat->transaction);
        return;
    }
    e->figures.half -= seat->counted_status == STATUS_ACTIVE;
    e->figures.half += seat->transaction.status == STATUS_ACTIVE;
}

void seat_count(struct engine *e, struct seat *seat) {
    const struct transaction *t = &seat->transaction;
    uint16_t branch;
    uint8_t role;
    bool unfinished_before = seat->counted_status != 0 && !status_is_final(seat->counted_status);
    bool unfinished = !status_is_final(t->status);
    count_flag(&e->figures.attention, &seat->counted_attention,
               unfinished && transaction_attention(t, &branch, &role) != 0);
    count_flag(&e->figures.suspended, &seat->counted_suspended, unfinished && t->suspended);
    if (unfinished && !unfinished_before)
        e->figures.unfinished++;
    if (!unfinished && unfinished_before)
        e->figures.unfinished--;
    if (seat->thing.kind == STORED_TRANSACTION) {
        if (seat->counted_status != 0)
            e->figures.by_status[seat->counted_status]--;
        e->figures.by_status[t->status]++;
        if (!unfinished && unfinished_before)
            e->figures.finished[t->status]++;
    } else {
        count_other(e, seat, unfinished, unfinished_before);
    }
    seat->counted_status = t->status;
}

void seat_take_back(struct engine *e, struct seat *seat) {
    bool unfinished = !status_is_final(seat->counted_status);
    e->figures.taken_back[seat->thing.kind]++;
    e->figures.unfinished -= unfinished;
    e->figures.attention -= seat->counted_attention;
    e->figures.suspended -= seat->counted_suspended;
    e->figures.calls_open -= seat->open_calls;
    if (seat->thing.kind == STORED_MESSAGE) {
        e->figures.messages -= unfinished;
        e->figures.half -= seat->counted_status == STATUS_ACTIVE;
    }
    if (seat->thing.kind == STORED_NOTICE)
        e->figures.notices -= unfinished;
    seat->open_calls = 0;
    due_clear(&e->due, &seat->due);
    seat_forgo(e, seat);
    seat_leave(e, seat);
}

static uint64_t sooner(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t operation_due(const struct operation *o, uint64_t now_ms) {
    if (o->open)
        return UINT64_MAX;
    if (o->interrupted || o->status == OPERATION_RUNNING)
        return now_ms;
    if (o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING)
        return o->next_ms;
    return UINT64_MAX;
}

static void queue(struct engine *e, struct seat *seat) {
    if (chain_linked(&seat->place))
        return;
    chain_add_last(&e->places, &seat->place);
    e->figures.calls_waiting++;
}

void seat_forgo(struct engine *e, struct seat *seat) {
    if (!chain_linked(&seat->place))
        return;
    chain_remove(&seat->place);
    e->figures.calls_waiting--;
}

/* When something of it is due. A call that is due now but has no place does not count: it stands in the
 * queue, so that deadlines behind it come in time. */
static uint64_t due_of(const struct engine *e, const struct seat *seat, uint64_t now_ms, bool *queues) {
    const struct transaction *t = &seat->transaction;
    bool full = e->figures.calls_open >= e->options.calls_max;
    uint64_t at_ms = UINT64_MAX;
    if (status_is_final(t->status) || t->suspended)
        return at_ms;
    if (t->status == STATUS_ACTIVE && t->deadline_ms != 0 && !owed_pivot_in_doubt(t))
        at_ms = t->deadline_ms;
    at_ms = sooner(at_ms, parcels_due(seat, now_ms));
    for (uint16_t i = 0; i < t->branch_count; i++)
        for (uint8_t role = 0; role < ROLE_COUNT; role++) {
            const struct operation *o = &t->branches[i].operation[role];
            if (operation_is_queued(t, i, role))
                continue;
            uint64_t due_ms = operation_due(o, now_ms);
            if (full && due_ms <= now_ms && !o->interrupted)
                *queues = true;
            else
                at_ms = sooner(at_ms, due_ms);
        }
    return at_ms;
}

void seat_schedule(struct engine *e, struct seat *seat, uint64_t now_ms) {
    bool queues = false;
    uint64_t at_ms = due_of(e, seat, now_ms, &queues);
    if (queues)
        queue(e, seat);
    else
        seat_forgo(e, seat);
    if (at_ms == UINT64_MAX)
        due_clear(&e->due, &seat->due);
    else if (seat->due.place == 0 || seat->due.at_ms != at_ms)
        due_set(&e->due, &seat->due, at_ms);
}
