/* POST /v1/transactions and POST /v1/transactions/{gid}/branches: the JSON body becomes a struct
 * transaction_request with everything resolved that model/request.h promises. Source: ux.md (b), design.md 4
 * (9), (12), (14), (16), (17).
 *
 * Faults become a struct problem: 400 for what is not JSON (line and column) or no possible gid, 413 for a
 * payload over its limit, 422 for everything else, naming the field and what is possible. The first fault
 * found is told; a body that is not JSON is always told as that.
 *
 * The fingerprint is SHA-256 over the namespace and what the client wrote, member by member in a fixed order,
 * payload bodies byte for byte: white space, the order of members and the way a string is escaped outside of
 * payloads do not matter, and neither do the daemon's defaults, which may change between two repeats.
 *
 * Ownership: slices point into the body and into the arena; both must outlive the request. Pure. */
#ifndef PROTOCOL_SUBMISSION_H
#define PROTOCOL_SUBMISSION_H

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "model/request.h"
#include "model/transaction.h"
#include "protocol/problem.h"

/* Whether a participant's URL may be called: 0; ERR_DENIED when egress does not allow it (why names host and
 * setting); ERR_LIMIT or ERR_SYNTAX when it is no usable URL (why says what is wrong). */
typedef int submission_judge(void *self, struct slice url, struct why *why);

struct submission_options {
    struct slice namespace_name;
    uint32_t deadline_ms;      /* when the request names none */
    uint32_t call_timeout_ms;  /* of each operation */
    struct retry_policy retry; /* of each branch, member by member */
    submission_judge *judge;
    submission_judge *judge_sink; /* the same for a line of wire/sink_target.h; definitions only */
    bool (*has_endpoint)(void *self, struct slice name); /* whether notifications may name it */
    void *judge_self;                                    /* for all of them */
};

/* Bounds of what a request may ask for; call timeouts are in base/limits.h. */
#define SUBMISSION_DEADLINE_MS_MIN 10u
#define SUBMISSION_DEADLINE_MS_MAX 2592000000u /* 30 days */
#define SUBMISSION_RETRY_MS_MAX 86400000u      /* 24 hours */
#define SUBMISSION_RETRY_FACTOR_MAX 100u

/* 0; ERR_INVALID or ERR_MEMORY with *problem filled. On success everything in *out is set except principal,
 * and gid, which stays empty when the client named none: then the adapter makes one with
 * submission_fresh_name or submission_key_name. */
int submission_decode(struct slice body, const struct submission_options *options, struct arena *arena,
                      struct transaction_request *out, struct problem *problem);

/* One more branch for a transaction that its client drives; t gives mode and the branches that `after` may
 * name. Repeating a branch that t has already resolves as it did the first time. */
int submission_decode_branch(struct slice body, const struct submission_options *options,
                             const struct transaction *t, struct arena *arena, struct branch_request *out,
                             uint8_t fingerprint[32], struct problem *problem);

/* A name nobody has: "tx_" (for a message "msg_", for a notification "ntf_") and 32 hexadecimal digits, from
 * 16 random bytes. kind: enum stored_kind. ERR_MEMORY. */
int submission_fresh_name(uint8_t kind, const uint8_t random[16], struct arena *arena, struct slice *name);
/* The name that an Idempotency-Key stands for, the same every time: the digits are of SHA-256 over namespace
 * and key (design.md 4 (17)). ERR_MEMORY. */
int submission_key_name(uint8_t kind, struct slice namespace_name, struct slice key, struct arena *arena,
                        struct slice *name);

/* Whether text can be a gid: 1 to 128 of A-Za-z0-9._:- and not "." or "..", which clients drop from paths. */
bool submission_is_gid(struct slice text);

#endif
