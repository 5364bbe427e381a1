#include "sim/invariants.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "sim/post_invariants.h"
#include "sim/sim_recovery.h"
#include "sim/sim_taken_back.h"
#include "sim/sometimes.h"
#include "sim/world.h"

enum {
    CALLS_PER_HOUR_MAX = 100,
};

/* ---- during a step ---- */

void invariants_step(struct world *w, const struct effects *effects, size_t calls_before) {
    struct engine_figures figures;

    engine_figures(w->driver.engine, &figures);
    if (figures.calls_open > w->swarm.calls_max)
        world_fail(w, FAILURE_CORRECTNESS, "I-R1", "%llu calls out, at most %u",
                   (unsigned long long)figures.calls_open, w->swarm.calls_max);
    if (figures.unfinished > w->figures.unfinished_max_seen)
        w->figures.unfinished_max_seen = figures.unfinished;
    /* The limit is for new work; what was accepted may grow over it, within reason: after
     * a restart also what is finished and still in the journal. */
    if (figures.memory_used >
        4 * w->swarm.memory_max + (w->plan_count + w->post_count + 1) * UINT64_C(64) * 1024)
        world_fail(w, FAILURE_CORRECTNESS, "I-R1", "the memory limit is passed");
    if (figures.calls_open == w->swarm.calls_max)
        SOMETIMES(calls_waited);
    for (size_t i = calls_before; i < effects->call_count; i++) {
        const struct transaction *t = engine_by_id(w->driver.engine, effects->calls[i].transaction);

        if (t == NULL || t->suspended)
            world_fail(w, FAILURE_CORRECTNESS, "suspend", "%.*s is called while suspended",
                       SLICE_PRINT(effects->calls[i].gid));
    }
    post_invariants_step(w, effects, calls_before);
}

/* ---- at a send ---- */

static bool by_hand(const struct plan *p) {
    return p->asked_force || p->asked_resolve;
}

static void check_call_words(struct world *w, struct plan *p, const struct call *call) {
    const struct branch_request *b = p->witness.branches[call->branch];

    if (!slice_equal(call->url, b->to[call->role].url) || !slice_equal(call->branch_id, b->id) ||
        call->timeout_ms != b->to[call->role].timeout_ms ||
        !slice_is(call->operation, operation_word(p->witness.mode, call->role)))
        world_fail(w, FAILURE_CORRECTNESS, "I-G6", "%.*s.b%u: the call is not what was asked for",
                   SLICE_PRINT(p->gid), call->branch);
}

static void check_pace(struct world *w, struct plan *p, const struct call *call) {
    struct deed *deed = &p->deeds[call->branch];
    const struct witness_operation *o = &p->witness.operation[call->branch][call->role];
    uint64_t hours = w->now_us / (UINT64_C(3600) * 1000000) + 1;
    uint64_t allowed = CALLS_PER_HOUR_MAX * hours + 3 * w->figures.crashes + 2 * p->nudges;

    if (o->verdict != VERDICT_WORKING)
        deed->sends[call->role]++;
    if (deed->sends[call->role] > allowed)
        world_fail(w, FAILURE_LIVENESS, "hot-loop", "%.*s.b%u role %u is called %u times",
                   SLICE_PRINT(p->gid), call->branch, call->role, deed->sends[call->role]);
    /* At the end of its own patience a step may be tried once more, whatever the participant asked for. */
    bool patient = call->role != ROLE_FORWARD || p->branches[call->branch].retry.for_ms == 0;
    if (deed->busy_until_us[call->role] > w->now_us + w->now_us / 50 + 2000 && !p->asked_nudge && patient &&
        p->purged_id == 0)
        world_fail(w, FAILURE_CORRECTNESS, "never-early", "%.*s.b%u role %u: sooner than its Retry-After",
                   SLICE_PRINT(p->gid), call->branch, call->role);
    if (o->next_ms > world_clock_ms(w) && o->next_ms > w->driver.last_now_ms)
        world_fail(w, FAILURE_CORRECTNESS, "never-early", "%.*s.b%u role %u attempt %u leaves %llu ms early",
                   SLICE_PRINT(p->gid), call->branch, call->role, call->attempt,
                   (unsigned long long)(o->next_ms - world_clock_ms(w)));
}

