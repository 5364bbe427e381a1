#include "sim/post_invariants.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "sim/post_witness.h"
#include "sim/sim_taken_back.h"
#include "sim/sometimes.h"
#include "sim/world.h"

enum {
    CALLS_PER_HOUR_MAX = 100,
    PROBE_MS = 60000, /* the longest pause of an endpoint in trouble */
};

/* ---- during a step ---- */

/* Somebody must be able to see it (G2). */
static bool is_dead(struct world *w, const struct parcel_view *view) {
    const struct branch *b = &view->transaction->branches[view->branch];

    if (b->operation[ROLE_CONFIRM].status != OPERATION_DEAD)
        return false;
    if (b->operation[ROLE_CONFIRM].attention_ms == 0)
        world_fail(w, FAILURE_CORRECTNESS, "G2", "%.*s~%.*s is dead, and nobody is told",
                   SLICE_PRINT(view->transaction->gid), SLICE_PRINT(b->id));
    return true;
}

static void check_figures(struct world *w, const struct channel *c) {
    const struct definition *d = engine_definition(c);
    struct channel_figures figures;
    uint64_t owed = 0, out = 0, ready = 0, dead = 0;

    engine_channel_figures(c, &figures);
    for (const struct parcel *p = engine_parcel_next(c, NULL); p != NULL; p = engine_parcel_next(c, p)) {
        struct parcel_view view;

        engine_parcel_view(p, &view);
        owed++;
        out += view.out;
        ready += view.ready;
        dead += is_dead(w, &view);
        if (view.behind)
            SOMETIMES(order_kept);
        if (view.parked)
            SOMETIMES(key_parked);
        if (view.parked && !d->outlet.park_key)
            world_fail(w, FAILURE_CORRECTNESS, "order", "%.*s waits at %.*s behind a dead one of its key",
                       SLICE_PRINT(view.transaction->gid), SLICE_PRINT(d->name));
        if (status_is_final(view.transaction->status))
            world_fail(w, FAILURE_CORRECTNESS, "I-R1", "%.*s: a final message is still queued",
                       SLICE_PRINT(d->name));
    }
    if (owed != figures.owed || out != figures.out || ready != figures.ready || dead != figures.dead)
        world_fail(w, FAILURE_CORRECTNESS, "I-R1",
                   "%.*s: %llu owed, %llu out, %llu ready; its figures differ", SLICE_PRINT(d->name),
                   (unsigned long long)owed, (unsigned long long)out, (unsigned long long)ready);
}

/* What is ready and has room goes at once, or after its endpoint's next pause. */
static void check_busy(struct world *w, const struct channel *c) {
    const struct definition *d = engine_definition(c);
    uint64_t due_ms = engine_due(w->driver.engine);
    struct channel_figures channel;
    struct engine_figures all;

    engine_channel_figures(c, &channel);
    engine_figures(w->driver.engine, &all);
    if (channel.ready == 0 || d->paused || d->outlet.url.length == 0 ||
        all.calls_open >= w->swarm.calls_max || channel.out > 0 || due_ms <= w->driver.last_now_ms + PROBE_MS)
        return;
    world_fail(w, FAILURE_CORRECTNESS, "liveness", "%.*s: %llu are ready, none is out, and nothing is due",
               SLICE_PRINT(d->name), (unsigned long long)channel.ready);
}

static void check_limit(struct world *w, const struct channel *c) {
    const struct definition *d = engine_definition(c);
    struct sim_channel *known = channel_named(w, d->kind, d->name);
    uint64_t calls = 0;

    if (known != NULL && d->outlet.concurrency > known->concurrency_max)
        known->concurrency_max = d->outlet.concurrency; /* memory runs ahead of the disk */

    for (const struct parcel *p = engine_parcel_next(c, NULL); p != NULL; p = engine_parcel_next(c, p)) {
        struct parcel_view view;

        engine_parcel_view(p, &view);
        calls += view.out && view.lease_ms == 0;
    }
    if (known != NULL && calls > known->concurrency_max)
        world_fail(w, FAILURE_CORRECTNESS, "I-R1", "%.*s: %llu out, at most %u", SLICE_PRINT(d->name),
                   (unsigned long long)calls, known->concurrency_max);
}

/* Nothing leaves for a channel that is paused. */
static void check_paused(struct world *w, const struct call *call) {
    const struct transaction *t = engine_by_id(w->driver.engine, call->transaction);
    const struct channel *c;

    if (t == NULL || t->mode < MODE_MESSAGE || (t->mode == MODE_MESSAGE && call->role == ROLE_FORWARD))
        return;
    c = engine_channel(w->driver.engine,
                       t->mode == MODE_NOTICE ? DEFINITION_ENDPOINT : DEFINITION_SUBSCRIPTION,
                       call->branch_id);
    if (c == NULL || engine_definition(c)->paused)
        world_fail(w, FAILURE_CORRECTNESS, "suspend", "%.*s is paused, and %.*s is sent to it",
                   SLICE_PRINT(call->branch_id), SLICE_PRINT(call->gid));
}

