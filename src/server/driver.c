#include "server/driver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "server/crash_point.h"

enum {
    ASKS_BYTES = LIMIT_TURN_BYTES / 4 * 3, /* questions fill a turn up to here; the rest is for outcomes */
    AGAIN_MS = 200,                        /* pause before a batch that found no room is offered again */
    LOADED = 24,                           /* records in a batch from which on the next may gather longer */
    SMALL = 4, /* a turn with less than this part of the last one's records is a small one */
    TICKS_A_ROUND = 8,
};

const uint32_t driver_bucket_us[DRIVER_BUCKETS] = {
    100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, UINT32_MAX
};

/* What one round of the loop did, and what may leave when it is durable. */
struct turn {
    struct effects effects;
    struct chain seals;
    uint64_t first_us; /* when its first entry was made */
    bool has_outcome;  /* for crash points: what its records tell of */
    bool has_final;
};

/* An outcome that found the turn full; its body follows the struct. */
struct late_outcome {
    struct chain link;
    struct outcome outcome;
};

struct driver {
    struct engine *engine;
    struct driver_port port;
    struct driver_limits limits;
    struct turn turns[2];
    struct turn *gathering;
    struct turn *flight;    /* NULL: none */
    struct chain late_asks; /* found the turn full */
    struct chain late_outcomes;
    uint64_t batch; /* number that the gathering turn will have */
    uint64_t tickets;
    bool begun;
    bool draining;
    bool dead;             /* nothing leaves any more */
    uint32_t last_entries; /* of the batch before */
    uint64_t shipped_us;
    uint64_t opened_us;      /* when the last batch became durable */
    uint64_t refused_ms;     /* since when the batch in flight finds no room; 0: it does not */
    uint64_t offer_again_ms; /* when to offer it again; 0: it is at the store */
    bool may_be_there;       /* an earlier offer of it was neither taken nor refused */
    bool tick_waits;         /* the gathering turn has no room for due work: it is the next turn's */
    struct driver_figures figures;
};

int driver_new(struct driver **out, struct engine *engine, const struct driver_port *port,
               const struct driver_limits *limits, uint64_t batch_last) {
    struct driver *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ERR_MEMORY;
    d->engine = engine;
    d->port = *port;
    d->limits = *limits;
    for (size_t i = 0; i < 2; i++) {
        effects_init(&d->turns[i].effects, LIMIT_TURN_BUFFER_BYTES);
        chain_init(&d->turns[i].seals);
    }
    chain_init(&d->late_asks);
    chain_init(&d->late_outcomes);
    d->gathering = &d->turns[0];
    d->batch = batch_last + 1;
    d->figures.durable = batch_last;
    engine_turn(engine, d->batch);
    *out = d;
    return 0;
}

void driver_free(struct driver *d) {
    if (d == NULL)
        return;
    for (size_t i = 0; i < 2; i++)
        effects_done(&d->turns[i].effects);
    while (!chain_empty(&d->late_outcomes)) {
        struct late_outcome *late = CHAIN_OWNER(d->late_outcomes.next, struct late_outcome, link);
        chain_remove(&late->link);
        free(late);
    }
    free(d);
}

void driver_limit(struct driver *d, const struct driver_limits *limits) {
    d->limits = *limits;
}

static void die(struct driver *d, int code, const char *say) {
    if (d->dead)
        return;
    d->dead = true;
    d->port.stop(d->port.self, code, say);
}

/* One step into the gathering turn. ERR_LIMIT: the turn is full. */
static int step(struct driver *d, struct event *event) {
    struct effects *effects = &d->gathering->effects;
    uint32_t entries = effects->entry_count;
    event->now_ms = d->port.now_ms(d->port.self);
    event->random = d->port.random(d->port.self);
    int code = engine_step(d->engine, event, effects);
    if (code != 0)
        return code;
    if (entries == 0 && effects->entry_count > 0)
        d->gathering->first_us = d->port.now_us(d->port.self);
    d->gathering->has_outcome |= event->kind == EVENT_OUTCOME;
    for (size_t i = 0; i < effects->change_count; i++) {
        d->gathering->has_final |= effects->changes[i].finished;
        d->port.changed(d->port.self, &effects->changes[i]);
    }
    CRASH_POINT(STEPPED);
    return 0;
}

static void load(struct driver *d, struct driver_ask *ask, const struct load *wanted) {
    struct driver_load *l = calloc(1, sizeof *l);
    if (l == NULL) {
        ask->answer(ask, NULL);
        return;
    }
    l->driver = d;
    l->ask = ask;
    ask->load = l;
    d->port.find(d->port.self, l, wanted->kind, wanted->key_hash, ask->event.namespace_name, ask->event.gid);
}

