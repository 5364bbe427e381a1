/* The stage: one engine and one disk that a script directs by hand, command by command, with nothing random
 * about it. Every line that a command brings forth is appended to `said`: the engine's trace with times
 * relative to the beginning, then what left the envelope.
 *
 * Unless held, each command is a turn of its own: step, save, open the envelope. After "hold" the turn goes
 * on over several commands and its envelope stays sealed until "sync" or "crash". Commands are listed in
 * tests/script/README.md. */
#ifndef SIM_STAGE_H
#define SIM_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "engine/engine.h"
#include "sim/sim_store.h"

/* Midnight of 2026-01-01 UTC: time +0. */
#define STAGE_EPOCH_MS UINT64_C(1767225600000)

struct stage_call {
    struct call call; /* gid, ids and operation copied */
    bool open;
};

struct stage {
    struct engine *engine;
    struct engine_options options;
    struct sim_store store;
    struct effects effects;
    struct buffer trace;
    struct buffer said;
    struct arena arena; /* lives as long as the stage */
    uint64_t now_ms;
    uint64_t steps;
    bool held;
    bool turn_open;       /* engine_turn was called and the envelope is sealed */
    struct buffer sealed; /* what the envelope will say when it is opened */
    struct stage_call *calls;
    size_t call_count, call_capacity;
};

void stage_init(struct stage *s);
void stage_done(struct stage *s);
/* One command: its first line, and the indented lines under it (rest). Returns 0, or ERR_SYNTAX with a
 * sentence appended to said. */
int stage_command(struct stage *s, struct slice line, struct slice rest);

#endif
