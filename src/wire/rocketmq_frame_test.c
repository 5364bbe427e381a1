/* Frames: the bytes of a real client and broker, both spellings, every cut, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "wire/edge_test.h"
#include "wire/rocketmq_frame.h"

#define VERSION_4_9_8 409
#define JAVA 0

static struct edge edge;
static struct arena arena;
static struct buffer wire;

static int begin(void **state) {
    (void)state;
    edge_init(&edge);
    arena_init(&arena, 4096, 1 << 20);
    buffer_init(&wire, ROCKETMQ_FRAME_BYTES + 1024);
    return 0;
}

static int end(void **state) {
    (void)state;
    edge_done(&edge);
    arena_done(&arena);
    buffer_done(&wire);
    return 0;
}

/* Asked for by TransactionMQProducer 4.9.8, and answered by broker 4.9.8. */
static const char route_request[] =
    "{\"code\":105,\"extFields\":{\"topic\":\"TBW102\"},\"flag\":0,\"language\":\"JAVA\",\"opaque\":0,"
    "\"serializeTypeCurrentRPC\":\"JSON\",\"version\":409}";
static const char send_request[] =
    "{\"code\":310,\"extFields\":{\"a\":\"tx_group\",\"b\":\"OrderTopic\",\"c\":\"TBW102\",\"d\":\"4\","
    "\"e\":\"3\",\"f\":\"4\",\"g\":\"1795394783019\",\"h\":\"0\",\"i\":"
    "\"u\\u0001v0\\u0002KEYS\\u0001C1\\u0002"
    "TRAN_MSG\\u0001true\\u0002UNIQ_KEY\\u0001FD000000000000000000000000000002355A30946E0971765F2A0000"
    "\\u0002WAIT\\u0001true\\u0002PGROUP\\u0001tx_group\\u0002TAGS\\u0001TagA\",\"j\":\"0\",\"k\":\"false\","
    "\"m\":\"false\",\"n\":\"broker-a\"},\"flag\":0,\"language\":\"JAVA\",\"opaque\":6,"
    "\"serializeTypeCurrentRPC\":\"JSON\",\"version\":409}";
static const char not_found_answer[] =
    "{\"code\":17,\"flag\":1,\"language\":\"JAVA\",\"opaque\":2,\"remark\":\"No topic route info in name "
    "server "
    "for the topic: OrderTopic\\nSee http://rocketmq.apache.org/docs/faq/ for further details.\","
    "\"serializeTypeCurrentRPC\":\"JSON\",\"version\":409}";
static const char binary_route_request[] =
    "0000002c010000280069000199000000000000000000000000000000130005746f70696300000008536e64546f706963";
static const char binary_send_request[] =
    "0000010f010001060136000199000000060000000000000000000000f100016100000009736e645f67726f75700001620000"
    "0008536e64546f70696300016300000006544257313032000164000000013400016500000001320001660000000130000167"
    "0000000d3137393533393531313738313400016800000001300001690000005b4b455953014b3102554e49515f4b45590146"
    "4430303030303030303030303030303030303030303030303030303030303231333543333039343645303937313742374146"
    "343030303002574149540174727565025441475301543100016a000000013000016b0000000566616c736500016d00000005"
    "66616c736500016e0000000862726f6b65722d61706c61696e";
static const char binary_send_answer[] =
    "000000930100008f00000001990000000600000001000000000000007a00056d736749640000002037463030303030313030"
    "303035314146303030303030303030303030333230350007717565756549640000000132000b71756575654f666673657400"
    "00000132000854524143455f4f4e0000000474727565000a4d53475f524547494f4e0000000d44656661756c74526567696f"
    "6e";

