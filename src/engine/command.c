/* Questions and commands about one transaction that exists already: by clients (commit, rollback, branches)
 * and by operators. */
#include <assert.h>

#include "base/hash.h"
#include "engine/seat.h"

static void answer(struct step *s, uint8_t kind, struct slice text) {
    s->effects->reply.kind = kind;
    s->effects->reply.text = text;
}

static void show(struct step *s) {
    answer(s, REPLY_STATE, SLICE_NONE);
}

static void client_commit(struct step *s) {
    s->cause = CAUSE_CLIENT;
    answer(s, REPLY_STATE, SLICE_NONE);
    rule_obey(s, ON_COMMIT);
}

static void client_rollback(struct step *s) {
    s->cause = CAUSE_CLIENT;
    answer(s, REPLY_STATE, SLICE_NONE);
    rule_obey(s, ON_ROLLBACK);
}

static bool refuse_when_final(struct step *s) {
    if (!status_is_final(s->transaction->status))
        return false;
    answer(s, REPLY_ALREADY_DECIDED, SLICE("the transaction is final"));
    return true;
}

static bool waits(const struct operation *o) {
    return (o->status == OPERATION_WAITING || o->status == OPERATION_RETRYING) && !o->open;
}

/* The branch that the command names; false (and answered) when there is none. */
static bool find_branch(struct step *s) {
    int branch = transaction_branch(s->transaction, s->event->branch_id);
    if (branch < 0) {
        answer(s, REPLY_NO_BRANCH, SLICE("the transaction has no branch of that id"));
        return false;
    }
    s->branch = (uint16_t)branch;
    return true;
}

static void nudge(struct step *s) {
    bool one = s->event->branch_id.length > 0;
    if (refuse_when_final(s) || (one && !find_branch(s)))
        return;
    for (uint16_t i = 0; i < s->transaction->branch_count; i++)
        for (uint8_t role = 0; role < ROLE_COUNT; role++) {
            if ((one && i != s->branch) || !waits(&s->transaction->branches[i].operation[role]))
                continue;
            struct record r = {
                .kind = RECORD_NUDGED,
                .branch = i,
                .role = role,
                .next_ms = s->event->now_ms,
                .text = s->event->text,
                .who = s->event->who,
            };
            step_put(s, &r);
        }
    audit_put(s->engine, s->effects, s->event, "retry");
    answer(s, REPLY_STATE, SLICE_NONE);
}

static void again(struct step *s) {
    if (status_is_final(s->transaction->status))
        notify_again(s);
    else
        nudge(s);
}

static void suspend_or_resume(struct step *s, uint8_t kind, bool already) {
    if (refuse_when_final(s))
        return;
    answer(s, REPLY_STATE, SLICE_NONE);
    if (already)
        return;
    struct record r = { .kind = kind, .text = s->event->text, .who = s->event->who };
    step_put(s, &r);
    audit_put(s->engine, s->effects, s->event, kind == RECORD_SUSPENDED ? "suspend" : "resume");
}

static void suspend(struct step *s) {
    suspend_or_resume(s, RECORD_SUSPENDED, s->transaction->suspended);
}

static void resume(struct step *s) {
    suspend_or_resume(s, RECORD_RESUMED, !s->transaction->suspended);
}

static void force(struct step *s) {
    uint8_t decision = s->transaction->decision;
    assert(s->event->decision == DECISION_COMMIT || s->event->decision == DECISION_ROLLBACK);
    if (refuse_when_final(s))
        return;
    if (decision != DECISION_NONE && decision != s->event->decision) {
        answer(s, REPLY_ALREADY_DECIDED,
               SLICE("the opposite is decided and stays decided; resolve single branches instead"));
        return;
    }
    struct record r = {
        .kind = RECORD_FORCED,
        .status = s->event->decision == DECISION_COMMIT ? STATUS_HEURISTIC_COMMIT : STATUS_HEURISTIC_ROLLBACK,
        .text = s->event->text,
        .who = s->event->who,
    };
    step_put(s, &r);
    if (decision == DECISION_NONE)
        send_outgoing(s);
    audit_put(s->engine, s->effects, s->event, "force");
    answer(s, REPLY_STATE, SLICE_NONE);
}

