#include "sim/witness.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "sim/post_witness.h"
#include "sim/sim_taken_back.h"
#include "sim/sometimes.h"
#include "sim/world.h"

/* The record in hand: whose it is, and what it says. */
struct reading {
    struct world *world;
    struct plan *plan;
    struct witness *witness;
    const struct record *record;
};

static void breach(struct reading *g, const char *invariant, const char *sentence) {
    world_fail(g->world, FAILURE_CORRECTNESS, invariant, "%.*s record %u (%s): %s", SLICE_PRINT(g->plan->gid),
               g->witness->seq + 1, record_word(g->record->kind), sentence);
}

static struct witness_operation *operation_of(struct reading *g) {
    return &g->witness->operation[g->record->branch][g->record->role];
}

static void add_branch(struct reading *g, const struct branch_request *branch) {
    struct witness *t = g->witness;

    if (t->branch_count == t->branch_capacity) {
        uint16_t capacity = (uint16_t)(t->branch_capacity * 2 + 4);
        const struct branch_request **branches = world_take(g->world, capacity, sizeof *branches);
        struct witness_operation(*operation)[ROLE_COUNT] = world_take(g->world, capacity, sizeof *operation);
        bool *filled = world_take(g->world, capacity, sizeof *filled);

        if (t->branch_count > 0) {
            memcpy(branches, t->branches, t->branch_count * sizeof *branches);
            memcpy(operation, t->operation, t->branch_count * sizeof *operation);
            memcpy(filled, t->filled, t->branch_count * sizeof *filled);
        }
        t->branches = branches;
        t->operation = operation;
        t->filled = filled;
        t->branch_capacity = capacity;
    }
    t->branches[t->branch_count++] = branch;
}

static bool succeeded(const struct witness_operation *o) {
    return o->done || (o->resolved && !o->not_done);
}

static bool in_progress(const struct witness_operation *o) {
    return o->allowed > o->finished && !o->done && !o->resolved;
}

static bool comes_after(const struct branch_request *b, uint16_t before) {
    for (uint16_t i = 0; i < b->after_count; i++)
        if (b->after[i] == before)
            return true;
    return false;
}

bool witness_depends(const struct witness *t, uint16_t other, uint16_t branch) {
    if (comes_after(t->branches[other], branch))
        return true;
    for (uint16_t i = 0; i < t->branches[other]->after_count; i++)
        if (t->branches[other]->after[i] != other && witness_depends(t, t->branches[other]->after[i], branch))
            return true;
    return false;
}

/* Whether the action may have left something that must be undone (design.md 4 (10)). */
static bool may_have_happened(const struct witness *t, uint16_t branch) {
    const struct witness_operation *o = &t->operation[branch][ROLE_FORWARD];

    if (t->drive == DRIVE_CLIENT)
        return true;
    if (o->resolved)
        return !o->not_done;
    return o->done || o->ever_unknown || (o->ever_working && !o->refused) ||
           (o->refused && o->finished > 0 && t->branches[branch]->cancel_always);
}

static bool is_undone(const struct witness *t, uint16_t branch) {
    const struct witness_operation *o = &t->operation[branch][ROLE_BACKWARD];

    return t->branches[branch]->to[ROLE_BACKWARD].url.length == 0 || !may_have_happened(t, branch) ||
           o->done || o->resolved;
}

static void take_created(struct reading *g) {
    const struct transaction_request *q = g->record->request;
    struct witness *t = g->witness;
    bool own = memcmp(q->fingerprint, g->plan->request.fingerprint, 32) == 0;

    t->id = g->record->id;
    t->request = q;
    t->mode = q->mode;
    t->drive = q->drive;
    t->status = STATUS_ACTIVE;
    t->created_ms = g->record->at_ms;
    t->deadline_ms = g->record->until_ms;
    t->other_body = !own;
    if (!own && memcmp(q->fingerprint, g->plan->other.fingerprint, 32) != 0)
        breach(g, "I-G2", "carries a fingerprint that nobody sent");
    if (t->deadline_ms < t->created_ms + q->deadline_ms)
        breach(g, "I-S6", "the deadline is earlier than asked");
    for (uint16_t i = 0; i < q->branch_count; i++)
        add_branch(g, &q->branches[i]);
    if (t->branch_count > g->plan->branch_count)
        breach(g, "I-G2", "has branches that nobody asked for");
}

