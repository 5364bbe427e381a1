/* The RabbitMQ sink: without a broker what goes wrong before there is one, and, when SETTLE_TEST_RABBITMQ
 * says host:port of one, everything else (tests/peers/rabbitmq_test.py sets it up and looks at its queues).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/connection.h"
#include "net/listener.h"
#include "sink/broker_test.h"
#include "sink/rabbitmq/rabbitmq_sink.h"

static struct post post;
static const char *broker; /* host:port; NULL: none */

static int open_post(void **state) {
    (void)state;
    post_open(&post, 200000, getenv("SETTLE_TEST_RABBITMQ_CA"), "127.0.0.0/8", rabbitmq_sink_open);
    return 0;
}

static int close_post(void **state) {
    (void)state;
    post_close(&post);
    return 0;
}

static const char *target_of(const char *form) {
    static char text[400];
    snprintf(text, sizeof text, "rabbitmq://%s%s", broker, form);
    return text;
}

static void assert_sentence(const struct parcel *p, enum verdict verdict, const char *words) {
    if (p->verdict != verdict || strstr(p->sentence, words) == NULL)
        print_message("%s\n  verdict %d, \"%s\"\n  expected %d, \"%s\"\n", p->target_text, p->verdict,
                      p->sentence, verdict, words);
    assert_int_equal(p->answers, 1);
    assert_int_equal(p->verdict, verdict);
    assert_non_null(strstr(p->sentence, words));
}

/* Without a broker. */

static void says_what_is_wrong_with_a_target(void **state) {
    static const struct {
        const char *target, *words;
    } wrong[] = {
        { "rabbitmq://h/v", "needs exchange=NAME or queue=NAME" },
        { "rabbitmq://h?exchange=e&queue=q", "leave out" },
        { "rabbitmq://h?queue=q&routing_key=k", "leave out" },
        { "rabbitmq://h?exchange=e&durable=1",
          "have no parameter \"durable\"; there are exchange, routing_key" },
        { "rabbitmq://u@h?exchange=e", "no password_file" },
        { "rabbitmq://h?exchange=e&password_file=/f", "no user" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct why why = { "" };
        const struct parcel *p = post_one(&post, wrong[i].target);
        assert_sentence(p, VERDICT_NOT_SENT, wrong[i].words);
        assert_int_equal(rabbitmq_sink_check(&p->target, &why), ERR_INVALID);
        assert_string_equal(why.text, p->sentence);
    }
}

static void carries_only_messages(void **state) {
    (void)state;
    size_t number = post.count;
    struct parcel *p = &post.parcels[number];
    sink_target_decode(SLICE("rabbitmq://127.0.0.1:1?queue=q"), &post.arena, &p->target, NULL);
    p->call = (struct call){ .transaction = number, .timeout_ms = 1000 };
    post.count++;
    post.sink->ops->send(post.sink, &p->call, &p->target);
    assert_int_equal(p->answers, 0); /* never from inside send */
    assert_true(post_wait(&post, 1000));
    assert_sentence(p, VERDICT_NOT_SENT, "only messages");
}

static void says_who_does_not_listen(void **state) {
    (void)state;
    assert_sentence(post_one(&post, "rabbitmq://127.0.0.1:1,127.0.0.2:1?queue=q"), VERDICT_NOT_SENT,
                    "127.0.0.2 port 1: Connection refused");
    assert_sentence(post_one(&post, "rabbitmqs://127.0.0.1:1?queue=q"), VERDICT_NOT_SENT, "127.0.0.1 port 1");
}

/* What waits is told at once; what comes within the pause after that waits for the next attempt. */
static void keeps_a_pause_between_attempts(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++)
        post_send(&post, "rabbitmq://127.0.0.1:1?queue=q");
    double begin_s = post_now_s(CLOCK_MONOTONIC);
    assert_true(post_wait(&post, 5000));
    for (int i = 0; i < 3; i++)
        assert_int_equal(post_one(&post, "rabbitmq://127.0.0.1:1?queue=q")->verdict, VERDICT_NOT_SENT);
    assert_true(post_now_s(CLOCK_MONOTONIC) - begin_s >= 0.65); /* 100 + 200 + 400 ms, whole milliseconds */
    post.timeout_ms = 20;
    assert_sentence(post_one(&post, "rabbitmq://127.0.0.1:1?queue=q"), VERDICT_NOT_SENT,
                    "no connection within 20 ms; nothing was sent. Last: 127.0.0.1 port 1");
}