/* The operation of the branch that is to be settled by hand: the one named, or whichever is in progress. */
static bool find_operation(struct step *s) {
    const struct branch *b = &s->transaction->branches[s->branch];
    for (uint8_t role = 0; role < ROLE_COUNT; role++) {
        if ((s->event->role != ROLE_COUNT && s->event->role != role) ||
            !owed_in_progress(&b->operation[role]))
            continue;
        s->role = role;
        return true;
    }
    answer(s, REPLY_NO_BRANCH,
           SLICE("that operation is not in progress: only one that is running, waiting or retrying can be "
                 "resolved"));
    return false;
}

static void settle_by_hand(struct step *s) {
    if (refuse_when_final(s) || !find_branch(s) || !find_operation(s))
        return;
    struct record r = {
        .kind = RECORD_RESOLVED,
        .branch = s->branch,
        .role = s->role,
        .flags = s->event->not_done ? RECORD_FLAG_NOT_DONE : 0,
        .text = s->event->text,
        .who = s->event->who,
    };
    step_put(s, &r);
    audit_put(s->engine, s->effects, s->event, "resolve");
    answer(s, REPLY_STATE, SLICE_NONE);
    judge_settled(s, s->event->not_done);
    answer(s, REPLY_STATE, SLICE_NONE);
}

/* What people do to whole transactions by hand has another form for messages and notifications: they are not
 * suspended, their channels are paused; they are not forced, they are committed or rolled back; and single
 * deliveries are replayed, edited or discarded. */
static bool refuse_by_hand(struct step *s) {
    uint8_t kind = s->event->kind;
    bool by_hand =
        kind == EVENT_SUSPEND || kind == EVENT_RESUME || kind == EVENT_FORCE || kind == EVENT_RESOLVE;
    if (!by_hand || s->transaction->message == NULL)
        return false;
    answer(s, REPLY_NOT_ALLOWED,
           SLICE("not for messages and notifications: commit or roll it back, pause its subscription or "
                 "endpoint, or "
                 "replay, edit or discard single deliveries"));
    return true;
}

static void (*const commands[EVENT_KIND_END])(struct step *s) = {
    [EVENT_SHOW] = show,
    [EVENT_REGISTER] = register_step,
    [EVENT_COMMIT] = client_commit,
    [EVENT_ROLLBACK] = client_rollback,
    [EVENT_RETRY] = nudge,
    [EVENT_SUSPEND] = suspend,
    [EVENT_RESUME] = resume,
    [EVENT_FORCE] = force,
    [EVENT_RESOLVE] = settle_by_hand,
    [EVENT_ACK] = acknowledge,
    [EVENT_NACK] = refuse_delivery,
    [EVENT_REPLAY] = replay_delivery,
    [EVENT_DISCARD] = discard_delivery,
    [EVENT_EDIT] = edit_delivery,
    [EVENT_AGAIN] = again,
};

/* A transaction that left memory is final: it can be asked about, and says so to every command. */
static bool load_shown(struct engine *e, const struct event *event, struct effects *effects) {
    uint64_t key_hash = seat_key_hash(e, event->namespace_name, event->gid);
    if (event->lookup == LOOKUP_NOT_DONE && filter_maybe(&e->seen, key_hash)) {
        effects->load = (struct load){ .ticket = event->ticket,
                                       .kind = event->subject == 0 ? STORED_TRANSACTION : event->subject,
                                       .key_hash = key_hash,
                                       .gid = event->gid };
        return false;
    }
    arena_reset(&e->scratch);
    if (event->lookup != LOOKUP_FOUND) {
        effects->reply = (struct reply){ .kind = REPLY_NOT_FOUND };
        return false;
    }
    if (transaction_load(&e->shown, event->image, &e->memory, &e->scratch) != 0) {
        /* It exists: never say that it does not. */
        effects->reply = (struct reply){ .kind = REPLY_NO_MEMORY, .text = SLICE("limits.memory") };
        return false;
    }
    e->shown_loaded = true;
    return true;
}

void command_step(struct engine *e, const struct event *event, struct effects *effects) {
    struct step s;
    struct seat *seat = seat_find(e, event->subject, event->namespace_name, event->gid);
    if (seat == NULL && !load_shown(e, event, effects))
        return;
    assert(commands[event->kind] != NULL);
    step_begin(&s, e, event, effects, seat);
    if (seat != NULL) {
        settle_interrupted(&s);
        leases_end(&s);
    }
    if (!refuse_by_hand(&s))
        commands[event->kind](&s);
    if (seat != NULL) {
        judge_deadline(&s); /* nothing new may start after it, whatever the command was */
        drive(&s);
    }
    step_end(&s);
    effects->reply.transaction = s.transaction;
}
