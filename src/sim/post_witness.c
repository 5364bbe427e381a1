#include "sim/post_witness.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "sim/sometimes.h"
#include "sim/world.h"

struct reading {
    struct world *world;
    struct post *post;
    struct post_witness *witness;
    const struct record *record;
};

static void breach(struct reading *g, const char *invariant, const char *sentence) {
    world_fail(g->world, FAILURE_CORRECTNESS, invariant, "%.*s record %u (%s): %s", SLICE_PRINT(g->post->gid),
               g->witness->seq + 1, record_word(g->record->kind), sentence);
}

/* What was meant for an earlier life of its id may reach this one. */
static bool lives_again(const struct reading *g) {
    return g->post->purged_id != 0;
}

static bool is_notice(const struct reading *g) {
    return g->post->mode == MODE_NOTICE;
}

static const struct message_request *message_of(const struct reading *g) {
    return g->witness->request->message;
}

struct delivery *post_delivery_at(const struct post *p, uint16_t branch) {
    const struct post_witness *t = &p->witness;
    uint16_t before = t->request == NULL ? 0 : t->request->branch_count;

    if (p->mode != MODE_MESSAGE || branch < before || branch - before >= (int)t->delivery_count)
        return NULL;
    return t->deliveries[branch - before];
}

struct post_operation *post_operation_of(struct post *p, uint16_t branch, uint8_t role) {
    struct delivery *d = post_delivery_at(p, branch);

    if (role == ROLE_CONFIRM)
        return d == NULL ? NULL : &d->o;
    if (role == ROLE_FORWARD && branch == 0 && p->witness.request != NULL &&
        p->witness.request->branch_count == 1)
        return &p->witness.call;
    return NULL;
}

struct errand *post_errand_of(struct post *p, uint16_t branch, uint8_t role) {
    struct delivery *d = post_delivery_at(p, branch);

    return role == ROLE_FORWARD ? &p->call : d == NULL ? NULL : &d->errand;
}

/* ---- coming into being ---- */

static void take_created(struct reading *g) {
    const struct transaction_request *q = g->record->request;
    struct post_witness *t = g->witness;
    bool own = memcmp(q->fingerprint, g->post->request.fingerprint, 32) == 0;

    t->id = g->record->id;
    t->status = STATUS_ACTIVE;
    t->created_ms = g->record->at_ms;
    t->deadline_ms = g->record->until_ms;
    t->request = q;
    t->other_body = !own;
    if (q->mode != g->post->mode || q->message == NULL)
        breach(g, "I-G2", "is of another mode than was asked for");
    else if (!own && memcmp(q->fingerprint, g->post->other.fingerprint, 32) != 0)
        breach(g, "I-G2", "carries a fingerprint that nobody sent");
}

static void take_allowed(struct reading *g) {
    const struct record *r = g->record;
    struct post_operation *o = &g->witness->call;

    if (r->role != ROLE_FORWARD || r->branch != 0 || g->witness->request->branch_count != 1) {
        breach(g, "I-G5", "an operation begins that it does not have");
        return;
    }
    if (g->witness->decision != DECISION_NONE)
        breach(g, "I-M3", "an attempt is allowed although the decision has fallen");
    if (r->next_ms != 0) { /* the first one is planned */
        uint64_t wait_ms = is_notice(g) ? message_of(g)->schedule_ms[0] : message_of(g)->check_after_ms;

        if (g->witness->seq != 1)
            breach(g, "I-G5", "an operation begins twice");
        if (r->next_ms < r->at_ms + wait_ms)
            breach(g, "I-N4", "the first attempt is planned too early");
        o->next_ms = r->next_ms;
        o->allowed = is_notice(g) ? 0 : 1;
        return;
    }
    if (!is_notice(g) || r->attempt != g->witness->recorded + 1 || r->attempt <= o->finished)
        breach(g, "I-N1", "an attempt is recorded twice or out of order");
    if (r->attempt > message_of(g)->schedule_count)
        breach(g, "I-N1", "one attempt more than the schedule has");
    if (r->at_ms < o->next_ms)
        breach(g, "I-N4", "an attempt before its time");
    g->witness->recorded = o->allowed = r->attempt;
}

/* ---- owed to subscriptions ---- */

