/* A message as a RocketMQ producer sends it: the fields of SEND_MESSAGE_V2, the string of properties among
 * them, the signature of access control, and what the broker's answer means.
 *
 * Properties are NAME 0x01 VALUE 0x02 one after another. Neither byte may stand in a name or value, so that
 * no header of a message can add a property of its own making: such bytes become blanks, and bytes that are
 * no UTF-8 become question marks. Names that RocketMQ keeps for itself (capital letters, digits and _ alone,
 * or beginning with __: TRAN_MSG would make a half message, DELAY a late one) go out with ROCKETMQ_FOREIGN in
 * front.
 *
 * Pure. */
#ifndef WIRE_ROCKETMQ_MESSAGE_H
#define WIRE_ROCKETMQ_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/rocketmq_frame.h"

#define ROCKETMQ_TOPIC_BYTES 127
#define ROCKETMQ_GROUP_BYTES 120
#define ROCKETMQ_PROPERTIES_BYTES 32767
#define ROCKETMQ_MESSAGE_BYTES (4u * 1024u * 1024u) /* a body; the default of broker and clients */
#define ROCKETMQ_UNIQUE_BYTES 32
#define ROCKETMQ_FOREIGN "header-"
/* The topic whose route tells where a missing topic would be made, and how many queues a new one gets. */
#define ROCKETMQ_TEMPLATE_TOPIC "TBW102"
#define ROCKETMQ_TEMPLATE_QUEUES 4

/* Whether a topic or group may be called so: letters, digits, _ - % |, 1 to max bytes. */
bool rocketmq_name_valid(struct slice name, size_t max);

/* Append one property. Nothing is appended when name or value is empty, since readers drop such pairs. */
void rocketmq_property_add(struct buffer *to, struct slice name, struct slice value);
/* The same for a name that comes from outside. */
void rocketmq_property_add_foreign(struct buffer *to, struct slice name, struct slice value);
/* The value of a property as written; empty when it is not there. */
struct slice rocketmq_property_value(struct slice properties, const char *name);

/* The UNIQ_KEY of a message with this id in this topic of settle: the same for every attempt, other for every
 * other message. It has the shape that clients give it (32 hexadecimal digits), and the four bytes in which
 * they keep the time are 0, which tools that look a key up read as the beginning of the current month. */
void rocketmq_unique_key(struct slice topic, struct slice id, char out[ROCKETMQ_UNIQUE_BYTES]);

struct rocketmq_send {
    struct slice group;
    struct slice topic;
    struct slice broker;
    uint32_t queue;
    uint64_t born_ms;
    struct slice properties;
    char numbers[2][24]; /* room for the fields' digits */
};

/* Fill in code, fields a to n, language and version of a request; it borrows *send. opaque and flag are the
 * caller's. */
void rocketmq_send_encode(struct rocketmq_send *send, struct rocketmq_command *out);

/* Who signs. */
struct rocketmq_credentials {
    struct slice access_key;
    struct slice secret;
};

#define ROCKETMQ_SIGNATURE_BYTES 28
/* Base64 of HMAC-SHA1 over the values of all fields in the order of their names, and the body; scratch is
 * cleared and used. 0, or what the buffer says. */
int rocketmq_sign(const struct rocketmq_command *c, struct slice body, struct slice secret,
                  struct buffer *scratch, char out[ROCKETMQ_SIGNATURE_BYTES]);

/* What a broker's answer to a message means. */
enum rocketmq_verdict {
    ROCKETMQ_STORED, /* SEND_OK */
    ROCKETMQ_WEAK,   /* stored, but less safely than the broker is told to: not flushed, or not replicated */
    ROCKETMQ_ELSEWHERE, /* this broker cannot now: another broker, or later */
    ROCKETMQ_REFUSED,   /* the same message will be refused again until somebody changes something */
};
enum rocketmq_verdict rocketmq_verdict(int32_t code);
/* "FLUSH_DISK_TIMEOUT"; "unknown code" for one that is not known. Static storage. */
const char *rocketmq_code_text(int32_t code);

#endif
