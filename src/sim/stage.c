#include "sim/stage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/limits.h"
#include "model/journal.h"
#include "sim/dice.h"
#include "sim/stage_message.h"
#include "sim/stage_request.h"

enum {
    TICKS_MAX = 64, /* at one moment: more means that the engine spins */
    FOLD_ROWS = 32,
};

static void recover(struct stage *s);

static struct engine_options default_options(void) {
    return (struct engine_options){
        .memory_max = 64u * 1024 * 1024,
        .unfinished_max = 1000,
        .calls_max = 512,
        .attention_tries = 5,
        .attention_ms = 300000,
        .retain_finished_ms = UINT64_C(7) * 24 * 3600 * 1000,
        .retain_failed_ms = UINT64_C(90) * 24 * 3600 * 1000,
        .hash_seed = 1,
        .key_seed = 1,
    };
}

void stage_init(struct stage *s) {
    *s = (struct stage){ .options = default_options(), .now_ms = STAGE_EPOCH_MS };
    sim_store_init(&s->store);
    effects_init(&s->effects, LIMIT_TURN_BYTES);
    buffer_init(&s->trace, 1024 * 1024);
    buffer_init(&s->said, 1024 * 1024);
    buffer_init(&s->sealed, 1024 * 1024);
    arena_init(&s->arena, 64 * 1024, 64 * 1024 * 1024);
    s->effects.trace = &s->trace;
    recover(s);
}

void stage_done(struct stage *s) {
    engine_free(s->engine);
    sim_store_done(&s->store);
    effects_done(&s->effects);
    buffer_done(&s->trace);
    buffer_done(&s->said);
    buffer_done(&s->sealed);
    arena_done(&s->arena);
    free(s->calls);
}

static int complain(struct stage *s, const char *sentence) {
    buffer_add_format(&s->said, "error: %s\n", sentence);
    return ERR_SYNTAX;
}

static struct slice keep(struct stage *s, struct slice from) {
    struct slice copy = SLICE_NONE;

    if (arena_copy(&s->arena, from, &copy) != 0)
        abort();
    return copy;
}

/* ---- the turn ---- */

/* Trace lines begin with epoch ms: write "+1.250" instead, and nothing before lines that have no time. */
static void say_trace(struct stage *s) {
    struct slice left = buffer_slice(&s->trace);

    while (left.length > 0) {
        size_t end = slice_find(left, '\n'), blank;
        struct slice line = slice_upto(left, end);
        uint64_t ms;

        blank = slice_find(line, ' ');
        if (slice_u64(slice_upto(line, blank), &ms) == 0 && ms >= STAGE_EPOCH_MS) {
            ms -= STAGE_EPOCH_MS;
            buffer_add_format(&s->said, "+%u.%03u", (unsigned)(ms / 1000), (unsigned)(ms % 1000));
            line = slice_from(line, blank);
        }
        buffer_add_slice(&s->said, line);
        buffer_add_byte(&s->said, '\n');
        left = slice_from(left, end + 1);
    }
    buffer_clear(&s->trace);
}

static void remember_call(struct stage *s, const struct call *call) {
    struct stage_call *kept;

    if (s->call_count == s->call_capacity) {
        s->call_capacity = s->call_capacity == 0 ? 16 : s->call_capacity * 2;
        s->calls = realloc(s->calls, s->call_capacity * sizeof *s->calls);
        if (s->calls == NULL)
            abort();
    }
    kept = &s->calls[s->call_count++];
    *kept = (struct stage_call){ .call = *call, .open = true };
    kept->call.gid = keep(s, call->gid);
    kept->call.branch_id = keep(s, call->branch_id);
    kept->call.operation = keep(s, call->operation);
}

static void say_body(struct stage *s, const struct call *call) {
    const struct transaction *t =
        engine_find(s->engine, stage_subject(call->gid), SLICE("default"), call->gid);

    if (t != NULL && t->branches[call->branch].has_references)
        buffer_add_format(&s->said, "    sends %.*s.%.*s#%u %.*s\n", SLICE_PRINT(call->branch_id),
                          SLICE_PRINT(call->operation), call->attempt, SLICE_PRINT(call->body));
}

static void open_envelope(struct stage *s) {
    if (s->effects.entry_count > 0) {
        sim_store_append(&s->store, s->store.batch_last + 1, buffer_slice(&s->effects.entries));
        sim_store_append_done(&s->store);
    }
    engine_durable(s->engine, s->store.batch_last);
    for (size_t i = 0; i < s->effects.call_count; i++) {
        remember_call(s, &s->effects.calls[i]);
        say_body(s, &s->effects.calls[i]);
    }
    s->turn_open = false;
    effects_clear(&s->effects);
}

