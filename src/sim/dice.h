/* Dice: where the simulator's chance comes from. One stream per concern, all from one seed, so that switching
 * off one concern (while shrinking a failure) leaves the draws of the others alone.
 *
 * The generator is xoshiro256** seeded through splitmix64 (Blackman and Vigna; public domain algorithms,
 * written afresh here). Integers only: the same seed gives the same draws on every machine. */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

enum dice_stream {
    DICE_SWARM,
    DICE_WORKLOAD,
    DICE_NETWORK,
    DICE_DISK,
    DICE_CLOCK,
    DICE_CRASH,
    DICE_PARTICIPANT,
    DICE_CLIENT,
    DICE_OPERATOR,
    DICE_ENGINE, /* the fresh number inside every event */
    DICE_POST,   /* messages, notifications and their channels */
    DICE_STREAMS,
};

struct dice {
    uint64_t state[4];
};

void dice_init(struct dice *d, uint64_t seed, enum dice_stream stream);
uint64_t dice_u64(struct dice *d);
/* 0 .. bound - 1; bound > 0. */
uint64_t dice_below(struct dice *d, uint64_t bound);
/* low .. high, both included. */
uint64_t dice_between(struct dice *d, uint64_t low, uint64_t high);
/* True that many times in a million. Draws always, also for 0, so that a strength does not shift a stream. */
bool dice_chance(struct dice *d, uint32_t per_million);
/* A delay with the given mean and a long tail: mostly below the mean, now and then eight times it. */
uint64_t dice_delay(struct dice *d, uint64_t mean);

#endif
