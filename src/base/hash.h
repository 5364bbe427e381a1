/* Hashes of names, of three kinds that must never be mixed up.
 *
 * Stable: XXH3-64 with seed 0. The same bytes give the same number on every machine and in every version, so
 * it may be shown and stored. Anybody can compute collisions: compare the key itself after a hit, and never
 * let it order a table that strangers fill.
 *
 * Seeded: SipHash-1-3 under a secret. For tables in memory whose keys come from outside; whoever does not
 * know the seed cannot aim at one chain (reliability.md H15). Never stored, never shown.
 *
 * Stored: the same under the seed that a store was given when it was made and keeps for ever, for a history
 * row's key_hash. It means something to that store and its copies only. Never shown.
 *
 * Pure functions: no state, no failure, any thread. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/bytes.h"

uint64_t hash_stable(struct slice s);
/* Of a name inside a namespace: (a, bc) and (ab, c) differ. */
uint64_t hash_pair_stable(struct slice namespace, struct slice key);

/* The seed comes from a random source at start, through whoever owns the table. The key of SipHash is
 * (seed, ~seed). */
uint64_t hash_seeded(uint64_t seed, struct slice s);

/* A pair as above. */
uint64_t hash_stored(uint64_t seed, struct slice namespace, struct slice key);

#endif
