/* A transaction as somebody asks for it: the noun that an inbound adapter makes and the engine takes.
 * Everything is resolved here: defaults filled in, `base` spelled out into URLs, `after` turned into indexes,
 * references checked. The engine asserts what this header promises and never reads JSON to find out what a
 * client meant.
 *
 * Ownership: plain slices and arrays in the maker's arena; the engine copies what it keeps. */
#ifndef MODEL_REQUEST_H
#define MODEL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/call.h"
#include "model/label.h"

enum mode {
    MODE_SAGA = 1,
    MODE_TCC = 2,
    MODE_MESSAGE = 3, /* a reliable message: a check-back and its deliveries are its branches */
    MODE_NOTICE = 4,  /* a best-effort notification: one branch, a bounded number of attempts */
    MODE_END,
};

/* Who calls the forward operations. */
enum drive {
    DRIVE_SERVER = 0,
    DRIVE_CLIENT = 1, /* the client runs action/try itself and says commit or rollback */
};

/* What happens when a forward step's own patience (retry.for) is at its end. Decided work never gives up. */
enum give_up {
    GIVE_UP_ROLLBACK = 0,
    GIVE_UP_ATTENTION = 1, /* go on trying until the deadline, and raise attention */
};

struct endpoint {
    struct slice url;    /* empty: this branch has no such operation */
    uint32_t timeout_ms; /* 10 ms to 300 s; 0: that of the subscription or endpoint */
};

struct retry_policy {
    uint32_t first_ms;       /* >= 10 */
    uint32_t factor_percent; /* >= 100: 200 doubles */
    uint32_t max_ms;         /* >= first_ms */
    uint32_t for_ms;         /* a forward step's own patience from its first attempt; 0: until the deadline */
    uint8_t then;            /* enum give_up */
};

struct branch_request {
    struct slice id; /* unique in the transaction */
    struct endpoint to[ROLE_COUNT];
    struct slice body;     /* raw JSON bytes as the client wrote them; empty: calls carry no body */
    const uint16_t *after; /* indexes of branches that must be done before this one's forward operation
                              starts; no cycle */
    uint16_t after_count;
    bool pivot;          /* saga only, at most one: its success is the commit decision */
    bool cancel_always;  /* undo even after a clean refusal */
    bool has_references; /* body contains ${branch#/pointer}; every one names an ancestor */
    bool referenced;     /* another branch's body refers to this one's answer, so the answer is kept whole */
    struct retry_policy retry;
};

/* What a message or a notification carries beside its id. */
struct message_request {
    struct call_message head; /* its id is the transaction's gid and set when it is taken; a notification's
                                 topic is its event, its key its ref */
    struct slice body;        /* opaque bytes */
    struct slice
        only; /* the one subscription it is for; empty: all of its topic. A notification's endpoint */
    struct slice
        origin; /* what made it when no client did: "transaction GID", "refusal of ID~NAME"; else empty */
    uint32_t delay_ms;       /* deliveries wait this long after the commit */
    uint32_t check_after_ms; /* from its creation to the first check-back */
    uint32_t check_tries;    /* undecided check-backs before it needs attention; 0: as the settings say */
    bool half;               /* undecided until the producer or its check-back says so */
    /* Notifications only: how long to wait before each attempt, and what counts as success. */
    const uint32_t *schedule_ms;
    uint16_t schedule_count;   /* 1 ... LIMIT_ATTEMPTS: there is never one attempt more */
    uint16_t success_http;     /* the only status that will do, 200 ... 299; 0: any of them */
    struct slice success_body; /* what the answer must be, blanks around it apart; empty: anything */
};

/* A message or notification that a transaction sends when it is decided. Saved with the transaction, made in
 * the batch of the decision. */
struct outgoing_request {
    bool on_rollback; /* else on commit */
    bool is_notice;
    uint32_t timeout_ms; /* of a notification's attempts; 0: its endpoint's */
    struct message_request message;
};

#define FINGERPRINT_BYTES 32

struct transaction_request {
    struct slice namespace_name; /* "default" */
    struct slice gid;            /* never empty: the client's, or made by the adapter */
    bool gid_is_fresh; /* made by this daemon just now from 128 random bits: no need to look it up */
    uint8_t mode;      /* enum mode */
    uint8_t drive;     /* enum drive */
    struct slice name; /* may be empty */
    const struct label *labels;
    uint16_t label_count;
    uint32_t deadline_ms; /* from now; undecided by then: rolled back */
    const struct branch_request *branches;
    uint16_t branch_count; /* 0 only when the client drives, and for messages without a check-back */
    const struct message_request *message; /* MODE_MESSAGE and MODE_NOTICE; NULL otherwise */
    const struct outgoing_request *outgoing;
    uint16_t outgoing_count;
    uint8_t fingerprint[FINGERPRINT_BYTES]; /* SHA-256 of namespace and canonical request; identifies "the
                                               same body" */
    struct slice principal;                 /* who asked; shown, not part of the fingerprint */
};

#endif
