/* Messages: properties that cannot be forged, keys that stay, the signature's vectors, what answers mean. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "wire/rocketmq_message.h"

static void expect(struct slice s, const char *text) {
    if (!slice_is(s, text))
        fail_msg("%.*s, not %s", SLICE_PRINT(s), text);
}

static void properties_are_written_with_their_separators(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b, 4096);
    rocketmq_property_add(&b, SLICE("KEYS"), SLICE("K1"));
    rocketmq_property_add(&b, SLICE("NONE"), SLICE_NONE);
    rocketmq_property_add(&b, SLICE_NONE, SLICE("x"));
    rocketmq_property_add(&b, SLICE("WAIT"), SLICE("true"));
    expect(buffer_slice(&b), "KEYS\001K1\002WAIT\001true\002");
    expect(rocketmq_property_value(buffer_slice(&b), "WAIT"), "true");
    expect(rocketmq_property_value(SLICE("KEYS\001K1\002WAIT\001true"), "WAIT"), "true"); /* as 4.9 writes */
    expect(rocketmq_property_value(SLICE("KEYS\001K1\002WAIT"), "WAIT"), "");
    expect(rocketmq_property_value(SLICE_NONE, "WAIT"), "");
    buffer_done(&b);
}

static void a_header_cannot_forge_a_property(void **state) {
    (void)state;
    static const struct {
        struct slice name, value;
        const char *wanted;
    } rows[] = {
        { SLICE("tenant"), SLICE("a\002TRAN_MSG\001true"), "tenant\001a TRAN_MSG true\002" },
        { SLICE("t\002DELAY\0013"), SLICE("v"), "t DELAY 3\001v\002" },
        { SLICE("TRAN_MSG"), SLICE("true"), "header-TRAN_MSG\001true\002" },
        { SLICE("1ST_POP_TIME"), SLICE("1"), "header-1ST_POP_TIME\0011\002" },
        { SLICE("__SHARDINGKEY"), SLICE("k"), "header-__SHARDINGKEY\001k\002" },
        { SLICE("__transactionId__"), SLICE("k"), "header-__transactionId__\001k\002" },
        { SLICE("X-Trace"), SLICE("\xc3\xa9\xff\n"), "X-Trace\001\xc3\xa9?\n\002" },
        { SLICE("empty"), SLICE(""), "" },
    };
    struct buffer b;
    buffer_init(&b, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buffer_clear(&b);
        rocketmq_property_add_foreign(&b, rows[i].name, rows[i].value);
        expect(buffer_slice(&b), rows[i].wanted);
    }
    buffer_done(&b);
}

static void a_message_keeps_its_unique_key(void **state) {
    (void)state;
    char one[ROCKETMQ_UNIQUE_BYTES];
    char again[ROCKETMQ_UNIQUE_BYTES];
    rocketmq_unique_key(SLICE("orders"), SLICE("4711"), one);
    /* SHA-256 of "orders", a NUL, "4711"; the time's four bytes are 0. */
    assert_memory_equal(one, "C8C91842DC9B99864871000000008118", ROCKETMQ_UNIQUE_BYTES);
    rocketmq_unique_key(SLICE("orders"), SLICE("4711"), again);
    assert_memory_equal(one, again, sizeof one);
    rocketmq_unique_key(SLICE("orders4"), SLICE("711"), again);
    assert_memory_not_equal(one, again, sizeof one);
    rocketmq_unique_key(SLICE("orders"), SLICE("4712"), again);
    assert_memory_not_equal(one, again, sizeof one);
}

static void names_are_what_brokers_take(void **state) {
    (void)state;
    assert_true(rocketmq_name_valid(SLICE("%RETRY%a|B-9_"), ROCKETMQ_TOPIC_BYTES));
    assert_false(rocketmq_name_valid(SLICE(""), ROCKETMQ_TOPIC_BYTES));
    assert_false(rocketmq_name_valid(SLICE("a.b"), ROCKETMQ_TOPIC_BYTES));
    assert_false(rocketmq_name_valid(SLICE("a\0"), ROCKETMQ_TOPIC_BYTES));
    assert_false(rocketmq_name_valid(SLICE("\xc3\xa9"), ROCKETMQ_TOPIC_BYTES));
    assert_true(rocketmq_name_valid(SLICE("abc"), 3));
    assert_false(rocketmq_name_valid(SLICE("abcd"), 3));
}

