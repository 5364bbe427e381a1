/* How scripts speak of messages, notifications, subscriptions and endpoints: tests/script/README.md lists the
 * words. Each function makes the event that a line stands for; everything is in the arena. All return NULL,
 * or what is wrong with the line. */
#ifndef SIM_STAGE_MESSAGE_H
#define SIM_STAGE_MESSAGE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "model/event.h"

/* What a gid of a script names: "msg-..." a message, "ntf-..." a notification, anything else a transaction.
 */
uint8_t stage_subject(struct slice gid);

/* "send TOPIC ..." or "notify ENDPOINT ...": a line below a submit. */
const char *stage_outgoing(struct arena *arena, struct slice line, struct outgoing_request *out);

/* message ID TOPIC [half] [check] [after=10s] [every=30s] [tries=N] [key=K] [delay=D] [only=NAME] [body=...]
 */
const char *stage_message(struct arena *arena, struct slice line, struct transaction_request *out);
/* notify ID ENDPOINT schedule=0s,15s [success=WORD] [body=...] */
const char *stage_notice(struct arena *arena, struct slice line, struct transaction_request *out);
/* subscribe NAME TOPIC [pull] [ordered] [no-park] [ack=call] [ack_timeout=30s] [concurrency=N] [first=1s]
 * [for=1h] [refused=TOPIC]; endpoint NAME [concurrency=N] */
const char *stage_subscription(struct slice line, struct definition *out);
const char *stage_endpoint(struct slice line, struct definition *out);

#endif