static uint32_t count_interested(struct reading *g) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < g->world->channel_count; i++)
        count += channel_interested(&g->world->channels[i], message_of(g));
    return count;
}

static void keep_delivery(struct reading *g, struct delivery *d) {
    struct post_witness *t = g->witness;

    if (t->delivery_count == t->delivery_capacity) {
        uint32_t capacity = t->delivery_capacity * 2 + 4;
        struct delivery **grown = world_take(g->world, capacity, sizeof *grown);

        if (t->delivery_count > 0)
            memcpy(grown, t->deliveries, t->delivery_count * sizeof *grown);
        t->deliveries = grown;
        t->delivery_capacity = capacity;
    }
    t->deliveries[t->delivery_count++] = d;
}

/* Later than everything that is still owed to the same subscription. */
static bool is_last(const struct reading *g, const struct sim_channel *c, uint64_t place) {
    for (uint32_t i = 0; i < g->world->post_count; i++) {
        const struct delivery *d = post_delivery(g->world->posts[i], c->name);

        if (d != NULL && !post_operation_over(&d->o) && d->place >= place)
            return false;
    }
    return true;
}

static void take_delivery(struct reading *g) {
    const struct record *r = g->record;
    struct sim_channel *c = channel_named(g->world, DEFINITION_SUBSCRIPTION, r->text);
    struct delivery *d;
    uint64_t due_ms = g->witness->decided_ms + message_of(g)->delay_ms;

    if (g->witness->decision != DECISION_COMMIT)
        breach(g, "I-M1", "owed without a commit decision");
    if (c == NULL || !channel_interested(c, message_of(g)) || post_delivery(g->post, c->name) != NULL) {
        breach(g, "I-M2", "owed to a subscription that is not interested, or twice");
        return;
    }
    if (message_of(g)->delay_ms > 0 && r->next_ms < due_ms)
        breach(g, "never-early", "its delay is cut short");
    if (!is_last(g, c, r->id))
        breach(g, "order", "its place is before that of a message committed earlier");
    d = world_take(g->world, 1, sizeof *d);
    d->post = g->post;
    d->channel = c;
    d->branch = (uint16_t)(g->witness->request->branch_count + g->witness->delivery_count);
    d->place = r->id;
    d->o.allowed = 1;
    d->o.next_ms = r->next_ms;
    if (c == g->world->channels) {
        d->errand.script = g->post->push_script;
        d->errand.script_length = g->post->push_script_length;
    }
    keep_delivery(g, d);
    if (message_of(g)->delay_ms > 0)
        SOMETIMES(message_delayed);
}

/* ---- outcomes ---- */

static void note_verdict(struct post_operation *o, const struct record *r) {
    o->done |= r->verdict == VERDICT_DONE;
    o->refused |= r->verdict == VERDICT_REFUSED && r->next_ms == 0 && (r->flags & RECORD_FLAG_DEAD) == 0;
    o->dead = (r->flags & RECORD_FLAG_DEAD) != 0;
    o->ever_dead |= o->dead;
    o->failures += r->verdict != VERDICT_DONE && r->verdict != VERDICT_WORKING;
    o->verdict = r->verdict;
    o->next_ms = r->next_ms;
    if (r->attempt > o->finished)
        o->finished = r->attempt;
    if (r->next_ms != 0)
        o->allowed = r->attempt + 1;
    if (o->first_ms == 0)
        o->first_ms = r->at_ms;
    o->nudged = false;
}

static void check_patience(struct reading *g, const struct delivery *d) {
    const struct record *r = g->record;
    uint32_t for_ms = d->channel->outlet.retry.for_ms;
    bool counts = r->verdict != VERDICT_WORKING && r->verdict != VERDICT_INTERRUPTED &&
                  r->verdict != VERDICT_DONE && r->verdict != VERDICT_REFUSED;
    bool over = for_ms > 0 && d->o.first_ms != 0 && r->at_ms >= d->o.first_ms + for_ms;
    bool dead = (r->flags & RECORD_FLAG_DEAD) != 0;

    if (counts && dead && !over)
        breach(g, "G2", "a delivery is dead before its patience is over");
    if (counts && !dead && over)
        breach(g, "G2", "a delivery is tried on although its patience is over");
    if (counts && dead)
        SOMETIMES(delivery_dead);
}