void post_invariants_step(struct world *w, const struct effects *effects, size_t calls_before) {
    const struct channel *c = NULL;

    if (w->channel_count == 0)
        return;
    for (size_t i = calls_before; i < effects->call_count; i++)
        check_paused(w, &effects->calls[i]);
    while ((c = engine_channel_next(w->driver.engine, c)) != NULL) {
        check_figures(w, c);
        check_limit(w, c);
        check_busy(w, c);
    }
}

/* ---- at a send ---- */

static bool is_ordered(const struct delivery *d) {
    return d->channel->outlet.ordered && !d->channel->order_moved &&
           d->post->witness.request->message->head.key.length > 0;
}

static bool same_key(const struct delivery *a, const struct delivery *b) {
    return a->channel == b->channel && slice_equal(a->post->witness.request->message->head.key,
                                                   b->post->witness.request->message->head.key);
}

/* Everything of its key that was committed earlier is over; or dead, where that does not hold up its key. */
static void check_order(struct world *w, const struct delivery *d) {
    if (!is_ordered(d) || (d->o.ever_dead && !d->channel->outlet.park_key))
        return;
    for (uint32_t i = 0; i < w->post_count; i++)
        for (uint32_t k = 0; k < w->posts[i]->witness.delivery_count; k++) {
            const struct delivery *other = w->posts[i]->witness.deliveries[k];
            bool steps_aside = other->o.ever_dead && !other->channel->outlet.park_key;

            if (other->place >= d->place || post_operation_over(&other->o) || steps_aside ||
                !same_key(d, other))
                continue;
            world_fail(w, FAILURE_CORRECTNESS, "order", "%.*s goes to %.*s before %.*s of its key is over",
                       SLICE_PRINT(d->post->gid), SLICE_PRINT(d->channel->name),
                       SLICE_PRINT(other->post->gid));
        }
}

static void check_words(struct world *w, const struct post *p, const struct call *call) {
    const struct message_request *m = p->witness.request->message;
    const struct branch_request *b = p->witness.request->branches;
    bool good = slice_is(call->operation, operation_word(p->mode, call->role));

    if (p->mode == MODE_MESSAGE && call->role == ROLE_FORWARD)
        good &= slice_equal(call->url, b->to[ROLE_FORWARD].url) && call->message == NULL;
    else
        good &= call->message != NULL && slice_equal(call->body, m->body) && call->url.length > 0 &&
                slice_equal(call->message->id, p->gid) && slice_equal(call->message->topic, m->head.topic) &&
                slice_equal(call->message->key, m->head.key);
    if (!good)
        world_fail(w, FAILURE_CORRECTNESS, "I-G6", "%.*s: the call is not what was asked for",
                   SLICE_PRINT(p->gid));
}

static void check_pace(struct world *w, const struct post *p, const struct call *call,
                       const struct post_operation *o, struct errand *errand) {
    uint64_t hours = w->now_us / (UINT64_C(3600) * 1000000) + 1;

    if (o->verdict != VERDICT_WORKING)
        errand->sends++;
    if (errand->sends > CALLS_PER_HOUR_MAX * hours + 3 * w->figures.crashes)
        world_fail(w, FAILURE_LIVENESS, "hot-loop", "%.*s.%.*s is called %u times", SLICE_PRINT(p->gid),
                   SLICE_PRINT(call->branch_id), errand->sends);
    if (o->next_ms > world_clock_ms(w) && o->next_ms > w->driver.last_now_ms)
        world_fail(w, FAILURE_CORRECTNESS, p->mode == MODE_NOTICE ? "I-N4" : "never-early",
                   "%.*s.%.*s attempt %u leaves %llu ms early", SLICE_PRINT(p->gid),
                   SLICE_PRINT(call->branch_id), call->attempt,
                   (unsigned long long)(o->next_ms - world_clock_ms(w)));
}

