#include "sim/sim_operator.h"

#include "sim/sim_client.h"
#include "sim/sim_producer.h"
#include "sim/sometimes.h"
#include "sim/world.h"

enum {
    ACTS_MAX = 20,
    LOOK_US = 1000000,
    TEND_US = 5000000,
    REPLAYS_MAX = 2,
};

static struct dice *dice_of(struct world *w) {
    return world_dice(w, DICE_OPERATOR);
}

static struct ask to_channel(struct sim_channel *c, uint8_t kind) {
    return (struct ask){ .kind = kind, .channel = c, .branch = UINT16_MAX, .role = ROLE_COUNT };
}

static void send(struct world *w, struct ask ask) {
    sim_client_transmit(w, sim_client_make(w, NULL, ask));
}

static void define(struct world *w, struct sim_channel *c, uint32_t version) {
    struct ask ask = to_channel(c, EVENT_DEFINE);

    ask.definition = &c->versions[version];
    send(w, ask);
}

/* Until it is there. */
static void define_first(struct world *w, void *subject, uint64_t number) {
    struct sim_channel *c = subject;

    if (c->exists || c->asked_undefine)
        return;
    define(w, c, 0);
    world_plan(w, w->scripted ? 200000 : 700000, define_first, c, number + 1);
}

/* ---- deliveries ---- */

static void to_delivery(struct world *w, struct delivery *d, uint8_t kind) {
    struct ask ask = {
        .kind = kind, .post = d->post, .branch_id = d->channel->name, .branch = UINT16_MAX, .role = ROLE_COUNT
    };

    d->asked_replay |= kind == EVENT_REPLAY;
    d->asked_discard |= kind == EVENT_DISCARD;
    d->asked_edit |= kind == EVENT_EDIT;
    d->replays += kind == EVENT_REPLAY;
    d->tended_us = w->now_us;
    send(w, ask);
}

/* A dead one if there is one, else any. */
static struct delivery *pick_delivery(struct world *w, bool dead) {
    struct delivery *picked = NULL;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < w->post_count; i++)
        for (uint32_t k = 0; k < w->posts[i]->witness.delivery_count; k++) {
            struct delivery *d = w->posts[i]->witness.deliveries[k];

            if (dead != d->o.dead)
                continue;
            if (dice_below(dice_of(w), ++seen) == 0)
                picked = d;
        }
    return picked;
}

static void act_on_delivery(struct world *w) {
    static const uint8_t kinds[] = { EVENT_REPLAY, EVENT_REPLAY, EVENT_DISCARD, EVENT_EDIT };
    struct dice *dice = dice_of(w);
    uint8_t kind = kinds[dice_below(dice, 4)];
    struct delivery *d = pick_delivery(w, dice_below(dice, 4) > 0);

    if (d != NULL)
        to_delivery(w, d, kind);
}

/* ---- channels ---- */

static void pause(struct world *w, struct sim_channel *c, bool resume) {
    struct ask ask = to_channel(c, EVENT_PAUSE);

    ask.not_done = resume;
    c->asked_pause |= !resume;
    c->asked_resume |= resume;
    send(w, ask);
}

static void act_on_channel(struct world *w) {
    struct dice *dice = dice_of(w);
    struct sim_channel *c = &w->channels[dice_below(dice, w->channel_count)];
    uint32_t version = (uint32_t)dice_below(dice, CHANNEL_VERSIONS);

    switch (dice_below(dice, 8)) {
    case 0:
    case 1:
        pause(w, c, false);
        break;
    case 2:
    case 3:
        pause(w, c, true);
        break;
    case 4:
        c->asked_undefine = true;
        send(w, to_channel(c, EVENT_UNDEFINE));
        break;
    default:
        define(w, c, version);
    }
}

void sim_operator_meddle(struct world *w, struct sim_channel *c) {
    bool meddles = dice_chance(dice_of(w), w->swarm.operate / 4);

    if (meddles && !world_calm(w) && !w->scripted)
        define(w, c, (uint32_t)dice_below(dice_of(w), CHANNEL_VERSIONS));
}

static void act(struct world *w, void *subject, uint64_t number) {
    (void)subject;
    (void)number;
    if (world_calm(w))
        return;
    if (dice_below(dice_of(w), 2) == 0)
        act_on_channel(w);
    else
        act_on_delivery(w);
}

void sim_operator_begin(struct world *w) {
    struct dice *dice = dice_of(w);

    for (uint32_t i = 0; i < w->channel_count; i++)
        world_plan(w, w->channels[i].first_us, define_first, &w->channels[i], 0);
    for (uint32_t i = 0; i < ACTS_MAX && w->channel_count > 0 && !w->scripted; i++)
        if (dice_chance(dice, w->swarm.operate))
            world_plan(w, dice_below(dice, w->swarm.faults_ms * 1000), act, NULL, 0);
}

/* ---- when the faults are over ---- */

static void tend(struct world *w, struct delivery *d) {
    static const uint8_t kinds[] = { EVENT_REPLAY, EVENT_DISCARD, EVENT_EDIT };
    bool spent = d->poison || d->replays >= REPLAYS_MAX;
    uint8_t kind = kinds[dice_below(dice_of(w), 3)];

    if (!d->o.dead || (d->tended_us != 0 && w->now_us < d->tended_us + TEND_US))
        return;
    if (w->scripted)
        kind = d->replays == 0 ? EVENT_REPLAY : EVENT_DISCARD;
    else if (spent && kind == EVENT_REPLAY)
        kind = EVENT_DISCARD;
    to_delivery(w, d, kind);
}

static void look(struct world *w, void *subject, uint64_t number) {
    (void)subject;
    if (world_tended(w))
        return;
    for (uint32_t i = 0; i < w->channel_count; i++)
        if (w->channels[i].exists && w->channels[i].paused)
            pause(w, &w->channels[i], true);
    for (uint32_t i = 0; i < w->post_count; i++) {
        struct post *p = w->posts[i];

        if (p->mode == MODE_MESSAGE && p->witness.id != 0 && p->witness.decision == DECISION_NONE &&
            p->witness.request->branch_count == 0 && number % 3 == 0)
            sim_producer_returns(w, p);
        for (uint32_t k = 0; k < p->witness.delivery_count; k++)
            tend(w, p->witness.deliveries[k]);
    }
    world_plan(w, LOOK_US, look, NULL, number + 1);
}

void sim_operator_calm(struct world *w) {
    if (w->channel_count > 0 || w->post_count > 0)
        world_plan(w, LOOK_US, look, NULL, 0);
}
