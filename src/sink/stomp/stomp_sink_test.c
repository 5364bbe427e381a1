/* R8: the STOMP sink against a broker of our own in the same loop, polite and rude. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "net/certificate_test.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "sink/stomp/stomp_broker_test.h"
#include "sink/stomp/stomp_sink.h"

static const struct stomp_pace quick_pace = { .heart_beat_ms = 200,
                                              .login_ms = 150,
                                              .silence_ms = 200,
                                              .idle_ms = 400,
                                              .pause_first_ms = 10,
                                              .pause_max_ms = 40 };

static struct loop *loop;
static struct sink *sink;
static struct listener *listener;
static struct arena arena;
static struct egress egress;
static struct egress nowhere;
static struct tls *client_tls;

/* What is sent, and what comes back. */
struct post {
    struct call call;
    struct call_message message;
    char id[16];
    size_t outcomes;
    uint8_t verdict;
    char body[420];
};

static struct post posts[BROKER_MESSAGES];
static size_t post_count, outcome_count, done_count;
static struct sink_target target;
static struct slice target_text;
static bool sending;
static size_t resend; /* this many more from inside the outcome */
static size_t secrets;
static int secret_code;
static const char *password;

__attribute__((format(printf, 1, 2))) static void aim(const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_int_equal(arena_copy(&arena, slice_text(text), &target_text), 0);
    assert_int_equal(sink_target_decode(target_text, &arena, &target, NULL), 0);
}

static struct post *new_post(uint32_t timeout_ms) {
    assert_true(post_count < BROKER_MESSAGES);
    struct post *p = &posts[post_count];
    memset(p, 0, sizeof *p);
    snprintf(p->id, sizeof p->id, "m-%zu", post_count);
    p->message = (struct call_message){ .id = slice_text(p->id),
                                        .topic = SLICE("orders"),
                                        .content_type = SLICE("application/json") };
    p->call = (struct call){ .transaction = post_count++,
                             .branch = 2,
                             .role = ROLE_FORWARD,
                             .attempt = 3,
                             .timeout_ms = timeout_ms,
                             .gid = SLICE("g-1"),
                             .branch_id = SLICE("b"),
                             .operation = SLICE("deliver"),
                             .url = target_text,
                             .body = SLICE("{}"),
                             .message = &p->message };
    return p;
}

static void post(struct post *p) {
    sending = true;
    sink->ops->send(sink, &p->call, &target);
    sending = false;
}

static struct post *post_new(uint32_t timeout_ms) {
    struct post *p = new_post(timeout_ms);
    post(p);
    return p;
}

static void on_outcome(void *context, const struct outcome *o) {
    assert_ptr_equal(context, &outcome_count);
    assert_false(sending); /* never from inside send */
    assert_true(o->transaction < post_count);
    struct post *p = &posts[o->transaction];
    assert_int_equal(++p->outcomes, 1);
    assert_int_equal(o->branch, 2);
    assert_int_equal(o->attempt, 3);
    p->verdict = o->verdict;
    snprintf(p->body, sizeof p->body, "%.*s", SLICE_PRINT(o->body));
    outcome_count++;
    done_count += o->verdict == VERDICT_DONE;
    memset(&p->call, 0xee, sizeof p->call); /* nothing is borrowed any longer */
    memset(&p->message, 0xee, sizeof p->message);
    if (resend > 0) {
        resend--;
        post_new(2000);
    }
}

static int on_secret(void *context, struct slice file, struct buffer *to, struct why *why) {
    assert_ptr_equal(context, &outcome_count);
    assert_true(slice_is(file, "/run/secrets/mq"));
    secrets++;
    buffer_clear(to);
    buffer_add_text(to, password);
    return secret_code == 0 ? 0 : why_set(why, secret_code, "%.*s: not for your eyes", SLICE_PRINT(file));
}

static void open_sink(const struct stomp_pace *pace) {
    const struct sink_options o = { .tls = client_tls,
                                    .egress = &egress,
                                    .connect_ms = 300,
                                    .secret = on_secret,
                                    .on_outcome = on_outcome,
                                    .context = &outcome_count };
    assert_int_equal(stomp_sink_open_paced(&sink, loop, &o, pace, NULL), 0);
}