static struct slice json_frame(const char *header, const char *body) {
    size_t length = strlen(header);
    size_t whole = 4 + length + strlen(body);
    const char prefix[8] = { (char)(whole >> 24), (char)(whole >> 16),  (char)(whole >> 8),  (char)whole,
                             ROCKETMQ_JSON,       (char)(length >> 16), (char)(length >> 8), (char)length };
    buffer_clear(&wire);
    buffer_add(&wire, prefix, sizeof prefix);
    buffer_add_text(&wire, header);
    buffer_add_text(&wire, body);
    return buffer_slice(&wire);
}

static struct slice hex_frame(const char *hex) {
    buffer_clear(&wire);
    assert_int_equal(digest_parse_hex(slice_text(hex), &wire), 0);
    return buffer_slice(&wire);
}

/* Every shorter piece asks for more; the whole is read at the edge of a page. */
static void read_frame(struct slice bytes, struct rocketmq_frame *frame) {
    size_t taken;
    for (size_t shown = 0; shown < bytes.length; shown++) {
        struct slice cut = edge_place(&edge, slice_upto(bytes, shown));
        assert_int_equal(rocketmq_frame_decode(cut, 1 << 20, frame, &taken, NULL), ERR_MORE);
        assert_int_equal(taken, shown < 4 ? 0 : bytes.length);
    }
    assert_int_equal(rocketmq_frame_decode(edge_place(&edge, bytes), 1 << 20, frame, &taken, NULL), 0);
    assert_int_equal(taken, bytes.length);
}

static void read_command(struct slice bytes, struct rocketmq_command *c, struct slice *body) {
    struct rocketmq_frame frame;
    read_frame(bytes, &frame);
    *body = frame.body;
    assert_int_equal(rocketmq_header_decode(&frame, &arena, c, NULL), 0);
}

static void expect_field(const struct rocketmq_command *c, const char *name, const char *value) {
    if (!slice_is(rocketmq_field_value(c, name), value))
        fail_msg("%s: %.*s", name, SLICE_PRINT(rocketmq_field_value(c, name)));
}

/* Reads what a real peer wrote, and writes exactly its bytes again. */
static void write_again(const struct rocketmq_command *c, enum rocketmq_spelling spelling,
                        struct slice body) {
    struct buffer out;
    buffer_init(&out, 1 << 20);
    assert_int_equal(rocketmq_frame_encode(&out, c, spelling, body.length), 0);
    buffer_add_slice(&out, body);
    assert_int_equal(out.length, wire.length);
    assert_memory_equal(out.at, wire.at, wire.length);
    buffer_done(&out);
}

static void json_is_read_and_written_as_the_java_client_does(void **state) {
    (void)state;
    struct rocketmq_command c;
    struct slice body;
    read_command(json_frame(route_request, ""), &c, &body);
    assert_int_equal(wire.length, 136);
    assert_int_equal(c.code, ROCKETMQ_GET_ROUTE);
    assert_int_equal(c.language, JAVA);
    assert_int_equal(c.version, VERSION_4_9_8);
    expect_field(&c, "topic", "TBW102");
    write_again(&c, ROCKETMQ_JSON, body);
    read_command(json_frame(send_request, "hello C1"), &c, &body);
    assert_int_equal(wire.length, 471);
    assert_int_equal(c.code, ROCKETMQ_SEND_MESSAGE);
    assert_int_equal(c.opaque, 6);
    assert_int_equal(c.field_count, 13);
    expect_field(&c, "n", "broker-a");
    expect_field(&c, "absent", "");
    assert_true(slice_starts(rocketmq_field_value(&c, "i"), "u\001v0\002KEYS\001C1\002TRAN_MSG\001true\002"));
    assert_true(slice_is(body, "hello C1"));
    write_again(&c, ROCKETMQ_JSON, body);
    read_command(json_frame(not_found_answer, ""), &c, &body);
    assert_int_equal(c.code, 17);
    assert_int_equal(c.flag, ROCKETMQ_ANSWER);
    assert_true(slice_starts(c.remark, "No topic route info"));
    assert_int_equal(c.field_count, 0);
    write_again(&c, ROCKETMQ_JSON, body);
}

