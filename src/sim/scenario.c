#include "sim/scenario.h"

#include <assert.h>
#include <string.h>

#include "sim/sim_client.h"

#define SAGA(branches) \
    { .gid = "g", .mode = MODE_SAGA, .branch_count = (branches), .deadline_ms = 20000, .pivot = -1 }
#define TCC(branches) \
    { .gid = "g", .mode = MODE_TCC, .branch_count = (branches), .deadline_ms = 20000, .pivot = -1 }
#define CALL(branch, role, ...)                             \
    {                                                       \
        branch, role, sizeof((uint8_t[]){ __VA_ARGS__ }), { \
            __VA_ARGS__                                     \
        }                                                   \
    }

static const struct scenario scenarios[] = {
    { .name = "saga-good", .shape = SAGA(2), .end = STATUS_COMMITTED },
    { .name = "saga-refuse-first",
      .shape = SAGA(2),
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(0, ROLE_FORWARD, REACT_REFUSE) } },
    { .name = "saga-refuse-last",
      .shape = SAGA(3),
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(2, ROLE_FORWARD, REACT_REFUSE) } },
    { .name = "saga-refuse-always-cancel",
      .shape = { .gid = "g",
                 .mode = MODE_SAGA,
                 .branch_count = 2,
                 .deadline_ms = 20000,
                 .pivot = -1,
                 .cancel_always = true },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_REFUSE) } },
    { .name = "saga-unknown-then-done",
      .shape = SAGA(2),
      .end = STATUS_COMMITTED,
      .scripts = { CALL(0, ROLE_FORWARD, REACT_ERROR_AFTER), CALL(1, ROLE_FORWARD, REACT_ERROR_BEFORE) } },
    { .name = "saga-unknown-then-refuse",
      .shape = SAGA(2),
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_ERROR_BEFORE, REACT_REFUSE) } },
    { .name = "saga-timeout",
      .shape = SAGA(2),
      .end = STATUS_COMMITTED,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_LOST, REACT_CUT) } },
    { .name = "saga-late-effect",
      .shape = { .gid = "g", .mode = MODE_SAGA, .branch_count = 2, .deadline_ms = 1010, .pivot = -1 },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_LATE_EFFECT) } },
    { .name = "saga-late-answer-deadline",
      .shape = { .gid = "g", .mode = MODE_SAGA, .branch_count = 2, .deadline_ms = 500, .pivot = -1 },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_LATE_ANSWER) } },
    { .name = "saga-working-deadline",
      .shape = { .gid = "g", .mode = MODE_SAGA, .branch_count = 2, .deadline_ms = 120, .pivot = -1 },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_WORKING) } },
    { .name = "saga-deadline-over-restart",
      .shape = { .gid = "g", .mode = MODE_SAGA, .branch_count = 2, .deadline_ms = 1500, .pivot = -1 },
      .end = STATUS_COMMITTED,
      .restart_ms = 2000,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_NOT_SENT, REACT_STALE) } },
    { .name = "saga-pivot",
      .shape = { .gid = "g", .mode = MODE_SAGA, .branch_count = 3, .deadline_ms = 20000, .pivot = 1 },
      .end = STATUS_COMMITTED,
      .scripts = { CALL(2, ROLE_FORWARD, REACT_ERROR_BEFORE, REACT_SLOW_DOWN) } },
    { .name = "saga-pivot-unknown-deadline",
      .shape = { .gid = "g", .mode = MODE_SAGA, .branch_count = 2, .deadline_ms = 300, .pivot = 1 },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_ERROR_AFTER, REACT_ERROR_AFTER, REACT_ERROR_AFTER) } },
    { .name = "saga-references",
      .shape = { .gid = "g",
                 .mode = MODE_SAGA,
                 .branch_count = 3,
                 .deadline_ms = 20000,
                 .pivot = -1,
                 .references = true },
      .end = STATUS_COMMITTED,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_TWICE), CALL(2, ROLE_FORWARD, REACT_ERROR_AFTER) } },
    { .name = "saga-parallel-refuse",
      .shape = { .gid = "g",
                 .mode = MODE_SAGA,
                 .branch_count = 3,
                 .deadline_ms = 20000,
                 .pivot = -1,
                 .parallel = true },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_REFUSE), CALL(2, ROLE_FORWARD, REACT_LATE_ANSWER) } },
    { .name = "saga-stubborn-compensation",
      .shape = SAGA(2),
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_REFUSE), CALL(0, ROLE_BACKWARD, REACT_REFUSE, REACT_LOST) } },
    { .name = "saga-rollback-race",
      .shape = SAGA(2),
      .scripts = { CALL(0, ROLE_FORWARD, REACT_CUT) },
      .extras = { { .at_ms = 3, .kind = EVENT_ROLLBACK }, { .at_ms = 1003, .kind = EVENT_ROLLBACK } } },
    { .name = "saga-double-submit",
      .shape = SAGA(2),
      .end = STATUS_COMMITTED,
      .extras = { { .at_ms = 0, .kind = EVENT_SUBMIT },
                  { .at_ms = 2, .kind = EVENT_SUBMIT },
                  { .at_ms = 900, .kind = EVENT_SUBMIT } } },
    { .name = "saga-other-body",
      .shape = SAGA(1),
      .extras = { { .at_ms = 0, .kind = EVENT_SUBMIT, .other_body = true },
                  { .at_ms = 700, .kind = EVENT_SUBMIT, .other_body = true } } },
    { .name = "saga-suspend-over-deadline",
      .shape = { .gid = "g", .mode = MODE_SAGA, .branch_count = 2, .deadline_ms = 800, .pivot = -1 },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(0, ROLE_FORWARD, REACT_ERROR_AFTER) },
      .extras = { { .at_ms = 20, .kind = EVENT_SUSPEND }, { .at_ms = 1500, .kind = EVENT_RESUME } } },
    { .name = "saga-force",
      .shape = SAGA(2),
      .scripts = { CALL(1, ROLE_FORWARD, REACT_LOST, REACT_LOST) },
      .extras = { { .at_ms = 1300, .kind = EVENT_FORCE, .decision = DECISION_ROLLBACK } } },
    { .name = "saga-resolve",
      .shape = SAGA(2),
      .scripts = { CALL(1, ROLE_FORWARD, REACT_ERROR_BEFORE, REACT_ERROR_BEFORE, REACT_ERROR_BEFORE) },
      .extras = { { .at_ms = 250, .kind = EVENT_RESOLVE, .branch = 1, .not_done = true } } },
    { .name = "saga-client",
      .shape = { .gid = "g",
                 .mode = MODE_SAGA,
                 .drive = DRIVE_CLIENT,
                 .branch_count = 2,
                 .deadline_ms = 20000,
                 .pivot = -1 },
      .end = STATUS_COMMITTED },
    { .name = "saga-client-refused",
      .shape = { .gid = "g",
                 .mode = MODE_SAGA,
                 .drive = DRIVE_CLIENT,
                 .branch_count = 2,
                 .deadline_ms = 20000,
                 .pivot = -1 },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_REFUSE), CALL(0, ROLE_BACKWARD, REACT_ERROR_AFTER) } },
    { .name = "tcc-good", .shape = TCC(2), .end = STATUS_COMMITTED },
    { .name = "tcc-refuse",
      .shape = TCC(3),
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_REFUSE) } },
    { .name = "tcc-unknown-then-refuse",
      .shape = TCC(2),
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_LOST, REACT_REFUSE) } },
    { .name = "tcc-try-late",
      .shape = { .gid = "g", .mode = MODE_TCC, .branch_count = 2, .deadline_ms = 700, .pivot = -1 },
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(1, ROLE_FORWARD, REACT_LATE_EFFECT) } },
    { .name = "tcc-confirm-trouble",
      .shape = TCC(2),
      .end = STATUS_COMMITTED,
      .scripts = { CALL(0, ROLE_CONFIRM, REACT_ERROR_AFTER, REACT_STALE),
                   CALL(1, ROLE_CONFIRM, REACT_REFUSE, REACT_WORKING) } },
    { .name = "tcc-cancel-trouble",
      .shape = TCC(2),
      .end = STATUS_ROLLED_BACK,
      .scripts = { CALL(0, ROLE_FORWARD, REACT_REFUSE), CALL(1, ROLE_BACKWARD, REACT_CUT, REACT_LOST) } },
    { .name = "tcc-rollback-race",
      .shape = TCC(2),
      .extras = { { .at_ms = 2, .kind = EVENT_ROLLBACK }, { .at_ms = 4, .kind = EVENT_ROLLBACK } } },
    { .name = "tcc-client-race",
      .shape = { .gid = "g",
                 .mode = MODE_TCC,
                 .drive = DRIVE_CLIENT,
                 .branch_count = 2,
                 .deadline_ms = 20000,
                 .pivot = -1 },
      .extras = { { .at_ms = 55, .kind = EVENT_ROLLBACK } } },
    { .name = "tcc-client-deadline",
      .shape = { .gid = "g",
                 .mode = MODE_TCC,
                 .drive = DRIVE_CLIENT,
                 .branch_count = 2,
                 .deadline_ms = 40,
                 .pivot = -1 },
      .scripts = { CALL(0, ROLE_FORWARD, REACT_LATE_EFFECT) } },
};

