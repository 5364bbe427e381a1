/* Records: everything that ever happens to a transaction, in order. They are the only way its state changes.
 *
 * The engine decides, encodes a record, and applies it; recovery applies the same records again and arrives
 * at the same state by construction. The journal carries records one by one, a history row carries all of
 * them, the timeline shows them. One codec, one apply (model/transaction.h), four uses.
 *
 * Encoding: kind byte, then the kind's fields in the order of the table in record.c: unsigned LEB128 numbers,
 * byte strings with a LEB128 length. Fields are only ever appended to a kind; a decoder gives 0 or empty to a
 * field that the bytes do not have. A frame (record_frame) puts a LEB128 length in front, so that frames can
 * follow one another. */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "model/request.h"

enum record_kind {
    RECORD_CREATED = 1,   /* request, id, deadline: the transaction exists */
    RECORD_BRANCH = 2,    /* a branch registered later (client drive) */
    RECORD_FILLED = 3,    /* the branch's body with its references filled, once and for ever */
    RECORD_ALLOWED = 4,   /* attempt 1 of an operation may be called, with next_ms: not before then. A
                             notification's later attempts have one each, too */
    RECORD_OUTCOME = 5,   /* what attempt n brought; with next_ms also: attempt n+1 may be called then */
    RECORD_DECIDED = 6,   /* the one decision */
    RECORD_FINISHED = 7,  /* a final status: nothing is owed any more */
    RECORD_SUSPENDED = 8, /* who, text: no calls until resumed */
    RECORD_RESUMED = 9,
    RECORD_RESOLVED = 10, /* an operator settles one operation by hand */
    RECORD_NUDGED = 11,   /* an operator asks for the next attempt now */
    RECORD_FORCED = 12,   /* an operator ends the transaction by hand */
    RECORD_DELIVERY = 13, /* a message is owed to a subscription, from next_ms on: a branch, its first attempt
                             allowed */
    RECORD_SENT = 14,     /* it made a message or notification of its own */
    RECORD_KIND_END,
};

enum decision {
    DECISION_NONE = 0,
    DECISION_COMMIT = 1,
    DECISION_ROLLBACK = 2,
};

/* Why the decision fell, or who moved. */
enum cause {
    CAUSE_NONE = 0,
    CAUSE_ALL_DONE = 1, /* every forward step succeeded */
    CAUSE_PIVOT = 2,    /* the pivot succeeded */
    CAUSE_REFUSED = 3,  /* a participant refused a forward step */
    CAUSE_PATIENCE = 4, /* a step's retry.for ran out */
    CAUSE_DEADLINE = 5,
    CAUSE_CLIENT = 6,   /* POST /commit or /rollback */
    CAUSE_OPERATOR = 7, /* /force, /resolve */
    CAUSE_CHECK = 8,    /* the answer of a check-back */
};

enum record_flag {
    RECORD_FLAG_ATTENTION = 1, /* from here on the operation needs attention */
    RECORD_FLAG_ANSWER = 2,    /* text is the whole answer, kept because another branch refers to it */
    RECORD_FLAG_NOT_DONE = 4,  /* RESOLVED: the operator says it did not and will not happen */
    RECORD_FLAG_DEAD = 8,      /* OUTCOME: no further attempt will be made until somebody asks for one */
};

struct record {
    uint8_t kind;
    uint64_t at_ms; /* epoch */
    uint16_t branch;
    uint8_t role;
    uint32_t attempt;
    uint8_t verdict; /* enum verdict */
    uint16_t http;
    uint32_t took_ms;
    uint64_t next_ms; /* OUTCOME, NUDGED, ALLOWED, DELIVERY: when the next attempt is due; 0: none, or now */
    uint8_t flags;
    uint8_t decision;
    uint8_t cause;
    uint8_t status;    /* FINISHED, FORCED: enum status of model/transaction.h */
    uint8_t made;      /* SENT: enum stored_kind of what was made */
    struct slice text; /* answer excerpt, reason, filled body; DELIVERY: the subscription; SENT: the new id */
    struct slice who;  /* principal of an operator's act; SENT: the topic or endpoint */
    uint64_t id;       /* CREATED: the transaction's id; DELIVERY: its place among all deliveries */
    uint64_t until_ms; /* CREATED: the deadline, epoch */
    /* CREATED: the request. BRANCH: the branch. In memory of the arena given to record_decode, slices into
     * the decoded bytes. */
    const struct transaction_request *request;
    const uint8_t *fingerprint; /* CREATED, as decoded: the request's, where it stands in the bytes */
    const struct branch_request *added;
};

/* Append the record's bytes. The buffer's own failure tells when it does not fit. */
void record_encode(struct buffer *to, const struct record *r);

/* Read one record that fills bytes exactly. Arrays go to the arena. ERR_CORRUPT when the bytes are not a
 * record, ERR_MEMORY. */
int record_decode(struct slice bytes, struct arena *arena, struct record *out);

/* Append one record's bytes as a frame; take the next frame off the front of *from (ERR_CORRUPT when it is
 * cut). */
void record_frame(struct buffer *to, struct slice bytes);
int record_unframe(struct slice *from, struct slice *bytes);

const char *record_word(uint8_t kind); /* "created", ... for traces */
const char *
cause_word(uint8_t cause); /* "all-done", "pivot", "refused", "patience", "deadline", "client", "operator" */
bool cause_is_by_hand(uint8_t cause);        /* a client or an operator asked for it */
const char *decision_word(uint8_t decision); /* "commit", "rollback", "none" */
const char *
verdict_word(uint8_t verdict); /* "done", "refused", "working", "slow-down", "unknown", "not-sent", ... */

#endif
