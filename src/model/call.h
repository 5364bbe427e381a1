/* A call that the engine allows, and the outcome that the world gave it. The engine makes calls, a sink
 * carries them, and only the engine judges what an outcome means for a transaction.
 *
 * Ownership: every slice of a call points into the engine's transaction and stays valid until the engine has
 * been given the outcome of exactly this (transaction, branch, role, attempt). A sink answers every call
 * once, whatever happens. */
#ifndef MODEL_CALL_H
#define MODEL_CALL_H

#include <stdint.h>

#include "base/bytes.h"
#include "model/label.h"

/* What part of a branch a call is. The words on the wire depend on the mode: saga action/compensate, TCC
 * try/confirm/cancel. */
enum role {
    ROLE_FORWARD,  /* action, try */
    ROLE_CONFIRM,  /* confirm (TCC only) */
    ROLE_BACKWARD, /* compensate, cancel */
    ROLE_COUNT,
};

/* What a delivery carries beside its body: the message as its producer gave it. */
struct call_message {
    struct slice id; /* the producer's: the same for all attempts and all subscriptions */
    struct slice topic;
    struct slice key;          /* ordering key, may be empty */
    struct slice content_type; /* of the body; never empty */
    const struct label *headers;
    uint16_t header_count;
};

struct call {
    uint64_t transaction; /* the engine's id of the transaction */
    uint16_t branch;      /* index within it */
    uint8_t role;
    uint32_t attempt;     /* from 1; goes out as Settle-Attempt */
    uint32_t timeout_ms;  /* from the moment the call may start, waiting for a connection included */
    uint64_t deadline_ms; /* the transaction's deadline, epoch ms; 0 when it no longer applies */
    struct slice gid;
    struct slice branch_id;
    struct slice operation; /* "action", "try", ...: goes out as Settle-Op */
    struct slice url;       /* http, https, or a target of wire/sink_target.h: its scheme chooses the sink */
    struct slice body;      /* sent byte for byte; empty: no body */
    struct slice signer;    /* whose secret signs it: an endpoint's name; empty: the daemon's own */
    const struct call_message *message; /* deliveries only; NULL for every other call */
};

/* What came back. Only an explicit answer is an answer: everything else is VERDICT_UNKNOWN (reliability.md
 * G11). */
enum verdict {
    VERDICT_NONE,
    VERDICT_DONE,        /* 2xx */
    VERDICT_REFUSED,     /* 409: the participant's business says no, finally */
    VERDICT_WORKING,     /* 425: ask again later */
    VERDICT_SLOW_DOWN,   /* 429, 503: unknown, with the participant's wish for a pause */
    VERDICT_UNKNOWN,     /* anything else: other statuses, timeout, broken connection, garbage */
    VERDICT_NOT_SENT,    /* no byte left this host: breaker open, or the timeout passed in the queue */
    VERDICT_FORBIDDEN,   /* the address behind the name is not allowed by egress.allow; nothing was sent */
    VERDICT_INTERRUPTED, /* settled itself stopped while the call was open */
    VERDICT_STALE, /* a reused connection died before the first byte of an answer: unknown, tried again at
                      once */
    VERDICT_COUNT,
};

struct outcome {
    uint64_t transaction;
    uint16_t branch;
    uint8_t role;
    uint8_t verdict;
    uint32_t attempt;
    uint16_t http;           /* status line's number, 0 when there was none */
    uint32_t retry_after_ms; /* the participant's Retry-After, 0 when absent, at most LIMIT_RETRY_AFTER_MS */
    uint32_t took_ms;
    struct slice body; /* the answer's body up to LIMIT_ANSWER_BYTES, or, without an answer, a sentence saying
                          what went wrong; borrowed for the call of the callback that hands it over */
};

#endif
