/* The head of the POST that carries a call (ux.md (b)). Pure: the clock is passed in.
 *
 * Settle-Gid, Settle-Branch, Settle-Op, Settle-Attempt and Settle-Deadline say which call this is. A delivery
 * has its message's content type, Settle-Message, Settle-Topic, Settle-Key, Settle-Subscription and
 * Settle-Delivery, and then the headers that its producer gave it; a check-back has Settle-Message.
 * Idempotency-Key is "gid/branch/op", the same for every attempt (reliability.md G5), and so is webhook-id:
 * the same text with '.' as '~', since Standard Webhooks separates the signed parts with dots. traceparent
 * has one trace id for a transaction and one span id for an attempt, both derived from names alone, so that
 * nothing needs to be stored. */
#ifndef SINK_HTTP_REQUEST_H
#define SINK_HTTP_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/call.h"
#include "wire/signature.h"
#include "wire/url.h"

/* Append the head for a call to this URL; the body follows as it is. secrets: 0 to SIGNATURE_SECRETS, none
 * means no webhook headers. now_ms: epoch. 0, or what the buffer says (ERR_INVALID when a name holds a
 * control byte, ERR_LIMIT, ERR_MEMORY). */
int http_request_write(struct buffer *out, const struct call *call, const struct url *url,
                       const struct signature_secret *secrets, size_t count, uint64_t now_ms);

#endif
