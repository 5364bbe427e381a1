#include "sim/sim_step.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "sim/invariants.h"
#include "sim/sometimes.h"
#include "sim/world.h"

static uint64_t steady_ms(struct world *w) {
    uint64_t now_ms = world_clock_ms(w);

    if (now_ms < w->driver.last_now_ms)
        now_ms = w->driver.last_now_ms;
    w->driver.last_now_ms = now_ms;
    return now_ms;
}

/* What is about a message, a notification, a subscription or an endpoint. */
static void name_other(const struct ask *ask, struct event *event) {
    event->branch_id = ask->branch_id;
    event->pause_ms = ask->pause_ms;
    event->count = ask->count;
    event->definition = ask->definition;
    event->body = SLICE("edited");
    if (ask->post != NULL) {
        event->gid = ask->post->gid;
        event->subject = mode_kind(ask->post->mode);
        event->request = ask->other_body ? &ask->post->other : &ask->post->request;
    }
    if (ask->channel != NULL) {
        event->gid = ask->channel->name;
        event->definition_kind = ask->channel->kind;
    }
}

static struct event event_of(struct world *w, const struct arrival *a) {
    const struct ask *ask = a->ask;
    struct event event = {
        .kind = a->kind,
        .lookup = a->lookup,
        .now_ms = steady_ms(w),
        .random = dice_u64(world_dice(w, DICE_ENGINE)),
        .namespace_name = SLICE("default"),
        .outcome = a->kind == EVENT_OUTCOME ? &a->outcome : NULL,
    };

    if (ask == NULL)
        return event;
    event.ticket = ask->number;
    event.role = ask->role;
    event.decision = ask->decision;
    event.not_done = ask->not_done;
    event.who = SLICE("somebody");
    event.text = SLICE("because");
    if (ask->plan == NULL) {
        name_other(ask, &event);
        return event;
    }
    event.gid = ask->plan->gid;
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

/* The history has been read; its answer is stepped at once, before any row that is folded later is told to
 * the engine. That is the order in which the store's thread posts them. */
static void look_up(struct world *w, void *subject, uint64_t number) {
    struct arrival *a = subject;

    if (number != w->driver.life || !w->driver.up)
        return;
    a->lookup = LOOKUP_ABSENT;
    sim_driver_offer(w, a);
}

static void plan_look_up(struct world *w, const struct arrival *a) {
    struct arrival *copy = world_take(w, 1, sizeof *copy);

    SOMETIMES(history_asked);
    *copy = *a;
    world_plan(w, dice_delay(world_dice(w, DICE_DISK), w->swarm.sync_us), look_up, copy, w->driver.life);
}

static void read_history(struct world *w, struct event *event) {
    const struct stored_row *row;

    if (event->lookup == LOOKUP_NOT_DONE)
        return;
    row = sim_store_find(&w->store, event->subject == 0 ? (uint8_t)STORED_TRANSACTION : event->subject,
                         hash_stored(w->swarm.seed, event->namespace_name, event->gid), event->gid);
    if (row == NULL) {
        SOMETIMES(history_absent);
        return;
    }
    SOMETIMES(history_found);
    event->lookup = LOOKUP_FOUND;
    event->image = row->image;
}

static const struct transaction_request *request_of(const struct ask *ask, bool other) {
    if (ask->post != NULL)
        return other ? &ask->post->other : &ask->post->request;
    return other ? &ask->plan->other : &ask->plan->request;
}

static struct told told_of(const struct ask *ask, const struct reply *reply) {
    const struct transaction *t = reply->transaction;
    struct told told;
    uint16_t branch;
    uint8_t role;