static void take_refusal(struct reading *g, struct delivery *d) {
    bool wanted = d->channel->outlet.refused_topic.length > 0;

    if (!d->said_refused && !lives_again(g))
        breach(g, "G11", "a delivery is refused that nobody refused");
    if (wanted == ((g->record->flags & RECORD_FLAG_DEAD) != 0))
        breach(g, "refusal", "a refusal is neither published nor set aside, or both");
    if (!wanted)
        SOMETIMES(delivery_refused_dead);
    g->witness->refusal_due = wanted;
    g->witness->refusal_topic = d->channel->outlet.refused_topic;
}

static void take_delivery_outcome(struct reading *g, struct delivery *d) {
    const struct record *r = g->record;
    struct post_operation *o = &d->o;
    bool ends = r->verdict == VERDICT_DONE || r->verdict == VERDICT_REFUSED;

    if (r->attempt > o->allowed || r->attempt < o->finished || r->attempt == 0)
        breach(g, "I-G5", "an outcome of an attempt that was not open");
    if (post_operation_over(o))
        breach(g, "I-G5", "an outcome of a delivery that was over");
    if (o->dead && !ends)
        breach(g, "I-G5", "a dead delivery is tried");
    if (r->next_ms == 0 && !ends && (r->flags & RECORD_FLAG_DEAD) == 0)
        breach(g, "G2", "a delivery was given up in silence");
    if (r->next_ms != 0 && r->next_ms < r->at_ms)
        breach(g, "G2", "the next attempt is due in the past");
    check_patience(g, d);
    if (r->verdict == VERDICT_DONE && !d->said_done && !lives_again(g))
        breach(g, "I-M2", "a delivery counts as acked that nobody acked");
    if (r->verdict == VERDICT_DONE && o->dead)
        SOMETIMES(ack_of_dead);
    if (r->verdict == VERDICT_REFUSED)
        take_refusal(g, d);
    note_verdict(o, r);
}

static void take_check_outcome(struct reading *g) {
    const struct record *r = g->record;
    struct post_operation *o = &g->witness->call;
    bool decided = g->witness->decision != DECISION_NONE;
    uint32_t tries = message_of(g)->check_tries;
    bool brings_nothing = r->verdict != VERDICT_WORKING && r->verdict != VERDICT_INTERRUPTED &&
                          r->verdict != VERDICT_DONE && r->verdict != VERDICT_REFUSED;

    if (r->attempt > o->allowed || r->attempt <= o->finished)
        breach(g, "I-G5", "an outcome of a check-back that was not open");
    if (o->done || o->refused || o->resolved)
        breach(g, "I-G5", "an outcome of a check-back that was over");
    if (!decided && r->next_ms == 0 && r->verdict != VERDICT_DONE && r->verdict != VERDICT_REFUSED)
        breach(g, "I-M6", "a half message is not asked about any more");
    if (decided && r->next_ms != 0)
        breach(g, "I-M3", "another check-back is allowed after the decision");
    if (r->verdict == VERDICT_UNKNOWN || r->verdict == VERDICT_WORKING)
        SOMETIMES(check_unknown);
    if (decided && r->verdict != VERDICT_NOT_SENT)
        SOMETIMES(check_after_decision);
    if (!decided && tries > 0 && brings_nothing && o->failures + 1 >= tries &&
        (r->flags & RECORD_FLAG_ATTENTION) == 0)
        breach(g, "attention", "as many check-backs as were to be tried brought nothing, and nobody is told");
    if ((r->flags & RECORD_FLAG_ATTENTION) != 0)
        SOMETIMES(check_attention);
    note_verdict(o, r);
}

static void take_notice_outcome(struct reading *g) {
    const struct record *r = g->record;
    struct post_operation *o = &g->witness->call;
    const struct message_request *m = message_of(g);
    bool dropped = r->verdict == VERDICT_NOT_SENT && g->witness->decision == DECISION_ROLLBACK;

    if (!dropped && (r->attempt != g->witness->recorded || r->attempt <= o->finished))
        breach(g, "I-N1", "an outcome of an attempt that is not recorded");
    if (r->next_ms != 0 && r->attempt >= m->schedule_count)
        breach(g, "I-N1", "another attempt than the schedule has");
    if (r->next_ms != 0 && r->attempt < m->schedule_count &&
        r->next_ms < r->at_ms + m->schedule_ms[r->attempt])
        breach(g, "I-N4", "the next attempt is planned too early");
    if (r->http == 410 && (r->verdict != VERDICT_REFUSED || r->next_ms != 0))
        breach(g, "G9", "the endpoint is gone, and that is not the end");
    if (r->verdict == VERDICT_INTERRUPTED)
        SOMETIMES(notice_interrupted);
    note_verdict(o, r);
    o->allowed = g->witness->recorded;
}

