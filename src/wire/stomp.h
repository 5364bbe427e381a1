/* STOMP 1.2 as it is spelled (https://stomp.github.io/stomp-specification-1.2.html): frames in both
 * directions, strict.
 *
 * Pure: no allocation, no clock, no socket. The decoder fills the caller's room with slices over the caller's
 * input and over the room, so both must outlive what was decoded. Writers append to a struct buffer.
 *
 * How it is read:
 *
 *     stomp_frame_init(&frame, &room);
 *     while ((code = stomp_frame_decode(&frame, input, &taken)) == ERR_MORE)
 *         ... append what arrives to the same input and try again: work done is not repeated ...
 *     if (code < 0)
 *         ... frame.fault says why; close: where the next frame begins is no longer known ...
 *     ... use the frame, drop taken bytes, and go on with stomp_frame_init ...
 *
 * Stricter than the specification: only commands listed below, a NUL in a head is a fault, and what breaks a
 * limit is refused instead of skipped. Laxer, because brokers are: a value may hold a bare colon (the first
 * one ends the name), as brokers write it while the version is not agreed upon yet. */
#ifndef WIRE_STOMP_H
#define WIRE_STOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Of what is read: command and headers; how many of those; a body. What a broker tells its client is short.
 */
#define STOMP_HEAD_BYTES (16 * 1024)
#define STOMP_HEADERS 64
#define STOMP_BODY_BYTES (512 * 1024)
/* What one frame can need at most as input: head, body, the NUL behind it. */
#define STOMP_FRAME_BYTES (STOMP_HEAD_BYTES + STOMP_BODY_BYTES + 1)

enum stomp_command {
    STOMP_HEART_BEAT, /* no frame: line ends between frames */
    STOMP_CONNECT,
    STOMP_SEND,
    STOMP_DISCONNECT,
    STOMP_CONNECTED,
    STOMP_RECEIPT,
    STOMP_ERROR,
    STOMP_MESSAGE,
    STOMP_COMMAND_COUNT,
};

/* "SEND"; "heart-beat" for the first. Static storage. */
const char *stomp_command_name(enum stomp_command command);

struct stomp_header {
    struct slice name;
    struct slice value; /* may be empty */
};

/* Where a decoded frame is kept. */
struct stomp_room {
    struct stomp_header headers[STOMP_HEADERS];
    char text[STOMP_HEAD_BYTES]; /* names and values that were escaped */
};

struct stomp_frame {
    uint8_t command; /* enum stomp_command */
    struct stomp_room *room;
    size_t header_count;
    struct slice body;
    const char *fault; /* an English sentence after ERR_SYNTAX or ERR_LIMIT; static storage */

    /* progress */
    size_t scanned;        /* offset up to which no end of the head, then of the body, was seen */
    size_t head;           /* length of the head with its empty line; 0 while that has not come */
    size_t content_length; /* with has_length */
    bool has_length;
};

void stomp_frame_init(struct stomp_frame *f, struct stomp_room *room);
/* One frame, or the line ends in front of one (STOMP_HEART_BEAT), from the beginning of input. 0 and *taken;
 * ERR_MORE when it is not whole yet; ERR_SYNTAX; ERR_LIMIT. Linear in the input over all calls. */
int stomp_frame_decode(struct stomp_frame *f, struct slice input, size_t *taken);
/* The value of the first header with this name (later ones do not count); empty when there is none. */
struct slice stomp_frame_value(const struct stomp_frame *f, const char *name);
/* The value of a heart-beat header: what the writer can do and what it wants, milliseconds, 0 for neither. An
 * empty value is "0,0". 0 or ERR_SYNTAX. */
int stomp_heart_beat(struct slice value, uint32_t *sends_ms, uint32_t *wants_ms);

struct stomp_login {
    struct slice host;     /* the virtual host; never empty */
    struct slice login;    /* empty: neither login nor passcode is written */
    struct slice passcode; /* as it is: this frame knows no escapes */
    uint32_t heart_beat_ms;
};

/* A whole CONNECT. The buffer is failed with ERR_INVALID when a value has a line end or a NUL, which this
 * frame cannot carry. */
void stomp_add_connect(struct buffer *to, const struct stomp_login *login);

/* Any other frame: its command, its headers, the end of its head, its body as it is, its end. */
void stomp_add_command(struct buffer *to, enum stomp_command command);
/* Escaped. The buffer is failed with ERR_INVALID when the name is empty or one of them has a NUL. */
void stomp_add_header(struct buffer *to, struct slice name, struct slice value);
void stomp_add_header_u64(struct buffer *to, const char *name, uint64_t value);
void stomp_add_head_end(struct buffer *to);
#define STOMP_FRAME_END SLICE("\0")
#define STOMP_BEAT SLICE("\n")

#endif
