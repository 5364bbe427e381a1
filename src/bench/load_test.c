/* The bench against its own participants, and the numbers it derives. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "bench/echo.h"
#include "bench/gauge.h"
#include "bench/histogram.h"
#include "bench/load.h"
#include "bench/script.h"

static void percentiles_are_within_two_per_cent(void **state) {
    (void)state;
    static struct histogram h;
    memset(&h, 0, sizeof h);
    assert_int_equal(histogram_at(&h, 500), 0);
    for (uint64_t us = 1; us <= 100000; us++)
        histogram_add(&h, us);
    assert_in_range(histogram_at(&h, 500), 50000, 51000);
    assert_in_range(histogram_at(&h, 990), 99000, 100000);
    assert_int_equal(histogram_at(&h, 1000), 100000);
    histogram_add(&h, UINT64_MAX);
    assert_int_equal(h.max_us, UINT64_C(3600000000));
    assert_int_equal(histogram_at(&h, 1000), UINT64_C(3600000000));
    memset(&h, 0, sizeof h);
    histogram_add(&h, 7);
    assert_int_equal(histogram_at(&h, 1), 7);
    assert_int_equal(histogram_at(&h, 999), 7);
}

static void a_script_has_the_gid_everywhere(void **state) {
    (void)state;
    static struct script s;
    uint16_t ports[] = { 1001, 1002, 1003 };
    struct load_options o = {
        .kind = LOAD_WHOLE, .mode = LOAD_TCC, .branches = 2, .authority = "x:1", .token = "t"
    };
    char gid[SCRIPT_GID_BYTES + 1] = "0123456789abcdef0123456789ABCDEF";
    assert_int_equal(script_init(&s, &o, ports), 0);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.requests[0].hole_count, 1);
    script_fill(&s.requests[0], gid);
    buffer_add_byte(&s.requests[0].bytes, '\0');
    assert_non_null(
        strstr(s.requests[0].bytes.at, "{\"gid\":\"0123456789abcdef0123456789ABCDEF\",\"mode\":\"tcc\""));
    assert_non_null(strstr(s.requests[0].bytes.at, "\"base\":\"http://127.0.0.1:1002/b1\""));
    assert_non_null(strstr(s.requests[0].bytes.at, "Authorization: Bearer t\r\n"));
    script_done(&s);
    assert_int_equal(script_init_waiting(&s, &o, 1003), 0);
    assert_int_equal(s.count, 1);
    buffer_add_byte(&s.requests[0].bytes, '\0');
    assert_non_null(strstr(s.requests[0].bytes.at, "POST /v1/transactions HTTP/1.1\r\n"));
    assert_non_null(strstr(s.requests[0].bytes.at, "\"deadline\":\"24h\",\"branches\":[{\"id\":\"b0\""));
    assert_non_null(strstr(s.requests[0].bytes.at, "\"base\":\"http://127.0.0.1:1003/b1\""));
    script_done(&s);
    o.kind = LOAD_FLOOR;
    assert_int_equal(script_init(&s, &o, ports), 0);
    assert_int_equal(s.count, 4); /* two tries in one wave, two confirms in the next */
    assert_int_equal(s.requests[1].wave, 0);
    assert_int_equal(s.requests[2].wave, 1);
    assert_int_equal(s.requests[3].hole_count, 3);
    script_done(&s);
    o.mode = LOAD_SAGA;
    assert_int_equal(script_init(&s, &o, ports), 0);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.requests[1].wave, 1);
    script_done(&s);
    o.kind = LOAD_HTTP;
    assert_int_equal(script_init(&s, &o, ports), 0);
    assert_int_equal(s.count, 3);
    script_done(&s);
}

static const char *text_of(struct script_request *r, const char *gid) {
    script_fill(r, gid);
    buffer_add_byte(&r->bytes, '\0');
    return r->bytes.at;
}

