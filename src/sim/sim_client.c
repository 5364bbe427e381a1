#include "sim/sim_client.h"

#include <assert.h>

#include "sim/flight.h"
#include "sim/sim_consumer.h"
#include "sim/sim_producer.h"
#include "sim/sometimes.h"
#include "sim/world.h"

enum {
    SHOWS_MAX = 30,
    OWN_CALLS_MAX = 3,
};

static struct dice *dice_of(struct world *w) {
    return world_dice(w, DICE_CLIENT);
}

/* ---- the network between a client and the coordinator ---- */

static void arrive(struct world *w, void *subject, uint64_t number) {
    struct ask *ask = subject;
    const struct arrival arrival = { .kind = ask->kind, .ask = ask };

    (void)number;
    sim_driver_offer(w, &arrival);
}

static void note_evidence(struct ask *ask) {
    struct plan *p = ask->plan;

    if (ask->post != NULL) {
        sim_producer_note(ask);
        sim_consumer_note(ask);
    }
    if (p == NULL)
        return;
    switch (ask->kind) {
    case EVENT_SUBMIT:
        p->asked_other |= ask->other_body;
        break;
    case EVENT_COMMIT:
        p->asked_commit = true;
        break;
    case EVENT_ROLLBACK:
        p->asked_rollback = true;
        break;
    case EVENT_RETRY:
        p->asked_nudge = true;
        p->nudges++;
        break;
    case EVENT_SUSPEND:
        p->asked_suspend = true;
        break;
    case EVENT_FORCE:
        p->asked_force = true;
        break;
    case EVENT_RESOLVE:
        p->asked_resolve = true;
        break;
    default:
        break;
    }
}

void sim_client_transmit(struct world *w, struct ask *ask) {
    struct dice *network = world_dice(w, DICE_NETWORK);
    bool lost = dice_chance(network, w->swarm.lose) && !world_calm(w);
    bool twice = dice_chance(network, w->swarm.duplicate) && !world_calm(w);
    uint64_t delay_us = dice_delay(network, w->swarm.delay_us);

    note_evidence(ask);
    ask->sent_us = w->now_us;
    if (!lost)
        world_plan(w, delay_us, arrive, ask, 0);
    if (twice)
        world_plan(w, delay_us + dice_delay(network, 1000000), arrive, ask, 0);
}

struct ask *sim_client_make(struct world *w, struct plan *p, struct ask ask) {
    struct ask *made = sim_driver_new_ask(w, p, ask.kind);
    uint32_t number = made->number;

    *made = ask;
    made->number = number;
    made->plan = p;
    return made;
}

static void transmit_later(struct world *w, void *subject, uint64_t number) {
    (void)number;
    sim_client_transmit(w, subject);
}

void sim_client_later(struct world *w, struct ask *ask, uint64_t in_us) {
    world_plan(w, in_us, transmit_later, ask, 0);
}

void sim_client_send(struct world *w, struct plan *p, struct ask ask) {
    sim_client_transmit(w, sim_client_make(w, p, ask));
}

static struct ask plain(uint8_t kind) {
    return (struct ask){ .kind = kind, .branch = UINT16_MAX, .role = ROLE_COUNT };
}

/* ---- the client's own way through its transaction ---- */

static void go_on(struct world *w, struct plan *p);

static void ask_again(struct world *w, void *subject, uint64_t number) {
    struct plan *p = subject;

    if (p->client.waiting_for == number && !p->client.dead && p->client.stage != CLIENT_GONE) {
        if (p->client.stage == CLIENT_SUBMITTING)
            SOMETIMES(submit_before_answer);
        go_on(w, p);
    }
}

/* Ask, and ask again until there is an answer. */
static void ask_and_wait(struct world *w, struct plan *p, struct ask ask) {
    struct ask *made = sim_client_make(w, p, ask);

    p->client.waiting_for = made->number;
    sim_client_transmit(w, made);
    world_plan(w, dice_between(dice_of(w), 500000, 4000000), ask_again, p, made->number);
}

static void go_on_later(struct world *w, void *subject, uint64_t number) {
    struct plan *p = subject;

    if (p->client.waiting_for == 0 && p->client.steps == number && !p->client.dead)
        go_on(w, p);
}

