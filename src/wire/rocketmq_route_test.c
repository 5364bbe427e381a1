/* Routes: as name servers old and new write them, and which queue an attempt goes to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "wire/edge_test.h"
#include "wire/rocketmq_route.h"

static struct edge edge;
static struct arena arena;

static int begin(void **state) {
    (void)state;
    edge_init(&edge);
    arena_init(&arena, 4096, 8 << 20);
    return 0;
}

static int end(void **state) {
    (void)state;
    edge_done(&edge);
    arena_done(&arena);
    return 0;
}

/* From name server 4.9.8. */
static const char real_route[] =
    "{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"127.0.0.1:10911\"},\"brokerName\":\"broker-a\","
    "\"cluster\":\"DefaultCluster\"}],\"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":\"broker-a\","
    "\"perm\":7,\"readQueueNums\":8,\"topicSysFlag\":0,\"writeQueueNums\":8}]}";

static struct rocketmq_route read_route(const char *text, uint32_t queues_max) {
    struct rocketmq_route r;
    struct why why = { "" };
    if (rocketmq_route_decode(edge_place(&edge, slice_text(text)), queues_max, &arena, &r, &why) != 0)
        fail_msg("%s", why.text);
    edge_place(&edge, SLICE_NONE); /* the route outlives the bytes it came in */
    return r;
}

static void expect_broker(const struct rocketmq_route *r, size_t i, const char *name, const char *host,
                          unsigned port, unsigned queues) {
    assert_true(i < r->count);
    assert_true(slice_is(r->brokers[i].name, name));
    assert_true(slice_is(r->brokers[i].host, host));
    assert_int_equal(r->brokers[i].port, port);
    assert_int_equal(r->brokers[i].queues, queues);
}

static void a_real_route_is_read(void **state) {
    (void)state;
    struct rocketmq_route r = read_route(real_route, 0);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.queues, 8);
    expect_broker(&r, 0, "broker-a", "127.0.0.1", 10911, 8);
    r = read_route(real_route, 4); /* as a template */
    assert_int_equal(r.queues, 4);
}

static void bare_keys_are_read_and_brokers_sorted(void **state) {
    (void)state;
    struct rocketmq_route r =
        read_route("{\"brokerDatas\":[{\"brokerAddrs\":{1:\"10.0.0.9:1\", 0 "
                   ":\"[fd00::1]:10911\"},\"brokerName\":\"z,1:\"},"
                   "{\"brokerName\":\"m\\\"{0:\",\"brokerAddrs\":{\n0:\"broker-b.example:10912\"}},"
                   "{\"brokerName\":\"a\",\"brokerAddrs\":{1:\"10.0.0.2:3\",2:\"10.0.0.3:3\"}},"
                   "{\"brokerName\":\"r\",\"brokerAddrs\":{0:\"10.0.0.4:4\"}},"
                   "{\"brokerName\":\"b\",\"brokerAddrs\":{0:\"fd00::2:5\"}}],\"more\":[1,2,{\"0\":3}],"
                   "\"queueDatas\":[{\"brokerName\":\"z,1:\",\"perm\":6,\"writeQueueNums\":4},"
                   "{\"brokerName\":\"a\",\"perm\":6,\"writeQueueNums\":4},"
                   "{\"brokerName\":\"r\",\"perm\":4,\"writeQueueNums\":4},"
                   "{\"brokerName\":\"b\",\"perm\":2,\"writeQueueNums\":2},"
                   "{\"brokerName\":\"gone\",\"perm\":6,\"writeQueueNums\":2},"
                   "{\"brokerName\":\"m\\\"{0:\",\"perm\":6,\"writeQueueNums\":1}]}",
                   0);
    assert_int_equal(r.count, 3); /* a has no master, r may not be written to */
    assert_int_equal(r.queues, 7);
    expect_broker(&r, 0, "b", "fd00::2", 5, 2);
    expect_broker(&r, 1, "m\"{0:", "broker-b.example", 10912, 1);
    expect_broker(&r, 2, "z,1:", "fd00::1", 10911, 4);
}

#define ROUTE(brokers, queues) "{\"brokerDatas\":[" brokers "],\"queueDatas\":[" queues "]}"
#define BROKER(name, address) "{\"brokerName\":\"" name "\",\"brokerAddrs\":{\"0\":\"" address "\"}}"
#define QUEUES(name, count) "{\"brokerName\":\"" name "\",\"perm\":6,\"writeQueueNums\":" count "}"

