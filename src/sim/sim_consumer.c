#include "sim/sim_consumer.h"

#include <assert.h>

#include "sim/post_invariants.h"
#include "sim/sim_client.h"
#include "sim/sim_operator.h"
#include "sim/sometimes.h"
#include "sim/world.h"

static struct dice *dice_of(struct world *w) {
    return world_dice(w, DICE_PARTICIPANT);
}

uint8_t sim_consumer_reaction(struct world *w, struct errand *errand, bool may_refuse) {
    struct dice *d = dice_of(w);
    const struct swarm *s = &w->swarm;

    if (w->scripted)
        return errand->script_at < errand->script_length ? errand->script[errand->script_at++]
                                                         : (uint8_t)REACT_WELL;
    if (world_calm(w))
        return REACT_WELL;
    if (dice_chance(d, s->working))
        return REACT_WORKING;
    if (dice_chance(d, s->error_before))
        return REACT_ERROR_BEFORE;
    if (dice_chance(d, s->error_after))
        return REACT_ERROR_AFTER;
    if (dice_chance(d, s->slow_down))
        return REACT_SLOW_DOWN;
    if (dice_chance(d, s->late))
        return REACT_LATE_ANSWER;
    if (may_refuse && dice_chance(d, s->refuse / 2))
        return REACT_REFUSE;
    return REACT_WELL;
}

static struct sim_answer answer(uint8_t verdict, uint16_t http, struct slice body) {
    return (struct sim_answer){ .verdict = verdict, .http = http, .body = body };
}

static struct sim_answer slow_down(struct world *w) {
    struct sim_answer a = answer(VERDICT_SLOW_DOWN, 503, SLICE("busy"));

    a.retry_after_ms = dice_below(dice_of(w), 3) == 0 ? 0 : (uint32_t)dice_between(dice_of(w), 10, 30000);
    return a;
}

/* ---- the work ---- */

static bool is_poison(struct world *w, struct delivery *d) {
    bool poison = dice_chance(dice_of(w), w->swarm.poison);

    if (!d->poison_drawn && !w->scripted)
        d->poison = poison && !world_calm(w);
    d->poison_drawn = true;
    return d->poison;
}

static void work(struct delivery *d) {
    if (d->channel->inbox && d->effects > 0)
        SOMETIMES(inbox_absorbed);
    else
        d->effects++;
    if (d->effects > 1)
        SOMETIMES(worked_twice);
}

static void receive(struct world *w, struct delivery *d) {
    d->received++;
    if (d->received > 1)
        SOMETIMES(delivered_again);
    post_invariants_received(w, d);
}

/* ---- acks by call ---- */

static struct ask about(struct delivery *d, uint8_t kind) {
    return (struct ask){
        .kind = kind, .post = d->post, .branch_id = d->channel->name, .branch = UINT16_MAX, .role = ROLE_COUNT
    };
}

void sim_consumer_note(const struct ask *ask) {
    struct delivery *d = post_delivery(ask->post, ask->branch_id);

    if (d != NULL && ask->kind == EVENT_ACK)
        d->said_done = true;
    if (d != NULL && ask->kind == EVENT_NACK && ask->not_done)
        d->said_refused = true;
}

static void send_later(struct world *w, struct ask ask, uint64_t in_us) {
    sim_client_later(w, sim_client_make(w, NULL, ask), in_us);
}

/* It has done its work and says so: in time, late, twice. */
static void ack(struct world *w, struct delivery *d, uint64_t lease_us) {
    struct dice *dice = dice_of(w);
    bool late = dice_chance(dice, w->swarm.ack_late) && !world_calm(w) && !w->scripted;
    bool twice = dice_chance(dice, w->swarm.ack_twice) && !w->scripted;
    uint64_t in_us = w->scripted ? 20000 : dice_delay(dice, 200000);

    if (late) {
        SOMETIMES(ack_late);
        in_us += lease_us;
    }
    send_later(w, about(d, EVENT_ACK), in_us);
    if (twice)
        send_later(w, about(d, EVENT_ACK), in_us + dice_delay(dice, 1000000));
}

