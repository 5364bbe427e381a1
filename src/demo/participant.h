/* The demo's participants: seven small services, each a real HTTP server with a real SQLite file.
 *
 *   order, stock, points   TCC (POST /tcc/try, /tcc/confirm, /tcc/cancel): place an order of the shop
 *   warehouse              messages (POST /ship): pack a parcel for an order, once per message
 *   car, hotel, charge     saga (POST /book, /undo): book a trip
 *
 * The order service also produces messages of its own: a gift and the name of its message in one local
 * transaction (participant_promise), and POST /tcc/check tells settled whether that transaction committed.
 *
 * They keep the rules of docs/participant-rules.md: effect and barrier row in one local transaction, 200 for
 * done and for done-before, 409 for a business refusal, 503 when their own database fails. They know nothing
 * of settled but the headers Settle-Gid, Settle-Branch and Settle-Op.
 *
 * Threads: each participant serves in its own thread; participant_trouble may be called from any other. */
#ifndef DEMO_PARTICIPANT_H
#define DEMO_PARTICIPANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct participant;

/* NULL-ended: "order", "stock", "points", "warehouse", "car", "hotel", "charge". */
extern const char *const participant_names[];

/* Open the file NAME.db in folder (made when missing, kept when there) and serve. ERR_NOT_FOUND no such name,
 * ERR_IO, ERR_MEMORY. */
int participant_open(struct participant **out, const char *name, const char *folder, struct why *why);
void participant_close(struct participant *p); /* NULL is fine */

/* The base of its operations: "http://127.0.0.1:PORT/tcc", or without "/tcc" for the saga ones. */
const char *participant_url(const struct participant *p);

/* From now on: refuse every forward operation with 409 (refuse), answer confirms and deliveries this much
 * later (0: at once). */
void participant_trouble(struct participant *p, bool refuse, uint32_t confirm_delay_ms);
/* Answer the next so many calls with 503 and do nothing, as when its own database is gone. */
void participant_close_for(struct participant *p, uint32_t calls);
/* How many confirms and deliveries have taken effect since it was opened. */
uint32_t participant_confirmed(const struct participant *p);

/* What a producer does between its half message and the commit of it: promise a gift to buyer in the order
 * service's file in folder, in one local transaction with the message's id. ERR_CONFLICT: settled has asked
 * about this message before, and was told that it never will be; ERR_IO. */
int participant_promise(const char *folder, const char *message, const char *buyer, struct why *why);

#endif
