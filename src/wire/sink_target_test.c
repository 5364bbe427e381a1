#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "wire/sink_target.h"

static int decode(const char *text, struct arena *arena, struct sink_target *out) {
    struct why why = { "" };
    return sink_target_decode(slice_text(text), arena, out, &why);
}

/* What is encoded comes back, and what was decoded is encoded as it stood. */
static void comes_round(void **state) {
    static const char *const lines[] = {
        "stomp://127.0.0.1",
        "stomps://mq.example.com:61614/queue/ship?password_file=/run/secrets/mq",
        "rabbitmq://settle@mq1:5672/shop?exchange=orders&routing_key=ship%20it",
        "kafka://k1:9092,k2:9092,[::1]:9093/topic",
        "stomp://a%3Ab%40c@h?destination=%2520",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct arena arena;
        struct buffer text;
        struct sink_target t;
        arena_init(&arena, 4096, 1 << 20);
        buffer_init(&text, 4096);
        assert_int_equal(decode(lines[i], &arena, &t), 0);
        sink_target_encode(&text, &t);
        assert_true(slice_is(buffer_slice(&text), lines[i]));
        buffer_done(&text);
        arena_done(&arena);
    }
}

static void parts_are_told_apart(void **state) {
    struct arena arena;
    struct sink_target t;
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(decode("rabbitmq://a%40b@mq1:5672,10.0.0.7/v/h?exchange=x&routing_key=%26", &arena, &t),
                     0);
    assert_true(slice_is(t.scheme, "rabbitmq"));
    assert_true(slice_is(t.user, "a@b"));
    assert_int_equal(t.host_count, 2);
    assert_true(slice_is(t.hosts[0].name, "mq1"));
    assert_int_equal(t.hosts[0].port, 5672);
    assert_false(t.hosts[0].is_address);
    assert_int_equal(t.hosts[1].port, 0);
    assert_true(t.hosts[1].is_address);
    assert_true(slice_is(t.path, "v/h"));
    assert_true(slice_is(sink_target_value(&t, "routing_key"), "&"));
    assert_int_equal(sink_target_value(&t, "none").length, 0);
    arena_done(&arena);
}

static void wrong_ones_are_refused(void **state) {
    static const char *const lines[] = {
        "",
        "stomp",
        "stomp:/h",
        "://h",
        "STOMP://h",
        "stomp://",
        "stomp://h,",
        "stomp://,h",
        "stomp://2130706433",
        "stomp://h:0",
        "stomp://h:70000",
        "stomp://u@v@h",
        "stomp://h/a b",
        "stomp://h/%0a",
        "stomp://h/%4",
        "stomp://h?x",
        "stomp://h?=y",
        "stomp://h?X=y",
        "stomp://h?x=1&x=2",
        "stomp://a,b,c,d,e,f,g,h,i",
        "stomp://h?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct arena arena;
        struct sink_target t;
        arena_init(&arena, 4096, 1 << 20);
        assert_int_not_equal(decode(lines[i], &arena, &t), 0);
        arena_done(&arena);
    }
}

static void http_is_no_target(void **state) {
    (void)state;
    assert_false(sink_target_is(SLICE("HTTP://h/")));
    assert_false(sink_target_is(SLICE("https://h/")));
    assert_true(sink_target_is(SLICE("stomp://h/")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_round),
        cmocka_unit_test(parts_are_told_apart),
        cmocka_unit_test(wrong_ones_are_refused),
        cmocka_unit_test(http_is_no_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
