/* The Kafka sink against librdkafka's mock cluster: real sockets, in this process. With
 * SETTLE_TEST_KAFKA=host:port of a real broker also against that (tests/peers/kafka_test.py). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#ifdef SETTLE_WITH_KAFKA

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/limits.h"
#include "sink/broker_test.h"
#include "sink/kafka/kafka_sink.h"
#include "sink/thread_shim_test.h"

#define BROKERS 3
#define PRODUCE 0
#define INIT_PRODUCER_ID 22

static struct post post;
static rd_kafka_t *carrier; /* of the mock cluster */
static rd_kafka_mock_cluster_t *cluster;

static int open_all(void **state) {
    char words[200];
    (void)state;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", words, sizeof words);
    carrier = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    cluster = rd_kafka_mock_cluster_new(carrier, BROKERS);
    post_open(&post, 200000, NULL, "127.0.0.0/8", kafka_sink_open);
    return carrier == NULL || cluster == NULL;
}

static int close_all(void **state) {
    (void)state;
    post_close(&post);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(carrier);
    return 0;
}

static const char *target_of(const char *rest) {
    static char text[400];
    snprintf(text, sizeof text, "kafka://%s%s", rd_kafka_mock_cluster_bootstraps(cluster), rest);
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

static void says_what_is_wrong_with_a_target(void **state) {
    static const struct {
        const char *target, *words;
    } wrong[] = {
        { "kafka://h/a/b", "no name of a Kafka topic" },
        { "kafka://h/..", "no name of a Kafka topic" },
        { "kafka://h/t?acks=1", "have no parameter \"acks\"; there are sasl, password_file, compression" },
        { "kafka://u@h/t?sasl=PLAIN", "no password_file" },
        { "kafka://h/t?password_file=/f", "no user" },
        { "kafka://h/t?sasl=PLAIN", "sasl needs a user" },
        { "kafka://u@h/t?password_file=/f", "a user needs sasl" },
        { "kafka://u@h/t?password_file=/f&sasl=GSSAPI", "sasl=GSSAPI: there are PLAIN" },
        { "kafka://h/t?compression=rar", "compression=rar" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct why why = { "" };
        const struct parcel *p = post_one(&post, wrong[i].target);
        assert_sentence(p, VERDICT_NOT_SENT, wrong[i].words);
        assert_int_equal(kafka_sink_check(&p->target, &why), ERR_INVALID);
        assert_string_equal(why.text, p->sentence);
    }
    post.topic = SLICE("no topic");
    assert_sentence(post_one(&post, target_of("")), VERDICT_NOT_SENT, "\"no topic\" is no name");
}

static void carries_only_messages(void **state) {
    (void)state;
    size_t number = post.count++;
    struct parcel *p = &post.parcels[number];
    sink_target_decode(SLICE("kafka://127.0.0.1:1/t"), &post.arena, &p->target, NULL);
    p->call = (struct call){ .transaction = number, .timeout_ms = 1000 };
    post.sink->ops->send(post.sink, &p->call, &p->target);
    assert_int_equal(p->answers, 0); /* never from inside send */
    assert_true(post_wait(&post, 1000));
    assert_sentence(p, VERDICT_NOT_SENT, "only messages");
}

/* What a consumer sees. */

struct reading {
    rd_kafka_t *kafka;
    size_t count;
};

static struct reading begin_reading(const char *bootstrap, const char *topic) {
    char words[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, words, sizeof words);
    rd_kafka_conf_set(conf, "group.id", "reader", words, sizeof words);
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", words, sizeof words);
    rd_kafka_conf_set(conf, "log_level", "0", words, sizeof words);
    struct reading r = { .kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof words) };
    assert_non_null(r.kafka);
    rd_kafka_poll_set_consumer(r.kafka);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    for (int i = 0; i < 4; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(r.kafka, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
    return r;
}

static void end_reading(struct reading *r) {
    rd_kafka_consumer_close(r->kafka);
    rd_kafka_destroy(r->kafka);
}

static void assert_header(const rd_kafka_message_t *m, const char *name, const char *value) {
    rd_kafka_headers_t *headers;
    const void *at;
    size_t length;
    assert_int_equal(rd_kafka_message_headers(m, &headers), 0);
    assert_int_equal(rd_kafka_header_get_last(headers, name, &at, &length), 0);
    assert_int_equal(length, strlen(value));
    assert_memory_equal(at, value, length);
}

static size_t number_of(const rd_kafka_message_t *m) {
    rd_kafka_headers_t *headers;
    const void *at;
    size_t length;
    assert_int_equal(rd_kafka_message_headers(m, &headers), 0);
    assert_int_equal(rd_kafka_header_get_last(headers, "settle-id", &at, &length), 0);
    assert_memory_equal(at, "m-", 2);
    return strtoul((const char *)at + 2, NULL, 10);
}

/* How often each of count messages is in the topic; the order of each partition is that of the numbers. */
static void assert_read(const char *bootstrap, const char *topic, size_t count, bool ordered,
                        void (*look)(const rd_kafka_message_t *m)) {
    struct reading r = begin_reading(bootstrap, topic);
    char *seen = calloc(count, 1);
    long last[4] = { -1, -1, -1, -1 };
    double begin_s = post_now_s(CLOCK_MONOTONIC);
    while (r.count < count && post_now_s(CLOCK_MONOTONIC) - begin_s < 20) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(r.kafka, 100);
        if (m != NULL && m->err == 0) {
            size_t number = number_of(m);
            assert_true(number < count);
            assert_int_equal(seen[number]++, 0);
            if (ordered)
                assert_true((long)number > last[m->partition]);
            last[m->partition] = (long)number;
            look(m);
            r.count++;
        }
        if (m != NULL)
            rd_kafka_message_destroy(m);
    }
    end_reading(&r);
    free(seen);
    assert_int_equal(r.count, count);
}

static void look_closely(const rd_kafka_message_t *m) {
    assert_int_equal(m->len, post.body.length);
    assert_memory_equal(m->payload, post.body.at, m->len);
    assert_int_equal(m->key_len, 10);
    assert_memory_equal(m->key, "customer-7", 10);
    assert_header(m, "settle-topic", "orders");
    assert_header(m, "settle-gid", "gid-1");
    assert_header(m, "content-type", "application/json");
    assert_header(m, "trace", "a-b");
    assert_header(m, "empty", "");
}

static void look_at_nothing(const rd_kafka_message_t *m) {
    assert_non_null(m);
}

static void delivers_with_key_and_headers(void **state) {
    static const struct label headers[] = { { SLICE("trace"), SLICE("a-b") }, { SLICE("empty"), SLICE("") } };
    (void)state;
    post.headers = headers;
    post.header_count = 2;
    post.key = SLICE("customer-7");
    for (int i = 0; i < 1000; i++)
        post_send(&post, target_of(""));
    assert_true(post_wait(&post, 15000));
    assert_int_equal(post.by_verdict[VERDICT_DONE], 1000);
    assert_read(rd_kafka_mock_cluster_bootstraps(cluster), "orders", 1000, true, look_closely);
}

static void look_at_any_body(const rd_kafka_message_t *m) {
    static const size_t lengths[] = { 0, 1, LIMIT_BRANCH_PAYLOAD_BYTES };
    assert_int_equal(m->len, lengths[number_of(m)]);
    assert_non_null(m->payload); /* empty, and no tombstone */
    assert_null(m->key);
}

static void delivers_any_body(void **state) {
    static char large[LIMIT_BRANCH_PAYLOAD_BYTES];
    (void)state;
    post.body = SLICE_NONE;
    assert_int_equal(post_one(&post, target_of("/bodies?compression=lz4"))->verdict, VERDICT_DONE);
    post.body = slice_of(large, 1);
    assert_int_equal(post_one(&post, target_of("/bodies?compression=lz4"))->verdict, VERDICT_DONE);
    post.body = slice_of(large, sizeof large);
    assert_int_equal(post_one(&post, target_of("/bodies?compression=lz4"))->verdict, VERDICT_DONE);
    assert_read(rd_kafka_mock_cluster_bootstraps(cluster), "bodies", 3, false, look_at_any_body);
    static char huge[1100000]; /* over what librdkafka carries */
    post.body = slice_of(huge, sizeof huge);
    assert_sentence(post_one(&post, target_of("/bodies")), VERDICT_NOT_SENT, "not taken");
}

/* librdkafka's own resends are invisible. */
static void rides_over_passing_trouble(void **state) {
    (void)state;
    rd_kafka_mock_push_request_errors(cluster, PRODUCE, 4, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT);
    post.key = SLICE("k");
    for (int i = 0; i < 200; i++)
        post_send(&post, target_of("/trouble"));
    assert_true(post_wait(&post, 15000));
    assert_int_equal(post.by_verdict[VERDICT_DONE], 200);
    assert_read(rd_kafka_mock_cluster_bootstraps(cluster), "trouble", 200, true, look_at_nothing);
}

static void tells_the_clusters_refusal(void **state) {
    (void)state;
    rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_sentence(post_one(&post, target_of("/secret")), VERDICT_UNKNOWN, "TOPIC_AUTHORIZATION_FAILED");
    assert_sentence(post_one(&post, target_of("/secret")), VERDICT_NOT_SENT, "Topic authorization failed");
    rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_sentence(post_one(&post, target_of("/t")), VERDICT_UNKNOWN, "MSG_SIZE_TOO_LARGE");
    post.timeout_ms = 1200;
    rd_kafka_mock_topic_set_error(cluster, "unknown", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    assert_int_not_equal(post_one(&post, target_of("/unknown"))->verdict, VERDICT_DONE);
    post.timeout_ms = 20000;
    assert_int_equal(post_one(&post, target_of("/t"))->verdict, VERDICT_DONE);
}

static void says_that_nobody_is_there(void **state) {
    (void)state;
    post.timeout_ms = 1500;
    assert_sentence(post_one(&post, "kafka://127.0.0.1:1/t"), VERDICT_NOT_SENT, "Connection refused");
}

static void waits_for_a_cluster_that_comes_back(void **state) {
    (void)state;
    assert_int_equal(post_one(&post, target_of("/t"))->verdict, VERDICT_DONE);
    for (int i = 1; i <= BROKERS; i++)
        rd_kafka_mock_broker_set_down(cluster, i);
    size_t number = post_send(&post, target_of("/t"));
    loop_run_for(post.loop, 500);
    assert_int_equal(post.parcels[number].answers, 0);
    for (int i = 1; i <= BROKERS; i++)
        rd_kafka_mock_broker_set_up(cluster, i);
    assert_true(post_wait(&post, 10000));
    assert_int_equal(post.parcels[number].verdict, VERDICT_DONE);
}

/* Sent, and no answer: it may be there. */
static void is_unknown_without_an_acknowledgement(void **state) {
    (void)state;
    post.timeout_ms = 2000;
    rd_kafka_mock_topic_create(cluster, "one", 1,
                               1); /* one leader: the second message needs no new connection */
    assert_int_equal(post_one(&post, target_of("/one"))->verdict, VERDICT_DONE);
    for (int i = 1; i <= BROKERS; i++)
        rd_kafka_mock_broker_set_rtt(cluster, i, 6000);
    assert_sentence(post_one(&post, target_of("/one")), VERDICT_UNKNOWN, "may be in the log");
    for (int i = 1; i <= BROKERS; i++)
        rd_kafka_mock_broker_set_rtt(cluster, i, 0);
}

static void calls_nobody_whom_egress_forbids(void **state) {
    struct egress other;
    (void)state;
    post.timeout_ms = 20000;
    double begin_s = post_now_s(CLOCK_MONOTONIC);
    assert_sentence(post_one(&post, "kafka://10.1.2.3,10.1.2.4:9092/t"), VERDICT_FORBIDDEN, "10.1.2.");
    egress_init(&other, &post.arena);
    assert_int_equal(post_one(&post, target_of("/t"))->verdict, VERDICT_DONE);
    post.sink->ops->set_egress(post.sink, &other); /* open connections are not used any more */
    assert_sentence(post_one(&post, target_of("/t")), VERDICT_FORBIDDEN, "127.0.0.1");
    assert_sentence(post_one(&post, "kafka://localhost:9/t"), VERDICT_FORBIDDEN, "localhost");
    post.sink->ops->set_egress(post.sink, &post.egress);
    assert_int_equal(post_one(&post, target_of("/t"))->verdict, VERDICT_DONE);
    assert_true(post_now_s(CLOCK_MONOTONIC) - begin_s < 15); /* no timeout was waited for */
}

/* The metadata leads to a broker that was in no target. */
static void judges_brokers_that_the_cluster_names(void **state) {
    struct address loopback;
    char target[100];
    unsigned ports[BROKERS];
    (void)state;
    const char *bootstrap = rd_kafka_mock_cluster_bootstraps(cluster);
    assert_int_equal(
        sscanf(bootstrap, "127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u", &ports[0], &ports[1], &ports[2]), 3);
    address_decode(SLICE("127.0.0.1"), &loopback);
    rd_kafka_mock_topic_create(cluster, "here", 1, 1);
    rd_kafka_mock_partition_set_leader(cluster, "here", 0, 1);
    rd_kafka_mock_topic_create(cluster, "there", 1, 1);
    rd_kafka_mock_partition_set_leader(cluster, "there", 0, 2);
    egress_never(&post.egress, &loopback, (uint16_t)ports[1]);
    post.timeout_ms = 1500;
    snprintf(target, sizeof target, "kafka://127.0.0.1:%u/here", ports[0]);
    assert_int_equal(post_one(&post, target)->verdict, VERDICT_DONE);
    snprintf(target, sizeof target, "kafka://127.0.0.1:%u/there", ports[0]);
    assert_int_equal(post_one(&post, target)->verdict, VERDICT_FORBIDDEN);
}

static void end_every_producer(void) {
    for (int i = 0; i < 20; i++)
        rd_kafka_mock_push_request_errors(cluster, INIT_PRODUCER_ID, 1,
                                          RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
}

static void end_no_more(void) {
    rd_kafka_mock_clear_request_errors(cluster, INIT_PRODUCER_ID);
}

/* The cluster ends the producer; the next one is asked for anew. */
static void makes_a_new_producer_after_a_fatal_error(void **state) {
    (void)state;
    end_every_producer();
    const struct parcel *p = post_one(&post, target_of("/t"));
    assert_int_equal(p->answers, 1);
    assert_int_not_equal(p->verdict, VERDICT_DONE);
    post.resend = end_no_more; /* to the successor, while the producer that has ended still reports */
    p = post_one(&post, target_of("/t"));
    assert_int_equal(p->answers, 2);
    assert_int_equal(p->verdict, VERDICT_DONE);
    assert_int_equal(post_one(&post, target_of("/t"))->verdict, VERDICT_DONE);
}

static void reads_the_password_for_each_producer(void **state) {
    (void)state;
    assert_sentence(post_one(&post, "kafka://u@127.0.0.1:1/t?sasl=PLAIN&password_file=/run/k"),
                    VERDICT_NOT_SENT, "no file /run/k");
    snprintf(post.secret, sizeof post.secret, "p");
    post.timeout_ms = 1200;
    assert_int_equal(
        post_one(&post, "kafkas://u@127.0.0.1:1/t?sasl=SCRAM-SHA-512&password_file=/run/k")->verdict,
        VERDICT_NOT_SENT);
    assert_int_equal(post.secrets_read, 2);
}

static void makes_room_for_more_timeouts_than_producers(void **state) {
    (void)state;
    for (uint32_t i = 0; i < KAFKA_SINK_PRODUCERS + 4; i++) {
        post.timeout_ms = 20000 + i;
        assert_int_equal(post_one(&post, target_of("/t"))->verdict, VERDICT_DONE);
    }
}

static void closes_in_the_middle(void **state) {
    (void)state;
    for (int i = 0; i < 2000; i++)
        post_send(&post, i % 2 == 0 ? target_of("/t") : "kafka://127.0.0.1:1/t");
    loop_run_for(post.loop, 20);
    size_t answered = post.answered;
    double begin_s = post_now_s(CLOCK_MONOTONIC);
    sink_close(post.sink);
    post.sink = NULL;
    assert_true(post_now_s(CLOCK_MONOTONIC) - begin_s < 4);
    loop_run_for(post.loop, 50);
    assert_int_equal(post.answered, answered); /* none comes any more */
}

static void relays_quickly(void **state) {
    static char kilobyte[1024];
    (void)state;
    post.body = slice_of(kilobyte, sizeof kilobyte);
    assert_true(
        post_measure(&post, "kafka (mock cluster in the same process)", target_of("/speed"), 60000, 4096));
}

/* A real broker. */

static void delivers_to_a_real_broker(void **state) {
    char target[200];
    const char *broker = getenv("SETTLE_TEST_KAFKA");
    (void)state;
    if (broker == NULL) {
        print_message("skipped: SETTLE_TEST_KAFKA names no broker (tests/peers/kafka_test.py)\n");
        skip();
    }
    snprintf(target, sizeof target, "kafka://%s/orders", broker);
    post.key = SLICE("customer-7");
    post.timeout_ms = 30000;
    for (int i = 0; i < 2000; i++)
        post_send(&post, target);
    assert_true(post_wait(&post, 40000));
    assert_int_equal(post.by_verdict[VERDICT_DONE], 2000);
    assert_read(broker, "orders", 2000, true, look_at_nothing);
    static char kilobyte[1024];
    post.body = slice_of(kilobyte, sizeof kilobyte);
    snprintf(target, sizeof target, "kafka://%s/speed", broker);
    assert_true(post_measure(&post, "kafka", target, 40000, 4096));
}

static void speaks_tls_and_sasl(void **state) {
    char target[200];
    const char *port =
        getenv("SETTLE_TEST_KAFKA_TLS"); /* user settle, password secret; a certificate for localhost */
    (void)state;
    if (port == NULL)
        skip();
    post_close(&post);
    post_open(&post, 10, getenv("SETTLE_TEST_KAFKA_CA"), "127.0.0.0/8", kafka_sink_open);
    snprintf(post.secret, sizeof post.secret, "secret");
    post.timeout_ms = 15000;
    snprintf(target, sizeof target, "kafkas://settle@localhost:%s/secure?sasl=PLAIN&password_file=/run/k",
             port);
    const struct parcel *p = post_one(&post, target);
    assert_sentence(p, VERDICT_DONE, "");
    snprintf(post.secret, sizeof post.secret, "wrong");
    post.timeout_ms = 3000;
    assert_sentence(post_one(&post, target), VERDICT_NOT_SENT, "uthentication");
    snprintf(post.secret, sizeof post.secret, "secret");
    snprintf(target, sizeof target, "kafkas://settle@127.0.0.1:%s/secure?sasl=PLAIN&password_file=/run/k",
             port);
    assert_sentence(post_one(&post, target), VERDICT_NOT_SENT, "certificate");
}

/* Every message until it is done, whatever happens to the broker meanwhile; a byte goes to a file for each,
 * so that the one who kills knows when. Then all of them are in the topic. */
static void forgets_nothing_that_is_done(void **state) {
    enum { MESSAGES = 20000, WINDOW = 500 };
    static bool told[MESSAGES];
    static unsigned char seen[MESSAGES];
    char target[200];
    size_t done = 0, sent = 0, troubles = 0, found = 0, twice = 0;
    const char *broker = getenv("SETTLE_TEST_KAFKA"), *path = getenv("SETTLE_TEST_KAFKA_DONE");
    (void)state;
    if (broker == NULL || path == NULL)
        skip();
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    snprintf(target, sizeof target, "kafka://%s/fire", broker);
    post.timeout_ms = 2000;
    double begin_s = post_now_s(CLOCK_MONOTONIC);
    while (done < MESSAGES && post_now_s(CLOCK_MONOTONIC) - begin_s < 100) {
        for (; sent < MESSAGES && sent - done < WINDOW; sent++)
            post_send(&post, target);
        loop_run_for(post.loop, 20);
        for (size_t i = 0; i < sent; i++) {
            struct parcel *p = &post.parcels[i];
            if (told[i] || p->answers == 0)
                continue;
            if (p->verdict == VERDICT_DONE) {
                told[i] = true;
                done++;
                fputc('.', file);
            } else {
                troubles++;
                p->answers = 0;
                post_send_again(&post, i);
            }
        }
        fflush(file);
    }
    fclose(file);
    assert_int_equal(done, MESSAGES);
    assert_true(troubles > 0); /* or the broker was never killed */
    struct reading r = begin_reading(broker, "fire");
    begin_s = post_now_s(CLOCK_MONOTONIC);
    while (found < MESSAGES && post_now_s(CLOCK_MONOTONIC) - begin_s < 30) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(r.kafka, 100);
        if (m != NULL && m->err == 0) {
            unsigned char *count = &seen[number_of(m)];
            found += *count == 0;
            twice += *count == 1;
            if (*count < 2)
                ++*count;
        }
        if (m != NULL)
            rd_kafka_message_destroy(m);
    }
    end_reading(&r);
    print_message("%zu done, %zu attempts failed; %zu found, %zu of them more than once\n", done, troubles,
                  found, twice);
    assert_int_equal(found, MESSAGES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(says_what_is_wrong_with_a_target),
        TEST(carries_only_messages),
        TEST(delivers_with_key_and_headers),
        TEST(delivers_any_body),
        TEST(rides_over_passing_trouble),
        TEST(tells_the_clusters_refusal),
        TEST(says_that_nobody_is_there),
        TEST(waits_for_a_cluster_that_comes_back),
        TEST(is_unknown_without_an_acknowledgement),
        TEST(calls_nobody_whom_egress_forbids),
        TEST(judges_brokers_that_the_cluster_names),
        TEST(makes_a_new_producer_after_a_fatal_error),
        TEST(reads_the_password_for_each_producer),
        TEST(makes_room_for_more_timeouts_than_producers),
        TEST(closes_in_the_middle),
        TEST(relays_quickly),
    };
    const struct CMUnitTest on_a_broker[] = {
        /* tests/peers/kafka_test.py starts one */
        TEST(delivers_to_a_real_broker),
        TEST(speaks_tls_and_sasl),
        TEST(forgets_nothing_that_is_done),
    };
    if (getenv("SETTLE_TEST_ONLY") != NULL)
        cmocka_set_test_filter(getenv("SETTLE_TEST_ONLY"));
    if (getenv("SETTLE_TEST_KAFKA") != NULL)
        return cmocka_run_group_tests_name("kafka_sink on a broker", on_a_broker, NULL, NULL);
    return cmocka_run_group_tests_name("kafka_sink", tests, NULL, NULL);
}

#else

#include "sink/kafka/kafka_sink.h"

static void says_which_package_is_missing(void **state) {
    struct why why = { "" };
    struct sink *sink = NULL;
    (void)state;
    assert_int_equal(kafka_sink_open(&sink, NULL, NULL, &why), ERR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "librdkafka-dev"));
    assert_null(kafka_sink_library());
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(says_which_package_is_missing) };
    if (getenv("SETTLE_TEST_KAFKA") != NULL)
        return cmocka_run_group_tests_name("kafka_sink on a broker", on_a_broker, NULL, NULL);
    return cmocka_run_group_tests_name("kafka_sink", tests, NULL, NULL);
}

#endif
