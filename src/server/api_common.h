/* What the routes of transactions, messages and definitions have in common: asking for room, making names,
 * and saying no. Each refusal answers the visit. */
#ifndef SERVER_API_COMMON_H
#define SERVER_API_COMMON_H

#include "model/effect.h"
#include "protocol/submission.h"
#include "server/visit.h"

/* The engine's no. what: "transaction", "message", ...: what was not found. */
void common_refuse_reply(struct visit *v, const struct reply *reply, const char *what);
/* The id is taken by another request. */
void common_refuse_other_body(struct visit *v, const struct reply *reply);
/* The engine was not asked: too much waits for the history. */
void common_refuse_unasked(struct visit *v);
/* New work has to wait. */
void common_refuse_new(struct visit *v, enum driver_admission admission);
/* 0, or the visit was refused because new work has to wait. */
int common_admit_new(struct visit *v);

/* The daemon's settings as a submission needs them. */
struct submission_options common_submission_options(struct visit *v);

/* Routes with ROUTE_KEY_GID. Make the id that the client left out, from the Idempotency-Key or at random;
 * ERR_MEMORY. */
int common_make_name(struct visit *v, uint8_t kind, struct transaction_request *request);
/* Whether the key stands for another request; visit.fingerprint is this one's. */
bool common_key_is_taken(struct visit *v);
/* A key beside an id of the client's own is saved in the turn of the submit, so that it stands for no other
 * request. What was made is what a repeat is answered from; where the turn has no room the key is simply not
 * known later. */
void common_remember_key(struct visit *v);

#endif