static int open_all(void **state) {
    const struct listener_options l = { .host = "127.0.0.1", .accepted = on_accepted, .max_per_ip = 1000 };
    (void)state;
    memset(&manner, 0, sizeof manner);
    manner.receipts = SIZE_MAX;
    guest_count = open_guests = connects = sends = beats = disconnects = 0;
    post_count = outcome_count = done_count = resend = secrets = 0;
    secret_code = 0;
    password = "se:cret";
    client_tls = NULL;
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(listener_open(&listener, loop, &l, NULL), 0);
    arena_init(&arena, 4096, 1 << 20);
    egress_init(&egress, &arena);
    egress_init(&nowhere, &arena);
    assert_int_equal(egress_allow_loopback(&egress), 0);
    open_sink(&quick_pace);
    aim("stomp://127.0.0.1:%u/?destination=/queue/ship", listener_port(listener));
    return 0;
}

static int close_all(void **state) {
    (void)state;
    sink_close(sink);
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] != NULL)
            connection_close(guests[i]->c);
    listener_close(listener);
    loop_free(loop);
    arena_done(&arena);
    return 0;
}

static void wait_for(size_t count) {
    for (int i = 0; i < 4000 && outcome_count < count; i++)
        loop_run_for(loop, 2);
    assert_int_equal(outcome_count, count);
}

static void expect(const struct post *p, enum verdict verdict, const char *words) {
    if (p->outcomes != 1 || p->verdict != verdict || strstr(p->body, words) == NULL)
        fail_msg("%s: %zu outcomes, verdict %d: %s", p->id, p->outcomes, p->verdict, p->body);
}

static void expect_next(enum verdict verdict, const char *words) {
    const struct post *p = post_new(1000);
    wait_for(outcome_count + 1);
    expect(p, verdict, words);
}

static void expect_in_order(size_t from, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(order[from + i], from + i);
}

/* The tests. */

static void a_receipt_is_done(void **state) {
    (void)state;
    aim("stomp://settle@127.0.0.1:%u/?destination=/queue/ship&password_file=/run/secrets/mq&vhost=shop",
        listener_port(listener));
    struct post *p = new_post(1000);
    p->message.key = SLICE("order:17");
    post(p);
    wait_for(1);
    expect(p, VERDICT_DONE, "");
    assert_string_equal(p->body, "");
    assert_string_equal(last_connect, "[accept-version=1.2][host=shop][login=settle][passcode=se:cret]"
                                      "[heart-beat=200,200] {0}");
    assert_string_equal(last_send, "[destination=/queue/ship][receipt=1][persistent=true]"
                                   "[content-type=application/json][content-length=2][settle-id=m-0]"
                                   "[settle-topic=orders][settle-key=order:17][settle-gid=g-1] {2}");
    expect_next(VERDICT_DONE, "");
    assert_int_equal(connects, 1);
    assert_int_equal(secrets, 1);
}

static void headers_are_escaped_and_fenced(void **state) {
    (void)state;
    static const struct label headers[] = {
        { SLICE("tenant:a"), SLICE("line\none\\two:three\r") },
        { SLICE("Destination"), SLICE("/queue/elsewhere") },
        { SLICE("receipt"), SLICE("999") },
        { SLICE("Settle-Id"), SLICE("m-forged") },
        { SLICE("AMQ_SCHEDULED_DELAY"), SLICE("60000") },
        { SLICE("x-message-ttl"), SLICE("1") },
        { SLICE("correlation-id"), SLICE("c-1") },
        { SLICE("x-request-id"), SLICE("r-1") },
        { SLICE("empty"), SLICE("") },
        { SLICE(""), SLICE("no name") },
        { SLICE("bad\nname"), SLICE("x") },
        { SLICE("nul"), SLICE("a\0b") },
        { SLICE("latin"), SLICE("\xe4") },
        { SLICE("snow"), SLICE("\xe2\x98\x83") },
    };
    aim("stomp://127.0.0.1:%u/?destination=/queue/a%%5Cb%%20c&persistent=false", listener_port(listener));
    struct post *p = new_post(1000);
    p->message.headers = headers;
    p->message.header_count = sizeof headers / sizeof headers[0];
    post(p);
    wait_for(1);
    expect(p, VERDICT_DONE, "");
    assert_string_equal(
        last_send, "[destination=/queue/a\\b c][receipt=1][content-type=application/json][content-length=2]"
                   "[settle-id=m-0][settle-topic=orders][settle-gid=g-1]"
                   "[tenant:a=line\none\\two:three\r][header-Destination=/queue/elsewhere]"
                   "[header-receipt=999][header-Settle-Id=m-forged][header-AMQ_SCHEDULED_DELAY=60000]"
                   "[header-x-message-ttl=1][correlation-id=c-1][x-request-id=r-1][empty=]"
                   "[snow=\xe2\x98\x83] {2}");
}