static void pause_then_go_on(struct world *w, struct plan *p, uint64_t low_us, uint64_t high_us) {
    p->client.waiting_for = 0;
    world_plan(w, dice_between(dice_of(w), low_us, high_us), go_on_later, p, ++p->client.steps);
}

static void decide(struct world *w, struct plan *p) {
    bool both = dice_chance(dice_of(w), w->swarm.race) && !world_calm(w);

    ask_and_wait(w, p, plain(p->client.wants_rollback ? EVENT_ROLLBACK : EVENT_COMMIT));
    if (both && !p->client.wants_rollback)
        sim_client_send(w, p, plain(EVENT_ROLLBACK));
}

static void go_on(struct world *w, struct plan *p) {
    struct client *c = &p->client;
    struct ask ask;

    switch (c->stage) {
    case CLIENT_SUBMITTING:
        ask_and_wait(w, p, plain(EVENT_SUBMIT));
        break;
    case CLIENT_REGISTERING:
        ask = plain(EVENT_REGISTER);
        ask.branch = c->next_branch;
        ask_and_wait(w, p, ask);
        break;
    case CLIENT_CALLING:
        c->waiting_for = 0;
        c->tries++;
        flight_send_own(w, p, c->next_branch, c->tries);
        break;
    case CLIENT_DECIDING:
        decide(w, p);
        break;
    case CLIENT_WATCHING:
        if (c->polls++ < SHOWS_MAX || world_calm(w))
            ask_and_wait(w, p, plain(EVENT_SHOW));
        else
            c->stage = CLIENT_GONE;
        break;
    default:
        break;
    }
}

static void turn_to(struct world *w, struct plan *p, enum client_stage stage) {
    p->client.stage = (uint8_t)stage;
    pause_then_go_on(w, p, 100, 20000);
}

static void after_branch(struct world *w, struct plan *p) {
    p->client.tries = 0;
    if (++p->client.next_branch < p->branch_count)
        turn_to(w, p, CLIENT_REGISTERING);
    else
        turn_to(w, p, CLIENT_DECIDING);
}

static void roll_back(struct world *w, struct plan *p) {
    p->client.wants_rollback = true;
    turn_to(w, p, CLIENT_DECIDING);
}

void sim_client_answered(struct world *w, struct plan *p, uint16_t branch, uint8_t verdict) {
    struct client *c = &p->client;

    if (c->dead || c->stage != CLIENT_CALLING || c->next_branch != branch)
        return;
    if (verdict == VERDICT_DONE)
        after_branch(w, p);
    else if (verdict == VERDICT_REFUSED || c->tries >= OWN_CALLS_MAX)
        roll_back(w, p);
    else
        pause_then_go_on(w, p, 10000, 500000);
}

static void submitted(struct world *w, struct plan *p, const struct told *told) {
    if (told->kind == REPLY_FULL || told->kind == REPLY_NO_MEMORY || told->kind == TOLD_TAKEN_BACK) {
        pause_then_go_on(w, p, 200000, 2000000);
        return;
    }
    if (told->kind == REPLY_OTHER_BODY) {
        SOMETIMES(other_body_won);
        p->client.stage = CLIENT_GONE;
        return;
    }
    if (p->request.drive == DRIVE_CLIENT && told->decision == DECISION_NONE && !status_is_final(told->status))
        turn_to(w, p, CLIENT_REGISTERING);
    else
        turn_to(w, p, CLIENT_WATCHING);
}

static void registered(struct world *w, struct plan *p, const struct told *told) {
    if (told->kind == REPLY_STATE) {
        SOMETIMES(branch_registered);
        turn_to(w, p, CLIENT_CALLING);
    } else if (told->kind == REPLY_NO_MEMORY) {
        pause_then_go_on(w, p, 200000, 2000000);
    } else {
        turn_to(w, p, CLIENT_WATCHING);
    }
}

static void watched(struct world *w, struct plan *p, const struct told *told) {
    if (!told->has || status_is_final(told->status))
        p->client.stage = CLIENT_GONE;
    else
        pause_then_go_on(w, p, 500000, 8000000);
}