static void take_outcome(struct reading *g) {
    struct delivery *d = post_delivery_at(g->post, g->record->branch);

    if (d != NULL && g->record->role == ROLE_CONFIRM)
        take_delivery_outcome(g, d);
    else if (post_operation_of(g->post, g->record->branch, g->record->role) == NULL)
        breach(g, "I-G5", "an outcome of nothing");
    else if (is_notice(g))
        take_notice_outcome(g);
    else
        take_check_outcome(g);
}

/* ---- the decision ---- */

/* What allows this decision. NULL, or what is missing. */
static const char *message_evidence(const struct reading *g) {
    const struct record *r = g->record;
    bool commit = r->decision == DECISION_COMMIT;
    const struct post_operation *o = &g->witness->call;

    if (r->cause == CAUSE_CHECK)
        return (commit ? o->done : o->refused) ? NULL : "no check-back said so";
    if (r->cause != CAUSE_CLIENT)
        return "only its producer or its check-back decides about a message";
    if (commit && !message_of(g)->half)
        return NULL;
    return (commit ? g->post->asked_commit : g->post->asked_rollback) ? NULL : "nobody asked for it";
}

static const char *notice_evidence(const struct reading *g) {
    const struct post_witness *t = g->witness;
    const struct record *r = g->record;

    if (r->decision == DECISION_COMMIT)
        return t->call.done && g->post->sent_well ? NULL : "no success was ever answered";
    switch (r->cause) {
    case CAUSE_PATIENCE:
        SOMETIMES(notice_exhausted);
        return t->recorded == message_of(g)->schedule_count && t->call.finished == t->recorded
                   ? NULL
                   : "its schedule is not at its end";
    case CAUSE_REFUSED:
        SOMETIMES(notice_gone);
        return g->post->sent_gone ? NULL : "nobody said that the endpoint is gone";
    case CAUSE_CLIENT:
        SOMETIMES(notice_cancelled);
        return g->post->asked_rollback ? NULL : "nobody cancelled it";
    case CAUSE_DEADLINE:
        SOMETIMES(notice_too_late);
        return r->at_ms >= t->deadline_ms ? NULL : "the deadline has not passed";
    default:
        return "a notification is not given up for that";
    }
}

static void take_decided(struct reading *g) {
    struct post_witness *t = g->witness;
    const struct record *r = g->record;
    const char *missing = is_notice(g) ? notice_evidence(g) : message_evidence(g);

    if (t->decision != DECISION_NONE)
        breach(g, "I-G1", "a second decision");
    if (missing != NULL)
        breach(g, is_notice(g) ? "I-N3" : "I-M6", missing);
    t->decision = r->decision;
    t->cause = r->cause;
    t->decided_ms = r->at_ms;
    t->status = r->decision == DECISION_COMMIT ? STATUS_COMMITTING : STATUS_ROLLING_BACK;
    if (is_notice(g))
        return;
    if (r->decision == DECISION_COMMIT)
        t->owed = count_interested(g);
    if (r->cause == CAUSE_CHECK && r->decision == DECISION_COMMIT)
        SOMETIMES(check_committed);
    if (r->cause == CAUSE_CHECK && r->decision == DECISION_ROLLBACK)
        SOMETIMES(check_rolled_back);
    if (r->decision == DECISION_COMMIT && t->owed == 0)
        SOMETIMES(message_to_nobody);
    if (t->owed > 1)
        SOMETIMES(message_to_many);
}