void invariants_call(struct world *w, const struct call *call) {
    struct plan *p = plan_find(w, call->gid);
    struct post *post = p == NULL ? post_find(w, call->gid) : NULL;
    const char *missing;
    struct deed *deed;

    if (post != NULL) {
        post_invariants_call(w, post, call);
        return;
    }
    if (p == NULL || call->branch >= p->branch_count) {
        world_fail(w, FAILURE_CORRECTNESS, "I-G3", "a call that belongs to nothing");
        return;
    }
    deed = &p->deeds[call->branch];
    missing = witness_allows(p, call->branch, call->role, call->attempt);
    if (missing != NULL) {
        if (!by_hand(p))
            world_fail(w, FAILURE_CORRECTNESS, "I-G3", "%.*s.b%u role %u attempt %u: %s", SLICE_PRINT(p->gid),
                       call->branch, call->role, call->attempt, missing);
        return;
    }
    if (taken_back_has(&w->driver.taken_back, call->transaction))
        world_fail(w, FAILURE_CORRECTNESS, "P1", "%.*s was taken back and is called", SLICE_PRINT(p->gid));
    if (call->transaction != p->witness.id)
        world_fail(w, FAILURE_CORRECTNESS, "I-G3", "%.*s: a call of another transaction",
                   SLICE_PRINT(p->gid));
    if (deed->open[call->role] > 0)
        world_fail(w, FAILURE_CORRECTNESS, "I-G7", "%.*s.b%u role %u: two attempts at once",
                   SLICE_PRINT(p->gid), call->branch, call->role);
    if (call->role == ROLE_BACKWARD && deed->open[ROLE_FORWARD] > 0)
        world_fail(w, FAILURE_CORRECTNESS, "I-S4", "%.*s.b%u is undone beside its open call",
                   SLICE_PRINT(p->gid), call->branch);
    /* A clock that was set back over a restart hides that an attempt was due already: its number may come
     * twice. */
    if (call->attempt <= deed->last_sent[call->role] && p->purged_id == 0 && w->driver.jumped_ms == 0)
        world_fail(w, FAILURE_CORRECTNESS, "G5", "%.*s.b%u role %u: attempt %u leaves twice",
                   SLICE_PRINT(p->gid), call->branch, call->role, call->attempt);
    deed->last_sent[call->role] = call->attempt;
    check_call_words(w, p, call);
    check_pace(w, p, call);
}

/* ---- at an answer ---- */

static void check_submit(struct world *w, const struct ask *ask, const struct told *told) {
    struct plan *p = ask->plan;
    bool same = ask->other_body ? told->other_body : told->own_body;
    bool *accepted = ask->other_body ? &p->told_accepted_other : &p->told_accepted_own;

    switch (told->kind) {
    case REPLY_ACCEPTED:
        if (!same)
            durable_untrue(w, ask, told, "G10", "another body was accepted");
        if (p->accepted_id == told->id && p->purged_id == 0)
            durable_untrue(w, ask, told, "I-G8", "accepted twice");
        p->accepted_id = told->id;
        *accepted = true;
        break;
    case REPLY_REPEATED:
        SOMETIMES(submit_repeated);
        if (!same)
            durable_untrue(w, ask, told, "G10", "taken for a repeat of another body");
        break;
    case REPLY_OTHER_BODY:
        SOMETIMES(other_body_refused);
        if (same)
            durable_untrue(w, ask, told, "G10", "a repeat was refused");
        break;
    case REPLY_FULL:
        SOMETIMES(full_refused);
        break;
    case REPLY_NO_MEMORY:
        SOMETIMES(memory_refused);
        break;
    default:
        durable_untrue(w, ask, told, "G10", "no answer to a submit");
    }
}