const struct scenario *scenario_at(size_t index) {
    const size_t count = sizeof scenarios / sizeof *scenarios;

    return index < count ? &scenarios[index] : post_scenario_at(index - count);
}

static void write_scripts(const struct scenario *s, struct plan *p) {
    for (size_t i = 0; i < SCENARIO_SCRIPTS_MAX; i++) {
        const struct scenario_script *script = &s->scripts[i];

        if (script->count == 0)
            continue;
        assert(script->branch < p->branch_count);
        p->deeds[script->branch].script[script->role] = script->reactions;
        p->deeds[script->branch].script_length[script->role] = script->count;
    }
}

static void plan_extras(struct world *w, const struct scenario *s, struct plan *p) {
    for (size_t i = 0; i < SCENARIO_EXTRAS_MAX && s->extras[i].kind != 0; i++) {
        const struct scenario_extra *extra = &s->extras[i];
        struct ask ask = {
            .kind = extra->kind,
            .other_body = extra->other_body,
            .not_done = extra->not_done,
            .decision = extra->decision,
            .role = ROLE_COUNT,
            .branch = extra->kind == EVENT_RESOLVE ? extra->branch : UINT16_MAX,
        };

        sim_client_plan(w, p, ask, extra->at_ms * UINT64_C(1000));
    }
}

