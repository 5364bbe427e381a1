/* Single header values, read strictly: Retry-After, Content-Type, traceparent, Authorization, Last-Event-ID.
 *
 * Pure; slices look into the caller's text. Every reader returns 0, or ERR_SYNTAX and leaves its output
 * untouched. */
#ifndef WIRE_HEADER_VALUE_H
#define WIRE_HEADER_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* RFC 9110 10.2.3: seconds, or an HTTP date (which a date in the past makes 0). The wait in ms from now, at
 * most LIMIT_RETRY_AFTER_MS however far the wish goes. */
int header_value_retry_after(struct slice value, uint64_t now_epoch_ms, uint32_t *wait_ms);

/* RFC 9110 8.3.1: "type/subtype" without parameters, as written (compare without case). Parameters must be
 * well-formed as far as their first "name=". */
int header_value_content_type(struct slice value, struct slice *essence);

/* W3C Trace Context. */
struct traceparent {
    uint8_t trace[16]; /* not all zero */
    uint8_t span[8];   /* not all zero */
    uint8_t flags;     /* 1: sampled */
};
#define TRACEPARENT_BYTES 55
/* Version 00 exactly; a higher version by its first four fields (3.3 of the specification); never ff. */
int header_value_traceparent(struct slice value, struct traceparent *out);
/* Append version 00, TRACEPARENT_BYTES bytes. An all-zero trace or span is an assert. */
void header_value_add_traceparent(struct buffer *to, const struct traceparent *t);

/* RFC 6750: "Bearer" in any case, blanks, and a token of letters, digits and -._~+/ with = at its end. */
int header_value_bearer(struct slice value, struct slice *token);

/* An event id as settled hands it out: 1 to 128 visible ASCII bytes without quotes and backslashes, perhaps
 * between double quotes, which are taken off. */
int header_value_event_id(struct slice value, struct slice *id);

#endif
