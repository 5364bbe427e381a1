/* Words that were probably meant: "unknown field "compensat", did you mean "compensate"?"
 *
 * Pure functions, bounded work: words longer than WORD_BYTES have no neighbours. */
#ifndef BASE_WORD_H
#define BASE_WORD_H

#include <stddef.h>

#include "base/bytes.h"

#define WORD_BYTES 32

/* Changes that turn one into the other: insert, drop or replace a byte, or swap two neighbours (optimal
 * string alignment); letters' case does not count. WORD_BYTES + 1 when either is longer than WORD_BYTES. */
size_t word_distance(struct slice a, struct slice b);

/* The known word closest to text, the first of equals, or NULL when none is close enough to be a slip: more
 * than a third of the longer word would have to change. known[i] are NUL-terminated, not NULL. */
const char *word_nearest(struct slice text, const char *const *known, size_t count);

#endif
