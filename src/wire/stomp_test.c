/* R8: STOMP 1.2 as brokers spell it, what is refused, and that neither depends on how the input was cut. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "wire/edge_test.h"
#include "wire/stomp.h"

static struct edge edge;
static struct stomp_room room;

/* Everything that was understood, in words. Input moves with each call and ends at an unreadable page. */
static void read_all(struct slice input, size_t step, struct buffer *out) {
    struct stomp_frame f;
    size_t done = 0;
    size_t shown = 0;
    buffer_clear(out);
    stomp_frame_init(&f, &room);
    for (;;) {
        size_t taken = 0;
        struct slice window = edge_place(&edge, slice_from(slice_upto(input, shown), done));
        int code = stomp_frame_decode(&f, window, &taken);
        if (code == ERR_MORE && shown == input.length)
            break;
        if (code == ERR_MORE) {
            shown = shown + step < input.length ? shown + step : input.length;
            continue;
        }
        if (code < 0) {
            buffer_add_format(out, "%s: %s", err_text(code), f.fault);
            return;
        }
        assert_true(taken > 0 && taken <= window.length);
        done += taken;
        if (f.command != STOMP_HEART_BEAT) {
            buffer_add_text(out, stomp_command_name(f.command));
            for (size_t i = 0; i < f.header_count; i++)
                buffer_add_format(out, " [%.*s=%.*s]", SLICE_PRINT(room.headers[i].name),
                                  SLICE_PRINT(room.headers[i].value));
            buffer_add_text(out, " {");
            for (size_t i = 0; i < f.body.length; i++)
                buffer_add_byte(out, f.body.at[i] == '\0' ? '^' : f.body.at[i]);
            buffer_add_text(out, "} ");
        }
        stomp_frame_init(&f, &room);
    }
    if (done < input.length)
        buffer_add_text(out, "...");
}

static void expect(struct slice input, const char *expected) {
    struct buffer seen;
    buffer_init(&seen, 1 << 20);
    for (size_t step = 1; step <= input.length + 1; step += step < 8 ? 1 : input.length / 3 + 1) {
        read_all(input, step, &seen);
        if (!slice_is(buffer_slice(&seen), expected))
            fail_msg("step %zu: got      %.*s\n    expected %s", step, SLICE_PRINT(buffer_slice(&seen)),
                     expected);
    }
    buffer_done(&seen);
}

#define EXPECT(text, expected) expect(SLICE(text), expected)

/* Golden bytes: what ActiveMQ 5.17.2 and RabbitMQ 3.10.8 sent over a socket. */
static void test_activemq(void **state) {
    (void)state;
    EXPECT("CONNECTED\nserver:ActiveMQ/5.17.2\nheart-beat:500,500\nsession:ID:vm-39909-1795866620238-3:2\n"
           "version:1.2\n\n\0\n",
           "CONNECTED [server=ActiveMQ/5.17.2] [heart-beat=500,500] [session=ID:vm-39909-1795866620238-3:2] "
           "[version=1.2] {} ");
    EXPECT("RECEIPT\nreceipt-id:7-1\n\n\0\n", "RECEIPT [receipt-id=7-1] {} ");
    EXPECT("RECEIPT\nreceipt-id:a\\cb\\\\c\n\n\0\n", "RECEIPT [receipt-id=a:b\\c] {} ");
    EXPECT("ERROR\ncontent-type:text/plain\nmessage:User name [settle] or password is invalid.\n\nUser name "
           "[settle] or password is invalid.\0\n",
           "ERROR [content-type=text/plain] [message=User name [settle] or password is invalid.] {User name "
           "[settle] or password is invalid.} ");
    /* before a version is agreed upon it does not escape */
    EXPECT("ERROR\ncontent-type:text/plain\nmessage:supported versions are: [1.2, 1.1, 1.0]\n\n\tat x\n\0\n",
           "ERROR [content-type=text/plain] [message=supported versions are: [1.2, 1.1, 1.0]] {\tat x\n} ");
    EXPECT("ERROR\ncontent-type:text/plain\nreceipt-id:9\nmessage:Unknown STOMP action\\c BOGUS\n\nwhy\0\n",
           "ERROR [content-type=text/plain] [receipt-id=9] [message=Unknown STOMP action: BOGUS] {why} ");
}