static void ten_thousand_keep_their_order(void **state) {
    (void)state;
    for (int i = 0; i < 9000; i++)
        post_new(20000);
    resend = 1000;
    wait_for(10000);
    assert_int_equal(done_count, 10000);
    assert_int_equal(sends, 10000);
    assert_int_equal(connects, 1);
    expect_in_order(0, 10000);
}

static void receipts_come_in_any_order(void **state) {
    (void)state;
    manner.backwards = true;
    for (int i = 0; i < 3000; i++)
        post_new(5000);
    wait_for(3000);
    assert_int_equal(done_count, 3000);
    assert_int_equal(sends, 3000);
    expect_in_order(0, 3000);
}

static void large_and_impossible_messages(void **state) {
    (void)state;
    static char body[LIMIT_BRANCH_PAYLOAD_BYTES];
    static char long_value[65536];
    memset(body, 'x', sizeof body);
    memset(long_value, 'y', sizeof long_value);
    const struct label big = { SLICE("big"), slice_of(long_value, sizeof long_value) };
    const struct label nearly = { SLICE("big"), slice_of(long_value, 15000) };
    for (int i = 0; i < 30; i++) {
        struct post *p = new_post(5000);
        p->call.body = i % 3 == 0   ? slice_of(body, sizeof body)
                       : i % 3 == 1 ? slice_of(body, 20000)
                                    : SLICE_NONE;
        p->message.headers = &nearly;
        p->message.header_count = i % 2 == 0;
        if (i == 7) {
            p->message.headers = &big;
            p->message.header_count = 1;
        }
        if (i == 8)
            p->message.id = SLICE("m-\0");
        post(p);
    }
    wait_for(30);
    expect(&posts[7], VERDICT_NOT_SENT, "65536 bytes of headers");
    expect(&posts[8], VERDICT_NOT_SENT, "invalid value");
    assert_int_equal(done_count, 28);
    assert_int_equal(sends, 28);
}

static void no_receipt_is_unknown(void **state) {
    (void)state;
    manner.receipts = 1;
    const struct post *first = post_new(1000);
    const struct post *second = post_new(60);
    const struct post *third = post_new(3000);
    wait_for(2);
    expect(first, VERDICT_DONE, "");
    expect(second, VERDICT_UNKNOWN, "no receipt from the broker within 60 ms");
    assert_int_equal(third->outcomes, 0);
    /* the late ones: nobody waits for number 2, and twice does no harm */
    say(guests[0], "RECEIPT\nreceipt-id:2\n\n");
    say(guests[0], "RECEIPT\nreceipt-id:2\n\n");
    say(guests[0], "RECEIPT\nreceipt-id:1\n\n");
    say(guests[0], "RECEIPT\nreceipt-id:3\n\n");
    wait_for(3);
    expect(third, VERDICT_DONE, "");
    manner.receipts = 1;
    expect_next(VERDICT_DONE, "");
    assert_int_equal(connects, 1);
}

