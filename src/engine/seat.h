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
    uint32_t again_after; /* first record while folding: batches after dirty_batch; 0: none */
    uint64_t id;
    uint64_t dirty_batch; /* batch of its first record that history lacks; 0: clean */
    uint64_t last_batch;  /* batch of its last record */
    struct chain dirty;   /* in engine.dirty, by dirty_batch; or in engine.folding */
    struct chain ready;   /* in engine.ready: complete and not yet folded */
};

static inline struct thing *thing_of(struct chain *dirty) {
    return CHAIN_OWNER(dirty, struct thing, dirty);
}

/* One version of a definition: kept as long as a call or a lease uses it. The record's bytes follow. */
struct version {
    uint32_t users; /* the channel itself is one, as long as it is the latest */
    uint32_t length;
    struct definition definition; /* slices into the bytes */
};

/* A definition's place in the engine. What is owed to a subscription or an endpoint queues up here: see
 * channels.c and parcels.c. */
struct channel {
    struct thing thing; /* kind STORED_DEFINITION; id 0: a name that deliveries mention and nobody defined */
    uint64_t table_hash;
    uint64_t topic_hash; /* 0: in no topic's list */
    struct version *version;
    struct chain channel; /* in engine.channels */
    struct chain parcels; /* everything that is owed, in the order in which it became owed */
    struct chain ready;   /* parcels that can be sent now, first come, first served */
    struct chain awake;   /* in engine.awake: it has ready parcels and room for one */
    struct table lanes;   /* by hash of the ordering key */
    struct chain stopped; /* lanes behind a dead parcel, longest first */
    uint32_t out;         /* parcels sent and not acked */
    struct channel_figures figures;
    uint32_t failures; /* endpoints: attempts in a row that did not succeed */
    bool probing;      /* endpoints: in trouble, so one attempt at a time, each after its pause */
    struct due probe;  /* endpoints: nothing is sent before then */
};

/* The parcels of one ordering key: only the first may be sent. */
struct lane {
    struct chain parcels; /* in order */
    struct chain stopped; /* channel.stopped, while the first is dead */
    uint64_t table_hash;
    uint32_t count;  /* of parcels */
    uint32_t parked; /* counted as such in the channel's figures */
};

enum parcel_state {
    PARCEL_WAITS,  /* for its time (delay, retry), or dead */
    PARCEL_BEHIND, /* for those before it in its lane */
    PARCEL_READY,  /* for its channel's turn */
    PARCEL_OUT,    /* a call is out, or a consumer holds it */
};

/* What is owed to one channel: a message's delivery, or a notification. */
struct parcel {
    struct parcel *next; /* of the same seat */
    struct seat *seat;
    struct channel *channel;
    struct lane *lane;       /* NULL: no order to keep */
    struct chain in_channel; /* channel.parcels */
    struct chain in_lane;    /* lane.parcels */
    struct chain ready;      /* channel.ready */
    struct version *version; /* under which it is out; NULL when it is not */
    uint64_t lease_ms;       /* OUT without a call: when it comes back; 0: a call is out */
    uint16_t branch;
    uint8_t role;
    uint8_t state;
    bool dead; /* counted as such */
};

