/* New transactions, and branches that join one. */
#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "engine/mutant.h"
#include "engine/seat.h"

/* New work is shed before memory is short. What was accepted goes on whatever it takes, also over a restart:
 * refusing memory to it would end the daemon and not let it come back (P12). */
enum {
    MEMORY_FOR_NEW_PERCENT = 90,
};

static size_t size_of_request(const struct transaction_request *q) {
    size_t bytes = sizeof(struct seat) + 1024 + q->branch_count * (sizeof(struct branch) + 512);
    for (size_t i = 0; i < q->branch_count; i++)
        bytes += q->branches[i].body.length;
    if (q->message != NULL)
        bytes += sizeof *q->message + q->message->body.length;
    for (size_t i = 0; i < q->outgoing_count; i++)
        bytes += sizeof *q->outgoing + q->outgoing[i].message.body.length;
    return bytes;
}

static bool has_memory(const struct engine *e, const struct transaction_request *q) {
    return e->memory.used + size_of_request(q) <= e->options.memory_max / 100 * MEMORY_FOR_NEW_PERCENT;
}

static void answer(struct effects *effects, uint8_t kind, const struct transaction *t, struct slice text) {
    effects->reply = (struct reply){ .kind = kind, .transaction = t, .text = text };
}

static void answer_same_gid(const struct event *event, struct effects *effects, const struct transaction *t) {
    bool same = memcmp(t->fingerprint, event->request->fingerprint, FINGERPRINT_BYTES) == 0;
    same |= MUTANT(other_body_accepted);
    answer(effects, same ? REPLY_REPEATED : REPLY_OTHER_BODY, t, SLICE_NONE);
}

/* The first record is made before the seat is anywhere, so that running out of memory leaves no trace. */
struct seat *submit_create(struct engine *e, const struct event *event, const struct transaction_request *q) {
    if (seat_reserve(e) != 0 || filter_add(&e->seen, seat_key_hash(e, q->namespace_name, q->gid)) != 0)
        return NULL;
    struct seat *seat = seat_new(e, mode_kind(q->mode), seat_next_id(e, event->now_ms));
    if (seat == NULL)
        return NULL;
    struct record r = {
        .kind = RECORD_CREATED,
        .at_ms = event->now_ms,
        .id = seat->thing.id,
        .until_ms = q->deadline_ms == 0 ? 0 : event->now_ms + q->deadline_ms,
        .request = q,
    };
    buffer_clear(&e->record);
    record_encode(&e->record, &r);
    arena_reset(&e->scratch);
    if (buffer_failed(&e->record) != 0 ||
        transaction_apply(&seat->transaction, buffer_slice(&e->record), &e->scratch) != 0) {
        seat_drop(e, seat);
        return NULL;
    }
    seat->thing.seq = 1;
    seat->origin_batch = e->batch;
    return seat;
}

static void count_new(struct engine *e, uint8_t kind) {
    e->figures.submitted += kind == STORED_TRANSACTION;
    e->figures.published += kind == STORED_MESSAGE;
    e->figures.notified += kind == STORED_NOTICE;
}

/* Right after submit_create: the first record still stands in the engine's buffer. */
void submit_begin(struct engine *e, const struct event *event, struct effects *effects, struct seat *seat) {
    struct step s;
    struct record r = { .kind = RECORD_CREATED };
    seat_note(e, seat);
    seat_enter(e, seat);
    count_new(e, seat->thing.kind);
    step_begin(&s, e, event, effects, seat);
    s.seq_before = 0;
    s.status_before = 0;
    s.text = SLICE_NONE;
    thing_put(e, effects, &seat->thing, buffer_slice(&e->record));
    trace_record(&s, &r);
    if (s.transaction->mode == MODE_MESSAGE && (!s.transaction->message->half || MUTANT(half_is_sent))) {
        s.cause = CAUSE_CLIENT;
        rule_obey(&s, ON_COMMIT);
    }
    drive(&s);
    step_end(&s);
    answer(effects, REPLY_ACCEPTED, s.transaction, SLICE_NONE);
}

uint8_t submit_refusal(const struct engine *e, const struct transaction_request *q, struct slice *limit) {
    if (e->figures.unfinished >= e->options.unfinished_max) {
        *limit = SLICE("limits.unfinished");
        return REPLY_FULL;
    }
    *limit = SLICE("limits.memory");
    return has_memory(e, q) ? 0 : REPLY_NO_MEMORY;
}

