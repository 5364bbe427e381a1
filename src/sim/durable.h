/* What is said of one thing, held against what is durable of it: the same for transactions, messages and
 * notifications (I-G1, I-G2, I-G4, I-G8, G12). */
#ifndef SIM_DURABLE_H
#define SIM_DURABLE_H

#include <stdint.h>

#include "base/bytes.h"

struct ask;
struct engine;
struct plan;
struct post;
struct told;
struct transaction;
struct world;

/* The furthest that any answer has shown of it. */
struct shown {
    uint64_t id; /* 0: nothing yet */
    uint32_t seq;
    uint8_t decision;
    uint8_t status; /* the final one, once told */
};

/* What a witness has seen become durable. */
struct durable {
    struct slice gid;
    uint8_t kind;       /* enum stored_kind */
    uint64_t id;        /* 0: nothing */
    uint64_t purged_id; /* whose row was purged: the gid may live again */
    uint32_t seq;
    uint64_t digest; /* durable_digest of its records */
    uint8_t decision;
    uint8_t status;
};

struct durable durable_of_plan(const struct plan *p);
struct durable durable_of_post(const struct post *p);

/* An answer says what cannot be: the world fails. */
void durable_untrue(struct world *w, const struct ask *ask, const struct told *told, const char *invariant,
                    const char *sentence);
/* Whatever an answer shows is durable, and is never taken back; and what was shown is found again. */
void durable_check_told(struct world *w, struct durable d, struct shown *shown, const struct ask *ask,
                        const struct told *told);
/* After a recovery everything durable is there, in memory or in a final row, and nothing else. */
void durable_check_recovered(struct world *w, struct durable d, const struct engine *e);
uint64_t durable_digest(const struct transaction *t);

#endif