static void calls_nobody_whom_egress_forbids(void **state) {
    struct egress other;
    (void)state;
    const char *target = "rabbitmq://10.1.2.3:5672?queue=q";
    assert_sentence(post_one(&post, target), VERDICT_FORBIDDEN, "10.1.2.3");
    assert_sentence(post_one(&post, "rabbitmqs://10.1.2.3?queue=q"), VERDICT_FORBIDDEN, "10.1.2.3");
    egress_init(&other, &post.arena);
    post.sink->ops->set_egress(post.sink, &other);
    assert_sentence(post_one(&post, "rabbitmq://127.0.0.1:1?queue=q"), VERDICT_FORBIDDEN, "127.0.0.1");
    post.sink->ops->set_egress(post.sink, &post.egress);
    assert_sentence(post_one(&post, "rabbitmq://127.0.0.1:1?queue=q"), VERDICT_NOT_SENT, "refused");
}

static void says_which_password_cannot_be_had(void **state) {
    (void)state;
    assert_sentence(post_one(&post, "rabbitmq://u@127.0.0.1:1?queue=q&password_file=/run/mq"),
                    VERDICT_NOT_SENT, "no file /run/mq");
    assert_int_equal(post.secrets_read, 1);
}

/* A peer that is no broker. */

static const char *greeting;
static struct connection *guests[16];
static size_t guest_count;

static void on_guest_bytes(void *context, struct slice bytes) {
    (void)bytes;
    struct slice part = slice_text(greeting);
    if (part.length > 0)
        connection_send(guests[(size_t)(uintptr_t)context], &part, 1);
}

static void on_guest_closed(void *context, int code, const char *sentence) {
    (void)code;
    (void)sentence;
    guests[(size_t)(uintptr_t)context] = NULL;
}

static const struct connection_events guest_events = { .received = on_guest_bytes,
                                                       .closed = on_guest_closed };

static void on_guest(void *context, struct connection *c) {
    (void)context;
    assert_true(guest_count < 16);
    guests[guest_count] = c;
    connection_use(c, &guest_events, (void *)(uintptr_t)guest_count++);
}

static void with_peer(const char *says, void (*test)(const char *target)) {
    struct listener *listener;
    char target[100];
    struct listener_options options = { .host = "127.0.0.1", .accepted = on_guest };
    greeting = says;
    guest_count = 0;
    assert_int_equal(listener_open(&listener, post.loop, &options, NULL), 0);
    snprintf(target, sizeof target, "rabbitmq://127.0.0.1:%u?queue=q", listener_port(listener));
    test(target);
    listener_close(listener);
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] != NULL)
            connection_close(guests[i]);
    loop_run_for(post.loop, 50);
}

static void expect_no_login(const char *target) {
    post.timeout_ms = 3000;
    assert_sentence(post_one(&post, target), VERDICT_NOT_SENT, "login");
}

static void expect_patience_to_end(const char *target) {
    post.timeout_ms = 300;
    double begin_s = post_now_s(CLOCK_MONOTONIC);
    post_send(&post, target);
    loop_run_for(post.loop, 100);
    sink_close(post.sink); /* in the middle of the login */
    post.sink = NULL;
    assert_true(post_now_s(CLOCK_MONOTONIC) - begin_s < 4);
    assert_int_equal(post.answered, 0); /* none comes any more */
}

