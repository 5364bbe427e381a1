/* Connections, listeners and dials against each other and against raw sockets, all over loopback. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/connection.h"
#include "net/dialler.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/timer.h"

static struct loop *loop;
static struct listener *listener;

/* One end of a connection and all that happened to it. */
struct end {
    struct connection *c;
    struct buffer got;
    int ended, closed, drained;
    int code;
    char sentence[160];
    bool echo;
};

/* The accepted ends, in order. */
static struct end doors[300];
static size_t door_count;

static void on_received(void *context, struct slice bytes) {
    struct end *e = context;
    buffer_add_slice(&e->got, bytes);
    if (e->echo)
        connection_send(e->c, &bytes, 1);
}

static void on_drained(void *context) {
    ((struct end *)context)->drained++;
}

static void on_ended(void *context) {
    ((struct end *)context)->ended++;
}

static void on_closed(void *context, int code, const char *sentence) {
    struct end *e = context;
    assert_int_equal(e->closed, 0);
    e->closed++;
    e->code = code;
    e->c = NULL;
    snprintf(e->sentence, sizeof e->sentence, "%s", sentence);
}

static const struct connection_events events = {
    .received = on_received, .drained = on_drained, .ended = on_ended, .closed = on_closed
};

static void hold(struct end *e, struct connection *c) {
    *e = (struct end){ .c = c };
    buffer_init(&e->got, 64 << 20);
    connection_use(c, &events, e);
}

static void on_accepted(void *context, struct connection *c) {
    assert_ptr_equal(context, &door_count);
    hold(&doors[door_count++], c);
}

static int open_all_with(size_t max, size_t max_per_ip) {
    struct listener_options options = { .host = "127.0.0.1",
                                        .max = max,
                                        .max_per_ip = max_per_ip,
                                        .accepted = on_accepted,
                                        .context = &door_count };
    door_count = 0;
    assert_int_equal(loop_new(&loop, NULL), 0);
    return listener_open(&listener, loop, &options, NULL);
}

static int open_all(void **state) {
    (void)state;
    return open_all_with(0, 0);
}

static int close_all(void **state) {
    (void)state;
    for (size_t i = 0; i < door_count; i++)
        if (doors[i].c != NULL)
            connection_close(doors[i].c);
    listener_close(listener);
    loop_free(loop);
    for (size_t i = 0; i < door_count; i++)
        buffer_done(&doors[i].got);
    return 0;
}

struct answer {
    struct end end;
    int calls;
    int code;
    struct why why;
};

static void on_done(void *context, int code, struct connection *c, const struct why *why) {
    struct answer *a = context;
    a->calls++;
    a->code = code;
    a->why = *why;
    if (c != NULL)
        hold(&a->end, c);
}

static struct dial *dial_to(struct answer *a, const char *host, uint16_t port) {
    struct dial *d;
    struct dial_options options = {
        .host = host, .port = port, .timeout_ms = 1000, .done = on_done, .context = a
    };
    assert_int_equal(dial_start(&d, loop, &options), 0);
    assert_int_equal(a->calls, 0);
    return d;
}

static void connect_to_door(struct answer *a) {
    dial_to(a, "127.0.0.1", listener_port(listener));
    for (int i = 0; i < 100 && a->calls == 0; i++)
        loop_run_for(loop, 2);
    loop_run_for(loop, 2);
    assert_int_equal(a->code, 0);
}

static void send_text(struct connection *c, const char *text) {
    struct slice part = slice_text(text);
    assert_int_equal(connection_send(c, &part, 1), 0);
}

