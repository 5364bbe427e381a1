#include "sim/races.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "model/journal.h"
#include "sim/campaign.h"
#include "sim/post_invariants.h"
#include "sim/sim_recovery.h"
#include "sim/world.h"

enum {
    CHOICES_MAX = 96,
    CHECKS_MAX = 3,
    CRASHES_MAX = 2,
    PRODUCER_STEPS = 4,
    FORMS = 3,
    UNITS = FORMS * 2 * (PRODUCER_STEPS + 1),
    FINISH_MAX = 40,
};

/* Runs are numbered by what was chosen where something could be: the last choice counts up first. */
struct chooser {
    uint8_t choice[CHOICES_MAX], options[CHOICES_MAX];
    size_t length, at;
};

static uint8_t choose(struct chooser *c, uint8_t options) {
    assert(options > 0);
    assert(c->at < CHOICES_MAX);
    if (c->at == c->length) {
        c->choice[c->at] = 0;
        c->options[c->at] = options;
        c->length++;
    }
    return c->choice[c->at++];
}

static bool next_run(struct chooser *c) {
    c->at = 0;
    while (c->length > 0 && ++c->choice[c->length - 1] == c->options[c->length - 1])
        c->length--;
    return c->length > 0;
}

enum action {
    ACT_PRODUCER, /* its next step */
    ACT_BREAK,    /* its database rolls back what a dead producer had open */
    ACT_CHECK,    /* time passes until a check-back leaves */
    ACT_LOOK,     /* it arrives */
    ACT_LOSE,     /* it does not */
    ACT_HEAR,     /* its answer arrives */
    ACTIONS,
};

struct race {
    struct world *w;
    struct post *post;
    struct chooser *chooser;
    struct effects effects;
    uint8_t stops_after; /* so many steps of the producer */
    uint8_t steps;
    uint8_t checks;
    uint8_t crashes_left;
    bool check_out, looked;
    uint8_t verdict;
    uint32_t check_attempt;
    bool delivery_out;
    uint32_t delivery_attempt;
    uint8_t reply;
};

/* ---- one turn of the coordinator ---- */

static void come_back(struct race *r) {
    struct world *w = r->w;

    engine_free(w->driver.engine);
    r->check_out = r->looked = r->delivery_out = false;
    w->driver.engine = sim_recovery_run(w, &w->store);
    if (w->driver.engine != NULL)
        post_invariants_recovered(w, w->driver.engine);
}

static void make_durable(struct race *r, uint64_t number) {
    struct world *w = r->w;
    struct slice left;

    if (r->effects.entry_count == 0)
        return;
    sim_store_append(&w->store, number, buffer_slice(&r->effects.entries));
    sim_store_append_done(&w->store);
    left = buffer_slice(&r->effects.entries);
    while (left.length > 0 && !world_failed(w)) {
        struct stored_entry entry;
        int result = journal_decode(&left, &entry);

        assert(result == 0);
        witness_entry(w, &entry);
    }
    witness_batch(w);
    engine_durable(w->driver.engine, number);
}

static void send_calls(struct race *r) {
    for (size_t i = 0; i < r->effects.call_count && !world_failed(r->w); i++) {
        const struct call *call = &r->effects.calls[i];

        post_invariants_call(r->w, r->post, call);
        if (call->role == ROLE_FORWARD) {
            r->check_out = true;
            r->looked = false;
            r->check_attempt = call->attempt;
            continue;
        }
        r->delivery_out = true;
        r->delivery_attempt = call->attempt;
        if (!world_failed(r->w))
            post_invariants_received(r->w, r->post->witness.deliveries[0]);
    }
}

/* False: the coordinator died, and nobody was answered. */
static bool turn(struct race *r, const struct event *event) {
    struct world *w = r->w;
    uint64_t number = w->store.batch_last + 1;
    uint8_t crash;

    if (world_failed(w))
        return false;
    engine_turn(w->driver.engine, number);
    effects_clear(&r->effects);
    engine_step(w->driver.engine, event, &r->effects);
    r->reply = r->effects.reply.kind;
    crash = r->crashes_left > 0 ? choose(r->chooser, r->effects.entry_count > 0 ? 3 : 2) : 0;
    if (crash != 1)
        make_durable(r, number);
    if (crash == 0) {
        send_calls(r);
        return !world_failed(w);
    }
    r->crashes_left--;
    come_back(r);
    return false;
}

static struct event about(struct race *r, uint8_t kind) {
    return (struct event){
        .kind = kind,
        .subject = STORED_MESSAGE,
        .now_ms = world_clock_ms(r->w),
        .random = 7,
        .ticket = 1,
        .namespace_name = SLICE("default"),
        .gid = r->post->gid,
        .who = SLICE("producer"),
        .text = SLICE("because"),
        .request = &r->post->request,
        .lookup = LOOKUP_ABSENT,
    };
}

/* ---- the producer ---- */

static void begin_local(struct producer *p) {
    if (p->local == LOCAL_NONE)
        p->local = LOCAL_OPEN;
}

