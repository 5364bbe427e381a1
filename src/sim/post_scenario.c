#include "sim/post_scenario.h"

#include <assert.h>
#include <string.h>

#include "sim/scenario.h"
#include "sim/sim_client.h"
#include "sim/sim_consumer.h"
#include "sim/sim_operator.h"
#include "sim/sim_producer.h"
#include "sim/world.h"

enum {
    FIRST_US = 300000, /* everything is defined by then, also after a crash */
    APART_US = 20000,
    ATTEMPTS = 3,
    CHANNELS = 4,
};

#define SCENE(...)               \
    &(const struct post_scene) { \
        __VA_ARGS__              \
    }
#define GOES(...) sizeof((uint8_t[]){ __VA_ARGS__ }), .pushes = { __VA_ARGS__ }
#define CALLED(...) sizeof((uint8_t[]){ __VA_ARGS__ }), .calls = { __VA_ARGS__ }
#define MESSAGE .mode = MODE_MESSAGE
#define HALF .mode = MODE_MESSAGE, .half = true
#define NOTICE .mode = MODE_NOTICE

static const struct scenario scenarios[] = {
    { .name = "message-direct", .post = SCENE(MESSAGE, .end = STATUS_COMMITTED) },
    { .name = "message-trouble",
      .post = SCENE(MESSAGE, .end = STATUS_COMMITTED,
                    .push_count = GOES(REACT_ERROR_AFTER, REACT_LOST, REACT_SLOW_DOWN, REACT_STALE)) },
    { .name = "message-twice",
      .post = SCENE(MESSAGE, .end = STATUS_COMMITTED, .push_count = GOES(REACT_TWICE)) },
    { .name = "message-refused",
      .post = SCENE(MESSAGE, .refusals = true, .end = STATUS_COMMITTED, .push_count = GOES(REACT_REFUSE)) },
    { .name = "message-refused-dead",
      .post = SCENE(MESSAGE, .end = STATUS_COMMITTED, .push_count = GOES(REACT_REFUSE)) },
    { .name = "message-dead",
      .post = SCENE(MESSAGE, .patience_ms = 200, .end = STATUS_COMMITTED,
                    .push_count = GOES(REACT_ERROR_BEFORE, REACT_ERROR_BEFORE, REACT_ERROR_BEFORE,
                                       REACT_ERROR_BEFORE, REACT_ERROR_BEFORE)) },
    { .name = "message-half-marker", .post = SCENE(HALF, .form = CHECK_MARKER, .end = STATUS_COMMITTED) },
    { .name = "message-half-http", .post = SCENE(HALF, .form = CHECK_HTTP, .end = STATUS_COMMITTED) },
    { .name = "message-half-rollback",
      .post = SCENE(HALF, .form = CHECK_PG, .rolls_back = true, .end = STATUS_ROLLED_BACK) },
    { .name = "message-half-check-commits",
      .post = SCENE(HALF, .form = CHECK_MARKER, .dies_at = 4, .end = STATUS_COMMITTED,
                    .call_count = CALLED(REACT_LOST, REACT_ERROR_AFTER)) },
    { .name = "message-half-check-rolls-back",
      .post = SCENE(HALF, .form = CHECK_PG, .dies_at = 3, .end = STATUS_ROLLED_BACK,
                    .call_count = CALLED(REACT_LATE_ANSWER)) },
    { .name = "message-half-nobody-asks",
      .post = SCENE(HALF, .form = CHECK_NONE, .dies_at = 4, .end = STATUS_COMMITTED) },
    { .name = "message-half-rollback-race",
      .post = SCENE(HALF, .form = CHECK_MARKER, .rollback_at_ms = 312) },
    { .name = "message-half-commit-race",
      .post = SCENE(HALF, .form = CHECK_PG, .rolls_back = true, .commit_at_ms = 312) },
    { .name = "message-pull",
      .post =
          SCENE(MESSAGE, .pull = true, .end = STATUS_COMMITTED, .push_count = GOES(REACT_LOST, REACT_CUT)) },
    { .name = "message-pull-nack",
      .post = SCENE(MESSAGE, .pull = true, .refusals = true, .end = STATUS_COMMITTED,
                    .push_count = GOES(REACT_SLOW_DOWN, REACT_REFUSE)) },
    { .name = "message-ack-call",
      .post = SCENE(MESSAGE, .by_call = true, .end = STATUS_COMMITTED,
                    .push_count = GOES(REACT_LOST, REACT_CUT)) },
    { .name = "message-order-parks",
      .post = SCENE(MESSAGE, .messages = 3, .ordered = true, .park = true, .patience_ms = 100,
                    .end = STATUS_COMMITTED,
                    .push_count = GOES(REACT_ERROR_BEFORE, REACT_ERROR_BEFORE, REACT_ERROR_BEFORE)) },
    { .name = "message-order-goes-on",
      .post = SCENE(MESSAGE, .messages = 3, .ordered = true, .patience_ms = 100, .end = STATUS_COMMITTED,
                    .push_count = GOES(REACT_ERROR_BEFORE, REACT_ERROR_BEFORE, REACT_ERROR_BEFORE)) },
    { .name = "message-order-pull",
      .post = SCENE(MESSAGE, .messages = 3, .ordered = true, .pull = true, .end = STATUS_COMMITTED,
                    .push_count = GOES(REACT_LOST)) },
    { .name = "tcc-on-commit",
      .shape = { .gid = "g", .mode = MODE_TCC, .branch_count = 1, .deadline_ms = 20000, .pivot = -1 },
      .end = STATUS_COMMITTED,
      .post = SCENE(0) },
    { .name = "saga-on-rollback",
      .shape = { .gid = "g", .mode = MODE_SAGA, .branch_count = 1, .deadline_ms = 20000, .pivot = -1 },
      .end = STATUS_ROLLED_BACK,
      .scripts = { { 0, ROLE_FORWARD, 1, { REACT_REFUSE } } },
      .post = SCENE(0) },
    { .name = "notice-good",
      .post = SCENE(NOTICE, .end = STATUS_COMMITTED, .call_count = CALLED(REACT_ERROR_BEFORE, REACT_LOST)) },
    { .name = "notice-exhausted",
      .post = SCENE(NOTICE, .end = STATUS_ROLLED_BACK,
                    .call_count = CALLED(REACT_ERROR_AFTER, REACT_CUT, REACT_NOT_SENT)) },
    { .name = "notice-gone",
      .post =
          SCENE(NOTICE, .end = STATUS_ROLLED_BACK, .call_count = CALLED(REACT_ERROR_BEFORE, REACT_REFUSE)) },
    { .name = "notice-cancelled",
      .post = SCENE(NOTICE, .rollback_at_ms = 320, .call_count = CALLED(REACT_LATE_ANSWER, REACT_LOST)) },
};

