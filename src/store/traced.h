/* A store that tells what is asked of another store, one line per call and answer:
 *
 *     append 7 of 412 bytes: success
 *     fold 3 rows, transactions 12 to transactions 14: no space left
 *     find transactions 81985529216486895: success, 1 rows
 *
 * For tests that compare transcripts, and for watching a driver. Threads as in store.h: the callback comes on
 * whichever thread called, two at a time when J and H are two threads. */
#ifndef STORE_TRACED_H
#define STORE_TRACED_H

#include "store/store.h"

/* line is without newline and valid during the callback, which must not call the store. */
typedef void traced_line(void *self, struct slice line);

/* On success *out owns inner and closes it. usage is passed on without a line. ERR_MEMORY. */
int traced_new(struct store *inner, traced_line *tell, void *self, struct store **out, struct why *why);

#endif
