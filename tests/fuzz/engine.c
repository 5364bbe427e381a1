/* The engine, driven by bytes: each byte pair is an event, a turn's end or a crash. The oracle: the engine's
 * own assertions; a decision never changes; a transaction's body of one operation never changes; what was
 * durable recovers to the same state; nothing is called for a final or suspended transaction; no call comes
 * twice while one is open (G1, G5, I-G1, I-G6, I-G8, I-R1). */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "engine/engine.h"
#include "model/journal.h"

#define GIDS 4
#define BRANCHES 3
#define TURNS 4096

struct open_call {
    bool open;
    uint64_t transaction;
    uint32_t attempt;
};

struct stage {
    struct engine *engine;
    struct effects effects;
    struct arena arena;
    struct buffer journal[TURNS]; /* durable batches */
    size_t turns;
    uint64_t now_ms;
    uint64_t random;
    struct open_call calls[GIDS][BRANCHES][ROLE_COUNT];
    uint8_t decided[GIDS];
    uint64_t body_hash[GIDS][BRANCHES];
};

static const struct engine_options options = {
    .memory_max = 16 << 20,
    .unfinished_max = 3,
    .calls_max = 4,
    .attention_tries = 2,
    .attention_ms = 5000,
    .retain_finished_ms = 1000,
    .retain_failed_ms = 2000,
};

static struct slice gid_of(unsigned number) {
    static const char *const names[GIDS] = { "g0", "g1", "g2", "g3" };
    return slice_text(names[number % GIDS]);
}

static struct slice id_of(unsigned number) {
    static const char *const names[BRANCHES] = { "a", "b", "c" };
    return slice_text(names[number % BRANCHES]);
}

static uint64_t hash_of(struct slice s) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.length; i++)
        h = (h ^ (unsigned char)s.at[i]) * 1099511628211u;
    return h | 1;
}

static void engine_begin(struct stage *g) {
    FUZZ_CHECK(engine_new(&g->engine, &options, NULL) == 0);
}

static void turn_begin(struct stage *g) {
    effects_clear(&g->effects);
    engine_turn(g->engine, g->turns + 1);
}

static int gid_index(struct slice gid) {
    return gid.at[1] - '0';
}

/* Right after the step that allowed it; a later step of the same turn may change its mind about the rest. */
static void check_allowed(struct stage *g, const struct call *call) {
    const struct transaction *t = engine_find(g->engine, STORED_TRANSACTION, SLICE("default"), call->gid);
    FUZZ_CHECK(t != NULL && !status_is_final(t->status));
    FUZZ_CHECK(!t->suspended);
    FUZZ_CHECK(call->attempt >= 1 && call->url.length > 0);
}

/* When it leaves. */
static void check_sent(struct stage *g, const struct call *call) {
    int t = gid_index(call->gid);
    struct open_call *open = &g->calls[t][call->branch][call->role];
    FUZZ_CHECK(!open->open);
    *open = (struct open_call){ true, call->transaction, call->attempt };
    uint64_t hash = hash_of(call->body);
    uint64_t *known = &g->body_hash[t][call->branch];
    FUZZ_CHECK(*known == 0 || *known == hash);
    *known = hash;
}

static void check_decisions(struct stage *g) {
    for (unsigned i = 0; i < GIDS; i++) {
        const struct transaction *t = engine_find(g->engine, STORED_TRANSACTION, SLICE("default"), gid_of(i));
        if (t == NULL)
            continue;
        transaction_check(t);
        FUZZ_CHECK(g->decided[i] == DECISION_NONE || t->decision == g->decided[i] ||
                   t->status >= STATUS_HEURISTIC_COMMIT);
        g->decided[i] = t->decision;
    }
}

/* The turn becomes durable, then its calls leave. */
static void turn_end(struct stage *g) {
    if (g->effects.entries.length > 0 && g->turns < TURNS) {
        struct buffer *batch = &g->journal[g->turns++];
        buffer_init(batch, 64 << 20);
        buffer_add_slice(batch, buffer_slice(&g->effects.entries));
        FUZZ_CHECK(buffer_failed(batch) == 0);
    }
    for (size_t i = 0; i < g->effects.call_count; i++)
        check_sent(g, &g->effects.calls[i]);
    check_decisions(g);
    turn_begin(g);
}

