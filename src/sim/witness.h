/* A witness: what the durable records of one transaction say, read by eyes of its own.
 *
 * It decodes each record with the model's codec but keeps its own small state, so that a mistake in
 * transaction_apply cannot hide from it. It is fed every record at the moment it becomes durable, in order,
 * and answers two kinds of question: was this ever allowed (I-G3), and is the history legal (I-G1, I-G5,
 * I-S*, I-T*). A breach is reported to the world. */
#ifndef SIM_WITNESS_H
#define SIM_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/record.h"
#include "model/stored.h"
#include "model/transaction.h"

struct world;
struct plan;

struct witness_operation {
    uint32_t allowed;  /* highest attempt that may be called */
    uint32_t finished; /* highest attempt with an outcome */
    uint8_t verdict;   /* of that one */
    bool done;
    bool refused; /* finally */
    bool resolved;
    bool not_done;
    bool ever_unknown;
    bool ever_working;
    uint32_t failures;
    uint64_t first_ms;
    uint64_t next_ms; /* when attempt `allowed` is due at the earliest */
    uint64_t retry_after_until_ms;
};

struct witness {
    uint64_t id; /* 0: no durable record yet */
    uint32_t seq;
    uint64_t digest; /* of all record bytes in order */
    uint8_t mode, drive;
    uint8_t decision, cause, status;
    bool suspended;
    bool pivot_done; /* the last record was the pivot's success: the decision must be next */
    bool other_body; /* created from plan->other */
    uint64_t created_ms, deadline_ms, resumed_ms, decided_ms, finished_ms;
    uint16_t branch_count;
    uint16_t branch_capacity;
    uint16_t refused_branch;
    const struct transaction_request *request; /* as it was created */
    uint16_t outgoing_at;                      /* what it sends on its decision: so many are looked at */
    const struct branch_request **branches;    /* copies in the world's arena */
    bool *filled;
    struct witness_operation (*operation)[ROLE_COUNT];
};

/* One entry of a batch that is durable now. */
void witness_entry(struct world *w, const struct stored_entry *entry);
/* Everything of a batch was told. */
void witness_batch(struct world *w);
/* Whether this call is allowed by what is durable. NULL, or what is wrong. */
const char *witness_allows(const struct plan *p, uint16_t branch, uint8_t role, uint32_t attempt);
/* All branches that come after `branch`, directly or not: whether `other` is one of them. */
bool witness_depends(const struct witness *t, uint16_t other, uint16_t branch);

#endif