static void takes_no_stranger_for_a_broker(void **state) {
    (void)state;
    with_peer("HTTP/1.1 400 Bad Request\r\n\r\n", expect_no_login);
    with_peer("", expect_no_login);
}

static void closes_while_it_logs_in(void **state) {
    (void)state;
    with_peer("", expect_patience_to_end);
}

/* With one. */

static void delivers_in_order(void **state) {
    enum { MESSAGES = 3000 };
    static const struct label headers[] = { { SLICE("trace"), SLICE("a-b") },
                                            { SLICE("note"), SLICE("gr\xc3\xbc\xc3\x9f") } };
    (void)state;
    post.headers = headers;
    post.header_count = 2;
    post.key = SLICE("customer-7");
    for (int i = 0; i < MESSAGES; i++)
        post_send(&post, target_of("?exchange=in-order"));
    assert_true(post_wait(&post, 20000));
    assert_int_equal(post.by_verdict[VERDICT_DONE], MESSAGES);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(post.order[i], i);
}

static void delivers_any_body(void **state) {
    static char large[LIMIT_BRANCH_PAYLOAD_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 7 % 256);
    post.body = slice_of(large, sizeof large);
    assert_int_equal(post_one(&post, target_of("?queue=bodies"))->verdict, VERDICT_DONE);
    post.body = SLICE_NONE;
    assert_int_equal(post_one(&post, target_of("?queue=bodies"))->verdict, VERDICT_DONE);
    post.body = slice_of(large, 1);
    assert_int_equal(post_one(&post, target_of("?queue=bodies"))->verdict, VERDICT_DONE);
}

static void is_not_done_when_nobody_gets_it(void **state) {
    (void)state;
    assert_sentence(
        post_one(&post, target_of("?exchange=unbound&routing_key=k")), VERDICT_UNKNOWN,
        "no queue is bound to exchange \"unbound\" for routing key \"k\" (the broker says 312 NO_ROUTE)");
    assert_sentence(post_one(&post, target_of("?queue=absent")), VERDICT_UNKNOWN, "no queue \"absent\"");
    for (int i = 0; i < 500; i++) /* among messages that arrive */
        post_send(&post, target_of(i % 5 == 0 ? "?exchange=in-order&routing_key=nowhere" : "?queue=mixed"));
    assert_true(post_wait(&post, 10000));
    for (size_t i = 2; i < 502; i++)
        assert_int_equal(post.parcels[i].verdict, (i - 2) % 5 == 0 ? VERDICT_UNKNOWN : VERDICT_DONE);
}

static void a_missing_exchange_harms_nobody_else(void **state) {
    (void)state;
    for (int i = 0; i < 400; i++)
        post_send(&post, target_of(i % 20 == 0 ? "?exchange=absent" : "?queue=neighbour"));
    assert_true(post_wait(&post, 10000));
    for (size_t i = 0; i < 400; i++)
        if (i % 20 != 0)
            assert_int_equal(post.parcels[i].verdict, VERDICT_DONE);
        else
            assert_sentence(&post.parcels[i], VERDICT_UNKNOWN, "404 NOT_FOUND - no exchange 'absent'");
    assert_int_equal(post_one(&post, target_of("?queue=neighbour"))->verdict, VERDICT_DONE);
}

static void serves_more_exchanges_than_it_has_channels(void **state) {
    (void)state;
    for (int i = 0; i < 400; i++) {
        char form[64];
        snprintf(form, sizeof form, "?exchange=many-%d&routing_key=r%d", i % 100, i);
        post_send(&post, target_of(form));
    }
    assert_true(post_wait(&post, 20000));
    assert_int_equal(post.by_verdict[VERDICT_DONE], 400);
}

