#include "sim/sim_participant.h"

#include <assert.h>

#include "base/hash.h"
#include "engine/mutant.h"
#include "sim/sometimes.h"
#include "sim/world.h"

uint8_t sim_participant_reaction(struct world *w, struct plan *p, uint16_t branch, uint8_t role) {
    struct deed *deed = &p->deeds[branch];
    struct dice *d = world_dice(w, DICE_PARTICIPANT);
    const struct swarm *s = &w->swarm;

    if (w->scripted) {
        if (deed->script_at[role] < deed->script_length[role])
            return deed->script[role][deed->script_at[role]++];
        return REACT_WELL;
    }
    if (world_calm(w))
        return REACT_WELL;
    if (dice_chance(d, s->working))
        return REACT_WORKING;
    if (dice_chance(d, s->error_before))
        return REACT_ERROR_BEFORE;
    if (dice_chance(d, s->error_after))
        return REACT_ERROR_AFTER;
    if (dice_chance(d, s->slow_down))
        return REACT_SLOW_DOWN;
    if (dice_chance(d, s->late))
        return REACT_LATE_ANSWER;
    if (role == ROLE_FORWARD && dice_chance(d, s->refuse))
        return REACT_REFUSE;
    return REACT_WELL;
}

static struct sim_answer answer(uint8_t verdict, uint16_t http, struct slice body) {
    return (struct sim_answer){ .verdict = verdict, .http = http, .body = body };
}

static struct sim_account *account_of(struct world *w, const struct deed *deed) {
    return &w->participants[deed->participant].accounts[deed->account];
}

/* The effect of an action or a try. False: an account has too little. */
static bool take_effect(struct world *w, struct plan *p, struct deed *deed, bool overdraw) {
    struct sim_account *account = account_of(w, deed);

    if (deed->kind == DEED_DEBIT) {
        if (account->balance < deed->amount && !overdraw)
            return false;
        account->balance -= deed->amount;
        if (p->request.mode == MODE_TCC)
            account->held += deed->amount;
    }
    if (deed->kind == DEED_CREDIT && p->request.mode == MODE_SAGA)
        account->balance += deed->amount;
    deed->effects[ROLE_FORWARD] += MUTANT(canary) ? 2 : 1;
    deed->forward = FORWARD_DONE;
    return true;
}

static void undo_effect(struct world *w, struct plan *p, struct deed *deed) {
    struct sim_account *account = account_of(w, deed);

    if (deed->kind == DEED_DEBIT) {
        account->balance += deed->amount;
        if (p->request.mode == MODE_TCC)
            account->held -= deed->amount;
    }
    if (deed->kind == DEED_CREDIT && p->request.mode == MODE_SAGA)
        account->balance -= deed->amount;
    deed->effects[ROLE_BACKWARD]++;
    deed->undone = true;
}

static void confirm_effect(struct world *w, struct deed *deed) {
    struct sim_account *account = account_of(w, deed);

    if (deed->kind == DEED_DEBIT)
        account->held -= deed->amount;
    if (deed->kind == DEED_CREDIT)
        account->balance += deed->amount;
    deed->effects[ROLE_CONFIRM]++;
    deed->confirmed = true;
}

static struct slice good_body(struct world *w, const struct plan *p, uint16_t branch) {
    return world_text(w, "{\"ref\":\"%.*s-%u\",\"n\":%u}", SLICE_PRINT(p->gid), branch, p->number);
}

/* What was begun with a 425 ends by itself, well or not, whether or not anybody asks again. */
static void end_work(struct world *w, void *subject, uint64_t number) {
    struct deed *deed = subject;
    bool well = number > 0;

    if (deed->forward != FORWARD_WORKING || deed->marker)
        return;
    if (!well || !take_effect(w, &w->plans[deed->plan], deed, false))
        deed->forward = FORWARD_REFUSED;
}

static void begin_work(struct world *w, struct plan *p, struct deed *deed) {
    uint64_t in_us = dice_between(world_dice(w, DICE_PARTICIPANT), 1000, 8000000);
    uint64_t luck = dice_below(world_dice(w, DICE_PARTICIPANT), 5);

    deed->forward = FORWARD_WORKING;
    deed->plan = p->number;
    world_plan(w, w->scripted ? 150000 : in_us, end_work, deed, w->scripted ? 1 : luck);
}

