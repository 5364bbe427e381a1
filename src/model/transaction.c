#include "model/transaction.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/leb128.h"
#include "base/limits.h"

/* A run of the transaction's records as frames. Parts never move, so everything may point into them. */
struct image_part {
    struct image_part *next;
    uint32_t length;
    uint32_t capacity;
    char bytes[];
};

/* Room for the records that follow the first one: a short transaction stays in one part. */
enum {
    SPARE_BYTES = 48,
};

void transaction_init(struct transaction *t, struct memory *memory) {
    *t = (struct transaction){ .memory = memory };
}

static void give_back_message(struct memory *memory, const struct message_request *m) {
    memory_give(memory, (void *)(uintptr_t)m->head.headers, m->head.header_count * sizeof *m->head.headers);
    memory_give(memory, (void *)(uintptr_t)m->schedule_ms, m->schedule_count * sizeof *m->schedule_ms);
}

static void give_back_messages(struct transaction *t) {
    if (t->message != NULL)
        give_back_message(t->memory, t->message);
    memory_give(t->memory, (void *)(uintptr_t)t->message, sizeof *t->message);
    for (size_t i = 0; i < t->outgoing_count; i++)
        give_back_message(t->memory, &t->outgoing[i].message);
    memory_give(t->memory, (void *)(uintptr_t)t->outgoing, t->outgoing_count * sizeof *t->outgoing);
    t->message = NULL;
    t->outgoing = NULL;
    t->outgoing_count = 0;
}

static void give_back_after(struct memory *memory, const struct branch *b) {
    if (b->after_count > 1)
        memory_give(memory, (void *)(uintptr_t)b->after.many, b->after_count * sizeof *b->after.many);
}

static void give_back_branches(struct transaction *t) {
    for (size_t i = 0; i < t->branch_count; i++)
        give_back_after(t->memory, &t->branches[i]);
    memory_give(t->memory, t->branches, t->branch_count * sizeof *t->branches);
    memory_give(t->memory, (void *)(uintptr_t)t->labels, t->label_count * sizeof *t->labels);
    t->branches = NULL;
    t->branch_count = 0;
    t->labels = NULL;
    t->label_count = 0;
    give_back_messages(t);
}

void transaction_done(struct transaction *t) {
    give_back_branches(t);
    while (t->image != NULL) {
        struct image_part *part = t->image;
        t->image = part->next;
        memory_give(t->memory, part, sizeof *part + part->capacity);
    }
    *t = (struct transaction){ .memory = t->memory };
}

/* Copy the record into the image and say where the copy is. Undone by image_drop while nothing else was kept.
 */
static int image_keep(struct transaction *t, struct slice record, struct slice *kept) {
    char head[10];
    struct buffer length = { .at = head, .capacity = sizeof head, .max = sizeof head };
    leb128_put(&length, record.length);
    size_t need = length.length + record.length;
    struct image_part *part = t->image_last;
    if (need > UINT32_MAX / 2)
        return ERR_MEMORY;
    if (part == NULL || part->capacity - part->length < need) {
        size_t capacity = need + SPARE_BYTES;
        part = memory_take(t->memory, sizeof *part + capacity);
        if (part == NULL)
            return ERR_MEMORY;
        part->capacity = (uint32_t)capacity;
        if (t->image_last == NULL)
            t->image = part;
        else
            t->image_last->next = part;
        t->image_last = part;
    }
    char *to = part->bytes + part->length;
    memcpy(to, head, length.length);
    memcpy(to + length.length, record.at, record.length);
    part->length += (uint32_t)need;
    *kept = slice_of(to + length.length, record.length);
    return 0;
}

static struct operation *operation_at(struct transaction *t, const struct record *r) {
    return &t->branches[r->branch].operation[r->role];
}

