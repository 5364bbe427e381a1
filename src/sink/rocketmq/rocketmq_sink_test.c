/* The sink against small brokers: what goes out, where it goes, and what every answer means. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sink/rocketmq/rocketmq_stage_test.h"

static void a_message_goes_out_as_promised(void **state) {
    (void)state;
    static const struct label headers[] = { { SLICE("tenant"), SLICE("a\002TRAN_MSG\001true") },
                                            { SLICE("DELAY"), SLICE("3") } };
    message.headers = headers;
    message.header_count = 2;
    aim("", "?group=shop&tag=T1");
    const struct seen *s = ask("4711", "customer-7", 1, 1000);
    expect(s, VERDICT_DONE, "{\"broker\":\"broker-");
    expect(s, VERDICT_DONE,
           ",\"queueId\":1,\"queueOffset\":42,\"msgId\":\"7F000001000051AF0000000000003205\"}");
    assert_string_equal(
        last_properties.at,
        "UNIQ_KEY\001C8C91842DC9B99864871000000008118\002WAIT\001true\002KEYS\0014711 customer-7"
        "\002TAGS\001T1\002__SHARDINGKEY\001customer-7\002settle-id\0014711\002settle-gid\001g-1"
        "\002settle-topic\001orders\002content-type\001application/json\002tenant\001a TRAN_MSG true"
        "\002header-DELAY\0013\002");
    assert_true(slice_starts(buffer_slice(&last_fields), "a=shop;b=Orders;c=TBW102;d=4;e="));
    assert_non_null(strstr(last_fields.at, ";f=0;g=1"));
    assert_non_null(strstr(last_fields.at, ";h=0;i=P;j=0;k=false;m=false;n=broker-"));
    assert_string_equal(arrivals[0].body, "{\"n\":1}");
    /* The connection and the route are used again. */
    ask("4712", "customer-7", 1, 1000);
    assert_int_equal(servers[0].requests + servers[1].requests, 1);
    assert_int_equal(rocketmq_sink_counters(sink).servers, 2);
    assert_int_equal(rocketmq_sink_counters(sink).outcomes[VERDICT_DONE], 2);
    assert_int_equal(rocketmq_sink_counters(sink).calls, 0);
}

static void every_answer_has_its_meaning(void **state) {
    (void)state;
    static const struct {
        int32_t code;
        const char *remark;
        enum verdict verdict;
        const char *words;
    } rows[] = {
        { 0, "", VERDICT_DONE, "\"queueOffset\":42" },
        { 1, "disk", VERDICT_UNKNOWN, "answered 1 SYSTEM_ERROR: disk" },
        { 2, "[TIMEOUT_CLEAN_QUEUE]broker busy", VERDICT_UNKNOWN, "answered 2 SYSTEM_BUSY: [TIMEOUT_CLEAN" },
        { 3, "", VERDICT_UNKNOWN, "answered 3 REQUEST_CODE_NOT_SUPPORTED" },
        { 10, "", VERDICT_UNKNOWN, "stored it, but not safely: 10 FLUSH_DISK_TIMEOUT" },
        { 11, "", VERDICT_UNKNOWN, "stored it, but not safely: 11 SLAVE_NOT_AVAILABLE" },
        { 12, "", VERDICT_UNKNOWN, "stored it, but not safely: 12 FLUSH_SLAVE_TIMEOUT" },
        { 13, "too large", VERDICT_UNKNOWN, "answered 13 MESSAGE_ILLEGAL: too large" },
        { 14, "", VERDICT_UNKNOWN, "answered 14 SERVICE_NOT_AVAILABLE" },
        { 16, "the broker is read only", VERDICT_UNKNOWN, "answered 16 NO_PERMISSION: the broker" },
        { 17, "", VERDICT_UNKNOWN, "answered 17 TOPIC_NOT_EXIST" },
        { 29, "", VERDICT_UNKNOWN, "answered 29 INVALID_PARAMETER" },
        { 215, "", VERDICT_UNKNOWN, "answered 215 FLOW_CONTROL" },
        { 200000, "", VERDICT_UNKNOWN, "answered 200000 unknown code" },
        { -1, "", VERDICT_UNKNOWN, "answered -1 unknown code" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        both(ANSWERS, rows[i].code, rows[i].remark);
        expect(ask("m", "", 1, 1000), rows[i].verdict, rows[i].words);
    }
    assert_int_equal(arrival_count, sizeof rows / sizeof rows[0]); /* nothing was sent twice */
    aim("", "?accept_weak=yes");
    for (int32_t code = 10; code <= 12; code++) {
        both(ANSWERS, code, "");
        expect(ask("m", "", 1, 1000), VERDICT_DONE, "\"queueOffset\":42");
    }
    both(ANSWERS, 13, "");
    expect(ask("m", "", 1, 1000), VERDICT_UNKNOWN, "MESSAGE_ILLEGAL");
}

static void what_is_no_answer_is_unknown(void **state) {
    (void)state;
    both(HANGS_UP, 0, "");
    expect(ask("m", "", 1, 1000), VERDICT_UNKNOWN, "ended before an answer");
    both(TALKS_HTTP, 0, "");
    expect(ask("m", "", 1, 1000), VERDICT_UNKNOWN, "sent something that is not RocketMQ: a frame of");
    both(FORGETS_THE_ID, 0, "");
    expect(ask("m", "", 1, 1000), VERDICT_UNKNOWN, "answered SUCCESS without a msgId");
    both(CONFUSES_NUMBERS, 0, "");
    expect(ask("m", "", 1, 200), VERDICT_UNKNOWN, "no answer from broker");
    assert_int_equal(arrival_count, 4);
    assert_int_equal(rocketmq_sink_counters(sink).timeouts, 1);
    both(CHATTERS, 0, "");
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "\"msgId\":\"7F\"");
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "\"queueOffset\":null");
}