static void a_send_has_the_fields_of_version_two(void **state) {
    (void)state;
    struct rocketmq_send send = { .group = SLICE("settled"),
                                  .topic = SLICE("T"),
                                  .broker = SLICE("broker-a"),
                                  .queue = 3,
                                  .born_ms = UINT64_MAX,
                                  .properties = SLICE("UNIQ_KEY\001U\002WAIT\001true\002") };
    struct rocketmq_command c = { .opaque = 1 };
    struct buffer b;
    buffer_init(&b, 4096);
    rocketmq_send_encode(&send, &c);
    assert_int_equal(rocketmq_frame_encode(&b, &c, ROCKETMQ_JSON, 0), 0);
    expect(
        slice_from(buffer_slice(&b), 8),
        "{\"code\":310,\"extFields\":{\"a\":\"settled\",\"b\":\"T\",\"c\":\"TBW102\",\"d\":\"4\",\"e\":\"3\","
        "\"f\":\"0\",\"g\":\"18446744073709551615\",\"h\":\"0\",\"i\":\"UNIQ_"
        "KEY\\u0001U\\u0002WAIT\\u0001true"
        "\\u0002\",\"j\":\"0\",\"k\":\"false\",\"m\":\"false\",\"n\":\"broker-a\"},\"flag\":0,"
        "\"language\":\"OTHER\",\"opaque\":1,\"serializeTypeCurrentRPC\":\"JSON\",\"version\":479}");
    buffer_done(&b);
}

/* The vectors of the Java client's own hook. */
static void requests_are_signed_as_the_java_client_does(void **state) {
    (void)state;
    char signature[ROCKETMQ_SIGNATURE_BYTES];
    struct buffer scratch;
    buffer_init(&scratch, 4096);
    struct rocketmq_command c = { .fields = { { SLICE("topic"), SLICE("SndTopic") },
                                              { SLICE("Signature"), SLICE("is left out") },
                                              { SLICE("AccessKey"), SLICE("rocketmq2") } },
                                  .field_count = 3 };
    assert_int_equal(rocketmq_sign(&c, SLICE_NONE, SLICE("12345678"), &scratch, signature), 0);
    expect(slice_of(signature, sizeof signature), "gk9m7hc2Ci89ypDikMYWS1aN3Bc=");
    c = (struct rocketmq_command){ .fields = { { SLICE("zz"), SLICE("1") },
                                               { SLICE("AccessKey"), SLICE("rocketmq2") } },
                                   .field_count = 2 };
    assert_int_equal(rocketmq_sign(&c, SLICE("{\"clientID\":\"c\"}"), SLICE("12345678"), &scratch, signature),
                     0);
    expect(slice_of(signature, sizeof signature), "HQgiih3XeKlVizZbyKiYU5lhVy8=");
    struct buffer narrow;
    buffer_init(&narrow, 10);
    assert_int_equal(rocketmq_sign(&c, SLICE("0123456789"), SLICE("s"), &narrow, signature), ERR_LIMIT);
    buffer_done(&narrow);
    buffer_done(&scratch);
}

static void every_code_has_one_meaning(void **state) {
    (void)state;
    static const int32_t weak[] = { 10, 11, 12 };
    static const int32_t elsewhere[] = { 1, 2, 14, 17, 204, 205, 215, 1500, -1, 99, 200050 };
    static const int32_t refused[] = { 3, 13, 15, 16, 29 };
    size_t stored = 0;
    for (int32_t code = -10; code < 3000; code++)
        stored += rocketmq_verdict(code) == ROCKETMQ_STORED;
    assert_int_equal(stored, 1);
    assert_int_equal(rocketmq_verdict(0), ROCKETMQ_STORED);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rocketmq_verdict(weak[i]), ROCKETMQ_WEAK);
    for (size_t i = 0; i < 11; i++)
        assert_int_equal(rocketmq_verdict(elsewhere[i]), ROCKETMQ_ELSEWHERE);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(rocketmq_verdict(refused[i]), ROCKETMQ_REFUSED);
    assert_string_equal(rocketmq_code_text(12), "FLUSH_SLAVE_TIMEOUT");
    assert_string_equal(rocketmq_code_text(7777), "unknown code");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_are_written_with_their_separators),
        cmocka_unit_test(a_header_cannot_forge_a_property),
        cmocka_unit_test(a_message_keeps_its_unique_key),
        cmocka_unit_test(names_are_what_brokers_take),
        cmocka_unit_test(a_send_has_the_fields_of_version_two),
        cmocka_unit_test(requests_are_signed_as_the_java_client_does),
        cmocka_unit_test(every_code_has_one_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
