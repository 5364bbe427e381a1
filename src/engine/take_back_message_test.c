/* Taking back with messages and notifications: what a transaction made goes or stays with it, and queues are
 * as if it had never stood in them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "engine/engine.h"
#include "model/journal.h"

/* One turn, batch 2. Durable since batch 1: the subscriptions "push" (one at a time, ordered) and "pull",
 * each of the topic of its name, the endpoint "hook", and "old", which its client drives. */
struct bench {
    struct engine *engine;
    struct effects effects;
    struct effects *turn;
    uint64_t now_ms;
};

static const struct engine_options options = {
    .memory_max = 64 << 20,
    .unfinished_max = 100,
    .calls_max = 10,
    .attention_tries = 3,
    .attention_ms = 300000,
    .retain_finished_ms = 1000,
    .retain_failed_ms = 2000,
};

static const struct retry_policy retry = { 100, 200, 1000, 0, GIVE_UP_ROLLBACK };

static void step(struct bench *b, struct event *event) {
    event->now_ms = b->now_ms;
    event->random = b->now_ms;
    event->namespace_name = SLICE("default");
    assert_int_equal(engine_step(b->engine, event, b->turn), 0);
}

static int define(struct bench *b, uint8_t kind, const char *name, const char *url) {
    struct definition d = {
        .kind = kind,
        .name = slice_text(name),
        .source = slice_text(url),
        .outlet = { .topic = slice_text(kind == DEFINITION_SUBSCRIPTION ? name : ""),
                    .url = slice_text(url),
                    .ordered = true,
                    .concurrency = 1,
                    .timeout_ms = 1000,
                    .ack_timeout_ms = 1000,
                    .retry = retry,
                    .refused_topic = SLICE("pull") },
    };
    struct event event = { .kind = EVENT_DEFINE, .definition = &d, .gid = d.name, .who = SLICE("ann") };
    step(b, &event);
    return b->turn->reply.kind;
}

static void submit(struct bench *b, const struct transaction_request *request) {
    struct event event = { .kind = EVENT_SUBMIT, .request = request, .lookup = LOOKUP_ABSENT };
    step(b, &event);
    assert_int_equal(b->turn->reply.kind, REPLY_ACCEPTED);
}

static void message(struct bench *b, const char *id, const char *topic, bool half) {
    struct message_request m = {
        .head = { .topic = slice_text(topic), .key = SLICE("key"), .content_type = SLICE("text/plain") },
        .half = half,
    };
    struct transaction_request request = {
        .namespace_name = SLICE("default"), .gid = slice_text(id), .mode = MODE_MESSAGE, .message = &m
    };
    submit(b, &request);
}

/* A transaction that sends a message to "pull" and a notification to "hook" once it is committed. */
static void sender(struct bench *b, const char *gid) {
    static const uint32_t schedule[] = { 0, 1000 };
    const struct outgoing_request outgoing[] = {
        { .message.head = { .topic = SLICE("pull"), .content_type = SLICE("text/plain") } },
        { .is_notice = true,
          .timeout_ms = 1000,
          .message = { .head = { .topic = SLICE("done"), .content_type = SLICE("text/plain") },
                       .only = SLICE("hook"),
                       .schedule_ms = schedule,
                       .schedule_count = 2 } },
    };
    struct transaction_request request = {
        .namespace_name = SLICE("default"),
        .gid = slice_text(gid),
        .mode = MODE_TCC,
        .drive = DRIVE_CLIENT,
        .deadline_ms = 60000,
        .outgoing = outgoing,
        .outgoing_count = 2,
    };
    submit(b, &request);
}

static void command(struct bench *b, uint8_t kind, uint8_t subject, const char *id, const char *branch) {
    struct event event = {
        .kind = kind,
        .subject = subject,
        .gid = slice_text(id),
        .branch_id = slice_text(branch),
        .who = SLICE("ann"),
        .not_done = kind == EVENT_NACK,
    };
    step(b, &event);
    assert_int_equal(b->turn->reply.kind, REPLY_STATE);
}

