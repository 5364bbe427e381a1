/* The turn with a store, a clock and a sink made by hand: what leaves, and when (G3, G4). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "server/driver.h"

enum { MANY = 64 };

struct world {
    struct engine *engine;
    struct driver *driver;
    uint64_t now_ms;
    uint64_t random;
    /* The store. */
    uint64_t appended; /* number of the batch that was offered last */
    size_t appends;
    char batch[64]; /* its first bytes */
    size_t batch_length;
    struct driver_load *loading;
    /* The sink. */
    struct call calls[MANY];
    size_t call_count;
    uint64_t durable;
    uint64_t taken_back[64]; /* as told last */
    size_t taken_back_count;
    int stopped;
};

/* Somebody who asks. */
struct asker {
    struct driver_ask ask;
    struct driver_seal seal;
    struct world *world;
    struct transaction_request request;
    struct branch_request branch;
    char gid[16];
    uint8_t reply; /* kind of the reply; 255: the history could not be asked */
    bool answered;
    bool open; /* the sealed answer left */
    bool taken_back;
};

static uint64_t now_ms(void *self) {
    return ((struct world *)self)->now_ms;
}

static uint64_t now_us(void *self) {
    return ((struct world *)self)->now_ms * 1000;
}

static uint64_t draw(void *self) {
    return ++((struct world *)self)->random;
}

static void append(void *self, uint64_t seq, struct slice batch) {
    struct world *w = self;
    w->appended = seq;
    w->appends++;
    w->batch_length = batch.length;
    memcpy(w->batch, batch.at, batch.length < sizeof w->batch ? batch.length : sizeof w->batch);
}

static void find(void *self, struct driver_load *load, uint8_t kind, uint64_t key_hash,
                 struct slice namespace_name, struct slice gid) {
    struct world *w = self;
    (void)kind;
    (void)key_hash;
    (void)namespace_name;
    (void)gid;
    assert_null(w->loading);
    w->loading = load;
}

static void call(void *self, const struct call *c) {
    struct world *w = self;
    assert_in_range(w->call_count, 0, MANY - 1);
    w->calls[w->call_count++] = *c;
}

static void changed(void *self, const struct change *change) {
    (void)self;
    (void)change;
}

static void taken_back(void *self, struct id_set set) {
    struct world *w = self;
    assert_in_range(set.count, 1, sizeof w->taken_back / sizeof *w->taken_back);
    memcpy(w->taken_back, set.ids, set.count * sizeof *set.ids);
    w->taken_back_count = set.count;
}

static bool is_taken_back(const struct world *w, const struct driver_seal *seal) {
    return id_set_meets((struct id_set){ w->taken_back, w->taken_back_count }, seal->shows);
}

static void durable(void *self, uint64_t seq, struct slice batch, uint32_t entries) {
    struct world *w = self;
    assert_int_equal(entries > 0, batch.length > 0);
    assert_true(batch.length == w->batch_length);
    w->durable = seq;
}

static void stop(void *self, int code, const char *say) {
    struct world *w = self;
    (void)say;
    assert_int_equal(w->stopped, 0);
    w->stopped = code;
}

static void world_open(struct world *w) {
    static const struct engine_options options = {
        .memory_max = 256 << 20,
        .unfinished_max = 1000,
        .calls_max = 100,
        .attention_tries = 3,
        .attention_ms = 300000,
        .retain_finished_ms = 1000,
        .retain_failed_ms = 1000,
    };
    static const struct driver_limits limits = { .queue_max = 100,
                                                 .queue_ms_max = 500,
                                                 .group_commit_ms = 1 };
    memset(w, 0, sizeof *w);
    w->now_ms = 1000000;
    struct driver_port port = { .self = w,
                                .now_ms = now_ms,
                                .now_us = now_us,
                                .random = draw,
                                .append = append,
                                .find = find,
                                .call = call,
                                .changed = changed,
                                .taken_back = taken_back,
                                .durable = durable,
                                .stop = stop };
    assert_int_equal(engine_new(&w->engine, &options, NULL), 0);
    engine_recovered(w->engine, w->now_ms);
    assert_int_equal(driver_new(&w->driver, w->engine, &port, &limits, 7), 0);
    driver_begin(w->driver);
}