const struct scenario *post_scenario_at(size_t index) {
    return index < sizeof scenarios / sizeof *scenarios ? &scenarios[index] : NULL;
}

static struct sim_channel *channel(struct world *w, uint32_t at, uint8_t kind, const char *name,
                                   const char *topic) {
    struct sim_channel *c = &w->channels[at];
    struct outlet *o = &c->versions[0].outlet;

    c->kind = kind;
    c->name = slice_text(name);
    c->inbox = true;
    c->versions[0] = (struct definition){ .kind = kind, .name = c->name, .source = SLICE("{}") };
    o->topic = slice_text(topic);
    o->url = world_text(w, "http://127.0.0.1:9000/%s", name);
    o->concurrency = 4;
    o->timeout_ms = o->ack_timeout_ms = 400;
    o->retry = (struct retry_policy){ .first_ms = 100, .factor_percent = 200, .max_ms = 2000 };
    return c;
}

static void build_channels(struct world *w, const struct post_scene *scene) {
    struct outlet *o;

    w->channel_count = CHANNELS;
    w->channels = world_take(w, CHANNELS, sizeof *w->channels);
    o = &channel(w, 0, DEFINITION_SUBSCRIPTION, "s0", "t")->versions[0].outlet;
    o->ordered = scene->ordered;
    o->park_key = scene->park;
    o->ack = scene->by_call ? ACK_CALL : ACK_RESPONSE;
    o->retry.for_ms = scene->patience_ms;
    if (scene->pull)
        o->url = SLICE_NONE;
    if (scene->refusals)
        o->refused_topic = SLICE("r");
    channel(w, 1, DEFINITION_SUBSCRIPTION, "s1", "t");
    channel(w, 2, DEFINITION_SUBSCRIPTION, "s2", "r");
    channel(w, 3, DEFINITION_ENDPOINT, "e0", "");
}

static const uint32_t schedule_ms[ATTEMPTS] = { 0, 150, 300 };

static void shape_content(struct message_request *m, bool is_notice) {
    m->head.topic = is_notice ? SLICE("event") : SLICE("t");
    m->head.content_type = SLICE("text/plain");
    m->head.key = SLICE("k");
    m->body = SLICE("body");
    m->check_after_ms = 200;
    if (!is_notice)
        return;
    m->only = SLICE("e0");
    m->schedule_ms = schedule_ms;
    m->schedule_count = ATTEMPTS;
}