void sim_client_told(struct world *w, struct ask *ask, const struct told *told) {
    struct plan *p = ask->plan;
    struct client *c = p == NULL ? NULL : &p->client;

    ask->answered = true;
    if (ask->kind == EVENT_PULL)
        sim_consumer_told(w, ask, told);
    else if (ask->post != NULL)
        sim_producer_told(w, ask, told);
    if (c == NULL)
        return;
    if (c->dead || c->waiting_for != ask->number)
        return;
    c->waiting_for = 0;
    switch (c->stage) {
    case CLIENT_SUBMITTING:
        submitted(w, p, told);
        break;
    case CLIENT_REGISTERING:
        registered(w, p, told);
        break;
    case CLIENT_DECIDING:
        turn_to(w, p, CLIENT_WATCHING);
        break;
    default:
        watched(w, p, told);
    }
}

/* ---- everybody else ---- */

static void start(struct world *w, void *subject, uint64_t number) {
    (void)number;
    go_on(w, subject);
}

static void die(struct world *w, void *subject, uint64_t number) {
    struct plan *p = subject;

    (void)number;
    if (!world_calm(w) && p->client.stage != CLIENT_GONE) {
        SOMETIMES(client_died);
        p->client.dead = true;
    }
}

/* A prepared ask whose time has come. */
static void interfere(struct world *w, void *subject, uint64_t number) {
    struct ask *ask = subject;

    (void)number;
    if (!world_calm(w))
        sim_client_transmit(w, ask);
}

void sim_client_plan(struct world *w, struct plan *p, struct ask ask, uint64_t at_us) {
    world_plan(w, at_us > w->now_us ? at_us - w->now_us : 0, interfere, sim_client_make(w, p, ask), 0);
}

static void draw_racers(struct world *w, struct plan *p, struct dice *d) {
    uint64_t spread_us = w->swarm.faults_ms * 1000 - p->start_us;
    bool rollback = dice_chance(d, w->swarm.race / 4), commit = dice_chance(d, w->swarm.race / 4);
    uint64_t rollback_us = dice_below(d, 6000000), commit_us = dice_below(d, 6000000);
    bool early_repeat = dice_chance(d, w->swarm.repeat), late_repeat = dice_chance(d, w->swarm.repeat);
    uint64_t early_us = dice_below(d, 1000000), late_us = dice_below(d, spread_us + 1);
    bool reuse = dice_chance(d, w->swarm.reuse);
    uint64_t reuse_us = dice_below(d, 2) == 0 ? dice_below(d, 1000000) : dice_below(d, spread_us + 1);
    struct ask other = plain(EVENT_SUBMIT);

    other.other_body = true;
    if (rollback)
        sim_client_plan(w, p, plain(EVENT_ROLLBACK), p->start_us + rollback_us);
    if (commit && p->request.drive == DRIVE_SERVER)
        sim_client_plan(w, p, plain(EVENT_COMMIT), p->start_us + commit_us);
    if (early_repeat)
        sim_client_plan(w, p, plain(EVENT_SUBMIT), p->start_us + early_us);
    if (late_repeat)
        sim_client_plan(w, p, plain(EVENT_SUBMIT), p->start_us + late_us);
    if (reuse)
        sim_client_plan(w, p, other, p->start_us + reuse_us);
}

/* A branch registered by somebody who does not know that the decision has fallen. */
static void register_late(struct world *w, void *subject, uint64_t number) {
    struct plan *p = subject;
    struct ask ask = plain(EVENT_REGISTER);

    (void)number;
    if (p->shown.decision == DECISION_NONE || p->purged_id != 0)
        return;
    ask.branch = p->branch_count; /* the one that plan.c made for this */
    sim_client_send(w, p, ask);
}