static void a_slow_broker_gets_a_window(void **state) {
    (void)state;
    manner.receipts = 0;
    manner.connected = "CONNECTED\nversion:1.2\nheart-beat:100,100\n\n"; /* slow, but alive */
    manner.beats = true;
    for (int i = 0; i < 1500; i++)
        post_new(i < 1000 ? 400 : i < 1400 ? 150 : 3000);
    wait_for(400);
    assert_int_equal(sends, STOMP_WINDOW);
    for (int i = 1000; i < 1400; i++)
        expect(&posts[i], VERDICT_NOT_SENT, "have no receipt yet, so it was not sent within 150 ms");
    manner.receipts = SIZE_MAX;
    wait_for(1500); /* all of the window withdrawn: a new connection takes the rest */
    for (int i = 0; i < 1000; i++)
        expect(&posts[i], VERDICT_UNKNOWN, "no receipt");
    for (int i = 1400; i < 1500; i++)
        expect(&posts[i], VERDICT_DONE, "");
    assert_int_equal(connects, 2);
}

static void an_error_names_its_message(void **state) {
    (void)state;
    manner.receipts = 1;
    const struct post *before = post_new(1000);
    const struct post *beside = post_new(1000);
    loop_run_for(loop, 30);
    manner.names = true;
    manner.say = "ERROR\nreceipt-id:@\nmessage:no such\\cqueue\n\nno such queue: ship\nat x.java\n";
    const struct post *refused = post_new(1000);
    wait_for(3);
    expect(before, VERDICT_DONE, "");
    expect(beside, VERDICT_UNKNOWN, "over another message, before a receipt for this one: no such:queue");
    expect(refused, VERDICT_UNKNOWN, "the broker refused this message: no such:queue: no such queue: ship");
    manner.receipts = 1;
    expect_next(VERDICT_DONE, "");
    assert_int_equal(connects, 2);
    assert_int_equal(sends, 4);
}

static void an_error_without_a_name(void **state) {
    (void)state;
    manner.receipts = 0;
    post_new(1000);
    loop_run_for(loop, 30);
    manner.say =
        "ERROR\nmessage:not_found\ncontent-length:46\n\nNOT_FOUND - no exchange 'nowhere' in vhost '/'";
    post_new(1000);
    wait_for(2);
    for (int i = 0; i < 2; i++)
        expect(&posts[i], VERDICT_UNKNOWN,
               "a message that it did not name, before a receipt for this one: not_found: NOT_FOUND - no "
               "exchange");
    manner.receipts = 1;
    expect_next(VERDICT_DONE, "");
}

static void a_cut_connection(void **state) {
    (void)state;
    manner.say = "";
    manner.hang_up = true;
    const struct post *cut = post_new(1000);
    wait_for(1);
    expect(cut, VERDICT_UNKNOWN, "broke before a receipt for this message: closed by the other side");
    assert_int_equal(sends, 1);
    expect_next(VERDICT_DONE, "");
    /* cut while nothing is under way: what comes next does not notice */
    connection_close(guests[1]->c);
    loop_run_for(loop, 50);
    expect_next(VERDICT_DONE, "");
    assert_int_equal(connects, 3);
    assert_int_equal(sends, 3);
}

static void cut_before_the_login_is_answered(void **state) {
    (void)state;
    manner.connected = "";
    const struct post *p = post_new(1000);
    for (int i = 0; i < 200 && connects == 0; i++)
        loop_run_for(loop, 1);
    connection_close(guests[0]->c);
    wait_for(1);
    expect(p, VERDICT_NOT_SENT, "closed the connection before it answered CONNECT");
    expect_next(VERDICT_NOT_SENT, "did not answer CONNECT within 150 ms");
    assert_int_equal(sends, 0);
    manner.connected = NULL;
    expect_next(VERDICT_DONE, "");
}

static void a_wrong_login(void **state) {
    (void)state;
    manner.connected = "ERROR\nmessage:Bad CONNECT\ncontent-length:32\n\nAccess refused for user 'guest'\n";
    expect_next(VERDICT_UNKNOWN, "127.0.0.1 refused the login: Bad CONNECT: Access refused for user 'guest'");
    /* The pauses get longer: 10, 20, 40, 40 ms, so 30 calls at once cost one login, and time costs few. */
    for (int i = 0; i < 30; i++)
        post_new(1000);
    wait_for(31);
    assert_int_equal(connects, 2);
    for (int i = 0; i < 10; i++)
        expect_next(VERDICT_UNKNOWN, "refused the login");
    assert_int_equal(connects, 12);
    assert_int_equal(sends, 0);
    manner.connected = NULL;
    expect_next(VERDICT_DONE, "");
}