static int take_branch(struct memory *memory, struct branch *to, const struct branch_request *from) {
    uint16_t *after = NULL;
    for (int role = 0; role < ROLE_COUNT; role++)
        if (from->to[role].url.length > UINT16_MAX)
            return ERR_CORRUPT;
    if (from->after_count > 1) {
        after = memory_take(memory, from->after_count * sizeof *after);
        if (after == NULL)
            return ERR_MEMORY;
        memcpy(after, from->after, from->after_count * sizeof *after);
    }
    *to = (struct branch){
        .id = from->id,
        .body = from->body,
        .after = { .many = after },
        .after_count = from->after_count,
        .pivot = from->pivot,
        .cancel_always = from->cancel_always,
        .has_references = from->has_references,
        .referenced = from->referenced,
        .retry = from->retry,
    };
    if (from->after_count == 1)
        to->after.one = from->after[0];
    for (int role = 0; role < ROLE_COUNT; role++)
        to->to[role] = (struct target){ .url = from->to[role].url.at,
                                        .timeout_ms = from->to[role].timeout_ms,
                                        .url_length = (uint16_t)from->to[role].url.length };
    return 0;
}

static int take_branches(struct transaction *t, const struct transaction_request *q) {
    if (q->label_count > 0) {
        struct label *labels = memory_take(t->memory, q->label_count * sizeof *labels);
        if (labels == NULL)
            return ERR_MEMORY;
        memcpy(labels, q->labels, q->label_count * sizeof *labels);
        t->labels = labels;
        t->label_count = q->label_count;
    }
    if (q->branch_count == 0)
        return 0;
    t->branches = memory_take(t->memory, q->branch_count * sizeof *t->branches);
    if (t->branches == NULL)
        return ERR_MEMORY;
    t->branch_count = q->branch_count;
    for (size_t i = 0; i < q->branch_count; i++) {
        int result = take_branch(t->memory, &t->branches[i], &q->branches[i]);
        if (result != 0)
            return result;
    }
    return 0;
}

/* A copy of an array in counted memory; NULL and 0 elements are fine. */
static int take_array(struct memory *memory, const void *from, size_t count, size_t bytes_each,
                      const void **to) {
    *to = NULL;
    if (count == 0)
        return 0;
    void *copy = memory_take(memory, count * bytes_each);
    if (copy == NULL)
        return ERR_MEMORY;
    memcpy(copy, from, count * bytes_each);
    *to = copy;
    return 0;
}

/* On failure nothing is kept. */
static int take_message(struct memory *memory, struct message_request *to,
                        const struct message_request *from) {
    const void *headers, *schedule;
    *to = *from;
    if (take_array(memory, from->head.headers, from->head.header_count, sizeof *from->head.headers,
                   &headers) != 0)
        return ERR_MEMORY;
    to->head.headers = headers;
    if (take_array(memory, from->schedule_ms, from->schedule_count, sizeof *from->schedule_ms, &schedule) !=
        0) {
        memory_give(memory, (void *)(uintptr_t)headers, from->head.header_count * sizeof *from->head.headers);
        return ERR_MEMORY;
    }
    to->schedule_ms = schedule;
    return 0;
}

static int take_messages(struct transaction *t, const struct transaction_request *q) {
    if (q->message != NULL) {
        struct message_request *m = memory_take(t->memory, sizeof *m);
        if (m == NULL || take_message(t->memory, m, q->message) != 0) {
            memory_give(t->memory, m, sizeof *m);
            return ERR_MEMORY;
        }
        m->head.id = q->gid;
        t->message = m;
    }
    if (q->outgoing_count == 0)
        return 0;
    struct outgoing_request *all = memory_take(t->memory, q->outgoing_count * sizeof *all);
    if (all == NULL)
        return ERR_MEMORY;
    t->outgoing = all;
    t->outgoing_count = q->outgoing_count;
    for (size_t i = 0; i < q->outgoing_count; i++) {
        all[i] = (struct outgoing_request){ .on_rollback = q->outgoing[i].on_rollback,
                                            .is_notice = q->outgoing[i].is_notice,
                                            .timeout_ms = q->outgoing[i].timeout_ms };
        if (take_message(t->memory, &all[i].message, &q->outgoing[i].message) != 0) {
            all[i].message = (struct message_request){ 0 };
            return ERR_MEMORY;
        }
    }
    return 0;
}