static void take_branch(struct reading *g) {
    if (g->witness->decision != DECISION_NONE)
        breach(g, "I-T4", "a branch was registered after the decision");
    if (g->witness->branch_count >= g->plan->branch_count) {
        breach(g, "I-T4", "more branches than were ever asked for");
        return;
    }
    add_branch(g, g->record->added);
}

static void take_filled(struct reading *g) {
    if (g->witness->filled[g->record->branch])
        breach(g, "I-G6", "a body was filled twice");
    g->witness->filled[g->record->branch] = true;
    SOMETIMES(reference_filled);
}

static void check_forward_start(struct reading *g) {
    const struct witness *t = g->witness;
    const struct branch_request *b = t->branches[g->record->branch];

    if (t->drive != DRIVE_SERVER)
        breach(g, "I-S3", "a client drives, but settled calls the action");
    if (t->decision == DECISION_NONE && g->record->at_ms > t->deadline_ms + 1000)
        breach(g, "deadline", "an action begins long after the deadline");
    if (t->decision == DECISION_ROLLBACK || (t->decision == DECISION_COMMIT && t->mode == MODE_TCC))
        breach(g, "I-S2", "an action begins although the decision has fallen");
    for (uint16_t i = 0; i < b->after_count; i++)
        if (!succeeded(&t->operation[b->after[i]][ROLE_FORWARD]))
            breach(g, "I-S3", "a step begins before what it comes after is done");
}

static void check_backward_start(struct reading *g) {
    const struct witness *t = g->witness;
    uint16_t branch = g->record->branch;

    if (t->decision != DECISION_ROLLBACK)
        breach(g, "I-S2", "something is undone without a rollback decision");
    if (in_progress(&t->operation[branch][ROLE_FORWARD]))
        breach(g, "I-S4", "a step is undone while its call may still take effect");
    for (uint16_t other = 0; other < t->branch_count; other++)
        if (other != branch && witness_depends(t, other, branch) &&
            (!is_undone(t, other) || in_progress(&t->operation[other][ROLE_FORWARD])))
            breach(g, "I-S4", "a step is undone before one that came after it");
}

static void take_allowed(struct reading *g) {
    struct witness_operation *o = operation_of(g);

    if (o->allowed != 0 || g->record->attempt != 1)
        breach(g, "I-G5", "an operation begins twice");
    if (g->witness->suspended)
        breach(g, "suspend", "an operation begins while suspended");
    if (g->witness->branches[g->record->branch]->to[g->record->role].url.length == 0)
        breach(g, "I-G5", "an operation begins that the branch does not have");
    if (g->record->role == ROLE_FORWARD)
        check_forward_start(g);
    else if (g->record->role == ROLE_BACKWARD)
        check_backward_start(g);
    else if (g->witness->decision != DECISION_COMMIT)
        breach(g, "I-T2", "a confirm begins without a commit decision");
    o->allowed = 1;
    o->first_ms = g->record->at_ms;
}

static void note_verdict(struct reading *g, struct witness_operation *o) {
    const struct record *r = g->record;

    switch (r->verdict) {
    case VERDICT_DONE:
        o->done = true;
        break;
    case VERDICT_WORKING:
        o->ever_working = true;
        break;
    case VERDICT_REFUSED:
        if (r->role == ROLE_FORWARD && r->next_ms == 0)
            o->refused = true;
        if (r->attempt == 0)
            SOMETIMES(reference_missing);
        if (o->refused && o->ever_unknown)
            SOMETIMES(call_refused_after_unknown);
        break;
    case VERDICT_UNKNOWN:
    case VERDICT_SLOW_DOWN:
    case VERDICT_INTERRUPTED:
    case VERDICT_STALE:
        o->ever_unknown = true;
        break;
    default:
        break;
    }
}

static bool is_final_answer(const struct record *r) {
    return r->verdict == VERDICT_DONE || (r->verdict == VERDICT_REFUSED && r->role == ROLE_FORWARD);
}