static void take_finished(struct reading *g) {
    struct post_witness *t = g->witness;
    uint8_t fits = t->decision == DECISION_COMMIT ? STATUS_COMMITTED : STATUS_ROLLED_BACK;

    if (t->decision == DECISION_NONE || g->record->status != fits)
        breach(g, "I-G5", "an end that is not its decision's");
    for (uint32_t i = 0; i < t->delivery_count; i++)
        if (!post_operation_over(&t->deliveries[i]->o))
            breach(g, "I-M2", "it ends although a delivery is owed");
    t->status = g->record->status;
}

/* ---- by hand ---- */

static void take_resolved(struct reading *g) {
    struct delivery *d = post_delivery_at(g->post, g->record->branch);

    if (d == NULL || (!d->asked_discard && !d->asked_edit && !lives_again(g))) {
        breach(g, "I-M2", "a delivery is given up by hand, and nobody asked for it");
        return;
    }
    if (post_operation_over(&d->o))
        breach(g, "I-G5", "a delivery that is over is given up");
    SOMETIMES(delivery_discarded);
    d->o.resolved = true;
    d->o.dead = false;
    g->witness->edits_due = d->asked_edit || lives_again(g) ? 1 : 0;
}

static void take_nudged(struct reading *g) {
    struct delivery *d = post_delivery_at(g->post, g->record->branch);
    struct post_operation *o = post_operation_of(g->post, g->record->branch, g->record->role);
    bool asked = g->post->asked_nudge || lives_again(g) || (d != NULL && d->asked_replay);

    if (o == NULL || (!asked && g->world->driver.jumped_ms == 0)) {
        breach(g, "I-S6", "nobody asked for the next attempt now");
        return;
    }
    if (o->dead) {
        SOMETIMES(delivery_replayed);
        o->dead = false;
        o->allowed++;
        o->first_ms = g->record->at_ms;
    } else if (g->record->role == ROLE_FORWARD && !is_notice(g)) {
        SOMETIMES(check_nudged);
    }
    o->next_ms = g->record->next_ms;
    o->nudged = true;
}

static void take_sent(struct reading *g) {
    struct message_request asked = { .body = message_of(g)->body, .head = message_of(g)->head };
    struct slice origin;

    if (g->witness->refusal_due) {
        const struct delivery *d = post_delivery_at(g->post, g->record->branch);

        SOMETIMES(refusal_published);
        asked.head.topic = g->witness->refusal_topic;
        g->witness->refusal_due = false;
        origin = world_text(g->world, "refusal of %.*s~%.*s", SLICE_PRINT(g->post->gid),
                            SLICE_PRINT(d == NULL ? SLICE("?") : d->channel->name));
    } else if (g->witness->edits_due > 0) {
        const struct delivery *d = post_delivery_at(g->post, g->record->branch);

        SOMETIMES(delivery_edited);
        g->witness->edits_due = 0;
        asked.body = SLICE("edited");
        asked.only = d == NULL ? SLICE_NONE : d->channel->name;
        origin =
            world_text(g->world, "edit of %.*s~%.*s", SLICE_PRINT(g->post->gid), SLICE_PRINT(asked.only));
    } else {
        breach(g, "refusal", "it sends something that nothing asks for");
        return;
    }
    post_witness_claim(g->world, g->record, &asked, origin);
}

static void (*const take_kind[RECORD_KIND_END])(struct reading *g) = {
    [RECORD_CREATED] = take_created, [RECORD_ALLOWED] = take_allowed,   [RECORD_OUTCOME] = take_outcome,
    [RECORD_DECIDED] = take_decided, [RECORD_FINISHED] = take_finished, [RECORD_RESOLVED] = take_resolved,
    [RECORD_NUDGED] = take_nudged,   [RECORD_DELIVERY] = take_delivery, [RECORD_SENT] = take_sent,
};

/* ---- whose record it is ---- */

static struct post *spawn(struct world *w, const struct record *r) {
    struct post *p;

    if (r->request->message == NULL || r->request->message->origin.length == 0)
        return NULL;
    p = post_add(w, r->request->gid, r->request->mode);
    p->spawned = true;
    p->request = p->other = *r->request;
    p->message = *r->request->message;
    p->producer.stage = PRODUCER_GONE;
    w->posts_unclaimed++;
    return p;
}

static struct post *post_created(struct world *w, const struct stored_entry *entry, const struct record *r) {
    struct post *p = r->request == NULL ? NULL : post_find(w, r->request->gid);

