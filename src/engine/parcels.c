/* Parcels: what is owed to a channel, and where it stands: waiting for its time, behind others of its key,
 * ready, or out. Order per key (reliability.md G7) is kept here and nowhere else: only the first of a lane is
 * ever ready. */
#include <assert.h>

#include "base/hash.h"
#include "engine/mutant.h"
#include "engine/seat.h"

bool operation_is_queued(const struct transaction *t, uint16_t branch, uint8_t role) {
    return (t->mode == MODE_NOTICE && role == ROLE_FORWARD) ||
           (role == ROLE_CONFIRM && branch_is_delivery(&t->branches[branch]));
}

static struct operation *operation_of(const struct parcel *p) {
    return &p->seat->transaction.branches[p->branch].operation[p->role];
}

static struct slice key_of(const struct parcel *p) {
    return p->seat->transaction.message->head.key;
}

struct parcel *parcel_of(const struct seat *seat, uint16_t branch) {
    struct parcel *p = seat->parcels;
    while (p != NULL && p->branch != branch)
        p = p->next;
    return p;
}

/* Lanes. */

static struct parcel *lane_first(const struct lane *lane) {
    return CHAIN_OWNER(lane->parcels.next, struct parcel, in_lane);
}

/* Its first parcel or their number has changed. */
static void lane_count(struct channel *c, struct lane *lane) {
    bool stopped = lane->count > 0 && lane_first(lane)->dead;
    uint32_t parked = stopped ? lane->count - 1 : 0;
    c->figures.parked += parked;
    c->figures.parked -= lane->parked;
    lane->parked = parked;
    if (stopped && !chain_linked(&lane->stopped)) {
        chain_add_last(&c->stopped, &lane->stopped);
        c->figures.stopped++;
    }
    if (!stopped && chain_linked(&lane->stopped)) {
        chain_remove(&lane->stopped);
        c->figures.stopped--;
    }
}

static struct lane *lane_find(const struct channel *c, uint64_t hash, struct slice key) {
    size_t cursor = 0;
    for (struct lane *lane; (lane = table_find(&c->lanes, hash, &cursor)) != NULL;)
        if (slice_equal(key_of(lane_first(lane)), key))
            return lane;
    return NULL;
}

static void enter_lane(struct engine *e, struct parcel *p) {
    struct channel *c = p->channel;
    if (!channel_outlet(c)->ordered || key_of(p).length == 0)
        return;
    uint64_t hash = hash_seeded(e->options.hash_seed, key_of(p));
    struct lane *lane = lane_find(c, hash, key_of(p));
    if (lane == NULL) {
        int result = table_reserve(&c->lanes);
        lane = result == 0 ? memory_take(&e->memory, sizeof *lane) : NULL;
        assert(lane != NULL); /* like the record that made the parcel: settled stops, it never half decides */
        lane->table_hash = hash;
        chain_init(&lane->parcels);
        c->figures.lanes++;
        table_add(&c->lanes, hash, lane);
    }
    chain_add_last(&lane->parcels, &p->in_lane);
    p->lane = lane;
    lane->count++;
    lane_count(c, lane);
}

static void make_ready(struct parcel *p) {
    p->state = PARCEL_READY;
    chain_add_last(&p->channel->ready, &p->ready);
    p->channel->figures.ready++;
}

void parcel_unready(struct parcel *p) {
    if (!chain_linked(&p->ready))
        return;
    chain_remove(&p->ready);
    p->channel->figures.ready--;
}

/* Out of its lane; whoever is first now may go. */
static void leave_lane(struct engine *e, struct parcel *p) {
    struct lane *lane = p->lane;
    if (lane == NULL)
        return;
    chain_remove(&p->in_lane);
    p->lane = NULL;
    lane->count--;
    lane_count(p->channel, lane);
    if (chain_empty(&lane->parcels)) {
        p->channel->figures.lanes--;
        table_remove(&p->channel->lanes, lane->table_hash, lane);
        memory_give(&e->memory, lane, sizeof *lane);
        return;
    }
    struct parcel *first = lane_first(lane);
    if (first->state != PARCEL_BEHIND || MUTANT(lane_stops))
        return;
    make_ready(first);
    channel_wake(e, first->channel);
}

