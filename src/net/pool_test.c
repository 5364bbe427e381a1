/* The pool against a listener that counts its connections. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "net/listener.h"
#include "net/loop.h"
#include "net/pool.h"

static struct loop *loop;
static struct listener *listener;
static struct pool *pool;
static struct pool_endpoint *endpoint;

static struct connection *doors[64];
static size_t door_count;

static void on_door_received(void *context, struct slice bytes) {
    (void)context;
    (void)bytes;
}

static void on_door_closed(void *context, int code, const char *sentence) {
    (void)code;
    (void)sentence;
    *(struct connection **)context = NULL;
}

static const struct connection_events door_events = { .received = on_door_received,
                                                      .closed = on_door_closed };

static void on_accepted(void *context, struct connection *c) {
    (void)context;
    doors[door_count] = c;
    connection_use(c, &door_events, &doors[door_count++]);
}

/* A user of the pool. */
struct user {
    struct pool_want want;
    struct connection *c;
    int given, failed, closed;
    int code;
    int order; /* when it was given */
    bool reused;
};

static int turn_of;

static void on_received(void *context, struct slice bytes) {
    (void)context;
    (void)bytes;
}

static void on_closed(void *context, int code, const char *sentence) {
    struct user *u = context;
    (void)code;
    (void)sentence;
    u->closed++;
}

static const struct connection_events user_events = { .received = on_received, .closed = on_closed };

static void use(struct user *u, struct connection *c) {
    u->c = c;
    u->given++;
    u->order = ++turn_of;
    connection_use(c, &user_events, u);
}

static void on_given(struct pool_want *w, struct connection *c, bool reused) {
    ((struct user *)w)->reused = reused;
    use((struct user *)w, c);
}

static void on_failed(struct pool_want *w, int code, const struct why *why) {
    struct user *u = (struct user *)w;
    assert_true(why->text[0] != '\0');
    u->failed++;
    u->code = code;
}

static int take(struct user *u) {
    struct connection *c;
    u->want = (struct pool_want){ .given = on_given, .failed = on_failed };
    int code = pool_take(endpoint, &u->want, &c);
    if (code == 0)
        use(u, c);
    return code;
}

static void give_back(struct user *u) {
    struct connection *c = u->c;
    u->c = NULL;
    pool_give_back(endpoint, c);
}

static void drop(struct user *u) {
    connection_close(u->c);
    u->c = NULL;
    pool_drop(endpoint);
    loop_run_for(loop, 5); /* closed is called on a user that is still there */
    assert_int_equal(u->closed, 1);
}

static int open_with(size_t max, size_t max_per_host, uint32_t idle_ms) {
    struct listener_options l = { .host = "127.0.0.1", .accepted = on_accepted };
    struct pool_options p = {
        .max = max, .max_per_host = max_per_host, .idle_ms = idle_ms, .connect_ms = 1000
    };
    door_count = 0;
    turn_of = 0;
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(listener_open(&listener, loop, &l, NULL), 0);
    assert_int_equal(pool_new(&pool, loop, &p), 0);
    endpoint = pool_endpoint(pool, SLICE("127.0.0.1"), listener_port(listener), false);
    return endpoint == NULL;
}

static int open_all(void **state) {
    (void)state;
    return open_with(4, 3, 50);
}

static int close_all(void **state) {
    (void)state;
    pool_release(endpoint);
    pool_free(pool);
    for (size_t i = 0; i < door_count; i++)
        if (doors[i] != NULL)
            connection_close(doors[i]);
    listener_close(listener);
    loop_free(loop);
    return 0;
}

static void a_connection_is_used_again_freshest_first(void **state) {
    (void)state;
    struct user a = { 0 }, b = { 0 }, again = { 0 };
    assert_int_equal(take(&a), ERR_AGAIN);
    assert_int_equal(take(&b), ERR_AGAIN);
    loop_run_for(loop, 10);
    assert_int_equal(a.given, 1);
    assert_int_equal(b.given, 1);
    assert_int_equal(pool_counters(pool)->lent, 2);
    struct connection *freshest = b.c;
    give_back(&a);
    give_back(&b);
    assert_int_equal(pool_counters(pool)->idle, 2);
    assert_int_equal(take(&again), 0);
    assert_ptr_equal(again.c, freshest);
    assert_int_equal(pool_counters(pool)->reused, 1);
    assert_int_equal(door_count, 2);
    give_back(&again);
    assert_int_equal(a.closed + b.closed + again.closed, 0); /* no longer theirs */
}

static void idle_connections_end(void **state) {
    (void)state;
    struct user a = { 0 }, b = { 0 };
    take(&a);
    take(&b);
    loop_run_for(loop, 10);
    give_back(&a);
    loop_run_for(loop, 30);
    give_back(&b);
    loop_run_for(loop, 30);
    assert_int_equal(pool_counters(pool)->idle, 1);
    loop_run_for(loop, 40);
    assert_int_equal(pool_counters(pool)->idle, 0);
    assert_null(doors[0]);
    assert_null(doors[1]);
}

/* The server closes, or speaks unasked: nobody gets such a connection. */
static void a_dead_idle_connection_is_not_lent(void **state) {
    (void)state;
    struct user a = { 0 }, b = { 0 }, c = { 0 };
    struct slice unasked = SLICE("HTTP/1.1 408 Request Timeout\r\n\r\n");
    take(&a);
    take(&b);
    loop_run_for(loop, 10);
    give_back(&a);
    give_back(&b);
    connection_close(doors[0]);
    connection_send(doors[1], &unasked, 1);
    loop_run_for(loop, 10);
    assert_int_equal(pool_counters(pool)->idle, 0);
    assert_int_equal(take(&c), ERR_AGAIN);
    loop_run_for(loop, 10);
    assert_int_equal(c.given, 1);
    assert_int_equal(door_count, 3);
    drop(&c);
}