static void bytes_go_both_ways(void **state) {
    (void)state;
    struct answer a = { 0 };
    char peer[CONNECTION_PEER_BYTES];
    connect_to_door(&a);
    assert_int_equal(door_count, 1);
    doors[0].echo = true;
    const struct slice parts[3] = { SLICE("hello, "), SLICE_NONE, SLICE("world") };
    assert_int_equal(connection_send(a.end.c, parts, 3), 0);
    loop_run_for(loop, 10);
    assert_true(slice_is(buffer_slice(&doors[0].got), "hello, world"));
    assert_true(slice_is(buffer_slice(&a.end.got), "hello, world"));
    assert_string_equal(connection_peer_text(doors[0].c, peer), "127.0.0.1");
    assert_string_equal(connection_peer_text(a.end.c, peer), "127.0.0.1");
    connection_close(a.end.c);
    assert_int_equal(a.end.closed, 0); /* never from inside */
    assert_false(connection_open(a.end.c));
    struct slice late = SLICE("late");
    assert_int_equal(connection_send(a.end.c, &late, 1), ERR_CLOSED);
    loop_run_for(loop, 10);
    assert_int_equal(a.end.closed, 1);
    assert_int_equal(a.end.code, 0);
    assert_int_equal(doors[0].ended, 1);
    assert_int_equal(doors[0].closed, 0);
    connection_close(doors[0].c);
    loop_run_for(loop, 5);
    assert_int_equal(doors[0].closed, 1);
    buffer_done(&a.end.got);
}

/* A reader that stops makes the writer's queue grow up to its limit; when it goes on, everything arrives. */
static void a_slow_reader_holds_the_writer_back(void **state) {
    (void)state;
    struct answer a = { 0 };
    connect_to_door(&a);
    connection_pause(doors[0].c);
    static char block[1 << 20];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 7 + i / 251);
    struct slice part = slice_of(block, sizeof block);
    size_t sent = 0;
    int code = 0;
    while ((code = connection_send(a.end.c, &part, 1)) == 0) {
        sent += sizeof block;
        loop_run_for(loop, 1);
        assert_true(sent < 64 << 20);
    }
    assert_int_equal(code, ERR_LIMIT);
    assert_true(connection_queued(a.end.c) >= CONNECTION_QUEUE_BYTES);
    assert_int_equal(a.end.drained, 0);
    connection_resume(doors[0].c);
    for (int i = 0; i < 200 && doors[0].got.length < sent; i++)
        loop_run_for(loop, 5);
    assert_int_equal(doors[0].got.length, sent);
    assert_true(a.end.drained >= 1);
    assert_int_equal(connection_queued(a.end.c), 0);
    for (size_t at = 0; at < sent; at += sizeof block)
        assert_memory_equal(doors[0].got.at + at, block, sizeof block);
    connection_close(a.end.c);
    loop_run_for(loop, 5);
    buffer_done(&a.end.got);
}

static int raw_connect(void) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(listener_port(listener)) };
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    loop_run_for(loop, 5);
    return fd;
}

/* An early answer must reach a client that is still sending: design.md 4 (6). */
static void an_early_answer_is_not_lost_to_a_reset(void **state) {
    (void)state;
    char answer[64];
    static char flood[1 << 20];
    int fd = raw_connect();
    assert_int_equal(write(fd, "x", 1), 1);
    loop_run_for(loop, 5);
    send_text(doors[0].c, "413 too large");
    connection_finish(doors[0].c);
    for (int i = 0; i < 8; i++) {
        ssize_t sent = write(fd, flood, sizeof flood);
        (void)sent;
        loop_run_for(loop, 2);
    }
    assert_int_equal(doors[0].closed, 0);
    assert_int_equal(read(fd, answer, sizeof answer), strlen("413 too large"));
    assert_int_equal(read(fd, answer, sizeof answer), 0);
    close(fd);
    loop_run_for(loop, 10);
    assert_int_equal(doors[0].closed, 1);
    assert_int_equal(doors[0].code, 0);
    assert_int_equal(doors[0].got.length, 1); /* what came later was dropped */
}