static void binary_is_read_and_written_as_the_java_client_does(void **state) {
    (void)state;
    struct rocketmq_command c;
    struct slice body;
    read_command(hex_frame(binary_route_request), &c, &body);
    assert_int_equal(c.code, ROCKETMQ_GET_ROUTE);
    expect_field(&c, "topic", "SndTopic");
    write_again(&c, ROCKETMQ_BINARY, body);
    read_command(hex_frame(binary_send_request), &c, &body);
    assert_int_equal(c.code, ROCKETMQ_SEND_MESSAGE);
    expect_field(&c, "g", "1795395117814");
    assert_true(slice_is(body, "plain"));
    write_again(&c, ROCKETMQ_BINARY, body);
    read_command(hex_frame(binary_send_answer), &c, &body);
    assert_int_equal(c.code, 0);
    assert_int_equal(c.opaque, 6);
    assert_int_equal(c.flag, ROCKETMQ_ANSWER);
    expect_field(&c, "msgId", "7F000001000051AF0000000000003205");
    expect_field(&c, "queueId", "2");
    write_again(&c, ROCKETMQ_BINARY, body);
}

static void what_is_not_known_is_passed_over(void **state) {
    (void)state;
    struct rocketmq_command c;
    struct slice body;
    read_command(
        json_frame("{ \"later\": [1, {}], \"extFields\": {\"a\": \"1\", \"b\": null}, \"opaque\": -7, "
                   "\"language\": \"COBOL\", \"code\": 200050, \"remark\": null }",
                   ""),
        &c, &body);
    assert_int_equal(c.code, 200050);
    assert_int_equal(c.opaque, -7);
    assert_int_equal(c.language, ROCKETMQ_LANGUAGE_OTHER);
    assert_int_equal(c.field_count, 1);
    /* Twice in the binary spelling: the last one counts. */
    read_command(hex_frame("0000002d01000029" /* header 41 */
                           "0000"
                           "07"
                           "0199"
                           "00000001"
                           "00000001"
                           "00000000"
                           "00000014"
                           "0001"
                           "61"
                           "00000002"
                           "3031" /* a = 01 */
                           "0001"
                           "61"
                           "00000004"
                           "30303032"),
                 &c, &body);
    assert_int_equal(c.field_count, 1);
    expect_field(&c, "a", "0002");
    struct buffer out;
    buffer_init(&out, 4096);
    c.code = 200050; /* does not fit 16 bits */
    assert_int_equal(rocketmq_frame_encode(&out, &c, ROCKETMQ_BINARY, 0), ERR_LIMIT);
    assert_int_equal(out.length, 0);
    buffer_done(&out);
}

static void expect_refusal(struct slice bytes, int wanted, const char *words) {
    struct rocketmq_frame frame;
    struct rocketmq_command c;
    struct why why = { "" };
    size_t taken;
    int code = rocketmq_frame_decode(edge_place(&edge, bytes), 4096, &frame, &taken, &why);
    if (code == 0)
        code = rocketmq_header_decode(&frame, &arena, &c, &why);
    if (code != wanted || strstr(why.text, words) == NULL)
        fail_msg("%d, not %d: %s", code, wanted, why.text);
}

static void what_is_no_frame_is_refused(void **state) {
    (void)state;
    expect_refusal(hex_frame("0000000300000000"), ERR_SYNTAX, "at least 4");
    expect_refusal(hex_frame("00000004"), ERR_MORE, "");
    expect_refusal(hex_frame("0000100000000000"), ERR_LIMIT, "at most 4096");
    expect_refusal(hex_frame("ffffffff"), ERR_LIMIT, "at most 4096");
    expect_refusal(hex_frame("0000000402000000"), ERR_SYNTAX, "unknown spelling 2");
    expect_refusal(hex_frame("0000000501000002"), ERR_SYNTAX, "a header of 2 bytes in a frame of length 5");
    expect_refusal(hex_frame("48545450"), ERR_LIMIT, "at most 4096"); /* "HTTP" */
    /* 4092 and the 4 of the length are as much as was asked for. */
    expect_refusal(hex_frame("00000ffc00000000"), ERR_MORE, "");
}

