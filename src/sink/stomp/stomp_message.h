/* A delivery as a STOMP SEND: everything of the frame but its body and the NUL behind that.
 *
 * Headers of settle: destination, receipt, persistent (when it is), content-type, content-length, settle-id,
 * settle-topic, settle-key (when there is one), settle-gid. They are the same for every attempt, but for the
 * receipt.
 *
 * The message's own headers follow under their own names, with two exceptions. A name that STOMP or a broker
 * would take for an instruction of its own ("destination", "expires", "transformation", "x-message-ttl",
 * anything that begins with "settle-" ...) gets "header-" in front, without regard to case. A header is left
 * out when its name is empty, longer than STOMP_NAME_BYTES or has a control character, when its value has a
 * NUL, and when either is not UTF-8, because no frame can carry those. correlation-id, reply-to, type and
 * priority go as they are: they speak to the message's reader, in the broker's own words. Pure. */
#ifndef SINK_STOMP_MESSAGE_H
#define SINK_STOMP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/call.h"

#define STOMP_NAME_BYTES 256

/* call->message is set. 0, or what buffer_failed says: ERR_LIMIT, ERR_MEMORY, ERR_INVALID (a NUL in the
 * destination or in one of settle's own headers). */
int stomp_message_write(struct buffer *to, const struct call *call, struct slice destination, bool persistent,
                        uint64_t receipt);

#endif