static void commit(struct bench *b, const char *gid) {
    command(b, EVENT_COMMIT, STORED_TRANSACTION, gid, "");
}

static size_t pull(struct bench *b) {
    struct event event = { .kind = EVENT_PULL, .gid = SLICE("pull"), .count = 10 };
    step(b, &event);
    assert_int_equal(b->turn->reply.kind, REPLY_PULLED);
    return b->turn->pulled_count;
}

static void durable(struct bench *b, uint64_t batch) {
    engine_durable(b->engine, batch);
    effects_clear(b->turn);
    engine_turn(b->engine, batch + 1);
}

static void bench_open(struct bench *b) {
    memset(b, 0, sizeof *b);
    b->now_ms = 1000;
    b->turn = &b->effects;
    assert_int_equal(engine_new(&b->engine, &options, NULL), 0);
    effects_init(&b->effects, LIMIT_TURN_BUFFER_BYTES);
    engine_recovered(b->engine, b->now_ms);
    engine_turn(b->engine, 1);
    assert_int_equal(define(b, DEFINITION_SUBSCRIPTION, "push", "http://x/push"), REPLY_DEFINED);
    assert_int_equal(define(b, DEFINITION_SUBSCRIPTION, "pull", ""), REPLY_DEFINED);
    assert_int_equal(define(b, DEFINITION_ENDPOINT, "hook", "http://x/hook"), REPLY_DEFINED);
    sender(b, "old");
    durable(b, 1);
}

static void bench_close(struct bench *b) {
    engine_free(b->engine);
    effects_done(&b->effects);
}

static size_t take_back(struct bench *b, uint64_t from) {
    return engine_take_back(b->engine, from, &b->turn, 1).count;
}

/* The turn's entries in short: kind and number of the record. */
static const char *entries_of(struct bench *b) {
    static const char kinds[STORED_KIND_END] = { '?', 't', 'k', 'a', 'm', 'n', 'd' };
    static char said[256];
    struct slice left = buffer_slice(&b->turn->entries);
    size_t length = 0;
    uint32_t count = 0;
    said[0] = '\0';
    while (left.length > 0) {
        struct stored_entry entry;
        assert_int_equal(journal_decode(&left, &entry), 0);
        length +=
            (size_t)snprintf(said + length, sizeof said - length, "%c%u ", kinds[entry.kind], entry.seq);
        count++;
    }
    assert_int_equal(b->turn->entry_count, count);
    return said;
}

static struct engine_figures figures_of(struct bench *b) {
    struct engine_figures figures;
    engine_figures(b->engine, &figures);
    figures.memory_used = 0; /* tables keep what they grew to */
    return figures;
}

static struct channel_figures channel_of(struct bench *b, uint8_t kind, const char *name) {
    struct channel_figures figures;
    engine_channel_figures(engine_channel(b->engine, kind, slice_text(name)), &figures);
    return figures;
}

/* Messages, notifications: how many are in memory. */
static size_t count_of(struct bench *b, uint8_t kind) {
    size_t count = 0;
    uint64_t before = UINT64_MAX;
    for (const struct transaction *t; (t = engine_walk(b->engine, kind, before, false)) != NULL;
         before = t->id)
        count++;
    return count;
}

static void what_is_sent_goes_with_its_sender(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    struct engine_figures before = figures_of(&b);
    sender(&b, "new");
    commit(&b, "new");
    assert_string_equal(entries_of(&b), "t1 t2 m1 m2 m3 t3 n1 n2 t4 t5 n3 ");
    assert_int_equal(b.turn->call_count, 1);
    assert_int_equal(take_back(&b, 2), 3);
    assert_string_equal(entries_of(&b), "");
    assert_int_equal(b.turn->call_count, 0);
    struct engine_figures after = figures_of(&b);
    before.submitted++;
    before.published++;
    before.notified++;
    before.taken_back[STORED_TRANSACTION]++;
    before.taken_back[STORED_MESSAGE]++;
    before.taken_back[STORED_NOTICE]++;
    before.attempts++;
    before.finished[STATUS_COMMITTED]++;
    assert_memory_equal(&after, &before, sizeof after);
    assert_int_equal(channel_of(&b, DEFINITION_SUBSCRIPTION, "pull").owed, 0);
    assert_int_equal(channel_of(&b, DEFINITION_ENDPOINT, "hook").owed, 0);
    assert_int_equal(channel_of(&b, DEFINITION_ENDPOINT, "hook").out, 0);
    bench_close(&b);
}

