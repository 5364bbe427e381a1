/* The engine decides. engine_step is a pure function of the engine's state and the event: no socket, clock,
 * random source or thread, and the linker proves it (make tidy). Times are epoch ms of the driver's steady
 * clock.
 *
 * How a driver uses it, in every turn:
 *   effects_clear; engine_turn(batch number); for each event { engine_step; render effects.reply; note
 * effects.changes }; store the entries as one batch; when durable: send the calls, let the rendered replies
 * go. One thread owns an engine. At most one struct effects is being filled at a time. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "model/effect.h"
#include "model/event.h"
#include "model/id_set.h"
#include "model/stored.h"

struct engine;

struct engine_options {
    size_t memory_max;        /* bytes for all transactions: above 90 % of it new ones are refused */
    uint32_t unfinished_max;  /* transactions */
    uint32_t calls_max;       /* calls out at the same time; more wait in the engine */
    uint32_t attention_tries; /* failed attempts of one operation before it needs attention */
    uint32_t attention_ms;    /* or this long since its first attempt */
    uint32_t working_ms;      /* pause after a 425 without Retry-After; 0: the branch's retry.first */
    uint64_t retain_finished_ms;
    uint64_t retain_failed_ms; /* rolled back or by hand */
    uint64_t hash_seed;        /* of the in-memory table: random in the daemon, fixed in the simulator */
    uint64_t key_seed;         /* of the store that the rows come from and go to: store->key_seed */
};

/* ERR_MEMORY, ERR_INVALID. The engine is empty: recover into it before the first step. */
int engine_new(struct engine **out, const struct engine_options *options, struct why *why);
void engine_free(struct engine *e); /* NULL is fine */
/* New attention and retention settings from the next step on (a reload). The others are ignored. */
void engine_tune(struct engine *e, const struct engine_options *options);

/* Recovery, before the first turn: rows first, then the entries of every batch in order, then the keys, then
 * engine_recovered once. ERR_CORRUPT: what is stored contradicts itself (the why names the thing);
 * ERR_MEMORY. Entries of a transaction whose row is final are passed over: it is not needed any more, and the
 * journal may keep them for long. */
int engine_recover_row(struct engine *e, const struct stored_row *row, struct why *why);
int engine_recover_entry(struct engine *e, uint64_t batch, const struct stored_entry *entry, struct why *why);
int engine_recover_key(struct engine *e, uint8_t kind, uint64_t key_hash);
void engine_recovered(struct engine *e, uint64_t now_ms);

/* The entries of the steps that follow will be in this batch. */
void engine_turn(struct engine *e, uint64_t batch);

/* Every batch up to and including this one is durable now. Folding waits for it, so that history never runs
 * ahead of the journal. */
void engine_durable(struct engine *e, uint64_t batch);

/* The disk has no room for the batches from `from` on, and certainly holds nothing of them. What was asked
 * for in them is taken back: each transaction, message or notification that began since then on request, and
 * what such a one has made in its turn, leaves memory as if it had never been asked for. Its records, its
 * calls and the answers remembered about it leave the turns that are not durable yet (their effects, oldest
 * first; `from` is the batch of the first one). What is left in them is what older transactions and operators
 * need saved: also the messages that an older one sends, and definitions. Lines of the audit chain stay: it
 * is never rewritten.
 *
 * Returns the ids of what was taken back; valid until the next call. None of them will be used again before a
 * restart. */
struct id_set engine_take_back(struct engine *e, uint64_t from, struct effects *const *turns,
                               size_t turn_count);

/* Take one event. Appends to effects (entries, calls), and sets effects' reply, changes and load of this
 * step. Never fails half way: what cannot be done becomes a reply. Returns 0, or ERR_LIMIT when the entries
 * buffer is full *before* anything changed: end the turn and offer the event again in the next one.
 * EVENT_TICK may leave work for the next tick; engine_due then says "now". */
int engine_step(struct engine *e, const struct event *event, struct effects *effects);

