/* The demo's participants: six small services, each a real HTTP server with a real SQLite file.
 *
 *   order, stock, points   TCC (POST /tcc/try, /tcc/confirm, /tcc/cancel): place an order of the shop
 *   car, hotel, charge     saga (POST /book, /undo): book a trip
 *
 * They keep the rules of docs/participants.md: effect and barrier row in one local transaction, 200 for done
 * and for done-before, 409 for a business refusal, 503 when their own database fails. They know nothing of
 * settled but the headers Settle-Gid, Settle-Branch and Settle-Op.
 *
 * Threads: each participant serves in its own thread; participant_trouble may be called from any other. */
#ifndef DEMO_PARTICIPANT_H
#define DEMO_PARTICIPANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct participant;

/* NULL-ended: "order", "stock", "points", "car", "hotel", "charge". */
extern const char *const participant_names[];

/* Open the file NAME.db in folder (made when missing, kept when there) and serve. ERR_NOT_FOUND no such name,
 * ERR_IO, ERR_MEMORY. */
int participant_open(struct participant **out, const char *name, const char *folder, struct why *why);
void participant_close(struct participant *p); /* NULL is fine */

/* The base of its operations: "http://127.0.0.1:PORT/tcc", or without "/tcc" for the saga ones. */
const char *participant_url(const struct participant *p);

/* From now on: refuse every forward operation with 409 (refuse), answer confirm this much later (0: at once).
 */
void participant_trouble(struct participant *p, bool refuse, uint32_t confirm_delay_ms);
/* How many confirms have taken effect since it was opened. */
uint32_t participant_confirmed(const struct participant *p);

#endif