static void discarding_has_a_bound(void **state) {
    (void)state;
    static char flood[1 << 20];
    int fd = raw_connect();
    connection_finish(doors[0].c);
    size_t sent = 0;
    for (int i = 0; i < 3000 && doors[0].closed == 0; i++) {
        ssize_t code = write(fd, flood, sizeof flood);
        sent += code > 0 ? (size_t)code : 0;
        loop_run_for(loop, 1);
    }
    assert_int_equal(doors[0].closed, 1);
    assert_true(sent > LIMIT_DISCARD_BYTES);
    assert_true(sent < LIMIT_DISCARD_BYTES + (16u << 20));
    close(fd);
}

static void tells_a_reset_and_a_half_close(void **state) {
    (void)state;
    struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    int fd = raw_connect();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    loop_run_for(loop, 10);
    assert_int_equal(doors[0].closed, 1);
    assert_int_equal(doors[0].code, ERR_CLOSED);
    assert_string_equal(doors[0].sentence, "connection reset by peer");
    fd = raw_connect();
    shutdown(fd, SHUT_WR);
    loop_run_for(loop, 10);
    assert_int_equal(doors[1].ended, 1);
    assert_int_equal(doors[1].closed, 0);
    send_text(doors[1].c, "still here");
    loop_run_for(loop, 5);
    char answer[64];
    assert_int_equal(read(fd, answer, sizeof answer), strlen("still here"));
    connection_finish(doors[1].c);
    loop_run_for(loop, 10);
    assert_int_equal(doors[1].closed, 1);
    close(fd);
}

static int open_narrow(void **state) {
    (void)state;
    return open_all_with(2, 0);
}

static void over_its_limit_a_listener_waits(void **state) {
    (void)state;
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = raw_connect();
    assert_int_equal(door_count, 2);
    assert_true(listener_counters(listener)->pauses >= 1);
    connection_close(doors[0].c);
    loop_run_for(loop, 10);
    assert_int_equal(door_count, 3);
    connection_close(doors[1].c);
    loop_run_for(loop, 10);
    assert_int_equal(door_count, 4);
    assert_int_equal(listener_counters(listener)->open, 2);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    loop_run_for(loop, 10);
}

static int open_per_ip(void **state) {
    (void)state;
    return open_all_with(0, 2);
}