/* Epoch ms when the next EVENT_TICK has something to do; UINT64_MAX: never. */
uint64_t engine_due(const struct engine *e);

/* Folding. Collect the rows that should be written to history now: finished things first, then things whose
 * records hold back the journal below batch keep_from. At most count_max rows and about bytes_max of image;
 * images live in the arena. Returns the number of rows. Further calls add to the collection until
 * engine_folded tells that all its rows are durable, or engine_fold_failed that they are not. */
size_t engine_fold(struct engine *e, uint64_t keep_from, struct stored_row *rows, size_t count_max,
                   size_t bytes_max, struct arena *arena);
size_t engine_foldable(const struct engine *e); /* finished things that were not collected yet */
void engine_folded(struct engine *e);
void engine_fold_failed(struct engine *e);
/* Every batch up to and including this one is no longer needed by the journal. */
uint64_t engine_trim_point(const struct engine *e);

/* Remembering answers (Idempotency-Key, design.md 4 (17)). find: NULL when unknown; the slices stay valid
 * until the next step or save. */
struct remembered {
    uint64_t about; /* id of the transaction it shows; 0: none, or it is durable since an earlier life */
    uint8_t fingerprint[32];
    uint16_t http; /* 0: there is no answer yet, and body is what whoever repeats the request has to know */
    struct slice body;
};
const struct remembered *engine_answer_find(struct engine *e, struct slice namespace_name, struct slice key);
/* Save the answer in this turn's batch, in place of the one that the key has; forgotten after 24 h. ERR_LIMIT
 * as in engine_step, for what is larger than 1 KiB, key included; ERR_MEMORY. With the transaction that it is
 * about it is taken back, and the key is new again. */
int engine_answer_save(struct engine *e, struct slice namespace_name, struct slice key,
                       const struct remembered *answer, uint64_t now_ms, struct effects *effects);

/* How often each row of the rule tables was obeyed (engine/rule.h): coverage for the simulator. */
struct rule_hits;
const struct rule_hits *engine_rule_hits(const struct engine *e);

/* Reading, for lists, metrics and tests. Transactions in memory: unfinished ones and finished ones whose row
 * is not durable yet. */
const struct transaction *engine_find(const struct engine *e, uint8_t kind, struct slice namespace_name,
                                      struct slice gid);
const struct transaction *engine_by_id(const struct engine *e, uint64_t id); /* of any kind */
/* The transaction in memory as far as it is durable: what may be shown while the disk is full. Valid until
 * the next step, or call of this. ERR_NOT_FOUND: it is not in memory. ERR_AGAIN: nothing of it is durable.
 * ERR_MEMORY. */
int engine_find_durable(struct engine *e, uint64_t id, const struct transaction **out);
/* The transaction of this kind (enum stored_kind) in memory with the greatest id below `before` (descending)
 * or the smallest above it (ascending); NULL at the end. */
const struct transaction *engine_walk(const struct engine *e, uint8_t kind, uint64_t before, bool ascending);

/* Definitions, by name or in the order in which they were made (after NULL: the first; NULL at the end). A
 * name that only deliveries mention has an empty source. */