    if (p == NULL && r->request != NULL)
        p = spawn(w, r);
    if (p == NULL) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "a message that nobody asked for");
        return NULL;
    }
    if (p->witness.id != 0 && p->witness.id != p->purged_id) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G1", "%.*s exists twice", SLICE_PRINT(p->gid));
        return NULL;
    }
    if (entry->id != r->id)
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s: id in the entry and in the record differ",
                   SLICE_PRINT(p->gid));
    p->witness = (struct post_witness){ 0 };
    return p;
}

static bool leaves_something_out(const struct post_witness *t, uint8_t kind) {
    if (t->refusal_due)
        return kind != RECORD_SENT;
    return t->delivery_count < t->owed && kind != RECORD_DELIVERY;
}

void post_witness_record(struct world *w, const struct stored_entry *entry, const struct record *r,
                         struct slice bytes) {
    struct post *p = r->kind == RECORD_CREATED ? post_created(w, entry, r) : post_of_id(w, entry->id);
    struct post_witness *t;

    if (p == NULL) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "a record of an unknown message");
        return;
    }
    t = &p->witness;
    struct reading g = { w, p, t, r };
    if (entry->kind != mode_kind(p->mode))
        breach(&g, "I-G2", "a record of another kind of thing");
    else if (entry->seq != t->seq + 1)
        breach(&g, "I-G2", "a gap in the records");
    else if (t->seq > 0 && status_is_final(t->status))
        breach(&g, "I-G5", "a record after the end");
    else if (leaves_something_out(t, r->kind))
        breach(&g, t->refusal_due ? "refusal" : "I-M2", "something is owed first, in the same batch");
    else if (take_kind[r->kind] == NULL)
        breach(&g, "I-G5", "messages have no such record");
    else
        take_kind[r->kind](&g);
    t->seq = entry->seq;
    t->digest = t->digest * UINT64_C(0x100000001b3) ^ hash_stable(bytes);
}

void post_witness_claim(struct world *w, const struct record *sent, const struct message_request *asked,
                        struct slice origin) {
    struct post *p = post_find(w, sent->text);
    bool same;

    if (p == NULL || !p->spawned || p->claimed) {
        world_fail(w, FAILURE_CORRECTNESS, "spawned", "%.*s names %.*s, which is not there, or twice",
                   SLICE_PRINT(origin), SLICE_PRINT(sent->text));
        return;
    }
    p->claimed = true;
    w->posts_unclaimed--;
    same = slice_equal(p->message.head.topic, asked->head.topic) &&
           slice_equal(p->message.head.key, asked->head.key) && slice_equal(p->message.body, asked->body) &&
           slice_equal(p->message.only, asked->only) && slice_equal(p->message.origin, origin);
    if (!same)
        world_fail(w, FAILURE_CORRECTNESS, "spawned", "%.*s is not what %.*s asks for", SLICE_PRINT(p->gid),
                   SLICE_PRINT(origin));
}

void post_witness_batch(struct world *w) {
    if (w->posts_unclaimed > 0)
        world_fail(w, FAILURE_CORRECTNESS, "spawned", "a batch ends, and nobody says what made its messages");
    for (uint32_t i = 0; i < w->post_count; i++)
        if (w->posts[i]->witness.id != 0 && leaves_something_out(&w->posts[i]->witness, RECORD_KIND_END))
            world_fail(w, FAILURE_CORRECTNESS, "I-M2", "%.*s: a batch ends before everything is owed",
                       SLICE_PRINT(w->posts[i]->gid));
}

/* ---- whether a call may leave ---- */

const char *post_witness_allows(const struct post *p, uint16_t branch, uint8_t role, uint32_t attempt) {
    struct post *known = (struct post *)(uintptr_t)p;
    const struct post_operation *o = post_operation_of(known, branch, role);

    if (p->witness.id == 0)
        return "it is not durable";
    if (o == NULL)
        return "the delivery is not durable";
    if (attempt > o->allowed)
        return "the record that allows it is not durable";
    if (attempt <= o->finished)
        return "that attempt is over";
    if (post_operation_over(o))
        return "the operation is over";
    if (o->dead)
        return "the delivery is dead";
    if (status_is_final(p->witness.status))
        return "it is over";
    return NULL;
}
