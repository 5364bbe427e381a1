#include "sim/swarm.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "sim/dice.h"

static const struct {
    const char *name;
    const char *sentence;
} classes[] = {
#define X(name, sentence) { #name, sentence },
    SWARM_LIST(X)
#undef X
};

const char *swarm_name(enum swarm_class c) {
    assert(c < SWARM_COUNT);
    return classes[c].name;
}

int swarm_class_of(const char *name) {
    for (int i = 0; i < SWARM_COUNT; i++)
        if (strcmp(classes[i].name, name) == 0)
            return i;
    return -1;
}

bool swarm_has(const struct swarm *s, enum swarm_class c) {
    return (s->classes >> c & 1) != 0;
}

/* Most worlds are small: a small world is searched deeply, and its failure is read quickly. */
static uint32_t draw_transactions(struct dice *d) {
    uint64_t size = dice_below(d, 1000);
    uint64_t share = dice_u64(d);

    if (size < 700)
        return (uint32_t)(1 + share % 8);
    if (size < 960)
        return (uint32_t)(8 + share % 13);
    if (size < 998)
        return (uint32_t)(20 + share % 60);
    return (uint32_t)(100 + share % 101);
}

/* Every class with even odds; every eighth world is calm, so that the plain paths are seen too. */
static uint32_t draw_classes(struct dice *d) {
    uint64_t pick = dice_u64(d);
    uint64_t mood = dice_below(d, 16);
    uint32_t all = (uint32_t)((UINT64_C(1) << SWARM_COUNT) - 1);
    uint64_t rare = dice_u64(d);

    if (rare % 32 != 0) /* large and slow */
        all &= ~(UINT32_C(1) << SWARM_bulk);
    if (mood < 2)
        return (uint32_t)(pick & (pick >> 32) & dice_u64(d)) & all;
    if (mood == 15)
        return all;
    (void)dice_u64(d);
    return (uint32_t)pick & all;
}

static uint32_t strength(struct dice *d, uint32_t percent) {
    uint64_t most = (uint64_t)percent * 10000;

    /* Squared, so that weak faults are as common as strong ones. */
    return (uint32_t)(dice_below(d, 1001) * dice_below(d, 1001) * most / 1000000);
}

static void draw_network(struct swarm *s, struct dice *d) {
    static const uint64_t means_us[] = { 200, 1000, 5000, 20000, 200000 };

    s->delay_us = means_us[dice_below(d, 5)];
    s->lose = strength(d, 30);
    s->duplicate = strength(d, 20);
    s->clog = strength(d, 5);
    s->clog_ms = dice_between(d, 100, 10000);
    s->not_sent = strength(d, 20);
    s->stale = strength(d, 20);
    s->forbidden = strength(d, 3);
}

static void draw_participants(struct swarm *s, struct dice *d) {
    s->refuse = strength(d, 30);
    s->working = strength(d, 20);
    s->error_before = strength(d, 20);
    s->error_after = strength(d, 10);
    s->slow_down = strength(d, 20);
    s->late = strength(d, 20);
    s->stubborn = strength(d, 30);
    s->stubborn_times = (uint32_t)dice_between(d, 1, 12);
    s->stubborn_forever = strength(d, 50);
    s->down = strength(d, 4);
    s->down_ms = dice_between(d, 100, 20000);
}

static void draw_clients(struct swarm *s, struct dice *d) {
    s->repeat = strength(d, 60);
    s->race = strength(d, 80);
    s->death = strength(d, 30);
    s->reuse = strength(d, 40);
    s->register_late = strength(d, 60);
    s->operate = strength(d, 60);
    s->force = strength(d, 30);
    s->missing = strength(d, 60);
    s->bulk = strength(d, 80);
}

static void draw_disk(struct swarm *s, struct dice *d) {
    static const uint64_t sync_us[] = { 50, 1000, 20000, 200000 };

    s->sync_us = sync_us[dice_below(d, 4)];
    s->append_unknown = strength(d, 20);
    s->append_full = strength(d, 40);
    s->append_error = strength(d, 2);
    s->fold_error = strength(d, 30);
    s->full_ms = dice_between(d, 100, 10000);
    s->fold_every = (uint32_t)dice_between(d, 1, 40);
    s->fold_rows = (uint32_t)dice_between(d, 1, 16);
    s->keep_batches = (uint32_t)dice_between(d, 0, 60);
}