static void a_timeout_is_unknown_and_the_late_answer_finds_nobody(void **state) {
    (void)state;
    both(HOLDS, 0, "");
    const struct seen *s = ask("m", "", 1, 200);
    expect(s, VERDICT_UNKNOWN, "no answer from broker broker-");
    assert_true(s->o.took_ms >= 200);
    assert_int_equal(held, 1);
    both(ANSWERS, 0, "");
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "");
    /* Nothing had come since the first was sent: another connection was made. */
    assert_int_equal(servers[BROKERS].accepted + servers[BROKERS + 1].accepted, 2);
    loop_run_for(loop, 10);
    assert_int_equal(seen_count, 2);
    assert_int_equal(rocketmq_sink_counters(sink).servers, 2); /* the dead one is gone */
}

static void an_attempt_goes_elsewhere_with_the_same_key(void **state) {
    (void)state;
    both(ANSWERS, 1, "");
    for (uint32_t i = 0; i < 8; i++) {
        char id[20];
        snprintf(id, sizeof id, "m-%u", i);
        size_t first = arrival_count;
        for (uint32_t attempt = 1; attempt <= 4; attempt++)
            expect(ask(id, "", attempt, 1000), VERDICT_UNKNOWN, "SYSTEM_ERROR");
        for (size_t k = first + 1; k < arrival_count; k++) {
            assert_int_not_equal(arrivals[k].server, arrivals[k - 1].server);
            assert_string_equal(arrivals[k].unique, arrivals[first].unique);
        }
        assert_string_equal(arrivals[first].keys, id);
        if (first > 0)
            assert_string_not_equal(arrivals[first].unique, arrivals[first - 1].unique);
    }
    assert_int_equal(arrival_count, 32);
}

/* With one broker: another queue. */
static void with_one_broker_an_attempt_goes_to_another_queue(void **state) {
    (void)state;
    route_to("127.0.0.1", BROKERS, 3);
    for (uint32_t attempt = 1; attempt <= 4; attempt++)
        expect(ask("m", "", attempt, 1000), VERDICT_DONE, "broker-a");
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(arrivals[i].queue, (arrivals[0].queue + i) % 3);
}

static void a_key_always_goes_to_its_queue(void **state) {
    (void)state;
    bool used[SERVERS][4] = { { false } };
    for (int i = 0; i < 100; i++) {
        char key[20];
        size_t first = arrival_count;
        snprintf(key, sizeof key, "customer-%d", i);
        for (uint32_t attempt = 1; attempt <= 3; attempt++) {
            char id[20];
            snprintf(id, sizeof id, "m-%d-%u", i, attempt);
            ask(id, key, attempt, 1000);
        }
        for (size_t k = first; k < arrival_count; k++) {
            assert_int_equal(arrivals[k].server, arrivals[first].server);
            assert_int_equal(arrivals[k].queue, arrivals[first].queue);
        }
        used[arrivals[first].server][arrivals[first].queue] = true;
    }
    for (size_t i = 0; i < 8; i++)
        assert_true(used[BROKERS + i / 4][i % 4]);
}

static void five_thousand_are_counted(void **state) {
    (void)state;
    both(ANSWERS, 0, "");
    resend = 4700;
    for (uint32_t i = 0; i < 300; i++) {
        char id[20];
        snprintf(id, sizeof id, "f-%u", i);
        send_message(id, i % 2 == 0 ? "" : id, 1, 5000);
    }
    wait_for(5000);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(seen[i].o.verdict, VERDICT_DONE);
    assert_int_equal(arrival_count, 5000);
    assert_int_equal(rocketmq_sink_counters(sink).calls, 0);
    assert_int_equal(rocketmq_sink_counters(sink).servers, 3);
}