static void offer(struct driver *d, struct driver_ask *ask) {
    struct effects *effects = &d->gathering->effects;
    ask->event.ticket = ++d->tickets;
    if (effects->entries.length > ASKS_BYTES || step(d, &ask->event) != 0) {
        chain_add_last(&d->late_asks, &ask->link);
        return;
    }
    if (effects->load.ticket != 0) {
        load(d, ask, &effects->load);
        return;
    }
    assert(effects->reply.kind == 0 || effects->reply.ticket == ask->event.ticket);
    ask->answer(ask, &effects->reply);
}

void driver_ask(struct driver *d, struct driver_ask *ask) {
    assert(!chain_linked(&ask->link));
    assert(ask->load == NULL);
    ask->event.lookup = LOOKUP_NOT_DONE;
    offer(d, ask);
}

void driver_forget(struct driver *d, struct driver_ask *ask) {
    (void)d;
    chain_remove(&ask->link);
    if (ask->load != NULL)
        ask->load->ask = NULL;
    ask->load = NULL;
}

void driver_found(struct driver *d, struct driver_load *l, int code, struct slice image) {
    struct driver_ask *ask = l->ask;
    free(l);
    bool busy = code == ERR_AGAIN || code == ERR_MEMORY || code == ERR_CLOSED;
    if (code != 0 && code != ERR_NOT_FOUND && !busy) {
        die(d, code, "the history could not be read");
        return;
    }
    if (ask == NULL)
        return;
    ask->load = NULL;
    if (busy) {
        ask->answer(ask, NULL);
        return;
    }
    ask->event.lookup = code == 0 ? LOOKUP_FOUND : LOOKUP_ABSENT;
    ask->event.image = image;
    offer(d, ask);
}

void driver_seal(struct driver *d, struct driver_seal *seal) {
    struct turn *turn = d->gathering;
    /* Without entries of its own the gathering turn shows nothing that the one in flight does not have. */
    if (turn->effects.entry_count == 0 && d->flight != NULL)
        turn = d->flight;
    chain_add_last(&turn->seals, &seal->link);
    CRASH_POINT(REPLY_SEALED);
}

void driver_unseal(struct driver_seal *seal) {
    chain_remove(&seal->link);
}

int driver_remember(struct driver *d, struct slice namespace_name, struct slice key,
                    const struct remembered *answer) {
    struct effects *effects = &d->gathering->effects;
    uint32_t entries = effects->entry_count;
    int code =
        engine_answer_save(d->engine, namespace_name, key, answer, d->port.now_ms(d->port.self), effects);
    if (entries == 0 && effects->entry_count > 0)
        d->gathering->first_us = d->port.now_us(d->port.self);
    return code;
}

static uint32_t waiting(const struct driver *d) {
    return d->gathering->effects.entry_count + (d->flight == NULL ? 0 : d->flight->effects.entry_count);
}

enum driver_admission driver_admission(const struct driver *d) {
    if (d->draining || d->dead)
        return DRIVER_STOPPING;
    if (d->refused_ms != 0)
        return DRIVER_NO_SPACE;
    if (d->flight == NULL)
        return DRIVER_ADMITS;
    uint64_t age_us = d->port.now_us(d->port.self) - d->flight->first_us;
    if (waiting(d) > d->limits.queue_max || age_us > (uint64_t)d->limits.queue_ms_max * 1000)
        return DRIVER_BUSY;
    return DRIVER_ADMITS;
}

static void take_outcome(struct driver *d, const struct outcome *outcome) {
    struct event event = { .kind = EVENT_OUTCOME, .outcome = outcome };
    if (step(d, &event) == 0)
        return;
    struct late_outcome *late = malloc(sizeof *late + outcome->body.length);
    if (late == NULL) {
        die(d, ERR_MEMORY, "no memory for what a participant answered");
        return;
    }
    *late = (struct late_outcome){ .outcome = *outcome };
    if (outcome->body.length > 0)
        memcpy(late + 1, outcome->body.at, outcome->body.length);
    late->outcome.body = slice_of((const char *)(late + 1), outcome->body.length);
    chain_add_last(&d->late_outcomes, &late->link);
}

void driver_outcome(struct driver *d, const struct outcome *outcome) {
    CRASH_POINT(OUTCOME_READ);
    if (!d->dead)
        take_outcome(d, outcome);
}

