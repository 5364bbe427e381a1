/* The engine's own memory: what it keeps beside the state that records describe. Only files of this room
 * include it. */
#ifndef ENGINE_SEAT_H
#define ENGINE_SEAT_H

#include "base/arena.h"
#include "base/chain.h"
#include "base/due.h"
#include "base/filter.h"
#include "base/memory.h"
#include "base/order.h"
#include "base/table.h"
#include "engine/engine.h"
#include "engine/owed.h"
#include "engine/rule.h"

/* Anything with records of its own. It is *dirty* while the journal has records of it that its row in history
 * has not. */
struct thing {
    uint8_t kind;  /* enum stored_kind */
    bool folding;  /* its row is on the way to history */
    bool complete; /* no record will follow: it leaves memory once its row is durable */
    uint32_t seq;
    uint32_t folding_seq;
    uint64_t id;
    uint64_t dirty_batch; /* batch of its first record that history lacks; 0: clean */
    uint64_t again_batch; /* the same for records made while it is being folded */
    uint64_t last_batch;  /* batch of its last record */
    struct chain dirty;   /* in engine.dirty, by dirty_batch; or in engine.folding */
    struct chain ready;   /* in engine.ready: complete and not yet folded */
};

static inline struct thing *thing_of(struct chain *dirty) {
    return CHAIN_OWNER(dirty, struct thing, dirty);
}

/* A transaction and its place in the engine. */
struct seat {
    struct thing thing;
    struct transaction transaction;
    struct due due;
    struct chain place; /* in engine.places: a call of it is due, and every place for calls is taken */
    uint64_t table_hash;
    uint32_t open_calls;
    bool counted_attention; /* it is in figures.attention */
    bool counted_suspended;
    uint8_t counted_status;
};

/* A remembered answer. The record's bytes follow the struct. */
struct answer {
    struct thing thing;
    struct due due; /* when it is forgotten */
    uint64_t table_hash;
    struct remembered remembered;
    struct slice key; /* namespace NUL key */
    struct slice record;
    uint64_t forget_ms;
};

/* A line of the audit chain, in memory until its row is durable. */
struct audit_line {
    struct thing thing;
    struct chain line; /* in engine.audit */
    struct slice record;
};

struct engine {
    struct engine_options options;
    struct memory memory;
    struct table seats;      /* by seeded hash of (namespace, gid) */
    struct order by_id;      /* seats */
    struct due_heap due;     /* seats: next attempt or deadline */
    struct order final_rows; /* during recovery: transactions whose records are passed over */
    struct table answers;    /* by seeded hash of (namespace, key) */
    struct order answers_by_id;
    struct due_heap answers_due;
    struct filter seen;  /* every gid ever accepted, by stable hash */
    struct chain places; /* seats, first come, first served */
    struct chain dirty;
    struct chain ready;
    struct chain folding;
    struct chain audit;       /* audit lines in memory, oldest first */
    struct arena scratch;     /* decoding; reset at every step */
    struct buffer record;     /* the record being made */
    struct transaction shown; /* a transaction read from history for one step */
    bool shown_loaded;
    uint64_t batch;   /* of the turn being filled */
    uint64_t durable; /* highest durable batch */
    uint64_t last_id;
    uint64_t answer_id;
    uint64_t audit_id;
    uint8_t audit_hash[32];
    struct engine_figures figures;
    struct rule_hits rule_hits;
};

/* One step: what is being decided about which transaction. */
struct step {
    struct engine *engine;
    struct effects *effects;
    const struct event *event;
    struct seat *seat; /* NULL: the transaction is only shown, from history */
    struct transaction *transaction;
    const struct outcome *outcome; /* being judged */
    const struct rule *rule;       /* being obeyed */
    uint16_t branch;               /* the outcome's, or the command's */
    uint8_t role;
    uint8_t cause;
    struct slice text;
    uint32_t seq_before;
    uint8_t status_before;
};

