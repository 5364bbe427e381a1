/* Lengths of time as people write them: "500ms" "30s" "5m" "24h" "7d". Whole numbers, one unit, no sign, no
 * blanks, no combinations. In memory a duration is a number of milliseconds.
 *
 * Pure functions, any thread. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stdint.h>

#include "base/bytes.h"

/* ERR_SYNTAX when it is not written so, ERR_LIMIT when the milliseconds do not fit 64 bits. */
int duration_parse(struct slice text, uint64_t *ms);

/* Append the shortest spelling that is exact: 90000 becomes "90s", 1500 "1500ms", 0 "0s". Reads back as the
 * same number. */
void duration_add(struct buffer *to, uint64_t ms);

#endif