static void begin_turn(struct stage *s) {
    if (s->turn_open)
        return;
    effects_clear(&s->effects);
    engine_turn(s->engine, s->store.batch_last + 1);
    s->turn_open = true;
}

static const char *missing_lookup(struct stage *s, struct event *event) {
    const struct load *load = &s->effects.load;
    const struct stored_row *row = sim_store_find(&s->store, load->kind, load->key_hash, load->gid);

    event->lookup = row == NULL ? LOOKUP_ABSENT : LOOKUP_FOUND;
    if (row != NULL)
        event->image = keep(s, row->image);
    return row == NULL ? "absent" : "found";
}

static void step(struct stage *s, struct event *event) {
    struct dice dice;

    dice_init(&dice, ++s->steps, DICE_ENGINE);
    event->now_ms = s->now_ms;
    event->random = dice_u64(&dice);
    event->ticket = 1;
    event->namespace_name = SLICE("default");
    event->subject = stage_subject(event->gid);
    begin_turn(s);
    if (engine_step(s->engine, event, &s->effects) != 0)
        buffer_add_text(&s->said, "error: the batch is full\n");
    say_trace(s);
    for (size_t i = 0; i < s->effects.pulled_count; i++) {
        const struct pulled *p = &s->effects.pulled[i];
        buffer_add_format(&s->said, "    pulled %.*s\n", SLICE_PRINT(p->transaction->gid));
    }
    if (s->effects.load.ticket != 0) {
        buffer_add_format(&s->said, "    history is asked: %s\n", missing_lookup(s, event));
        step(s, event);
        return;
    }
    if (!s->held)
        open_envelope(s);
}

/* ---- commands ---- */

struct command {
    const char *word;
    int (*act)(struct stage *s, struct slice line, struct slice rest);
};

static int submit(struct stage *s, struct slice line, struct slice rest) {
    struct transaction_request request;
    const char *wrong = stage_request(&s->arena, line, rest, &request);
    struct event event = { .kind = EVENT_SUBMIT, .request = &request };

    if (wrong != NULL)
        return complain(s, wrong);
    event.gid = request.gid;
    step(s, &event);
    return 0;
}

static int add_branch(struct stage *s, struct slice line, struct slice rest) {
    struct slice gid = stage_word(&line);
    const struct transaction *t = engine_find(s->engine, STORED_TRANSACTION, SLICE("default"), gid);
    struct branch_request before[16] = { 0 }, branch;
    uint16_t count = t == NULL ? 0 : t->branch_count;
    uint8_t fingerprint[32] = { 0 };
    struct event event = {
        .kind = EVENT_REGISTER, .gid = gid, .branch = &branch, .fingerprint = fingerprint
    };
    const char *wrong;

    if (count > 16)
        return complain(s, "at most 16 branches here");
    for (uint16_t i = 0; i < count; i++)
        before[i].id = t->branches[i].id;
    wrong =
        stage_branch(&s->arena, slice_trim(rest), t == NULL ? MODE_SAGA : t->mode, before, count, &branch);
    if (wrong != NULL)
        return complain(s, wrong);
    event.branch_id = branch.id;
    step(s, &event);
    return 0;
}

static int simple(struct stage *s, uint8_t kind, struct slice line) {
    struct event event = { .kind = kind, .role = ROLE_COUNT, .who = SLICE("ann") };

    event.gid = stage_word(&line);
    event.text = slice_trim(line);
    step(s, &event);
    return 0;
}

static int commit_it(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return simple(s, EVENT_COMMIT, line);
}

static int roll_it_back(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return simple(s, EVENT_ROLLBACK, line);
}

static int show(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return simple(s, EVENT_SHOW, line);
}

static int suspend(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return simple(s, EVENT_SUSPEND, line);
}

static int resume(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return simple(s, EVENT_RESUME, line);
}

static int again(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return simple(s, EVENT_AGAIN, line);
}

static int nudge(struct stage *s, struct slice line, struct slice rest) {
    struct event event = { .kind = EVENT_RETRY, .role = ROLE_COUNT, .who = SLICE("ann") };

    (void)rest;
    event.gid = stage_word(&line);
    event.branch_id = stage_word(&line);
    step(s, &event);
    return 0;
}

