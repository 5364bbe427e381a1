/* Which publishes are unanswered: single and multiple confirms in any order, returns, lanes that change
 * hands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/rabbitmq/rabbitmq_lane.h"

static struct rabbitmq_lanes lanes;
static struct rabbitmq_flight flights[3 * RABBITMQ_UNCONFIRMED];

static int begin(void **state) {
    (void)state;
    memset(&lanes, 0, sizeof lanes);
    memset(flights, 0, sizeof flights);
    rabbitmq_lanes_init(&lanes);
    return 0;
}

static int end(void **state) {
    (void)state;
    rabbitmq_lanes_done(&lanes);
    return 0;
}

static void answers_in_any_order(void **state) {
    (void)state;
    struct rabbitmq_lane *l = rabbitmq_lanes_find(&lanes, SLICE("orders"));
    assert_ptr_equal(rabbitmq_lanes_of(&lanes, l->channel), l);
    for (int i = 0; i < 5; i++)
        rabbitmq_lane_add(&lanes, l, &flights[i]);
    assert_int_equal(flights[0].tag, 1);
    assert_int_equal(flights[4].tag, 5);
    rabbitmq_lane_remove(&lanes, &flights[2]);
    rabbitmq_lane_remove(&lanes, &flights[1]);
    assert_int_equal(l->oldest, 1);
    assert_null(rabbitmq_lane_at(l, 3));
    assert_null(rabbitmq_lane_at(l, 0));
    assert_null(rabbitmq_lane_at(l, 6)); /* not published */
    rabbitmq_lane_remove(&lanes, &flights[0]);
    assert_int_equal(l->oldest, 4);
    assert_ptr_equal(rabbitmq_lane_at(l, 4), &flights[3]);
    rabbitmq_lane_remove(&lanes, &flights[4]);
    rabbitmq_lane_remove(&lanes, &flights[3]);
    assert_int_equal(l->oldest, 6);
    assert_int_equal(lanes.unconfirmed, 0);
}

/* One old publish without an answer keeps the lane from running around its ring. */
static void is_full_when_an_old_one_is_unanswered(void **state) {
    size_t next = 0;
    (void)state;
    struct rabbitmq_lane *l = rabbitmq_lanes_find(&lanes, SLICE("orders"));
    for (; !rabbitmq_lane_full(l); next++) {
        rabbitmq_lane_add(&lanes, l, &flights[next]);
        if (next > 0)
            rabbitmq_lane_remove(&lanes, &flights[next]);
    }
    assert_int_equal(next, RABBITMQ_UNCONFIRMED);
    assert_int_equal(l->unconfirmed, 1);
    rabbitmq_lane_remove(&lanes, &flights[0]);
    for (; next < 3 * RABBITMQ_UNCONFIRMED; next++) {
        assert_false(rabbitmq_lane_full(l));
        rabbitmq_lane_add(&lanes, l, &flights[next]);
        assert_ptr_equal(rabbitmq_lane_at(l, next + 1), &flights[next]);
        rabbitmq_lane_remove(&lanes, &flights[next]);
    }
    rabbitmq_lane_begin(l);
    assert_int_equal(l->next, 1);
}

static void exchanges_share_what_is_idle(void **state) {
    char name[16];
    (void)state;
    for (int i = 0; i < RABBITMQ_CHANNELS; i++) {
        snprintf(name, sizeof name, "e%d", i);
        struct rabbitmq_lane *l = rabbitmq_lanes_find(&lanes, slice_text(name));
        assert_int_equal(l->channel, i + 1);
        rabbitmq_lane_add(&lanes, l, &flights[i]);
    }
    assert_null(rabbitmq_lanes_find(&lanes, SLICE("one-more")));
    assert_ptr_equal(rabbitmq_lanes_find(&lanes, SLICE("e7")), &lanes.at[7]);
    rabbitmq_lane_remove(&lanes, &flights[20]);
    rabbitmq_lane_remove(&lanes, &flights[9]);
    struct rabbitmq_lane *l = rabbitmq_lanes_find(&lanes, SLICE("one-more"));
    assert_ptr_equal(l, &lanes.at[9]); /* idle the longest */
    assert_ptr_equal(rabbitmq_lanes_find(&lanes, SLICE("one-more")), l);
    rabbitmq_lane_add(&lanes, l, &flights[9]);
    assert_ptr_equal(rabbitmq_lanes_find(&lanes, SLICE("e9")), &lanes.at[20]);
    for (int i = 0; i < RABBITMQ_CHANNELS; i++)
        if (i != 20)
            rabbitmq_lane_remove(&lanes, &flights[i]);
}

static void fly(struct rabbitmq_lane *l, struct rabbitmq_flight *f, const char *id, const char *exchange,
                const char *key) {
    f->message.id = slice_text(id);
    f->message.topic = SLICE("topic");
    f->route = (struct rabbitmq_route){ .exchange = slice_text(exchange), .routing_key = slice_text(key) };
    rabbitmq_lane_add(&lanes, l, f);
}

static void a_return_means_the_oldest_that_fits(void **state) {
    struct rabbitmq_event e = { .kind = RABBITMQ_RETURNED,
                                .code = 312,
                                .words = "NO_ROUTE",
                                .id = "b",
                                .exchange = "x",
                                .routing_key = "k" };
    (void)state;
    struct rabbitmq_lane *l = rabbitmq_lanes_find(&lanes, SLICE("x"));
    fly(l, &flights[0], "a", "x", "k");
    fly(l, &flights[1], "b", "x", "other");
    fly(l, &flights[2], "b", "x", "k");
    fly(l, &flights[3], "b", "x", "k");
    fly(l, &flights[4], "b", "x", "");
    rabbitmq_lane_return(l, &e);
    assert_true(flights[2].returned);
    assert_false(flights[3].returned);
    assert_non_null(
        strstr(flights[2].sentence, "exchange \"x\" for routing key \"k\" (the broker says 312 NO_ROUTE)"));
    rabbitmq_lane_return(l, &e);
    assert_true(flights[3].returned);
    rabbitmq_lane_return(l, &e); /* of one that was given up */
    snprintf(e.routing_key, sizeof e.routing_key, "topic");
    rabbitmq_lane_return(l, &e);
    assert_true(flights[4].returned);
    assert_false(flights[0].returned || flights[1].returned);
    for (int i = 0; i < 5; i++)
        rabbitmq_lane_remove(&lanes, &flights[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers_in_any_order),
        TEST(is_full_when_an_old_one_is_unanswered),
        TEST(exchanges_share_what_is_idle),
        TEST(a_return_means_the_oldest_that_fits),
    };
    return cmocka_run_group_tests_name("rabbitmq_lane", tests, NULL, NULL);
}