static void one_address_cannot_take_all(void **state) {
    (void)state;
    char byte;
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = raw_connect();
    assert_int_equal(door_count, 2);
    assert_int_equal(listener_counters(listener)->refused, 1);
    assert_int_equal(read(fds[2], &byte, 1), 0);
    connection_close(doors[0].c);
    loop_run_for(loop, 5);
    int again = raw_connect();
    assert_int_equal(door_count, 3);
    close(again);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void refuses_to_listen_where_it_cannot(void **state) {
    (void)state;
    struct listener *l = NULL;
    struct why why;
    struct listener_options options = { .host = "localhost", .accepted = on_accepted };
    assert_int_equal(listener_open(&l, loop, &options, &why), ERR_INVALID);
    options.host = "127.0.0.1";
    options.port = listener_port(listener);
    assert_int_equal(listener_open(&l, loop, &options, &why), ERR_CONFLICT);
    assert_non_null(strstr(why.text, "127.0.0.1"));
    assert_null(l);
    loop_run_for(loop, 5);
}

/* Dials. */

static struct answer run_dial(const struct dial_options *base, uint64_t ms) {
    struct answer a = { 0 };
    struct dial *d;
    struct dial_options options = *base;
    options.done = on_done;
    options.context = &a;
    assert_int_equal(dial_start(&d, loop, &options), 0);
    assert_int_equal(a.calls, 0);
    for (uint64_t i = 0; i < ms && a.calls == 0; i += 5)
        loop_run_for(loop, 5);
    assert_int_equal(a.calls, 1);
    if (a.end.c != NULL) {
        connection_close(a.end.c);
        loop_run_for(loop, 5);
        assert_int_equal(a.end.closed, 1);
        buffer_done(&a.end.got);
    }
    return a;
}

static int only_six(void *context, const char *host, uint16_t port, const struct sockaddr *address,
                    struct why *why) {
    (void)context;
    (void)port;
    if (address->sa_family == AF_INET6)
        return 0;
    return why_set(why, ERR_DENIED, "%s may not be called", host);
}

static int only_four(void *context, const char *host, uint16_t port, const struct sockaddr *address,
                     struct why *why) {
    return only_six(context, host, port, address, why) == 0 ? ERR_DENIED : 0;
}

static void a_judge_is_asked_before_anything_is_sent(void **state) {
    (void)state;
    struct dial_options options = {
        .host = "127.0.0.1", .port = listener_port(listener), .timeout_ms = 1000, .judge = only_six
    };
    struct answer a = run_dial(&options, 1000);
    assert_int_equal(a.code, ERR_DENIED);
    assert_string_equal(a.why.text, "127.0.0.1 may not be called");
    loop_run_for(loop, 10);
    assert_int_equal(door_count, 0);
    options.judge = only_four;
    a = run_dial(&options, 1000);
    assert_int_equal(a.code, 0);
    options.host = "localhost"; /* resolves off the loop; only its IPv4 address is called */
    a = run_dial(&options, 3000);
    assert_int_equal(a.code, 0);
    loop_run_for(loop, 10);
    assert_int_equal(door_count, 2);
}

static void a_dial_says_why_it_failed(void **state) {
    (void)state;
    uint16_t port = listener_port(listener);
    listener_close(listener);
    listener = NULL;
    loop_run_for(loop, 5);
    struct dial_options options = { .host = "127.0.0.1", .port = port, .timeout_ms = 500 };
    struct answer a = run_dial(&options, 1000);
    assert_int_equal(a.code, ERR_IO);
    assert_non_null(strstr(a.why.text, "connection refused"));
    assert_non_null(strstr(a.why.text, "127.0.0.1"));
    options.host = "no-such-host.invalid";
    a = run_dial(&options, 5000);
    assert_true(a.code == ERR_NOT_FOUND || a.code == ERR_TIMEOUT);
    assert_non_null(strstr(a.why.text, "no-such-host.invalid"));
}

/* A full backlog leaves a connection attempt without an answer, as a dead host would. */
static void a_dial_gives_up_in_time(void **state) {
    (void)state;
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t length = sizeof at;
    int fills[8];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&at, &length);
    for (int i = 0; i < 8; i++) {
        fills[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fills[i], (struct sockaddr *)&at, sizeof at);
    }
    loop_refresh(loop);
    uint64_t before = loop_now_ms(loop);
    struct dial_options options = { .host = "127.0.0.1", .port = ntohs(at.sin_port), .timeout_ms = 100 };
    struct answer a = run_dial(&options, 1000);
    assert_int_equal(a.code, ERR_TIMEOUT);
    assert_true(loop_now_ms(loop) - before >= 100);
    assert_true(loop_now_ms(loop) - before < 400);
    for (int i = 0; i < 8; i++)
        close(fills[i]);
    close(fd);
}

static void a_cancelled_dial_says_nothing(void **state) {
    (void)state;
    struct answer a = { 0 };
    dial_cancel(dial_to(&a, "127.0.0.1", listener_port(listener)));
    dial_cancel(dial_to(&a, "localhost", listener_port(listener)));
    loop_run_for(loop, 100);
    assert_int_equal(a.calls, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(a_slow_reader_holds_the_writer_back),
        TEST(an_early_answer_is_not_lost_to_a_reset),
        TEST(discarding_has_a_bound),
        TEST(tells_a_reset_and_a_half_close),
        cmocka_unit_test_setup_teardown(over_its_limit_a_listener_waits, open_narrow, close_all),
        cmocka_unit_test_setup_teardown(one_address_cannot_take_all, open_per_ip, close_all),
        TEST(refuses_to_listen_where_it_cannot),
        TEST(a_judge_is_asked_before_anything_is_sent),
        TEST(a_dial_says_why_it_failed),
        TEST(a_dial_gives_up_in_time),
        TEST(a_cancelled_dial_says_nothing),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