static int force(struct stage *s, struct slice line, struct slice rest) {
    struct event event = { .kind = EVENT_FORCE, .who = SLICE("ann") };

    (void)rest;
    event.gid = stage_word(&line);
    event.decision = slice_is(stage_word(&line), "commit") ? DECISION_COMMIT : DECISION_ROLLBACK;
    event.text = slice_trim(line);
    step(s, &event);
    return 0;
}

/* resolve GID BRANCH [OPERATION] [not-done] */
static int resolve(struct stage *s, struct slice line, struct slice rest) {
    struct event event = {
        .kind = EVENT_RESOLVE, .role = ROLE_COUNT, .who = SLICE("ann"), .text = SLICE("by hand")
    };
    struct slice word;

    (void)rest;
    event.gid = stage_word(&line);
    event.branch_id = stage_word(&line);
    while ((word = stage_word(&line)).length > 0) {
        int role = operation_role(MODE_SAGA, word);

        if (role < 0)
            role = operation_role(MODE_TCC, word);
        if (slice_is(word, "not-done"))
            event.not_done = true;
        else if (role >= 0)
            event.role = (uint8_t)role;
        else
            return complain(s, "resolve GID BRANCH [OPERATION] [not-done]");
    }
    step(s, &event);
    return 0;
}

static int verdict_of(struct slice word) {
    for (uint8_t verdict = VERDICT_DONE; verdict < VERDICT_COUNT; verdict++)
        if (slice_is(word, verdict_word(verdict)))
            return verdict;
    return -1;
}

static struct stage_call *open_call(struct stage *s, struct slice gid, struct slice branch,
                                    struct slice operation) {
    for (size_t i = s->call_count; i > 0; i--) {
        struct stage_call *c = &s->calls[i - 1];

        if (c->open && slice_equal(c->call.gid, gid) && slice_equal(c->call.branch_id, branch) &&
            slice_equal(c->call.operation, operation))
            return c;
    }
    return NULL;
}

/* outcome GID BRANCH OPERATION VERDICT [after=DURATION] [body=...] */
static int outcome(struct stage *s, struct slice line, struct slice rest) {
    struct slice gid = stage_word(&line), branch = stage_word(&line), operation = stage_word(&line);
    struct slice said = stage_word(&line);
    bool gone = slice_is(said, "gone"); /* a notification's 410 */
    int verdict = gone ? VERDICT_UNKNOWN : verdict_of(said);
    struct stage_call *c = open_call(s, gid, branch, operation);
    struct outcome o = { .took_ms = 5 };
    struct event event = { .kind = EVENT_OUTCOME, .outcome = &o };
    struct slice word;
    uint64_t ms = 0;

    (void)rest;
    if (c == NULL || verdict < 0)
        return complain(s, c == NULL ? "no such call is out" : "no such verdict");
    while ((word = stage_word(&line)).length > 0) {
        if (slice_starts(word, "body="))
            o.body = slice_trim(slice_of(word.at + 5, word.length - 5 + line.length));
        else if (!slice_starts(word, "after=") || duration_parse(slice_from(word, 6), &ms) != 0)
            return complain(s, "outcome GID BRANCH OPERATION VERDICT [after=DURATION] [body=...]");
        if (o.body.length > 0)
            break;
    }
    o.transaction = c->call.transaction;
    o.branch = c->call.branch;
    o.role = c->call.role;
    o.attempt = c->call.attempt;
    o.verdict = (uint8_t)verdict;
    o.http = gone ? 410 : 0;
    o.retry_after_ms = (uint32_t)ms;
    c->open = false;
    step(s, &event);
    return 0;
}

/* tick [+DURATION]: time passes; everything that falls due happens at its time. */
static int tick(struct stage *s, struct slice line, struct slice rest) {
    struct slice word = stage_word(&line);
    uint64_t ms = 0, until_ms;
    unsigned ticks = 0;

    (void)rest;
    if (word.length > 0 && (word.at[0] != '+' || duration_parse(slice_from(word, 1), &ms) != 0))
        return complain(s, "tick [+DURATION]");
    until_ms = s->now_ms + ms;
    while (engine_due(s->engine) <= until_ms) {
        struct event event = { .kind = EVENT_TICK };
        uint64_t due_ms = engine_due(s->engine);

        if (due_ms > s->now_ms) {
            s->now_ms = due_ms;
            ticks = 0;
        }
        if (++ticks > TICKS_MAX)
            return complain(s, "the engine spins");
        step(s, &event);
    }
    s->now_ms = until_ms;
    return 0;
}