static void recover(struct engine *to, struct stage *g) {
    for (size_t i = 0; i < g->turns; i++) {
        struct slice batch = buffer_slice(&g->journal[i]);
        struct stored_entry entry;
        while (batch.length > 0) {
            FUZZ_CHECK(journal_decode(&batch, &entry) == 0);
            FUZZ_CHECK(engine_recover_entry(to, i + 1, &entry, NULL) == 0);
        }
    }
}

/* Everything that was not durable is gone, and so are the calls on the way. */
static void crash(struct stage *g) {
    struct engine *again;
    engine_free(g->engine);
    engine_begin(g);
    recover(g->engine, g);
    FUZZ_CHECK(engine_new(&again, &options, NULL) == 0);
    recover(again, g);
    for (unsigned i = 0; i < GIDS; i++) {
        const struct transaction *a = engine_find(g->engine, STORED_TRANSACTION, SLICE("default"), gid_of(i));
        const struct transaction *b = engine_find(again, STORED_TRANSACTION, SLICE("default"), gid_of(i));
        FUZZ_CHECK((a == NULL) == (b == NULL));
        FUZZ_CHECK(a == NULL || (a->seq == b->seq && a->status == b->status));
    }
    engine_free(again);
    engine_recovered(g->engine, g->now_ms);
    memset(g->calls, 0, sizeof g->calls);
    check_decisions(g);
    turn_begin(g);
}

static void step(struct stage *g, struct event *event) {
    event->now_ms = g->now_ms;
    event->random = g->random = g->random * 6364136223846793005u + 1442695040888963407u;
    event->namespace_name = SLICE("default");
    event->who = SLICE("fuzz");
    event->ticket = 1;
    effects_clear_step(&g->effects);
    size_t calls = g->effects.call_count;
    int code = engine_step(g->engine, event, &g->effects);
    if (code == ERR_LIMIT) {
        turn_end(g);
        calls = 0;
        FUZZ_CHECK(engine_step(g->engine, event, &g->effects) == 0);
    } else {
        FUZZ_CHECK(code == 0);
    }
    for (size_t i = calls; i < g->effects.call_count; i++)
        check_allowed(g, &g->effects.calls[i]);
    if (g->effects.load.ticket != 0 && event->lookup == LOOKUP_NOT_DONE) {
        event->lookup = LOOKUP_ABSENT;
        step(g, event);
    }
}

static void fill_branch(struct branch_request *b, unsigned index, unsigned shape, uint8_t mode) {
    memset(b, 0, sizeof *b);
    b->id = id_of(index);
    b->to[ROLE_FORWARD] = (struct endpoint){ SLICE("http://x/f"), 1000 };
    if (mode == MODE_TCC)
        b->to[ROLE_CONFIRM] = (struct endpoint){ SLICE("http://x/c"), 1000 };
    if (mode == MODE_TCC || shape % 2 == 0)
        b->to[ROLE_BACKWARD] = (struct endpoint){ SLICE("http://x/b"), 1000 };
    b->body = shape % 3 == 0 ? SLICE("{}") : SLICE_NONE;
    b->cancel_always = shape % 5 == 1;
    b->retry = (struct retry_policy){ 10, 200, 100, shape % 4 == 3 ? 200 : 0, shape % 8 == 7 };
}

static void submit(struct stage *g, unsigned which, unsigned shape) {
    static struct branch_request branches[BRANCHES];
    static const uint16_t before[BRANCHES] = { 0, 0, 1 };
    struct transaction_request request = {
        .namespace_name = SLICE("default"),
        .gid = gid_of(which),
        .mode = shape & 1 ? MODE_TCC : MODE_SAGA,
        .drive = shape & 2 ? DRIVE_CLIENT : DRIVE_SERVER,
        .deadline_ms = 100 + shape * 10,
        .branches = branches,
        .branch_count = (uint16_t)(shape & 2 ? 0 : 1 + shape % BRANCHES),
        .principal = SLICE("fuzz"),
    };
    request.fingerprint[0] = (uint8_t)shape;
    for (uint16_t i = 0; i < request.branch_count; i++) {
        fill_branch(&branches[i], i, shape >> 2, request.mode);
        if (i > 0 && (shape & 4 || request.mode == MODE_SAGA)) {
            branches[i].after = &before[i];
            branches[i].after_count = 1;
        }
    }
    if (request.mode == MODE_SAGA && request.branch_count > 1) {
        branches[1].has_references = shape & 8;
        branches[0].referenced = shape & 8;
        if (shape & 8)
            branches[1].body = SLICE("{\"v\":\"${a#/v}\"}");
        branches[request.branch_count - 1].pivot = shape & 16;
    }
    struct event event = { .kind = EVENT_SUBMIT, .gid = request.gid, .request = &request };
    step(g, &event);
}