static void check_decision(struct world *w, const struct ask *ask, const struct told *told) {
    uint8_t asked = ask->kind == EVENT_COMMIT ? DECISION_COMMIT : DECISION_ROLLBACK;
    bool normal = told->status < STATUS_HEURISTIC_COMMIT;

    if (told->kind == REPLY_STATE && normal && told->decision != asked)
        durable_untrue(w, ask, told, "I-G1", "agreed, but the decision is another");
    if (told->kind == REPLY_ALREADY_DECIDED && normal &&
        (told->decision == asked || told->decision == DECISION_NONE))
        durable_untrue(w, ask, told, "I-G1", "refused, but the decision is that one");
    if (told->kind == REPLY_ALREADY_DECIDED && asked == DECISION_COMMIT)
        SOMETIMES(commit_after_rollback);
    if (told->kind == REPLY_ALREADY_DECIDED && asked == DECISION_ROLLBACK)
        SOMETIMES(rollback_after_commit);
}

static void check_register(struct world *w, const struct ask *ask, const struct told *told) {
    bool late = ask->branch >= ask->plan->branch_count;

    if (told->kind == REPLY_STATE && late)
        durable_untrue(w, ask, told, "I-T4", "a late branch was taken");
    if (told->kind == REPLY_ALREADY_DECIDED)
        SOMETIMES(branch_refused_late);
    if (told->kind == REPLY_OTHER_BODY && !late)
        durable_untrue(w, ask, told, "G10", "a repeated branch was taken for another");
    if (told->kind == REPLY_STATE && told->branch_count <= ask->branch && ask->plan->purged_id == 0)
        durable_untrue(w, ask, told, "I-G2", "registered, but not there");
    if (told->kind == REPLY_STATE && told->branch_count > ask->branch + 1u)
        SOMETIMES(branch_repeated);
}

/* I-G8: whoever repeats an Idempotency-Key gets the first answer, also after any number of restarts. */
static void check_key(struct world *w, const struct ask *ask, const struct told *told) {
    struct keyed *keyed = ask->keyed;

    if (keyed == NULL)
        return;
    if (!told->replayed) {
        if (keyed->told)
            durable_untrue(w, ask, told, "I-G8", "an answered key is answered afresh");
        keyed->told = true;
        keyed->first = *told;
        return;
    }
    if (keyed->told && (told->kind != keyed->first.kind || told->seq != keyed->first.seq ||
                        told->status != keyed->first.status || told->decision != keyed->first.decision))
        durable_untrue(w, ask, told, "I-G8", "a repeated key gets another answer");
    if (!keyed->told) { /* the first answer was saved, and lost on its way out */
        keyed->told = true;
        keyed->first = *told;
    }
}

/* I-G2 for what is not there: nobody is told that it was taken back, and then it is. */
static void check_taken_back(struct world *w, const struct ask *ask, const struct told *told) {
    if (told->id == ask->plan->witness.id)
        durable_untrue(w, ask, told, "P1", "it is durable, and was said to be taken back");
    if (!taken_back_has(&w->driver.taken_back, told->id))
        durable_untrue(w, ask, told, "P1", "it was not taken back");
}

void invariants_answer(struct world *w, const struct ask *ask, const struct told *told) {
    struct plan *p = ask->plan;

    if (p == NULL) {
        post_invariants_answer(w, ask, told);
        return;
    }
    if (told->kind == 0 || told->event != ask->kind) {
        durable_untrue(w, ask, told, "G11", "no answer");
        return;
    }
    if (told->kind == TOLD_TAKEN_BACK) {
        check_taken_back(w, ask, told);
        return;
    }
    if (told->has && taken_back_has(&w->driver.taken_back, told->id))
        durable_untrue(w, ask, told, "P1", "it shows what was taken back");
    check_key(w, ask, told);
    if (told->replayed)
        return;
    durable_check_told(w, durable_of_plan(p), &p->shown, ask, told);
    if (ask->kind == EVENT_SUBMIT)
        check_submit(w, ask, told);
    if (ask->kind == EVENT_COMMIT || ask->kind == EVENT_ROLLBACK)
        check_decision(w, ask, told);
    if (ask->kind == EVENT_REGISTER)
        check_register(w, ask, told);
    if (ask->kind == EVENT_SHOW && told->kind != REPLY_STATE && told->kind != REPLY_NOT_FOUND)
        durable_untrue(w, ask, told, "G11", "a question is answered with a refusal");
    if (told->kind == REPLY_NOT_ALLOWED || told->kind == REPLY_NO_BRANCH)
        SOMETIMES(operator_refused);
}

/* ---- a full disk ---- */

