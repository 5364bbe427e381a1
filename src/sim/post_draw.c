#include <assert.h>
#include <string.h>

#include "sim/post.h"
#include "sim/world.h"

enum {
    TOPICS = 3,
    REFUSED_TOPICS = 2,
    SCHEDULE_MAX = 6,
    OUTGOING_MAX = 3,
};

static struct dice *dice_of(struct world *w) {
    return world_dice(w, DICE_POST);
}

static uint32_t draw_timeout(struct dice *d) {
    static const uint32_t timeouts_ms[] = { 50, 300, 1000, 5000, 5000, 20000 };

    return timeouts_ms[dice_below(d, 6)];
}

static struct slice draw_topic(struct world *w) {
    return world_text(w, "t%u", (unsigned)dice_below(dice_of(w), TOPICS));
}

/* ---- channels ---- */

static void draw_outlet(struct world *w, struct sim_channel *c, struct outlet *o) {
    struct dice *d = dice_of(w);
    bool subscription = c->kind == DEFINITION_SUBSCRIPTION;
    bool pull = subscription && dice_below(d, 3) == 0;
    bool refused_only = dice_below(d, 5) == 0;

    o->topic = !subscription  ? SLICE_NONE
               : refused_only ? world_text(w, "r%u", (unsigned)dice_below(d, REFUSED_TOPICS))
                              : draw_topic(w);
    o->url = pull ? SLICE_NONE
                  : world_text(w, "http://127.0.0.1:%u/%.*s", 9000u + c->participant, SLICE_PRINT(c->name));
    o->ack = subscription && dice_below(d, 3) == 0 ? ACK_CALL : ACK_RESPONSE;
    o->ordered = subscription && dice_below(d, 2) == 0;
    o->park_key = dice_below(d, 2) == 0;
    o->concurrency = (uint32_t)(dice_below(d, 3) == 0 ? 1 : dice_between(d, 1, 8));
    o->timeout_ms = draw_timeout(d);
    o->ack_timeout_ms = (uint32_t)dice_between(d, 500, 30000);
    o->retry = (struct retry_policy){
        .first_ms = (uint32_t)dice_between(d, 10, 2000),
        .factor_percent = (uint32_t)dice_between(d, 150, 300),
        .max_ms = (uint32_t)dice_between(d, 60000, 240000),
        .for_ms = dice_below(d, 2) == 0 ? 0 : (uint32_t)dice_between(d, 500, 20000),
    };
    if (dice_below(d, 2) == 0 && !refused_only && subscription) /* refusals of refusals would never end */
        o->refused_topic = world_text(w, "r%u", (unsigned)dice_below(d, REFUSED_TOPICS));
    if (!subscription)
        o->retry.for_ms = 0;
}

/* Later versions keep the topic: who owes what to whom would be hard to say otherwise. */
static void draw_versions(struct world *w, struct sim_channel *c) {
    for (uint32_t i = 0; i < CHANNEL_VERSIONS; i++) {
        struct definition *v = &c->versions[i];

        *v = (struct definition){ .kind = c->kind, .name = c->name };
        draw_outlet(w, c, &v->outlet);
        v->source = world_text(w, "{\"version\":%u}", i);
        if (i == 0)
            continue;
        v->outlet.topic = c->versions[0].outlet.topic;
        if (i == 1 && c->kind == DEFINITION_SUBSCRIPTION)
            v->outlet.ack = c->versions[0].outlet.ack == ACK_CALL ? ACK_RESPONSE : ACK_CALL;
        if (slice_starts(v->outlet.topic, "r"))
            v->outlet.refused_topic = SLICE_NONE;
        if (dice_below(dice_of(w), 2) == 0) {
            v->outlet.ordered = c->versions[0].outlet.ordered;
            v->outlet.park_key = c->versions[0].outlet.park_key;
        }
    }
}

void post_draw_channels(struct world *w) {
    struct dice *d = dice_of(w);

    w->channel_count = w->swarm.subscriptions + w->swarm.endpoints;
    w->channels = world_take(w, w->channel_count, sizeof *w->channels);
    for (uint32_t i = 0; i < w->channel_count; i++) {
        struct sim_channel *c = &w->channels[i];
        bool subscription = i < w->swarm.subscriptions;

        c->kind = subscription ? DEFINITION_SUBSCRIPTION : DEFINITION_ENDPOINT;
        c->name = world_text(w, subscription ? "s%u" : "e%u", i);
        c->participant = (uint16_t)dice_below(d, w->participant_count);
        c->inbox = dice_below(d, 3) > 0;
        c->first_us = dice_below(d, 4) == 0 ? dice_below(d, w->swarm.faults_ms * 700) : 0;
        draw_versions(w, c);
    }
}

/* ---- what messages and notifications carry ---- */