static void tells_the_brokers_refusal(void **state) {
    (void)state;
    snprintf(post.secret, sizeof post.secret, "wrong");
    char target[200];
    snprintf(target, sizeof target, "rabbitmq://guest@%s?queue=mixed&password_file=/run/mq", broker);
    assert_sentence(post_one(&post, target), VERDICT_UNKNOWN, "403 ACCESS_REFUSED");
    snprintf(post.secret, sizeof post.secret, "guest");
    assert_int_equal(post_one(&post, target)->verdict, VERDICT_DONE);
    assert_int_equal(post.secrets_read, 2);
    assert_sentence(post_one(&post, target_of("/elsewhere?queue=q")), VERDICT_UNKNOWN, "vhost");
    for (int i = 0; i < 3; i++) /* holds two */
        post_one(&post, target_of("?queue=small"));
    assert_sentence(&post.parcels[post.count - 1], VERDICT_UNKNOWN, "refused the message (basic.nack)");
}

static void refuses_what_amqp_cannot_carry(void **state) {
    static char text[70000];
    struct label header = { SLICE("h"), slice_of(text, sizeof text) };
    (void)state;
    memset(text, 'k', sizeof text);
    post.topic = slice_of(text, 300);
    assert_sentence(post_one(&post, target_of("?exchange=in-order")), VERDICT_NOT_SENT,
                    "routing key is 300 bytes");
    post.topic = SLICE("orders");
    post.headers = &header;
    post.header_count = 1;
    assert_sentence(post_one(&post, target_of("?queue=mixed")), VERDICT_NOT_SENT, "65536 fit");
    header = (struct label){ slice_of(text, 256), SLICE("v") };
    assert_sentence(post_one(&post, target_of("?queue=mixed")), VERDICT_NOT_SENT,
                    "header's name is 256 bytes");
    post.header_count = 0;
    assert_int_equal(post_one(&post, target_of("?queue=mixed"))->verdict, VERDICT_DONE);
}

static void new_rules_reach_open_connections(void **state) {
    struct egress none;
    (void)state;
    assert_int_equal(post_one(&post, target_of("?queue=mixed"))->verdict, VERDICT_DONE);
    egress_init(&none, &post.arena);
    post.sink->ops->set_egress(post.sink, &none);
    assert_int_equal(post_one(&post, target_of("?queue=mixed"))->verdict, VERDICT_FORBIDDEN);
    post.sink->ops->set_egress(post.sink, &post.egress);
    assert_int_equal(post_one(&post, target_of("?queue=mixed"))->verdict, VERDICT_DONE);
    for (int i = 0; i < 60;
         i++) { /* what comes with the rules waits for the next connection, and no longer */
        post.sink->ops->set_egress(post.sink, &post.egress);
        assert_int_equal(post_one(&post, target_of("?queue=mixed"))->verdict, VERDICT_DONE);
    }
}

/* The broker wants a heartbeat every two seconds; a connection is made with every reading of the password. */
static void stays_connected_and_asleep_while_idle(void **state) {
    char target[200];
    (void)state;
    snprintf(post.secret, sizeof post.secret, "guest");
    snprintf(target, sizeof target, "rabbitmq://guest@%s?queue=mixed&password_file=/run/mq", broker);
    assert_int_equal(post_one(&post, target)->verdict, VERDICT_DONE);
    double begin_s = post_now_s(CLOCK_PROCESS_CPUTIME_ID);
    loop_run_for(post.loop, 7000);
    assert_true(post_now_s(CLOCK_PROCESS_CPUTIME_ID) - begin_s < 0.2);
    assert_int_equal(post_one(&post, target)->verdict, VERDICT_DONE);
    assert_int_equal(post.secrets_read, 1);
}

