/* The books of the demo: what the participants' own files must say together when nothing is under way.
 *
 * Reads the files themselves, not the services, so that what is compared is what a crash would leave behind.
 */
#ifndef DEMO_BOOKS_H
#define DEMO_BOOKS_H

#include "base/bytes.h"
#include "base/err.h"

struct books {
    int64_t orders_confirmed, orders_cancelled, orders_pending; /* orders */
    int64_t pieces_confirmed;                                   /* pieces in confirmed orders */
    int64_t stock_start, available, reserved, sold;             /* pieces */
    int64_t points, points_pending;
    int64_t parcels, packed; /* parcels for orders, and the pieces in them */
    int64_t gifts, gifts_packed;
    int64_t trips, trips_undone; /* booked and paid in full; undone in full */
    int64_t trips_split;         /* booked here and not there: must never be */
    int64_t paid, owed;          /* charged, and price of cars and hotels booked */
};

/* Read NAME.db of every participant in folder. ERR_IO. */
int books_read(const char *folder, struct books *out, struct why *why);
/* Append one line for each rule that does not hold: what was expected and what is there. Returns how many. */
int books_differences(const struct books *b, struct buffer *to);

#endif
