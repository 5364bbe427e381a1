/* The simulated daemon: the same turn as server/driver.c, with the world where net, sink and store would be.
 *
 *   Two turns take turns: what arrives is stepped at once into the one that gathers, while the other is being
 *   made durable, so the engine's memory runs ahead of the disk. When the disk is free, the gathering turn is
 *   appended as one batch. When a batch is durable the engine is told, the replies go and the calls leave;
 *   then perhaps fold, trim and purge.
 *
 * A crash throws away the engine, both turns and everything that arrived, and the store decides what of its
 * pending work survives. Crash points are numbered through the whole life of the world, so that the sweep can
 * ask for each. */
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
struct post;
struct sim_channel;
struct flight;

/* The kind of an answer that the engine does not give: what it would have shown was taken back, because the
 * disk had no room for it (507). */
#define TOLD_TAKEN_BACK 200

/* What was taken back: ids of transactions, messages and notifications, ascending (sim_taken_back.h). */
struct taken_back {
    uint64_t *ids;
    size_t count, capacity;
};

/* A delivery that a pull handed out. */
struct told_pulled {
    struct slice gid;  /* it may have come into being in the very turn that hands it out */
    struct slice name; /* of the subscription */
    uint64_t until_ms;
};

/* What a reply said, copied out of the engine's memory right after the step. */
struct told {
    uint8_t kind;  /* enum reply_kind, TOLD_TAKEN_BACK */
    uint8_t event; /* enum event_kind */
    bool has;      /* a transaction stands behind the rest */
    bool suspended;
    bool attention;
    bool replayed; /* said before to the same Idempotency-Key */
    bool own_body, other_body;
    uint8_t status, decision, cause;
    uint16_t branch_count;
    uint32_t seq;
    uint64_t id;
    const struct told_pulled *pulled;
    uint32_t pulled_count;
};

/* What was said to an Idempotency-Key; shared by the asks that carry it. */
struct keyed {
    struct slice key;
    bool told;
    uint32_t running; /* the life in which the first ask waits for the history; another one is told to wait */
    struct told first;
};

/* Somebody asks the coordinator something. Lives in the world's arena. */
struct ask {
    uint32_t number;                     /* the ticket */
    struct plan *plan;                   /* whom it is about: a transaction, */
    struct post *post;                   /* a message or notification, */
    struct sim_channel *channel;         /* or a subscription or endpoint */
    uint8_t kind;                        /* enum event_kind */
    bool other_body;                     /* SUBMIT */
    bool answered;                       /* the client has its answer */
    bool not_done;                       /* RESOLVE, NACK, PAUSE */
    uint8_t role;                        /* RESOLVE */
    uint8_t decision;                    /* FORCE */
    uint16_t branch;                     /* REGISTER, RESOLVE, RETRY; UINT16_MAX: none */
    struct slice branch_id;              /* the delivery: its subscription */
    const struct definition *definition; /* DEFINE */
    uint32_t pause_ms;                   /* NACK, PULL */
    uint32_t count;                      /* PULL */
    struct keyed *keyed;                 /* NULL: no Idempotency-Key */
    uint64_t sent_us;
};

/* Something that arrived and waits for the next round of the loop. */
struct arrival {
    uint8_t kind; /* enum event_kind */
    uint8_t lookup;
    struct ask *ask;       /* NULL for outcomes and ticks */
    struct flight *flight; /* outcomes */
    struct outcome outcome;
};

struct outgoing {
    struct ask *ask;
    struct told told;
};

/* Under which definition a delivery's call was made. */
struct emission {
    uint64_t transaction;
    uint32_t attempt;
    uint16_t branch;
    bool by_call; /* to be acked by a call */
};

/* What one gathering brought, and what may leave when it is durable. */
struct sim_turn {
    struct effects effects;
    struct outgoing *outgoing; /* replies, in order */
    size_t outgoing_count, outgoing_capacity;
};

struct sim_driver {
    struct engine *engine;
    struct sim_turn turns[2];
    struct sim_turn *gathering;
    struct sim_turn *flight; /* NULL: the disk has nothing of ours */
    struct buffer trace;
    bool up;
    bool waiting;      /* the batch in flight found no room or no answer: it is offered again later */
    bool may_be_there; /* an earlier offer of it got no answer */
    bool full;         /* the gathering turn takes no more */
    bool round_planned;
    bool folding;
    bool recovering;         /* crash points count as points of a recovery */
    uint32_t life;           /* grows with every start: answers for an earlier life find nobody */
    uint32_t recovery_turns; /* turns left that still count as recovery for the dice */
    uint32_t turns_since_fold;
    uint64_t batch; /* number that the gathering turn will have */
    uint64_t up_since_us;
    uint64_t wake_ms;    /* the tick that is on the agenda */
    uint64_t idle_at_ms; /* ticks in a row that changed nothing, all at this time */
    uint32_t idle_ticks;
    uint64_t last_now_ms; /* the steady clock never goes back */
    int64_t jump_ms;      /* what restarts did to the clock */
    int64_t jumped_ms;    /* sum of all jumps, without their signs */
    struct arrival *arrivals;
    size_t arrival_count, arrival_capacity;
    struct taken_back taken_back; /* in this life */
    struct ask **asks;            /* by number */
    uint32_t ask_count, ask_capacity;
    uint32_t calls_open;
    struct emission *emissions; /* all there ever were */
    size_t emission_count, emission_capacity;
};

void sim_driver_init(struct world *w);
void sim_driver_done(struct world *w);
/* Recover from the store and open for business. */
void sim_driver_start(struct world *w);
/* kill -9, and a restart some time later. */
void sim_driver_crash(struct world *w, uint8_t disk_outcome);
void sim_driver_offer(struct world *w, const struct arrival *arrival);
struct ask *sim_driver_new_ask(struct world *w, struct plan *p, uint8_t kind);
/* A point at which the process may die. True: it just did, whoever asked must drop everything. */
bool sim_driver_point(struct world *w);
/* Nothing arrived, gathered, under way or being folded. */
bool sim_driver_idle(const struct world *w);

#endif