/* A broker that does not read any more fills the socket, and a publish hangs in the middle. */
static void a_frozen_broker_holds_nobody(void **state) {
    static char large[LIMIT_BRANCH_PAYLOAD_BYTES];
    const char *pid = getenv("SETTLE_TEST_RABBITMQ_PID");
    (void)state;
    if (pid == NULL)
        skip();
    assert_int_equal(post_one(&post, target_of("?queue=frozen"))->verdict, VERDICT_DONE);
    kill((pid_t)strtol(pid, NULL, 10), SIGSTOP);
    post.timeout_ms = 1000;
    post.body = slice_of(large, sizeof large);
    for (int i = 0; i < 100; i++)
        post_send(&post, target_of("?queue=frozen"));
    double begin_s = post_now_s(CLOCK_MONOTONIC);
    bool all = post_wait(&post, 10000);
    double took_s = post_now_s(CLOCK_MONOTONIC) - begin_s;
    kill((pid_t)strtol(pid, NULL, 10), SIGCONT);
    assert_true(all);
    assert_true(took_s < 5);
    assert_int_equal(post.by_verdict[VERDICT_DONE], 1);
    assert_true(post.by_verdict[VERDICT_UNKNOWN] > 0);
    assert_int_equal(post.by_verdict[VERDICT_UNKNOWN] + post.by_verdict[VERDICT_NOT_SENT], 100);
    post.timeout_ms = 10000;
    post.body = SLICE("x");
    assert_int_equal(post_one(&post, target_of("?queue=frozen"))->verdict, VERDICT_DONE);
}

static void a_blocked_broker_gets_nothing(void **state) {
    (void)state;
    if (getenv("SETTLE_TEST_RABBITMQ_BLOCKED") == NULL)
        skip();
    post.timeout_ms = 1000;
    size_t first = post_send(&post, target_of("?queue=blocked"));
    loop_run_for(post.loop, 300); /* the broker says so at the first publish */
    for (int i = 0; i < 50; i++)
        post_send(&post, target_of("?queue=blocked"));
    assert_true(post_wait(&post, 5000));
    assert_int_equal(post.parcels[first].verdict, VERDICT_UNKNOWN);
    assert_int_equal(post.by_verdict[VERDICT_NOT_SENT], 50);
    assert_sentence(&post.parcels[first + 50], VERDICT_NOT_SENT, "the broker has blocked publishing");
}

static void speaks_tls(void **state) {
    const char *secure = getenv("SETTLE_TEST_RABBITMQ_TLS"); /* port; its certificate is localhost's */
    char target[100];
    (void)state;
    if (secure == NULL)
        skip();
    snprintf(target, sizeof target, "rabbitmqs://localhost:%s?queue=mixed", secure);
    egress_allow(&post.egress, SLICE("::1"), NULL);
    for (int i = 0; i < 300; i++)
        post_send(&post, target);
    assert_true(post_wait(&post, 20000));
    assert_int_equal(post.by_verdict[VERDICT_DONE], 300);
    snprintf(target, sizeof target, "rabbitmqs://127.0.0.1:%s?queue=mixed", secure);
    assert_sentence(post_one(&post, target), VERDICT_NOT_SENT, "certificate is not accepted");
}

static void relays_quickly(void **state) {
    static char kilobyte[1024];
    (void)state;
    post.body = slice_of(kilobyte, sizeof kilobyte);
    assert_true(post_measure(&post, "rabbitmq", target_of("?queue=speed"), 40000, 4096));
}

/* Every message until it is done, whatever happens to the broker meanwhile; the ids of those that are done go
 * to a file. */
static void forgets_nothing_that_is_done(void **state) {
    enum { MESSAGES = 20000, WINDOW = 600 };
    const char *path = getenv("SETTLE_TEST_RABBITMQ_DONE");
    (void)state;
    if (path == NULL)
        skip();
    FILE *file = fopen(path, "w");
    static bool told[MESSAGES];
    size_t done = 0, sent = 0, troubles = 0;
    double begin_s = post_now_s(CLOCK_MONOTONIC);
    assert_non_null(file);
    while (done < MESSAGES && post_now_s(CLOCK_MONOTONIC) - begin_s < 100) {
        for (; sent < MESSAGES && sent - done < WINDOW; sent++)
            post_send(&post, target_of("?queue=fire"));
        loop_run_for(post.loop, 5);
        for (size_t i = 0; i < sent; i++) {
            struct parcel *p = &post.parcels[i];
            if (told[i] || p->answers == 0)
                continue;
            if (p->verdict == VERDICT_DONE) {
                told[i] = true;
                done++;
                fprintf(file, "%s\n", p->id);
            } else {
                troubles++;
                p->answers = 0;
                post_send_again(&post, i);
            }
        }
        fflush(file);
    }
    fclose(file);
    print_message("%zu done, %zu attempts failed\n", done, troubles);
    assert_int_equal(done, MESSAGES);
    assert_true(troubles > 0); /* or the broker was never killed */
}