static void end_local(struct producer *p) {
    if (p->local == LOCAL_OPEN)
        p->local = p->wants_rollback ? LOCAL_ROLLED_BACK : LOCAL_COMMITTED;
}

/* True: it knows that the half message is there. Otherwise it asks again. */
static bool submit(struct race *r) {
    struct event event = about(r, EVENT_SUBMIT);

    return turn(r, &event) && (r->reply == REPLY_ACCEPTED || r->reply == REPLY_REPEATED);
}

static bool decide(struct race *r) {
    bool commits = r->post->producer.local == LOCAL_COMMITTED;
    struct event event = about(r, commits ? EVENT_COMMIT : EVENT_ROLLBACK);

    r->post->asked_commit |= commits;
    r->post->asked_rollback |= !commits;
    if (!turn(r, &event))
        return false;
    if (r->reply != REPLY_STATE)
        world_fail(r->w, FAILURE_CORRECTNESS, "I-M4", "the producer's true word is refused: reply %u",
                   r->reply);
    return true;
}

static void producer_step(struct race *r) {
    struct producer *p = &r->post->producer;
    bool http = p->form == CHECK_HTTP;
    bool done = true;

    switch (r->steps) {
    case 0:
        if (http)
            done = submit(r);
        else
            begin_local(p);
        break;
    case 1:
        if (http)
            begin_local(p);
        else
            done = submit(r);
        break;
    case 2:
        end_local(p);
        break;
    default:
        done = decide(r);
    }
    r->steps += done;
}

/* ---- the check-back ---- */

static void wait_for_check(struct race *r) {
    r->checks++;
    for (int i = 0; i < 3 && !r->check_out && !world_failed(r->w); i++) {
        uint64_t due_ms = engine_due(r->w->driver.engine), now_ms = world_clock_ms(r->w);
        struct event event;

        if (due_ms == UINT64_MAX)
            return;
        if (due_ms > now_ms)
            r->w->now_us += (due_ms - now_ms) * 1000;
        event = about(r, EVENT_TICK);
        if (!turn(r, &event))
            return;
    }
}

static void look(struct race *r) {
    struct producer *p = &r->post->producer;

    if (p->local == LOCAL_NONE) /* its row keeps a late begin out */
        p->local = LOCAL_ROLLED_BACK;
    r->looked = true;
    r->verdict = p->local == LOCAL_COMMITTED     ? VERDICT_DONE
                 : p->local == LOCAL_ROLLED_BACK ? VERDICT_REFUSED
                                                 : VERDICT_UNKNOWN;
}

static void hear(struct race *r, uint8_t role, uint32_t attempt, uint8_t verdict) {
    struct outcome outcome = {
        .transaction = r->post->witness.id,
        .branch = role == ROLE_FORWARD ? 0 : 1,
        .role = role,
        .verdict = verdict,
        .attempt = attempt,
    };
    struct event event = about(r, EVENT_OUTCOME);

    event.outcome = &outcome;
    if (role == ROLE_FORWARD)
        r->check_out = r->looked = false;
    else
        r->delivery_out = false;
    (void)turn(r, &event);
}

/* ---- the race ---- */

static bool is_enabled(const struct race *r, enum action action) {
    const struct post_witness *t = &r->post->witness;

    switch (action) {
    case ACT_PRODUCER:
        return r->steps < r->stops_after;
    case ACT_BREAK:
        return r->steps >= r->stops_after && r->post->producer.local == LOCAL_OPEN;
    case ACT_CHECK:
        return t->id != 0 && t->decision == DECISION_NONE && !r->check_out && r->checks < CHECKS_MAX;
    case ACT_LOOK:
    case ACT_LOSE:
        return r->check_out && !r->looked;
    default:
        return r->check_out && r->looked;
    }
}

static void take(struct race *r, enum action action) {
    switch (action) {
    case ACT_PRODUCER:
        producer_step(r);
        break;
    case ACT_BREAK:
        r->post->producer.local = LOCAL_ROLLED_BACK;
        break;
    case ACT_CHECK:
        wait_for_check(r);
        break;
    case ACT_LOOK:
        look(r);
        break;
    case ACT_LOSE:
        r->looked = true;
        r->verdict = VERDICT_UNKNOWN;
        break;
    default:
        hear(r, ROLE_FORWARD, r->check_attempt, r->verdict);
    }
}

static void run_race(struct race *r) {
    for (;;) {
        enum action enabled[ACTIONS];
        uint8_t count = 0;

        for (int i = 0; i < ACTIONS; i++)
            if (is_enabled(r, (enum action)i))
                enabled[count++] = (enum action)i;
        if (count == 0 || world_failed(r->w))
            return;
        take(r, enabled[choose(r->chooser, count)]);
    }
}

