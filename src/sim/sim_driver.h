/* The simulated daemon: the same turn as server/driver.c, with the world where net, sink and store would be.
 *
 *   take everything that arrived; effects_clear, engine_turn; step each, capturing its reply at once; append
 *   the entries as one batch; when it is durable tell the engine, let the replies go and send the calls;
 *   then perhaps fold, trim and purge.
 *
 * One batch is under way at a time; what arrives meanwhile is the next turn. A crash throws away the engine,
 * the turn and everything that arrived, and the store decides what of its pending work survives. Crash points
 * are numbered through the whole life of the world, so that the sweep can ask for each. */
#ifndef SIM_SIM_DRIVER_H
#define SIM_SIM_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "engine/engine.h"
#include "model/effect.h"
#include "model/event.h"

struct world;
struct plan;
struct flight;
struct sim_store;

/* What a reply said, copied out of the engine's memory right after the step. */
struct told {
    uint8_t kind;  /* enum reply_kind */
    uint8_t event; /* enum event_kind */
    bool has;      /* a transaction stands behind the rest */
    bool suspended;
    bool attention;
    bool own_body, other_body;
    uint8_t status, decision, cause;
    uint16_t branch_count;
    uint32_t seq;
    uint64_t id;
};

/* Somebody asks the coordinator something. Lives in the world's arena. */
struct ask {
    uint32_t number; /* the ticket */
    struct plan *plan;
    uint8_t kind;     /* enum event_kind */
    bool other_body;  /* SUBMIT */
    bool answered;    /* the client has its answer */
    bool not_done;    /* RESOLVE */
    uint8_t role;     /* RESOLVE */
    uint8_t decision; /* FORCE */
    uint16_t branch;  /* REGISTER, RESOLVE, RETRY; UINT16_MAX: none */
    uint64_t sent_us;
};

/* Something that arrived and waits for the next turn. */
struct arrival {
    uint8_t kind; /* enum event_kind */
    uint8_t lookup;
    struct ask *ask;       /* NULL for outcomes and ticks */
    struct flight *flight; /* outcomes */
    struct outcome outcome;
    struct slice image; /* lookup FOUND: a copy */
};

struct outgoing {
    struct ask *ask;
    struct told told;
};

enum sim_driver_state {
    DRIVER_DOWN = 0,
    DRIVER_IDLE,
    DRIVER_SYNCING, /* a batch is under way */
    DRIVER_WAITING, /* the disk is full: the same batch is offered again later */
};

struct sim_driver {
    struct engine *engine;
    struct effects effects;
    struct buffer trace;
    uint8_t state; /* enum sim_driver_state */
    uint32_t life; /* grows with every start: answers for an earlier life find nobody */
    bool turn_planned;
    bool folding;
    bool recovering;      /* crash points count as points of a recovery */
    uint64_t wake_ms;     /* the tick that is on the agenda */
    uint64_t last_now_ms; /* the steady clock never goes back within a life */
    int64_t jump_ms;      /* what restarts did to the clock */
    uint64_t full_until_us;
    uint32_t turns_since_fold;
    uint64_t batch; /* under way */
    struct arrival *arrivals;
    size_t arrival_count, arrival_capacity;
    struct outgoing *outgoing; /* replies of the turn, in order */
    size_t outgoing_count, outgoing_capacity;
    struct ask **asks; /* by number */
    uint32_t ask_count, ask_capacity;
    uint32_t calls_open;
    uint32_t recovery_turns; /* turns left that still count as recovery for the dice */
    int64_t jumped_ms;       /* sum of all jumps, without their signs */
};

void sim_driver_init(struct world *w);
void sim_driver_done(struct world *w);
/* Recover from the store and open for business. */
void sim_driver_start(struct world *w);
/* kill -9, and a restart some time later. */
void sim_driver_crash(struct world *w, uint8_t disk_outcome);
void sim_driver_offer(struct world *w, const struct arrival *arrival);
struct ask *sim_driver_ask(struct world *w, uint32_t number);
struct ask *sim_driver_new_ask(struct world *w, struct plan *p, uint8_t kind);
/* A point at which the process may die. True: it just did, whoever asked must drop everything. */
bool sim_driver_point(struct world *w);
/* Build an engine from what is durable. NULL and a breach when that fails. */
struct engine *sim_driver_recover(struct world *w, const struct sim_store *store);
bool sim_driver_idle(const struct world *w);
/* Once in a while, also without any turn: fold. */
void sim_driver_keep_house(struct world *w);

#endif