/* What may be shown meanwhile is what is durable, record by record. */
static void check_shown(struct world *w, const struct transaction *t) {
    const struct plan *plan = plan_of_id(w, t->id);
    const struct post *post = plan == NULL ? post_of_id(w, t->id) : NULL;
    uint32_t seq = plan != NULL ? plan->witness.seq : post != NULL ? post->witness.seq : 0;
    uint64_t digest = plan != NULL ? plan->witness.digest : post != NULL ? post->witness.digest : 0;
    const struct transaction *durable;
    int code = engine_find_durable(w->driver.engine, t->id, &durable);

    if (code != (seq == 0 ? ERR_AGAIN : 0))
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s: asked for what is durable: %s", SLICE_PRINT(t->gid),
                   err_text(code));
    else if (seq > 0 && (durable->seq != seq || durable_digest(durable) != digest))
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s shows %u records, %u are durable",
                   SLICE_PRINT(t->gid), durable->seq, seq);
}

void invariants_no_space(struct world *w) {
    static const uint8_t kinds[] = { STORED_TRANSACTION, STORED_MESSAGE, STORED_NOTICE };

    for (size_t i = 0; i < sizeof kinds; i++) {
        uint64_t before = UINT64_MAX;

        for (const struct transaction *t;
             (t = engine_walk(w->driver.engine, kinds[i], before, false)) != NULL;) {
            before = t->id;
            check_shown(w, t);
        }
    }
}

/* What is in memory, counted anew. */
static void count_again(const struct transaction *t, struct engine_figures *count) {
    bool unfinished = !status_is_final(t->status);
    uint16_t branch;
    uint8_t role;

    count->in_memory++;
    count->unfinished += unfinished;
    count->messages += unfinished && t->mode == MODE_MESSAGE;
    count->half += t->status == STATUS_ACTIVE && t->mode == MODE_MESSAGE;
    count->notices += unfinished && t->mode == MODE_NOTICE;
    count->suspended += unfinished && t->suspended;
    count->attention += unfinished && transaction_attention(t, &branch, &role) != 0;
    for (size_t i = 0; i < t->branch_count; i++)
        for (int r = 0; r < ROLE_COUNT; r++) {
            count->calls_open += t->branches[i].operation[r].open;
            count->dead += unfinished && t->branches[i].operation[r].status == OPERATION_DEAD;
        }
}

void invariants_taken_back(struct world *w, struct id_set set) {
    static const uint8_t kinds[] = { STORED_TRANSACTION, STORED_MESSAGE, STORED_NOTICE };
    const struct engine *e = w->driver.engine;
    struct engine_figures f, count = { 0 };

    engine_figures(e, &f);
    for (size_t i = 0; i < set.count; i++)
        if (plan_of_id(w, set.ids[i]) != NULL || post_of_id(w, set.ids[i]) != NULL)
            world_fail(w, FAILURE_CORRECTNESS, "P1", "what is durable was taken back");
    for (size_t i = 0; i < sizeof kinds; i++) {
        uint64_t before = UINT64_MAX;

        for (const struct transaction *t; (t = engine_walk(e, kinds[i], before, false)) != NULL;
             before = t->id) {
            count_again(t, &count);
            if (id_set_has(set, t->id))
                world_fail(w, FAILURE_CORRECTNESS, "P1", "%.*s was taken back and is in memory",
                           SLICE_PRINT(t->gid));
        }
    }
    if (f.in_memory != count.in_memory || f.calls_open != count.calls_open ||
        f.unfinished != count.unfinished || f.suspended != count.suspended ||
        f.attention != count.attention || f.messages != count.messages || f.half != count.half ||
        f.notices != count.notices || f.dead != count.dead)
        world_fail(w, FAILURE_CORRECTNESS, "P1", "the figures count what was taken back");
}

/* ---- after a recovery ---- */

void invariants_recovered(struct world *w, const struct engine *e) {
    for (uint32_t i = 0; i < w->plan_count && !world_failed(w); i++)
        durable_check_recovered(w, durable_of_plan(&w->plans[i]), e);
    post_invariants_recovered(w, e);
}

/* ---- at the end ---- */

