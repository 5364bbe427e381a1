/* A transaction: its state, which is exactly what its records say, and nothing else.
 *
 * Messages and notifications are transactions too: a message has one decision (committed or rolled back), a
 * check-back as forward operation of its first branch while it is half, and a delivery as confirm operation
 * of one branch a subscription; a notification has one forward operation, success being its commit. So
 * recovery, retries, attention, folding and timelines are the same for all of them (docs/design).
 *
 * transaction_apply is the only function that changes one. The engine applies while it decides, recovery
 * applies what was stored, and a finished transaction read from history is applied afresh to be shown; all
 * three see the same thing.
 *
 * Memory is counted in a struct memory (base/memory.h) given at init; the transaction keeps its records
 * (image) and everything else points into them. Pointers handed out stay valid until transaction_done,
 * whatever is applied in between. */
#ifndef MODEL_TRANSACTION_H
#define MODEL_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "model/record.h"
#include "model/request.h"

enum status {
    STATUS_ACTIVE = 1,
    STATUS_COMMITTING = 2,
    STATUS_ROLLING_BACK = 3,
    STATUS_COMMITTED = 4,
    STATUS_ROLLED_BACK = 5,
    STATUS_HEURISTIC_COMMIT = 6,
    STATUS_HEURISTIC_ROLLBACK = 7,
    STATUS_HEURISTIC_MIXED = 8,
    STATUS_END,
};

enum operation_status {
    OPERATION_PENDING = 0,  /* nothing was ever allowed */
    OPERATION_RUNNING = 1,  /* an attempt is allowed now */
    OPERATION_WAITING = 2,  /* the participant is still working (425); asked again at next_ms */
    OPERATION_RETRYING = 3, /* tried again at next_ms */
    OPERATION_DONE = 4,
    OPERATION_REFUSED = 5,  /* finally: forward operations only */
    OPERATION_SKIPPED = 6,  /* given up without an answer because the transaction rolls back, or not needed */
    OPERATION_RESOLVED = 7, /* by an operator */
    OPERATION_DEAD = 8,     /* deliveries only: given up on until somebody replays or discards it */
};

struct operation {
    uint8_t status;        /* enum operation_status */
    uint8_t verdict;       /* of the last finished attempt; VERDICT_NONE before */
    bool ever_unknown : 1; /* some attempt may have taken effect although no answer said so */
    bool ever_working : 1; /* some attempt was answered 425 */
    bool not_done : 1;     /* resolved by hand as "did not happen" */
    bool open : 1;         /* volatile: a call is out now. Set and cleared by the engine, never by a record */
    bool interrupted : 1;  /* volatile: recovery found it allowed; whether it was sent nobody knows */
    uint16_t http;         /* of the last finished attempt */
    uint16_t detail_length;
    uint32_t attempt;      /* highest allowed attempt, 0: none */
    uint32_t failures;     /* attempts that count toward attention: not 425, not done */
    uint64_t first_ms;     /* when attempt 1 was allowed */
    uint64_t next_ms;      /* WAITING, RETRYING: when the next attempt is due */
    uint64_t attention_ms; /* since when it needs attention; 0: it does not */
    const char *detail;    /* what the last attempt's answer said: operation_detail */
};

/* An endpoint as a branch keeps it: a million branches wait at a time, and half of what waits for each is
 * this struct and the next. */
struct target {
    const char *url;
    uint32_t timeout_ms;
    uint16_t url_length; /* 0: this branch has no such operation */
};

struct branch {
    struct slice id;
    struct target to[ROLE_COUNT]; /* branch_url */
    struct slice body;            /* as given */
    const char *filled_at;        /* branch_filled */
    const char *answer_at;        /* branch_answer */
    uint32_t filled_length;
    uint32_t answer_length;
    union {
        const uint16_t *many;
        uint16_t one;   /* most branches follow one other, which is worth no memory of its own */
        uint64_t place; /* of a delivery, which follows nobody: branch_place */
    } after;            /* branch_after */
    uint16_t after_count;
    bool pivot : 1;
    bool cancel_always : 1;
    bool has_references : 1;
    bool referenced : 1;
    bool delivery : 1;
    struct retry_policy retry;
    struct operation operation[ROLE_COUNT];
};