/* After a pivot a refusal helps nobody. Once the faults are over, its people see to it that it can be done.
 */
static bool is_persuaded(struct world *w, const struct plan *p) {
    return world_calm(w) && p->witness.decision == DECISION_COMMIT;
}

static struct sim_answer forward(struct world *w, struct plan *p, uint16_t branch, uint8_t reaction) {
    struct deed *deed = &p->deeds[branch];

    if (deed->marker || deed->undone) {
        SOMETIMES(action_after_undo);
        return answer(VERDICT_REFUSED, 409, SLICE("undone before"));
    }
    if (deed->forward == FORWARD_DONE) {
        SOMETIMES(duplicate_absorbed);
        return answer(VERDICT_DONE, 200, good_body(w, p, branch));
    }
    if (deed->forward == FORWARD_REFUSED && !is_persuaded(w, p))
        return answer(VERDICT_REFUSED, 409, SLICE("refused before"));
    if (deed->forward == FORWARD_WORKING) {
        SOMETIMES(call_working);
        return answer(VERDICT_WORKING, 425, SLICE_NONE);
    }
    if (reaction == REACT_WORKING && deed->forward == FORWARD_NONE) {
        SOMETIMES(call_working);
        begin_work(w, p, deed);
        return answer(VERDICT_WORKING, 425, SLICE_NONE);
    }
    if (reaction == REACT_REFUSE) {
        deed->forward = FORWARD_REFUSED;
        SOMETIMES(call_refused);
        return answer(VERDICT_REFUSED, 409, SLICE("no rooms"));
    }
    if (!take_effect(w, p, deed, is_persuaded(w, p))) {
        deed->forward = FORWARD_REFUSED;
        SOMETIMES(overdraft_refused);
        return answer(VERDICT_REFUSED, 409, SLICE("too little"));
    }
    return answer(VERDICT_DONE, 200, good_body(w, p, branch));
}

/* Whether this participant refuses to confirm or to undo now: against the rules, but it happens. */
static bool is_stubborn(struct world *w, struct deed *deed, uint8_t role, uint8_t reaction) {
    struct dice *d = world_dice(w, DICE_PARTICIPANT);

    if (w->scripted)
        return reaction == REACT_REFUSE;
    if (!deed->stubborn_drawn[role]) {
        bool refuses = dice_chance(d, w->swarm.stubborn);
        bool for_ever = dice_chance(d, w->swarm.stubborn_forever);
        uint32_t times =
            w->swarm.stubborn_times == 0 ? 0 : (uint32_t)dice_between(d, 1, w->swarm.stubborn_times);

        deed->stubborn_drawn[role] = true;
        deed->refusals_left[role] = !refuses ? 0 : for_ever ? UINT32_MAX : times;
    }
    if (deed->refusals_left[role] == 0 || (deed->refusals_left[role] != UINT32_MAX && world_calm(w)))
        return false;
    if (deed->refusals_left[role] != UINT32_MAX)
        deed->refusals_left[role]--;
    return true;
}

static struct sim_answer backward(struct world *w, struct plan *p, uint16_t branch, uint8_t reaction) {
    struct deed *deed = &p->deeds[branch];

    if (deed->undone || deed->marker) {
        SOMETIMES(duplicate_absorbed);
        return answer(VERDICT_DONE, 200, SLICE_NONE);
    }
    if (is_stubborn(w, deed, ROLE_BACKWARD, reaction)) {
        SOMETIMES(undo_refused);
        return answer(VERDICT_REFUSED, 409, SLICE("will not undo"));
    }
    if (deed->confirmed) {
        if (p->purged_id == 0)
            world_fail(w, FAILURE_CORRECTNESS, "I-T1", "%.*s branch %u is cancelled after its confirm",
                       SLICE_PRINT(p->gid), branch);
        return answer(VERDICT_REFUSED, 409, SLICE("confirmed"));
    }
    if (deed->forward != FORWARD_DONE) {
        SOMETIMES(undo_of_nothing);
        deed->marker = true;
        return answer(VERDICT_DONE, 200, SLICE_NONE);
    }
    undo_effect(w, p, deed);
    return answer(VERDICT_DONE, 200, SLICE_NONE);
}

static struct sim_answer confirm(struct world *w, struct plan *p, uint16_t branch, uint8_t reaction) {
    struct deed *deed = &p->deeds[branch];

