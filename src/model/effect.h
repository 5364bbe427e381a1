/* What the engine wants done: a sealed envelope. Everything in `entries` must be durable before anything else
 * in it leaves.
 *
 * One struct effects serves one turn: the driver steps every event that arrived into it, hands the entries to
 * the store as one batch, and opens the rest when the batch is durable. Replies are rendered right after
 * their step, because they point at state that the next step may change; the rendered bytes wait for the
 * batch like everything else. */
#ifndef MODEL_EFFECT_H
#define MODEL_EFFECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "model/call.h"
#include "model/transaction.h"

enum reply_kind {
    REPLY_ACCEPTED = 1,    /* a new transaction */
    REPLY_REPEATED,        /* the same gid and body as before: the state now */
    REPLY_STATE,           /* the answer to a question or a command that was obeyed */
    REPLY_NOT_FOUND,       /* no such gid */
    REPLY_NO_BRANCH,       /* no such branch, or it has no such operation: text says which */
    REPLY_OTHER_BODY,      /* the gid is taken by another request */
    REPLY_ALREADY_DECIDED, /* the opposite, or too late: transaction->decision tells */
    REPLY_NOT_ALLOWED,     /* the command does not fit: text says why */
    REPLY_FULL,            /* the limit of unfinished transactions (text names it) */
    REPLY_NO_MEMORY,       /* the memory limit */
    REPLY_PULLED,          /* reply.pulled: deliveries handed to a consumer, possibly none */
    REPLY_DEFINED,         /* reply.definition: as it is now */
};

/* One delivery that a pull hands out. Valid like a reply. */
struct pulled {
    const struct transaction *transaction;
    uint16_t branch;
    uint64_t until_ms; /* the end of the lease */
};

struct reply {
    uint64_t ticket;
    uint8_t kind;
    uint8_t event;                         /* the kind of event it answers */
    const struct transaction *transaction; /* NULL when there is none; valid until the next step */
    struct slice text;                     /* static or valid until the next step */
    const struct definition *definition;   /* DEFINED; valid until the next step */
    const struct pulled *pulled;           /* PULLED; likewise */
    size_t pulled_count;
};

/* A transaction has new records: whoever watches it wants to know. Valid like a reply: until the next step.
 */
struct change {
    const struct transaction *transaction;
    uint32_t seq_before; /* records applied before this step; the new ones follow it */
    bool finished;       /* it became final in this step */
};

struct load {
    uint64_t ticket;
    uint8_t kind; /* enum stored_kind */
    uint64_t key_hash;
    struct slice gid; /* of the event that asked */
};

struct effects {
    struct buffer entries; /* journal entries, see model/journal.h */
    uint32_t entry_count;
    struct call *calls; /* to be sent once the entries are durable */
    size_t call_count;
    struct buffer call_bytes; /* what calls points into */
    struct reply reply;       /* of the last step; kind 0: none */
    struct change *changes;   /* of the last step */
    size_t change_count;
    struct buffer change_bytes; /* what changes points into */
    struct pulled *pulled;      /* of the last step */
    size_t pulled_count;
    struct buffer pulled_bytes; /* what pulled points into */
    struct load load;           /* of the last step; ticket 0: none */
    struct buffer *trace;       /* NULL, or where each step appends its line */
};

/* entries_max: LIMIT_TURN_BUFFER_BYTES. */
void effects_init(struct effects *e, size_t entries_max);
void effects_done(struct effects *e);
void effects_clear(struct effects *e);      /* a new turn: everything */
void effects_clear_step(struct effects *e); /* a new step: reply, changes, load */
int effects_call(struct effects *e, const struct call *call);
/* Take back a call that was added and has not left: true when this turn has it. */
bool effects_withdraw(struct effects *e, uint64_t transaction, uint16_t branch, uint8_t role);
int effects_pulled(struct effects *e, const struct pulled *pulled);
void effects_cut_calls(struct effects *e, size_t count); /* forget all calls but the first ones */
int effects_change(struct effects *e, const struct change *change);

#endif