static int apply_created(struct transaction *t, const struct record *r) {
    const struct transaction_request *q = r->request;
    int result = take_branches(t, q);
    if (result == 0)
        result = take_messages(t, q);
    if (result != 0) {
        give_back_branches(t);
        return result;
    }
    t->id = r->id;
    t->mode = q->mode;
    t->drive = q->drive & 1u;
    t->status = STATUS_ACTIVE;
    t->created_ms = r->at_ms;
    t->deadline_ms = r->until_ms;
    t->namespace_name = q->namespace_name;
    t->gid = q->gid;
    t->name = q->name;
    t->principal = q->principal;
    t->fingerprint = r->fingerprint;
    return 0;
}

/* The branch's own memory becomes the transaction's, or is given back. */
static int add_branch(struct transaction *t, const struct branch *added) {
    size_t bytes = t->branch_count * sizeof *t->branches;
    struct branch *grown = memory_resize(t->memory, t->branches, bytes, bytes + sizeof *grown);
    if (grown == NULL) {
        give_back_after(t->memory, added);
        return ERR_MEMORY;
    }
    grown[t->branch_count++] = *added;
    t->branches = grown;
    return 0;
}

static int apply_branch(struct transaction *t, const struct record *r) {
    struct branch added;
    int result = take_branch(t->memory, &added, r->added);
    return result != 0 ? result : add_branch(t, &added);
}

static int apply_delivery(struct transaction *t, const struct record *r) {
    struct branch added = { .id = r->text, .delivery = true, .after = { .place = r->id } };
    added.operation[ROLE_CONFIRM] = (struct operation){
        .status = r->next_ms == 0 ? OPERATION_RUNNING : OPERATION_WAITING,
        .attempt = 1, /* patience begins with the first failure: standing in a queue is no attempt */
        .next_ms = r->next_ms,
    };
    return add_branch(t, &added);
}

static int apply_filled(struct transaction *t, const struct record *r) {
    t->branches[r->branch].filled_at = r->text.at;
    t->branches[r->branch].filled_length = (uint32_t)r->text.length; /* a record has less than 4 GiB */
    return 0;
}

static int apply_allowed(struct transaction *t, const struct record *r) {
    struct operation *o = operation_at(t, r);
    o->status = r->next_ms == 0 ? OPERATION_RUNNING : OPERATION_WAITING;
    o->attempt = r->attempt;
    o->next_ms = r->next_ms;
    if (o->first_ms == 0)
        o->first_ms = r->next_ms == 0 ? r->at_ms : r->next_ms;
    return 0;
}

static bool may_have_happened(uint8_t verdict) {
    return verdict == VERDICT_UNKNOWN || verdict == VERDICT_SLOW_DOWN || verdict == VERDICT_INTERRUPTED ||
           verdict == VERDICT_STALE;
}

static uint8_t status_after(const struct record *r) {
    if (r->verdict == VERDICT_DONE)
        return OPERATION_DONE;
    if (r->next_ms != 0)
        return r->verdict == VERDICT_WORKING ? OPERATION_WAITING : OPERATION_RETRYING;
    if ((r->flags & RECORD_FLAG_DEAD) != 0)
        return OPERATION_DEAD;
    return r->verdict == VERDICT_REFUSED ? OPERATION_REFUSED : OPERATION_SKIPPED;
}

static int apply_outcome(struct transaction *t, const struct record *r) {
    struct operation *o = operation_at(t, r);
    o->status = status_after(r);
    o->verdict = r->verdict;
    o->http = r->http;
    o->next_ms = r->next_ms;
    o->attempt = r->next_ms != 0 ? r->attempt + 1 : r->attempt;
    if (o->first_ms == 0)
        o->first_ms = r->at_ms;
    o->ever_unknown = o->ever_unknown || may_have_happened(r->verdict);
    o->ever_working = o->ever_working || r->verdict == VERDICT_WORKING;
    if (r->verdict == VERDICT_DONE)
        o->attention_ms = 0;
    else if (r->verdict != VERDICT_WORKING)
        o->failures++;
    if ((r->flags & (RECORD_FLAG_ATTENTION | RECORD_FLAG_DEAD)) != 0 && o->attention_ms == 0)
        o->attention_ms = r->at_ms;
    if (r->next_ms == 0 && o->status != OPERATION_DEAD)
        o->attention_ms = 0;
    o->detail = r->text.at;
    o->detail_length = (uint16_t)slice_upto(r->text, LIMIT_DETAIL_BYTES).length;
    if ((r->flags & RECORD_FLAG_ANSWER) != 0) {
        t->branches[r->branch].answer_at = r->text.at;
        t->branches[r->branch].answer_length = (uint32_t)r->text.length;
    }
    return 0;
}