static bool is_excused(const struct plan *p) {
    if (p->missing_pointer || p->purged_id != 0 || p->asked_resolve)
        return true;
    for (uint16_t i = 0; i < p->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++)
            if (p->deeds[i].refusals_left[role] == UINT32_MAX)
                return true;
    return false;
}

/* Whether this one has come to its end, or to a stand that somebody must look at and can see. */
static bool is_at_rest(struct world *w, const struct plan *p) {
    const struct transaction *t;
    uint16_t branch;
    uint8_t role;

    if (p->witness.id == 0) /* the limit may be full of others that wait for somebody to look */
        return p->client.dead || p->client.stage != CLIENT_SUBMITTING || swarm_has(&w->swarm, SWARM_tight) ||
               swarm_has(&w->swarm, SWARM_scarce);
    if (status_is_final(p->witness.status))
        return true;
    if (!is_excused(p) || w->driver.engine == NULL)
        return false;
    t = engine_find(w->driver.engine, STORED_TRANSACTION, SLICE("default"), p->gid);
    return t != NULL && transaction_attention(t, &branch, &role) != 0;
}

bool invariants_all_final(struct world *w) {
    for (uint32_t i = 0; i < w->plan_count; i++)
        if (!is_at_rest(w, &w->plans[i]))
            return false;
    return post_invariants_all_final(w);
}

static void wrong(struct world *w, const struct plan *p, uint16_t branch, const char *invariant,
                  const char *sentence) {
    const struct deed *deed = &p->deeds[branch];

    world_fail(w, FAILURE_CORRECTNESS, invariant, "%.*s.b%u is %s, but %s (did %u, confirmed %u, undid %u)",
               SLICE_PRINT(p->gid), branch, status_word(p->witness.status), sentence,
               deed->effects[ROLE_FORWARD], deed->effects[ROLE_CONFIRM], deed->effects[ROLE_BACKWARD]);
}

static void check_committed(struct world *w, const struct plan *p, uint16_t branch) {
    const struct deed *deed = &p->deeds[branch];
    const char *invariant = p->request.mode == MODE_SAGA ? "I-S1" : "I-T1";

    if (deed->effects[ROLE_FORWARD] != 1)
        wrong(w, p, branch, invariant, "its action did not take effect exactly once");
    if (deed->effects[ROLE_BACKWARD] != 0 || deed->marker)
        wrong(w, p, branch, invariant, "it was undone");
    if (p->request.mode == MODE_TCC && deed->effects[ROLE_CONFIRM] != 1)
        wrong(w, p, branch, "I-T3", "its hold was never confirmed");
}

static void check_rolled_back(struct world *w, const struct plan *p, uint16_t branch) {
    const struct deed *deed = &p->deeds[branch];
    const char *invariant = p->request.mode == MODE_SAGA ? "I-S1" : "I-T1";

    if (p->branches[branch].pivot && deed->effects[ROLE_FORWARD] != deed->effects[ROLE_BACKWARD])
        wrong(w, p, branch, "I-S1", "it is the pivot and took effect");
    if (p->branches[branch].to[ROLE_BACKWARD].url.length == 0)
        return; /* it has nothing to undo */
    if (deed->effects[ROLE_FORWARD] > 1 || deed->effects[ROLE_BACKWARD] > 1)
        wrong(w, p, branch, invariant, "something took effect twice");
    if (deed->effects[ROLE_FORWARD] != deed->effects[ROLE_BACKWARD])
        wrong(w, p, branch, p->request.mode == MODE_TCC ? "I-T3" : "I-S5",
              "what was done and what was undone differ");
    if (deed->effects[ROLE_CONFIRM] != 0)
        wrong(w, p, branch, "I-T1", "it was confirmed");
}

static bool has_resolved(const struct plan *p) {
    for (uint16_t i = 0; i < p->witness.branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++)
            if (p->witness.operation[i][role].resolved)
                return true;
    return false;
}

/* Ended by hand, or a second life of a purged gid: effects prove nothing. */
static bool is_exempt(const struct plan *p) {
    return p->purged_id != 0 || p->witness.status >= STATUS_HEURISTIC_COMMIT ||
           (p->witness.id != 0 && has_resolved(p));
}

