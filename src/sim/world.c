#include "sim/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "sim/invariants.h"
#include "sim/sim_chores.h"
#include "sim/sim_client.h"
#include "sim/sim_consumer.h"
#include "sim/sim_operator.h"
#include "sim/sim_producer.h"
#include "sim/sometimes.h"

enum {
    QUIET_MS = 10 * 60 * 1000, /* liveness: everything must have ended by then */
    DRAIN_MS = 400 * 1000,     /* the last late message of the last call arrives */
    TEND_MS = 60 * 1000,       /* at least so long people go on looking */
    HOUSEKEEPING_US = 1000000,
    ITEMS_MAX = 800000, /* a large world needs a tenth of it; more means that something spins */
};

void world_init(struct world *w, const struct swarm *swarm) {
    *w = (struct world){ .swarm = *swarm, .phase = 1, .participant_count = swarm->participants };
    for (int i = 0; i < DICE_STREAMS; i++)
        dice_init(&w->dice[i], swarm->seed, (enum dice_stream)i);
    w->faults_end_ms = swarm->faults_ms;
    agenda_init(&w->agenda);
    arena_init(&w->arena, 256 * 1024, (size_t)4 * 1024 * 1024 * 1024);
    sim_store_init(&w->store);
    sim_driver_init(w);
    w->participants = world_take(w, w->participant_count, sizeof *w->participants);
    for (uint32_t i = 0; i < w->participant_count; i++) {
        w->participants[i].number = (uint16_t)i;
        for (int a = 0; a < SIM_ACCOUNTS; a++)
            w->participants[i].accounts[a].balance = SIM_OPENING_BALANCE;
    }
}

void world_done(struct world *w) {
    sim_driver_done(w);
    sim_store_done(&w->store);
    agenda_done(&w->agenda);
    arena_done(&w->arena);
}

/* Their numbers go on after the transactions'. */
static void populate_posts(struct world *w) {
    post_draw_channels(w);
    for (uint32_t i = 0; i < w->plan_count; i++)
        post_draw_outgoing(w, &w->plans[i]);
    for (uint32_t i = 0; i < w->swarm.posts; i++)
        post_draw(w, post_add(w, SLICE_NONE, 0), i);
    w->posts_drawn = w->post_count;
    for (uint32_t i = 0; i < w->posts_drawn; i++) {
        uint32_t number = w->plan_count + i;

        if (w->dropped == NULL || number >= w->dropped_count || !w->dropped[number])
            sim_producer_begin(w, w->posts[i]);
        else
            w->posts[i]->producer.dead = true;
    }
    sim_operator_begin(w);
    sim_consumer_begin(w);
}

void world_populate(struct world *w) {
    w->plan_count = w->swarm.transactions;
    if (w->swarm.messages_only && w->plan_count > 2)
        w->plan_count = 2;
    w->plans = world_take(w, w->plan_count, sizeof *w->plans);
    for (uint32_t i = 0; i < w->plan_count; i++)
        plan_draw(w, &w->plans[i], i);
    for (uint32_t i = 0; i < w->plan_count; i++) {
        if (w->dropped == NULL || i >= w->dropped_count || !w->dropped[i])
            sim_client_begin(w, &w->plans[i]);
        else
            w->plans[i].client.dead = true;
    }
    if (w->swarm.posts > 0)
        populate_posts(w);
}

struct dice *world_dice(struct world *w, enum dice_stream stream) {
    return &w->dice[stream];
}

bool world_calm(const struct world *w) {
    return w->phase > 1;
}

bool world_tended(struct world *w) {
    uint64_t until_us = (w->faults_end_ms + (w->scripted ? 0 : TEND_MS)) * 1000;

    return world_calm(w) && w->now_us > until_us && invariants_all_final(w) &&
           !swarm_has(&w->swarm, SWARM_tight) && !swarm_has(&w->swarm, SWARM_scarce);
}

uint64_t world_clock_ms(const struct world *w) {
    int64_t passed_us = (int64_t)w->now_us;

    passed_us += passed_us / 1000000 * w->swarm.drift_ppm;
    return (uint64_t)((int64_t)WORLD_EPOCH_MS + passed_us / 1000 + w->driver.jump_ms);
}

void world_plan(struct world *w, uint64_t in_us, agenda_act *act, void *subject, uint64_t number) {
    agenda_add(&w->agenda, w->now_us + in_us, act, subject, number);
}