/* What found the last turn full goes first into the new one. Each once: what is still too much goes back. */
static void take_late(struct driver *d) {
    struct chain *last = d->late_outcomes.previous;
    for (bool more = !chain_empty(&d->late_outcomes); more;) {
        struct late_outcome *late = CHAIN_OWNER(d->late_outcomes.next, struct late_outcome, link);
        more = &late->link != last;
        chain_remove(&late->link);
        take_outcome(d, &late->outcome);
        free(late);
    }
    last = d->late_asks.previous;
    for (bool more = !chain_empty(&d->late_asks); more;) {
        struct driver_ask *ask = CHAIN_OWNER(d->late_asks.next, struct driver_ask, link);
        more = &ask->link != last;
        chain_remove(&ask->link);
        /* The history was asked at the step before: its answer is no longer at hand. */
        ask->event.lookup = LOOKUP_NOT_DONE;
        offer(d, ask);
    }
}

static void tick(struct driver *d) {
    if (!d->begun || d->draining || d->tick_waits)
        return;
    for (int i = 0; i < TICKS_A_ROUND && engine_due(d->engine) <= d->port.now_ms(d->port.self); i++) {
        struct event event = { .kind = EVENT_TICK };
        d->tick_waits = step(d, &event) != 0;
        if (d->tick_waits)
            return;
    }
}

/* Everything in this turn is durable: let it go. */
static void open_envelope(struct driver *d, struct turn *turn) {
    for (size_t i = 0; i < turn->effects.call_count && !d->dead; i++) {
        CRASH_POINT(CALL_ALLOWED);
        d->port.call(d->port.self, &turn->effects.calls[i]);
        CRASH_POINT(CALL_SENT);
    }
    effects_clear(&turn->effects);
    while (!chain_empty(&turn->seals)) {
        struct driver_seal *seal = CHAIN_OWNER(turn->seals.next, struct driver_seal, link);
        chain_remove(&seal->link);
        seal->open(seal);
    }
}

static void swap_turns(struct driver *d) {
    d->gathering = d->gathering == &d->turns[0] ? &d->turns[1] : &d->turns[0];
    d->tick_waits = false;
    assert(d->gathering->effects.entry_count == 0);
    assert(d->gathering->effects.call_count == 0);
}

static void ship(struct driver *d) {
    struct turn *turn = d->gathering;
    d->flight = turn;
    swap_turns(d);
    d->shipped_us = d->port.now_us(d->port.self);
    d->offer_again_ms = 0;
    d->may_be_there = false;
    d->last_entries = turn->effects.entry_count;
    uint64_t seq = d->batch++;
    engine_turn(d->engine, d->batch);
    CRASH_POINT(BATCH_OFFERED);
    d->port.append(d->port.self, seq, buffer_slice(&turn->effects.entries));
    take_late(d);
}

/* While a batch syncs the next turn fills by itself, and that is nearly always enough (measured: waiting for
 * more at 64 clients cost a third of the rate and saved an eighth of the CPU). Only a turn that is small
 * beside the one before it, under load, waits a little for the rest: a sync costs the same for one record and
 * for a hundred. With little to do it never waits. */
static uint64_t gather_until_us(const struct driver *d) {
    if (d->limits.group_commit_ms == 0 || d->last_entries < LOADED || d->draining ||
        !chain_empty(&d->late_asks) || d->gathering->effects.entry_count >= d->last_entries / SMALL)
        return 0;
    return d->opened_us + (uint64_t)d->limits.group_commit_ms * 1000;
}

void driver_flush(struct driver *d) {
    if (d->dead)
        return;
    tick(d);
    if (d->flight != NULL) {
        if (d->offer_again_ms != 0 && d->port.now_ms(d->port.self) >= d->offer_again_ms) {
            d->offer_again_ms = 0;
            d->port.append(d->port.self, d->batch - 1, buffer_slice(&d->flight->effects.entries));
        }
        return;
    }
    struct turn *turn = d->gathering;
    if (turn->effects.entry_count == 0) {
        if (turn->effects.call_count == 0 && chain_empty(&turn->seals))
            return;
        swap_turns(d);
        open_envelope(d, turn);
        return;
    }
    if (gather_until_us(d) > d->port.now_us(d->port.self))
        return;
    ship(d);
}

uint64_t driver_due(const struct driver *d) {
    if (d->dead)
        return UINT64_MAX;
    uint64_t due = d->begun && !d->draining && !d->tick_waits ? engine_due(d->engine) : UINT64_MAX;
    uint64_t now = d->port.now_ms(d->port.self);
    if (d->flight != NULL)
        return d->offer_again_ms != 0 && d->offer_again_ms < due ? d->offer_again_ms : due;
    if (d->gathering->effects.entry_count > 0 || d->gathering->effects.call_count > 0 ||
        !chain_empty(&d->gathering->seals))
        due = gather_until_us(d) > d->port.now_us(d->port.self) ? now + 1 : now;
    return due;
}

