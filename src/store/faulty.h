/* A store that spoils what is asked of another store, by a script or by a seed: what a driver must survive.
 *
 * A read (recover, find, scan, keys, count) can only fail with ERR_IO or be late; the faults of writes are
 * passed over there. After FAULTY_IO_* every call answers ERR_IO until the store is closed, as store.h
 * demands. After an unknown append any other batch than the same one again is ERR_INVALID: the wrapper holds
 * its caller to the contract.
 *
 * Threads as in store.h. The same plan and the same calls give the same faults; J and H draw from two streams
 * of the seed, so that the one does not disturb the other. */
#ifndef STORE_FAULTY_H
#define STORE_FAULTY_H

#include "store/store.h"

enum faulty_call {
    FAULTY_RECOVER,
    FAULTY_APPEND,
    FAULTY_TRIM,
    FAULTY_FOLD,
    FAULTY_FIND,
    FAULTY_SCAN,
    FAULTY_KEYS,
    FAULTY_PURGE,
    FAULTY_COUNT,
    FAULTY_CALLS,
};

enum faulty_fault {
    FAULTY_NONE,
    FAULTY_LATE,           /* delay, then done */
    FAULTY_SPACE,          /* ERR_SPACE, nothing done */
    FAULTY_UNKNOWN_BEFORE, /* ERR_UNKNOWN, nothing done */
    FAULTY_UNKNOWN_AFTER,  /* ERR_UNKNOWN, done */
    FAULTY_IO_BEFORE,      /* ERR_IO for good, nothing done */
    FAULTY_IO_AFTER,       /* ERR_IO for good, done */
    FAULTY_FAULTS,
};

/* The first-th call of this kind (from 1) and the times - 1 after it. */
struct faulty_rule {
    enum faulty_call call;
    uint64_t first;
    uint64_t times;
    enum faulty_fault fault;
};

struct faulty_plan {
    const struct faulty_rule *rules; /* copied; the first one that fits counts */
    size_t rule_count;
    uint64_t seed;                                /* for calls that no rule fits */
    uint32_t per_million[FAULTY_FAULTS];          /* [FAULTY_NONE] is ignored; together at most 1,000,000 */
    uint32_t delay_ms;                            /* of FAULTY_LATE */
    void (*delay)(void *self, uint32_t delay_ms); /* NULL: really sleeps */
    void *self;
};

/* On success *out owns inner and closes it. ERR_MEMORY. */
int faulty_new(struct store *inner, const struct faulty_plan *plan, struct store **out, struct why *why);

/* How many faults of a kind there have been. Any thread. */
uint64_t faulty_count(const struct store *s, enum faulty_fault fault);

#endif