bool world_failed(const struct world *w) {
    return w->failure.kind != FAILURE_NONE;
}

void world_fail(struct world *w, enum failure_kind kind, const char *invariant, const char *format, ...) {
    va_list arguments;

    if (world_failed(w))
        return;
    w->failure.kind = (uint8_t)kind;
    w->failure.at_us = w->now_us;
    snprintf(w->failure.invariant, sizeof w->failure.invariant, "%s", invariant);
    va_start(arguments, format);
    vsnprintf(w->failure.text, sizeof w->failure.text, format, arguments);
    va_end(arguments);
    world_say(w, "!!! %s: %s", invariant, w->failure.text);
}

void world_say(struct world *w, const char *format, ...) {
    va_list arguments;

    if (w->say == NULL)
        return;
    fprintf(w->say, "%10.3f ", (double)w->now_us / 1000);
    va_start(arguments, format);
    vfprintf(w->say, format, arguments);
    va_end(arguments);
    fputc('\n', w->say);
}

struct slice world_text(struct world *w, const char *format, ...) {
    va_list arguments;
    int length;
    char *at;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    at = world_take(w, (size_t)length + 1, 1);
    va_start(arguments, format);
    vsnprintf(at, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return slice_of(at, (size_t)length);
}

void *world_take(struct world *w, size_t count, size_t each) {
    void *at = arena_take_array(&w->arena, count, each);

    if (at == NULL)
        abort(); /* the simulator's own memory, not the product's */
    return at;
}

static void keep_house(struct world *w, void *subject, uint64_t number) {
    (void)subject;
    (void)number;
    if (w->driver.up && !w->scripted && sim_driver_point(w))
        SOMETIMES(crash_idle);
    else
        sim_chores_now(w);
    world_plan(w, HOUSEKEEPING_US, keep_house, NULL, 0);
}

/* Until the time, or until stop says so (asked after every item). */
static void run_until(struct world *w, uint64_t until_us, bool (*stop)(struct world *w)) {
    struct agenda_item item;

    while (!world_failed(w) && w->agenda.count > 0 && w->agenda.items[0].at_us <= until_us) {
        bool found = agenda_next(&w->agenda, &item);

        assert(found);
        assert(item.at_us >= w->now_us);
        w->now_us = item.at_us;
        w->digest = (w->digest ^ item.at_us) * UINT64_C(0x100000001b3);
        if (++w->figures.items > ITEMS_MAX)
            world_fail(w, FAILURE_LIVENESS, "hot-loop", "more than %d things happened", ITEMS_MAX);
        item.act(w, item.subject, item.number);
        if (stop != NULL && stop(w))
            return;
    }
    if (!world_failed(w) && stop == NULL && w->now_us < until_us)
        w->now_us = until_us;
}

/* A clean stop: the last batch durable, nothing half folded. */
static bool is_quiet(struct world *w) {
    return sim_driver_idle(w);
}

void world_run(struct world *w) {
    uint64_t quiet_us;

    sim_driver_start(w);
    world_plan(w, HOUSEKEEPING_US, keep_house, NULL, 0);
    run_until(w, w->faults_end_ms * 1000, NULL);
    w->phase = 2;
    world_say(w, "--- the faults end");
    sim_client_calm(w);
    sim_operator_calm(w);
    quiet_us = w->now_us + (uint64_t)(QUIET_MS + w->driver.jumped_ms) * 1000;
    for (int i = 0; i < 2 && !world_failed(w); i++) { /* again for what found room only meanwhile */
        if (!invariants_all_final(w))
            run_until(w, quiet_us, invariants_all_final);
        if (!world_failed(w) && invariants_all_final(w))
            run_until(w, w->now_us + DRAIN_MS * UINT64_C(1000), NULL);
        if (invariants_all_final(w))
            break;
        quiet_us = w->now_us + QUIET_MS * UINT64_C(1000);
    }
    if (!world_failed(w))
        invariants_end(w);
    if (!world_failed(w) && !is_quiet(w))
        run_until(w, w->now_us + QUIET_MS * UINT64_C(1000), is_quiet);
    w->phase = 3;
    if (!world_failed(w) && w->driver.up)
        invariants_cold(w);
    w->figures.virtual_us = w->now_us;
}
