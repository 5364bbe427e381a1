/* A plan: one transaction of the simulated workload, and the truth about it.
 *
 * Everything the world knows about one gid stands here: what its client means to ask (request, and another
 * body for the same gid), what its participants really did (deeds), what its client was told, and what the
 * durable records say (witness). Invariants compare the four. Memory is the world's arena. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/request.h"
#include "sim/durable.h"
#include "sim/witness.h"

struct world;

/* What a participant did about one branch: the row that a real one keeps in its barrier table, plus counts
 * that no real one could know. */
enum forward_state {
    FORWARD_NONE = 0,
    FORWARD_WORKING, /* 425: begun, ends by itself */
    FORWARD_DONE,
    FORWARD_REFUSED, /* remembered: a refusal is final */
};

/* How one call goes, when a scenario prescribes it instead of leaving it to the dice. */
enum reaction {
    REACT_WELL = 0,
    REACT_REFUSE,
    REACT_WORKING,
    REACT_ERROR_BEFORE, /* 500, nothing happened */
    REACT_ERROR_AFTER,  /* the effect, then 500 */
    REACT_SLOW_DOWN,    /* 503 with Retry-After, nothing happened */
    REACT_LATE_ANSWER,  /* the effect in time, the answer after the timeout */
    REACT_LATE_EFFECT,  /* the call itself arrives after its timeout */
    REACT_LOST,         /* the call never arrives */
    REACT_CUT,          /* the effect, and the answer is lost */
    REACT_TWICE,        /* the call arrives twice */
    REACT_NOT_SENT,
    REACT_STALE,
    REACT_COUNT,
};

enum deed_kind {
    DEED_PLAIN = 0,
    DEED_DEBIT,
    DEED_CREDIT,
};

struct deed {
    uint16_t participant;
    uint8_t kind;
    uint8_t account;
    int64_t amount;
    uint8_t forward; /* enum forward_state */
    bool marker;     /* its undo came first: the action must not take effect any more */
    bool undone;
    bool confirmed;
    uint32_t plan;                      /* number of the plan it belongs to */
    uint32_t effects[ROLE_COUNT];       /* times it took effect */
    uint32_t arrivals[ROLE_COUNT];      /* calls that arrived */
    uint32_t sends[ROLE_COUNT];         /* calls that left, outside of 425 */
    uint32_t refusals_left[ROLE_COUNT]; /* stubborn: UINT32_MAX is for ever */
    bool stubborn_drawn[ROLE_COUNT];
    bool body_seen[ROLE_COUNT];
    uint64_t body_hash[ROLE_COUNT];
    uint64_t busy_until_us[ROLE_COUNT]; /* told by Retry-After to a coordinator that still lives */
    uint32_t open[ROLE_COUNT];          /* calls out of the living coordinator */
    uint32_t last_sent[ROLE_COUNT];     /* highest attempt that left */
    uint64_t calm_sends[ROLE_COUNT];    /* calls since the faults ended, outside of 425 */
    const uint8_t *script[ROLE_COUNT];  /* enum reaction per call; NULL: the dice decide */
    uint8_t script_length[ROLE_COUNT];
    uint8_t script_at[ROLE_COUNT];
};

/* Where a client stands with its transaction. */
enum client_stage {
    CLIENT_SUBMITTING = 0,
    CLIENT_REGISTERING, /* client drive: the branch number next_branch */
    CLIENT_CALLING,     /* client drive: its forward operation */
    CLIENT_DECIDING,    /* client drive: commit or rollback */
    CLIENT_WATCHING,
    CLIENT_GONE,
};

struct client {
    uint8_t stage;
    uint16_t next_branch;
    uint8_t tries; /* of the call it is making */
    bool wants_rollback;
    bool dead;
    uint32_t waiting_for; /* number of the ask it waits for; 0: none */
    uint32_t polls;
    uint64_t steps;
};

struct plan {
    uint32_t number;
    struct slice gid;
    uint64_t start_us;
    struct transaction_request request; /* client drive: registered branches are in branches, not here */
    struct transaction_request other;   /* the same gid, another body */
    /* branch_count of them; client drive has one more, which is only ever registered too late. */
    const struct branch_request *branches;
    uint16_t branch_count;
    struct deed *deeds; /* one per branch */
    uint8_t (*branch_fingerprints)[32];
    struct client client;
    struct witness witness;

    /* What anybody asked for, ever: evidence for I-S6 and I-X. */
    bool asked_commit, asked_rollback, asked_other, asked_force, asked_resolve, asked_suspend, asked_nudge;
    uint32_t nudges;
    bool missing_pointer;   /* a reference leads to nothing on purpose */
    bool told_accepted_own; /* somebody was told that this body was accepted */
    bool told_accepted_other;
    uint64_t accepted_id;
    struct shown shown;
    uint64_t purged_id; /* the id whose row was purged: the gid may live again */
    bool in_history;
};

/* Draw plan `number` of a swarm's world. */
void plan_draw(struct world *w, struct plan *p, uint32_t number);

/* Building by hand, for scenarios: a plan with so many branches, chained as its mode does by default. */
struct plan_shape {
    const char *gid;
    uint8_t mode;
    uint8_t drive;
    uint16_t branch_count;
    uint32_t deadline_ms;
    int pivot; /* -1: none */
    bool parallel;
    bool references; /* each branch refers to the answer of the one before it */
    bool cancel_always;
};
void plan_shape(struct world *w, struct plan *p, uint32_t number, const struct plan_shape *shape);

/* Fingerprints only have to differ when the requests do. */
void plan_fingerprint(uint8_t out[32], uint32_t number, uint32_t variant);

/* The plan of this gid, or NULL. */
struct plan *plan_find(struct world *w, struct slice gid);
/* The plan whose durable record carries this id, or NULL. */
struct plan *plan_of_id(struct world *w, uint64_t id);

#endif
