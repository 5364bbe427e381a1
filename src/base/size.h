/* Amounts of bytes as people write them: "512B" "64KiB" "1MiB" "2GiB", or a bare number of bytes. Whole
 * numbers, powers of 1024 only: "1MB" would be read as two different sizes by two people, so it is refused.
 *
 * Pure functions, any thread. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdint.h>

#include "base/bytes.h"

/* ERR_SYNTAX when it is not written so, ERR_LIMIT when the bytes do not fit 64 bits. */
int size_parse(struct slice text, uint64_t *bytes);

/* Append the spelling with the largest unit that is exact: 1048576 becomes "1MiB", 1000 "1000B". */
void size_add(struct buffer *to, uint64_t bytes);

#endif
