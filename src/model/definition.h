/* Definitions: what operators and services tell settled to know by name: topics, subscriptions, endpoints,
 * datasources. Each is stored as its latest record; a later one replaces it, and a deleted one is kept until
 * retention removes it.
 *
 * `source` is the JSON document as it was accepted and is what people are shown; for subscriptions and
 * endpoints `outlet` is what it means, with every default filled in. The engine reads outlets and never JSON.
 *
 * Ownership: slices; the engine copies what it keeps. */
#ifndef MODEL_DEFINITION_H
#define MODEL_DEFINITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/request.h"

enum definition_kind {
    DEFINITION_TOPIC = 1,
    DEFINITION_SUBSCRIPTION = 2,
    DEFINITION_ENDPOINT = 3,
    DEFINITION_DATASOURCE = 4,
    DEFINITION_KIND_END,
};

enum ack_mode {
    ACK_RESPONSE = 0, /* a 2xx answer to the push is the ack */
    ACK_CALL = 1,     /* the consumer acks by a call of its own, within ack_timeout */
};

/* How what queues up for a subscription or an endpoint is sent. */
struct outlet {
    struct slice topic;   /* subscriptions: whose messages */
    struct slice url;     /* push: http, https or a target of wire/sink_target.h; empty: consumers pull */
    uint8_t ack;          /* enum ack_mode; pulled deliveries are always acked by call */
    bool ordered;         /* one at a time and in order for each key */
    bool park_key;        /* ordered: what follows a dead delivery of its key waits until that is settled */
    uint32_t concurrency; /* sent and not acked at a time; 1 ... LIMIT_CONCURRENCY */
    uint32_t timeout_ms;  /* of one push */
    uint32_t ack_timeout_ms;   /* ACK_CALL, and a pull that names no lease */
    struct retry_policy retry; /* for_ms: then a delivery is dead; 0: never */
    struct slice
        refused_topic; /* where a consumer's refusal is published; empty: a refused delivery is dead */
};

struct definition {
    uint8_t kind; /* enum definition_kind */
    bool deleted;
    bool paused;    /* subscription: nothing is sent; endpoint: disabled */
    uint64_t at_ms; /* of this version */
    struct slice
        name; /* 1 ... LIMIT_TOPIC_BYTES of A-Za-z0-9._:-, a subscription's at most LIMIT_BRANCH_ID_BYTES */
    struct slice who;
    struct slice reason; /* of pausing, resuming and deleting */
    struct slice source;
    struct outlet outlet; /* all zero for topics and datasources */
};

void definition_encode(struct buffer *to, const struct definition *d);
/* Slices look into bytes. 0 or ERR_CORRUPT. */
int definition_decode(struct slice bytes, struct definition *out);

const char *definition_word(uint8_t kind); /* "topic", "subscription", "endpoint", "datasource" */

#endif