static void check_ending(const struct scenario *s, struct world *w, const struct crash_orders *orders) {
    const struct witness *t = &w->plans[0].witness;

    if (s->post != NULL)
        post_scene_check(w, s->post, orders->first == 0);
    if (s->shape.gid == NULL)
        return;
    if (orders->first == 0 && s->end != 0 && t->status != s->end)
        world_fail(w, FAILURE_CORRECTNESS, "scenario", "%s ends %s, not %s", s->name, status_word(t->status),
                   status_word(s->end));
    if (!status_is_final(t->status))
        world_fail(w, FAILURE_LIVENESS, "scenario", "%s does not end", s->name);
}

void scenario_run(const struct scenario *s, const struct crash_orders *orders, FILE *say,
                  struct trial_result *out) {
    const struct swarm calm = {
        .seed = 1,
        .transactions = 1,
        .participants = 3,
        .faults_ms = 8000,
        .delay_us = 1000,
        .sync_us = 400,
        .restart_ms = 0,
        .fold_every = 3,
        .fold_rows = 2,
        .keep_batches = 1,
        .calls_max = 512,
        .unfinished_max = 100,
        .memory_max = 64 * 1024 * 1024,
        .attention_tries = 3,
        .attention_ms = 60000,
        .working_ms = 100,
        .retain_ms = UINT64_C(24) * 3600 * 1000,
    };
    struct world w;

    world_init(&w, &calm);
    w.say = say;
    w.scripted = true;
    w.orders = *orders;
    w.orders.prescribed = true;
    w.restart_ms = s->restart_ms;
    w.plans = world_take(&w, 1, sizeof *w.plans);
    if (s->shape.gid != NULL) {
        w.plan_count = 1;
        plan_shape(&w, &w.plans[0], 0, &s->shape);
        write_scripts(s, &w.plans[0]);
    }
    if (s->post != NULL)
        post_scene_build(&w, s->post);
    if (s->shape.gid != NULL) {
        sim_client_begin(&w, &w.plans[0]);
        plan_extras(&w, s, &w.plans[0]);
    }
    world_run(&w);
    check_ending(s, &w, orders);
    trial_judge(&w, out);
    world_done(&w);
}