struct channel;
struct channel_figures {
    uint64_t owed; /* deliveries or notifications that are not over, dead ones included */
    uint64_t dead;
    uint64_t parked;    /* behind a dead one of their key */
    uint64_t lanes;     /* ordering keys with something owed */
    uint64_t stopped;   /* lanes that stand still behind a dead one */
    uint64_t out;       /* sent or leased, and not acked */
    uint64_t ready;     /* could be sent now */
    uint64_t acked;     /* since start */
    uint64_t refused;   /* since start */
    uint64_t probe_ms;  /* endpoints: when the next probe may be made; 0: nothing is held back */
    uint32_t failures;  /* endpoints: attempts in a row that did not succeed */
    bool probing;       /* endpoints: in trouble, one attempt at a time */
    uint64_t oldest_ms; /* when the oldest that is owed became owed; 0: none */
};
/* All of them are counters: asking costs the same however much is owed. */
void engine_channel_figures(const struct channel *c, struct channel_figures *out);
const struct channel *engine_channel(const struct engine *e, uint8_t kind, struct slice name);
const struct channel *engine_channel_next(const struct engine *e, const struct channel *after);
const struct definition *engine_definition(const struct channel *c);
/* The channel of what somebody defined and nobody deleted; NULL: there is none. */
const struct channel *engine_defined(const struct engine *e, uint8_t kind, struct slice name);
uint64_t engine_channel_id(const struct channel *c); /* grows with every new one; 0: nobody defined it */
/* Whether a pull would get something. */
bool engine_channel_has_ready(const struct engine *e, const struct channel *c);
/* Lanes that stand still behind a dead delivery, longest first (after NULL: the first; NULL at the end). */
struct lane;
struct lane_view {
    const struct transaction *transaction; /* of the dead one */
    uint16_t branch;
    uint64_t behind; /* parked behind it */
};
const struct lane *engine_stopped_lane(const struct channel *c, const struct lane *after);
void engine_lane_view(const struct lane *lane, struct lane_view *out);
/* Deliveries owed to a channel, oldest first: at NULL begins; NULL at the end. */
struct parcel;
const struct parcel *engine_parcel_next(const struct channel *c, const struct parcel *at);
struct parcel_view {
    const struct transaction *transaction;
    uint16_t branch;
    bool behind;       /* waits for another of its key */
    bool parked;       /* ... which is dead */
    bool ready;        /* waits for its channel's turn */
    bool out;          /* sent or leased */
    uint64_t lease_ms; /* until when a consumer holds it; 0: nobody does */
};
void engine_parcel_view(const struct parcel *p, struct parcel_view *out);
/* The parcel of a delivery; NULL when it is over. */
const struct parcel *engine_parcel(const struct engine *e, const struct transaction *t, uint16_t branch);

struct engine_figures {
    uint64_t unfinished;
    uint64_t unfolded; /* things with records that only the journal has */
    uint64_t in_memory;
    uint64_t attention;
    uint64_t suspended;
    uint64_t calls_open;
    uint64_t calls_waiting; /* transactions with a call that is due, but over calls_max */
    uint64_t memory_used;
    uint64_t messages;              /* unfinished ones */
    uint64_t half;                  /* undecided ones */
    uint64_t notices;               /* unfinished ones */
    uint64_t dead;                  /* deliveries */
    uint64_t by_status[STATUS_END]; /* in memory */
    /* Since start. They only grow: what was taken back stays counted, and is counted again as that. */
    uint64_t finished[STATUS_END];
    uint64_t submitted; /* transactions */
    uint64_t published; /* messages, also those that settled made itself */
    uint64_t notified;  /* notifications */
    uint64_t delivered; /* notifications that a receiver took */
    uint64_t gave_up;   /* notifications that were given up */
    uint64_t cancelled; /* notifications that were cancelled */
    uint64_t taken_back[STORED_KIND_END];
    uint64_t attempts; /* calls emitted */
    uint64_t verdicts[VERDICT_COUNT];
    uint64_t oldest_ms; /* creation of the oldest unfinished transaction, 0: none */
};
void engine_figures(const struct engine *e, struct engine_figures *out);

/* An audit line's record in words. The chain: hash = SHA-256(hash_before, everything else of the record).
 * ERR_CORRUPT. */
struct audit_entry {
    uint64_t at_ms;
    struct slice who;
    struct slice what;   /* "force", "suspend", "note", ... */
    struct slice gid;    /* empty: about no transaction */
    struct slice branch; /* empty: about the whole */
    struct slice text;   /* the reason, or what a note says */
    uint8_t hash_before[32];
    uint8_t hash[32];
    bool chained; /* hash is what it must be */
};
int audit_decode(struct slice record, struct audit_entry *out);

/* Audit lines that are not durable in a row yet, newest first: index 0.. ; false at the end. Older ones are
 * read from the store. */
bool engine_audit_recent(const struct engine *e, size_t index, struct stored_entry *out);

#endif