static void world_close(struct world *w) {
    driver_free(w->driver);
    engine_free(w->engine);
}

static void opened(struct driver_seal *seal) {
    CHAIN_OWNER(seal, struct asker, seal)->open = true;
}

static void told_taken_back(struct driver_seal *seal) {
    struct asker *a = CHAIN_OWNER(seal, struct asker, seal);
    assert_false(a->open);
    a->taken_back = true;
}

static void answered(struct driver_ask *ask, const struct reply *reply) {
    struct asker *a = CHAIN_OWNER(ask, struct asker, ask);
    assert_false(a->answered);
    a->answered = true;
    a->reply = reply == NULL ? 255 : reply->kind;
    a->seal.shows = (struct id_range){ 0 };
    if (reply != NULL && reply->transaction != NULL)
        id_range_add(&a->seal.shows, reply->transaction->id);
    a->seal.open = opened;
    a->seal.taken_back = told_taken_back;
    driver_seal(a->world->driver, &a->seal);
}

static void prepare(struct world *w, struct asker *a, uint8_t kind, const char *gid) {
    memset(a, 0, sizeof *a);
    a->world = w;
    snprintf(a->gid, sizeof a->gid, "%s", gid);
    a->ask.event.kind = kind;
    a->ask.event.namespace_name = SLICE("default");
    a->ask.event.gid = slice_text(a->gid);
    a->ask.answer = answered;
}

static void submit(struct world *w, struct asker *a, const char *gid, struct slice body) {
    prepare(w, a, EVENT_SUBMIT, gid);
    a->branch = (struct branch_request){
        .id = SLICE("a"),
        .to = { [ROLE_FORWARD] = { SLICE("http://x/do"), 1000 } },
        .body = body,
        .retry = { .first_ms = 10, .factor_percent = 200, .max_ms = 1000 },
    };
    a->request = (struct transaction_request){
        .namespace_name = SLICE("default"),
        .gid = slice_text(a->gid),
        .mode = MODE_SAGA,
        .deadline_ms = 60000,
        .branches = &a->branch,
        .branch_count = 1,
    };
    a->ask.event.request = &a->request;
    driver_ask(w->driver, &a->ask);
}

static void show(struct world *w, struct asker *a, const char *gid) {
    prepare(w, a, EVENT_SHOW, gid);
    driver_ask(w->driver, &a->ask);
}

static void done(struct world *w, const struct call *c) {
    struct outcome o = { .transaction = c->transaction,
                         .branch = c->branch,
                         .role = c->role,
                         .attempt = c->attempt,
                         .verdict = VERDICT_DONE,
                         .http = 200 };
    driver_outcome(w->driver, &o);
}

static void nothing_leaves_before_its_batch_is_durable(void **state) {
    struct world w;
    struct asker a;
    (void)state;
    world_open(&w);
    submit(&w, &a, "t", SLICE_NONE);
    assert_true(a.answered);
    assert_int_equal(a.reply, REPLY_ACCEPTED);
    assert_int_equal(w.appends, 0);
    driver_flush(w.driver);
    assert_int_equal(w.appends, 1);
    assert_true(w.appended == 8);
    assert_false(a.open);
    assert_int_equal(w.call_count, 0);
    driver_flush(w.driver);
    assert_int_equal(w.appends, 1);
    driver_appended(w.driver, 0, "");
    assert_true(a.open);
    assert_int_equal(w.call_count, 1);
    assert_true(w.durable == 8);
    world_close(&w);
}

static void one_batch_is_in_flight_and_the_next_gathers(void **state) {
    struct world w;
    struct asker a, b, c;
    (void)state;
    world_open(&w);
    submit(&w, &a, "a", SLICE_NONE);
    driver_flush(w.driver);
    submit(&w, &b, "b", SLICE_NONE);
    submit(&w, &c, "c", SLICE_NONE);
    driver_flush(w.driver);
    assert_int_equal(w.appends, 1);
    driver_appended(w.driver, 0, "");
    assert_true(a.open);
    assert_false(b.open);
    driver_flush(w.driver);
    assert_int_equal(w.appends, 2);
    assert_true(w.appended == 9);
    driver_appended(w.driver, 0, "");
    assert_true(b.open);
    assert_true(c.open);
    assert_int_equal(w.call_count, 3);
    assert_true(driver_idle(w.driver));
    world_close(&w);
}