    if (deed->confirmed) {
        SOMETIMES(duplicate_absorbed);
        return answer(VERDICT_DONE, 200, SLICE_NONE);
    }
    if (is_stubborn(w, deed, ROLE_CONFIRM, reaction)) {
        SOMETIMES(undo_refused);
        return answer(VERDICT_REFUSED, 409, SLICE("will not confirm"));
    }
    if (deed->forward != FORWARD_DONE || deed->undone || deed->marker) {
        if (p->purged_id == 0 && !p->asked_resolve)
            world_fail(w, FAILURE_CORRECTNESS, "I-T2", "%.*s branch %u is confirmed without a try in force",
                       SLICE_PRINT(p->gid), branch);
        return answer(VERDICT_REFUSED, 409, SLICE("nothing to confirm"));
    }
    confirm_effect(w, deed);
    return answer(VERDICT_DONE, 200, SLICE_NONE);
}

/* I-G6: every attempt of a key carries the same bytes. */
static void check_body(struct world *w, struct plan *p, uint16_t branch, uint8_t role, struct slice body) {
    struct deed *deed = &p->deeds[branch];
    uint64_t hash = hash_stable(body);

    if (deed->body_seen[role] && deed->body_hash[role] != hash)
        world_fail(w, FAILURE_CORRECTNESS, "I-G6", "%.*s branch %u role %u: another body than before: %.*s",
                   SLICE_PRINT(p->gid), branch, role, SLICE_PRINT(body));
    deed->body_seen[role] = true;
    deed->body_hash[role] = hash;
}

static struct sim_answer act(struct world *w, struct plan *p, uint16_t branch, uint8_t role,
                             uint8_t reaction) {
    if (role == ROLE_FORWARD)
        return forward(w, p, branch, reaction);
    if (reaction == REACT_WORKING) {
        SOMETIMES(call_working);
        return answer(VERDICT_WORKING, 425, SLICE_NONE);
    }
    return role == ROLE_CONFIRM ? confirm(w, p, branch, reaction) : backward(w, p, branch, reaction);
}

static struct sim_answer slow_down(struct world *w) {
    struct dice *d = world_dice(w, DICE_PARTICIPANT);
    struct sim_answer a = answer(VERDICT_SLOW_DOWN, dice_below(d, 2) == 0 ? 429 : 503, SLICE("busy"));

    SOMETIMES(call_slow_down);
    a.retry_after_ms = dice_below(d, 3) == 0 ? 0 : (uint32_t)dice_between(d, 10, 30000);
    return a;
}

struct sim_answer sim_participant_receive(struct world *w, struct plan *p, uint16_t branch, uint8_t role,
                                          struct slice body, uint32_t timeout_ms, uint8_t reaction) {
    struct sim_participant *me = &w->participants[p->deeds[branch].participant];
    struct dice *d = world_dice(w, DICE_PARTICIPANT);
    struct sim_answer a;

    p->deeds[branch].arrivals[role]++;
    if (!world_calm(w) && dice_chance(d, w->swarm.down))
        me->down_until_us = w->now_us + w->swarm.down_ms * 1000;
    if (me->down_until_us > w->now_us && !world_calm(w)) {
        SOMETIMES(participant_down);
        return answer(VERDICT_UNKNOWN, 0, SLICE("connection refused"));
    }
    check_body(w, p, branch, role, body);
    if (reaction == REACT_ERROR_BEFORE) {
        SOMETIMES(call_error_before);
        return answer(VERDICT_UNKNOWN, 500, SLICE("broken"));
    }
    if (reaction == REACT_SLOW_DOWN)
        return slow_down(w);
    a = act(w, p, branch, role, reaction);
    a.delay_us = dice_delay(d, 2000);
    if (a.verdict == VERDICT_WORKING && dice_below(d, 2) == 0)
        a.retry_after_ms = (uint32_t)dice_between(d, 10, 3000);
    if (reaction == REACT_ERROR_AFTER) {
        SOMETIMES(call_error_after);
        a.verdict = VERDICT_UNKNOWN;
        a.http = 500;
        a.body = SLICE("broken after all");
        a.retry_after_ms = 0;
    }
    if (reaction == REACT_LATE_ANSWER)
        a.delay_us = timeout_ms * UINT64_C(1000) + dice_delay(d, 500000);
    if (reaction == REACT_CUT) {
        SOMETIMES(answer_lost);
        a.cut = true;
    }
    return a;
}