/* Coming and going. */

static uint8_t channel_kind(uint8_t mode) {
    return mode == MODE_NOTICE ? DEFINITION_ENDPOINT : DEFINITION_SUBSCRIPTION;
}

static struct parcel *make(struct engine *e, struct seat *seat, uint16_t branch, uint8_t role) {
    const struct transaction *t = &seat->transaction;
    struct channel *c = channel_mention(e, channel_kind(t->mode), t->branches[branch].id);
    struct parcel *p = c == NULL ? NULL : memory_take(&e->memory, sizeof *p);
    assert(p != NULL); /* as in enter_lane */
    p->seat = seat;
    p->channel = c;
    p->branch = branch;
    p->role = role;
    p->next = seat->parcels;
    seat->parcels = p;
    c->figures.owed++;
    return p;
}

struct parcel *parcel_new(struct engine *e, struct seat *seat, uint16_t branch, uint8_t role) {
    struct parcel *p = make(e, seat, branch, role);
    chain_add_last(&p->channel->parcels, &p->in_channel);
    enter_lane(e, p);
    return p;
}

static void count_dead(struct engine *e, struct parcel *p, bool dead) {
    if (dead && !p->dead) {
        p->channel->figures.dead++;
        e->figures.dead++;
    }
    if (!dead && p->dead) {
        p->channel->figures.dead--;
        e->figures.dead--;
    }
    p->dead = dead;
    if (p->lane != NULL)
        lane_count(p->channel, p->lane);
}

/* Not out any more. */
static void come_back(struct engine *e, struct parcel *p) {
    if (p->state == PARCEL_OUT)
        p->channel->out--;
    version_release(e, p->version);
    p->version = NULL;
    p->lease_ms = 0;
    parcel_unready(p);
    p->state = PARCEL_WAITS;
    channel_wake(e, p->channel);
}

static void end(struct engine *e, struct parcel *p) {
    struct parcel **link = &p->seat->parcels;
    come_back(e, p);
    count_dead(e, p, false);
    chain_remove(&p->in_channel);
    leave_lane(e, p);
    p->channel->figures.owed--;
    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    memory_give(&e->memory, p, sizeof *p);
}

void parcels_drop(struct engine *e, struct seat *seat) {
    while (seat->parcels != NULL)
        end(e, seat->parcels);
}

/* Moving on. */

static bool is_due(const struct operation *o, uint64_t now_ms) {
    return owed_in_progress(o) && !o->open &&
           (o->interrupted || o->status == OPERATION_RUNNING || o->next_ms <= now_ms);
}

static void offer(struct engine *e, struct parcel *p) {
    bool first = p->lane == NULL || lane_first(p->lane) == p || MUTANT(lane_ignored);
    if (!first) {
        p->state = PARCEL_BEHIND;
        return;
    }
    make_ready(p);
    channel_wake(e, p->channel);
}

static bool is_over(const struct operation *o) {
    return !owed_in_progress(o) && !o->open && o->status != OPERATION_DEAD && o->status != OPERATION_PENDING;
}

static void follow(struct engine *e, struct parcel *p, uint64_t now_ms) {
    const struct operation *o = operation_of(p);
    if (is_over(o)) {
        if (o->status == OPERATION_DONE)
            p->channel->figures.acked++;
        if (o->status == OPERATION_REFUSED)
            p->channel->figures.refused++;
        end(e, p);
        return;
    }
    count_dead(e, p, o->status == OPERATION_DEAD);
    /* A lease ends in leases_end, which counts it as an attempt, and nowhere else. */
    if (o->open || (p->state == PARCEL_OUT && p->lease_ms != 0 && owed_in_progress(o)))
        return;
    if (p->state == PARCEL_OUT || p->dead)
        come_back(e, p);
    if (p->dead && (!channel_outlet(p->channel)->park_key || MUTANT(park_ignored)) &&
        !MUTANT(dead_blocks_key))
        leave_lane(e, p);
    if (p->state == PARCEL_WAITS && is_due(o, now_ms))
        offer(e, p);
}