/* An operator's act, in half of the cases under an Idempotency-Key and then two or three times. */
static void plan_keyed(struct world *w, struct plan *p, struct ask ask, uint64_t at_us, struct dice *d) {
    bool keyed = dice_below(d, 2) == 0;
    uint64_t again_us = dice_below(d, 3000000), later_us = dice_below(d, 60000000);

    if (keyed) {
        ask.keyed = world_take(w, 1, sizeof *ask.keyed);
        ask.keyed->key = world_text(w, "key-%u-%u", p->number, ask.kind);
        sim_client_plan(w, p, ask, at_us + again_us);
        sim_client_plan(w, p, ask, at_us + again_us + later_us);
    }
    sim_client_plan(w, p, ask, at_us);
}

static void draw_operators(struct world *w, struct plan *p, struct dice *d) {
    bool suspends = dice_chance(d, w->swarm.operate), nudges = dice_chance(d, w->swarm.operate);
    bool resumes = dice_below(d, 3) > 0;
    bool forces = dice_chance(d, w->swarm.force), resolves = dice_chance(d, w->swarm.force);
    uint64_t suspend_us = p->start_us + dice_below(d, 4000000);
    uint64_t resume_us = suspend_us + dice_below(d, 60000000);
    uint64_t nudge_us = p->start_us + dice_below(d, 60000000);
    uint64_t force_us = p->start_us + dice_below(d, 60000000);
    struct ask ask = plain(EVENT_RETRY);

    ask.branch = dice_below(d, 2) == 0 ? UINT16_MAX : (uint16_t)dice_below(d, p->branch_count);
    if (nudges)
        plan_keyed(w, p, ask, nudge_us, d);
    if (suspends)
        plan_keyed(w, p, plain(EVENT_SUSPEND), suspend_us, d);
    if (suspends && resumes)
        plan_keyed(w, p, plain(EVENT_RESUME), resume_us, d);
    ask = plain(EVENT_FORCE);
    ask.decision = dice_below(d, 2) == 0 ? DECISION_COMMIT : DECISION_ROLLBACK;
    if (forces)
        sim_client_plan(w, p, ask, force_us);
    ask = plain(EVENT_RESOLVE);
    ask.branch = (uint16_t)dice_below(d, p->branch_count);
    ask.role = dice_below(d, 2) == 0 ? ROLE_COUNT : (uint8_t)dice_below(d, ROLE_COUNT);
    ask.not_done = dice_below(d, 2) == 0;
    if (resolves)
        plan_keyed(w, p, ask, force_us + 1000000, d);
    if (resolves && p->request.drive == DRIVE_SERVER) {
        sim_client_plan(w, p, plain(EVENT_COMMIT), force_us + 5000000);
        sim_client_plan(w, p, plain(EVENT_ROLLBACK), force_us + 6000000);
    }
}

void sim_client_begin(struct world *w, struct plan *p) {
    struct dice own, operators, *d = &own;

    /* Dice of its own: another plan that is dropped takes none of this one's draws along. */
    dice_init(&own, w->swarm.seed * 1009 + p->number, DICE_CLIENT);
    dice_init(&operators, w->swarm.seed * 1009 + p->number, DICE_OPERATOR);
    bool dies = dice_chance(d, w->swarm.death), late = dice_chance(d, w->swarm.register_late);
    uint64_t death_us = p->start_us + dice_below(d, 10000000);
    uint64_t late_us = p->start_us + dice_below(d, w->swarm.faults_ms * 1000);

    world_plan(w, p->start_us, start, p, 0);
    if (dies)
        world_plan(w, death_us, die, p, 0);
    if (late && p->request.drive == DRIVE_CLIENT)
        world_plan(w, late_us, register_late, p, 0);
    draw_racers(w, p, &own);
    draw_operators(w, p, &operators);
}

/* An operator looks every second, for two minutes, whether something is suspended still. */
static void resume_again(struct world *w, void *subject, uint64_t number) {
    struct plan *p = subject;

    if (p->witness.suspended && !status_is_final(p->witness.status))
        sim_client_send(w, p, plain(EVENT_RESUME));
    if (number < 120)
        world_plan(w, 1000000, resume_again, p, number + 1);
}

void sim_client_calm(struct world *w) {
    for (uint32_t i = 0; i < w->plan_count; i++)
        if (w->plans[i].asked_suspend)
            world_plan(w, 1000000, resume_again, &w->plans[i], 0);
}