static void check_mode(struct world *w, const struct post *p, const struct call *call) {
    const struct post_witness *t = &p->witness;

    if (p->mode == MODE_MESSAGE && call->role == ROLE_FORWARD && t->decision != DECISION_NONE)
        world_fail(w, FAILURE_CORRECTNESS, "I-M3", "%.*s: a check-back leaves after the decision",
                   SLICE_PRINT(p->gid));
    if (call->role == ROLE_CONFIRM && t->decision != DECISION_COMMIT)
        world_fail(w, FAILURE_CORRECTNESS, "I-M1", "%.*s is delivered without a commit decision",
                   SLICE_PRINT(p->gid));
    if (p->mode == MODE_NOTICE &&
        (call->attempt > t->recorded || call->attempt > t->request->message->schedule_count))
        world_fail(w, FAILURE_CORRECTNESS, "I-N1", "%.*s: attempt %u of %u recorded", SLICE_PRINT(p->gid),
                   call->attempt, t->recorded);
}

void post_invariants_call(struct world *w, struct post *p, const struct call *call) {
    const char *missing = post_witness_allows(p, call->branch, call->role, call->attempt);
    struct errand *errand = post_errand_of(p, call->branch, call->role);
    struct delivery *d = post_delivery_at(p, call->branch);

    if (p->witness.id != 0)
        check_mode(w, p, call);
    if (missing != NULL) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G3", "%.*s.%.*s attempt %u: %s", SLICE_PRINT(p->gid),
                   SLICE_PRINT(call->branch_id), call->attempt, missing);
        return;
    }
    if (taken_back_has(&w->driver.taken_back, call->transaction))
        world_fail(w, FAILURE_CORRECTNESS, "P1", "%.*s was taken back and is called", SLICE_PRINT(p->gid));
    if (call->transaction != p->witness.id)
        world_fail(w, FAILURE_CORRECTNESS, "I-G3", "%.*s: a call of another message", SLICE_PRINT(p->gid));
    if (errand->open > 0)
        world_fail(w, FAILURE_CORRECTNESS, "I-G7", "%.*s.%.*s: two attempts at once", SLICE_PRINT(p->gid),
                   SLICE_PRINT(call->branch_id));
    if (call->attempt <= errand->last_sent && p->purged_id == 0 && w->driver.jumped_ms == 0)
        world_fail(w, FAILURE_CORRECTNESS, "G5", "%.*s.%.*s: attempt %u leaves twice", SLICE_PRINT(p->gid),
                   SLICE_PRINT(call->branch_id), call->attempt);
    errand->last_sent = call->attempt;
    check_words(w, p, call);
    check_pace(w, p, call, post_operation_of(p, call->branch, call->role), errand);
    if (d != NULL)
        check_order(w, d);
}

/* ---- at a pull ---- */

void post_invariants_leased(struct world *w, const struct told *told) {
    for (uint32_t i = 0; i < told->pulled_count; i++) {
        const struct post *p = post_find(w, told->pulled[i].gid);
        const struct delivery *d = p == NULL ? NULL : post_delivery(p, told->pulled[i].name);
        const char *missing = d == NULL                       ? "its delivery is not durable"
                              : d->o.dead && !d->said_refused ? "it is dead"
                                                              : NULL;

        if (d != NULL && post_operation_over(&d->o))
            continue; /* acked by another consumer in the same turn; as one may refuse it who had it before */
        if (told->pulled[i].until_ms <= w->driver.last_now_ms)
            continue; /* the lease was over before the answer left */
        if (missing != NULL)
            world_fail(w, FAILURE_CORRECTNESS, "I-G3", "%.*s is handed out: %s",
                       SLICE_PRINT(told->pulled[i].gid), missing);
        else
            check_order(w, d);
    }
}

/* ---- at an answer ---- */

static void check_submit(struct world *w, const struct ask *ask, const struct told *told) {
    struct post *p = ask->post;
    bool same = ask->other_body ? told->other_body : told->own_body;

    switch (told->kind) {
    case REPLY_ACCEPTED:
        if (!same)
            durable_untrue(w, ask, told, "G10", "another body was accepted");
        if (p->accepted_id == told->id && p->purged_id == 0)
            durable_untrue(w, ask, told, "I-G8", "accepted twice");
        p->accepted_id = told->id;
        p->told_accepted |= !ask->other_body;
        break;
    case REPLY_REPEATED:
        SOMETIMES(message_repeated);
        if (!same)
            durable_untrue(w, ask, told, "G10", "taken for a repeat of another body");
        p->told_accepted |= !ask->other_body;
        break;
    case REPLY_OTHER_BODY:
        if (same)
            durable_untrue(w, ask, told, "G10", "a repeat was refused");
        break;
    case REPLY_FULL:
    case REPLY_NO_MEMORY:
        break;
    default:
        durable_untrue(w, ask, told, "G10", "no answer to a submit");
    }
}

