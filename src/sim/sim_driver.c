#include "sim/sim_driver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "engine/mutant.h"
#include "model/journal.h"
#include "sim/coverage.h"
#include "sim/flight.h"
#include "sim/invariants.h"
#include "sim/sim_chores.h"
#include "sim/sim_client.h"
#include "sim/sim_recovery.h"
#include "sim/sim_step.h"
#include "sim/sim_taken_back.h"
#include "sim/sometimes.h"
#include "sim/world.h"

enum {
    RECOVERY_TURNS = 3,
    TICKS_A_ROUND = 8,
    ROUND_US = 10,
    IDLE_TICKS_MAX = 20,
};

static void plan_round(struct world *w);
static void plan_wake(struct world *w);
static void flush(struct world *w);

static void *grown(void *at, size_t count, size_t each) {
    void *now = realloc(at, count * each);

    if (now == NULL)
        abort();
    return now;
}

void sim_driver_init(struct world *w) {
    struct sim_driver *d = &w->driver;

    *d = (struct sim_driver){ .wake_ms = UINT64_MAX };
    buffer_init(&d->trace, 64 * 1024 * 1024);
    for (int i = 0; i < 2; i++) {
        effects_init(&d->turns[i].effects, LIMIT_TURN_BUFFER_BYTES);
        d->turns[i].effects.trace = &d->trace;
    }
    d->gathering = &d->turns[0];
}

void sim_driver_done(struct world *w) {
    struct sim_driver *d = &w->driver;

    coverage_take(d->engine);
    engine_free(d->engine);
    for (int i = 0; i < 2; i++) {
        effects_done(&d->turns[i].effects);
        free(d->turns[i].outgoing);
    }
    buffer_done(&d->trace);
    free(d->arrivals);
    free(d->asks);
    taken_back_done(&d->taken_back);
    free(d->emissions);
}

struct ask *sim_driver_new_ask(struct world *w, struct plan *p, uint8_t kind) {
    struct sim_driver *d = &w->driver;
    struct ask *ask = world_take(w, 1, sizeof *ask);

    if (d->ask_count == d->ask_capacity) {
        d->ask_capacity = d->ask_capacity == 0 ? 64 : d->ask_capacity * 2;
        d->asks = grown(d->asks, d->ask_capacity, sizeof(struct ask *));
    }
    d->asks[d->ask_count++] = ask;
    *ask = (struct ask){
        .number = d->ask_count, .plan = p, .kind = kind, .branch = UINT16_MAX, .role = ROLE_COUNT
    };
    return ask;
}

bool sim_driver_idle(const struct world *w) {
    const struct sim_driver *d = &w->driver;

    return d->up && d->arrival_count == 0 && d->flight == NULL && d->gathering->effects.entry_count == 0 &&
           !d->folding;
}

/* ---- dying and coming back ---- */

static bool keeps(struct world *w, uint8_t disk_outcome) {
    bool heads = dice_below(world_dice(w, DICE_CRASH), 2) == 0;

    return disk_outcome == DISK_KEEPS || (disk_outcome == DISK_TOSSES && heads);
}

/* Everything in a batch that is durable now goes to the witnesses. */
static void batch_is_durable(struct world *w) {
    const struct sim_batch *batch;
    struct slice left;

    sim_store_append_done(&w->store);
    w->figures.batches++;
    batch = &w->store.batches[w->store.batch_count - 1];
    left = slice_of(batch->at, batch->length);
    while (left.length > 0 && !world_failed(w)) {
        struct stored_entry entry;

        if (journal_decode(&left, &entry) != 0) {
            world_fail(w, FAILURE_CORRECTNESS, "I-G2", "a batch cannot be read back");
            return;
        }
        witness_entry(w, &entry);
    }
    witness_batch(w);
}

static void restart(struct world *w, void *subject, uint64_t number) {
    (void)subject;
    (void)number;
    if (!w->driver.up)
        sim_driver_start(w);
}