static void what_is_in_flight_is_bounded(void **state) {
    (void)state;
    both(HOLDS, 0, "");
    for (uint32_t i = 0; i < ROCKETMQ_IN_FLIGHT + 44; i++)
        send_message("m", "same", 1, 2000);
    for (int i = 0; i < 500 && held < ROCKETMQ_IN_FLIGHT; i++)
        loop_run_for(loop, 2);
    loop_run_for(loop, 10);
    assert_int_equal(held, ROCKETMQ_IN_FLIGHT);
    let_go();
    wait_for(ROCKETMQ_IN_FLIGHT);
    loop_run_for(loop, 10);
    assert_int_equal(held, 44);
    let_go();
    wait_for(ROCKETMQ_IN_FLIGHT + 44);
    assert_int_equal(held_peak, ROCKETMQ_IN_FLIGHT);
    assert_int_equal(servers[BROKERS].accepted + servers[BROKERS + 1].accepted, 1);
    /* Those that wait behind a broker that says nothing were not sent. */
    for (uint32_t i = 0; i < ROCKETMQ_IN_FLIGHT + 4; i++)
        send_message("m", "same", 1, 100);
    wait_for(2 * ROCKETMQ_IN_FLIGHT + 48);
    assert_int_equal(rocketmq_sink_counters(sink).outcomes[VERDICT_UNKNOWN], ROCKETMQ_IN_FLIGHT);
    assert_int_equal(rocketmq_sink_counters(sink).outcomes[VERDICT_NOT_SENT], 4);
}

static void closing_tells_nothing_more(void **state) {
    (void)state;
    expect(ask("m", "k", 1, 1000), VERDICT_DONE, "");
    both(HOLDS, 0, "");
    for (uint32_t i = 0; i < ROCKETMQ_IN_FLIGHT + 10; i++)
        send_message("m", "k", 1, 2000); /* sent, and waiting for room */
    loop_run_for(loop, 20);
    assert_int_equal(held, ROCKETMQ_IN_FLIGHT);
    aim("", "?tag=T");
    both_names(SAYS_NOTHING, 0, "");
    for (uint32_t i = 0; i < 5; i++)
        send_message("m", "", 1, 2000); /* waiting for the route */
    loop_run_for(loop, 20);
    aim("", "?oops=1");
    send_message("m", "", 1, 2000); /* failed already, and not told yet */
    sink_close(sink);
    sink = NULL;
    let_go();
    loop_run_for(loop, 30);
    assert_int_equal(seen_count, 1);
}

static void a_message_that_cannot_be_sent_says_why(void **state) {
    (void)state;
    static char long_value[ROCKETMQ_PROPERTIES_BYTES];
    memset(long_value, 'x', sizeof long_value);
    struct label header = { SLICE("h"), slice_of(long_value, sizeof long_value) };
    message.headers = &header;
    message.header_count = 1;
    expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT, "take more than 32767 bytes");
    header.value.length -= 400;
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "");
    /* No delivery: its id is what its Idempotency-Key would be. */
    struct call call = { .transaction = 7,
                         .branch = 2,
                         .attempt = 1,
                         .timeout_ms = 1000,
                         .gid = SLICE("g-9"),
                         .branch_id = SLICE("b"),
                         .operation = SLICE("action"),
                         .body = SLICE("{}") };
    sink->ops->send(sink, &call, &target);
    wait_for(3);
    expect(&seen[2], VERDICT_DONE, "");
    assert_true(
        slice_is(rocketmq_property_value(buffer_slice(&last_properties), "settle-id"), "g-9/b/action"));
    static char large[ROCKETMQ_MESSAGE_BYTES + 1];
    call.body = slice_of(large, sizeof large);
    sink->ops->send(sink, &call, &target);
    wait_for(4);
    expect(&seen[3], VERDICT_NOT_SENT, "a body of 4194305 bytes; brokers take at most 4194304");
    call.body.length--;
    sink->ops->send(sink, &call, &target);
    wait_for(5);
    expect(&seen[4], VERDICT_DONE, "");
    call.body.length = 0;
    sink->ops->send(sink, &call, &target);
    wait_for(6);
    expect(&seen[5], VERDICT_NOT_SENT, "an empty body; brokers take no message without one");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_message_goes_out_as_promised),
        TEST(every_answer_has_its_meaning),
        TEST(what_is_no_answer_is_unknown),
        TEST(a_timeout_is_unknown_and_the_late_answer_finds_nobody),
        TEST(an_attempt_goes_elsewhere_with_the_same_key),
        TEST(with_one_broker_an_attempt_goes_to_another_queue),
        TEST(a_key_always_goes_to_its_queue),
        TEST(five_thousand_are_counted),
        TEST(what_is_in_flight_is_bounded),
        TEST(closing_tells_nothing_more),
        TEST(a_message_that_cannot_be_sent_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