static void the_queue_is_first_in_first_out(void **state) {
    (void)state;
    struct user u[8] = { 0 };
    for (int i = 0; i < 8; i++)
        assert_int_equal(take(&u[i]), ERR_AGAIN);
    loop_run_for(loop, 10);
    assert_int_equal(door_count, 3); /* the limit per host */
    assert_int_equal(pool_counters(pool)->waiting, 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(u[i].given, 1);
    pool_cancel(&u[4].want);
    pool_cancel(&u[4].want);
    give_back(&u[1]);
    assert_int_equal(u[3].given, 1);
    assert_true(u[3].reused);
    assert_false(u[2].reused);
    drop(&u[0]);
    loop_run_for(loop, 10);
    assert_int_equal(u[5].given, 1);
    assert_int_equal(door_count, 4);
    give_back(&u[2]);
    give_back(&u[3]);
    give_back(&u[5]);
    loop_run_for(loop, 10);
    assert_int_equal(u[6].given, 1);
    assert_int_equal(u[7].given, 1);
    assert_int_equal(u[4].given, 0);
    assert_true(u[3].order < u[5].order && u[5].order < u[6].order && u[6].order < u[7].order);
    give_back(&u[6]);
    give_back(&u[7]);
    assert_int_equal(pool_counters(pool)->waiting, 0);
    assert_int_equal(pool_counters(pool)->lent, 0);
}

static int open_tight(void **state) {
    (void)state;
    return open_with(2, 2, 1000);
}

/* Over all endpoints one limit: whoever met it first is served first. */
static void the_total_limit_is_shared(void **state) {
    (void)state;
    struct user u[5] = { 0 };
    struct pool_endpoint *first = endpoint;
    struct pool_endpoint *others[2];
    others[0] = pool_endpoint(pool, SLICE("127.0.0.2"), listener_port(listener), false);
    others[1] = pool_endpoint(pool, SLICE("127.0.0.3"), listener_port(listener), false);
    assert_ptr_not_equal(others[0], first);
    assert_ptr_equal(pool_endpoint(pool, SLICE("127.0.0.2"), listener_port(listener), false), others[0]);
    pool_release(others[0]);
    take(&u[0]);
    take(&u[1]);
    loop_run_for(loop, 10);
    for (int i = 0; i < 2; i++) {
        struct connection *none;
        u[2 + i].want = (struct pool_want){ .given = on_given, .failed = on_failed };
        assert_int_equal(pool_take(others[i], &u[2 + i].want, &none), ERR_AGAIN);
    }
    assert_int_equal(take(&u[4]), ERR_AGAIN);
    loop_run_for(loop, 10);
    assert_int_equal(u[2].given + u[3].given + u[4].given, 0);
    drop(&u[0]);
    loop_run_for(loop, 10);
    assert_int_equal(u[2].failed, 1); /* nothing listens on 127.0.0.2 */
    assert_int_equal(u[3].failed, 1);
    assert_int_equal(u[4].given, 1);
    drop(&u[1]);
    drop(&u[4]);
    pool_release(others[0]);
    pool_release(others[1]);
}

static void a_failed_dial_is_told_to_each(void **state) {
    (void)state;
    struct user u[6] = { 0 };
    listener_close(listener);
    listener = NULL;
    loop_run_for(loop, 5);
    for (int i = 0; i < 6; i++)
        assert_int_equal(take(&u[i]), ERR_AGAIN);
    for (int i = 0; i < 6; i++)
        assert_int_equal(u[i].failed, 0);
    loop_run_for(loop, 20);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(u[i].failed, 1);
        assert_int_equal(u[i].code, ERR_IO);
    }
    assert_int_equal(pool_counters(pool)->dial_failures, 6);
}

static void a_dial_without_a_want_leaves_an_idle_connection(void **state) {
    (void)state;
    struct user a = { 0 };
    assert_int_equal(take(&a), ERR_AGAIN);
    pool_cancel(&a.want);
    loop_run_for(loop, 10);
    assert_int_equal(a.given, 0);
    assert_int_equal(pool_counters(pool)->idle, 1);
    assert_int_equal(take(&a), 0);
    give_back(&a);
}

static void secure_endpoints_need_tls(void **state) {
    (void)state;
    struct connection *c;
    struct user a = { .want = { .given = on_given, .failed = on_failed } };
    struct pool_endpoint *secure = pool_endpoint(pool, SLICE("127.0.0.1"), listener_port(listener), true);
    assert_ptr_not_equal(secure, endpoint);
    assert_int_equal(pool_take(secure, &a.want, &c), ERR_UNSUPPORTED);
    pool_release(secure);
}

static void can_be_freed_in_the_middle_of_a_dial(void **state) {
    (void)state;
    struct user a = { 0 };
    take(&a);
    pool_cancel(&a.want);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_used_again_freshest_first),
        TEST(idle_connections_end),
        TEST(a_dead_idle_connection_is_not_lent),
        TEST(the_queue_is_first_in_first_out),
        cmocka_unit_test_setup_teardown(the_total_limit_is_shared, open_tight, close_all),
        TEST(a_failed_dial_is_told_to_each),
        TEST(a_dial_without_a_want_leaves_an_idle_connection),
        TEST(secure_endpoints_need_tls),
        TEST(can_be_freed_in_the_middle_of_a_dial),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
