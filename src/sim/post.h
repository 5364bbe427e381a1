/* A post: one message or notification of the simulated workload, and the truth about it. What plan.h is for
 * transactions: what its producer means to ask and really did in its own database, what its consumers really
 * did, and what the durable records say (post_witness.h). Invariants compare them. Memory is the world's.
 *
 * Posts are drawn, or come into being in the engine: on a transaction's decision, on a consumer's refusal, by
 * an operator's edit. Those are *spawned*, and somebody's record must claim each. */
#ifndef SIM_POST_H
#define SIM_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/definition.h"
#include "model/request.h"
#include "sim/durable.h"

struct world;
struct post;

enum {
    CHANNEL_VERSIONS = 3,
};

/* A subscription or an endpoint with those who stand behind it. */
struct sim_channel {
    uint8_t kind; /* enum definition_kind */
    struct slice name;
    uint16_t participant;
    bool inbox;                                     /* its consumers remember what they have done */
    struct definition versions[CHANNEL_VERSIONS];   /* what operators define, one or the other */
    uint64_t first_us;                              /* when it is defined for the first time */
    bool asked_pause, asked_resume, asked_undefine; /* by anybody, ever */
    bool said_gone;                                 /* an endpoint answered 410 */
    /* What is durable. */
    uint64_t id; /* 0: never defined */
    uint32_t seq;
    bool exists, paused;
    struct outlet outlet;
    struct slice source;
    uint32_t concurrency_max; /* of all versions that ever were */
    bool order_moved;         /* the order that is kept has changed: it proves nothing any more */
};

/* Calls of one kind to one receiver. */
struct errand {
    uint32_t open; /* calls out of the living coordinator */
    uint32_t sends;
    uint32_t arrivals;
    uint32_t last_sent;     /* highest attempt that left */
    uint64_t busy_until_us; /* told by Retry-After */
    const uint8_t *script;  /* enum reaction per call; NULL: the dice decide */
    uint8_t script_length;
    uint8_t script_at;
};

/* A check-back, a notification's attempts or a delivery, as the durable records have it. */
struct post_operation {
    uint32_t allowed;  /* highest attempt that may be called */
    uint32_t finished; /* highest attempt with an outcome */
    uint8_t verdict;
    bool done, refused, resolved, dead;
    bool ever_dead;
    uint32_t failures; /* attempts that brought nothing: neither done nor still working */
    bool nudged;
    uint64_t first_ms; /* of the first outcome since it was last dead: patience counts from there */
    uint64_t next_ms;  /* when attempt `allowed` is due at the earliest */
};

struct delivery {
    struct post *post;
    struct sim_channel *channel;
    uint16_t branch;
    uint64_t place;
    struct post_operation o;
    struct errand errand;
    /* What its consumers did. */
    uint32_t received;
    uint32_t effects; /* times it took effect, absorbed repeats not counted */
    bool poison;      /* they refuse it, whatever happens */
    bool poison_drawn;
    bool said_done, said_refused;
    uint32_t held_attempt;  /* in this life of the coordinator */
    uint64_t held_until_ms; /* a consumer has it until then, unless it says something before */
    /* What operators did. */
    bool asked_replay, asked_discard, asked_edit;
    uint32_t replays;
    uint64_t tended_us; /* when an operator last did something about it */
};

enum check_form {
    CHECK_NONE = 0, /* nobody can be asked: the producer decides, however late */
    CHECK_HTTP,     /* the producer answers; asked before it began, it never begins any more */
    CHECK_PG,       /* the database's own record of the transaction */
    CHECK_MARKER,   /* a row of the transaction, read without waiting */
};

enum local_state {
    LOCAL_NONE = 0,
    LOCAL_OPEN,
    LOCAL_COMMITTED,
    LOCAL_ROLLED_BACK,
};

enum producer_stage {
    PRODUCER_BEGINS = 0,
    PRODUCER_SUBMITS,
    PRODUCER_WORKS,
    PRODUCER_ENDS, /* its local transaction */
    PRODUCER_DECIDES,
    PRODUCER_WATCHES,
    PRODUCER_GONE,
};

struct producer {
    uint8_t stage; /* enum producer_stage */
    uint8_t local; /* enum local_state: what its database would say */
    uint8_t form;  /* enum check_form */
    uint16_t participant;
    bool wants_rollback;
    bool dead;
    bool accepted;      /* it knows that the half message is there */
    uint32_t dies_at;   /* before its step of this number; UINT32_MAX: never */
    uint32_t steps;     /* between two calls */
    uint32_t tries;     /* submits without an answer */
    uint32_t tries_max; /* then it does without; UINT32_MAX: never */
    uint32_t waiting_for;
    uint32_t pauses;
    uint32_t polls;
    uint64_t failed_over_until_us; /* its database cannot tell */
};

struct post_witness {
    uint64_t id; /* 0: no durable record yet */
    uint32_t seq;
    uint64_t digest;
    uint8_t decision, cause, status;
    uint64_t created_ms, deadline_ms, decided_ms;
    const struct transaction_request *request;
    bool other_body;
    struct post_operation call; /* check-back, or a notification's attempts */
    uint32_t recorded;          /* a notification's attempts that may be made */
    uint32_t owed;              /* deliveries that the commit made */
    bool refusal_due;           /* a refusal must be published next */
    struct slice refusal_topic;
    uint32_t edits_due; /* messages that an edit may make */
    struct delivery **deliveries;
    uint32_t delivery_count, delivery_capacity;
};

struct post {
    uint32_t number;
    uint8_t mode; /* MODE_MESSAGE or MODE_NOTICE */
    struct slice gid;
    bool spawned;
    bool claimed;
    uint64_t start_us;
    struct transaction_request request;
    struct transaction_request other; /* the same gid, another body */
    struct message_request message, other_message;
    struct branch_request branch; /* check-back or notify */
    struct producer producer;
    struct errand call;         /* check-backs, or a notification's attempts */
    const uint8_t *push_script; /* enum reaction of the first channel's pushes; NULL: the dice decide */
    uint8_t push_script_length;
    struct post_witness witness;
    bool sent_well; /* the endpoint answered as its sender calls success */
    bool sent_gone;

    bool asked_commit, asked_rollback, asked_nudge;
    bool untrue_commit, untrue_rollback; /* somebody asked for what the producer's database denies */
    bool told_accepted;
    bool told_committed;
    struct shown shown;
    uint64_t accepted_id;
    uint64_t purged_id;
    bool in_history;
};

/* Draw the swarm's channels and posts, and what transactions send on their decision. */
void post_draw_channels(struct world *w);
void post_draw(struct world *w, struct post *p, uint32_t number);
struct plan;
void post_draw_outgoing(struct world *w, struct plan *p);

/* Fill in what every request has. Its mode, message and branch must be set. */
void post_identify(struct world *w, struct post *p, uint32_t number);
/* One more post; spawned when the engine made it. */
struct post *post_add(struct world *w, struct slice gid, uint8_t mode);
struct post *post_find(struct world *w, struct slice gid);
struct post *post_of_id(struct world *w, uint64_t id);
struct delivery *post_delivery(const struct post *p, struct slice name);
struct sim_channel *channel_named(struct world *w, uint8_t kind, struct slice name);
/* Whether nothing more will be sent for it. */
bool post_operation_over(const struct post_operation *o);
/* Whether its producer's database, or whoever caused it, says that it happened. */
bool post_happened(const struct post *p);

#endif