static void an_answer_without_saves_waits_for_what_it_shows(void **state) {
    struct world w;
    struct asker a, b, early, late;
    (void)state;
    world_open(&w);
    /* Nothing unsaved: it leaves with the round. */
    show(&w, &early, "nobody");
    assert_int_equal(early.reply, REPLY_NOT_FOUND);
    assert_false(early.open);
    driver_flush(w.driver);
    assert_true(early.open);
    assert_int_equal(w.appends, 0);
    /* The batch in flight holds what it shows. */
    submit(&w, &a, "a", SLICE_NONE);
    driver_flush(w.driver);
    show(&w, &early, "a");
    assert_int_equal(early.reply, REPLY_STATE);
    driver_flush(w.driver);
    assert_false(early.open);
    /* The gathering turn holds what this one shows. */
    submit(&w, &b, "b", SLICE_NONE);
    show(&w, &late, "b");
    driver_appended(w.driver, 0, "");
    assert_true(early.open);
    assert_false(late.open);
    driver_flush(w.driver);
    driver_appended(w.driver, 0, "");
    assert_true(late.open);
    world_close(&w);
}

/* A transaction that is durable and has a call out. */
static void begin_old(struct world *w, struct asker *a) {
    submit(w, a, "old", SLICE_NONE);
    driver_flush(w->driver);
    driver_appended(w->driver, 0, "");
    assert_true(a->open);
    assert_int_equal(w->call_count, 1);
}

static void offer_again(struct world *w, int code) {
    size_t appends = w->appends;
    w->now_ms = driver_due(w->driver);
    driver_flush(w->driver);
    assert_int_equal(w->appends, appends + 1);
    driver_appended(w->driver, code, "");
}

static void what_is_old_is_offered_again_unchanged(void **state) {
    struct world w;
    struct asker old, question;
    char before[64];
    (void)state;
    world_open(&w);
    begin_old(&w, &old);
    done(&w, &w.calls[0]);
    show(&w, &question, "old");
    driver_flush(w.driver);
    memcpy(before, w.batch, sizeof before);
    size_t length = w.batch_length;
    driver_appended(w.driver, ERR_SPACE, "no space");
    assert_int_equal(driver_admission(w.driver), DRIVER_NO_SPACE);
    assert_true(driver_due(w.driver) > w.now_ms);
    driver_flush(w.driver);
    assert_int_equal(w.appends, 2);
    for (int tries = 0; tries < 3; tries++) {
        offer_again(&w, tries % 2 == 0 ? ERR_SPACE : ERR_UNKNOWN);
        assert_true(w.appended == 9);
        assert_int_equal(w.batch_length, length);
        assert_memory_equal(before, w.batch, length < sizeof before ? length : sizeof before);
        assert_false(question.open);
    }
    assert_int_equal(w.taken_back_count, 0);
    assert_true(driver_stuck_ms(w.driver) > 0);
    offer_again(&w, 0);
    assert_true(question.open);
    assert_false(question.taken_back);
    assert_int_equal(driver_admission(w.driver), DRIVER_ADMITS);
    assert_int_equal(w.stopped, 0);
    world_close(&w);
}