static void add_branch(struct stage *g, unsigned which, unsigned shape) {
    static const uint16_t first = 0;
    const struct transaction *t = engine_find(g->engine, STORED_TRANSACTION, SLICE("default"), gid_of(which));
    struct branch_request b;
    uint8_t fingerprint[32] = { (uint8_t)shape };
    if (t == NULL || t->drive != DRIVE_CLIENT)
        return;
    fill_branch(&b, shape % BRANCHES, shape >> 2, t->mode);
    if (t->mode == MODE_SAGA && t->branch_count > 0 && transaction_branch(t, b.id) < 0) {
        b.after = &first;
        b.after_count = 1;
    }
    struct event event = {
        .kind = EVENT_REGISTER, .gid = gid_of(which), .branch = &b, .fingerprint = fingerprint
    };
    step(g, &event);
}

static void answer(struct stage *g, unsigned which, unsigned how) {
    static const uint8_t verdicts[] = { VERDICT_DONE,     VERDICT_DONE,      VERDICT_REFUSED,
                                        VERDICT_WORKING,  VERDICT_SLOW_DOWN, VERDICT_UNKNOWN,
                                        VERDICT_NOT_SENT, VERDICT_FORBIDDEN };
    for (unsigned b = 0; b < BRANCHES; b++)
        for (unsigned role = 0; role < ROLE_COUNT; role++) {
            struct open_call *open = &g->calls[which % GIDS][b][role];
            if (!open->open || ((how >> 4) & 1) != (b & 1))
                continue;
            open->open = false;
            struct outcome outcome = {
                .transaction = open->transaction,
                .branch = (uint16_t)b,
                .role = (uint8_t)role,
                .attempt = open->attempt,
                .verdict = verdicts[how % 8],
                .http = how % 8 < 2 ? 200 : 0,
                .retry_after_ms = how & 32 ? 50 : 0,
                .took_ms = 1,
                .body = how & 64 ? SLICE("{\"v\":1}") : SLICE("no"),
            };
            struct event event = { .kind = EVENT_OUTCOME, .outcome = &outcome };
            step(g, &event);
            return;
        }
}

static void command(struct stage *g, uint8_t kind, unsigned which, unsigned how) {
    struct event event = {
        .kind = kind,
        .gid = gid_of(which),
        .text = SLICE("because"),
        .decision = how & 1 ? DECISION_COMMIT : DECISION_ROLLBACK,
        .branch_id = kind == EVENT_RESOLVE || how & 2 ? id_of(how >> 2) : SLICE_NONE,
        .role = (uint8_t)((how >> 4) % (ROLE_COUNT + 1)),
        .not_done = how & 1,
    };
    step(g, &event);
}

static void one(struct stage *g, unsigned code, unsigned how) {
    unsigned which = (code >> 4) % GIDS;
    struct event tick = { .kind = EVENT_TICK };
    switch (code & 15) {
    case 0:
    case 1:
        submit(g, which, how);
        break;
    case 2:
    case 3:
    case 4:
        answer(g, which, how);
        break;
    case 5:
        g->now_ms += how;
        step(g, &tick);
        break;
    case 6:
        turn_end(g);
        break;
    case 7:
        crash(g);
        break;
    case 8:
        add_branch(g, which, how);
        break;
    default:
        command(g, (uint8_t)((code & 15) - 9 + EVENT_COMMIT), which, how);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct stage g;
    memset(&g, 0, sizeof g);
    if (size > 2 * TURNS)
        return 0;
    g.now_ms = 1000000;
    effects_init(&g.effects, LIMIT_TURN_BUFFER_BYTES);
    engine_begin(&g);
    engine_recovered(g.engine, g.now_ms);
    turn_begin(&g);
    for (size_t i = 0; i + 1 < size; i += 2) {
        one(&g, data[i], data[i + 1]);
        if (data[i] & 128)
            turn_end(&g);
    }
    turn_end(&g);
    crash(&g);
    engine_free(g.engine);
    effects_done(&g.effects);
    for (size_t i = 0; i < g.turns; i++)
        buffer_done(&g.journal[i]);
    return 0;
}