static void jump_clock(struct world *w) {
    struct sim_driver *d = &w->driver;
    uint64_t draw = dice_u64(world_dice(w, DICE_CLOCK));
    int64_t jump_ms;

    if (w->swarm.jump_ms == 0 || world_calm(w))
        return;
    jump_ms = (int64_t)(draw % (uint64_t)(2 * w->swarm.jump_ms + 1)) - w->swarm.jump_ms;
    d->jump_ms += jump_ms;
    d->jumped_ms += jump_ms < 0 ? -jump_ms : jump_ms;
    if (jump_ms != 0)
        SOMETIMES(clock_jumped);
    /* The new life anchors its clock afresh: it may well stand before the last one's. */
    d->last_now_ms = 0;
}

static void clear_turn(struct sim_turn *turn) {
    effects_clear(&turn->effects);
    turn->outgoing_count = 0;
}

static void lose_memory(struct world *w) {
    struct sim_driver *d = &w->driver;

    if (d->calls_open > 0)
        SOMETIMES(crash_with_open_calls);
    coverage_take(d->engine);
    engine_free(d->engine);
    d->engine = NULL;
    d->arrival_count = 0;
    d->calls_open = 0;
    d->flight = NULL;
    d->folding = d->round_planned = d->waiting = d->may_be_there = d->full = d->up = false;
    d->wake_ms = UINT64_MAX;
    clear_turn(&d->turns[0]);
    clear_turn(&d->turns[1]);
    for (uint32_t i = 0; i < w->plan_count; i++)
        for (uint16_t b = 0; b < w->plans[i].branch_count; b++) {
            struct deed *deed = &w->plans[i].deeds[b];

            memset(deed->open, 0, sizeof deed->open);
            memset(deed->busy_until_us, 0, sizeof deed->busy_until_us);
        }
    for (uint32_t i = 0; i < w->post_count; i++) {
        struct post *p = w->posts[i];

        p->call.open = 0;
        p->call.busy_until_us = 0;
        for (uint32_t k = 0; k < p->witness.delivery_count; k++) {
            p->witness.deliveries[k]->errand.open = 0;
            p->witness.deliveries[k]->errand.busy_until_us = 0;
            p->witness.deliveries[k]->held_until_ms = 0;
            p->witness.deliveries[k]->held_attempt = 0;
        }
    }
}

void sim_driver_crash(struct world *w, uint8_t disk_outcome) {
    uint64_t delay_ms = w->restart_ms + dice_below(world_dice(w, DICE_CRASH), w->swarm.restart_ms + 1);

    w->figures.crashes++;
    lose_memory(w);
    if (w->store.pending.at != NULL) {
        if (keeps(w, disk_outcome)) {
            SOMETIMES(crash_batch_kept);
            batch_is_durable(w);
        } else {
            SOMETIMES(crash_batch_lost);
            sim_store_append_failed(&w->store);
        }
    }
    if (w->store.folding.count > 0) {
        if (keeps(w, disk_outcome)) {
            SOMETIMES(crash_fold_kept);
            sim_store_fold_done(&w->store);
        } else {
            SOMETIMES(crash_fold_lost);
            sim_store_fold_failed(&w->store);
        }
    }
    jump_clock(w);
    world_say(w, "*** the coordinator dies, back in %llu ms", (unsigned long long)delay_ms);
    world_plan(w, delay_ms * 1000 + 1000, restart, NULL, 0);
}

bool sim_driver_point(struct world *w) {
    struct sim_driver *d = &w->driver;
    uint32_t rate = d->recovery_turns > 0 ? w->swarm.crash + w->swarm.double_crash : w->swarm.crash;
    bool dies = dice_chance(world_dice(w, DICE_CRASH), world_calm(w) ? 0 : rate);
    uint8_t outcome = DISK_TOSSES;

    w->figures.points++;
    if (w->orders.prescribed) {
        dies = w->figures.points == w->orders.first || w->figures.points == w->orders.second;
        outcome = w->figures.points == w->orders.first ? w->orders.first_outcome : w->orders.second_outcome;
    }
    if (!dies)
        return false;
    if (d->recovering)
        SOMETIMES(crash_in_recovery);
    sim_driver_crash(w, outcome);
    return true;
}

