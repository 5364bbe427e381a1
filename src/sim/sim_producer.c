#include "sim/sim_producer.h"

#include <assert.h>

#include "sim/sim_client.h"
#include "sim/sometimes.h"
#include "sim/world.h"

enum {
    SHOWS_MAX = 4,
    STEPS_TO_DIE = 7,
};

static struct dice *dice_of(struct world *w) {
    return world_dice(w, DICE_CLIENT);
}

static struct ask about(struct post *p, uint8_t kind) {
    return (struct ask){ .kind = kind, .post = p, .branch = UINT16_MAX, .role = ROLE_COUNT };
}

void sim_producer_note(struct ask *ask) {
    struct post *p = ask->post;

    if (ask->kind == EVENT_COMMIT) {
        p->asked_commit = true;
        p->untrue_commit |= !post_happened(p);
    }
    if (ask->kind == EVENT_ROLLBACK) {
        p->asked_rollback = true;
        p->untrue_rollback |= p->producer.local != LOCAL_ROLLED_BACK;
    }
    if (ask->kind == EVENT_SUBMIT && !ask->other_body && p->mode == MODE_MESSAGE && !p->message.half)
        p->producer.local = LOCAL_COMMITTED; /* whoever sends it like this means it */
    if (ask->kind == EVENT_RETRY)
        p->asked_nudge = true;
}

/* ---- the local database ---- */

/* Its connection has broken: the database rolls back what was open. */
static void connection_breaks(struct world *w, void *subject, uint64_t number) {
    struct post *p = subject;

    (void)w;
    (void)number;
    if (p->producer.local == LOCAL_OPEN)
        p->producer.local = LOCAL_ROLLED_BACK;
}

static void begin_local(struct post *p) {
    if (p->producer.local == LOCAL_NONE)
        p->producer.local = LOCAL_OPEN;
}

static void end_local(struct post *p) {
    if (p->producer.local == LOCAL_OPEN)
        p->producer.local = p->producer.wants_rollback ? LOCAL_ROLLED_BACK : LOCAL_COMMITTED;
}

static struct sim_answer say(uint8_t verdict, uint16_t http) {
    return (struct sim_answer){ .verdict = verdict, .http = http };
}

static struct sim_answer look(struct world *w, struct post *p) {
    struct producer *producer = &p->producer;

    if (producer->form != CHECK_HTTP && dice_chance(world_dice(w, DICE_PARTICIPANT), w->swarm.fail_over) &&
        !world_calm(w))
        producer->failed_over_until_us = w->now_us + w->swarm.fail_over_ms * 1000;
    if (producer->failed_over_until_us > w->now_us && !world_calm(w)) {
        SOMETIMES(check_fail_over);
        return say(VERDICT_UNKNOWN, 200);
    }
    switch (producer->local) {
    case LOCAL_COMMITTED:
        return say(VERDICT_DONE, 200);
    case LOCAL_OPEN:
        SOMETIMES(check_met_open);
        return say(dice_below(world_dice(w, DICE_PARTICIPANT), 2) == 0 ? VERDICT_WORKING : VERDICT_UNKNOWN,
                   200);
    case LOCAL_NONE: /* the check-back leaves a row of its own: it can not begin any more */
        SOMETIMES(check_before_begin);
        producer->local = LOCAL_ROLLED_BACK;
        return say(VERDICT_REFUSED, 200);
    default:
        return say(VERDICT_REFUSED, 200);
    }
}

struct sim_answer sim_producer_check(struct world *w, struct post *p, uint8_t reaction) {
    struct dice *d = world_dice(w, DICE_PARTICIPANT);
    struct sim_answer a;

    if (reaction == REACT_ERROR_BEFORE || reaction == REACT_WORKING || reaction == REACT_REFUSE)
        return say(VERDICT_UNKNOWN, 500);
    if (reaction == REACT_SLOW_DOWN) {
        a = say(VERDICT_SLOW_DOWN, 503);
        a.retry_after_ms = (uint32_t)dice_between(d, 10, 20000);
        return a;
    }
    a = look(w, p);
    a.delay_us = dice_delay(d, 2000);
    if (reaction == REACT_ERROR_AFTER)
        a = say(VERDICT_UNKNOWN, 500);
    if (reaction == REACT_LATE_ANSWER)
        a.delay_us = p->branch.to[ROLE_FORWARD].timeout_ms * UINT64_C(1000) + dice_delay(d, 500000);
    a.cut = reaction == REACT_CUT;
    return a;
}

/* ---- its own way ---- */

static void go_on(struct world *w, struct post *p);

