/* A visit: one request to the API, from its arrival to its sealed answer. It is the exchange with what the
 * API adds to it, so it lives and dies with the exchange, and everything it borrows lives as long.
 *
 * A visit is answered exactly once, by one of the visit_answer functions, or it is gone. Answers that show
 * state are sealed: they leave when what they show is durable. */
#ifndef SERVER_VISIT_H
#define SERVER_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "protocol/problem.h"
#include "protocol/query.h"
#include "protocol/routes.h"
#include "server/daemon.h"

struct visit {
    struct exchange exchange; /* first: the HTTP server allocates it */
    struct daemon *daemon;
    struct route_match match;
    struct query query;
    struct slice namespace_name;
    struct slice key;  /* Idempotency-Key; empty: none. This and the next seven: see server/keyed.h */
    struct slice mark; /* what the key's first request left for this one */
    bool known;        /* the key is saved, its answer is not */
    bool replayed;     /* the answer was remembered from the key's first request */
    bool key_is_gid;   /* it made the gid of a submit */
    uint8_t makers_asked;
    uint8_t fingerprint[32];
    struct chain keyed;             /* in daemon.keyed while the key's first request is worked on */
    void (*route)(struct visit *v); /* where to go on */
    void (*gone)(struct visit *v);  /* its connection broke: end what was begun for it; NULL: nothing was */
    bool answered;
    bool may_view;      /* its token may read everything, not only what is its own */
    bool accepted;      /* what was submitted is new */
    uint64_t waits_for; /* id of the one whose end it waits for: not always the one that was asked about */
    const struct thing *thing; /* what is submitted or asked about: server/api_things.h */
    char who[ACCESS_NAME_BYTES + 1];
    struct driver_ask ask;
    struct driver_seal seal;
    struct waiter waiter;
    /* What a group of routes keeps while it waits; each uses its own. */
    union {
        struct transaction_request submit;
        struct {
            struct branch_request request;
            uint8_t fingerprint[32];
        } branch;
        struct {
            struct chain link; /* in daemon.streams */
            uint64_t transaction;
            struct feed_place after;
            uint64_t seq;   /* of a transaction's own stream: up to this record ... */
            uint64_t index; /* ... and so many of its events were told */
            uint32_t limit;
            bool all;     /* of all transactions */
            bool follow;  /* a stream, not a list */
            bool over;    /* nothing will follow */
            bool counted; /* in daemon.stream_count */
        } stream;
        struct {
            struct slice name;
            uint32_t roles;
            uint32_t expires_ms; /* or how long both secrets sign */
        } token;
        struct {
            struct list_scan *scan;    /* a slice of history is on its way */
            struct json_writer writer; /* into the exchange's body_pieces */
            uint64_t at;               /* id of the last item looked at */
            uint32_t limit;
            uint32_t scanned;
            uint32_t shown;
            bool broken;      /* audit: a line does not fit the chain */
            uint8_t hash[32]; /* audit: what the next older line must have */
        } list;
        struct {
            struct definition definition;
            struct slice secret;                    /* an endpoint's, made just now; else empty */
            bool made;                              /* it was not there before */
            struct datasource_ticket *ticket;       /* of a look at it */
            const struct datasource_report *report; /* what was found, while it is told */
        } definition;
        struct {
            struct puller puller;
            uint64_t until_ms; /* how long to wait for something to pull */
        } pull;
        struct backup_stream *backup;
    } part;
};

/* The answer shows this transaction, message or notification, or tells of it: to be said before a sealed
 * answer. NULL is fine. An answer that shows several counts as one that shows all between them. */
void visit_shows(struct visit *v, const struct transaction *t);
/* What the answer would show never was: the disk had no room for it. A question is told that there is no such
 * transaction, everybody else that the disk is full. */
void visit_taken_back(struct visit *v);
/* The batch that would make the answer true finds no room on the disk. It may still come to be. */
void visit_stuck(struct visit *v);
/* Answer with a problem. Sealed when it shows state (a conflict, a decision). */
void visit_refuse(struct visit *v, const struct problem *p);
void visit_refuse_sealed(struct visit *v, const struct problem *p);
/* Render a refusal for the HTTP server, which sends it itself: of a request that did not come whole. */
void visit_render_refusal(struct visit *v, uint16_t status, const struct problem *p);
/* Answer with what stands in the daemon's scratch buffer. visit_answer is for what neither shows state nor
 * was an act under an Idempotency-Key. */
void visit_answer(struct visit *v, uint16_t status, const char *content_type);
void visit_answer_sealed(struct visit *v, uint16_t status, const char *content_type);
/* For an act whose answer holds a secret (ROUTE_KEY_ONCE): kept is the same answer without it, and is what a
 * repeat of its Idempotency-Key gets; empty leaves the mark as it is. Not sealed: the act is durable where it
 * was done, and the mark in the journal (server/keyed.h) finds it again. */
void visit_answer_once(struct visit *v, uint16_t status, const char *content_type, struct slice kept);
/* Instead of a sealed answer whose seal has not opened: what may be shown already. */
void visit_answer_unsealed(struct visit *v, uint16_t status, const char *content_type);
/* The daemon's scratch buffer, cleared. */
struct buffer *visit_scratch(struct visit *v);

#endif