void sim_driver_start(struct world *w) {
    struct sim_driver *d = &w->driver;

    assert(!d->up);
    d->recovering = d->life > 0;
    d->recovery_turns = d->life > 0 ? RECOVERY_TURNS : 0;
    d->life++;
    d->taken_back.count = 0; /* an id that nobody was shown may be used by another life */
    /* A crash anywhere in here is a crash here: recovery only reads. */
    if (d->recovering && sim_driver_point(w))
        return;
    d->engine = sim_recovery_run(w, &w->store);
    if (d->engine == NULL)
        return;
    world_say(w, "*** the coordinator is up, life %u", d->life);
    d->up = true;
    d->up_since_us = w->now_us;
    d->batch = w->store.batch_last + 1;
    engine_turn(d->engine, d->batch);
    invariants_recovered(w, d->engine);
    if (d->recovering && sim_driver_point(w))
        return;
    plan_wake(w);
}

/* ---- what arrives ---- */

void sim_driver_offer(struct world *w, const struct arrival *arrival) {
    struct sim_driver *d = &w->driver;

    if (!d->up)
        return;
    if (d->arrival_count == d->arrival_capacity) {
        d->arrival_capacity = d->arrival_capacity == 0 ? 64 : d->arrival_capacity * 2;
        d->arrivals = grown(d->arrivals, d->arrival_capacity, sizeof *d->arrivals);
    }
    d->arrivals[d->arrival_count++] = *arrival;
    plan_round(w);
}

/* ---- the envelope ---- */

static void deliver_reply(struct world *w, void *subject, uint64_t number) {
    const struct outgoing *out = subject;

    (void)number;
    sim_client_told(w, out->ask, &out->told);
}

static void send_replies(struct world *w, const struct outgoing *replies, size_t count) {
    for (size_t i = 0; i < count && !world_failed(w); i++) {
        struct dice *network = world_dice(w, DICE_NETWORK);
        struct outgoing *copy = world_take(w, 1, sizeof *copy);
        bool lost = dice_chance(network, w->swarm.lose) && !world_calm(w);

        *copy = replies[i];
        invariants_answer(w, copy->ask, &copy->told);
        if (!lost)
            world_plan(w, dice_delay(network, w->swarm.delay_us), deliver_reply, copy, 0);
    }
}

static void release_replies(struct world *w, struct sim_turn *turn) {
    send_replies(w, turn->outgoing, turn->outgoing_count);
    turn->outgoing_count = 0;
}

/* True: the process died half way. */
static bool send_calls(struct world *w, struct sim_turn *turn) {
    for (size_t i = 0; i < turn->effects.call_count && !world_failed(w); i++) {
        const struct call *call = &turn->effects.calls[i];

        invariants_call(w, call);
        if (world_failed(w))
            return true;
        w->figures.calls++;
        flight_send(w, call);
        if (sim_driver_point(w)) {
            SOMETIMES(crash_in_envelope);
            return true;
        }
    }
    return world_failed(w);
}

static void open_envelope(struct world *w, struct sim_turn *turn) {
    struct sim_driver *d = &w->driver;

    release_replies(w, turn);
    if (send_calls(w, turn))
        return;
    clear_turn(turn);
    if (d->recovery_turns > 0)
        d->recovery_turns--;
    d->recovering = d->recovery_turns > 0;
}

/* ---- the batch ---- */

static void append_finished(struct world *w, void *subject, uint64_t number);

static void append(struct world *w) {
    struct sim_driver *d = &w->driver;

    d->waiting = false;
    sim_store_append(&w->store, d->batch - 1, buffer_slice(&d->flight->effects.entries));
    if (w->store.broken != NULL)
        world_fail(w, FAILURE_CORRECTNESS, "G2", "store: %s", w->store.broken);
    world_plan(w, dice_delay(world_dice(w, DICE_DISK), w->swarm.sync_us) + 20, append_finished, NULL,
               d->life);
}

static void append_again(struct world *w, void *subject, uint64_t number) {
    (void)subject;
    if (number == w->driver.life && w->driver.up && w->driver.waiting)
        append(w);
}

static void append_later(struct world *w, uint64_t in_us) {
    w->driver.waiting = true;
    world_plan(w, in_us, append_again, NULL, w->driver.life);
}