static void a_receipt_makes_pauses_short_again(void **state) {
    (void)state;
    struct stomp_pace patient = quick_pace;
    patient.pause_max_ms = 10000;
    sink_close(sink);
    open_sink(&patient);
    manner.connected = "ERROR\n\nno\n";
    for (int i = 0; i < 6; i++)
        expect_next(VERDICT_UNKNOWN, "refused the login"); /* 10, 20, 40, 80, 160, then 320 ms */
    manner.connected = NULL;
    expect_next(VERDICT_DONE, "");
    connection_close(guests[6]->c);
    manner.connected = "ERROR\n\nno\n";
    loop_run_for(loop, 30);
    post_new(300); /* twice: the pause after the cut, and after the refusal */
    wait_for(8);
    expect(&posts[7], VERDICT_UNKNOWN, "refused the login");
    post_new(300);
    wait_for(9);
    expect(&posts[8], VERDICT_UNKNOWN, "refused the login");
}

static void secrets_that_cannot_be_had(void **state) {
    (void)state;
    aim("stomp://settle@127.0.0.1:%u/?destination=/queue/ship&password_file=/run/secrets/mq",
        listener_port(listener));
    secret_code = ERR_DENIED;
    expect_next(VERDICT_NOT_SENT, "/run/secrets/mq: not for your eyes");
    secret_code = 0;
    password = "two\nlines";
    expect_next(VERDICT_NOT_SENT, "the password has a line end or a NUL inside");
    assert_int_equal(connects, 0);
    password = "";
    expect_next(VERDICT_DONE, "");
    assert_int_equal(secrets, 3);
}

static void the_next_host_is_tried(void **state) {
    (void)state;
    struct listener *closed;
    const struct listener_options l = { .host = "127.0.0.1", .accepted = on_accepted };
    assert_int_equal(listener_open(&closed, loop, &l, NULL), 0);
    unsigned gone = listener_port(closed);
    listener_close(closed);
    loop_run_for(loop, 10);
    aim("stomp://10.1.2.3:1,127.0.0.1:%u,127.0.0.1:%u/?destination=/queue/ship", gone,
        listener_port(listener));
    expect_next(VERDICT_DONE, "");
    assert_int_equal(connects, 1);
    aim("stomp://10.1.2.3:1,127.0.0.1:%u/?destination=/queue/ship", gone);
    expect_next(VERDICT_NOT_SENT, "connection refused");
    const struct post *p = post_new(5); /* in the pause */
    wait_for(3);
    assert_int_equal(p->verdict, VERDICT_NOT_SENT);
}

static void egress_is_asked(void **state) {
    (void)state;
    aim("stomp://10.1.2.3:61613,10.1.2.4/?destination=/queue/ship");
    expect_next(VERDICT_FORBIDDEN, "egress");
    aim("stomp://127.0.0.1:%u/?destination=/queue/ship", listener_port(listener));
    expect_next(VERDICT_DONE, "");
    /* New rules: what is under way comes to its end, the rest is judged anew. */
    manner.receipts = 0;
    const struct post *under_way = post_new(1000);
    loop_run_for(loop, 30);
    assert_int_equal(sends, 2);
    sink->ops->set_egress(sink, &nowhere);
    const struct post *after = post_new(1000);
    loop_run_for(loop, 30);
    assert_int_equal(outcome_count, 2);
    say(guests[0], "RECEIPT\nreceipt-id:2\n\n");
    wait_for(4);
    expect(under_way, VERDICT_DONE, "");
    expect(after, VERDICT_FORBIDDEN, "egress");
    assert_int_equal(sends, 2);
    assert_int_equal(disconnects, 1);
    sink->ops->set_egress(sink, &egress);
    manner.receipts = 1;
    expect_next(VERDICT_DONE, "");
    /* in the middle of a login */
    manner.connected = "";
    aim("stomp://127.0.0.1:%u/?destination=/queue/ship&vhost=two", listener_port(listener));
    post_new(1000);
    for (int i = 0; i < 200 && connects < 3; i++)
        loop_run_for(loop, 1);
    sink->ops->set_egress(sink, &nowhere);
    wait_for(6);
    expect(&posts[5], VERDICT_FORBIDDEN, "egress");
}

