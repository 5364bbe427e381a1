/* Points in time: milliseconds since 1970-01-01T00:00:00Z, without leap seconds, and how they are written.
 * Pure arithmetic on the proleptic Gregorian calendar, years 1970 to 9999; no clock, no time zone database,
 * no locale. Any thread. */
#ifndef BASE_INSTANT_H
#define BASE_INSTANT_H

#include <stdint.h>

#include "base/bytes.h"

/* 9999-12-31T23:59:59.999Z */
#define INSTANT_MAX_MS UINT64_C(253402300799999)

/* Append RFC 3339 in UTC with milliseconds, always 24 bytes: 2026-01-07T10:00:00.012Z. Later than
 * INSTANT_MAX_MS is written as INSTANT_MAX_MS. */
void instant_add(struct buffer *to, uint64_t epoch_ms);

/* RFC 3339: "Z" or a numeric offset, any number of fraction digits (cut to milliseconds), 't' and 'z' too.
 * ERR_SYNTAX when it is not written so (a date without an offset is ambiguous, a leap second's :60 has no
 * number here); ERR_LIMIT outside the years above. */
int instant_parse(struct slice text, uint64_t *epoch_ms);

/* An HTTP date as senders must write it, IMF-fixdate of RFC 9110 5.6.7: "Wed, 07 Jan 2026 10:00:00 GMT". The
 * day's name must be one, but is not compared with the date. ERR_SYNTAX, ERR_LIMIT. */
int instant_parse_http(struct slice text, uint64_t *epoch_ms);
/* Append the same. */
void instant_add_http(struct buffer *to, uint64_t epoch_ms);

#endif