static void durable(struct world *w) {
    struct sim_driver *d = &w->driver;
    struct sim_turn *turn = d->flight;

    engine_durable(d->engine, d->batch - 1);
    if (world_failed(w))
        return;
    if (sim_driver_point(w)) {
        SOMETIMES(crash_before_open);
        return;
    }
    d->flight = NULL;
    open_envelope(w, turn);
    if (!d->up || world_failed(w))
        return;
    sim_chores_after_turn(w);
    flush(w);
}

static void tell_taken_back(struct world *w, struct sim_turn *turn, struct id_set set) {
    struct outgoing *told = world_take(w, turn->outgoing_count + 1, sizeof *told);

    send_replies(w, told, taken_back_sort_out(turn, set, told));
}

/* The disk has no room: what is new never was, the rest is offered again. */
static void no_space(struct world *w) {
    struct sim_driver *d = &w->driver;
    struct effects *turns[] = { &d->flight->effects, &d->gathering->effects };
    size_t kept = d->may_be_there ? 1 : 0;
    struct id_set set;

    SOMETIMES(append_no_space);
    sim_store_append_failed(&w->store);
    set = engine_take_back(d->engine, d->batch - 1 + kept, turns + kept, 2 - kept);
    sim_step_show_trace(w);
    if (set.count > 0) {
        SOMETIMES(taken_back);
        if (kept > 0)
            SOMETIMES(taken_back_alone);
        taken_back_note(&d->taken_back, set);
        invariants_taken_back(w, set);
        tell_taken_back(w, d->flight, set);
        tell_taken_back(w, d->gathering, set);
        if (d->flight->effects.entry_count > 0)
            SOMETIMES(taken_back_in_part);
    }
    invariants_no_space(w);
    append_later(w, w->swarm.full_ms * 1000);
}

/* Neither yes nor no. The very same batch is offered again; when it is there already the answer is yes. */
static void append_unknown(struct world *w) {
    struct sim_driver *d = &w->driver;
    bool kept = dice_below(world_dice(w, DICE_DISK), 2) == 0;

    SOMETIMES(append_unknown);
    if (kept) {
        SOMETIMES(append_unknown_kept);
        batch_is_durable(w);
        durable(w);
        return;
    }
    SOMETIMES(append_unknown_lost);
    d->may_be_there = true;
    sim_store_append_failed(&w->store);
    if (MUTANT(unknown_append_trusted))
        durable(w);
    else
        append_later(w, dice_delay(world_dice(w, DICE_DISK), w->swarm.sync_us));
}

static void append_finished(struct world *w, void *subject, uint64_t number) {
    struct sim_driver *d = &w->driver;
    struct dice *disk = world_dice(w, DICE_DISK);
    bool unknown = dice_chance(disk, w->swarm.append_unknown);
    bool full = dice_chance(disk, w->swarm.append_full);
    bool error = dice_chance(disk, w->swarm.append_error);

    (void)subject;
    if (number != d->life || !d->up || d->flight == NULL || d->waiting)
        return;
    if (sim_driver_point(w))
        return;
    if (error && !world_calm(w)) {
        SOMETIMES(append_failed);
        sim_driver_crash(w, DISK_TOSSES);
    } else if (full && !world_calm(w)) {
        no_space(w);
    } else if (unknown && !world_calm(w)) {
        append_unknown(w);
    } else {
        batch_is_durable(w);
        durable(w);
    }
}

/* The disk is free: what was gathered goes. */
static void flush(struct world *w) {
    struct sim_driver *d = &w->driver;
    struct sim_turn *turn = d->gathering;

    if (d->flight != NULL)
        return;
    if (MUTANT(answer_before_sync))
        release_replies(w, turn);
    if (MUTANT(send_before_log) && send_calls(w, turn))
        return;
    if (MUTANT(send_before_log))
        turn->effects.call_count = 0;
    if (turn->effects.entry_count == 0) {
        open_envelope(w, turn);
    } else {
        w->figures.turns++;
        d->flight = turn;
        d->gathering = turn == &d->turns[0] ? &d->turns[1] : &d->turns[0];
        d->full = d->may_be_there = false;
        engine_turn(d->engine, ++d->batch);
        append(w);
    }
    if (!d->up || world_failed(w))
        return;
    plan_round(w); /* what found the last turn full */
    plan_wake(w);
}