static void what_is_new_is_taken_back(void **state) {
    struct world w;
    struct asker old, a, b, repeat, other, question, again;
    (void)state;
    world_open(&w);
    begin_old(&w, &old);
    submit(&w, &a, "a", SLICE_NONE);
    done(&w, &w.calls[0]);
    driver_flush(w.driver);
    size_t length = w.batch_length;
    /* The turn that gathers has more of it, and something new of its own. */
    submit(&w, &repeat, "a", SLICE_NONE);
    submit(&w, &b, "b", SLICE_NONE);
    show(&w, &question, "a");
    show(&w, &other, "old");
    prepare(&w, &again, EVENT_SUSPEND, "a");
    driver_ask(w.driver, &again.ask);
    driver_appended(w.driver, ERR_SPACE, "no space");
    assert_true(a.taken_back);
    assert_true(repeat.taken_back);
    assert_true(b.taken_back);
    assert_true(question.taken_back);
    assert_true(again.taken_back);
    assert_false(other.taken_back);
    assert_true(is_taken_back(&w, &a.seal));
    assert_true(is_taken_back(&w, &b.seal));
    assert_false(is_taken_back(&w, &old.seal));
    assert_null(engine_find(w.engine, STORED_TRANSACTION, SLICE("default"), SLICE("a")));
    /* The rest is saved: what the old one did, and that somebody tried to suspend. */
    offer_again(&w, ERR_SPACE);
    assert_true(w.batch_length > 0);
    assert_true(w.batch_length < length);
    offer_again(&w, 0);
    driver_flush(w.driver);
    driver_appended(w.driver, 0, "");
    assert_true(other.open);
    assert_int_equal(w.call_count, 1); /* nothing of the new ones was called */
    assert_true(driver_idle(w.driver));
    /* And may be asked for again, as anything: the history is asked first, for the filter knows the gid. */
    submit(&w, &a, "a", SLICE("{}"));
    driver_found(w.driver, w.loading, ERR_NOT_FOUND, SLICE_NONE);
    assert_int_equal(a.reply, REPLY_ACCEPTED);
    assert_false(is_taken_back(&w, &a.seal));
    driver_flush(w.driver);
    driver_appended(w.driver, 0, "");
    assert_true(a.open);
    assert_int_equal(w.call_count, 2);
    world_close(&w);
}

/* With nothing left the batch is offered all the same: that is how the driver learns that there is room. */
static void an_empty_batch_finds_out_that_there_is_room(void **state) {
    struct world w;
    struct asker a;
    (void)state;
    world_open(&w);
    submit(&w, &a, "a", SLICE_NONE);
    driver_flush(w.driver);
    driver_appended(w.driver, ERR_SPACE, "no space");
    assert_true(a.taken_back);
    offer_again(&w, ERR_SPACE);
    assert_int_equal(w.batch_length, 0);
    assert_int_equal(driver_admission(w.driver), DRIVER_NO_SPACE);
    offer_again(&w, 0);
    assert_true(w.appended == 8);
    assert_int_equal(driver_admission(w.driver), DRIVER_ADMITS);
    assert_true(driver_idle(w.driver));
    world_close(&w);
}

static void a_batch_that_may_be_there_is_never_changed(void **state) {
    struct world w;
    struct asker a, b;
    (void)state;
    world_open(&w);
    submit(&w, &a, "a", SLICE_NONE);
    driver_flush(w.driver);
    size_t length = w.batch_length;
    driver_appended(w.driver, ERR_UNKNOWN, "no answer");
    submit(&w, &b, "b", SLICE_NONE);
    offer_again(&w, ERR_SPACE);
    assert_false(a.taken_back);
    assert_true(b.taken_back); /* it was never offered */
    offer_again(&w, 0);
    assert_int_equal(w.batch_length, length);
    assert_true(a.open);
    assert_int_equal(w.call_count, 1);
    /* The next batch has no such past. */
    submit(&w, &b, "c", SLICE_NONE);
    driver_flush(w.driver);
    driver_appended(w.driver, ERR_SPACE, "no space");
    assert_true(b.taken_back);
    world_close(&w);
}

static void said_stuck(struct driver_seal *seal) {
    CHAIN_OWNER(seal, struct asker, seal)->answered = false;
}

static void who_waits_for_a_full_disk_can_be_told(void **state) {
    struct world w;
    struct asker old, a, b;
    (void)state;
    world_open(&w);
    begin_old(&w, &old);
    prepare(&w, &a, EVENT_SUSPEND, "old");
    driver_ask(w.driver, &a.ask);
    driver_flush(w.driver);
    driver_appended(w.driver, ERR_SPACE, "no space");
    show(&w, &b, "old");
    a.seal.stuck = said_stuck;
    driver_release_stuck(w.driver);
    assert_false(a.answered);
    assert_true(b.answered); /* it has nothing else to say */
    assert_false(b.open);
    offer_again(&w, 0);
    assert_false(a.open);
    assert_true(b.open);
    assert_true(engine_find(w.engine, STORED_TRANSACTION, SLICE("default"), SLICE("old"))
                    ->suspended); /* done all the same */
    world_close(&w);
}

