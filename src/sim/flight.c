#include "sim/flight.h"

#include <assert.h>

#include "sim/post_witness.h"
#include "sim/sim_client.h"
#include "sim/sim_consumer.h"
#include "sim/sim_producer.h"
#include "sim/sometimes.h"
#include "sim/world.h"

static uint64_t one_way_us(struct world *w, struct sim_participant *to) {
    struct dice *d = world_dice(w, DICE_NETWORK);
    uint64_t delay_us = dice_delay(d, w->scripted || world_calm(w) ? 1000 : w->swarm.delay_us);

    if (world_calm(w))
        return delay_us;
    if (dice_chance(d, w->swarm.clog))
        to->clogged_until_us = w->now_us + w->swarm.clog_ms * 1000;
    if (to->clogged_until_us > w->now_us)
        delay_us += to->clogged_until_us - w->now_us;
    return delay_us;
}

static bool is_lost(struct world *w) {
    bool lost = dice_chance(world_dice(w, DICE_NETWORK), w->swarm.lose);

    return lost && !world_calm(w) && !w->scripted;
}

/* The caller hears the outcome, once. */
static void hear(struct world *w, struct flight *f, const struct sim_answer *a) {
    struct arrival arrival = { .kind = EVENT_OUTCOME, .flight = f };

    if (f->answered)
        return;
    f->answered = true;
    if (f->life == 0) {
        sim_client_answered(w, f->plan, f->branch, a->verdict);
        return;
    }
    if (f->life != w->driver.life || !w->driver.up) {
        SOMETIMES(answer_after_crash);
        return;
    }
    w->driver.calls_open--;
    if (a->retry_after_ms > 0)
        *f->busy_until_us = w->now_us + a->retry_after_ms * UINT64_C(1000);
    --*f->open;
    arrival.outcome = (struct outcome){
        .transaction = f->transaction,
        .branch = f->branch,
        .role = f->role,
        .verdict = a->verdict,
        .attempt = f->attempt,
        .http = a->http,
        .retry_after_ms = a->retry_after_ms,
        .took_ms = (uint32_t)((w->now_us - f->sent_us) / 1000),
        .body = a->body,
    };
    sim_driver_offer(w, &arrival);
}

static void time_out(struct world *w, void *subject, uint64_t number) {
    const struct sim_answer a = { .verdict = VERDICT_UNKNOWN, .body = SLICE("no answer in time") };

    (void)number;
    hear(w, subject, &a);
}

struct returning {
    struct flight *flight;
    struct sim_answer answer;
};

static void come_back(struct world *w, void *subject, uint64_t number) {
    struct returning *back = subject;

    (void)number;
    if (back->flight->answered)
        SOMETIMES(call_late);
    hear(w, back->flight, &back->answer);
}

static struct sim_answer receive_post(struct world *w, struct flight *f, uint8_t reaction) {
    struct sim_participant *to = &w->participants[f->participant];
    struct sim_answer a = { .verdict = VERDICT_UNKNOWN, .body = SLICE("connection refused") };

    if (!world_calm(w) && dice_chance(world_dice(w, DICE_PARTICIPANT), w->swarm.down))
        to->down_until_us = w->now_us + w->swarm.down_ms * 1000;
    if (to->down_until_us > w->now_us && !world_calm(w)) {
        SOMETIMES(participant_down);
        return a;
    }
    if (f->delivery != NULL)
        return sim_consumer_receive(w, f->delivery, f->by_call, f->timeout_ms, reaction);
    if (f->post->mode == MODE_NOTICE)
        return sim_endpoint_receive(w, f->post, f->timeout_ms, reaction);
    return sim_producer_check(w, f->post, reaction);
}

static struct sim_answer receive(struct world *w, struct flight *f, uint8_t reaction) {
    struct deed *deed;
    struct sim_answer a;
    uint32_t effects_before;

    if (f->plan == NULL)
        return receive_post(w, f, reaction);
    deed = &f->plan->deeds[f->branch];
    effects_before = deed->effects[f->role];
    a = sim_participant_receive(w, f->plan, f->branch, f->role, f->body, f->timeout_ms, reaction);
    if (f->answered && deed->effects[f->role] > effects_before)
        SOMETIMES(call_effect_late);
    return a;
}

static void arrive(struct world *w, void *subject, uint64_t number) {
    struct flight *f = subject;
    struct sim_participant *to = &w->participants[f->participant];
    struct returning *back;

    if (world_failed(w))
        return;
    back = world_take(w, 1, sizeof *back);
    back->flight = f;
    back->answer = receive(w, f, number == 0 ? f->reaction : (uint8_t)REACT_WELL);
    world_say(w, "    %.*s.b%u role %u attempt %u arrives: %s",
              SLICE_PRINT(f->plan == NULL ? f->post->gid : f->plan->gid), f->branch, f->role, f->attempt,
              verdict_word(back->answer.verdict));
    if (back->answer.cut || is_lost(w)) {
        SOMETIMES(answer_lost);
        return;
    }
    world_plan(w, back->answer.delay_us + one_way_us(w, to), come_back, back, 0);
}

static void fail_at_once(struct world *w, struct flight *f, uint8_t verdict, struct slice sentence) {
    struct returning *back = world_take(w, 1, sizeof *back);

    back->flight = f;
    back->answer = (struct sim_answer){ .verdict = verdict, .body = sentence };
    world_plan(w, 100, come_back, back, 0);
}