/* Also between others of the same batch that go. */
static void what_an_older_one_sends_stays(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    sender(&b, "new");
    commit(&b, "old");
    message(&b, "msg-new", "pull", false);
    commit(&b, "new");
    assert_int_equal(count_of(&b, STORED_MESSAGE), 3);
    assert_int_equal(count_of(&b, STORED_NOTICE), 2);
    assert_int_equal(take_back(&b, 2), 4);
    assert_string_equal(entries_of(&b), "t2 m1 m2 m3 t3 n1 n2 t4 t5 n3 ");
    assert_int_equal(b.turn->call_count, 1); /* the notification */
    assert_int_equal(count_of(&b, STORED_MESSAGE), 1);
    assert_int_equal(count_of(&b, STORED_NOTICE), 1);
    /* It goes back to a durable request, so a consumer may have it, and a later refusal leaves it alone. */
    assert_int_equal(pull(&b), 1);
    assert_int_equal(take_back(&b, 2), 0);
    durable(&b, 2);
    assert_int_equal(channel_of(&b, DEFINITION_SUBSCRIPTION, "pull").out, 1);
    assert_int_equal(channel_of(&b, DEFINITION_ENDPOINT, "hook").out, 1);
    bench_close(&b);
}

/* Whom it goes back to counts, not when it was made. */
static void what_is_made_behind_a_durable_request_stays(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    sender(&b, "first");
    engine_turn(b.engine, 3); /* batch 2 is in flight */
    sender(&b, "second");
    commit(&b, "first");
    commit(&b, "second");
    assert_int_equal(take_back(&b, 3), 3);
    assert_int_equal(count_of(&b, STORED_MESSAGE), 1);
    assert_int_equal(take_back(&b, 2), 3); /* "first" and what it sent */
    assert_int_equal(count_of(&b, STORED_MESSAGE) + count_of(&b, STORED_NOTICE), 0);
    bench_close(&b);
}

/* A consumer that refuses a message which was taken back has refused nothing: the refusal goes, too. */
static void commands_on_it_go_with_it(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    message(&b, "msg-durable", "pull", false);
    durable(&b, 2);
    message(&b, "msg-new", "pull", false);
    command(&b, EVENT_NACK, STORED_MESSAGE, "msg-new", "pull");
    command(&b, EVENT_NACK, STORED_MESSAGE, "msg-durable", "pull");
    assert_int_equal(count_of(&b, STORED_MESSAGE), 4);
    assert_int_equal(take_back(&b, 3), 2);
    assert_int_equal(count_of(&b, STORED_MESSAGE), 2); /* the durable one and its refusal */
    bench_close(&b);
}

static void definitions_stay(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    assert_int_equal(define(&b, DEFINITION_SUBSCRIPTION, "late", "http://x/late"), REPLY_DEFINED);
    message(&b, "msg-new", "late", false);
    struct event event = { .kind = EVENT_UNDEFINE,
                           .definition_kind = DEFINITION_SUBSCRIPTION,
                           .gid = SLICE("late") };
    step(&b, &event);
    assert_int_equal(b.turn->reply.kind, REPLY_NOT_ALLOWED);
    assert_string_equal(entries_of(&b), "d1 a1 m1 m2 m3 ");
    assert_int_equal(take_back(&b, 2), 1);
    assert_string_equal(entries_of(&b), "d1 a1 ");
    step(&b, &event); /* nothing is owed to it any more */
    assert_int_equal(b.turn->reply.kind, REPLY_DEFINED);
    bench_close(&b);
}