static void old_rules_end_with_what_is_under_way(void **state) {
    (void)state;
    manner.receipts = 0;
    for (int answered = 0; answered < 2; answered++) {
        const struct post *p = post_new(answered ? 5000 : 60);
        for (int i = 0; i < 200 && sends <= (size_t)answered; i++)
            loop_run_for(loop, 1);
        sink->ops->set_egress(sink, &egress);
        loop_run_for(loop, 20);
        assert_int_equal(disconnects, answered);
        if (answered)
            say(guests[1], "RECEIPT\nreceipt-id:2\n\n");
        wait_for((size_t)answered + 1);
        expect(p, answered ? VERDICT_DONE : VERDICT_UNKNOWN, "");
        loop_run_for(loop, 20);
        assert_int_equal(disconnects, answered + 1);
    }
}

static void who_shares_a_connection(void **state) {
    (void)state;
    static const char *const more[] = { "/queue/a", "/queue/b&persistent=false", "/queue/a&vhost=one",
                                        "/queue/b&vhost=one", "/queue/a&vhost=two" };
    for (size_t i = 0; i < 5; i++) {
        aim("stomp://127.0.0.1:%u/?destination=%s", listener_port(listener), more[i]);
        expect_next(VERDICT_DONE, "");
    }
    assert_int_equal(connects, 3);
}

static void too_many_brokers(void **state) {
    (void)state;
    manner.connected = "";
    for (int i = 0; i < STOMP_SINK_BROKERS; i++) {
        aim("stomp://127.0.0.1:%u/?destination=/queue/a&vhost=v%d", listener_port(listener), i);
        post_new(2000);
    }
    aim("stomp://127.0.0.1:%u/?destination=/queue/a&vhost=one-more", listener_port(listener));
    expect_next(VERDICT_NOT_SENT, "more than 64 STOMP brokers");
    wait_for(STOMP_SINK_BROKERS + 1);
    loop_run_for(loop, 50); /* their pauses end; one of them is forgotten for the new one */
    manner.connected = NULL;
    expect_next(VERDICT_DONE, "");
}

static void a_broker_that_speaks_is_not_forgotten(void **state) {
    (void)state;
    for (int i = 0; i < STOMP_SINK_BROKERS; i++) {
        aim("stomp://127.0.0.1:%u/?destination=/queue/a&vhost=v%d", listener_port(listener), i);
        expect_next(VERDICT_DONE, "");
    }
    /* All are at rest but the first, in whose outcome one more is wanted. */
    aim("stomp://127.0.0.1:%u/?destination=/queue/a&vhost=v0", listener_port(listener));
    post_new(1000);
    aim("stomp://127.0.0.1:%u/?destination=/queue/a&vhost=one-more", listener_port(listener));
    resend = 1;
    wait_for(STOMP_SINK_BROKERS + 2);
    assert_int_equal(done_count, STOMP_SINK_BROKERS + 2);
    assert_int_equal(connects, STOMP_SINK_BROKERS + 1);
    aim("stomp://127.0.0.1:%u/?destination=/queue/a&vhost=v0", listener_port(listener));
    expect_next(VERDICT_DONE, "");
    assert_int_equal(connects, STOMP_SINK_BROKERS + 1);
}