/* Forward operations that wait for a later attempt are given up when the decision is to roll back; one whose
 * time has come may be out already, so it stays until its outcome is known. */
static void give_up_waiting(struct transaction *t, uint64_t at_ms) {
    for (size_t i = 0; i < t->branch_count; i++) {
        struct operation *o = &t->branches[i].operation[ROLE_FORWARD];
        if (o->status != OPERATION_RETRYING && o->status != OPERATION_WAITING)
            continue;
        o->status = o->next_ms > at_ms ? OPERATION_SKIPPED : OPERATION_RUNNING;
        if (o->status == OPERATION_SKIPPED)
            o->attempt--;
        o->next_ms = 0;
        o->attention_ms = 0;
    }
}

static void set_reason(struct transaction *t, const struct record *r) {
    t->reason_set = true;
    t->reason_has_branch = r->cause == CAUSE_REFUSED || r->cause == CAUSE_PATIENCE;
    t->reason_detail = r->text;
    if (!t->reason_has_branch)
        return;
    const struct operation *o = &t->branches[r->branch].operation[r->role];
    t->reason_branch = r->branch;
    t->reason_role = r->role & 3u;
    t->reason_verdict = o->verdict;
    t->reason_http = o->http;
    t->reason_attempt = o->attempt;
    t->reason_detail = operation_detail(o);
}

static int apply_decided(struct transaction *t, const struct record *r) {
    t->decision = r->decision;
    t->cause = r->cause;
    t->decided_ms = r->at_ms;
    t->status = r->decision == DECISION_COMMIT ? STATUS_COMMITTING : STATUS_ROLLING_BACK;
    if (r->decision == DECISION_ROLLBACK)
        set_reason(t, r);
    if (r->decision == DECISION_ROLLBACK || t->mode == MODE_MESSAGE) /* nobody needs to be asked any more */
        give_up_waiting(t, r->at_ms);
    return 0;
}

static int apply_finished(struct transaction *t, const struct record *r) {
    t->status = r->status;
    t->finished_ms = r->at_ms;
    return 0;
}

static int apply_suspended(struct transaction *t, const struct record *r) {
    (void)r;
    t->suspended = true;
    return 0;
}

static int apply_resumed(struct transaction *t, const struct record *r) {
    (void)r;
    t->suspended = false;
    return 0;
}

static void resolve(struct operation *o, bool not_done, uint64_t at_ms) {
    if (o->next_ms > at_ms)
        o->attempt--; /* it was allowed for later, so it was never made */
    o->status = OPERATION_RESOLVED;
    o->not_done = not_done;
    o->next_ms = 0;
    o->attention_ms = 0;
}

static int apply_resolved(struct transaction *t, const struct record *r) {
    resolve(operation_at(t, r), (r->flags & RECORD_FLAG_NOT_DONE) != 0, r->at_ms);
    return 0;
}

static int apply_nudged(struct transaction *t, const struct record *r) {
    struct operation *o = operation_at(t, r);
    if (o->status == OPERATION_DEAD) {
        o->status = OPERATION_RETRYING;
        o->attempt++;
        o->failures = 0;
        o->first_ms = r->at_ms;
        o->attention_ms = 0;
    }
    o->next_ms = r->next_ms;
    return 0;
}

static int apply_sent(struct transaction *t, const struct record *r) {
    (void)t;
    (void)r;
    return 0;
}

static int apply_forced(struct transaction *t, const struct record *r) {
    for (size_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++) {
            struct operation *o = &t->branches[i].operation[role];
            if (o->status == OPERATION_RUNNING || o->status == OPERATION_WAITING ||
                o->status == OPERATION_RETRYING)
                resolve(o, false, r->at_ms);
        }
    if (t->decision == DECISION_NONE) {
        t->decision = r->status == STATUS_HEURISTIC_COMMIT ? DECISION_COMMIT : DECISION_ROLLBACK;
        t->decided_ms = r->at_ms;
        t->cause = CAUSE_OPERATOR;
    }
    t->status = r->status;
    t->finished_ms = r->at_ms;
    t->reason_set = true;
    t->reason_has_branch = false;
    t->reason_detail = r->text;
    return 0;
}