/* I-M4: the first decision stands, and whoever asks for the opposite is told so. */
static void check_decision(struct world *w, const struct ask *ask, const struct told *told) {
    uint8_t asked = ask->kind == EVENT_COMMIT ? DECISION_COMMIT : DECISION_ROLLBACK;

    if (told->kind == REPLY_STATE && told->decision != asked)
        durable_untrue(w, ask, told, "I-M4", "agreed, but the decision is another");
    if (told->kind == REPLY_ALREADY_DECIDED && (told->decision == asked || told->decision == DECISION_NONE))
        durable_untrue(w, ask, told, "I-M4", "refused, but the decision is that one");
    if (told->kind == REPLY_ALREADY_DECIDED && ask->post->mode == MODE_MESSAGE)
        SOMETIMES(message_decided_otherwise);
    if (told->kind == REPLY_NOT_ALLOWED && (asked != DECISION_COMMIT || ask->post->mode == MODE_MESSAGE))
        durable_untrue(w, ask, told, "I-M4", "a decision is refused without a reason");
}

/* Nobody is told that it was taken back, and then it is there. */
static void check_taken_back(struct world *w, const struct ask *ask, const struct told *told) {
    if (told->id == ask->post->witness.id)
        durable_untrue(w, ask, told, "P1", "it is durable, and was said to be taken back");
    if (!taken_back_has(&w->driver.taken_back, told->id))
        durable_untrue(w, ask, told, "P1", "it was not taken back");
}

static void check_delivery(struct world *w, const struct ask *ask, const struct told *told) {
    const struct delivery *d = post_delivery(ask->post, ask->branch_id);

    if (told->kind == REPLY_STATE && d == NULL && ask->post->purged_id == 0)
        durable_untrue(w, ask, told, "I-G2", "obeyed, but there is no such delivery");
    if (d == NULL)
        return;
    if (told->kind == REPLY_STATE && ask->kind == EVENT_ACK && !d->o.done)
        durable_untrue(w, ask, told, "I-G2", "acked, but that is not durable");
    if (told->kind == REPLY_STATE && ask->kind == EVENT_NACK && ask->not_done && !d->o.refused &&
        !d->o.ever_dead)
        durable_untrue(w, ask, told, "I-G2", "refused, but that is not durable");
    if (told->kind == REPLY_STATE && (ask->kind == EVENT_DISCARD || ask->kind == EVENT_EDIT) &&
        !d->o.resolved)
        durable_untrue(w, ask, told, "I-G2", "discarded, but that is not durable");
    if (told->kind == REPLY_NOT_ALLOWED && ask->kind == EVENT_ACK && !d->o.refused && !d->o.resolved)
        durable_untrue(w, ask, told, "I-M2", "an ack is refused although the delivery is owed");
    if (told->kind == REPLY_NOT_ALLOWED && ask->kind == EVENT_ACK)
        SOMETIMES(ack_refused);
    if (told->kind == REPLY_NOT_ALLOWED && ask->kind >= EVENT_REPLAY)
        SOMETIMES(delivery_command_refused);
}

void post_invariants_answer(struct world *w, const struct ask *ask, const struct told *told) {
    struct post *p = ask->post;

    if (told->kind == 0 || told->event != ask->kind)
        world_fail(w, FAILURE_CORRECTNESS, "G11", "no answer to event %u", ask->kind);
    if (ask->kind == EVENT_PULL)
        post_invariants_leased(w, told);
    if (p == NULL)
        return;
    if (told->kind == TOLD_TAKEN_BACK) {
        check_taken_back(w, ask, told);
        return;
    }
    if (told->has && taken_back_has(&w->driver.taken_back, told->id))
        durable_untrue(w, ask, told, "P1", "it shows what was taken back");
    durable_check_told(w, durable_of_post(p), &p->shown, ask, told);
    if (ask->kind == EVENT_SUBMIT)
        check_submit(w, ask, told);
    if ((ask->kind == EVENT_COMMIT || ask->kind == EVENT_ROLLBACK) && told->has)
        check_decision(w, ask, told);
    if (ask->kind >= EVENT_ACK && ask->kind <= EVENT_EDIT && told->has)
        check_delivery(w, ask, told);
    if (ask->kind == EVENT_SUSPEND && told->kind == REPLY_STATE)
        durable_untrue(w, ask, told, "suspend",
                       "a message is suspended: its subscriptions are what is paused");
}

/* ---- at a consumer ---- */

void post_invariants_received(struct world *w, const struct delivery *d) {
    const struct post *p = d->post;

    if (!post_happened(p) && !p->untrue_commit && p->purged_id == 0 && !p->witness.other_body)
        world_fail(w, FAILURE_CORRECTNESS, "I-M1", "%.*s reaches %.*s, and its producer did not commit",
                   SLICE_PRINT(p->gid), SLICE_PRINT(d->channel->name));
}