/* Everybody does what they should, until it is over. */
static void finish(struct race *r) {
    const struct post_witness *t = &r->post->witness;

    r->crashes_left = 0;
    r->post->producer.dead = true; /* whatever it still had to say is not said */
    for (int i = 0; i < FINISH_MAX && t->id != 0 && !status_is_final(t->status) && !world_failed(r->w); i++) {
        if (r->post->producer.local == LOCAL_OPEN)
            r->post->producer.local = LOCAL_ROLLED_BACK;
        if (r->delivery_out) {
            struct delivery *d = t->deliveries[0];

            d->said_done = true;
            d->effects = 1;
            hear(r, ROLE_CONFIRM, r->delivery_attempt, VERDICT_DONE);
        } else if (r->check_out) {
            if (!r->looked)
                look(r);
            hear(r, ROLE_FORWARD, r->check_attempt, r->verdict);
        } else {
            wait_for_check(r);
        }
    }
}

/* I-M4: whoever says the opposite now is told that it is too late. */
static void contradict(struct race *r) {
    bool committed = r->post->witness.decision == DECISION_COMMIT;
    struct event event = about(r, committed ? EVENT_ROLLBACK : EVENT_COMMIT);

    if (r->post->witness.id == 0 || world_failed(r->w) || !turn(r, &event))
        return;
    if (r->reply != REPLY_ALREADY_DECIDED)
        world_fail(r->w, FAILURE_CORRECTNESS, "I-M4", "the opposite is answered with %u", r->reply);
}

/* ---- many of them ---- */

static void build(struct world *w, struct race *r, uint64_t unit) {
    static const uint8_t forms[FORMS] = { CHECK_HTTP, CHECK_PG, CHECK_MARKER };
    struct post *p = post_add(w, SLICE("p"), MODE_MESSAGE);
    struct sim_channel *c = world_take(w, 1, sizeof *c);
    struct event define = { .kind = EVENT_DEFINE, .who = SLICE("ann"), .definition = &c->versions[0] };

    *r = (struct race){ .w = w, .post = p, .chooser = r->chooser, .stops_after = (uint8_t)(unit % 5) };
    effects_init(&r->effects, LIMIT_TURN_BUFFER_BYTES);
    p->producer.form = forms[unit / 10];
    p->producer.wants_rollback = unit / 5 % 2 == 1;
    p->message.half = true;
    p->message.head.topic = SLICE("t");
    p->message.head.content_type = SLICE("text/plain");
    p->message.check_after_ms = 200;
    p->branch = (struct branch_request){ .id = SLICE("check"),
                                         .to[ROLE_FORWARD] = { SLICE("http://producer/check"), 300 },
                                         .retry = { 100, 200, 2000, 0, GIVE_UP_ATTENTION } };
    post_identify(w, p, 0);
    c->kind = DEFINITION_SUBSCRIPTION;
    c->name = SLICE("s0");
    c->versions[0] = (struct definition){
        .kind = c->kind,
        .name = c->name,
        .source = SLICE("{}"),
        .outlet = { .topic = SLICE("t"),
                    .url = SLICE("http://consumer/push"),
                    .concurrency = 4,
                    .timeout_ms = 300,
                    .retry = { 100, 200, 2000, 0, GIVE_UP_ROLLBACK } },
    };
    w->channels = c;
    w->channel_count = 1;
    define.now_ms = world_clock_ms(w);
    w->driver.engine = sim_recovery_run(w, &w->store);
    (void)turn(r, &define);
    r->crashes_left = CRASHES_MAX;
}

static void run_one(struct chooser *chooser, uint64_t unit, struct trial_result *out) {
    const struct swarm calm = {
        .seed = 1,
        .participants = 1,
        .calls_max = 512,
        .unfinished_max = 100,
        .memory_max = 64 * 1024 * 1024,
        .attention_tries = 3,
        .attention_ms = 60000,
        .retain_ms = UINT64_C(24) * 3600 * 1000,
    };
    struct race r = { .chooser = chooser };
    struct world w;

    world_init(&w, &calm);
    build(&w, &r, unit);
    run_race(&r);
    finish(&r);
    if (!world_failed(&w))
        post_invariants_end(&w);
    contradict(&r);
    effects_done(&r.effects);
    trial_judge(&w, out);
    world_done(&w);
}

static void label_of(char *to, size_t size, uint64_t unit, const struct chooser *c) {
    int length = snprintf(to, size, "unit %" PRIu64 ", choices ", unit);

    for (size_t i = 0; i < c->length && length < (int)size - 2; i++)
        length += snprintf(to + length, size - (size_t)length, "%u", c->choice[i]);
}

/* One form, one end of the local transaction, one place where the producer stops. */
static void run_unit(uint64_t unit, void *context) {
    struct chooser chooser = { .length = 0 };

    (void)context;
    do {
        struct trial_result result;
        char label[128];

        run_one(&chooser, unit, &result);
        label_of(label, sizeof label, unit, &chooser);
        crew_report(unit, label, &result);
    } while (next_run(&chooser));
}

int races_run(unsigned jobs) {
    struct crew_totals totals;

    crew_run(0, UNITS - 1, jobs, false, "races", run_unit, NULL, &totals);
    printf("races: %d producers, %" PRIu64 " interleavings, %" PRIu64 " violations\n", UNITS, totals.runs,
           totals.failure_count);
    campaign_print_failures(&totals, "settle-sim --races: ");
    return campaign_exit_of(&totals);
}