    memset(&told, 0, sizeof told); /* its bytes are remembered under a key */
    told.kind = reply->kind;
    told.event = reply->event;
    if (t == NULL)
        return told;
    told.has = true;
    told.suspended = t->suspended;
    told.attention = transaction_attention(t, &branch, &role) != 0;
    told.own_body = memcmp(t->fingerprint, request_of(ask, false)->fingerprint, 32) == 0;
    told.other_body = memcmp(t->fingerprint, request_of(ask, true)->fingerprint, 32) == 0;
    told.status = t->status;
    told.decision = t->decision;
    told.cause = t->cause;
    told.branch_count = t->branch_count;
    told.seq = t->seq;
    told.id = t->id;
    return told;
}

/* Without entries of its own the gathering turn shows nothing that the one in flight does not have. */
static void seal(struct world *w, struct ask *ask, const struct told *told) {
    struct sim_driver *d = &w->driver;
    struct sim_turn *turn = d->gathering;

    if (turn->effects.entry_count == 0 && d->flight != NULL)
        turn = d->flight;
    if (turn->outgoing_count == turn->outgoing_capacity) {
        turn->outgoing_capacity = turn->outgoing_capacity == 0 ? 64 : turn->outgoing_capacity * 2;
        turn->outgoing = realloc(turn->outgoing, turn->outgoing_capacity * sizeof *turn->outgoing);
        if (turn->outgoing == NULL)
            abort();
    }
    turn->outgoing[turn->outgoing_count++] = (struct outgoing){ ask, *told };
}

/* What was said to this key is said again. True: that was it. */
static bool replay(struct world *w, struct ask *ask, uint8_t lookup) {
    const struct remembered *before;
    struct told told;

    if (ask == NULL || ask->keyed == NULL || lookup != LOOKUP_NOT_DONE)
        return false;
    if (ask->keyed->running == w->driver.life)
        return true;
    before = engine_answer_find(w->driver.engine, SLICE("default"), ask->keyed->key);
    if (before == NULL)
        return false;
    SOMETIMES(key_replayed);
    if (before->body.length != sizeof told) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G8", "a remembered answer comes back damaged");
        return true;
    }
    memcpy(&told, before->body.at, sizeof told);
    told.replayed = true;
    seal(w, ask, &told);
    return true;
}

static int save_answer(struct world *w, struct ask *ask, uint64_t about, uint16_t http, struct slice body) {
    struct remembered answer = { .about = about, .http = http, .body = body };

    memcpy(answer.fingerprint, ask->plan->request.fingerprint, sizeof answer.fingerprint);
    return engine_answer_save(w->driver.engine, SLICE("default"), ask->keyed->key, &answer, steady_ms(w),
                              &w->driver.gathering->effects);
}

/* Every other key is marked first, as by a request that waits: the answer takes the mark's place. */
static void remember(struct world *w, struct ask *ask, const struct told *told) {
    int result = ask->number % 2 == 0 ? 0 : save_answer(w, ask, told->id, 0, SLICE("mark"));

    if (result == 0)
        result = save_answer(w, ask, told->id, 200, slice_of((const char *)told, sizeof *told));
    if (result != 0)
        world_fail(w, FAILURE_CORRECTNESS, "I-G8", "an answer cannot be saved: %s", err_text(result));
}

void sim_step_show_trace(struct world *w) {
    struct buffer *trace = &w->driver.trace;

    w->digest = w->digest * UINT64_C(0x100000001b3) ^ hash_stable(buffer_slice(trace));
    if (w->say != NULL && trace->length > 0)
        fprintf(w->say, "%10.3f %.*s%s", (double)w->now_us / 1000, (int)trace->length, trace->at,
                trace->at[trace->length - 1] == '\n' ? "" : "\n");
    buffer_clear(trace);
}

/* Whoever had it before gave it back or let its lease end: that was an attempt. */
static void check_attempt(struct world *w, struct delivery *d, uint32_t attempt) {
    if (attempt <= d->held_attempt && d->post->purged_id == 0)
        world_fail(w, FAILURE_CORRECTNESS, "lease", "%.*s~%.*s is handed out twice as attempt %u",
                   SLICE_PRINT(d->post->gid), SLICE_PRINT(d->channel->name), attempt);
    d->held_attempt = attempt;
}