/* Failures that keep the call from leaving, or break it before an answer. True: that was it. */
static bool fails_here(struct world *w, struct flight *f) {
    struct dice *d = world_dice(w, DICE_NETWORK);
    bool not_sent = dice_chance(d, w->swarm.not_sent), stale = dice_chance(d, w->swarm.stale);
    bool forbidden = dice_chance(d, w->swarm.forbidden);
    bool faulty = !world_calm(w) && !w->scripted && f->life != 0;

    if (f->reaction == REACT_NOT_SENT || (faulty && not_sent)) {
        SOMETIMES(call_not_sent);
        fail_at_once(w, f, VERDICT_NOT_SENT, SLICE("the breaker is open"));
        return true;
    }
    if (faulty && forbidden) {
        SOMETIMES(call_forbidden);
        fail_at_once(w, f, VERDICT_FORBIDDEN, SLICE("egress.allow does not list it"));
        return true;
    }
    if (f->reaction == REACT_STALE || (faulty && stale)) {
        SOMETIMES(call_stale);
        fail_at_once(w, f, VERDICT_STALE, SLICE("the connection was closed"));
        /* Half of them had reached the participant all the same. */
        return dice_below(d, 2) == 0;
    }
    return false;
}

static uint8_t reaction_to(struct world *w, struct flight *f) {
    if (f->plan != NULL)
        return sim_participant_reaction(w, f->plan, f->branch, f->role);
    return sim_consumer_reaction(w, f->delivery != NULL ? &f->delivery->errand : &f->post->call, true);
}

static void launch(struct world *w, struct flight *f) {
    struct sim_participant *to = &w->participants[f->participant];
    struct dice *d = world_dice(w, DICE_NETWORK);
    uint64_t timeout_us = f->timeout_ms * UINT64_C(1000);
    uint64_t delay_us = one_way_us(w, to);
    bool twice = dice_chance(d, w->swarm.duplicate);

    f->sent_us = w->now_us;
    f->reaction = reaction_to(w, f);
    if (fails_here(w, f))
        return;
    world_plan(w, timeout_us, time_out, f, 0);
    if (f->reaction == REACT_LOST || is_lost(w)) {
        SOMETIMES(call_lost);
        return;
    }
    if (f->reaction == REACT_LATE_EFFECT)
        delay_us += timeout_us + 50000;
    world_plan(w, delay_us, arrive, f, 0);
    if (f->reaction == REACT_TWICE || (twice && !world_calm(w) && !w->scripted)) {
        SOMETIMES(call_twice);
        world_plan(w, delay_us + dice_delay(d, 2 * timeout_us), arrive, f, 1);
    }
}

static bool by_call(const struct world *w, const struct call *call) {
    for (size_t i = w->driver.emission_count; i > 0; i--) {
        const struct emission *e = &w->driver.emissions[i - 1];

        if (e->transaction == call->transaction && e->branch == call->branch && e->attempt == call->attempt)
            return e->by_call;
    }
    return false;
}

/* Whose call it is, and where it goes. */
static void address(struct world *w, struct flight *f, const struct call *call) {
    struct sim_channel *c;
    struct errand *errand;

    f->plan = plan_find(w, call->gid);
    if (f->plan != NULL) {
        struct deed *deed = &f->plan->deeds[call->branch];

        f->participant = deed->participant;
        f->open = &deed->open[call->role];
        f->busy_until_us = &deed->busy_until_us[call->role];
        return;
    }
    f->post = post_find(w, call->gid);
    f->delivery = call->role == ROLE_CONFIRM ? post_delivery_at(f->post, call->branch) : NULL;
    f->by_call = f->delivery != NULL && by_call(w, call);
    c = f->post->mode == MODE_NOTICE ? channel_named(w, DEFINITION_ENDPOINT, call->branch_id)
        : f->delivery != NULL        ? f->delivery->channel
                                     : NULL;
    f->participant = c == NULL ? f->post->producer.participant : c->participant;
    errand = post_errand_of(f->post, call->branch, call->role);
    f->open = &errand->open;
    f->busy_until_us = &errand->busy_until_us;
}

void flight_send(struct world *w, const struct call *call) {
    struct flight *f = world_take(w, 1, sizeof *f);

    address(w, f, call);
    f->transaction = call->transaction;
    f->life = w->driver.life;
    f->branch = call->branch;
    f->role = call->role;
    f->attempt = call->attempt;
    f->timeout_ms = call->timeout_ms;
    f->body = world_text(w, "%.*s", SLICE_PRINT(call->body));
    w->driver.calls_open++;
    ++*f->open;
    launch(w, f);
}

void flight_send_own(struct world *w, struct plan *p, uint16_t branch, uint32_t attempt) {
    struct flight *f = world_take(w, 1, sizeof *f);
    const struct branch_request *b = &p->branches[branch];

    SOMETIMES(client_called);
    f->plan = p;
    f->participant = p->deeds[branch].participant;
    f->branch = branch;
    f->role = ROLE_FORWARD;
    f->attempt = attempt;
    f->timeout_ms = b->to[ROLE_FORWARD].timeout_ms;
    f->body = b->body;
    launch(w, f);
}