/* A transaction and its place in the engine. */
struct seat {
    struct thing thing;
    struct transaction transaction;
    /* The batch of the request that it goes back to, its own or that of what made it; 0: of an earlier life.
     * As long as that is not durable it may be taken back. */
    uint64_t origin_batch;
    /* The last two batches of this life with records of it, newest first, and how many it had before each. */
    struct {
        uint64_t batch;
        uint32_t seq;
    } made[2];
    struct due due;
    struct chain place;     /* in engine.places: a call of it is due, and every place for calls is taken */
    struct parcel *parcels; /* of messages and notifications */
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

enum {
    SUBJECTS = 3,
};

/* The index of a kind of seat: transactions, messages, notifications. 0 stands for transactions. */
static inline size_t subject_of(uint8_t kind) {
    return kind == STORED_MESSAGE ? 1 : kind == STORED_NOTICE ? 2 : 0;
}

struct engine {
    struct engine_options options;
    struct memory memory;
    struct table seats;           /* by seeded hash of (namespace, gid) */
    struct order by_id[SUBJECTS]; /* seats, by what they are: subject_of */
    struct due_heap due;          /* seats: next attempt or deadline */
    struct table answers;         /* by seeded hash of (namespace, key) */
    struct order answers_by_id;
    struct due_heap answers_due;
    struct order final_rows;        /* during recovery: things whose records are passed over */
    struct table channels_by_name;  /* by seeded hash of (kind, name) */
    struct table channels_by_topic; /* subscriptions, by seeded hash of their topic */
    struct chain channels;          /* in the order of their ids */
    struct chain awake;             /* channels that may send, served in turn */
    struct due_heap probes;         /* channels */
    uint32_t channel_count;
    struct filter seen;  /* every gid ever accepted, by stable hash */
    struct chain places; /* seats, first come, first served */
    struct chain dirty;
    struct chain ready;
    size_t ready_count;
    struct chain folding;
    struct chain audit;       /* audit lines in memory, oldest first */
    struct arena scratch;     /* decoding; reset at every step */
    struct buffer record;     /* the record being made */
    struct buffer taken_back; /* ids, see take_back.c */
    struct transaction shown; /* a transaction read from history for one step */
    bool shown_loaded;
    uint64_t batch;   /* of the turn being filled */
    uint64_t durable; /* highest durable batch */
    uint64_t last_id;
    uint64_t last_place; /* of deliveries */
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
void thing_clean(struct engine *e, struct thing *thing);   /* take it off every list */
void thing_unready(struct engine *e, struct thing *thing); /* off the list of those that may be folded */
/* The thing has a record in this batch that history lacks. */
void thing_dirty(struct engine *e, struct thing *thing, uint64_t batch);
void thing_unfold(struct engine *e,
                  struct thing *thing); /* its row did not become durable: to the front again */

/* seats.c */
uint64_t seat_key_hash(const struct engine *e, struct slice namespace_name, struct slice gid); /* in a row */
uint64_t seat_next_id(const struct engine *e, uint64_t now_ms);
struct seat *seat_find(const struct engine *e, uint8_t kind, struct slice namespace_name, struct slice gid);
struct seat *seat_by_id(const struct engine *e, uint64_t id); /* of any kind */
/* NULL: out of memory; not yet in the tables */
struct seat *seat_new(struct engine *e, uint8_t kind, uint64_t id);
int seat_reserve(struct engine *e);
void seat_enter(struct engine *e, struct seat *seat);     /* into the tables, once its gid is known */
void seat_leave(struct engine *e, struct seat *seat);     /* out of them, and freed */
void seat_take_back(struct engine *e, struct seat *seat); /* out of them, as if it had never entered */
void seat_drop(struct engine *e, struct seat *seat);      /* freed without ever having entered */
void seat_count(struct engine *e, struct seat *seat);     /* keep the figures true after a change */
void seat_note(struct engine *e, struct seat *seat);      /* it has a new record in this batch */
void seat_schedule(struct engine *e, struct seat *seat, uint64_t now_ms);
void seat_forgo(struct engine *e, struct seat *seat); /* leave the queue for a place */

/* drive.c: start what is owed, finish when nothing is. */
void drive(struct step *s);
/* Emit the call of the operation's next attempt. version: what a channel says about it; NULL: the branch
 * does. */
void emit(struct step *s, uint16_t branch, uint8_t role, const struct version *version);

/* judge.c: what an outcome means. */
/* A call that recovery found allowed: whether it was made nobody knows. */
void judge_interrupted(struct step *s, uint16_t branch, uint8_t role);
void judge(struct step *s, const struct outcome *outcome);
void judge_settled(struct step *s, bool not_done); /* the operation was settled by hand */
void judge_deadline(struct step *s);               /* roll back when it has passed; waits for resume */

/* retry.c: when the next attempt is due, and whether somebody should look. */
uint64_t retry_next(const struct step *s);
bool retry_out_of_patience(const struct step *s);
bool retry_needs_attention(const struct step *s);
/* The policy of the operation that is being judged: its channel's, or its branch's. */
const struct retry_policy *retry_policy_of(const struct step *s);

/* reference.c: fill ${branch#/pointer}. 0, ERR_NOT_FOUND (why says which reference), ERR_LIMIT (the payload
 * grows too large). */
int reference_fill(const struct transaction *t, uint16_t branch, struct buffer *out, struct why *why);

/* channels.c: definitions, and who is interested in a topic */
struct channel *channel_find(const struct engine *e, uint8_t kind, struct slice name);
/* The same, made as a name without a definition when there is none. NULL: out of memory. */
struct channel *channel_mention(struct engine *e, uint8_t kind, struct slice name);
/* Walk the subscriptions of a topic: *cursor starts at 0; NULL at the end. */
struct channel *channel_of_topic(const struct engine *e, struct slice topic, size_t *cursor);
static inline const struct outlet *channel_outlet(const struct channel *c) {
    return &c->version->definition.outlet;
}
void channel_drop(struct engine *e, struct channel *c);
/* Pause or resume in this batch: ERR_MEMORY, nothing changed. */
int channel_pause(struct engine *e, const struct event *event, struct effects *effects, struct channel *c,
                  bool paused, struct slice reason);
/* batch 0: from its row. */
int channel_recover(struct engine *e, uint64_t batch, uint64_t id, uint32_t seq, struct slice record);
void define_step(struct engine *e, const struct event *event, struct effects *effects);
void version_release(struct engine *e, struct version *version);

/* parcels.c: what is owed to channels, in lanes and out of them */
/* The branch's queued operation: deliver or notify. */
bool operation_is_queued(const struct transaction *t, uint16_t branch, uint8_t role);
/* Give the branch a parcel with its channel; asserts memory. */
struct parcel *parcel_new(struct engine *e, struct seat *seat, uint16_t branch, uint8_t role);
struct parcel *parcel_of(const struct seat *seat, uint16_t branch);
/* After its seat's operations changed, or time has passed: every parcel goes where it now belongs. */
void parcels_follow(struct engine *e, struct seat *seat, uint64_t now_ms);
void parcels_drop(struct engine *e, struct seat *seat);
/* It is not ready any more. */
void parcel_unready(struct parcel *p);
/* When something of the seat's parcels is due. */
uint64_t parcels_due(const struct seat *seat, uint64_t now_ms);
/* The channel's definition has changed. */
void channel_requeue(struct engine *e, struct channel *c, uint64_t now_ms);
/* Once, at the end of recovery: a parcel for everything that is owed, in order. */
void parcels_recover(struct engine *e);

/* serve.c: sending what is ready, as far as there is room */
void serve(struct engine *e, const struct event *event, struct effects *effects);
bool serve_waits(const struct engine *e); /* it stopped although more could be sent */
/* The channel has room, or something ready, or was paused or resumed. */
void channel_wake(struct engine *e, struct channel *c);
/* An endpoint's attempt has succeeded or failed. */
void channel_heard(struct engine *e, struct channel *c, bool well, uint64_t now_ms);
void pull_step(struct engine *e, const struct event *event, struct effects *effects);

/* consume.c: what consumers and operators say about deliveries */
void acknowledge(struct step *s);
void refuse_delivery(struct step *s);
void replay_delivery(struct step *s);
void discard_delivery(struct step *s);
void edit_delivery(struct step *s);
void notify_again(struct step *s);
void leases_end(struct step *s); /* consumers that held it too long */

/* publish.c: messages and notifications come into being */
void fan_out(struct step *s);       /* its message is committed: owed to every subscription */
void send_outgoing(struct step *s); /* what the transaction sends on the decision that stands now */
/* Make one in the same batch, and say so in this step's transaction. The new id lives as long as the new
 * transaction. */
struct slice publish(struct step *s, uint8_t mode, const struct message_request *m, uint32_t timeout_ms);
/* A consumer refused the step's delivery: tell the topic that wants to know. */
void publish_refusal(struct step *s, const struct outlet *outlet);

/* submit.c, command.c, arrival.c */
struct seat *submit_create(struct engine *e, const struct event *event, const struct transaction_request *q);
/* Whether limits.unfinished and limits.memory leave room for it: 0, or REPLY_FULL or REPLY_NO_MEMORY with the
 * limit's name. */
uint8_t submit_refusal(const struct engine *e, const struct transaction_request *q, struct slice *limit);
void submit_begin(struct engine *e, const struct event *event, struct effects *effects, struct seat *seat);
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
/* Whether this answer is about one of these transactions. One that is forgotten is about none. */
bool answer_is_about(const struct engine *e, uint64_t id, struct id_set set);
void answers_forget(struct engine *e, uint64_t now_ms, struct effects *effects);

/* trace.c */
void trace_begin(struct step *s);
void trace_go_on(struct step *s); /* after another transaction's step inside this one */
void trace_record(struct step *s, const struct record *r);
void trace_call(struct step *s, const struct call *call);
void trace_end(struct step *s);
void trace_taken_back(struct buffer *to, const struct transaction *t);
void trace_reply(struct effects *effects, const struct reply *reply);

#endif