/* Dice of their own: worlds without messages are what they were. */
static void draw_posts(struct swarm *s, uint64_t seed) {
    struct dice own, *d = &own;

    dice_init(d, seed * 7919 + 1, DICE_POST);
    s->messages_only = dice_below(d, 5) < 3;
    s->posts = 1 + draw_transactions(d) / 2;
    if (s->posts > 40)
        s->posts = 40;
    s->subscriptions = (uint32_t)dice_between(d, 1, 5);
    s->endpoints = (uint32_t)dice_between(d, 0, 2);
    s->poison = strength(d, 30);
    s->vanish = strength(d, 20);
    s->ack_late = strength(d, 30);
    s->ack_twice = strength(d, 30);
    s->nack = strength(d, 30);
    s->fail_over = strength(d, 20);
    s->fail_over_ms = dice_between(d, 100, 20000);
    s->gone = strength(d, 40);
}

static void draw_limits(struct swarm *s, struct dice *d) {
    s->calls_max = (uint32_t)dice_between(d, 1, 5);
    s->unfinished_max = (uint32_t)dice_between(d, 2, 12);
    s->attention_tries = (uint32_t)dice_between(d, 2, 6);
    s->attention_ms = (uint32_t)dice_between(d, 1000, 300000);
    s->working_ms = dice_below(d, 2) == 0 ? 0 : (uint32_t)dice_between(d, 50, 5000);
    s->retain_ms = dice_between(d, 500, 30000);
    s->memory_max = dice_between(d, 12, 256) * 1024;
}

void swarm_draw(struct swarm *s, uint64_t seed) {
    struct dice d;

    *s = (struct swarm){ .seed = seed };
    dice_init(&d, seed, DICE_SWARM);
    s->classes = draw_classes(&d);
    s->transactions = draw_transactions(&d);
    s->participants = (uint32_t)dice_between(&d, 1, 8);
    s->faults_ms = dice_between(&d, 2000, 180000);
    draw_network(s, &d);
    draw_participants(s, &d);
    draw_clients(s, &d);
    draw_disk(s, &d);
    draw_limits(s, &d);
    s->crash = strength(&d, 1) / 2;
    s->double_crash = strength(&d, 40);
    s->restart_ms = dice_between(&d, 0, 60000);
    s->drift_ppm = (int32_t)dice_between(&d, 0, 20000) - 10000;
    s->jump_ms = (int64_t)dice_between(&d, 0, 60000);
    s->tail_batches = dice_below(&d, 2) == 0 ? 0 : (uint32_t)dice_between(&d, 1, 100);
    draw_posts(s, seed);
    swarm_without(s, ~s->classes);
}

static void calm(struct swarm *s, enum swarm_class c, uint32_t *rate) {
    if (!swarm_has(s, c))
        *rate = 0;
}

static void calm_posts(struct swarm *s) {
    if (!swarm_has(s, SWARM_messages)) {
        s->posts = s->subscriptions = s->endpoints = 0;
        s->messages_only = false;
    }
    calm(s, SWARM_refuse, &s->poison);
    calm(s, SWARM_refuse, &s->nack);
    calm(s, SWARM_refuse, &s->gone);
    calm(s, SWARM_down, &s->vanish);
    calm(s, SWARM_down, &s->fail_over);
    calm(s, SWARM_late, &s->ack_late);
    calm(s, SWARM_repeat, &s->ack_twice);
}

static void calm_limits(struct swarm *s) {
    if (!swarm_has(s, SWARM_tight)) {
        s->calls_max = 512;
        s->unfinished_max = 100000;
    }
    if (!swarm_has(s, SWARM_scarce) || swarm_has(s, SWARM_bulk))
        s->memory_max = UINT64_C(1024) * 1024 * 1024;
    if (!swarm_has(s, SWARM_forgetful))
        s->retain_ms = UINT64_C(7) * 24 * 3600 * 1000;
    if (!swarm_has(s, SWARM_disk_slow))
        s->sync_us = 500;
    if (swarm_has(s, SWARM_bulk))
        s->sync_us = 200000; /* so that a turn has the time to become full */
    if (!swarm_has(s, SWARM_clock)) {
        s->drift_ppm = 0;
        s->jump_ms = 0;
    }
}