static void a_failed_sync_stops_everything(void **state) {
    static const int codes[] = { ERR_IO, ERR_FENCED, ERR_CORRUPT };
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct world w;
        struct asker a, b;
        world_open(&w);
        submit(&w, &a, "a", SLICE_NONE);
        driver_flush(w.driver);
        submit(&w, &b, "b", SLICE_NONE);
        driver_appended(w.driver, codes[i], "disk");
        assert_int_equal(w.stopped, codes[i]);
        driver_flush(w.driver);
        assert_int_equal(w.appends, 1);
        assert_false(a.open);
        assert_false(b.open);
        assert_int_equal(w.call_count, 0);
        assert_int_equal(driver_admission(w.driver), DRIVER_STOPPING);
        world_close(&w);
    }
}

static void outcomes_make_the_next_turn_and_end_the_story(void **state) {
    struct world w;
    struct asker a, b;
    (void)state;
    world_open(&w);
    submit(&w, &a, "a", SLICE_NONE);
    driver_flush(w.driver);
    driver_appended(w.driver, 0, "");
    done(&w, &w.calls[0]);
    show(&w, &b, "a");
    driver_flush(w.driver);
    assert_int_equal(w.appends, 2);
    assert_false(b.open);
    driver_appended(w.driver, 0, "");
    assert_true(b.open);
    assert_true(engine_find(w.engine, STORED_TRANSACTION, SLICE("default"), SLICE("a"))->status ==
                STATUS_COMMITTED);
    world_close(&w);
}

/* The gid was seen before and is not in memory: the history is asked before anything is decided. */
static void the_history_is_asked(void **state) {
    struct world w;
    struct asker a, b;
    (void)state;
    world_open(&w);
    uint64_t hash = 0;
    submit(&w, &a, "old", SLICE_NONE);
    driver_flush(w.driver);
    driver_appended(w.driver, 0, "");
    done(&w, &w.calls[0]);
    driver_flush(w.driver);
    driver_appended(w.driver, 0, "");
    struct arena arena;
    struct stored_row rows[4];
    arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(engine_fold(w.engine, 0, rows, 4, 1 << 20, &arena), 1);
    hash = rows[0].key_hash;
    assert_true(hash != 0);
    struct slice image = SLICE_NONE;
    assert_int_equal(arena_copy(&arena, rows[0].image, &image), 0);
    engine_folded(w.engine);
    assert_null(engine_find(w.engine, STORED_TRANSACTION, SLICE("default"), SLICE("old")));
    show(&w, &b, "old");
    assert_non_null(w.loading);
    assert_false(b.answered);
    struct driver_load *load = w.loading;
    w.loading = NULL;
    driver_found(w.driver, load, 0, image);
    assert_true(b.answered);
    assert_int_equal(b.reply, REPLY_STATE);
    driver_flush(w.driver);
    assert_true(b.open);
    /* It was purged meanwhile. */
    show(&w, &b, "old");
    load = w.loading;
    w.loading = NULL;
    driver_found(w.driver, load, ERR_NOT_FOUND, SLICE_NONE);
    assert_int_equal(b.reply, REPLY_NOT_FOUND);
    driver_flush(w.driver);
    /* The history has too much to do. */
    show(&w, &b, "old");
    load = w.loading;
    w.loading = NULL;
    driver_found(w.driver, load, ERR_AGAIN, SLICE_NONE);
    assert_int_equal(b.reply, 255);
    driver_flush(w.driver);
    /* The asker leaves while the history is asked. */
    show(&w, &b, "old");
    load = w.loading;
    w.loading = NULL;
    driver_forget(w.driver, &b.ask);
    driver_found(w.driver, load, 0, image);
    assert_false(b.answered);
    assert_int_equal(w.stopped, 0);
    /* The history is damaged. */
    show(&w, &b, "old");
    driver_found(w.driver, w.loading, ERR_CORRUPT, SLICE_NONE);
    assert_int_equal(w.stopped, ERR_CORRUPT);
    arena_done(&arena);
    world_close(&w);
}