static void build_post(struct world *w, const struct post_scene *scene, uint32_t number) {
    struct post *p = post_add(w, world_text(w, "p%u", number), scene->mode);

    shape_content(&p->message, scene->mode == MODE_NOTICE);
    p->message.half = scene->half;
    p->producer.form = scene->form;
    p->producer.wants_rollback = scene->rolls_back;
    p->start_us = FIRST_US + number * APART_US;
    p->branch = (struct branch_request){
        .id = scene->mode == MODE_NOTICE ? p->message.only : SLICE("check"),
        .to[ROLE_FORWARD] = { scene->mode == MODE_NOTICE ? SLICE_NONE : SLICE("http://127.0.0.1:9000/check"),
                              300 },
        .retry = { 100, 200, 2000, 0, GIVE_UP_ATTENTION },
    };
    post_identify(w, p, number);
    if (scene->mode == MODE_NOTICE)
        p->request.deadline_ms = p->other.deadline_ms = 60000;
    if (number > 0)
        return;
    p->push_script = scene->pushes;
    p->push_script_length = scene->push_count;
    p->call.script = scene->calls;
    p->call.script_length = scene->call_count;
}

static void build_outgoing(struct world *w) {
    struct outgoing_request *all = world_take(w, 4, sizeof *all);

    for (int i = 0; i < 4; i++) {
        all[i].on_rollback = i % 2 == 1;
        all[i].is_notice = i > 1;
        all[i].timeout_ms = i > 1 ? 300 : 0;
        shape_content(&all[i].message, i > 1);
    }
    w->plans[0].request.outgoing = w->plans[0].other.outgoing = all;
    w->plans[0].request.outgoing_count = w->plans[0].other.outgoing_count = 4;
    w->plans[0].start_us = FIRST_US;
}

static void plan_racer(struct world *w, struct post *p, uint8_t kind, uint32_t at_ms) {
    struct ask ask = { .kind = kind, .post = p, .branch = UINT16_MAX, .role = ROLE_COUNT };

    if (at_ms > 0)
        sim_client_plan(w, NULL, ask, at_ms * UINT64_C(1000));
}

void post_scene_build(struct world *w, const struct post_scene *scene) {
    uint32_t count = scene->mode == 0 ? 0 : scene->messages == 0 ? 1 : scene->messages;

    w->faults_end_ms = 3000;
    build_channels(w, scene);
    if (scene->mode == 0)
        build_outgoing(w);
    for (uint32_t i = 0; i < count; i++)
        build_post(w, scene, i);
    w->posts_drawn = count;
    for (uint32_t i = 0; i < count; i++) {
        sim_producer_begin(w, w->posts[i]);
        if (scene->dies_at > 0)
            w->posts[i]->producer.dies_at = scene->dies_at;
        plan_racer(w, w->posts[i], EVENT_ROLLBACK, scene->rollback_at_ms);
        plan_racer(w, w->posts[i], EVENT_COMMIT, scene->commit_at_ms);
    }
    sim_operator_begin(w);
    sim_consumer_begin(w);
}

/* What the transaction sent: one message with two deliveries, and one notification. */
static void check_outgoing(struct world *w) {
    uint32_t messages = 0, notices = 0;

    for (uint32_t i = 0; i < w->post_count; i++) {
        messages += w->posts[i]->mode == MODE_MESSAGE && w->posts[i]->witness.delivery_count == 2;
        notices += w->posts[i]->mode == MODE_NOTICE && w->posts[i]->sent_well;
    }
    if (messages != 1 || notices != 1)
        world_fail(w, FAILURE_CORRECTNESS, "scenario", "%u messages and %u notifications came of it",
                   messages, notices);
}

static uint32_t count_refusals(struct world *w) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < w->post_count; i++)
        count += w->posts[i]->spawned && slice_is(w->posts[i]->message.head.topic, "r");
    return count;
}

void post_scene_check(struct world *w, const struct post_scene *scene, bool undisturbed) {
    const struct post_witness *t;

    if (scene->mode == 0) {
        if (undisturbed)
            check_outgoing(w);
        return;
    }
    t = &w->posts[0]->witness;
    if (undisturbed && scene->end != 0 && t->status != scene->end)
        world_fail(w, FAILURE_CORRECTNESS, "scenario", "it ends %s, not %s", status_word(t->status),
                   status_word(scene->end));
    if (undisturbed && scene->refusals && count_refusals(w) != 1)
        world_fail(w, FAILURE_CORRECTNESS, "scenario", "%u refusals were published", count_refusals(w));
}