static void nack(struct world *w, struct delivery *d, bool refuses) {
    struct dice *dice = dice_of(w);
    struct ask ask = about(d, EVENT_NACK);

    ask.not_done = refuses;
    ask.pause_ms = dice_below(dice, 2) == 0 ? 0 : (uint32_t)dice_between(dice, 10, 10000);
    if (refuses)
        SOMETIMES(nack_refused);
    else
        SOMETIMES(nacked);
    send_later(w, ask, w->scripted ? 20000 : dice_delay(dice, 100000));
}

/* A delivery that is acked by call is in a consumer's hands until lease_us from now. */
static void handle(struct world *w, struct delivery *d, uint64_t lease_us, uint8_t reaction) {
    struct dice *dice = dice_of(w);
    bool vanishes = dice_chance(dice, w->swarm.vanish), works_first = dice_below(dice, 2) == 0;
    bool nacks = dice_chance(dice, w->swarm.nack);
    bool poison = is_poison(w, d);

    if (w->scripted)
        vanishes = reaction == REACT_LOST || reaction == REACT_CUT, works_first = reaction == REACT_CUT;
    else if (world_calm(w))
        vanishes = nacks = false;
    if (vanishes) {
        SOMETIMES(consumer_vanished);
        if (works_first)
            work(d);
        return;
    }
    if (poison || reaction == REACT_REFUSE) {
        nack(w, d, true);
        return;
    }
    if (nacks || reaction == REACT_SLOW_DOWN) {
        nack(w, d, false);
        return;
    }
    work(d);
    ack(w, d, lease_us);
}

/* ---- pushes ---- */

static struct sim_answer take_push(struct world *w, struct delivery *d, bool by_call, uint8_t reaction) {
    bool poison = is_poison(w, d);

    if (by_call && reaction != REACT_REFUSE) {
        handle(w, d, d->channel->outlet.ack_timeout_ms * UINT64_C(1000), reaction);
        return answer(VERDICT_DONE, 202, SLICE_NONE);
    }
    if ((poison || reaction == REACT_REFUSE) && !(d->channel->inbox && d->effects > 0)) {
        d->said_refused = true;
        SOMETIMES(push_refused);
        return answer(VERDICT_REFUSED, 409, SLICE("not this one"));
    }
    work(d);
    d->said_done = true;
    return answer(VERDICT_DONE, 200, SLICE_NONE);
}

struct sim_answer sim_consumer_receive(struct world *w, struct delivery *d, bool by_call, uint32_t timeout_ms,
                                       uint8_t reaction) {
    struct sim_answer a;

    receive(w, d);
    sim_operator_meddle(w, d->channel);
    if (reaction == REACT_ERROR_BEFORE)
        return answer(VERDICT_UNKNOWN, 500, SLICE("broken"));
    if (reaction == REACT_SLOW_DOWN && !by_call)
        return slow_down(w);
    if (reaction == REACT_WORKING)
        return answer(VERDICT_WORKING, 425, SLICE_NONE);
    a = take_push(w, d, by_call, reaction);
    a.delay_us = dice_delay(dice_of(w), 2000);
    if (reaction == REACT_ERROR_AFTER)
        a = answer(VERDICT_UNKNOWN, 500, SLICE("broken after all"));
    if (reaction == REACT_LATE_ANSWER)
        a.delay_us = timeout_ms * UINT64_C(1000) + dice_delay(dice_of(w), 500000);
    a.cut = reaction == REACT_CUT;
    return a;
}

/* ---- pulls ---- */

void sim_consumer_told(struct world *w, struct ask *ask, const struct told *told) {
    (void)ask;
    for (uint32_t i = 0; i < told->pulled_count; i++) {
        struct delivery *d = post_delivery(post_find(w, told->pulled[i].gid), told->pulled[i].name);
        uint64_t now_ms = world_clock_ms(w), until_ms = told->pulled[i].until_ms;

        if (d == NULL)
            continue; /* of an earlier life of its id */
        SOMETIMES(pulled);
        receive(w, d);
        handle(w, d, until_ms > now_ms ? (until_ms - now_ms) * 1000 : 0,
               w->scripted ? sim_consumer_reaction(w, &d->errand, true) : (uint8_t)REACT_WELL);
    }
}