static void begin(struct engine *e, const struct event *event, struct effects *effects) {
    struct slice limit;
    uint8_t refusal = submit_refusal(e, event->request, &limit);
    if (refusal != 0) {
        answer(effects, refusal, NULL, limit);
        return;
    }
    struct seat *seat = submit_create(e, event, event->request);
    if (seat == NULL) {
        answer(effects, REPLY_NO_MEMORY, NULL, SLICE("limits.memory"));
        return;
    }
    submit_begin(e, event, effects, seat);
}

void submit_step(struct engine *e, const struct event *event, struct effects *effects) {
    const struct transaction_request *q = event->request;
    assert(q->gid.length > 0);
    struct seat *seat = seat_find(e, mode_kind(q->mode), q->namespace_name, q->gid);
    if (seat != NULL) {
        answer_same_gid(event, effects, &seat->transaction);
        return;
    }
    uint64_t key_hash = seat_key_hash(e, q->namespace_name, q->gid);
    if (event->lookup == LOOKUP_NOT_DONE && !q->gid_is_fresh && filter_maybe(&e->seen, key_hash)) {
        effects->load = (struct load){
            .ticket = event->ticket, .kind = mode_kind(q->mode), .key_hash = key_hash, .gid = q->gid
        };
        return;
    }
    if (event->lookup != LOOKUP_FOUND) {
        begin(e, event, effects);
        return;
    }
    arena_reset(&e->scratch);
    if (transaction_load(&e->shown, event->image, &e->memory, &e->scratch) != 0) {
        answer(effects, REPLY_NO_MEMORY, NULL,
               SLICE("limits.memory")); /* it exists: never begin it a second time */
        return;
    }
    e->shown_loaded = true;
    answer_same_gid(event, effects, &e->shown);
}

static bool same_target(const struct branch *b, int role, const struct endpoint *e) {
    return slice_equal(branch_url(b, role), e->url) && b->to[role].timeout_ms == e->timeout_ms;
}

static bool same_branch(const struct branch *b, const struct branch_request *q) {
    bool same = slice_equal(b->body, q->body) && b->after_count == q->after_count &&
                b->cancel_always == q->cancel_always && b->pivot == q->pivot &&
                b->retry.first_ms == q->retry.first_ms &&
                b->retry.factor_percent == q->retry.factor_percent && b->retry.max_ms == q->retry.max_ms &&
                b->retry.for_ms == q->retry.for_ms && b->retry.then == q->retry.then;
    for (int role = 0; same && role < ROLE_COUNT; role++)
        same = same_target(b, role, &q->to[role]);
    for (size_t i = 0; same && i < q->after_count; i++)
        same = branch_after(b)[i] == q->after[i];
    return same;
}

void register_step(struct step *s) {
    struct transaction *t = s->transaction;
    const struct branch_request *q = s->event->branch;
    int known = transaction_branch(t, q->id);
    if (known >= 0) {
        bool same = same_branch(&t->branches[known], q);
        answer(s->effects, same ? REPLY_STATE : REPLY_OTHER_BODY, t, SLICE_NONE);
    } else if (t->drive != DRIVE_CLIENT) {
        answer(s->effects, REPLY_NOT_ALLOWED, t,
               SLICE("only a transaction with drive:\"client\" takes further branches"));
    } else if (t->status != STATUS_ACTIVE && !MUTANT(late_branch_accepted)) {
        answer(s->effects, REPLY_ALREADY_DECIDED, t, SLICE_NONE); /* I-T4: late registration is refused */
    } else if (t->branch_count >= LIMIT_BRANCHES) {
        answer(s->effects, REPLY_NOT_ALLOWED, t,
               SLICE("the transaction has 1000 branches, the most there may be"));
    } else if (s->engine->memory.used + q->body.length + 4096 >
               s->engine->options.memory_max / 100 * MEMORY_FOR_NEW_PERCENT) {
        answer(s->effects, REPLY_NO_MEMORY, NULL, SLICE("limits.memory"));
    } else {
        struct record r = { .kind = RECORD_BRANCH, .added = q };
        step_put(s, &r);
        answer(s->effects, REPLY_STATE, t, SLICE_NONE);
    }
}