/* What stood behind it is first now, and has room. */
static void the_queue_moves_up(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    message(&b, "msg-half", "push", true);
    durable(&b, 2);
    message(&b, "msg-new", "push", false);
    command(&b, EVENT_COMMIT, STORED_MESSAGE, "msg-half", "");
    assert_int_equal(b.turn->call_count, 1);
    assert_true(slice_is(b.turn->calls[0].gid, "msg-new"));
    assert_true(engine_due(b.engine) > b.now_ms);
    assert_int_equal(take_back(&b, 3), 1);
    assert_int_equal(b.turn->call_count, 0);
    assert_int_equal(channel_of(&b, DEFINITION_SUBSCRIPTION, "push").out, 0);
    assert_int_equal(channel_of(&b, DEFINITION_SUBSCRIPTION, "push").ready, 1);
    assert_true(engine_due(b.engine) <= b.now_ms);
    struct event event = { .kind = EVENT_TICK };
    step(&b, &event);
    assert_int_equal(b.turn->call_count, 1);
    assert_true(slice_is(b.turn->calls[0].gid, "msg-half"));
    assert_true(slice_is(b.turn->calls[0].message->topic, "push"));
    bench_close(&b);
}

static void figures_of_messages_come_back(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    message(&b, "msg-half", "push", true);
    struct engine_figures before = figures_of(&b);
    durable(&b, 2);
    message(&b, "msg-half-2", "push", true);
    message(&b, "msg-sent", "push", false);
    message(&b, "msg-to-nobody", "nothing", false);
    struct engine_figures meanwhile = figures_of(&b);
    assert_int_equal(meanwhile.half, before.half + 1);
    assert_int_equal(meanwhile.messages, before.messages + 2);
    assert_int_equal(take_back(&b, 3), 3);
    struct engine_figures after = figures_of(&b);
    before.published += 3;
    before.taken_back[STORED_MESSAGE] += 3;
    before.attempts++;
    assert_memory_equal(&after, &before, sizeof after);
    bench_close(&b);
}

static void a_consumer_gets_what_is_durable(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b);
    message(&b, "msg-1", "pull", false);
    assert_int_equal(pull(&b), 0);
    durable(&b, 2);
    message(&b, "msg-2", "pull", false);
    assert_int_equal(pull(&b), 1);
    assert_true(slice_is(b.turn->pulled[0].transaction->gid, "msg-1"));
    assert_int_equal(take_back(&b, 3), 1);
    assert_int_equal(channel_of(&b, DEFINITION_SUBSCRIPTION, "pull").out, 1);
    bench_close(&b);
}

static void memory_comes_back(void **state) {
    struct bench b;
    struct engine_figures first, last;
    char id[16];
    (void)state;
    bench_open(&b);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 20; i++) {
            snprintf(id, sizeof id, "g%d", i);
            message(&b, id, i % 2 == 0 ? "push" : "pull", false);
        }
        sender(&b, "new");
        commit(&b, "new");
        assert_int_equal(take_back(&b, 2), 23);
        engine_figures(b.engine, round == 0 ? &first : &last);
        assert_int_equal(b.turn->entry_count + b.turn->call_count, 0);
    }
    assert_true(last.memory_used == first.memory_used);
    bench_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_goes_with_its_sender),
        cmocka_unit_test(what_an_older_one_sends_stays),
        cmocka_unit_test(what_is_made_behind_a_durable_request_stays),
        cmocka_unit_test(commands_on_it_go_with_it),
        cmocka_unit_test(definitions_stay),
        cmocka_unit_test(the_queue_moves_up),
        cmocka_unit_test(figures_of_messages_come_back),
        cmocka_unit_test(a_consumer_gets_what_is_durable),
        cmocka_unit_test(memory_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