static void take_outcome(struct reading *g) {
    const struct record *r = g->record;
    struct witness_operation *o = operation_of(g);

    /* A body that cannot be filled is a refusal without a call: it may repeat the number of the last one. */
    bool unfilled = g->witness->branches[r->branch]->has_references && !g->witness->filled[r->branch] &&
                    r->verdict == VERDICT_REFUSED;

    if (r->attempt > o->allowed || (!unfilled && r->attempt <= o->finished))
        breach(g, "I-G5", "an outcome of an attempt that was not open");
    if (o->done || o->resolved)
        breach(g, "I-G5", "an outcome of an operation that was over");
    if (r->next_ms == 0 && !is_final_answer(r) &&
        (r->role != ROLE_FORWARD || g->witness->decision == DECISION_COMMIT))
        breach(g, "G2", "decided work was given up");
    if (r->next_ms != 0 && r->next_ms < r->at_ms)
        breach(g, "G2", "the next attempt is due in the past");
    note_verdict(g, o);
    if (r->flags & RECORD_FLAG_ATTENTION)
        SOMETIMES(attention);
    o->finished = r->attempt;
    o->verdict = r->verdict;
    o->next_ms = r->next_ms;
    if (r->next_ms != 0)
        o->allowed = r->attempt + 1;
}

static bool everything_succeeded(const struct witness *t, uint8_t role) {
    for (uint16_t i = 0; i < t->branch_count; i++)
        if (t->branches[i]->to[role].url.length > 0 && !succeeded(&t->operation[i][role]))
            return false;
    return true;
}

static bool pivot_succeeded(const struct witness *t) {
    for (uint16_t i = 0; i < t->branch_count; i++)
        if (t->branches[i]->pivot)
            return succeeded(&t->operation[i][ROLE_FORWARD]);
    return false;
}

/* I-S6 for commits: what allows this one. NULL, or what is missing. */
static const char *commit_evidence(const struct reading *g) {
    const struct witness *t = g->witness;

    switch (g->record->cause) {
    case CAUSE_ALL_DONE:
        return t->drive == DRIVE_SERVER && everything_succeeded(t, ROLE_FORWARD) ? NULL
                                                                                 : "not every step is done";
    case CAUSE_PIVOT:
        SOMETIMES(pivot_decided);
        return pivot_succeeded(t) ? NULL : "the pivot has not succeeded";
    case CAUSE_CLIENT:
        SOMETIMES(client_decided);
        return t->drive == DRIVE_CLIENT && g->plan->asked_commit ? NULL : "no client asked for it";
    case CAUSE_OPERATOR:
        return g->plan->asked_resolve || g->plan->asked_force ? NULL : "no operator asked for it";
    default:
        return "a commit needs another cause";
    }
}

static const char *rollback_evidence(const struct reading *g) {
    const struct witness *t = g->witness;
    const struct record *r = g->record;
    const struct witness_operation *o =
        r->branch < t->branch_count ? &t->operation[r->branch][ROLE_FORWARD] : NULL;

    switch (r->cause) {
    case CAUSE_REFUSED:
        SOMETIMES(refusal_decided);
        return o != NULL && o->refused ? NULL : "no step was refused";
    case CAUSE_PATIENCE:
        SOMETIMES(patience_decided);
        return o != NULL && t->branches[r->branch]->retry.for_ms > 0 &&
                       r->at_ms >= o->first_ms + t->branches[r->branch]->retry.for_ms
                   ? NULL
                   : "the step's patience is not over";
    case CAUSE_DEADLINE:
        SOMETIMES(deadline_decided);
        return r->at_ms >= t->deadline_ms ? NULL : "the deadline has not passed";
    case CAUSE_CLIENT:
        SOMETIMES(client_decided);
        return g->plan->asked_rollback ? NULL : "nobody asked for it";
    case CAUSE_OPERATOR:
        return g->plan->asked_resolve || g->plan->asked_force || g->plan->asked_rollback
                   ? NULL
                   : "no operator asked for it";
    default:
        return "a rollback needs another cause";
    }
}

