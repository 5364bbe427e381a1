/* What the store keeps, in words the store understands: entries of a journal, and rows that entries are
 * folded into. The store decodes no record and knows no pattern; it compares numbers and keeps bytes.
 *
 * A *thing* is (kind, id). Its history is a sequence of records numbered from 1. An *entry* carries one
 * record to the journal. A *row* is the whole image of a thing up to and including record seq. */
#ifndef MODEL_STORED_H
#define MODEL_STORED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum stored_kind {
    STORED_TRANSACTION = 1, /* id: time-ordered, see engine */
    STORED_ANSWER = 2,      /* a remembered answer to an Idempotency-Key */
    STORED_AUDIT = 3,       /* one line of the audit chain; id is its number */
    STORED_MESSAGE = 4,
    STORED_NOTICE = 5,     /* a notification */
    STORED_DEFINITION = 6, /* a topic, subscription, endpoint or datasource, see model/definition.h */
    STORED_KIND_END,
};

struct stored_entry {
    uint8_t kind;
    uint64_t id;
    uint32_t seq;
    struct slice record;
};

struct stored_row {
    uint8_t kind;
    uint64_t id;       /* time-ordered: a later thing has a greater id */
    uint64_t key_hash; /* hash_stored(the store's seed, namespace, key) */
    uint32_t seq;      /* the last record inside the image */
    bool final; /* nothing is owed for it any more: recovery does not load it, retention may remove it */
    uint64_t purge_after_ms; /* epoch ms; only read when final */
    struct slice key;        /* the gid, the Idempotency-Key, ...: for people and for comparing */
    struct slice state;      /* a status word, for people and for simple queries */
    struct slice image;
};

#endif
