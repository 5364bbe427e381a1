/* A store that forgets everything at close: the reference for the contract, and what tests and the simulator
 * build on. It is written to be read, not to be fast: find walks all rows of a kind.
 *
 * Threads as store.h says: J and H may be two threads. Fails only with ERR_MEMORY, ERR_INVALID and
 * ERR_LIMIT; wrap it in store/faulty.h for the rest. */
#ifndef STORE_MEMORY_STORE_H
#define STORE_MEMORY_STORE_H

#include "store/store.h"

/* The caller closes *out. ERR_MEMORY, ERR_IO (no random numbers). */
int memory_store_new(struct store **out, struct why *why);

/* What a crash would leave if every answered operation was durable and nothing else: a second, independent
 * store with the same content, its epoch one higher. No other thread may use `from` meanwhile. ERR_MEMORY,
 * ERR_IO. */
int memory_store_copy(struct store *from, struct store **out, struct why *why);

#endif