void parcels_follow(struct engine *e, struct seat *seat, uint64_t now_ms) {
    for (struct parcel *p = seat->parcels, *next; p != NULL; p = next) {
        next = p->next;
        follow(e, p, now_ms);
    }
}

uint64_t parcels_due(const struct seat *seat, uint64_t now_ms) {
    uint64_t at_ms = UINT64_MAX;
    for (const struct parcel *p = seat->parcels; p != NULL; p = p->next) {
        const struct operation *o = operation_of(p);
        uint64_t due_ms = UINT64_MAX;
        if (p->state == PARCEL_OUT && p->lease_ms != 0)
            due_ms = p->lease_ms;
        else if (p->state == PARCEL_WAITS && owed_in_progress(o))
            due_ms = is_due(o, now_ms) ? now_ms : o->next_ms;
        if (due_ms < at_ms)
            at_ms = due_ms;
    }
    return at_ms;
}

/* Everything that is owed, in its order; a dead one only where it holds up its key. */
static void enter_lanes(struct engine *e, struct channel *c) {
    for (struct chain *link = c->parcels.next; link != &c->parcels; link = link->next) {
        struct parcel *p = CHAIN_OWNER(link, struct parcel, in_channel);
        if (!p->dead || channel_outlet(c)->park_key || MUTANT(dead_blocks_key))
            enter_lane(e, p);
    }
}

/* The definition has changed, and with it perhaps the order that is to be kept. */
void channel_requeue(struct engine *e, struct channel *c, uint64_t now_ms) {
    for (struct chain *link = c->parcels.next; link != &c->parcels; link = link->next) {
        struct parcel *p = CHAIN_OWNER(link, struct parcel, in_channel);
        if (p->state == PARCEL_READY || p->state == PARCEL_BEHIND) {
            parcel_unready(p);
            p->state = PARCEL_WAITS;
        }
        leave_lane(e, p);
    }
    enter_lanes(e, c);
    for (struct chain *link = c->parcels.next; link != &c->parcels; link = link->next) {
        struct parcel *p = CHAIN_OWNER(link, struct parcel, in_channel);
        if (p->state == PARCEL_WAITS && is_due(operation_of(p), now_ms))
            offer(e, p);
    }
    channel_wake(e, c);
}

/* Recovery: everything that is owed, in the order in which it became owed. */

static uint64_t place_of(const struct chain *link) {
    const struct parcel *p = CHAIN_OWNER(link, const struct parcel, in_channel);
    const struct transaction *t = &p->seat->transaction;
    return t->mode == MODE_NOTICE ? t->id : branch_place(&t->branches[p->branch]);
}

/* Merge two runs that are linked through next only and end in NULL. */
static struct chain *merge(struct chain *a, struct chain *b) {
    struct chain head = { NULL, NULL };
    struct chain *last = &head;
    while (a != NULL && b != NULL) {
        struct chain **from = place_of(a) <= place_of(b) ? &a : &b;
        last->next = *from;
        last = *from;
        *from = (*from)->next;
    }
    last->next = a != NULL ? a : b;
    return head.next;
}

/* Bottom-up: runs[i] holds a sorted run of 2^i links. */
static void sort(struct chain *head) {
    struct chain *runs[64] = { NULL };
    struct chain *run = NULL;
    for (struct chain *link = head->next, *next; link != head; link = next) {
        size_t i = 0;
        next = link->next;
        link->next = NULL;
        for (run = link; runs[i] != NULL; runs[i++] = NULL)
            run = merge(runs[i], run);
        runs[i] = run;
    }
    run = NULL;
    for (size_t i = 0; i < 64; i++)
        run = runs[i] == NULL ? run : merge(runs[i], run);
    chain_init(head);
    for (struct chain *next; run != NULL; run = next) {
        next = run->next;
        run->next = run->previous = NULL;
        chain_add_last(head, run);
    }
}