static void what_is_no_header_is_refused(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        { "", "not JSON" },
        { "[]", "without a code" },
        { "{\"opaque\":1}", "without a code" },
        { "{\"code\":\"0\"}", "code is not a 32 bit number" },
        { "{\"code\":2147483648}", "code is not a 32 bit number" },
        { "{\"code\":0,\"opaque\":1.5}", "opaque is not" },
        { "{\"code\":0,\"flag\":null}", "flag is not" },
        { "{\"code\":0,\"version\":65536}", "version is not a 16 bit number" },
        { "{\"code\":0,\"extFields\":[]}", "extFields is no object" },
        { "{\"code\":0,\"extFields\":{\"a\":1}}", "no string" },
        { "{\"code\":0,\"code\":0}", "not JSON" },
        { "{\"code\":0} x", "not JSON" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_refusal(json_frame(rows[i][0], ""), ERR_SYNTAX, rows[i][1]);
    struct buffer header;
    buffer_init(&header, 65536);
    buffer_add_text(&header, "{\"code\":0,\"extFields\":{");
    for (int i = 0; i <= ROCKETMQ_FIELDS; i++)
        buffer_add_format(&header, "%s\"f%d\":\"\"", i == 0 ? "" : ",", i);
    buffer_add_text(&header, "}}");
    buffer_add_byte(&header, '\0');
    expect_refusal(json_frame(header.at, ""), ERR_LIMIT, "more than 40 fields");
    buffer_done(&header);
    /* Every binary header that is cut short, and one with a byte too many. */
    const char *good = binary_route_request + 16;
    for (size_t length = 0; length <= strlen(good) / 2 + 1; length++) {
        char hex[200];
        if (length == strlen(good) / 2)
            continue;
        snprintf(hex, sizeof hex, "%08zx01%06zx%.*s%s", length + 4, length, (int)(length * 2), good,
                 length * 2 > strlen(good) ? "00" : "");
        expect_refusal(hex_frame(hex), ERR_SYNTAX, "binary header");
    }
}

static void a_frame_has_a_largest_size(void **state) {
    (void)state;
    struct rocketmq_command c = { .code = 1, .language = JAVA };
    struct buffer out;
    buffer_init(&out, 4096);
    assert_int_equal(rocketmq_frame_encode(&out, &c, ROCKETMQ_BINARY, ROCKETMQ_FRAME_BYTES - 8 - 21), 0);
    assert_int_equal(out.length, 8 + 21);
    assert_memory_equal(out.at, "\x00\xff\xff\xfc", 4);
    assert_int_equal(rocketmq_frame_encode(&out, &c, ROCKETMQ_BINARY, ROCKETMQ_FRAME_BYTES - 8 - 20),
                     ERR_LIMIT);
    assert_int_equal(rocketmq_frame_encode(&out, &c, ROCKETMQ_BINARY, SIZE_MAX), ERR_LIMIT);
    assert_int_equal(out.length, 8 + 21);
    struct buffer narrow;
    buffer_init(&narrow, 20);
    assert_int_equal(rocketmq_frame_encode(&narrow, &c, ROCKETMQ_JSON, 0), ERR_LIMIT);
    assert_int_equal(narrow.length, 0);
    buffer_done(&narrow);
    buffer_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_read_and_written_as_the_java_client_does),
        cmocka_unit_test(binary_is_read_and_written_as_the_java_client_does),
        cmocka_unit_test(what_is_not_known_is_passed_over),
        cmocka_unit_test(what_is_no_frame_is_refused),
        cmocka_unit_test(what_is_no_header_is_refused),
        cmocka_unit_test(a_frame_has_a_largest_size),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