static bool ever_pulls(const struct sim_channel *c) {
    for (int i = 0; i < CHANNEL_VERSIONS; i++)
        if (c->versions[i].outlet.topic.length > 0 && c->versions[i].outlet.url.length == 0)
            return true;
    return false;
}

static void pull(struct world *w, void *subject, uint64_t number) {
    struct sim_channel *c = subject;
    struct dice *dice = dice_of(w);
    struct ask ask = { .kind = EVENT_PULL, .channel = c, .branch = UINT16_MAX, .role = ROLE_COUNT };
    uint64_t in_us = world_calm(w) ? 2000000 : dice_between(dice, 100000, 4000000);

    (void)number;
    if (world_tended(w))
        return;
    ask.count = w->scripted ? 5 : (uint32_t)dice_between(dice, 1, 5);
    ask.pause_ms = w->scripted || dice_below(dice, 2) == 0 ? 0 : (uint32_t)dice_between(dice, 500, 30000);
    sim_client_transmit(w, sim_client_make(w, NULL, ask));
    world_plan(w, w->scripted ? 300000 : in_us, pull, c, 0);
}

void sim_consumer_begin(struct world *w) {
    for (uint32_t i = 0; i < w->channel_count; i++)
        if (w->channels[i].kind == DEFINITION_SUBSCRIPTION && ever_pulls(&w->channels[i]))
            world_plan(w, 50000, pull, &w->channels[i], 0);
}

/* ---- notifications ---- */

static struct sim_answer greet(struct world *w, struct post *p, uint8_t reaction) {
    const struct message_request *m = p->witness.request->message;
    bool gone =
        w->scripted ? reaction == REACT_REFUSE : dice_chance(dice_of(w), w->swarm.gone) && !world_calm(w);
    struct sim_channel *c = channel_named(w, DEFINITION_ENDPOINT, m->only);

    if (gone) {
        p->sent_gone = true;
        c->said_gone = true;
        return answer(VERDICT_UNKNOWN, 410, SLICE("gone"));
    }
    if (reaction == REACT_REFUSE)
        return answer(VERDICT_REFUSED, 409, SLICE("no"));
    if (m->success_body.length > 0 && reaction == REACT_WORKING) {
        SOMETIMES(notice_wrong_body);
        return answer(VERDICT_DONE, 200, SLICE("failed"));
    }
    if (m->success_http != 0 && reaction == REACT_WORKING) {
        SOMETIMES(notice_wrong_status);
        return answer(VERDICT_DONE, 202, m->success_body);
    }
    if (reaction == REACT_WORKING)
        return answer(VERDICT_WORKING, 425, SLICE_NONE);
    p->sent_well = true;
    return answer(VERDICT_DONE, 200, SLICE(" OK\n"));
}

struct sim_answer sim_endpoint_receive(struct world *w, struct post *p, uint32_t timeout_ms,
                                       uint8_t reaction) {
    struct sim_answer a;

    if (reaction == REACT_ERROR_BEFORE)
        return answer(VERDICT_UNKNOWN, 500, SLICE("broken"));
    if (reaction == REACT_SLOW_DOWN)
        return slow_down(w);
    if (reaction == REACT_ERROR_AFTER)
        return answer(VERDICT_UNKNOWN, 500, SLICE("broken after all"));
    a = greet(w, p, reaction);
    a.delay_us = dice_delay(dice_of(w), 2000);
    if (reaction == REACT_LATE_ANSWER)
        a.delay_us = timeout_ms * UINT64_C(1000) + dice_delay(dice_of(w), 500000);
    a.cut = reaction == REACT_CUT;
    return a;
}