static void targets_that_make_no_sense(void **state) {
    (void)state;
    static const struct {
        const char *target, *words;
    } rows[] = {
        { "stomp://h/", "needs destination" },
        { "stomp://h/shop?destination=/queue/a", "has no path" },
        { "stomp://h/?destination=/queue/a&colour=red", "no parameter colour" },
        { "stomp://h/?destination=/queue/a&persistent=yes", "persistent is \"yes\"" },
        { "stomp://u@h/?destination=/queue/a", "a user needs password_file" },
        { "stomp://h/?destination=/queue/a&password_file=/x", "password_file needs a user" },
        { "kafka://h/?destination=/queue/a", "it is stomp or stomps" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        aim("%s", rows[i].target);
        expect_next(VERDICT_NOT_SENT, rows[i].words);
    }
    aim("stomps://127.0.0.1/?destination=/queue/a");
    expect_next(VERDICT_UNKNOWN, "TLS is not set up here");
    struct post *p = new_post(1000);
    p->call.message = NULL;
    post(p);
    wait_for(outcome_count + 1);
    expect(p, VERDICT_NOT_SENT, "takes messages");
    assert_int_equal(guest_count, 0);
}

static void brokers_that_make_no_sense(void **state) {
    (void)state;
    static const struct {
        const char *connected, *say, *words;
    } rows[] = {
        { "HTTP/1.1 400 Bad Request\r\n\r\n", NULL, "127.0.0.1 does not speak STOMP 1.2" },
        { "RECEIPT\nreceipt-id:1\n\n", NULL, "answered CONNECT with RECEIPT" },
        { "CONNECTED\nversion:1.1\n\n", NULL, "speaks STOMP 1.1, not 1.2" },
        { "CONNECTED\n\n", NULL, "speaks STOMP , not 1.2" },
        { "CONNECTED\nversion:1.2\nheart-beat:x\n\n", NULL, "heart-beat that is not two numbers" },
        { NULL, "RECEIPT\nreceipt-id:77\n\n", "RECEIPT for something that was never sent" },
        { NULL, "RECEIPT\n\n", "RECEIPT for something that was never sent" },
        { NULL, "CONNECTED\nversion:1.2\n\n", "the broker sent CONNECTED" },
        { NULL, "SEND\ndestination:/x\n\n", "the broker sent SEND" },
        { NULL, "ERROR\na:\\q\n\n", "not STOMP 1.2 (a header has an escape" },
        { NULL, "ERROR\n\n", "no reason given" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        manner.connected = rows[i].connected;
        manner.say = rows[i].say;
        expect_next(VERDICT_UNKNOWN, rows[i].words);
    }
    manner.connected = NULL;
    manner.say = "MESSAGE\nid:1\n\nnobody asked";
    post_new(60);
    wait_for(outcome_count + 1);
    assert_int_equal(posts[post_count - 1].verdict, VERDICT_UNKNOWN);
    size_t before = connects;
    expect_next(VERDICT_DONE, "");
    assert_int_equal(connects, before); /* a MESSAGE is no reason to part */
}

static void heart_beats_go_both_ways(void **state) {
    (void)state;
    manner.connected = "CONNECTED\nversion:1.2\nheart-beat:100,100\n\n";
    manner.beats = true;
    manner.receipts = 0;
    const struct post *p = post_new(1200);
    wait_for(1); /* 6 intervals of 200 ms, silence would have ended it after 3 */
    expect(p, VERDICT_UNKNOWN, "no receipt from the broker within 1200 ms");
    assert_true(beats >= 5);
    assert_int_equal(connects, 1);
    manner.beats = false;
    p = post_new(3000);
    wait_for(2);
    expect(p, VERDICT_UNKNOWN, "not even a heart-beat");
}

/* ActiveMQ leaves out a beat when it has written something since the last one. */
static void a_beat_may_be_left_out(void **state) {
    (void)state;
    manner.connected = "CONNECTED\nversion:1.2\nheart-beat:200,0\n\n";
    manner.receipts = 0;
    const struct post *p = post_new(5000);
    for (int i = 0; i < 3; i++) {
        loop_run_for(loop, 420);
        connection_send(guests[0]->c, &STOMP_BEAT, 1);
    }
    say(guests[0], "RECEIPT\nreceipt-id:1\n\n");
    wait_for(1);
    expect(p, VERDICT_DONE, "");
}

static void silence_without_heart_beats(void **state) {
    (void)state;
    manner.receipts = 0;
    const struct post *p = post_new(5000);
    wait_for(1);
    expect(p, VERDICT_UNKNOWN, "nothing came from the broker for");
    assert_int_equal(beats, 0); /* it wants none */
}

static void idle_connections_end(void **state) {
    (void)state;
    expect_next(VERDICT_DONE, "");
    assert_int_equal(open_guests, 1);
    for (int i = 0; i < 1000 && open_guests > 0; i++)
        loop_run_for(loop, 2);
    assert_int_equal(open_guests, 0);
    assert_int_equal(disconnects, 1);
    expect_next(VERDICT_DONE, "");
    assert_int_equal(connects, 2);
}

static void closing_tells_nobody(void **state) {
    (void)state;
    manner.receipts = 5;
    for (int i = 0; i < 1200; i++)
        post_new(5000);
    wait_for(5);
    aim("stomp://127.0.0.1:%u/?destination=/queue/ship&vhost=other", listener_port(listener));
    post_new(5000); /* being dialled */
    post_new(0);    /* about to be told */
    sink_close(sink);
    sink = NULL;
    loop_run_for(loop, 50);
    assert_int_equal(outcome_count, 5);
    for (int i = 0; i < 1000 && open_guests > 0; i++)
        loop_run_for(loop, 2);
    assert_int_equal(open_guests, 0);
}

static void over_tls(void **state) {
    struct certificate good, other;
    struct tls *server, *trusting, *stranger;
    struct listener *secure;
    (void)state;
    certificate_make(&good, "IP:127.0.0.1", 3600);
    certificate_make(&other, "IP:127.0.0.1", 3600);
    assert_int_equal(tls_new_server(&server, good.certificate, good.key, NULL, NULL), 0);
    assert_int_equal(tls_new_client(&trusting, good.certificate, NULL), 0);
    assert_int_equal(tls_new_client(&stranger, other.certificate, NULL), 0);
    const struct listener_options l = { .host = "127.0.0.1", .tls = server, .accepted = on_accepted };
    assert_int_equal(listener_open(&secure, loop, &l, NULL), 0);
    for (int trusted = 0; trusted < 2; trusted++) {
        sink_close(sink);
        client_tls = trusted ? trusting : stranger;
        open_sink(&quick_pace);
        aim("stomps://127.0.0.1:%u/?destination=/queue/ship", listener_port(secure));
        if (trusted)
            expect_next(VERDICT_DONE, "");
        else
            expect_next(VERDICT_NOT_SENT, "certificate");
    }
    assert_int_equal(connects, 1);
    sink_close(sink);
    sink = NULL;
    loop_run_for(loop, 50);
    listener_close(secure);
    loop_run_for(loop, 10);
    tls_free(server);
    tls_free(trusting);
    tls_free(stranger);
    certificate_drop(&good);
    certificate_drop(&other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_receipt_is_done),
        TEST(headers_are_escaped_and_fenced),
        TEST(ten_thousand_keep_their_order),
        TEST(receipts_come_in_any_order),
        TEST(large_and_impossible_messages),
        TEST(no_receipt_is_unknown),
        TEST(a_slow_broker_gets_a_window),
        TEST(an_error_names_its_message),
        TEST(an_error_without_a_name),
        TEST(a_cut_connection),
        TEST(cut_before_the_login_is_answered),
        TEST(a_wrong_login),
        TEST(a_receipt_makes_pauses_short_again),
        TEST(secrets_that_cannot_be_had),
        TEST(the_next_host_is_tried),
        TEST(egress_is_asked),
        TEST(old_rules_end_with_what_is_under_way),
        TEST(who_shares_a_connection),
        TEST(too_many_brokers),
        TEST(a_broker_that_speaks_is_not_forgotten),
        TEST(targets_that_make_no_sense),
        TEST(brokers_that_make_no_sense),
        TEST(heart_beats_go_both_ways),
        TEST(a_beat_may_be_left_out),
        TEST(silence_without_heart_beats),
        TEST(idle_connections_end),
        TEST(closing_tells_nobody),
        TEST(over_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