static void recover_seat(struct engine *e, struct seat *seat) {
    const struct transaction *t = &seat->transaction;
    for (uint16_t i = 0; i < t->branch_count && !status_is_final(t->status); i++)
        for (uint8_t role = 0; role < ROLE_COUNT; role++) {
            const struct operation *o = &t->branches[i].operation[role];
            if (branch_place(&t->branches[i]) > e->last_place && !MUTANT(place_restarts))
                e->last_place = branch_place(&t->branches[i]);
            if (!operation_is_queued(t, i, role) || is_over(o) || o->status == OPERATION_PENDING)
                continue;
            struct parcel *p = make(e, seat, i, role);
            chain_add_last(&p->channel->parcels, &p->in_channel);
            count_dead(e, p, o->status == OPERATION_DEAD);
        }
}

void parcels_recover(struct engine *e) {
    for (size_t subject = 1; subject < SUBJECTS; subject++)
        for (struct seat *seat = order_above(&e->by_id[subject], 0); seat != NULL;
             seat = order_above(&e->by_id[subject], seat->thing.id))
            recover_seat(e, seat);
    for (struct chain *at = e->channels.next; at != &e->channels; at = at->next) {
        struct channel *c = CHAIN_OWNER(at, struct channel, channel);
        if (!MUTANT(place_forgotten))
            sort(&c->parcels);
        enter_lanes(e, c);
    }
}

/* Looking. */

const struct parcel *engine_parcel_next(const struct channel *c, const struct parcel *at) {
    const struct chain *link = at == NULL ? c->parcels.next : at->in_channel.next;
    return link == &c->parcels ? NULL : CHAIN_OWNER(link, const struct parcel, in_channel);
}

static bool is_parked(const struct parcel *p) {
    return p->lane != NULL && lane_first(p->lane) != p && lane_first(p->lane)->dead;
}

void engine_parcel_view(const struct parcel *p, struct parcel_view *out) {
    *out = (struct parcel_view){
        .transaction = &p->seat->transaction,
        .branch = p->branch,
        .behind = p->lane != NULL && lane_first(p->lane) != p,
        .parked = is_parked(p),
        .ready = p->state == PARCEL_READY,
        .out = p->state == PARCEL_OUT,
        .lease_ms = p->lease_ms,
    };
}

const struct parcel *engine_parcel(const struct engine *e, const struct transaction *t, uint16_t branch) {
    const struct seat *seat = seat_by_id(e, t->id);
    return seat == NULL ? NULL : parcel_of(seat, branch);
}

void engine_channel_figures(const struct channel *c, struct channel_figures *out) {
    const struct parcel *oldest = engine_parcel_next(c, NULL);
    *out = c->figures;
    out->out = c->out;
    out->failures = c->failures;
    out->probing = c->probing;
    out->probe_ms = c->probe.place == 0 ? 0 : c->probe.at_ms;
    if (oldest != NULL) /* a notification is owed from its creation on */
        out->oldest_ms = oldest->seat->transaction.decided_ms != 0 ? oldest->seat->transaction.decided_ms
                                                                   : oldest->seat->transaction.created_ms;
}

const struct lane *engine_stopped_lane(const struct channel *c, const struct lane *after) {
    const struct chain *link = after == NULL ? c->stopped.next : after->stopped.next;
    return link == &c->stopped ? NULL : CHAIN_OWNER(link, const struct lane, stopped);
}

void engine_lane_view(const struct lane *lane, struct lane_view *out) {
    const struct parcel *first = lane_first(lane);
    *out = (struct lane_view){ &first->seat->transaction, first->branch, lane->parked };
}