/* In a build without the library. */

static void says_which_package_is_missing(void **state) {
    struct why why = { "" };
    struct sink *sink = NULL;
    (void)state;
    assert_int_equal(rabbitmq_sink_open(&sink, NULL, NULL, &why), ERR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "librabbitmq-dev"));
    assert_int_equal(rabbitmq_sink_check(NULL, &why), ERR_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest without[] = { cmocka_unit_test(says_which_package_is_missing) };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_what_is_wrong_with_a_target, open_post, close_post),
        cmocka_unit_test_setup_teardown(carries_only_messages, open_post, close_post),
        cmocka_unit_test_setup_teardown(says_who_does_not_listen, open_post, close_post),
        cmocka_unit_test_setup_teardown(keeps_a_pause_between_attempts, open_post, close_post),
        cmocka_unit_test_setup_teardown(calls_nobody_whom_egress_forbids, open_post, close_post),
        cmocka_unit_test_setup_teardown(says_which_password_cannot_be_had, open_post, close_post),
        cmocka_unit_test_setup_teardown(takes_no_stranger_for_a_broker, open_post, close_post),
        cmocka_unit_test_setup_teardown(closes_while_it_logs_in, open_post, close_post),
    };
    const struct CMUnitTest on_a_broker[] = {
        /* tests/peers/rabbitmq_test.py starts one */
        cmocka_unit_test_setup_teardown(delivers_in_order, open_post, close_post),
        cmocka_unit_test_setup_teardown(delivers_any_body, open_post, close_post),
        cmocka_unit_test_setup_teardown(is_not_done_when_nobody_gets_it, open_post, close_post),
        cmocka_unit_test_setup_teardown(a_missing_exchange_harms_nobody_else, open_post, close_post),
        cmocka_unit_test_setup_teardown(serves_more_exchanges_than_it_has_channels, open_post, close_post),
        cmocka_unit_test_setup_teardown(tells_the_brokers_refusal, open_post, close_post),
        cmocka_unit_test_setup_teardown(refuses_what_amqp_cannot_carry, open_post, close_post),
        cmocka_unit_test_setup_teardown(new_rules_reach_open_connections, open_post, close_post),
        cmocka_unit_test_setup_teardown(stays_connected_and_asleep_while_idle, open_post, close_post),
        cmocka_unit_test_setup_teardown(a_frozen_broker_holds_nobody, open_post, close_post),
        cmocka_unit_test_setup_teardown(a_blocked_broker_gets_nothing, open_post, close_post),
        cmocka_unit_test_setup_teardown(speaks_tls, open_post, close_post),
        cmocka_unit_test_setup_teardown(relays_quickly, open_post, close_post),
        cmocka_unit_test_setup_teardown(forgets_nothing_that_is_done, open_post, close_post),
    };
    broker = getenv("SETTLE_TEST_RABBITMQ");
    if (getenv("SETTLE_TEST_ONLY") != NULL)
        cmocka_set_test_filter(getenv("SETTLE_TEST_ONLY"));
    if (rabbitmq_sink_library() == NULL)
        return cmocka_run_group_tests_name("rabbitmq_sink", without, NULL, NULL);
    if (broker != NULL)
        return cmocka_run_group_tests_name("rabbitmq_sink on a broker", on_a_broker, NULL, NULL);
    return cmocka_run_group_tests_name("rabbitmq_sink", tests, NULL, NULL);
}