static void what_is_no_route_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *words;
    } rows[] = {
        { "", ERR_SYNTAX, "not JSON" },
        { "{0:", ERR_SYNTAX, "not JSON" },
        { "{\"a\":\"\\", ERR_SYNTAX, "not JSON" },
        { "[]", ERR_SYNTAX, "without the arrays" },
        { "{\"brokerDatas\":[],\"queueDatas\":{}}", ERR_SYNTAX, "without the arrays" },
        { ROUTE("{\"brokerAddrs\":{}}", ""), ERR_SYNTAX, "no brokerName" },
        { ROUTE("{\"brokerName\":7}", ""), ERR_SYNTAX, "no brokerName" },
        { ROUTE("{\"brokerName\":\"\"}", ""), ERR_LIMIT, "brokerName of 0 bytes" },
        { ROUTE("{\"brokerName\":\"a\"}", ""), ERR_SYNTAX, "no brokerAddrs" },
        { ROUTE("{\"brokerName\":\"a\",\"brokerAddrs\":{\"0\":1}}", ""), ERR_SYNTAX, "is no string" },
        { ROUTE(BROKER("a", "10.0.0.1"), ""), ERR_SYNTAX, "no address host:port" },
        { ROUTE(BROKER("a", "10.0.0.1:"), ""), ERR_SYNTAX, "no address host:port" },
        { ROUTE(BROKER("a", "10.0.0.1:0"), ""), ERR_SYNTAX, "no address host:port" },
        { ROUTE(BROKER("a", "10.0.0.1:65536"), ""), ERR_SYNTAX, "no address host:port" },
        { ROUTE(BROKER("a", ":1"), ""), ERR_SYNTAX, "no address host:port" },
        { ROUTE(BROKER("a", ""), ""), ERR_SYNTAX, "no address host:port" },
        { ROUTE(BROKER("a", "a b:1"), ""), ERR_SYNTAX, "no address host:port" },
        { ROUTE(BROKER("a", "a\\u0000:1"), ""), ERR_SYNTAX, "no address host:port" },
        { ROUTE(BROKER("a", "h:1") "," BROKER("a", "h:2"), ""), ERR_SYNTAX, "the broker a twice" },
        { ROUTE(BROKER("a", "h:1"), QUEUES("a", "\"4\"")), ERR_SYNTAX, "is no number" },
        { ROUTE(BROKER("a", "h:1"), QUEUES("a", "-1")), ERR_SYNTAX, "is no number" },
        { ROUTE(BROKER("a", "h:1"), QUEUES("a", "1025")), ERR_LIMIT, "1025 queues, at most 1024" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rocketmq_route r;
        struct why why = { "" };
        struct slice at = edge_place(&edge, slice_text(rows[i].text));
        int code = rocketmq_route_decode(at, 0, &arena, &r, &why);
        if (code != rows[i].code || strstr(why.text, rows[i].words) == NULL)
            fail_msg("%s: %d, %s", rows[i].text, code, why.text);
    }
    struct rocketmq_route r = read_route(ROUTE(BROKER("a", "h:1"), QUEUES("a", "0")), 0);
    assert_int_equal(r.count, 0);
    assert_int_equal(r.queues, 0);
}

static void a_route_has_a_largest_number_of_brokers(void **state) {
    (void)state;
    for (unsigned count = ROCKETMQ_BROKERS; count <= ROCKETMQ_BROKERS + 1; count++) {
        struct buffer b;
        struct rocketmq_route r;
        buffer_init(&b, 1 << 20);
        buffer_add_text(&b, "{\"brokerDatas\":[");
        for (unsigned i = 0; i < count; i++)
            buffer_add_format(&b, "%s{\"brokerName\":\"b%u\",\"brokerAddrs\":{0:\"h:1\"}}", i ? "," : "",
                              i * 7919 % count);
        buffer_add_text(&b, "],\"queueDatas\":[");
        for (unsigned i = 0; i < count; i++)
            buffer_add_format(&b, "%s{\"brokerName\":\"b%u\",\"perm\":6,\"writeQueueNums\":16}", i ? "," : "",
                              i);
        buffer_add_text(&b, "]}");
        int code = rocketmq_route_decode(buffer_slice(&b), 0, &arena, &r, NULL);
        assert_int_equal(code, count > ROCKETMQ_BROKERS ? ERR_LIMIT : 0);
        if (code == 0) {
            assert_int_equal(r.queues, ROCKETMQ_BROKERS * 16);
            expect_broker(&r, 0, "b0", "h", 1, 16);
            expect_broker(&r, 255, "b99", "h", 1, 16);
        }
        buffer_done(&b);
    }
}

/* Every attempt goes elsewhere than the one before, and in the end everywhere. */
static void every_attempt_goes_elsewhere(void **state) {
    (void)state;
    struct rocketmq_route r =
        read_route(ROUTE(BROKER("a", "h:1") "," BROKER("b", "h:2") "," BROKER("c", "h:3"),
                         QUEUES("a", "4") "," QUEUES("b", "1") "," QUEUES("c", "2")),
                   0);
    size_t firsts[3] = { 0 };
    for (uint32_t place = 0; place < r.queues; place++) {
        struct rocketmq_queue before = rocketmq_route_other(&r, place, 1);
        struct rocketmq_queue first = rocketmq_route_queue(&r, place);
        assert_ptr_equal(before.broker, first.broker);
        assert_int_equal(before.number, first.number);
        firsts[first.broker - r.brokers]++;
        for (uint32_t attempt = 2; attempt < 40; attempt++) {
            struct rocketmq_queue q = rocketmq_route_other(&r, place, attempt);
            assert_ptr_not_equal(q.broker, before.broker);
            assert_true(q.number < q.broker->queues);
            before = q;
        }
        (void)rocketmq_route_other(&r, place, UINT32_MAX);
    }
    assert_int_equal(firsts[0], 4);
    assert_int_equal(firsts[1], 1);
    assert_int_equal(firsts[2], 2);
    r = read_route(ROUTE(BROKER("a", "h:1"), QUEUES("a", "4")), 0);
    for (uint32_t attempt = 1; attempt < 9; attempt++)
        assert_int_equal(rocketmq_route_other(&r, 2, attempt).number, (2 + attempt - 1) % 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_route_is_read),
        cmocka_unit_test(bare_keys_are_read_and_brokers_sorted),
        cmocka_unit_test(what_is_no_route_is_refused),
        cmocka_unit_test(a_route_has_a_largest_number_of_brokers),
        cmocka_unit_test(every_attempt_goes_elsewhere),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