/* ---- the round ---- */

/* Something is due now, and nothing comes of it, again and again: the daemon would burn a core. */
static void note_idle(struct world *w, bool idle) {
    struct sim_driver *d = &w->driver;

    if (!idle || d->idle_at_ms != d->last_now_ms)
        d->idle_ticks = 0;
    d->idle_at_ms = d->last_now_ms;
    if (++d->idle_ticks > IDLE_TICKS_MAX)
        world_fail(w, FAILURE_LIVENESS, "hot-loop", "%d ticks in one millisecond change nothing",
                   IDLE_TICKS_MAX);
}

static void tick(struct world *w) {
    const struct arrival tick = { .kind = EVENT_TICK };
    const struct effects *effects = &w->driver.gathering->effects;

    for (int i = 0; i < TICKS_A_ROUND && engine_due(w->driver.engine) <= world_clock_ms(w); i++) {
        uint32_t entries = effects->entry_count;
        size_t calls = effects->call_count;

        if (sim_step(w, &tick) != 0 || world_failed(w))
            return;
        note_idle(w, entries == effects->entry_count && calls == effects->call_count);
    }
}

static void note_races(struct world *w) {
    const struct sim_driver *d = &w->driver;

    if (d->arrival_count > 4)
        SOMETIMES(turn_of_many);
    for (size_t i = 1; i < d->arrival_count; i++) {
        const struct arrival *a = &d->arrivals[i - 1], *b = &d->arrivals[i];

        if (a->ask != NULL && b->ask != NULL && a->ask->plan == b->ask->plan &&
            a->ask->post == b->ask->post &&
            ((a->kind == EVENT_COMMIT && b->kind == EVENT_ROLLBACK) ||
             (a->kind == EVENT_ROLLBACK && b->kind == EVENT_COMMIT)))
            SOMETIMES(decisions_in_one_turn);
    }
}

/* Everything that arrived is stepped, then the turn is flushed if the disk is free. */
static void round_now(struct world *w, void *subject, uint64_t number) {
    struct sim_driver *d = &w->driver;
    size_t taken = 0;

    (void)subject;
    if (number != d->life || !d->up)
        return;
    d->round_planned = false;
    note_races(w);
    for (; taken < d->arrival_count; taken++) {
        if (sim_step(w, &d->arrivals[taken]) != 0)
            break;
        if (world_failed(w))
            return;
        if (sim_driver_point(w)) {
            SOMETIMES(crash_in_turn);
            return;
        }
    }
    memmove(d->arrivals, d->arrivals + taken, (d->arrival_count - taken) * sizeof *d->arrivals);
    d->arrival_count -= taken;
    tick(w);
    if (!world_failed(w))
        flush(w);
    if (d->up && !world_failed(w))
        plan_wake(w);
}

static void plan_round(struct world *w) {
    struct sim_driver *d = &w->driver;
    if (d->round_planned || d->arrival_count == 0 || (d->full && d->flight != NULL))
        return;
    d->round_planned = true;
    world_plan(w, ROUND_US, round_now, NULL, d->life);
}

/* ---- ticks ---- */

static void wake(struct world *w, void *subject, uint64_t number) {
    struct sim_driver *d = &w->driver;

    (void)subject;
    if (number != d->life || !d->up)
        return;
    d->wake_ms = UINT64_MAX;
    tick(w);
    if (world_failed(w))
        return;
    if (sim_driver_point(w)) {
        SOMETIMES(crash_in_turn);
        return;
    }
    flush(w);
    if (d->up && !world_failed(w))
        plan_wake(w);
}

static void plan_wake(struct world *w) {
    struct sim_driver *d = &w->driver;
    uint64_t due_ms = engine_due(d->engine), now_ms = world_clock_ms(w);

    if (due_ms >= d->wake_ms || (d->full && d->flight != NULL))
        return;
    d->wake_ms = due_ms;
    world_plan(w, due_ms <= now_ms ? ROUND_US : (due_ms - now_ms) * 1000, wake, NULL, d->life);
}