/* What a pull hands out is held from here on: nobody else may get it before its lease is over. */
static void copy_pulled(struct world *w, const struct effects *effects, struct told *told) {
    struct told_pulled *copy = world_take(w, effects->pulled_count, sizeof *copy);

    for (size_t i = 0; i < effects->pulled_count; i++) {
        const struct pulled *from = &effects->pulled[i];
        struct slice name = from->transaction->branches[from->branch].id;
        struct delivery *d;

        struct post *p = post_find(w, from->transaction->gid);

        copy[i].gid = world_text(w, "%.*s", SLICE_PRINT(from->transaction->gid));
        copy[i].name = world_text(w, "%.*s", SLICE_PRINT(name));
        copy[i].until_ms = from->until_ms;
        d = p == NULL ? NULL : post_delivery(p, name);
        if (d != NULL && d->held_until_ms > w->driver.last_now_ms)
            world_fail(w, FAILURE_CORRECTNESS, "lease", "%.*s~%.*s is handed out while somebody has it",
                       SLICE_PRINT(d->post->gid), SLICE_PRINT(name));
        if (d == NULL)
            continue;
        check_attempt(w, d, from->transaction->branches[from->branch].operation[ROLE_CONFIRM].attempt);
        d->held_until_ms = from->until_ms;
    }
    told->pulled = copy;
    told->pulled_count = (uint32_t)effects->pulled_count;
}

/* Whoever held it has let go. */
static void note_word(const struct ask *ask, const struct told *told) {
    struct delivery *d = ask->post == NULL ? NULL : post_delivery(ask->post, ask->branch_id);

    if (d != NULL && told->kind == REPLY_STATE && ask->kind >= EVENT_ACK && ask->kind <= EVENT_EDIT)
        d->held_until_ms = 0;
}

static void note_emission(struct world *w, const struct call *call) {
    struct sim_driver *d = &w->driver;
    const struct channel *c =
        call->message == NULL ? NULL : engine_channel(d->engine, DEFINITION_SUBSCRIPTION, call->branch_id);

    if (c == NULL)
        return;
    if (d->emission_count == d->emission_capacity) {
        d->emission_capacity = d->emission_capacity == 0 ? 64 : d->emission_capacity * 2;
        d->emissions = realloc(d->emissions, d->emission_capacity * sizeof *d->emissions);
        if (d->emissions == NULL)
            abort();
    }
    d->emissions[d->emission_count++] = (struct emission){ call->transaction, call->attempt, call->branch,
                                                           engine_definition(c)->outlet.ack == ACK_CALL };
}

int sim_step(struct world *w, const struct arrival *a) {
    struct sim_driver *d = &w->driver;
    struct effects *effects = &d->gathering->effects;
    struct event event = event_of(w, a);
    size_t calls_before = effects->call_count;
    int result;

    if (replay(w, a->ask, a->lookup))
        return 0;
    read_history(w, &event);
    result = engine_step(d->engine, &event, effects);
    w->figures.steps++;
    if (result == ERR_LIMIT) {
        SOMETIMES(turn_full);
        d->full = true;
    } else if (result != 0) {
        world_fail(w, FAILURE_CORRECTNESS, "I-R1", "a step fails: %s", err_text(result));
    }
    if (result != 0)
        return result;
    sim_step_show_trace(w);
    invariants_step(w, effects, calls_before);
    for (size_t i = calls_before; i < effects->call_count; i++)
        note_emission(w, &effects->calls[i]);
    if (a->ask != NULL && a->ask->keyed != NULL)
        a->ask->keyed->running = effects->load.ticket != 0 ? d->life : 0;
    if (effects->load.ticket != 0) {
        plan_look_up(w, a);
    } else if (a->ask != NULL) {
        struct told told = told_of(a->ask, &effects->reply);

        if (a->kind == EVENT_PULL)
            copy_pulled(w, effects, &told);
        else
            note_word(a->ask, &told);
        if (a->ask->keyed != NULL)
            remember(w, a->ask, &told); /* first: the reply must wait for the batch that remembers it */
        seal(w, a->ask, &told);
    }
    return 0;
}
