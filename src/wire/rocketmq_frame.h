/* Frames of RocketMQ's remoting protocol: a command (request or answer) as bytes and back, in both spellings
 * of its header.
 *
 *     length (4)  spelling (1)  header length (3)  header  body        big-endian; length counts what follows
 * it
 *
 * A decoder says how many bytes the frame takes, then the header is read for itself. The JSON spelling is
 * what every server takes and what settle sends; the binary one is read and written as well, since a peer may
 * use it. Strict: what is no frame or no header is ERR_SYNTAX, and there is no way to go on behind it on a
 * connection.
 *
 * Ownership: all slices of what was decoded look into the frame, or into the arena where text had escapes.
 * Pure, no state. */
#ifndef WIRE_ROCKETMQ_FRAME_H
#define WIRE_ROCKETMQ_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

/* The largest frame that a server takes, its length field included. */
#define ROCKETMQ_FRAME_BYTES (16u * 1024u * 1024u)
/* More fields than any command of the protocol has. */
#define ROCKETMQ_FIELDS 40

enum rocketmq_spelling {
    ROCKETMQ_JSON = 0,
    ROCKETMQ_BINARY = 1,
};

/* Codes of requests that settle sends. */
#define ROCKETMQ_GET_ROUTE 105
#define ROCKETMQ_SEND_MESSAGE 310 /* SEND_MESSAGE_V2: fields of one letter */
/* Bits of a command's flag. */
#define ROCKETMQ_ANSWER 1
#define ROCKETMQ_ONE_WAY 2
/* What settle says of itself: a language of its own, and a version for which name servers answer in standard
 * JSON (5.3.3). */
#define ROCKETMQ_LANGUAGE_OTHER 7
#define ROCKETMQ_LANGUAGES 14
#define ROCKETMQ_VERSION 479

struct rocketmq_field {
    struct slice name;
    struct slice value;
};

struct rocketmq_command {
    int32_t code;     /* what is wanted, or the result */
    uint8_t language; /* below ROCKETMQ_LANGUAGES */
    uint16_t version;
    int32_t opaque; /* the request's number, repeated by its answer */
    int32_t flag;
    struct slice remark; /* words for people; empty: none */
    struct rocketmq_field fields[ROCKETMQ_FIELDS];
    size_t field_count;
};

struct rocketmq_frame {
    uint8_t spelling;
    struct slice header;
    struct slice body;
};

/* The first frame of the bytes. 0 and *taken, the bytes it takes; ERR_MORE when it is not complete, and then
 * *taken is how many bytes it takes as far as that is known (else 0); ERR_SYNTAX for lengths that contradict
 * each other or an unknown spelling; ERR_LIMIT when it takes more than max bytes. */
int rocketmq_frame_decode(struct slice bytes, size_t max, struct rocketmq_frame *out, size_t *taken,
                          struct why *why);

/* The header of a frame. 0; ERR_SYNTAX; ERR_LIMIT for more than ROCKETMQ_FIELDS fields; ERR_MEMORY. Members
 * that are not known are passed over. A name that comes twice: the last one counts. */
int rocketmq_header_decode(const struct rocketmq_frame *frame, struct arena *arena,
                           struct rocketmq_command *out, struct why *why);
/* The value of a field; empty when it is not there. */
struct slice rocketmq_field_value(const struct rocketmq_command *c, const char *name);

/* Append a whole frame but for its body, of which only the length is needed: the caller sends the body behind
 * it. In JSON, bytes that are no UTF-8 become U+FFFD. 0; ERR_LIMIT when the frame is over
 * ROCKETMQ_FRAME_BYTES, a header over 16 MiB - 1, or a code does not fit the binary spelling; or what the
 * buffer says. On failure nothing was appended. */
int rocketmq_frame_encode(struct buffer *to, const struct rocketmq_command *c,
                          enum rocketmq_spelling spelling, size_t body_length);

#endif