static bool has_pivot(const struct witness *t) {
    for (uint16_t i = 0; i < t->branch_count; i++)
        if (t->branches[i]->pivot)
            return true;
    return false;
}

/* A deadline is kept, however many calls are out: holds must not stand for longer than was agreed. */
static void check_punctual(struct reading *g) {
    const struct witness *t = g->witness;
    uint64_t since_ms = t->deadline_ms > t->resumed_ms ? t->deadline_ms : t->resumed_ms;
    uint64_t now_ms = world_clock_ms(g->world);
    /* A full disk may have kept the record waiting since it was made. */
    uint64_t waited_ms = now_ms > g->record->at_ms ? now_ms - g->record->at_ms : 0;
    bool was_up = g->world->now_us > g->world->driver.up_since_us + (30000 + waited_ms) * 1000;

    if (g->record->cause == CAUSE_DEADLINE && g->record->at_ms > since_ms + 3000 && was_up && !has_pivot(t))
        breach(g, "deadline", "it rolls back long after the deadline");
}

/* A waiting attempt that is not yet due will never be called once the decision is to roll back. */
static void drop_waiting(struct witness *t, uint64_t at_ms) {
    for (uint16_t i = 0; i < t->branch_count; i++) {
        struct witness_operation *o = &t->operation[i][ROLE_FORWARD];

        if (in_progress(o) && o->next_ms > at_ms) {
            o->allowed = o->finished;
            o->next_ms = 0;
        }
    }
}

static void take_decided(struct reading *g) {
    struct witness *t = g->witness;
    const struct record *r = g->record;
    const char *missing = r->decision == DECISION_COMMIT ? commit_evidence(g) : rollback_evidence(g);

    if (t->decision != DECISION_NONE)
        breach(g, "I-G1", "a second decision");
    if (missing != NULL)
        breach(g, "I-S6", missing);
    check_punctual(g);
    if (t->suspended && r->cause == CAUSE_DEADLINE)
        breach(g, "suspend", "the deadline rolls back while suspended");
    t->decision = r->decision;
    t->cause = r->cause;
    t->decided_ms = r->at_ms;
    t->status = r->decision == DECISION_COMMIT ? STATUS_COMMITTING : STATUS_ROLLING_BACK;
    if (r->decision == DECISION_ROLLBACK)
        drop_waiting(t, r->at_ms);
}

static bool anything_not_done(const struct witness *t) {
    for (uint16_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++)
            if (t->operation[i][role].not_done)
                return true;
    return false;
}

/* What a final status needs. NULL, or what is missing. */
static const char *final_evidence(const struct witness *t, uint8_t status) {
    switch (status) {
    case STATUS_COMMITTED:
        if (t->decision != DECISION_COMMIT)
            return "committed without a commit decision";
        if (t->drive == DRIVE_SERVER && !everything_succeeded(t, ROLE_FORWARD))
            return "committed before every step was done";
        return everything_succeeded(t, ROLE_CONFIRM) ? NULL : "committed before everything was confirmed";
    case STATUS_ROLLED_BACK:
        if (t->decision != DECISION_ROLLBACK)
            return "rolled back without a rollback decision";
        for (uint16_t i = 0; i < t->branch_count; i++)
            if (!is_undone(t, i) || in_progress(&t->operation[i][ROLE_FORWARD]))
                return "rolled back before everything was undone";
        return NULL;
    case STATUS_HEURISTIC_MIXED:
        return anything_not_done(t) ? NULL : "mixed, but nothing was settled as not done";
    default:
        return "not a final status for this record";
    }
}

static void take_finished(struct reading *g) {
    const char *missing = final_evidence(g->witness, g->record->status);

    if (missing != NULL)
        breach(g, "I-G5", missing);
    g->witness->status = g->record->status;
    g->witness->finished_ms = g->record->at_ms;
}