static void die(struct world *w, struct post *p) {
    struct producer *producer = &p->producer;

    SOMETIMES(producer_died);
    if (producer->local == LOCAL_COMMITTED && p->message.half)
        SOMETIMES(producer_died_committed);
    if (producer->local == LOCAL_OPEN)
        SOMETIMES(producer_died_open);
    producer->dead = true;
    world_plan(w, w->scripted ? 500000 : dice_between(dice_of(w), 1000, 5000000), connection_breaks, p, 0);
}

static void ask_again(struct world *w, void *subject, uint64_t number) {
    struct post *p = subject;

    if (p->producer.waiting_for == number && !p->producer.dead)
        go_on(w, p);
}

static void ask_and_wait(struct world *w, struct post *p, uint8_t kind) {
    struct ask *made = sim_client_make(w, NULL, about(p, kind));

    p->producer.waiting_for = made->number;
    sim_client_transmit(w, made);
    world_plan(w, dice_between(dice_of(w), 500000, 4000000), ask_again, p, made->number);
}

static void go_on_later(struct world *w, void *subject, uint64_t number) {
    struct post *p = subject;

    if (p->producer.waiting_for == 0 && p->producer.pauses == number && !p->producer.dead)
        go_on(w, p);
}

static void turn_to(struct world *w, struct post *p, enum producer_stage stage, uint64_t low_us,
                    uint64_t high_us) {
    p->producer.stage = (uint8_t)stage;
    p->producer.waiting_for = 0;
    world_plan(w, w->scripted ? low_us : dice_between(dice_of(w), low_us, high_us), go_on_later, p,
               ++p->producer.pauses);
}

static bool is_local_first(const struct post *p) {
    return p->producer.form == CHECK_PG || p->producer.form == CHECK_MARKER;
}

static void begin(struct world *w, struct post *p) {
    if (is_local_first(p))
        begin_local(p);
    turn_to(w, p, PRODUCER_SUBMITS, 0, 50000);
}

/* Without a word about its half message a producer must not go on. */
static void submit(struct world *w, struct post *p) {
    if (++p->producer.tries > p->producer.tries_max && !world_calm(w)) {
        SOMETIMES(producer_gave_up);
        p->producer.wants_rollback = true;
        begin_local(p);
        end_local(p);
        p->producer.stage = PRODUCER_GONE;
        return;
    }
    ask_and_wait(w, p, EVENT_SUBMIT);
}

static void decide(struct world *w, struct post *p) {
    bool both = dice_chance(dice_of(w), w->swarm.race) && !world_calm(w);

    ask_and_wait(w, p, p->producer.local == LOCAL_COMMITTED ? EVENT_COMMIT : EVENT_ROLLBACK);
    if (both)
        sim_client_transmit(
            w, sim_client_make(
                   w, NULL, about(p, p->producer.local == LOCAL_COMMITTED ? EVENT_ROLLBACK : EVENT_COMMIT)));
}

static void go_on(struct world *w, struct post *p) {
    struct producer *producer = &p->producer;

    if (producer->steps++ >= producer->dies_at && !world_calm(w)) {
        die(w, p);
        return;
    }
    switch (producer->stage) {
    case PRODUCER_BEGINS:
        begin(w, p);
        break;
    case PRODUCER_SUBMITS:
        submit(w, p);
        break;
    case PRODUCER_WORKS:
        begin_local(p);
        turn_to(w, p, PRODUCER_ENDS, 5000, 8000000);
        break;
    case PRODUCER_ENDS:
        end_local(p);
        turn_to(w, p, PRODUCER_DECIDES, 1000, 2000000);
        break;
    case PRODUCER_DECIDES:
        decide(w, p);
        break;
    case PRODUCER_WATCHES:
        if (producer->polls++ < SHOWS_MAX)
            ask_and_wait(w, p, EVENT_SHOW);
        else
            producer->stage = PRODUCER_GONE;
        break;
    default:
        break;
    }
}

static void submitted(struct world *w, struct post *p, const struct told *told) {
    if (told->kind == REPLY_FULL || told->kind == REPLY_NO_MEMORY || told->kind == TOLD_TAKEN_BACK) {
        turn_to(w, p, PRODUCER_SUBMITS, 200000, 2000000);
        return;
    }
    if (told->kind == REPLY_OTHER_BODY) {
        SOMETIMES(other_message_won);
        p->producer.wants_rollback = true;
        end_local(p);
        p->producer.stage = PRODUCER_GONE;
        return;
    }
    p->producer.accepted = true;
    if (p->mode == MODE_MESSAGE && p->message.half)
        turn_to(w, p, PRODUCER_WORKS, 1000, 3000000);
    else
        turn_to(w, p, PRODUCER_WATCHES, 100000, 3000000);
}

