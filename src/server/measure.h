/* Measures as people spell them in settings: durations, sizes, decimal numbers.
 *
 * Pure. Parsers take the whole slice and return 0, ERR_SYNTAX or ERR_LIMIT (over 64 bits), outputs untouched
 * on failure; writers append the shortest exact spelling. */
#ifndef SERVER_MEASURE_H
#define SERVER_MEASURE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* "500ms", "30s", "5m", "24h", "7d" to ms. A unit is required. */
int measure_duration(struct slice text, uint64_t *ms);
void measure_add_duration(struct buffer *to, uint64_t ms);

/* "4096", "512KiB", "64MiB", "2GiB", "1TiB" to bytes. */
int measure_bytes(struct slice text, uint64_t *bytes);
void measure_add_bytes(struct buffer *to, uint64_t bytes);

/* "2", "1.5" to thousandths; at most three decimals. */
int measure_thousandths(struct slice text, uint64_t *thousandths);
void measure_add_thousandths(struct buffer *to, uint64_t thousandths);

#endif
