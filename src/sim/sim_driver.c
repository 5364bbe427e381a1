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
#include "sim/sim_client.h"
#include "sim/sometimes.h"
#include "sim/world.h"

enum {
    RECOVERY_TURNS = 3,
    FOLD_ROWS_MAX = 16,
    FOLD_BYTES_MAX = 256 * 1024,
};

static void plan_turn(struct world *w);
static void plan_wake(struct world *w);

static void *grown(void *at, size_t count, size_t each) {
    void *now = realloc(at, count * each);

    if (now == NULL)
        abort();
    return now;
}

void sim_driver_init(struct world *w) {
    w->driver = (struct sim_driver){ .wake_ms = UINT64_MAX };
    effects_init(&w->driver.effects, LIMIT_TURN_BUFFER_BYTES);
    buffer_init(&w->driver.trace, 16 * 1024 * 1024);
    w->driver.effects.trace = &w->driver.trace;
}

void sim_driver_done(struct world *w) {
    struct sim_driver *d = &w->driver;

    coverage_take(d->engine);
    engine_free(d->engine);
    effects_done(&d->effects);
    buffer_done(&d->trace);
    free(d->arrivals);
    free(d->outgoing);
    free(d->asks);
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

struct ask *sim_driver_ask(struct world *w, uint32_t number) {
    assert(number > 0);
    assert(number <= w->driver.ask_count);
    return w->driver.asks[number - 1];
}

bool sim_driver_idle(const struct world *w) {
    return w->driver.state == DRIVER_IDLE && w->driver.arrival_count == 0 && !w->driver.folding;
}

/* ---- dying and coming back ---- */

static bool keeps(struct world *w, uint8_t disk_outcome) {
    bool heads = dice_below(world_dice(w, DICE_CRASH), 2) == 0;

    return disk_outcome == DISK_KEEPS || (disk_outcome == DISK_TOSSES && heads);
}

/* Everything in a batch that is durable now goes to the witnesses. */
static void witness_batch(struct world *w, const struct sim_batch *batch) {
    struct slice left = slice_of(batch->at, batch->length);

    while (left.length > 0 && !world_failed(w)) {
        struct stored_entry entry;

        if (journal_decode(&left, &entry) != 0) {
            world_fail(w, FAILURE_CORRECTNESS, "I-G2", "a batch cannot be read back");
            return;
        }
        witness_entry(w, &entry);
    }
}

static void batch_is_durable(struct world *w) {
    sim_store_append_done(&w->store);
    w->figures.batches++;
    witness_batch(w, &w->store.batches[w->store.batch_count - 1]);
}

static void restart(struct world *w, void *subject, uint64_t number) {
    (void)subject;
    (void)number;
    if (w->driver.state == DRIVER_DOWN)
        sim_driver_start(w);
}

static void jump_clock(struct world *w) {
    struct dice *d = world_dice(w, DICE_CLOCK);
    uint64_t draw = dice_u64(d);
    int64_t jump_ms;

    if (w->swarm.jump_ms == 0 || world_calm(w))
        return;
    jump_ms = (int64_t)(draw % (uint64_t)(2 * w->swarm.jump_ms + 1)) - w->swarm.jump_ms;
    w->driver.jump_ms += jump_ms;
    w->driver.jumped_ms += jump_ms < 0 ? -jump_ms : jump_ms;
    if (jump_ms != 0)
        SOMETIMES(clock_jumped);
    /* The daemon's clock never goes back, not even over a restart (event.h): an attempt that was due before
     * would not be due any more, and nobody would know that it may have been sent. */
    if (world_clock_ms(w) < w->driver.last_now_ms)
        w->driver.jump_ms += (int64_t)(w->driver.last_now_ms - world_clock_ms(w));
}

static void lose_memory(struct world *w) {
    struct sim_driver *d = &w->driver;

    if (d->calls_open > 0)
        SOMETIMES(crash_with_open_calls);
    coverage_take(d->engine);
    engine_free(d->engine);
    d->engine = NULL;
    d->arrival_count = 0;
    d->outgoing_count = 0;
    d->calls_open = 0;
    d->folding = false;
    d->turn_planned = false;
    d->wake_ms = UINT64_MAX;
    d->state = DRIVER_DOWN;
    for (uint32_t i = 0; i < w->plan_count; i++)
        for (uint16_t b = 0; b < w->plans[i].branch_count; b++) {
            memset(w->plans[i].deeds[b].open, 0, sizeof w->plans[i].deeds[b].open);
            memset(w->plans[i].deeds[b].busy_until_us, 0, sizeof w->plans[i].deeds[b].busy_until_us);
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

static int recover_rows(struct world *w, struct engine *e, const struct sim_store *store, struct why *why) {
    for (size_t i = 0; i < store->rows.count; i++) {
        const struct sim_row *row = &store->rows.at[i];
        int result = sim_store_shows(store, row) ? engine_recover_row(e, &row->row, why) : 0;

        if (result != 0)
            return result;
        if (!row->row.final)
            SOMETIMES(recover_from_rows);
        (void)w;
    }
    return 0;
}

static int recover_batches(struct engine *e, const struct sim_store *store, struct why *why) {
    for (size_t i = 0; i < store->batch_count; i++) {
        struct slice left = slice_of(store->batches[i].at, store->batches[i].length);

        while (left.length > 0) {
            struct stored_entry entry;
            const struct stored_row *row;
            int result = journal_decode(&left, &entry);

            if (result == 0)
                result = engine_recover_entry(e, store->batches[i].number, &entry, why);
            if (result != 0)
                return result;
            row = sim_store_row(store, entry.kind, entry.id);
            if (row != NULL && !row->final && entry.seq > row->seq)
                SOMETIMES(recover_row_and_entries);
        }
    }
    return 0;
}

static struct engine_options options_of(const struct world *w) {
    const struct swarm *s = &w->swarm;

    return (struct engine_options){
        .memory_max = 256u * 1024 * 1024,
        .unfinished_max = s->unfinished_max,
        .calls_max = s->calls_max,
        .attention_tries = s->attention_tries,
        .attention_ms = s->attention_ms,
        .working_ms = s->working_ms,
        .retain_finished_ms = s->retain_ms,
        .retain_failed_ms = s->retain_ms,
        .hash_seed = s->seed,
    };
}

struct engine *sim_driver_recover(struct world *w, const struct sim_store *store) {
    struct engine_options options = options_of(w);
    struct engine *e = NULL;
    struct why why = { .text = "" };
    int result = engine_new(&e, &options, &why);

    if (result == 0)
        result = recover_rows(w, e, store, &why);
    if (result == 0)
        result = recover_batches(e, store, &why);
    for (size_t i = 0; result == 0 && i < store->rows.count; i++)
        result = engine_recover_key(e, store->rows.at[i].row.kind, store->rows.at[i].row.key_hash);
    if (result != 0) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "recovery fails: %s: %s", err_text(result), why.text);
        engine_free(e);
        return NULL;
    }
    engine_recovered(e, world_clock_ms(w));
    return e;
}

void sim_driver_start(struct world *w) {
    struct sim_driver *d = &w->driver;

    assert(d->state == DRIVER_DOWN);
    d->recovering = d->life > 0;
    d->recovery_turns = d->life > 0 ? RECOVERY_TURNS : 0;
    d->life++;
    /* A crash anywhere in here is a crash here: recovery only reads. */
    if (d->recovering && sim_driver_point(w))
        return;
    d->engine = sim_driver_recover(w, &w->store);
    if (d->engine == NULL)
        return;
    world_say(w, "*** the coordinator is up, life %u", d->life);
    d->state = DRIVER_IDLE;
    invariants_recovered(w, d->engine);
    if (d->recovering && sim_driver_point(w))
        return;
    plan_wake(w);
}

/* ---- the turn ---- */

void sim_driver_offer(struct world *w, const struct arrival *arrival) {
    struct sim_driver *d = &w->driver;

    if (d->state == DRIVER_DOWN)
        return;
    if (d->arrival_count == d->arrival_capacity) {
        d->arrival_capacity = d->arrival_capacity == 0 ? 64 : d->arrival_capacity * 2;
        d->arrivals = grown(d->arrivals, d->arrival_capacity, sizeof *d->arrivals);
    }
    d->arrivals[d->arrival_count++] = *arrival;
    plan_turn(w);
}

static uint64_t steady_ms(struct world *w) {
    uint64_t now_ms = world_clock_ms(w);

    if (now_ms < w->driver.last_now_ms)
        now_ms = w->driver.last_now_ms;
    w->driver.last_now_ms = now_ms;
    return now_ms;
}

static struct event event_of(struct world *w, const struct arrival *a) {
    const struct ask *ask = a->ask;
    struct event event = {
        .kind = a->kind,
        .lookup = a->lookup,
        .now_ms = steady_ms(w),
        .random = dice_u64(world_dice(w, DICE_ENGINE)),
        .namespace_name = SLICE("default"),
        .image = a->image,
        .outcome = a->kind == EVENT_OUTCOME ? &a->outcome : NULL,
    };

    if (ask == NULL)
        return event;
    event.ticket = ask->number;
    event.gid = ask->plan->gid;
    event.role = ask->role;
    event.decision = ask->decision;
    event.not_done = ask->not_done;
    event.who = SLICE("somebody");
    event.text = SLICE("because");
    if (ask->kind == EVENT_SUBMIT)
        event.request = ask->other_body ? &ask->plan->other : &ask->plan->request;
    if (ask->branch == UINT16_MAX)
        return event;
    event.branch_id = ask->plan->branches[ask->branch].id;
    if (ask->kind == EVENT_REGISTER) {
        event.branch = &ask->plan->branches[ask->branch];
        event.fingerprint = ask->plan->branch_fingerprints[ask->branch];
    }
    return event;
}

static void look_up(struct world *w, void *subject, uint64_t number) {
    struct arrival *a = subject;
    const struct stored_row *row;
    struct slice gid = a->ask->plan->gid;

    if (number != w->driver.life || w->driver.state == DRIVER_DOWN)
        return;
    row = sim_store_find(&w->store, STORED_TRANSACTION, hash_pair_stable(SLICE("default"), gid), gid);
    a->lookup = row == NULL ? LOOKUP_ABSENT : LOOKUP_FOUND;
    if (row != NULL) {
        SOMETIMES(history_found);
        if (arena_copy(&w->arena, row->image, &a->image) != 0)
            abort();
    } else {
        SOMETIMES(history_absent);
    }
    sim_driver_offer(w, a);
}

static void plan_look_up(struct world *w, const struct arrival *a) {
    struct arrival *copy = world_take(w, 1, sizeof *copy);

    SOMETIMES(history_asked);
    *copy = *a;
    world_plan(w, dice_delay(world_dice(w, DICE_DISK), w->swarm.sync_us), look_up, copy, w->driver.life);
}

static struct told told_of(const struct plan *p, const struct reply *reply) {
    const struct transaction *t = reply->transaction;
    struct told told = { .kind = reply->kind, .event = reply->event };
    uint16_t branch;
    uint8_t role;

    if (t == NULL)
        return told;
    told.has = true;
    told.suspended = t->suspended;
    told.attention = transaction_attention(t, &branch, &role) != 0;
    told.own_body = memcmp(t->fingerprint, p->request.fingerprint, 32) == 0;
    told.other_body = memcmp(t->fingerprint, p->other.fingerprint, 32) == 0;
    told.status = t->status;
    told.decision = t->decision;
    told.cause = t->cause;
    told.branch_count = t->branch_count;
    told.seq = t->seq;
    told.id = t->id;
    return told;
}

static void capture_reply(struct world *w, struct ask *ask) {
    struct sim_driver *d = &w->driver;

    if (d->outgoing_count == d->outgoing_capacity) {
        d->outgoing_capacity = d->outgoing_capacity == 0 ? 64 : d->outgoing_capacity * 2;
        d->outgoing = grown(d->outgoing, d->outgoing_capacity, sizeof *d->outgoing);
    }
    d->outgoing[d->outgoing_count++] = (struct outgoing){ ask, told_of(ask->plan, &d->effects.reply) };
}

static void show_trace(struct world *w) {
    struct buffer *trace = &w->driver.trace;

    w->digest = w->digest * UINT64_C(0x100000001b3) ^ hash_stable(buffer_slice(trace));
    if (w->say != NULL && trace->length > 0)
        fprintf(w->say, "%10.3f %.*s%s", (double)w->now_us / 1000, (int)trace->length, trace->at,
                trace->at[trace->length - 1] == '\n' ? "" : "\n");
    buffer_clear(trace);
}

/* One step. ERR_LIMIT: the batch is full, the event comes again. */
static int step(struct world *w, const struct arrival *a) {
    struct sim_driver *d = &w->driver;
    struct event event = event_of(w, a);
    size_t calls_before = d->effects.call_count;
    int result = engine_step(d->engine, &event, &d->effects);

    w->figures.steps++;
    if (result != 0) {
        if (result != ERR_LIMIT)
            world_fail(w, FAILURE_CORRECTNESS, "I-R1", "a step fails: %s", err_text(result));
        return result;
    }
    show_trace(w);
    invariants_step(w, calls_before);
    if (d->effects.load.ticket != 0)
        plan_look_up(w, a);
    else if (a->ask != NULL)
        capture_reply(w, a->ask);
    return 0;
}

static void deliver_reply(struct world *w, void *subject, uint64_t number) {
    const struct outgoing *out = subject;

    (void)number;
    sim_client_told(w, out->ask, &out->told);
}

static void release_replies(struct world *w) {
    struct sim_driver *d = &w->driver;

    for (size_t i = 0; i < d->outgoing_count && !world_failed(w); i++) {
        struct dice *network = world_dice(w, DICE_NETWORK);
        struct outgoing *copy = world_take(w, 1, sizeof *copy);
        bool lost = dice_chance(network, w->swarm.lose) && !world_calm(w);

        *copy = d->outgoing[i];
        invariants_answer(w, copy->ask, &copy->told);
        if (!lost)
            world_plan(w, dice_delay(network, w->swarm.delay_us), deliver_reply, copy, 0);
    }
    d->outgoing_count = 0;
}

/* True: the process died half way. */
static bool send_calls(struct world *w) {
    struct sim_driver *d = &w->driver;

    for (size_t i = 0; i < d->effects.call_count && !world_failed(w); i++) {
        const struct call *call = &d->effects.calls[i];

        invariants_call(w, call);
        if (world_failed(w))
            return true;
        w->figures.calls++;
        flight_send(w, plan_find(w, call->gid), call);
        if (sim_driver_point(w)) {
            SOMETIMES(crash_in_envelope);
            return true;
        }
    }
    return false;
}

static void fold_finished(struct world *w, void *subject, uint64_t number);

static void fold(struct world *w) {
    struct sim_driver *d = &w->driver;
    struct stored_row rows[FOLD_ROWS_MAX];
    uint64_t keep_from =
        w->store.batch_last > w->swarm.keep_batches ? w->store.batch_last - w->swarm.keep_batches : 0;
    struct arena arena;
    size_t count;

    if (d->folding)
        return;
    arena_init(&arena, 16 * 1024, 64 * 1024 * 1024);
    d->turns_since_fold = 0;
    count = engine_fold(d->engine, keep_from, rows, w->swarm.fold_rows, FOLD_BYTES_MAX, &arena);
    if (count > 0) {
        d->folding = true;
        for (size_t i = 0; i < count; i++)
            if (rows[i].kind == STORED_TRANSACTION && !rows[i].final)
                SOMETIMES(fold_unfinished);
        sim_store_fold(&w->store, rows, count);
        world_plan(w, dice_delay(world_dice(w, DICE_DISK), w->swarm.sync_us), fold_finished, NULL, d->life);
    }
    arena_done(&arena);
}

static void purge(struct world *w) {
    const struct stored_row *row;

    for (uint32_t i = 0; i < w->plan_count; i++) {
        struct plan *p = &w->plans[i];

        row = p->witness.id == 0 ? NULL : sim_store_row(&w->store, STORED_TRANSACTION, p->witness.id);
        p->in_history = row != NULL;
    }
    if (sim_store_purge(&w->store, world_clock_ms(w)) == 0)
        return;
    SOMETIMES(purged);
    for (uint32_t i = 0; i < w->plan_count; i++) {
        struct plan *p = &w->plans[i];

        row = p->witness.id == 0 ? NULL : sim_store_row(&w->store, STORED_TRANSACTION, p->witness.id);
        if (p->in_history && row == NULL)
            p->purged_id = p->witness.id;
    }
}

static void fold_finished(struct world *w, void *subject, uint64_t number) {
    struct sim_driver *d = &w->driver;
    bool fails = dice_chance(world_dice(w, DICE_DISK), w->swarm.fold_error) && !world_calm(w);
    uint64_t replaced = w->store.replaced;

    (void)subject;
    if (number != d->life || d->state == DRIVER_DOWN)
        return;
    d->folding = false;
    if (fails) {
        SOMETIMES(fold_failed);
        sim_store_fold_failed(&w->store);
        engine_fold_failed(d->engine);
        return;
    }
    sim_store_fold_done(&w->store);
    if (sim_driver_point(w))
        return;
    engine_folded(d->engine);
    if (w->store.replaced > replaced)
        SOMETIMES(fold_replaced);
    if (engine_trim_point(d->engine) > w->store.batch_trimmed) {
        SOMETIMES(trimmed);
        sim_store_trim(&w->store, engine_trim_point(d->engine));
    }
    purge(w);
    if (w->store.broken != NULL)
        world_fail(w, FAILURE_CORRECTNESS, "G2", "store: %s", w->store.broken);
}

static void open_envelope(struct world *w) {
    struct sim_driver *d = &w->driver;

    if (!MUTANT(answer_before_sync))
        release_replies(w);
    if (!MUTANT(send_before_log) && send_calls(w))
        return;
    d->state = DRIVER_IDLE;
    if (d->recovery_turns > 0)
        d->recovery_turns--;
    d->recovering = d->recovery_turns > 0;
    if (++d->turns_since_fold >= w->swarm.fold_every)
        fold(w);
    plan_wake(w);
    plan_turn(w);
}

static void durable(struct world *w) {
    engine_durable(w->driver.engine, w->driver.batch);
    if (world_failed(w))
        return;
    if (sim_driver_point(w)) {
        SOMETIMES(crash_before_open);
        return;
    }
    open_envelope(w);
}

static void append_finished(struct world *w, void *subject, uint64_t number);

static void append(struct world *w) {
    struct sim_driver *d = &w->driver;

    d->state = DRIVER_SYNCING;
    sim_store_append(&w->store, d->batch, buffer_slice(&d->effects.entries));
    if (w->store.broken != NULL)
        world_fail(w, FAILURE_CORRECTNESS, "G2", "store: %s", w->store.broken);
    world_plan(w, dice_delay(world_dice(w, DICE_DISK), w->swarm.sync_us) + 20, append_finished, NULL,
               d->life);
}

static void append_again(struct world *w, void *subject, uint64_t number) {
    (void)subject;
    if (number == w->driver.life && w->driver.state == DRIVER_WAITING)
        append(w);
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
    sim_store_append_failed(&w->store);
    if (MUTANT(unknown_append_trusted)) {
        durable(w);
        return;
    }
    d->state = DRIVER_WAITING;
    world_plan(w, dice_delay(world_dice(w, DICE_DISK), w->swarm.sync_us), append_again, NULL, d->life);
}

static void append_finished(struct world *w, void *subject, uint64_t number) {
    struct sim_driver *d = &w->driver;
    struct dice *disk = world_dice(w, DICE_DISK);
    bool unknown = dice_chance(disk, w->swarm.append_unknown);
    bool full = dice_chance(disk, w->swarm.append_full);
    bool error = dice_chance(disk, w->swarm.append_error);

    (void)subject;
    if (number != d->life || d->state != DRIVER_SYNCING)
        return;
    if (sim_driver_point(w))
        return;
    if (error && !world_calm(w)) {
        SOMETIMES(append_failed);
        sim_driver_crash(w, DISK_TOSSES);
    } else if (full && !world_calm(w)) {
        SOMETIMES(append_no_space);
        sim_store_append_failed(&w->store);
        d->state = DRIVER_WAITING;
        world_plan(w, w->swarm.full_ms * 1000, append_again, NULL, d->life);
    } else if (unknown && !world_calm(w)) {
        append_unknown(w);
    } else {
        batch_is_durable(w);
        durable(w);
    }
}

static void turn(struct world *w, void *subject, uint64_t number) {
    struct sim_driver *d = &w->driver;
    size_t taken = 0;

    (void)subject;
    if (number != d->life)
        return;
    d->turn_planned = false;
    if (d->state != DRIVER_IDLE || d->arrival_count == 0)
        return;
    w->figures.turns++;
    d->batch = w->store.batch_last + 1;
    effects_clear(&d->effects);
    engine_turn(d->engine, d->batch);
    for (; taken < d->arrival_count; taken++) {
        if (step(w, &d->arrivals[taken]) != 0)
            break;
        if (world_failed(w))
            return;
        if (sim_driver_point(w)) {
            SOMETIMES(crash_in_turn);
            return;
        }
    }
    if (taken > 4)
        SOMETIMES(turn_of_many);
    memmove(d->arrivals, d->arrivals + taken, (d->arrival_count - taken) * sizeof *d->arrivals);
    d->arrival_count -= taken;
    if (MUTANT(answer_before_sync))
        release_replies(w);
    if (MUTANT(send_before_log) && send_calls(w))
        return;
    if (d->effects.entry_count == 0)
        open_envelope(w);
    else
        append(w);
}

static void plan_turn(struct world *w) {
    struct sim_driver *d = &w->driver;

    if (d->turn_planned || d->state != DRIVER_IDLE || d->arrival_count == 0)
        return;
    d->turn_planned = true;
    world_plan(w, 10, turn, NULL, d->life);
}

/* ---- ticks ---- */

static void wake(struct world *w, void *subject, uint64_t number) {
    struct sim_driver *d = &w->driver;
    const struct arrival tick = { .kind = EVENT_TICK };

    (void)subject;
    if (number != d->life || d->state == DRIVER_DOWN)
        return;
    d->wake_ms = UINT64_MAX;
    if (d->state == DRIVER_IDLE && engine_due(d->engine) <= world_clock_ms(w))
        sim_driver_offer(w, &tick);
    else
        plan_wake(w);
}

static void plan_wake(struct world *w) {
    struct sim_driver *d = &w->driver;
    uint64_t due_ms, now_ms = world_clock_ms(w);

    if (d->state != DRIVER_IDLE)
        return;
    due_ms = engine_due(d->engine);
    if (due_ms >= d->wake_ms)
        return;
    d->wake_ms = due_ms;
    world_plan(w, due_ms <= now_ms ? 10 : (due_ms - now_ms) * 1000, wake, NULL, d->life);
}

void sim_driver_keep_house(struct world *w) {
    if (w->driver.state == DRIVER_IDLE)
        fold(w);
}
