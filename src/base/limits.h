/* Every hard limit of settle, each with its reason. Settings may narrow what a row calls a default; nothing
 * goes beyond a hard one. Source: reliability.md section g and design.md 4 (16). Tests try each at the limit,
 * one over it, and ten times over it. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* Names and counts of a transaction. */
#define LIMIT_GID_BYTES 128      /* fits a header line and every database's key */
#define LIMIT_BRANCH_ID_BYTES 64 /* two of them and an operation fit an idempotency key */
#define LIMIT_BRANCHES 1000      /* one record of this many branches stays far below LIMIT_TURN_BYTES */
#define LIMIT_NAME_BYTES 128     /* a transaction's name, a label's key */
#define LIMIT_LABEL_BYTES 256    /* a label's value */
#define LIMIT_LABELS 16          /* labels are for finding things, not for storing them */
#define LIMIT_URL_BYTES 2048     /* what common HTTP servers accept as a request line, with room to spare */
#define LIMIT_REASON_BYTES 1024  /* an operator's reason */
#define LIMIT_IDEMPOTENCY_KEY_BYTES 255

/* Bytes of one request. */
#define LIMIT_BODY_BYTES (1024 * 1024)          /* an HTTP request to settled */
#define LIMIT_BRANCH_PAYLOAD_BYTES (256 * 1024) /* what one call carries */
#define LIMIT_PAYLOAD_BYTES (4 * 1024 * 1024)   /* all payloads of one transaction */
#define LIMIT_TURN_BYTES (4 * 1024 * 1024)      /* one group commit; the rest goes with the next turn */
#define LIMIT_TURN_BUFFER_BYTES \
    (4 * LIMIT_TURN_BYTES)             /* what the step that crosses that line may still need */
#define LIMIT_ANSWER_BYTES (64 * 1024) /* a participant's answer; the rest is discarded */
#define LIMIT_DETAIL_BYTES 256         /* what is kept of an answer that only people read */

/* Messages and notifications. */
#define LIMIT_TOPIC_BYTES 128 /* like a gid: it stands in URLs and headers */
#define LIMIT_KEY_BYTES 256   /* an ordering key, a notification's ref */
#define LIMIT_MESSAGE_HEADERS 16
#define LIMIT_MESSAGE_HEADER_BYTES 4096 /* names and values together: common servers take heads of 8 KiB */
#define LIMIT_OUTGOING 64               /* messages and notifications of one transaction */
#define LIMIT_ATTEMPTS 64               /* entries of a notification's schedule */
#define LIMIT_DEFINITIONS 10000         /* topics, subscriptions, endpoints and datasources together */
#define LIMIT_CONCURRENCY 1000          /* deliveries of one subscription at a time */
#define LIMIT_TOPIC_SUBSCRIPTIONS                                                           \
    1000                /* of one topic: a message is delivered in one batch to all of them \
                         */
#define LIMIT_PULL 1000 /* deliveries in one pull */
#define LIMIT_PULL_BYTES (4 * 1024 * 1024) /* of their bodies; one is always given */
#define LIMIT_LEASE_MS 43200000            /* 12 h: how long a pulled delivery may be kept without an ack */
#define LIMIT_DEFINITION_BYTES 16384

/* HTTP. */
#define LIMIT_REQUEST_LINE_BYTES (8 * 1024)
#define LIMIT_HEADER_BYTES (16 * 1024)
#define LIMIT_HEADERS 64
#define LIMIT_CONNECTIONS 4096
#define LIMIT_CONNECTIONS_PER_IP 256
#define LIMIT_BACKLOG 1024
#define LIMIT_DISCARD_BYTES                                                        \
    (16 * 1024 * 1024) /* read and dropped after an early refusal, design.md 4 (6) \
                        */
#define LIMIT_DISCARD_MS 10000
#define LIMIT_WAIT_MS 60000 /* the longest ?wait=, design.md 4 (8) */

/* JSON. */
#define LIMIT_JSON_DEPTH 32
#define LIMIT_JSON_STRING_BYTES (256 * 1024)
#define LIMIT_JSON_KEYS 1024

/* Calls to participants. */
#define LIMIT_CALLS 512
#define LIMIT_CALLS_PER_HOST 64
#define LIMIT_CALL_TIMEOUT_MS_MIN 10
#define LIMIT_CALL_TIMEOUT_MS_MAX 300000
#define LIMIT_CONNECT_MS 2000
#define LIMIT_RETRY_FIRST_MS_MIN 10
#define LIMIT_RETRY_AFTER_MS 3600000 /* a participant may not put a call off for longer than this */

/* Lists. */
#define LIMIT_PAGE 200        /* items on a page */
#define LIMIT_SCAN_ROWS 10000 /* rows looked at for one page; then a partial page with a cursor */

/* Store. */
#define LIMIT_SHARDS 64 /* fixed when a store is created, design.md section 2 */

#endif