static void take_forced(struct reading *g) {
    if (!g->plan->asked_force)
        breach(g, "I-S6", "nobody forced it");
    if (g->record->status < STATUS_HEURISTIC_COMMIT || g->record->status >= STATUS_END)
        breach(g, "I-G5", "forced into a status that hides it");
    SOMETIMES(operator_forced);
    SOMETIMES(heuristic);
    if (g->witness->decision == DECISION_NONE)
        g->witness->decision =
            g->record->status == STATUS_HEURISTIC_COMMIT ? DECISION_COMMIT : DECISION_ROLLBACK;
    else if ((g->witness->decision == DECISION_COMMIT) != (g->record->status == STATUS_HEURISTIC_COMMIT))
        breach(g, "I-G1", "forced against the decision");
    g->witness->status = g->record->status;
    g->witness->finished_ms = g->record->at_ms;
}

static void take_suspended(struct reading *g) {
    if (!g->plan->asked_suspend)
        breach(g, "I-S6", "nobody suspended it");
    SOMETIMES(suspended);
    g->witness->suspended = true;
}

static void take_resumed(struct reading *g) {
    SOMETIMES(resumed);
    if (g->record->at_ms > g->witness->deadline_ms && g->witness->decision == DECISION_NONE)
        SOMETIMES(suspended_over_deadline);
    g->witness->suspended = false;
    g->witness->resumed_ms = g->record->at_ms;
}

static void take_resolved(struct reading *g) {
    struct witness_operation *o = operation_of(g);

    if (!g->plan->asked_resolve)
        breach(g, "I-S6", "nobody resolved it");
    if (o->done)
        breach(g, "I-G5", "an operation that was done is settled by hand");
    SOMETIMES(operator_resolved);
    o->resolved = true;
    o->not_done = (g->record->flags & RECORD_FLAG_NOT_DONE) != 0;
    o->finished = o->allowed;
}

static void take_nudged(struct reading *g) {
    if (!g->plan->asked_nudge && g->world->driver.jumped_ms == 0)
        breach(g, "I-S6", "nobody asked for the next attempt now");
    SOMETIMES(operator_nudged);
    operation_of(g)->next_ms = g->record->next_ms;
}

/* What the decision sends next; NULL when that is all. */
static const struct outgoing_request *next_outgoing(const struct witness *t, uint16_t *at) {
    if (t->request == NULL || t->decision == DECISION_NONE)
        return NULL;
    for (*at = t->outgoing_at; *at < t->request->outgoing_count; ++*at)
        if (t->request->outgoing[*at].on_rollback == (t->decision == DECISION_ROLLBACK))
            return &t->request->outgoing[*at];
    return NULL;
}

static void take_sent(struct reading *g) {
    uint16_t at;
    const struct outgoing_request *o = next_outgoing(g->witness, &at);

    if (o == NULL) {
        breach(g, "spawned", "it sends something that its decision does not send");
        return;
    }
    if (o->on_rollback)
        SOMETIMES(sent_on_rollback);
    else
        SOMETIMES(sent_on_commit);
    g->witness->outgoing_at = (uint16_t)(at + 1);
    post_witness_claim(g->world, g->record, &o->message,
                       world_text(g->world, "transaction %.*s", SLICE_PRINT(g->plan->gid)));
}

static void (*const take_kind[RECORD_KIND_END])(struct reading *g) = {
    [RECORD_CREATED] = take_created,   [RECORD_BRANCH] = take_branch,       [RECORD_FILLED] = take_filled,
    [RECORD_ALLOWED] = take_allowed,   [RECORD_OUTCOME] = take_outcome,     [RECORD_DECIDED] = take_decided,
    [RECORD_FINISHED] = take_finished, [RECORD_SUSPENDED] = take_suspended, [RECORD_RESUMED] = take_resumed,
    [RECORD_RESOLVED] = take_resolved, [RECORD_NUDGED] = take_nudged,       [RECORD_FORCED] = take_forced,
    [RECORD_SENT] = take_sent,
};

/* A gid begins, or begins again after its row was purged. */
static struct plan *plan_created(struct world *w, const struct stored_entry *entry, const struct record *r) {
    struct plan *p = r->request == NULL ? NULL : plan_find(w, r->request->gid);

    if (p == NULL) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "a transaction that nobody asked for");
        return NULL;
    }
    if (p->witness.id != 0 && p->witness.id != p->purged_id) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G1", "%.*s exists twice", SLICE_PRINT(p->gid));
        return NULL;
    }
    if (p->witness.id != 0)
        SOMETIMES(submit_after_purge);
    if (entry->id != r->id)
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s: id in the entry and in the record differ",
                   SLICE_PRINT(p->gid));
    p->witness = (struct witness){ 0 };
    return p;
}