static int hold(struct stage *s, struct slice line, struct slice rest) {
    (void)line;
    (void)rest;
    s->held = true;
    return 0;
}

static int sync_now(struct stage *s, struct slice line, struct slice rest) {
    (void)line;
    (void)rest;
    s->held = false;
    if (s->turn_open)
        open_envelope(s);
    return 0;
}

/* full: the disk has no room for the turn; what is left of it waits for "sync". */
static int full(struct stage *s, struct slice line, struct slice rest) {
    struct effects *turn = &s->effects;

    (void)line;
    (void)rest;
    if (!s->turn_open)
        return complain(s, "nothing is held");
    engine_take_back(s->engine, s->store.batch_last + 1, &turn, 1);
    say_trace(s);
    buffer_add_format(&s->said, "    %u records and %u calls wait for room\n", (unsigned)turn->entry_count,
                      (unsigned)turn->call_count);
    return 0;
}

/* crash [keep]: what is not synced is lost, or kept; the envelope is never opened. */
static int crash(struct stage *s, struct slice line, struct slice rest) {
    bool keeps = slice_is(stage_word(&line), "keep");

    (void)rest;
    if (s->turn_open && s->effects.entry_count > 0 && keeps) {
        sim_store_append(&s->store, s->store.batch_last + 1, buffer_slice(&s->effects.entries));
        sim_store_append_done(&s->store);
    }
    s->turn_open = false;
    s->held = false;
    effects_clear(&s->effects);
    for (size_t i = 0; i < s->call_count; i++)
        s->calls[i].open = false;
    recover(s);
    return 0;
}

static int fold(struct stage *s, struct slice line, struct slice rest) {
    struct stored_row rows[FOLD_ROWS];
    size_t count = engine_fold(s->engine, UINT64_MAX, rows, FOLD_ROWS, SIZE_MAX / 2, &s->arena);

    (void)line;
    (void)rest;
    for (size_t i = 0; i < count; i++)
        if (rows[i].kind != STORED_AUDIT && rows[i].kind != STORED_ANSWER)
            buffer_add_format(&s->said, "    row %.*s: %.*s, %u records%s\n", SLICE_PRINT(rows[i].key),
                              SLICE_PRINT(rows[i].state), rows[i].seq, rows[i].final ? ", final" : "");
    sim_store_fold(&s->store, rows, count);
    sim_store_fold_done(&s->store);
    engine_folded(s->engine);
    sim_store_trim(&s->store, engine_trim_point(s->engine));
    buffer_add_format(&s->said, "    the journal keeps %u batches\n", (unsigned)s->store.batch_count);
    if (s->store.broken != NULL)
        return complain(s, s->store.broken);
    return 0;
}

static void say_operations(struct stage *s, const struct transaction *t, const struct branch *b) {
    for (uint8_t role = 0; role < ROLE_COUNT; role++) {
        const struct operation *o = &b->operation[role];

        if (branch_url(b, role).length == 0 && o->status == OPERATION_PENDING)
            continue;
        buffer_add_format(&s->said, " %s=%s", operation_word(t->mode, role), operation_status_word(o));
        if (o->attempt > 0)
            buffer_add_format(&s->said, "#%u", o->attempt);
        if (o->ever_unknown)
            buffer_add_text(&s->said, " (was unknown)");
    }
}

static int state(struct stage *s, struct slice line, struct slice rest) {
    struct slice gid = stage_word(&line);
    const struct transaction *t = engine_find(s->engine, stage_subject(gid), SLICE("default"), gid);
    uint16_t branch;
    uint8_t role;

    (void)rest;
    if (t == NULL) {
        buffer_add_text(&s->said, "    not in memory\n");
        return 0;
    }
    buffer_add_format(&s->said, "    %s, decision %s", status_word(t->status), decision_word(t->decision));
    if (t->cause != CAUSE_NONE)
        buffer_add_format(&s->said, " because %s", cause_word(t->cause));
    buffer_add_text(&s->said, t->suspended ? ", suspended" : "");
    if (transaction_attention(t, &branch, &role) != 0)
        buffer_add_format(&s->said, ", attention for %.*s.%s", SLICE_PRINT(t->branches[branch].id),
                          operation_word(t->mode, role));
    buffer_add_byte(&s->said, '\n');
    for (uint16_t i = 0; i < t->branch_count; i++) {
        buffer_add_format(&s->said, "    %.*s:", SLICE_PRINT(t->branches[i].id));
        say_operations(s, t, &t->branches[i]);
        buffer_add_byte(&s->said, '\n');
    }
    return 0;
}