static void count_batch(struct driver *d) {
    uint64_t took_us = d->port.now_us(d->port.self) - d->shipped_us;
    size_t bucket = 0;
    while (took_us > driver_bucket_us[bucket] && bucket + 1 < DRIVER_BUCKETS)
        bucket++;
    d->figures.batch_counts[bucket]++;
    d->figures.batch_us += took_us;
    d->figures.batches++;
    d->figures.entries += d->flight->effects.entry_count;
    d->figures.bytes += d->flight->effects.entries.length;
    d->figures.durable = d->batch - 1;
}

/* Move the seals that may show one of these to another chain: while they are told, others come and go. */
static void sort_out(struct turn *turn, struct id_set set, struct chain *to) {
    for (struct chain *link = turn->seals.next, *next; link != &turn->seals; link = next) {
        next = link->next;
        if (!id_set_meets(set, CHAIN_OWNER(link, struct driver_seal, link)->shows))
            continue;
        chain_remove(link);
        chain_add_last(to, link);
    }
}

/* What is new goes, so that the rest needs less room and whoever asked for it knows at once. */
static void take_back(struct driver *d) {
    struct effects *turns[] = { &d->flight->effects, &d->gathering->effects };
    size_t kept = d->may_be_there ? 1 : 0;
    struct chain told;
    struct id_set set = engine_take_back(d->engine, d->batch - 1 + kept, turns + kept, 2 - kept);
    if (set.count == 0)
        return;
    chain_init(&told);
    sort_out(d->flight, set, &told);
    sort_out(d->gathering, set, &told);
    d->port.taken_back(d->port.self, set);
    while (!chain_empty(&told)) {
        struct driver_seal *seal = CHAIN_OWNER(told.next, struct driver_seal, link);
        chain_remove(&seal->link);
        seal->taken_back(seal);
    }
    d->tick_waits = false;
    take_late(d); /* there may be room now; what is new of it goes with the next refusal */
}

/* Nothing of the batch has left, so nothing is lost by offering it again; a store that has it already says
 * so. */
static void put_off(struct driver *d, int code) {
    uint64_t now = d->port.now_ms(d->port.self);
    d->offer_again_ms = now + AGAIN_MS;
    if (code == ERR_UNKNOWN) {
        d->may_be_there = true;
        return;
    }
    if (d->refused_ms == 0)
        d->refused_ms = now;
    take_back(d);
}

void driver_appended(struct driver *d, int code, const char *say) {
    struct turn *turn = d->flight;
    assert(turn != NULL);
    if (d->dead)
        return;
    if (code == ERR_SPACE || code == ERR_UNKNOWN) {
        put_off(d, code);
        return;
    }
    if (code != 0) {
        die(d, code, say);
        return;
    }
    CRASH_POINT(BATCH_DURABLE);
    if (turn->has_outcome)
        CRASH_POINT(OUTCOME_RECORDED);
    if (turn->has_final)
        CRASH_POINT(FINISHED);
    turn->has_outcome = turn->has_final = false;
    count_batch(d);
    d->refused_ms = 0;
    d->opened_us = d->port.now_us(d->port.self);
    d->flight = NULL;
    engine_durable(d->engine, d->figures.durable);
    d->port.durable(d->port.self, d->figures.durable, buffer_slice(&turn->effects.entries),
                    turn->effects.entry_count);
    open_envelope(d, turn);
}

void driver_begin(struct driver *d) {
    d->begun = true;
}

void driver_drain(struct driver *d) {
    d->draining = true;
}

bool driver_idle(const struct driver *d) {
    return d->dead || (d->flight == NULL && d->gathering->effects.entry_count == 0 &&
                       chain_empty(&d->gathering->seals) && chain_empty(&d->late_outcomes));
}

void driver_abandon(struct driver *d) {
    d->dead = true;
}

bool driver_is_refused(const struct driver *d) {
    return d->flight != NULL && d->offer_again_ms != 0;
}

uint64_t driver_stuck_ms(const struct driver *d) {
    return d->refused_ms == 0 ? 0 : d->port.now_ms(d->port.self) - d->refused_ms + 1;
}

void driver_figures(const struct driver *d, struct driver_figures *out) {
    *out = d->figures;
    out->waiting = waiting(d);
}

void driver_release_stuck(struct driver *d) {
    for (size_t i = 0; i < 2; i++) {
        struct chain *head = &d->turns[i].seals;
        for (struct chain *link = head->next, *next; link != head; link = next) {
            struct driver_seal *seal = CHAIN_OWNER(link, struct driver_seal, link);
            next = link->next;
            if (seal->stuck == NULL)
                continue;
            chain_remove(&seal->link);
            seal->stuck(seal);
        }
    }
}
