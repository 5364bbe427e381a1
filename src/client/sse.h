/* The reading side of server-sent events (WHATWG HTML, section 9.2): bytes in any cut in, events out.
 *
 * Ends of line may be LF, CR or CRLF. "data" lines are joined by LF; an event without data is dropped, but
 * its id counts; comments (heartbeats) and unknown fields are skipped; an id holding NUL is ignored. The id
 * of an event is the last one seen. One line and one event are limited to SSE_BYTES. Not thread-safe. */
#ifndef CLIENT_SSE_H
#define CLIENT_SSE_H

#include <stdbool.h>

#include "base/bytes.h"

#define SSE_BYTES (4 * 1024 * 1024)

struct sse {
    struct buffer line;
    struct buffer id, name, data;
    bool after_cr; /* a LF that follows belongs to the line before */
    bool has_data;
};

/* All three are NUL-ended behind their length and live during the call. Non-zero stops the reading. */
typedef int sse_event_fn(void *argument, struct slice id, struct slice name, struct slice data);

void sse_init(struct sse *s);
void sse_done(struct sse *s);
/* 0, what the callback returned, ERR_LIMIT or ERR_MEMORY. */
int sse_feed(struct sse *s, struct slice bytes, sse_event_fn *callback, void *argument);

#endif