/* Make a record of this step's transaction: encode, apply, put into the batch. Memory for it was checked
 * before the step began. */
void step_put(struct step *s, struct record *r);
/* Begin and end work on one transaction within a step: end checks its invariants, schedules it, and reports
 * the change. */
void step_begin(struct step *s, struct engine *e, const struct event *event, struct effects *effects,
                struct seat *seat);
void step_end(struct step *s);
/* Put any thing's record into the batch and mark the thing dirty. */
void thing_put(struct engine *e, struct effects *effects, struct thing *thing, struct slice record);
void thing_clean(struct engine *e, struct thing *thing); /* take it off every list */
/* The thing has a record in this batch that history lacks. */
void thing_dirty(struct engine *e, struct thing *thing, uint64_t batch);
void thing_unfold(struct engine *e,
                  struct thing *thing); /* its row did not become durable: to the front again */

/* seats.c */
uint64_t seat_key_hash(const struct engine *e, struct slice namespace_name, struct slice gid); /* in a row */
struct seat *seat_find(const struct engine *e, struct slice namespace_name, struct slice gid);
struct seat *seat_new(struct engine *e, uint64_t id); /* NULL: out of memory; not yet in the tables */
int seat_reserve(struct engine *e);
void seat_enter(struct engine *e, struct seat *seat); /* into the tables, once its gid is known */
void seat_leave(struct engine *e, struct seat *seat); /* out of them, and freed */
void seat_drop(struct engine *e, struct seat *seat);  /* freed without ever having entered */
void seat_count(struct engine *e, struct seat *seat); /* keep the figures true after a change */
void seat_schedule(struct engine *e, struct seat *seat, uint64_t now_ms);
void seat_forgo(struct engine *e, struct seat *seat); /* leave the queue for a place */

/* drive.c: start what is owed, finish when nothing is. */
void drive(struct step *s);

/* judge.c: what an outcome means. */
void judge(struct step *s, const struct outcome *outcome);
void judge_settled(struct step *s, bool not_done); /* the operation was settled by hand */
void judge_deadline(struct step *s);               /* roll back when it has passed; waits for resume */

/* retry.c: when the next attempt is due, and whether somebody should look. */
uint64_t retry_next(const struct step *s);
bool retry_out_of_patience(const struct step *s);
bool retry_needs_attention(const struct step *s);

/* reference.c: fill ${branch#/pointer}. 0, ERR_NOT_FOUND (why says which reference), ERR_LIMIT (the payload
 * grows too large). */
int reference_fill(const struct transaction *t, uint16_t branch, struct buffer *out, struct why *why);

/* submit.c, command.c, arrival.c */
void submit_step(struct engine *e, const struct event *event, struct effects *effects);
void command_step(struct engine *e, const struct event *event, struct effects *effects);
void outcome_step(struct engine *e, const struct event *event, struct effects *effects);
void tick_step(struct engine *e, const struct event *event, struct effects *effects);
void register_step(struct step *s);
/* The first thing in a recovered transaction's first step: whatever is decided then knows of it. */
void settle_interrupted(struct step *s);
bool batch_is_full(const struct effects *effects, size_t more);

/* audit.c */
void audit_put(struct engine *e, struct effects *effects, const struct event *event, const char *what);
int audit_recover(struct engine *e, uint64_t batch, uint64_t id,
                  struct slice record); /* batch 0: from its row */
void audit_drop(struct engine *e, struct audit_line *line);

/* answer.c */
int answer_recover(struct engine *e, uint64_t batch, uint64_t id, uint32_t seq,
                   struct slice record); /* batch 0: from its row */
void answer_drop(struct engine *e, struct answer *a);
void answers_forget(struct engine *e, uint64_t now_ms, struct effects *effects);

/* trace.c */
void trace_begin(struct step *s);
void trace_record(struct step *s, const struct record *r);
void trace_call(struct step *s, const struct call *call);
void trace_end(struct step *s);
void trace_reply(struct effects *effects, const struct reply *reply);

#endif
