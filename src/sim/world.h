/* The simulated world: one thread, one agenda, virtual time in microseconds.
 *
 * It runs in three phases (reliability.md section c): faults with invariants after every event; then calm,
 * in which everything must come to its end (liveness); then cold restarts from the disk, whose states must be
 * equal. A world stops at the first breach and keeps the story in `failure`. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "sim/agenda.h"
#include "sim/dice.h"
#include "sim/plan.h"
#include "sim/post.h"
#include "sim/sim_driver.h"
#include "sim/sim_participant.h"
#include "sim/sim_store.h"
#include "sim/swarm.h"

/* Midnight of 2026-01-01 UTC: virtual time 0. */
#define WORLD_EPOCH_MS UINT64_C(1767225600000)

enum failure_kind {
    FAILURE_NONE = 0,
    FAILURE_CORRECTNESS,
    FAILURE_LIVENESS,
};

struct failure {
    uint8_t kind;
    char invariant[16];
    char text[480];
    uint64_t at_us;
};

/* Crashes by prescription, for the sweep: at the n-th crash point of the run, and again at the m-th after
 * that. Points count from 1; 0: never. */
enum disk_outcome {
    DISK_LOSES = 0, /* nothing that was not synced survives */
    DISK_KEEPS,
    DISK_TOSSES, /* the dice decide */
};

struct crash_orders {
    bool prescribed; /* false: the swarm's rates decide */
    uint64_t first, second;
    uint8_t first_outcome, second_outcome;
};

struct world_figures {
    uint64_t audit_lines, items, steps, turns, batches, calls, crashes, points;
    uint64_t unfinished_max_seen;
    uint64_t virtual_us;
    uint32_t finished, stuck;
};

struct world {
    struct swarm swarm;
    struct dice dice[DICE_STREAMS];
    struct agenda agenda;
    struct arena arena;
    uint64_t now_us;
    uint8_t phase; /* 1, 2 or 3 */
    bool scripted; /* participants and network follow the plans' scripts */
    struct plan *plans;
    uint32_t plan_count;
    struct post **posts; /* the drawn ones first */
    uint32_t post_count, post_capacity;
    uint32_t posts_drawn;
    uint32_t posts_unclaimed; /* spawned in the batch at hand, and nobody's record names them yet */
    struct sim_channel *channels;
    uint32_t channel_count;
    struct sim_participant *participants;
    uint32_t participant_count;
    struct sim_driver driver;
    struct sim_store store;
    struct crash_orders orders;
    struct failure failure;
    struct world_figures figures;
    uint64_t restart_ms; /* at least this long, whatever the swarm says */
    uint64_t faults_end_ms;
    const bool *dropped; /* NULL, or by plan number: it never begins */
    uint32_t dropped_count;
    uint64_t digest; /* of everything that happened, for the determinism check */
    FILE *say;       /* NULL, or where the timeline goes */
};

void world_init(struct world *w, const struct swarm *swarm);
void world_done(struct world *w);
/* Draw the swarm's plans and let them begin. */
void world_populate(struct world *w);
/* All three phases, or up to the first breach. */
void world_run(struct world *w);

/* Wall and steady clock of the coordinator's host, epoch ms: drifts with the swarm, jumps at restarts. */
uint64_t world_clock_ms(const struct world *w);
void world_plan(struct world *w, uint64_t in_us, agenda_act *act, void *subject, uint64_t number);
struct dice *world_dice(struct world *w, enum dice_stream stream);
bool world_calm(const struct world *w); /* faults are over */
/* ... for a while, and nothing is left for consumers and operators to do. */
bool world_tended(struct world *w);

/* A breach: keeps the first one. invariant is an ID of reliability.md section c. */
void world_fail(struct world *w, enum failure_kind kind, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool world_failed(const struct world *w);
/* A line of the timeline, when somebody listens; always part of the digest. */
void world_say(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A NUL-terminated text in the world's arena, and plain zeroed memory; abort when out of memory. */
struct slice world_text(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *world_take(struct world *w, size_t count, size_t each);

#endif
