#include "sim/flight.h"

#include <assert.h>

#include "sim/sim_client.h"
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
        f->plan->deeds[f->branch].busy_until_us[f->role] = w->now_us + a->retry_after_ms * UINT64_C(1000);
    f->plan->deeds[f->branch].open[f->role]--;
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

static void arrive(struct world *w, void *subject, uint64_t number) {
    struct flight *f = subject;
    struct deed *deed = &f->plan->deeds[f->branch];
    struct sim_participant *to = &w->participants[deed->participant];
    uint32_t effects_before = deed->effects[f->role];
    struct returning *back;

    if (world_failed(w))
        return;
    back = world_take(w, 1, sizeof *back);
    back->flight = f;
    back->answer = sim_participant_receive(w, f->plan, f->branch, f->role, f->body, f->timeout_ms,
                                           number == 0 ? f->reaction : (uint8_t)REACT_WELL);
    if (f->answered && deed->effects[f->role] > effects_before)
        SOMETIMES(call_effect_late);
    world_say(w, "    %.*s.b%u role %u attempt %u arrives: %s", SLICE_PRINT(f->plan->gid), f->branch, f->role,
              f->attempt, verdict_word(back->answer.verdict));
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

static void launch(struct world *w, struct flight *f) {
    struct deed *deed = &f->plan->deeds[f->branch];
    struct sim_participant *to = &w->participants[deed->participant];
    struct dice *d = world_dice(w, DICE_NETWORK);
    uint64_t timeout_us = f->timeout_ms * UINT64_C(1000);
    uint64_t delay_us = one_way_us(w, to);
    bool twice = dice_chance(d, w->swarm.duplicate);

    f->sent_us = w->now_us;
    f->reaction = sim_participant_reaction(w, f->plan, f->branch, f->role);
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

void flight_send(struct world *w, struct plan *p, const struct call *call) {
    struct flight *f = world_take(w, 1, sizeof *f);

    f->plan = p;
    f->transaction = call->transaction;
    f->life = w->driver.life;
    f->branch = call->branch;
    f->role = call->role;
    f->attempt = call->attempt;
    f->timeout_ms = call->timeout_ms;
    f->body = world_text(w, "%.*s", SLICE_PRINT(call->body));
    w->driver.calls_open++;
    p->deeds[call->branch].open[call->role]++;
    launch(w, f);
}

void flight_send_own(struct world *w, struct plan *p, uint16_t branch, uint32_t attempt) {
    struct flight *f = world_take(w, 1, sizeof *f);
    const struct branch_request *b = &p->branches[branch];

    SOMETIMES(client_called);
    f->plan = p;
    f->branch = branch;
    f->role = ROLE_FORWARD;
    f->attempt = attempt;
    f->timeout_ms = b->to[ROLE_FORWARD].timeout_ms;
    f->body = b->body;
    launch(w, f);
}