void sim_producer_told(struct world *w, struct ask *ask, const struct told *told) {
    struct post *p = ask->post;

    if (p->producer.dead || p->producer.waiting_for != ask->number)
        return;
    p->producer.waiting_for = 0;
    switch (p->producer.stage) {
    case PRODUCER_SUBMITS:
        submitted(w, p, told);
        break;
    case PRODUCER_DECIDES:
        turn_to(w, p, PRODUCER_WATCHES, 1000, 1000000);
        break;
    default:
        if (!told->has || status_is_final(told->status))
            p->producer.stage = PRODUCER_GONE;
        else
            turn_to(w, p, PRODUCER_WATCHES, 500000, 8000000);
    }
}

/* ---- everybody else ---- */

static void start(struct world *w, void *subject, uint64_t number) {
    (void)number;
    go_on(w, subject);
}

/* When somebody else says something: any time, or just when a check-back or an attempt is out. */
static uint64_t draw_moment(struct world *w, const struct post *p, struct dice *d) {
    uint64_t any_us = dice_below(d, 12000000), near_us = dice_below(d, 4 * w->swarm.delay_us + 60000);
    uint64_t first_us =
        p->mode == MODE_NOTICE ? 2 * w->swarm.delay_us + 20000 : p->message.check_after_ms * UINT64_C(1000);

    return dice_below(d, 2) == 0 ? any_us : first_us + near_us;
}

static void draw_racers(struct world *w, struct post *p, struct dice *d) {
    uint64_t spread_us = w->swarm.faults_ms * 1000 - p->start_us;
    bool rollback = dice_chance(d, w->swarm.race / 2), commit = dice_chance(d, w->swarm.race / 2);
    uint64_t rollback_us = draw_moment(w, p, d), commit_us = draw_moment(w, p, d);
    bool early = dice_chance(d, w->swarm.repeat), late = dice_chance(d, w->swarm.repeat);
    uint64_t early_us = dice_below(d, 1000000), late_us = dice_below(d, spread_us + 1);
    bool reuse = dice_chance(d, w->swarm.reuse), nudge = dice_chance(d, w->swarm.operate);
    bool suspends = dice_chance(d, w->swarm.operate);
    uint64_t reuse_us = dice_below(d, 2) == 0 ? dice_below(d, 1000000) : dice_below(d, spread_us + 1);
    uint64_t nudge_us = dice_below(d, 30000000);
    struct ask other = about(p, EVENT_SUBMIT);

    other.other_body = true;
    if (rollback)
        sim_client_plan(w, NULL, about(p, EVENT_ROLLBACK), p->start_us + rollback_us);
    if (commit)
        sim_client_plan(w, NULL, about(p, EVENT_COMMIT), p->start_us + commit_us);
    if (early)
        sim_client_plan(w, NULL, about(p, EVENT_SUBMIT), p->start_us + early_us);
    if (late)
        sim_client_plan(w, NULL, about(p, EVENT_SUBMIT), p->start_us + late_us);
    if (reuse)
        sim_client_plan(w, NULL, other, p->start_us + reuse_us);
    if (nudge)
        sim_client_plan(w, NULL, about(p, EVENT_RETRY), p->start_us + nudge_us);
    if (suspends)
        sim_client_plan(w, NULL, about(p, EVENT_SUSPEND), p->start_us + nudge_us + 1000000);
}

void sim_producer_begin(struct world *w, struct post *p) {
    struct dice own;

    dice_init(&own, w->swarm.seed * 1013 + p->number, DICE_CLIENT);
    if (dice_chance(&own, w->swarm.death))
        p->producer.dies_at = (uint32_t)dice_below(&own, STEPS_TO_DIE);
    if (p->message.half && dice_below(&own, 3) == 0)
        p->producer.tries_max = (uint32_t)dice_between(&own, 1, 4);
    world_plan(w, p->start_us, start, p, 0);
    if (!w->scripted)
        draw_racers(w, p, &own);
}

void sim_producer_returns(struct world *w, struct post *p) {
    struct producer *producer = &p->producer;

    if (!producer->dead && producer->stage != PRODUCER_GONE)
        return;
    if (producer->local == LOCAL_OPEN)
        return;
    if (producer->local == LOCAL_NONE)
        producer->local = LOCAL_ROLLED_BACK;
    sim_client_transmit(
        w, sim_client_make(w, NULL,
                           about(p, producer->local == LOCAL_COMMITTED ? EVENT_COMMIT : EVENT_ROLLBACK)));
}