static void test_rabbitmq(void **state) {
    (void)state;
    EXPECT("CONNECTED\nserver:RabbitMQ/3.10.8\nsession:session-6zQxcsga88kdH0t3TSJn0A\nheart-beat:1000,1000\n"
           "version:1.2\n\n\0\n\n\n\n",
           "CONNECTED [server=RabbitMQ/3.10.8] [session=session-6zQxcsga88kdH0t3TSJn0A] "
           "[heart-beat=1000,1000] [version=1.2] {} ");
    EXPECT("RECEIPT\nreceipt-id:10\n\n\0\nRECEIPT\nreceipt-id:11\n\n\0\nRECEIPT\nreceipt-id:12\n\n\0\n",
           "RECEIPT [receipt-id=10] {} RECEIPT [receipt-id=11] {} RECEIPT [receipt-id=12] {} ");
    EXPECT("ERROR\nmessage:not_found\ncontent-type:text/"
           "plain\nversion:1.0,1.1,1.2\ncontent-length:46\n\nNOT_FOUND "
           "- no exchange 'nowhere' in vhost '/'\0\n",
           "ERROR [message=not_found] [content-type=text/plain] [version=1.0,1.1,1.2] [content-length=46] "
           "{NOT_FOUND - no exchange 'nowhere' in vhost '/'} ");
}

static void test_accepted(void **state) {
    (void)state;
    EXPECT("", "");
    EXPECT("\n\r\n\n", "");
    EXPECT("\r", "...");
    EXPECT("RECEIPT\r\nreceipt-id:1\r\n\r\n\0\r\n", "RECEIPT [receipt-id=1] {} ");
    EXPECT("ERROR\n\n\0", "ERROR {} ");
    EXPECT("ERROR\nempty:\n\n\0", "ERROR [empty=] {} ");
    EXPECT("ERROR\n a : b \n\n\0", "ERROR [ a = b ] {} "); /* blanks belong to names and values */
    EXPECT("ERROR\na:1\na:2\n\nx\0", "ERROR [a=1] [a=2] {x} ");
    EXPECT("ERROR\ncontent-length:3\n\na\0b\0\n", "ERROR [content-length=3] {a^b} ");
    EXPECT("ERROR\nn\\c\\n\\r\\\\:v\\c\\n\\r\\\\\n\nx\0", "ERROR [n:\n\r\\=v:\n\r\\] {x} ");
    EXPECT("CONNECTED\nserver:a\\b\n\n\0", "CONNECTED [server=a\\b] {} "); /* knows no escapes */
    EXPECT("MESSAGE\nid:1\n\nbody\0\nRECEIPT\nreceipt-id:1\n\n\0",
           "MESSAGE [id=1] {body} RECEIPT [receipt-id=1] {} ");
    EXPECT("RECEIPT\nreceipt-id:1\n\n\0RECEIPT\nrec", "RECEIPT [receipt-id=1] {} ...");
    EXPECT("ERROR\ncontent-length:4\n\nabc", "...");
    EXPECT("ERROR\n\nabc", "...");
}

static void test_refused(void **state) {
    (void)state;
    EXPECT("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
           "malformed input: a frame begins with a command that STOMP does not know");
    EXPECT("receipt\nreceipt-id:1\n\n\0",
           "malformed input: a frame begins with a command that STOMP does not know");
    EXPECT("ERROR\nnone\n\n\0", "malformed input: a header is not NAME:VALUE");
    EXPECT("ERROR\n:v\n\n\0", "malformed input: a header is not NAME:VALUE");
    EXPECT("ERROR\na:\\t\n\n\0", "malformed input: a header has an escape that STOMP does not know");
    EXPECT("ERROR\na:x\\\n\n\0", "malformed input: a header has an escape that STOMP does not know");
    EXPECT("ERROR\na\\x:b\n\n\0", "malformed input: a header has an escape that STOMP does not know");
    EXPECT("ERROR\na:b\0c\n\n\0", "malformed input: a NUL stands among the headers of a frame");
    EXPECT("\0\nERROR\n\n\0", "malformed input: a NUL stands among the headers of a frame");
    EXPECT("ERROR\na:b\rc\n\n\0", "malformed input: a carriage return stands inside a header");
    EXPECT("\rERROR\n\n\0", "malformed input: a carriage return stands alone between frames");
    EXPECT("ERROR\ncontent-length:-1\n\n\0", "malformed input: content-length is not a number");
    EXPECT("ERROR\ncontent-length:\n\n\0", "malformed input: content-length is not a number");
    EXPECT("ERROR\ncontent-length:1\n\nab\0", "malformed input: no NUL stands behind content-length bytes");
    EXPECT("ERROR\ncontent-length:99999999999999999999\n\n\0",
           "over a limit: the body of a frame is longer than 524288 bytes");
    EXPECT("ERROR\ncontent-length:524289\n\n\0",
           "over a limit: the body of a frame is longer than 524288 bytes");
}