static int (*const apply_kind[RECORD_KIND_END])(struct transaction *t, const struct record *r) = {
    [RECORD_CREATED] = apply_created,   [RECORD_BRANCH] = apply_branch,
    [RECORD_FILLED] = apply_filled,     [RECORD_ALLOWED] = apply_allowed,
    [RECORD_OUTCOME] = apply_outcome,   [RECORD_DECIDED] = apply_decided,
    [RECORD_FINISHED] = apply_finished, [RECORD_SUSPENDED] = apply_suspended,
    [RECORD_RESUMED] = apply_resumed,   [RECORD_RESOLVED] = apply_resolved,
    [RECORD_NUDGED] = apply_nudged,     [RECORD_FORCED] = apply_forced,
    [RECORD_DELIVERY] = apply_delivery, [RECORD_SENT] = apply_sent,
};

static bool names_operation(uint8_t kind) {
    return kind == RECORD_FILLED || kind == RECORD_ALLOWED || kind == RECORD_OUTCOME ||
           kind == RECORD_RESOLVED || kind == RECORD_NUDGED;
}

static bool after_is_sane(const struct branch_request *b, size_t branch_count) {
    for (size_t i = 0; i < b->after_count; i++)
        if (b->after[i] >= branch_count)
            return false;
    return true;
}

static bool created_is_sane(const struct record *r) {
    bool carries = r->request->mode == MODE_MESSAGE || r->request->mode == MODE_NOTICE;
    for (size_t i = 0; i < r->request->branch_count; i++)
        if (!after_is_sane(&r->request->branches[i], r->request->branch_count))
            return false;
    if ((r->request->message != NULL) != carries)
        return false;
    return r->id != 0 && r->request->gid.length > 0;
}

static bool is_in_progress(const struct operation *o) {
    return o->status == OPERATION_RUNNING || o->status == OPERATION_WAITING ||
           o->status == OPERATION_RETRYING;
}

/* In progress, or dead: somebody must still do something about it. */
static bool is_owed(const struct operation *o) {
    return is_in_progress(o) || o->status == OPERATION_DEAD;
}

static bool anything_owed(const struct transaction *t) {
    for (size_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++)
            if (is_owed(&t->branches[i].operation[role]))
                return true;
    return false;
}

/* I-T2, I-S2: nothing is confirmed before the commit decision, nothing undone before the rollback decision.
 */
static bool role_is_due(const struct transaction *t, uint8_t role) {
    return role == ROLE_FORWARD ||
           t->decision == (role == ROLE_CONFIRM ? DECISION_COMMIT : DECISION_ROLLBACK);
}

static bool operation_can_follow(const struct transaction *t, const struct record *r) {
    const struct operation *o = &t->branches[r->branch].operation[r->role];
    switch (r->kind) {
    case RECORD_ALLOWED:
        return (o->status == OPERATION_PENDING || (t->mode == MODE_NOTICE && r->attempt == o->attempt)) &&
               r->attempt > 0 && role_is_due(t, r->role);
    case RECORD_OUTCOME: /* of a pending operation: refused before its first call, by a missing reference */
        return (o->status == OPERATION_PENDING || is_owed(o)) && role_is_due(t, r->role) &&
               (r->verdict != VERDICT_DONE || r->next_ms == 0);
    case RECORD_RESOLVED:
        return is_owed(o);
    case RECORD_NUDGED:
        return r->next_ms != 0 && is_owed(o) && o->status != OPERATION_RUNNING;
    default:
        return true;
    }
}

static bool decision_can_follow(const struct transaction *t, const struct record *r) {
    bool names_branch = r->cause == CAUSE_REFUSED || r->cause == CAUSE_PATIENCE;
    return t->decision == DECISION_NONE && r->decision != DECISION_NONE && /* G1 */
           (!names_branch || r->branch < t->branch_count);
}