static bool names_branch(uint8_t kind) {
    return kind == RECORD_FILLED || kind == RECORD_ALLOWED || kind == RECORD_OUTCOME ||
           kind == RECORD_RESOLVED || kind == RECORD_NUDGED;
}

void witness_entry(struct world *w, const struct stored_entry *entry) {
    struct slice bytes;
    struct record r;
    struct plan *p;

    if (entry->kind != STORED_ANSWER && entry->kind != STORED_AUDIT &&
        taken_back_has(&w->driver.taken_back, entry->id)) {
        world_fail(w, FAILURE_CORRECTNESS, "P1", "what was taken back is in the store");
        return;
    }
    if (entry->kind == STORED_ANSWER || entry->kind == STORED_AUDIT)
        return;
    if (arena_copy(&w->arena, entry->record, &bytes) != 0)
        abort();
    if (entry->kind == STORED_DEFINITION) {
        post_witness_definition(w, entry, bytes);
        return;
    }
    if (record_decode(bytes, &w->arena, &r) != 0) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "a durable record cannot be read");
        return;
    }
    if (entry->kind != STORED_TRANSACTION) {
        post_witness_record(w, entry, &r, bytes);
        return;
    }
    p = r.kind == RECORD_CREATED ? plan_created(w, entry, &r) : plan_of_id(w, entry->id);
    if (p == NULL) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "a record of an unknown transaction");
        return;
    }
    struct reading g = { w, p, &p->witness, &r };
    uint16_t at;
    if (entry->seq != p->witness.seq + 1)
        breach(&g, "I-G2", "a gap in the records");
    else if (next_outgoing(&p->witness, &at) != NULL && r.kind != RECORD_SENT)
        breach(&g, "spawned", "what its decision sends is missing");
    else if (status_is_final(p->witness.status) && r.kind != RECORD_SENT)
        breach(&g, "I-G5", "a record after the end");
    else if (p->witness.pivot_done && (r.kind != RECORD_DECIDED || r.decision != DECISION_COMMIT))
        breach(&g, "pivot", "the pivot has succeeded, and this is not the commit decision");
    else if (names_branch(r.kind) && r.branch >= p->witness.branch_count)
        breach(&g, "I-G5", "no such branch");
    else if (take_kind[r.kind] == NULL)
        breach(&g, "I-G5", "transactions have no such record");
    else
        take_kind[r.kind](&g);
    p->witness.pivot_done = r.kind == RECORD_OUTCOME && r.verdict == VERDICT_DONE && r.role == ROLE_FORWARD &&
                            r.branch < p->witness.branch_count && p->witness.branches[r.branch]->pivot &&
                            p->witness.decision == DECISION_NONE;
    p->witness.seq = entry->seq;
    p->witness.digest = p->witness.digest * UINT64_C(0x100000001b3) ^ hash_stable(bytes);
}

void witness_batch(struct world *w) {
    uint16_t at;

    for (uint32_t i = 0; i < w->plan_count; i++)
        if (w->plans[i].witness.id != 0 && next_outgoing(&w->plans[i].witness, &at) != NULL)
            world_fail(w, FAILURE_CORRECTNESS, "spawned", "%.*s: a batch ends before its messages are made",
                       SLICE_PRINT(w->plans[i].gid));
    if (w->post_count > 0)
        post_witness_batch(w);
}

const char *witness_allows(const struct plan *p, uint16_t branch, uint8_t role, uint32_t attempt) {
    const struct witness *t = &p->witness;
    const struct witness_operation *o;

    if (t->id == 0)
        return "the transaction is not durable";
    if (branch >= t->branch_count)
        return "the branch is not durable";
    o = &t->operation[branch][role];
    if (attempt > o->allowed)
        return "the record that allows it is not durable";
    if (attempt <= o->finished || o->done || o->resolved)
        return "the operation is over";
    if (status_is_final(t->status))
        return "the transaction is over";
    return NULL;
}