/* At the limit, one over it, and without any end. */
static struct slice frame_of(struct buffer *b, size_t head, size_t headers, size_t body) {
    buffer_clear(b);
    buffer_add_text(b, "ERROR\n");
    for (size_t i = 0; i < headers; i++)
        buffer_add_text(b, "a:b\n");
    if (head > 0) {
        buffer_add_text(b, "n:");
        while (b->length < head - 2)
            buffer_add_byte(b, 'v');
        buffer_add_byte(b, '\n');
    }
    buffer_add_byte(b, '\n');
    for (size_t i = 0; i < body; i++)
        buffer_add_byte(b, 'x');
    buffer_add_byte(b, '\0');
    return buffer_slice(b);
}

static int decode(struct slice input, struct stomp_frame *f) {
    size_t taken;
    stomp_frame_init(f, &room);
    return stomp_frame_decode(f, input, &taken);
}

static void test_limits(void **state) {
    struct stomp_frame f;
    struct buffer b;
    (void)state;
    buffer_init(&b, 8 << 20);
    assert_int_equal(decode(frame_of(&b, STOMP_HEAD_BYTES, 0, 3), &f), 0);
    assert_int_equal(f.head, STOMP_HEAD_BYTES);
    assert_int_equal(decode(frame_of(&b, STOMP_HEAD_BYTES + 1, 0, 3), &f), ERR_LIMIT);
    assert_int_equal(decode(frame_of(&b, STOMP_HEAD_BYTES * 10, 0, 3), &f), ERR_LIMIT);
    assert_int_equal(decode(frame_of(&b, 0, STOMP_HEADERS, 3), &f), 0);
    assert_int_equal(f.header_count, STOMP_HEADERS);
    assert_int_equal(decode(frame_of(&b, 0, STOMP_HEADERS + 1, 3), &f), ERR_LIMIT);
    assert_int_equal(decode(frame_of(&b, 0, STOMP_HEADERS * 10, 3), &f), ERR_LIMIT);
    assert_int_equal(decode(frame_of(&b, 0, 1, STOMP_BODY_BYTES), &f), 0);
    assert_int_equal(f.body.length, STOMP_BODY_BYTES);
    assert_int_equal(decode(frame_of(&b, 0, 1, STOMP_BODY_BYTES + 1), &f), ERR_LIMIT);
    assert_int_equal(decode(frame_of(&b, 0, 1, STOMP_BODY_BYTES * 10), &f), ERR_LIMIT);
    assert_int_equal(decode(slice_upto(frame_of(&b, STOMP_HEAD_BYTES * 2, 0, 0), STOMP_HEAD_BYTES), &f),
                     ERR_LIMIT);
    assert_int_equal(decode(slice_upto(frame_of(&b, STOMP_HEAD_BYTES * 2, 0, 0), STOMP_HEAD_BYTES - 1), &f),
                     ERR_MORE);
    buffer_done(&b);
}

/* All escapes in a head as long as it may be: the room has place for what becomes of it. */
static void test_room(void **state) {
    struct stomp_frame f;
    struct buffer b;
    (void)state;
    buffer_init(&b, 1 << 20);
    buffer_add_text(&b, "ERROR\n");
    for (int i = 0; i < 60; i++) {
        buffer_add_text(&b, "\\c");
        for (int k = 0; k < 60; k++)
            buffer_add_text(&b, "\\n\\c");
        buffer_add_text(&b, ":\\\\\n");
    }
    buffer_add_text(&b, "\n");
    buffer_add_byte(&b, '\0');
    assert_true(b.length < STOMP_HEAD_BYTES);
    assert_int_equal(decode(edge_place(&edge, buffer_slice(&b)), &f), 0);
    assert_int_equal(f.header_count, 60);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(room.headers[i].name.length, 121);
        assert_true(slice_is(room.headers[i].value, "\\"));
    }
    buffer_done(&b);
}