static void what_does_not_fit_goes_with_the_next_turn(void **state) {
    enum { COUNT = 30, BYTES = 250 * 1024 };
    struct world w;
    static struct asker askers[COUNT];
    char *payload = malloc(BYTES);
    size_t open = 0;
    (void)state;
    assert_non_null(payload);
    memset(payload, 'x', BYTES);
    world_open(&w);
    for (int i = 0; i < COUNT; i++) {
        char gid[16];
        snprintf(gid, sizeof gid, "t%d", i);
        submit(&w, &askers[i], gid, slice_of(payload, BYTES));
    }
    assert_false(askers[COUNT - 1].answered);
    for (int round = 0; round < 10 && open < COUNT; round++) {
        w.now_ms += 2; /* a turn may gather a little when there is much to do */
        driver_flush(w.driver);
        assert_in_range(w.batch_length, 1, LIMIT_TURN_BYTES + BYTES);
        driver_appended(w.driver, 0, "");
        open = 0;
        for (int i = 0; i < COUNT; i++)
            open += askers[i].open;
    }
    assert_int_equal(open, COUNT);
    assert_in_range(w.appends, 2, 5);
    assert_int_equal(w.call_count, COUNT);
    free(payload);
    world_close(&w);
}

/* Who found the turn full is not left waiting for a disk that has no room: the turn has some now. */
static void what_did_not_fit_is_taken_back_too(void **state) {
    enum { COUNT = 40, BYTES = 250 * 1024 };
    struct world w;
    static struct asker askers[COUNT];
    char *payload = malloc(BYTES);
    size_t told = 0;
    (void)state;
    assert_non_null(payload);
    memset(payload, 'x', BYTES);
    world_open(&w);
    for (int i = 0; i < COUNT; i++) {
        char gid[16];
        snprintf(gid, sizeof gid, "t%d", i);
        submit(&w, &askers[i], gid, slice_of(payload, BYTES));
        if (i == 0)
            driver_flush(w.driver);
    }
    assert_false(askers[COUNT - 1].answered);
    driver_appended(w.driver, ERR_SPACE, "no space");
    for (int round = 0; round < 10 && told < COUNT; round++) {
        offer_again(&w, ERR_SPACE);
        told = 0;
        for (int i = 0; i < COUNT; i++)
            told += askers[i].taken_back;
    }
    assert_int_equal(told, COUNT);
    offer_again(&w, 0);
    assert_true(driver_idle(w.driver));
    assert_int_equal(w.call_count, 0);
    free(payload);
    world_close(&w);
}

/* A full turn behind a slow disk: due work cannot be done before the next one, so it asks for no round. */
static void due_work_waits_for_a_turn_with_room(void **state) {
    /* Together just under a turn: a few deadlines fit behind them, not all. */
    enum { COUNT = 11, BYTES = 256000, LAST_BYTES = 1311000 };
    struct world w;
    struct asker first, last;
    static struct asker askers[COUNT];
    char *payload = malloc(LAST_BYTES);
    (void)state;
    assert_non_null(payload);
    memset(payload, 'x', LAST_BYTES);
    world_open(&w);
    submit(&w, &first, "first", SLICE_NONE);
    driver_flush(w.driver);
    for (int i = 0; i < COUNT; i++) {
        char gid[16];
        snprintf(gid, sizeof gid, "t%d", i);
        submit(&w, &askers[i], gid, slice_of(payload, BYTES));
    }
    submit(&w, &last, "last", slice_of(payload, LAST_BYTES));
    assert_true(last.answered);
    w.now_ms = driver_due(w.driver); /* the deadlines are due */
    driver_flush(w.driver);
    assert_true(driver_due(w.driver) == UINT64_MAX);
    driver_appended(w.driver, 0, "");
    driver_flush(w.driver);
    assert_int_equal(w.appends, 2);
    assert_true(driver_due(w.driver) <= w.now_ms);
    driver_flush(w.driver);
    assert_true(driver_due(w.driver) > w.now_ms);
    free(payload);
    world_close(&w);
}