static void draw_head(struct world *w, struct message_request *m, bool is_notice) {
    struct dice *d = dice_of(w);
    bool keyed = dice_below(d, 5) < 3;
    unsigned key = (unsigned)dice_below(d, 3);

    m->head.topic = is_notice ? SLICE("event") : draw_topic(w);
    m->head.content_type = SLICE("text/plain");
    m->head.key = keyed ? world_text(w, "k%u", key) : SLICE_NONE;
    m->body = world_text(w, "body %u", (unsigned)dice_below(d, 1000));
    if (!is_notice && dice_below(d, 3) == 0)
        m->delay_ms = (uint32_t)dice_between(d, 10, 20000);
}

static struct slice draw_endpoint(struct world *w) {
    uint32_t count = w->swarm.endpoints;
    uint64_t pick = dice_below(dice_of(w), count == 0 ? 1 : count);

    return count == 0 ? SLICE("nowhere") : w->channels[w->swarm.subscriptions + pick].name;
}

static void draw_schedule(struct world *w, struct message_request *m) {
    struct dice *d = dice_of(w);
    uint32_t *waits_ms = world_take(w, SCHEDULE_MAX, sizeof *waits_ms);

    m->schedule_count = (uint16_t)dice_between(d, 1, SCHEDULE_MAX);
    for (uint16_t i = 0; i < SCHEDULE_MAX; i++)
        waits_ms[i] = i == 0 && dice_below(d, 3) > 0 ? 0 : (uint32_t)dice_between(d, 20, 15000);
    m->schedule_ms = waits_ms;
    m->success_http = dice_below(d, 3) == 0 ? 200 : 0;
    m->success_body = dice_below(d, 3) == 0 ? SLICE("OK") : SLICE_NONE;
    m->only = draw_endpoint(w);
}

static void draw_notice(struct world *w, struct post *p) {
    struct dice *d = dice_of(w);

    draw_head(w, &p->message, true);
    draw_schedule(w, &p->message);
    p->branch =
        (struct branch_request){ .id = p->message.only, .to[ROLE_FORWARD].timeout_ms = draw_timeout(d) };
}

static void draw_message(struct world *w, struct post *p) {
    struct dice *d = dice_of(w);
    static const uint8_t forms[] = { CHECK_NONE, CHECK_HTTP, CHECK_HTTP, CHECK_PG, CHECK_PG, CHECK_MARKER };
    bool half = dice_below(d, 5) < 3, only = dice_below(d, 10) == 0;
    uint8_t form = forms[dice_below(d, 6)];
    uint64_t pick = dice_below(d, w->swarm.subscriptions == 0 ? 1 : w->swarm.subscriptions);

    draw_head(w, &p->message, false);
    p->message.half = half;
    p->producer.form = half ? form : (uint8_t)CHECK_NONE;
    p->message.check_after_ms = (uint32_t)dice_between(d, 50, 20000);
    p->message.check_tries = (uint32_t)dice_below(d, 6);
    if (only && w->swarm.subscriptions > 0)
        p->message.only = w->channels[pick].name;
    p->branch = (struct branch_request){
        .id = SLICE("check"),
        .to[ROLE_FORWARD] = { world_text(w, "http://127.0.0.1:%u/check", 9000u + p->producer.participant),
                              draw_timeout(d) },
        .retry = { (uint32_t)dice_between(d, 50, 5000), 200, (uint32_t)dice_between(d, 60000, 240000), 0,
                   GIVE_UP_ATTENTION },
    };
}

void post_draw(struct world *w, struct post *p, uint32_t number) {
    struct dice *d = dice_of(w);
    bool is_notice = dice_below(d, 4) == 0;

    p->mode = is_notice ? MODE_NOTICE : MODE_MESSAGE;
    p->gid = world_text(w, is_notice ? "n%u" : "m%u", number);
    p->producer.participant = (uint16_t)dice_below(d, w->participant_count);
    p->producer.wants_rollback = dice_below(d, 3) == 0;
    p->start_us = dice_below(d, w->swarm.faults_ms * 600);
    if (dice_below(d, 3) == 0)
        p->start_us %= 2000000;
    if (is_notice)
        draw_notice(w, p);
    else
        draw_message(w, p);
    post_identify(w, p, number);
    if (is_notice)
        p->request.deadline_ms = p->other.deadline_ms = (uint32_t)dice_between(d, 20000, 120000);
}

/* ---- on a transaction's decision ---- */

void post_draw_outgoing(struct world *w, struct plan *p) {
    struct dice *d = dice_of(w);
    struct outgoing_request *all = world_take(w, OUTGOING_MAX, sizeof *all);
    uint16_t count = (uint16_t)dice_below(d, OUTGOING_MAX + 1);

    if (dice_below(d, 3) == 0)
        count = 0;
    for (uint16_t i = 0; i < count; i++) {
        struct outgoing_request *o = &all[i];

        o->on_rollback = dice_below(d, 2) == 0;
        o->is_notice = dice_below(d, 3) == 0;
        draw_head(w, &o->message, o->is_notice);
        if (!o->is_notice)
            continue;
        draw_schedule(w, &o->message);
        o->timeout_ms = draw_timeout(d);
    }
    p->request.outgoing = p->other.outgoing = all;
    p->request.outgoing_count = p->other.outgoing_count = count;
}