/* Accepted only when room was made for it, with its own deadline still ahead. */
static bool came_late(const struct world *w, const struct plan *p) {
    bool narrow = swarm_has(&w->swarm, SWARM_tight) || swarm_has(&w->swarm, SWARM_scarce);

    return narrow && p->witness.id != 0 && p->witness.deadline_ms > world_clock_ms(w);
}

static void check_end(struct world *w, const struct plan *p) {
    for (uint16_t i = 0; i < p->branch_count; i++) {
        if (i >= p->witness.branch_count || is_exempt(p))
            break;
        if (p->witness.status == STATUS_COMMITTED)
            check_committed(w, p, i);
        else if (p->witness.status == STATUS_ROLLED_BACK)
            check_rolled_back(w, p, i);
    }
    if (!is_at_rest(w, p) && !came_late(w, p))
        world_fail(w, FAILURE_LIVENESS, "liveness", "%.*s is still %s after ten quiet minutes",
                   SLICE_PRINT(p->gid), p->witness.id == 0 ? "not accepted" : status_word(p->witness.status));
}

/* What this plan's legs did to the sum of all money. */
static int64_t money_moved(const struct plan *p) {
    int64_t sum = 0;

    for (uint16_t i = 0; i < p->branch_count; i++) {
        const struct deed *deed = &p->deeds[i];
        bool took =
            p->request.mode == MODE_TCC ? deed->confirmed : deed->forward == FORWARD_DONE && !deed->undone;

        if (took && deed->kind == DEED_DEBIT)
            sum -= deed->amount;
        if (took && deed->kind == DEED_CREDIT)
            sum += deed->amount;
    }
    return sum;
}

/* I-G7: money only moves. Transfers that a person or a stubborn participant left half done are counted. */
static void check_money(struct world *w) {
    int64_t sum = 0, expected = (int64_t)w->participant_count * SIM_ACCOUNTS * SIM_OPENING_BALANCE;
    int64_t held = 0;

    for (uint32_t i = 0; i < w->participant_count; i++)
        for (int a = 0; a < SIM_ACCOUNTS; a++) {
            sum += w->participants[i].accounts[a].balance + w->participants[i].accounts[a].held;
            held += w->participants[i].accounts[a].held;
            if (w->participants[i].accounts[a].held < 0)
                world_fail(w, FAILURE_CORRECTNESS, "I-T3", "an account holds less than nothing");
        }
    for (uint32_t i = 0; i < w->plan_count; i++) {
        const struct plan *p = &w->plans[i];
        bool final = p->witness.id != 0 && status_is_final(p->witness.status) && !is_exempt(p);

        expected += money_moved(p);
        if (final && money_moved(p) != 0)
            world_fail(w, FAILURE_CORRECTNESS, "I-G7", "%.*s is %s and made or lost money",
                       SLICE_PRINT(p->gid), status_word(p->witness.status));
    }
    if (sum != expected)
        world_fail(w, FAILURE_CORRECTNESS, "I-G7", "the books hold %lld, not %lld", (long long)sum,
                   (long long)expected);
    (void)held;
}

void invariants_end(struct world *w) {
    struct engine_figures figures;

    for (uint32_t i = 0; i < w->plan_count && !world_failed(w); i++) {
        const struct plan *p = &w->plans[i];

        check_end(w, p);
        if (p->witness.id != 0 && status_is_final(p->witness.status))
            w->figures.finished++;
        else
            w->figures.stuck++;
    }
    check_money(w);
    post_invariants_end(w);
    if (w->driver.engine == NULL || w->figures.stuck > 0)
        return;
    engine_figures(w->driver.engine, &figures);
    if (figures.calls_open != 0 || figures.unfinished != 0 || figures.attention != 0 ||
        figures.suspended != 0)
        world_fail(w, FAILURE_CORRECTNESS, "I-R1", "all is final, yet %llu calls, %llu unfinished",
                   (unsigned long long)figures.calls_open, (unsigned long long)figures.unfinished);
    /* Remembered answers are due in 24 hours. */
    if (engine_due(w->driver.engine) < world_clock_ms(w) + UINT64_C(3600) * 1000)
        world_fail(w, FAILURE_CORRECTNESS, "I-R1", "all is final, yet something is due");
}