/* What the store still answers while the daemon ends lets nothing out: there is no sink any more. */
static void nothing_leaves_once_abandoned(void **state) {
    struct world w;
    struct asker a;
    (void)state;
    world_open(&w);
    submit(&w, &a, "a", SLICE_NONE);
    driver_flush(w.driver);
    assert_false(driver_is_refused(w.driver));
    driver_appended(w.driver, ERR_SPACE, "no space");
    assert_true(driver_is_refused(w.driver));
    w.now_ms = driver_due(w.driver);
    driver_flush(w.driver);
    assert_false(driver_is_refused(w.driver));
    driver_abandon(w.driver);
    driver_appended(w.driver, 0, "");
    assert_int_equal(w.call_count, 0);
    assert_false(a.open);
    assert_int_equal(w.stopped, 0);
    world_close(&w);
}

static void new_work_waits_for_a_slow_disk(void **state) {
    struct world w;
    static struct asker askers[101];
    struct asker a;
    (void)state;
    world_open(&w);
    assert_int_equal(driver_admission(w.driver), DRIVER_ADMITS);
    submit(&w, &a, "first", SLICE_NONE);
    driver_flush(w.driver);
    w.now_ms += 500;
    assert_int_equal(driver_admission(w.driver), DRIVER_ADMITS);
    w.now_ms += 1;
    assert_int_equal(driver_admission(w.driver), DRIVER_BUSY);
    driver_appended(w.driver, 0, "");
    assert_int_equal(driver_admission(w.driver), DRIVER_ADMITS);
    submit(&w, &askers[0], "s0", SLICE_NONE);
    driver_flush(w.driver);
    for (int i = 1; i < 60; i++) {
        char gid[16];
        snprintf(gid, sizeof gid, "s%d", i);
        submit(&w, &askers[i], gid, SLICE_NONE);
    }
    assert_int_equal(driver_admission(w.driver), DRIVER_BUSY);
    driver_drain(w.driver);
    assert_int_equal(driver_admission(w.driver), DRIVER_STOPPING);
    driver_appended(w.driver, 0, "");
    driver_flush(w.driver);
    assert_false(driver_idle(w.driver));
    driver_appended(w.driver, 0, "");
    assert_true(driver_idle(w.driver));
    world_close(&w);
}

static void sealed_answers_of_those_who_left_are_dropped(void **state) {
    struct world w;
    struct asker a;
    (void)state;
    world_open(&w);
    submit(&w, &a, "a", SLICE_NONE);
    driver_unseal(&a.seal);
    driver_flush(w.driver);
    driver_appended(w.driver, 0, "");
    assert_false(a.open);
    assert_int_equal(w.call_count, 1); /* what was accepted goes on */
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_leaves_before_its_batch_is_durable),
        cmocka_unit_test(one_batch_is_in_flight_and_the_next_gathers),
        cmocka_unit_test(an_answer_without_saves_waits_for_what_it_shows),
        cmocka_unit_test(what_is_old_is_offered_again_unchanged),
        cmocka_unit_test(what_is_new_is_taken_back),
        cmocka_unit_test(an_empty_batch_finds_out_that_there_is_room),
        cmocka_unit_test(a_batch_that_may_be_there_is_never_changed),
        cmocka_unit_test(who_waits_for_a_full_disk_can_be_told),
        cmocka_unit_test(a_failed_sync_stops_everything),
        cmocka_unit_test(outcomes_make_the_next_turn_and_end_the_story),
        cmocka_unit_test(the_history_is_asked),
        cmocka_unit_test(what_does_not_fit_goes_with_the_next_turn),
        cmocka_unit_test(what_did_not_fit_is_taken_back_too),
        cmocka_unit_test(due_work_waits_for_a_turn_with_room),
        cmocka_unit_test(nothing_leaves_once_abandoned),
        cmocka_unit_test(new_work_waits_for_a_slow_disk),
        cmocka_unit_test(sealed_answers_of_those_who_left_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