struct transaction {
    uint64_t id;  /* time-ordered; 0 before RECORD_CREATED */
    uint32_t seq; /* records applied so far */
    uint8_t mode;
    uint8_t status;
    uint8_t decision;
    uint8_t cause;
    uint16_t branch_count;
    uint16_t label_count;
    uint16_t outgoing_count;
    unsigned drive : 1;
    bool suspended : 1;
    /* Why it rolls back or was forced: valid when reason_set. */
    bool reason_set : 1;
    bool reason_has_branch : 1; /* false: the whole transaction (deadline, client, operator) */
    unsigned reason_role : 2;
    uint8_t reason_verdict;
    uint16_t reason_branch;
    uint16_t reason_http;
    uint32_t reason_attempt;
    struct slice reason_detail;
    uint64_t created_ms;
    uint64_t updated_ms;
    uint64_t deadline_ms;
    uint64_t decided_ms;
    uint64_t finished_ms;
    struct slice namespace_name;
    struct slice gid;
    struct slice name;
    struct slice principal;
    const struct label *labels;
    const uint8_t *fingerprint; /* FINGERPRINT_BYTES, in the first record; NULL before it */
    struct branch *branches;
    const struct message_request *message; /* messages and notifications; NULL for other transactions */
    const struct outgoing_request *outgoing;
    struct image_part *image; /* its records as frames, oldest part first; see transaction_image */
    struct image_part *image_last;
    struct memory *memory;
};

void transaction_init(struct transaction *t, struct memory *memory);
void transaction_done(struct transaction *t); /* also right after init or a failed apply */

/* Apply one record given as its encoded bytes (copied). scratch holds what decoding needs and may be reset
 * afterwards. ERR_CORRUPT: not a record, or one that cannot follow what was applied before; ERR_MEMORY. On
 * failure nothing has changed. */
int transaction_apply(struct transaction *t, struct slice record, struct arena *scratch);

/* All records so far as frames, appended to the buffer: the image of a history row. */
void transaction_image(const struct transaction *t, struct buffer *to);
/* Build from an image: init, then every frame applied. */
int transaction_load(struct transaction *t, struct slice image, struct memory *memory, struct arena *scratch);
/* Visit the records in order: *part and *left start as NULL and empty; false at the end. bytes stay valid
 * until transaction_done. */
struct image_cursor {
    const struct image_part *part;
    struct slice left;
};
void transaction_records(const struct transaction *t, struct image_cursor *cursor);
bool transaction_next_record(struct image_cursor *cursor, struct slice *bytes);

/* Every invariant of a transaction, as assertions; called after each step and each load. */
void transaction_check(const struct transaction *t);

bool status_is_final(uint8_t status);
const char *status_word(uint8_t status);     /* "active", "rolling_back", ... */
uint8_t status_from_word(struct slice word); /* 0: no such word */
const char *mode_word(uint8_t mode);         /* "saga", "tcc", "message", "notification" */
uint8_t mode_kind(uint8_t mode);             /* enum stored_kind of its row */
const char *operation_word(uint8_t mode,
                           uint8_t role); /* "action", "confirm", ...; "" when the mode has no such role */
const char *
operation_status_word(const struct operation *o);         /* "pending" ...; an open call shows as "running" */
struct slice operation_detail(const struct operation *o); /* at most LIMIT_DETAIL_BYTES */
/* The role that a word means in a mode; -1 when none. */
int operation_role(uint8_t mode, struct slice word);
/* A branch of a message that stands for a delivery: its id is the subscription's name. */
bool branch_is_delivery(const struct branch *b);
/* Index of the branch with this id, or -1. */
int transaction_branch(const struct transaction *t, struct slice id);
/* The body with its references filled; empty when not (yet) filled or nothing to fill. */
static inline struct slice branch_filled(const struct branch *b) {
    return slice_of(b->filled_at, b->filled_length);
}
/* The forward answer, when another branch refers to it. */
static inline struct slice branch_answer(const struct branch *b) {
    return slice_of(b->answer_at, b->answer_length);
}
/* Deliveries: greater than that of every delivery that was owed earlier. 0 for all other branches. */
static inline uint64_t branch_place(const struct branch *b) {
    return b->delivery ? b->after.place : 0;
}
/* Indexes of the after_count branches that must be done before it. Valid until a branch is added. */
static inline const uint16_t *branch_after(const struct branch *b) {
    return b->after_count == 1 ? &b->after.one : b->after.many;
}
/* Where it is called in that role; empty: it has no such operation. */
static inline struct slice branch_url(const struct branch *b, int role) {
    return slice_of(b->to[role].url, b->to[role].url_length);
}
/* The body that every attempt of this branch carries. */
struct slice branch_payload(const struct branch *b);
/* Earliest attention among its operations: epoch ms since when, 0 when none; where tells which. */
uint64_t transaction_attention(const struct transaction *t, uint16_t *branch, uint8_t *role);
/* When the next attempt of anything is due, 0 when nothing waits. */
uint64_t transaction_next(const struct transaction *t);

#endif