static void a_message_is_spelled_in_every_way(void **state) {
    (void)state;
    static struct script s;
    uint16_t ports[] = { 1001, 1002, 1003 };
    struct load_options o = { .branches = 2, .authority = "x:1", .topic = "bench.t" };
    const char *gid = "0123456789abcdef0123456789ABCDEF";
    for (o.mode = LOAD_HALF; o.mode <= LOAD_PULL; o.mode++) {
        const char *first;
        o.kind = LOAD_WHOLE;
        assert_int_equal(script_init(&s, &o, ports), 0);
        assert_int_equal(s.lines, 1);
        assert_int_equal(s.count, o.mode == LOAD_PUBLISH ? 1 : o.mode == LOAD_HALF ? 2 : 3);
        assert_int_equal(s.requests[s.count - 1].wave, s.count - 1); /* one after the other */
        first = text_of(&s.requests[0], gid);
        assert_non_null(strstr(first, "{\"id\":\"0123456789abcdef0123456789ABCDEF\",\"topic\":\"bench.t\","
                                      "\"key\":\"0123456789abcdef0123456789ABCDEF\","));
        assert_true((strstr(first, "POST /v1/messages?wait=30s ") != NULL) == (o.mode == LOAD_PUBLISH));
        assert_true(
            (strstr(first, "\"state\":\"half\",\"check\":{\"http\":\"http://127.0.0.1:1001/check\"}") !=
             NULL) == (o.mode == LOAD_HALF));
        if (o.mode == LOAD_HALF)
            assert_non_null(
                strstr(text_of(&s.requests[1], gid),
                       "POST /v1/messages/0123456789abcdef0123456789ABCDEF/commit?wait=30s HTTP/1.1\r\n"));
        if (o.mode == LOAD_PULL)
            assert_non_null(
                strstr(text_of(&s.requests[2], gid),
                       "POST /v1/deliveries/0123456789abcdef0123456789ABCDEF~bench.t/ack HTTP/1.1\r\n"));
        script_done(&s);
        o.kind = LOAD_HTTP; /* the same talk, and both deliveries at once when they are pushed */
        assert_int_equal(script_init(&s, &o, ports), 0);
        assert_int_equal(s.count, o.mode == LOAD_PUBLISH ? 3 : o.mode == LOAD_HALF ? 4 : 3);
        assert_int_equal(s.requests[0].line, 2);
        assert_int_equal(s.ports[2], 1003);
        assert_int_equal(s.requests[s.count - 1].wave, o.mode == LOAD_PUBLISH ? 1 : 2);
        script_done(&s);
    }
}

static int asker;

static int refuse_subscription(void *self, const uint16_t *ports, unsigned count, struct why *why) {
    assert_ptr_equal(self, &asker);
    assert_true(ports[0] > 0);
    assert_int_equal(count, 1);
    return why_set(why, ERR_DENIED, "subscribing: no");
}

static void without_subscribers_there_is_no_run(void **state) {
    (void)state;
    static struct load_result r;
    struct echo *echo = NULL;
    struct why why;
    assert_int_equal(echo_open(&echo, 1, 0, NULL), 0);
    struct load_options o = { .kind = LOAD_WHOLE,
                              .mode = LOAD_PULL,
                              .branches = 1,
                              .clients = 2,
                              .duration_ms = 100,
                              .prefix = "t",
                              .topic = "bench.t",
                              .host = "127.0.0.1",
                              .port = echo_port(echo, 0),
                              .authority = "x",
                              .subscribe = refuse_subscription,
                              .self = &asker };
    assert_int_equal(load_run(&o, &r, &why), ERR_DENIED);
    assert_string_equal(why.text, "subscribing: no");
    assert_int_equal(r.done, 0);
    echo_close(echo);
}

static int moments[LOAD_ENDS + 1];

static void count_moment(void *self, enum load_moment moment, uint64_t done, uint32_t elapsed_ms) {
    (void)self;
    (void)done;
    (void)elapsed_ms;
    moments[moment]++;
}