static void test_values(void **state) {
    struct stomp_frame f;
    uint32_t sends = 1;
    uint32_t wants = 1;
    (void)state;
    assert_int_equal(decode(SLICE("ERROR\na:1\nb:\na:2\n\n\0"), &f), 0);
    assert_true(slice_is(stomp_frame_value(&f, "a"), "1")); /* the first counts */
    assert_true(stomp_frame_value(&f, "b").at != NULL);
    assert_true(stomp_frame_value(&f, "c").at == NULL);
    assert_int_equal(stomp_heart_beat(SLICE(""), &sends, &wants), 0);
    assert_int_equal(sends + wants, 0);
    assert_int_equal(stomp_heart_beat(SLICE("500,4294967295"), &sends, &wants), 0);
    assert_int_equal(sends, 500);
    assert_int_equal(wants, UINT32_MAX);
    static const char *const bad[] = { ",", "1", "1,", ",1", "1,2,3", "-1,0", "1,4294967296", "a,b", "1, 2" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(stomp_heart_beat(slice_text(bad[i]), &sends, &wants), ERR_SYNTAX);
}

static void test_writers(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 4096);
    const struct stomp_login login = {
        .host = SLICE("/"), .login = SLICE("settle"), .passcode = SLICE("se:\\cret"), .heart_beat_ms = 10000
    };
    stomp_add_connect(&b, &login);
    assert_true(slice_equal(buffer_slice(&b), SLICE("CONNECT\naccept-version:1.2\nhost:/\nlogin:settle\n"
                                                    "passcode:se:\\cret\nheart-beat:10000,10000\n\n\0")));
    buffer_clear(&b);
    stomp_add_command(&b, STOMP_SEND);
    stomp_add_header(&b, SLICE("a:b"), SLICE("1\n2\r3:4\\5"));
    stomp_add_header_u64(&b, "receipt", 18446744073709551615u);
    stomp_add_head_end(&b);
    assert_true(slice_equal(buffer_slice(&b),
                            SLICE("SEND\na\\cb:1\\n2\\r3\\c4\\\\5\nreceipt:18446744073709551615\n\n")));
    static const struct slice bad[] = { SLICE("a\nb"), SLICE("a\rb"), SLICE("a\0b") };
    for (size_t i = 0; i < 3; i++) {
        struct stomp_login broken = login;
        broken.passcode = bad[i];
        buffer_clear(&b);
        stomp_add_connect(&b, &broken);
        assert_int_equal(buffer_failed(&b), ERR_INVALID);
    }
    buffer_clear(&b);
    stomp_add_header(&b, SLICE("a"), SLICE("x\0y"));
    assert_int_equal(buffer_failed(&b), ERR_INVALID);
    buffer_clear(&b);
    stomp_add_header(&b, SLICE(""), SLICE("x"));
    assert_int_equal(buffer_failed(&b), ERR_INVALID);
    buffer_done(&b);
}

/* What is written is read as the same: all bytes but NUL, in names, values and bodies. */
static void test_round_trip(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 1 << 20);
    srandom(7);
    for (int round = 0; round < 3000; round++) {
        char bytes[64];
        struct stomp_frame f;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = "ab:\\\n\r\x01\xff"[(unsigned long)random() % 8];
        struct slice name = slice_of(bytes, 1 + (size_t)random() % 20);
        struct slice value = slice_of(bytes + 20, (size_t)random() % 20);
        struct slice body = slice_of(bytes + 40, (size_t)random() % 24);
        bytes[40] = '\0';
        buffer_clear(&b);
        stomp_add_command(&b, round % 2 == 0 ? STOMP_SEND : STOMP_ERROR);
        stomp_add_header_u64(&b, "content-length", body.length);
        stomp_add_header(&b, name, value);
        stomp_add_head_end(&b);
        buffer_add_slice(&b, body);
        buffer_add_slice(&b, STOMP_FRAME_END);
        assert_int_equal(decode(edge_place(&edge, buffer_slice(&b)), &f), 0);
        assert_int_equal(f.header_count, 2);
        assert_true(slice_equal(room.headers[1].name, name));
        assert_true(slice_equal(room.headers[1].value, value));
        assert_true(slice_equal(f.body, body));
    }
    buffer_done(&b);
}

/* A frame that comes byte by byte is looked at once: the decoder's place only moves on, and never far back.
 */
static void test_linear(void **state) {
    struct stomp_frame f;
    struct buffer b;
    size_t taken;
    (void)state;
    buffer_init(&b, 8 << 20);
    struct slice input = frame_of(&b, STOMP_HEAD_BYTES, 0, STOMP_BODY_BYTES);
    stomp_frame_init(&f, &room);
    for (size_t shown = 1; shown < input.length; shown++) {
        assert_int_equal(stomp_frame_decode(&f, slice_upto(input, shown), &taken), ERR_MORE);
        assert_int_equal(f.scanned, shown);
    }
    assert_int_equal(stomp_frame_decode(&f, input, &taken), 0);
    buffer_done(&b);
}

static int begin(void **state) {
    (void)state;
    edge_init(&edge);
    return 0;
}

static int end(void **state) {
    (void)state;
    edge_done(&edge);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activemq), cmocka_unit_test(test_rabbitmq), cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_limits),   cmocka_unit_test(test_room),
        cmocka_unit_test(test_values),   cmocka_unit_test(test_writers),  cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