/* A final status agrees with the decision; what is finished without force owes nothing. */
static bool end_can_follow(const struct transaction *t, const struct record *r) {
    if (r->at_ms == 0)
        return false;
    if (r->kind == RECORD_FORCED)
        return (r->status == STATUS_HEURISTIC_COMMIT && t->decision != DECISION_ROLLBACK) ||
               (r->status == STATUS_HEURISTIC_ROLLBACK && t->decision != DECISION_COMMIT);
    if (anything_owed(t) || t->decision == DECISION_NONE)
        return false;
    return r->status == STATUS_HEURISTIC_MIXED ||
           r->status == (t->decision == DECISION_COMMIT ? STATUS_COMMITTED : STATUS_ROLLED_BACK);
}

/* Whether this record can follow what was applied before. Guards against damage, not against the engine:
 * whatever passes here keeps every invariant that transaction_check asserts. */
static bool can_follow(const struct transaction *t, const struct record *r) {
    if ((r->kind == RECORD_CREATED) != (t->seq == 0))
        return false;
    if (r->kind == RECORD_CREATED)
        return created_is_sane(r);
    if (r->kind ==
        RECORD_DELIVERY) /* also of a finished message: to a subscription that begins in the past */
        return t->mode == MODE_MESSAGE && t->decision == DECISION_COMMIT && r->id != 0 &&
               t->branch_count < UINT16_MAX && transaction_branch(t, r->text) < 0 &&
               (t->status == STATUS_COMMITTING || t->status == STATUS_COMMITTED);
    if (status_is_final(
            t->status)) /* a decision by hand ends it before it sends what hangs on the decision */
        return r->kind == RECORD_SENT;
    if (names_operation(r->kind))
        return r->branch < t->branch_count && operation_can_follow(t, r);
    switch (r->kind) {
    case RECORD_DELIVERY:
        return t->mode == MODE_MESSAGE && t->status == STATUS_COMMITTING && r->id != 0 &&
               t->branch_count < UINT16_MAX && transaction_branch(t, r->text) < 0;
    case RECORD_BRANCH:
        return t->branch_count < UINT16_MAX && after_is_sane(r->added, t->branch_count);
    case RECORD_DECIDED:
        return decision_can_follow(t, r);
    case RECORD_FINISHED:
    case RECORD_FORCED:
        return end_can_follow(t, r);
    default:
        return true;
    }
}

int transaction_apply(struct transaction *t, struct slice record, struct arena *scratch) {
    struct record r;
    struct slice kept;
    struct image_part *part_before = t->image_last;
    uint32_t length_before = part_before == NULL ? 0 : part_before->length;
    int result = image_keep(t, record, &kept);
    if (result != 0)
        return result;
    result = record_decode(kept, scratch, &r);
    if (result == 0 && !can_follow(t, &r))
        result = ERR_CORRUPT;
    if (result == 0)
        result = apply_kind[r.kind](t, &r);
    if (result != 0) { /* a part that was added stays, empty, for the next record */
        t->image_last->length = t->image_last == part_before ? length_before : 0;
        return result;
    }
    t->seq++;
    t->updated_ms = r.at_ms;
    return 0;
}

void transaction_image(const struct transaction *t, struct buffer *to) {
    for (const struct image_part *part = t->image; part != NULL; part = part->next)
        buffer_add(to, part->bytes, part->length);
}

int transaction_load(struct transaction *t, struct slice image, struct memory *memory,
                     struct arena *scratch) {
    int result = 0;
    transaction_init(t, memory);
    while (result == 0 && image.length > 0) {
        struct slice record;
        result = record_unframe(&image, &record);
        if (result == 0)
            result = transaction_apply(t, record, scratch);
    }
    if (result == 0 && t->seq == 0)
        result = ERR_CORRUPT;
    if (result != 0)
        transaction_done(t);
    return result;
}

void transaction_records(const struct transaction *t, struct image_cursor *cursor) {
    cursor->part = t->image;
    cursor->left = t->image == NULL ? SLICE_NONE : slice_of(t->image->bytes, t->image->length);
}

bool transaction_next_record(struct image_cursor *cursor, struct slice *bytes) {
    while (cursor->left.length == 0) {
        if (cursor->part == NULL || cursor->part->next == NULL)
            return false;
        cursor->part = cursor->part->next;
        cursor->left = slice_of(cursor->part->bytes, cursor->part->length);
    }
    int result = record_unframe(&cursor->left, bytes);
    assert(result == 0);
    return true;
}