/* message ..., notify ...: see stage_message.h. */
static int submit_other(struct stage *s, struct transaction_request *request, const char *wrong) {
    struct event event = { .kind = EVENT_SUBMIT, .request = request, .gid = request->gid };

    if (wrong != NULL)
        return complain(s, wrong);
    step(s, &event);
    return 0;
}

static int message(struct stage *s, struct slice line, struct slice rest) {
    struct transaction_request request;

    (void)rest;
    return submit_other(s, &request, stage_message(&s->arena, line, &request));
}

static int notify(struct stage *s, struct slice line, struct slice rest) {
    struct transaction_request request;

    (void)rest;
    return submit_other(s, &request, stage_notice(&s->arena, line, &request));
}

static int define(struct stage *s, struct definition *d, const char *wrong) {
    struct event event = { .kind = EVENT_DEFINE, .definition = d, .gid = d->name, .who = SLICE("ann") };

    if (wrong != NULL)
        return complain(s, wrong);
    step(s, &event);
    return 0;
}

static int subscribe(struct stage *s, struct slice line, struct slice rest) {
    struct definition d;

    (void)rest;
    return define(s, &d, stage_subscription(line, &d));
}

static int endpoint(struct stage *s, struct slice line, struct slice rest) {
    struct definition d;

    (void)rest;
    return define(s, &d, stage_endpoint(line, &d));
}

/* What is done to a definition by name: endpoints are looked for first. */
static int to_definition(struct stage *s, uint8_t kind, bool resume, struct slice line) {
    struct slice name = stage_word(&line);
    bool is_endpoint = engine_channel(s->engine, DEFINITION_ENDPOINT, name) != NULL;
    struct event event = { .kind = kind,
                           .definition_kind = is_endpoint ? DEFINITION_ENDPOINT : DEFINITION_SUBSCRIPTION,
                           .gid = name,
                           .not_done = resume,
                           .who = SLICE("ann"),
                           .text = slice_trim(line) };

    step(s, &event);
    return 0;
}

static int undefine(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return to_definition(s, EVENT_UNDEFINE, false, line);
}

static int pause_it(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return to_definition(s, EVENT_PAUSE, false, line);
}

static int unpause(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return to_definition(s, EVENT_PAUSE, true, line);
}

/* ack|nack|replay|discard|edit ID SUBSCRIPTION [refused] [after=DURATION] [WHY or the new body] */
static int to_delivery(struct stage *s, uint8_t kind, struct slice line) {
    struct event event = { .kind = kind, .who = SLICE("ann") };
    struct slice word;
    uint64_t ms = 0;

    event.gid = stage_word(&line);
    event.branch_id = stage_word(&line);
    while (slice_starts(slice_trim(line), "refused") || slice_starts(slice_trim(line), "after=")) {
        word = stage_word(&line);
        if (slice_is(word, "refused"))
            event.not_done = true;
        else if (duration_parse(slice_from(word, 6), &ms) != 0)
            return complain(s, "after=DURATION");
    }
    event.pause_ms = (uint32_t)ms;
    event.text = slice_trim(line);
    event.body = event.text;
    step(s, &event);
    return 0;
}

static int ack(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return to_delivery(s, EVENT_ACK, line);
}

static int nack(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return to_delivery(s, EVENT_NACK, line);
}

static int replay(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return to_delivery(s, EVENT_REPLAY, line);
}

static int discard(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return to_delivery(s, EVENT_DISCARD, line);
}

static int edit(struct stage *s, struct slice line, struct slice rest) {
    (void)rest;
    return to_delivery(s, EVENT_EDIT, line);
}

/* pull SUBSCRIPTION COUNT [LEASE] */
static int pull(struct stage *s, struct slice line, struct slice rest) {
    struct event event = { .kind = EVENT_PULL, .who = SLICE("consumer") };
    uint64_t count = 0, ms = 0;
    struct slice word;

    (void)rest;
    event.gid = stage_word(&line);
    if (slice_u64(stage_word(&line), &count) != 0)
        return complain(s, "pull SUBSCRIPTION COUNT [LEASE]");
    word = stage_word(&line);
    if (word.length > 0 && duration_parse(word, &ms) != 0)
        return complain(s, "pull SUBSCRIPTION COUNT [LEASE]");
    event.count = (uint32_t)count;
    event.pause_ms = (uint32_t)ms;
    step(s, &event);
    return 0;
}