static void the_floor_runs(void **state) {
    (void)state;
    static struct load_result r;
    for (int tcc = 0; tcc < 2; tcc++) {
        struct load_options o = { .kind = tcc ? LOAD_HTTP : LOAD_FLOOR,
                                  .mode = tcc ? LOAD_TCC : LOAD_SAGA,
                                  .branches = 2,
                                  .clients = 8,
                                  .warmup_ms = 50,
                                  .duration_ms = 200,
                                  .prefix = "t",
                                  .moment = count_moment };
        memset(moments, 0, sizeof moments);
        assert_int_equal(load_run(&o, &r, NULL), 0);
        assert_int_equal(r.errors, 0);
        assert_true(r.done > 50);
        assert_int_equal(r.done, r.latency.total);
        assert_int_equal(moments[LOAD_BEGINS], 1);
        assert_int_equal(moments[LOAD_ENDS], 1);
    }
}

static void a_delay_is_kept(void **state) {
    (void)state;
    static struct load_result r;
    struct load_options o = {
        .kind = LOAD_FLOOR, .branches = 2, .clients = 4, .duration_ms = 300, .delay_ms = 20, .prefix = "t"
    };
    assert_int_equal(load_run(&o, &r, NULL), 0);
    assert_int_equal(r.errors, 0);
    assert_in_range(histogram_at(&r.latency, 500), 38000, 80000);
}

static void a_rate_is_kept(void **state) {
    (void)state;
    static struct load_result r;
    struct load_options o = {
        .kind = LOAD_FLOOR, .branches = 1, .clients = 8, .rate = 500, .duration_ms = 400, .prefix = "t"
    };
    assert_int_equal(load_run(&o, &r, NULL), 0);
    assert_int_equal(r.errors, 0);
    assert_in_range(r.done, 180, 202);
    /* more than one client can do: the wait for a free client counts as latency */
    o = (struct load_options){ .kind = LOAD_FLOOR,
                               .branches = 1,
                               .clients = 1,
                               .rate = 200,
                               .duration_ms = 400,
                               .delay_ms = 20,
                               .prefix = "t" };
    assert_int_equal(load_run(&o, &r, NULL), 0);
    assert_in_range(r.done, 10, 21);
    assert_true(histogram_at(&r.latency, 900) > 100000);
}

static void errors_are_counted_and_told(void **state) {
    (void)state;
    static struct load_result r;
    struct echo *echo = NULL;
    assert_int_equal(echo_open(&echo, 1, 0, NULL), 0);
    /* somebody who answers 200 {} is not a settled that committed */
    struct load_options o = { .kind = LOAD_WHOLE,
                              .branches = 1,
                              .clients = 2,
                              .duration_ms = 100,
                              .prefix = "t",
                              .host = "127.0.0.1",
                              .port = echo_port(echo, 0),
                              .authority = "x" };
    assert_int_equal(load_run(&o, &r, NULL), 0);
    assert_int_equal(r.done, 0);
    assert_true(r.errors > 0);
    assert_non_null(strstr(r.first_error, "not \"status\":\"committed\": {}"));
    struct why why;
    o.waiting = 10; /* and what it answers says nothing of a transaction that waits */
    assert_int_equal(load_run(&o, &r, &why), ERR_IO);
    assert_non_null(strstr(why.text, "filling: HTTP 200"));
    o.waiting = 0;
    echo_close(echo);
    assert_int_equal(load_run(&o, &r, &why), ERR_IO);
    assert_non_null(strstr(why.text, "cannot connect"));
}

static void gauges_read_proc(void **state) {
    (void)state;
    struct gauge g;
    uint64_t before = gauge_own_cpu_us();
    for (volatile int i = 0; i < 50000000; i++)
        continue;
    assert_true(gauge_own_cpu_us() > before);
    assert_int_equal(gauge_read(getpid(), &g), 0);
    assert_true(g.rss_bytes > 100000);
    assert_true(g.cpu_us >= 10000);
    assert_int_equal(gauge_read(0x7ffffff0, &g), ERR_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_two_per_cent),
        cmocka_unit_test(a_script_has_the_gid_everywhere),
        cmocka_unit_test(a_message_is_spelled_in_every_way),
        cmocka_unit_test(without_subscribers_there_is_no_run),
        cmocka_unit_test(the_floor_runs),
        cmocka_unit_test(a_delay_is_kept),
        cmocka_unit_test(a_rate_is_kept),
        cmocka_unit_test(errors_are_counted_and_told),
        cmocka_unit_test(gauges_read_proc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