void swarm_without(struct swarm *s, uint32_t mask) {
    s->classes &= ~mask;
    calm(s, SWARM_loss, &s->lose);
    calm(s, SWARM_duplicate, &s->duplicate);
    calm(s, SWARM_clog, &s->clog);
    calm(s, SWARM_stale, &s->not_sent);
    calm(s, SWARM_stale, &s->stale);
    calm(s, SWARM_stale, &s->forbidden);
    calm(s, SWARM_refuse, &s->refuse);
    calm(s, SWARM_working, &s->working);
    calm(s, SWARM_error, &s->error_before);
    calm(s, SWARM_error, &s->error_after);
    calm(s, SWARM_slow, &s->slow_down);
    calm(s, SWARM_late, &s->late);
    calm(s, SWARM_stubborn, &s->stubborn);
    calm(s, SWARM_down, &s->down);
    calm(s, SWARM_repeat, &s->repeat);
    calm(s, SWARM_race, &s->race);
    calm(s, SWARM_death, &s->death);
    calm(s, SWARM_reuse, &s->reuse);
    calm(s, SWARM_register_late, &s->register_late);
    calm(s, SWARM_operate, &s->operate);
    calm(s, SWARM_force, &s->force);
    calm(s, SWARM_missing, &s->missing);
    calm(s, SWARM_bulk, &s->bulk);
    calm(s, SWARM_crash, &s->crash);
    calm(s, SWARM_double_crash, &s->double_crash);
    calm(s, SWARM_disk_unknown, &s->append_unknown);
    calm(s, SWARM_disk_full, &s->append_full);
    calm(s, SWARM_disk_error, &s->append_error);
    calm(s, SWARM_fold_error, &s->fold_error);
    calm_posts(s);
    calm_limits(s);
}

static void print_rate(FILE *to, const char *name, uint32_t per_million) {
    if (per_million != 0)
        fprintf(to, " %s=%.2f%%", name, (double)per_million / 10000);
}

void swarm_print(const struct swarm *s, FILE *to) {
    fprintf(to, "seed %" PRIu64 ": %u transactions, %u participants, faults for %" PRIu64 " ms\n  classes:",
            s->seed, s->transactions, s->participants, s->faults_ms);
    for (int i = 0; i < SWARM_COUNT; i++)
        if (swarm_has(s, (enum swarm_class)i))
            fprintf(to, " %s", classes[i].name);
    fprintf(to, "\n  network: delay=%" PRIu64 "us", s->delay_us);
    print_rate(to, "loss", s->lose);
    print_rate(to, "duplicate", s->duplicate);
    print_rate(to, "clog", s->clog);
    print_rate(to, "not-sent", s->not_sent);
    print_rate(to, "stale", s->stale);
    print_rate(to, "forbidden", s->forbidden);
    fprintf(to, "\n  participants:");
    print_rate(to, "refuse", s->refuse);
    print_rate(to, "working", s->working);
    print_rate(to, "error-before", s->error_before);
    print_rate(to, "error-after", s->error_after);
    print_rate(to, "slow-down", s->slow_down);
    print_rate(to, "late", s->late);
    print_rate(to, "stubborn", s->stubborn);
    print_rate(to, "down", s->down);
    if (s->posts > 0)
        fprintf(to, "\n  messages: %u, %u subscriptions, %u endpoints", s->posts, s->subscriptions,
                s->endpoints);
    print_rate(to, "poison", s->poison);
    print_rate(to, "vanish", s->vanish);
    print_rate(to, "ack-late", s->ack_late);
    print_rate(to, "ack-twice", s->ack_twice);
    print_rate(to, "nack", s->nack);
    print_rate(to, "fail-over", s->fail_over);
    print_rate(to, "gone", s->gone);
    fprintf(to, "\n  clients:");
    print_rate(to, "repeat", s->repeat);
    print_rate(to, "race", s->race);
    print_rate(to, "death", s->death);
    print_rate(to, "reuse", s->reuse);
    print_rate(to, "late-branch", s->register_late);
    print_rate(to, "operate", s->operate);
    print_rate(to, "force", s->force);
    print_rate(to, "missing", s->missing);
    print_rate(to, "bulk", s->bulk);
    fprintf(to,
            "\n  coordinator: calls=%u unfinished=%u attention=%u/%ums working=%ums retain=%" PRIu64
            "ms memory=%" PRIu64,
            s->calls_max, s->unfinished_max, s->attention_tries, s->attention_ms, s->working_ms, s->retain_ms,
            s->memory_max);
    print_rate(to, "crash", s->crash);
    print_rate(to, "crash-again", s->double_crash);
    fprintf(to, " restart<=%" PRIu64 "ms drift=%dppm jump<=%" PRId64 "ms", s->restart_ms, s->drift_ppm,
            s->jump_ms);
    fprintf(to, "\n  disk: sync=%" PRIu64 "us fold every %u turns, %u rows, keep %u batches, tail %u",
            s->sync_us, s->fold_every, s->fold_rows, s->keep_batches, s->tail_batches);
    print_rate(to, "unknown", s->append_unknown);
    print_rate(to, "full", s->append_full);
    print_rate(to, "error", s->append_error);
    print_rate(to, "fold-error", s->fold_error);
    fprintf(to, "\n");
}