/* owed NAME: what a subscription or endpoint still has to get, oldest first. */
static int owed(struct stage *s, struct slice line, struct slice rest) {
    struct slice name = stage_word(&line);
    const struct channel *c = engine_channel(s->engine, DEFINITION_SUBSCRIPTION, name);
    const struct parcel *p = NULL;
    struct channel_figures figures;
    uint64_t ready = 0, parked = 0, all = 0;

    (void)rest;
    if (c == NULL)
        c = engine_channel(s->engine, DEFINITION_ENDPOINT, name);
    if (c == NULL)
        return complain(s, "no such subscription or endpoint");
    while ((p = engine_parcel_next(c, p)) != NULL) {
        struct parcel_view v;
        engine_parcel_view(p, &v);
        const struct branch *b = &v.transaction->branches[v.branch];
        const struct operation *o =
            &b->operation[v.transaction->mode == MODE_NOTICE ? ROLE_FORWARD : ROLE_CONFIRM];
        buffer_add_format(&s->said, "    %.*s: %s#%u%s%s%s%s\n", SLICE_PRINT(v.transaction->gid),
                          operation_status_word(o), o->attempt, v.ready ? ", ready" : "",
                          v.out ? ", out" : "", v.behind ? ", behind" : "", v.parked ? ", parked" : "");
        ready += v.ready;
        parked += v.parked;
        all++;
    }
    engine_channel_figures(c, &figures);
    assert(figures.owed == all && figures.ready == ready && figures.parked == parked);
    buffer_add_format(&s->said, "    %u owed, %u dead, %u parked, %u out\n", (unsigned)figures.owed,
                      (unsigned)figures.dead, (unsigned)figures.parked, (unsigned)figures.out);
    return 0;
}

static const struct command commands[] = {
    { "submit", submit },       { "register", add_branch },
    { "commit", commit_it },    { "rollback", roll_it_back },
    { "show", show },           { "suspend", suspend },
    { "resume", resume },       { "retry", nudge },
    { "force", force },         { "resolve", resolve },
    { "outcome", outcome },     { "tick", tick },
    { "hold", hold },           { "sync", sync_now },
    { "full", full },           { "crash", crash },
    { "fold", fold },           { "state", state },
    { "message", message },     { "notify", notify },
    { "subscribe", subscribe }, { "endpoint", endpoint },
    { "undefine", undefine },   { "pause", pause_it },
    { "unpause", unpause },     { "ack", ack },
    { "nack", nack },           { "replay", replay },
    { "discard", discard },     { "edit", edit },
    { "pull", pull },           { "owed", owed },
    { "again", again },
};

int stage_command(struct stage *s, struct slice line, struct slice rest) {
    struct slice word = stage_word(&line);

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (slice_is(word, commands[i].word))
            return commands[i].act(s, line, rest);
    return complain(s, "no such command");
}

/* ---- coming back ---- */

static int recover_batch(struct engine *e, const struct sim_batch *batch, struct why *why) {
    struct slice left = slice_of(batch->at, batch->length);
    int result = 0;

    while (result == 0 && left.length > 0) {
        struct stored_entry entry;

        result = journal_decode(&left, &entry);
        if (result == 0)
            result = engine_recover_entry(e, batch->number, &entry, why);
    }
    return result;
}

static void recover(struct stage *s) {
    struct why why = { .text = "" };
    int result;

    engine_free(s->engine);
    s->engine = NULL;
    result = engine_new(&s->engine, &s->options, &why);
    for (size_t i = 0; result == 0 && i < s->store.rows.count; i++)
        if (sim_store_shows(&s->store, &s->store.rows.at[i]))
            result = engine_recover_row(s->engine, &s->store.rows.at[i].row, &why);
    for (size_t i = 0; result == 0 && i < s->store.batch_count; i++)
        result = recover_batch(s->engine, &s->store.batches[i], &why);
    for (size_t i = 0; result == 0 && i < s->store.rows.count; i++)
        result =
            engine_recover_key(s->engine, s->store.rows.at[i].row.kind, s->store.rows.at[i].row.key_hash);
    if (result != 0) {
        buffer_add_format(&s->said, "error: recovery fails: %s\n", why.text);
        abort();
    }
    engine_recovered(s->engine, s->now_ms);
    engine_durable(s->engine, s->store.batch_last);
}
