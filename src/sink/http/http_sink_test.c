/* R8: the sink against a small rude participant, over loopback. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/certificate_test.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/timer.h"
#include "net/tls.h"
#include "sink/http/breaker.h"
#include "sink/http/http_sink.h"
#include "wire/http1.h"

static struct loop *loop;
static struct http_sink *sink;
static struct listener *listener;
static struct arena arena;
static struct egress egress;

/* The participant: what it does depends on the path. */
struct guest {
    struct connection *c;
    struct buffer in;
    struct timer timer;
    int drips;
};

static struct guest *guests[700];
static size_t guest_count;
static size_t request_count;
static size_t busy, busy_peak;
static struct buffer last_request;

static void say(struct guest *g, const char *text) {
    struct slice part = slice_text(text);
    if (connection_open(g->c))
        connection_send(g->c, &part, 1);
}

static void flood(struct guest *g, size_t bytes) {
    static char block[64 * 1024];
    memset(block, 'x', sizeof block);
    for (size_t sent = 0; sent < bytes; sent += sizeof block) {
        struct slice part = slice_of(block, bytes - sent < sizeof block ? bytes - sent : sizeof block);
        connection_send(g->c, &part, 1);
    }
}

static void on_guest_timer(void *context) {
    static const char drops[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct guest *g = context;
    if (g->drips < 0) { /* a late answer */
        busy--;
        say(g, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
        return;
    }
    char drop[2] = { drops[g->drips++], '\0' };
    say(g, drop);
    if (drops[g->drips] != '\0')
        timer_start(&g->timer, 1);
}

static void later(struct guest *g, uint64_t ms) {
    g->drips = -1;
    busy++;
    if (busy > busy_peak)
        busy_peak = busy;
    timer_start(&g->timer, ms);
}

static void behave(struct guest *g, struct slice path) {
    static const struct {
        const char *path, *answer;
        bool close;
    } fixed[] = {
        { "/ok", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}", false },
        { "/409", "HTTP/1.1 409 Conflict\r\nContent-Length: 8\r\n\r\nno rooms", false },
        { "/425", "HTTP/1.1 425 Too Early\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n", false },
        { "/429", "HTTP/1.1 429 Slow\r\nRetry-After: 7200\r\nContent-Length: 0\r\n\r\n", false },
        { "/503", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", false },
        { "/500", "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nohno", false },
        { "/302", "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", false },
        { "/continue", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false },
        { "/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n",
          false },
        { "/until-close", "HTTP/1.1 200 OK\r\n\r\nall of it", true },
        { "/no-more", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false },
        { "/garbage", "SSH-2.0-OpenSSH_9.2\r\n", false },
        { "/two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", false },
        { "/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", true },
        { "/half-head", "HTTP/1.1 200 OK\r\nContent-Le", true },
        { "/hang-up", "", true },
        { "/body-stalls", "HTTP/1.1 409 No\r\nContent-Length: 9\r\n\r\nfirst", false },
        { "/twice",
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n", false },
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (slice_is(path, fixed[i].path)) {
            say(g, fixed[i].answer);
            if (fixed[i].close)
                connection_finish(g->c);
        }
    if (slice_is(path, "/dribble"))
        on_guest_timer(g);
    if (slice_is(path, "/late"))
        later(g, 60);
    if (slice_is(path, "/slow"))
        later(g, 10);
    if (slice_is(path, "/big")) {
        say(g, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
        flood(g, 300000);
    }
    if (slice_is(path, "/endless")) {
        say(g, "HTTP/1.1 200 OK\r\n\r\n");
        flood(g, 3u << 20);
    }
}

/* One request after another. */
static void on_received(void *context, struct slice bytes) {
    struct guest *g = context;
    buffer_add_slice(&g->in, bytes);
    for (;;) {
        struct http1_header headers[LIMIT_HEADERS];
        struct http1_request r;
        size_t taken;
        http1_request_init(&r, headers, LIMIT_HEADERS);
        int code = http1_request_decode(&r, buffer_slice(&g->in), &taken);
        if (code == ERR_MORE)
            return;
        assert_int_equal(code, 0);
        if (g->in.length < taken + r.head.content_length)
            return;
        request_count++;
        buffer_clear(&last_request);
        buffer_add_slice(&last_request, slice_upto(buffer_slice(&g->in), taken + r.head.content_length));
        char path[64];
        snprintf(path, sizeof path, "%.*s", SLICE_PRINT(r.path));
        buffer_consume(&g->in, taken + r.head.content_length);
        behave(g, slice_text(path));
    }
}

static void on_ended(void *context) {
    connection_finish(((struct guest *)context)->c);
}

static void on_closed(void *context, int code, const char *sentence) {
    struct guest *g = context;
    (void)code;
    (void)sentence;
    if (timer_running(&g->timer) && g->drips < 0)
        busy--;
    timer_done(&g->timer);
    buffer_done(&g->in);
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] == g)
            guests[i] = NULL;
    free(g);
}

static const struct connection_events guest_events = { .received = on_received,
                                                       .ended = on_ended,
                                                       .closed = on_closed };

static void on_accepted(void *context, struct connection *c) {
    struct guest *g = calloc(1, sizeof *g);
    (void)context;
    g->c = c;
    buffer_init(&g->in, 4 << 20);
    assert_int_equal(timer_init(&g->timer, loop, on_guest_timer, g), 0);
    guests[guest_count++] = g;
    connection_use(c, &guest_events, g);
}

/* What came back. */
struct seen {
    struct outcome o;
    char body[400];
    size_t length;
};

static struct seen seen[2000];
static size_t seen_count;
static bool sending;
static uint32_t resend; /* send this many more from inside the outcome */

static struct call call_to(const char *path, uint32_t attempt) {
    static char urls[16][128];
    static size_t next;
    char *url = urls[next++ % 16];
    snprintf(url, sizeof urls[0], "http://127.0.0.1:%u%s", listener_port(listener), path);
    return (struct call){ .transaction = 7,
                          .branch = 2,
                          .role = ROLE_FORWARD,
                          .attempt = attempt,
                          .timeout_ms = 1000,
                          .gid = SLICE("g-1"),
                          .branch_id = SLICE("b"),
                          .operation = SLICE("action"),
                          .url = slice_text(url),
                          .body = SLICE("{}") };
}

static void send_call(const struct call *call) {
    sending = true;
    http_sink_send(sink, call);
    sending = false;
}

static void on_outcome(void *context, const struct outcome *o) {
    assert_ptr_equal(context, &seen_count);
    assert_false(sending); /* never from inside http_sink_send */
    struct seen *s = &seen[seen_count++];
    s->o = *o;
    s->length = o->body.length;
    size_t shown = o->body.length < sizeof s->body - 1 ? o->body.length : sizeof s->body - 1;
    memcpy(s->body, shown > 0 ? o->body.at : "", shown);
    s->body[shown] = '\0';
    assert_int_equal(o->transaction, 7);
    assert_int_equal(o->branch, 2);
    if (resend > 0) {
        resend--;
        struct call again = call_to("/ok", 100 + resend);
        send_call(&again);
    }
}

static int open_with(size_t calls, size_t per_host) {
    struct listener_options l = { .host = "127.0.0.1", .accepted = on_accepted, .max_per_ip = 1000 };
    seen_count = guest_count = request_count = busy = busy_peak = 0;
    resend = 0;
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(listener_open(&listener, loop, &l, NULL), 0);
    arena_init(&arena, 4096, 1 << 20);
    buffer_init(&last_request, 1 << 20);
    egress_init(&egress, &arena);
    assert_int_equal(egress_allow_loopback(&egress), 0);
    struct http_sink_options o = { .calls = calls,
                                   .calls_per_host = per_host,
                                   .connect_ms = 500,
                                   .egress = &egress,
                                   .on_outcome = on_outcome,
                                   .context = &seen_count };
    return http_sink_open(&sink, loop, &o, NULL);
}

static int open_all(void **state) {
    (void)state;
    return open_with(0, 0);
}

static int close_all(void **state) {
    (void)state;
    http_sink_close(sink);
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] != NULL)
            connection_close(guests[i]->c);
    listener_close(listener);
    loop_free(loop);
    arena_done(&arena);
    buffer_done(&last_request);
    return 0;
}

static void wait_for(size_t count) {
    for (int i = 0; i < 2000 && seen_count < count; i++)
        loop_run_for(loop, 2);
    assert_int_equal(seen_count, count);
}

static const struct seen *ask(const char *path) {
    struct call call = call_to(path, 1);
    size_t before = seen_count;
    send_call(&call);
    wait_for(before + 1);
    return &seen[before];
}

static void every_answer_has_its_meaning(void **state) {
    (void)state;
    static const struct {
        const char *path;
        enum verdict verdict;
        unsigned http;
        uint32_t retry_after_ms;
        const char *body;
    } rows[] = {
        { "/ok", VERDICT_DONE, 200, 0, "{\"a\":1}" },
        { "/409", VERDICT_REFUSED, 409, 0, "no rooms" },
        { "/425", VERDICT_WORKING, 425, 2000, "" },
        { "/429", VERDICT_SLOW_DOWN, 429, 3600000, "" },
        { "/503", VERDICT_SLOW_DOWN, 503, 0, "" },
        { "/500", VERDICT_UNKNOWN, 500, 0, "ohno" },
        { "/302", VERDICT_UNKNOWN, 302, 0, "" },
        { "/continue", VERDICT_DONE, 200, 0, "" },
        { "/chunked", VERDICT_DONE, 200, 0, "hi!" },
        { "/dribble", VERDICT_DONE, 200, 0, "ok" },
        { "/until-close", VERDICT_DONE, 200, 0, "all of it" },
        { "/short", VERDICT_DONE, 200, 0, "only this" },
        { "/no-more", VERDICT_DONE, 200, 0, "" },
        { "/twice", VERDICT_DONE, 200, 0, "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct seen *s = ask(rows[i].path);
        if (s->o.verdict != rows[i].verdict || s->o.http != rows[i].http)
            fail_msg("%s: verdict %d, http %d: %s", rows[i].path, s->o.verdict, s->o.http, s->body);
        assert_int_equal(s->o.retry_after_ms, rows[i].retry_after_ms);
        assert_string_equal(s->body, rows[i].body);
    }
    assert_int_equal(request_count, sizeof rows / sizeof rows[0]); /* redirects were not followed */
    assert_int_equal(http_sink_counters(sink).calls, 0);
}

static void expect_sentence(const char *path, const char *words) {
    const struct seen *s = ask(path);
    assert_int_equal(s->o.verdict, VERDICT_UNKNOWN);
    if (strstr(s->body, words) == NULL)
        fail_msg("%s: %s", path, s->body);
}

static void what_is_no_answer_is_told_in_a_sentence(void **state) {
    (void)state;
    expect_sentence("/garbage", "not HTTP/1.1");
    expect_sentence("/two-lengths", "Content-Length is repeated");
    expect_sentence("/half-head", "in the middle of an answer");
    expect_sentence("/hang-up", "connection closed before an answer");
}

static void a_call_is_written_as_promised(void **state) {
    (void)state;
    struct signature_secret secret;
    assert_int_equal(signature_secret_decode(SLICE("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"), &secret, NULL),
                     0);
    http_sink_set_secrets(sink, &secret, 1);
    ask("/ok");
    buffer_add_byte(&last_request, '\0');
    assert_non_null(strstr(last_request.at, "POST /ok HTTP/1.1\r\n"));
    assert_non_null(strstr(last_request.at, "Settle-Gid: g-1\r\n"));
    assert_non_null(strstr(last_request.at, "Idempotency-Key: g-1/b/action\r\n"));
    assert_non_null(strstr(last_request.at, "webhook-signature: v1,"));
    assert_non_null(strstr(last_request.at, "\r\n\r\n{}"));
    http_sink_set_secrets(sink, NULL, 0);
    ask("/ok");
    buffer_add_byte(&last_request, '\0');
    assert_null(strstr(last_request.at, "webhook"));
}

static void nothing_is_signed_with_anothers_secret(void **state) {
    (void)state;
    struct signature_secret secret;
    struct call call = call_to("/ok", 1);
    assert_int_equal(signature_secret_decode(SLICE("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"), &secret, NULL),
                     0);
    http_sink_set_secrets(sink, &secret, 1);
    call.signer = SLICE("crm");
    size_t before = seen_count;
    send_call(&call);
    wait_for(before + 1);
    assert_int_equal(seen[before].o.verdict, VERDICT_NOT_SENT);
    assert_non_null(strstr(seen[before].body, "no secret of crm"));
    assert_int_equal(http_sink_set_signer(sink, SLICE("crm"), &secret, 1), 0);
    send_call(&call);
    wait_for(before + 2);
    assert_int_equal(seen[before + 1].o.verdict, VERDICT_DONE);
}

static void a_connection_is_reused_unless_the_answer_spoils_it(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++)
        ask("/ok");
    ask("/chunked");
    ask("/big");
    assert_int_equal(seen[seen_count - 1].length, LIMIT_ANSWER_BYTES);
    ask("/ok");
    assert_int_equal(guest_count, 1);
    assert_int_equal(http_sink_counters(sink).connections_reused, 12);
    static const char *const spoilers[] = { "/no-more", "/until-close", "/twice",
                                            "/endless", "/garbage",     "/short" };
    for (size_t i = 0; i < 6; i++) {
        size_t before = guest_count;
        ask(spoilers[i]);
        ask("/ok");
        if (guest_count != before + (i > 0) && guest_count != before + 1)
            fail_msg("%s: %zu connections more", spoilers[i], guest_count - before);
    }
}

static void an_endless_body_is_cut(void **state) {
    (void)state;
    const struct seen *s = ask("/endless");
    assert_int_equal(s->o.verdict, VERDICT_DONE);
    assert_int_equal(s->length, LIMIT_ANSWER_BYTES);
}

/* The server closes an idle connection just as it is used: nothing is sent twice, and the engine is told. */
static void a_stale_connection_is_an_outcome(void **state) {
    (void)state;
    ask("/ok");
    size_t before = request_count;
    ask("/hang-up"); /* on the reused connection, closed before a byte of an answer */
    assert_int_equal(seen[1].o.verdict, VERDICT_STALE);
    assert_true(slice_starts(slice_text(seen[1].body), "connection closed before an answer"));
    assert_int_equal(request_count, before + 1);
    ask("/hang-up"); /* on a new one this is no accident of reuse */
    assert_int_equal(seen[2].o.verdict, VERDICT_UNKNOWN);
    /* Closed while idle: noticed, and a new connection is made. */
    ask("/ok");
    connection_close(guests[guest_count - 1]->c);
    loop_run_for(loop, 10);
    assert_int_equal(ask("/ok")->o.verdict, VERDICT_DONE);
}

static void the_timeout_ends_a_call(void **state) {
    (void)state;
    struct call call = call_to("/late", 1);
    call.timeout_ms = 30;
    loop_refresh(loop);
    send_call(&call);
    wait_for(1);
    assert_int_equal(seen[0].o.verdict, VERDICT_UNKNOWN);
    assert_non_null(strstr(seen[0].body, "no answer from 127.0.0.1:"));
    assert_true(seen[0].o.took_ms >= 30 && seen[0].o.took_ms < 60);
    assert_int_equal(http_sink_counters(sink).timeouts, 1);
    loop_run_for(loop, 80); /* the late answer finds nobody */
    assert_int_equal(seen_count, 1);
    call = call_to("/body-stalls", 1);
    call.timeout_ms = 30;
    send_call(&call);
    wait_for(2);
    assert_int_equal(seen[1].o.verdict, VERDICT_REFUSED); /* the status line decides */
    assert_string_equal(seen[1].body, "first");
}

static void nobody_there_is_told(void **state) {
    (void)state;
    struct call call = call_to("/ok", 1);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/ok", listener_port(listener));
    listener_close(listener);
    listener = NULL;
    loop_run_for(loop, 5);
    call.url = slice_text(url);
    send_call(&call);
    wait_for(1);
    assert_int_equal(seen[0].o.verdict, VERDICT_UNKNOWN);
    assert_non_null(strstr(seen[0].body, "connection refused"));
    assert_int_equal(seen[0].o.http, 0);
    call.url = SLICE("https://127.0.0.1:1/x");
    send_call(&call);
    wait_for(2);
    assert_int_equal(seen[1].o.verdict, VERDICT_UNKNOWN);
    assert_non_null(strstr(seen[1].body, "https"));
}

static void egress_is_judged_at_every_call(void **state) {
    (void)state;
    static const char *const urls[] = { "http://10.0.0.1/x", "http://169.254.169.254/x", "http://127.1/x",
                                        "ftp://127.0.0.1/" };
    struct call call = call_to("/ok", 1);
    for (size_t i = 0; i < 4; i++) {
        call.url = slice_text(urls[i]);
        send_call(&call);
        wait_for(i + 1);
        assert_int_equal(seen[i].o.verdict, VERDICT_FORBIDDEN);
    }
    assert_non_null(strstr(seen[0].body, "10.0.0.1 is not listed in egress.allow"));
    /* A name is judged on what it resolves to. */
    char url[64];
    snprintf(url, sizeof url, "http://localhost:%u/ok", listener_port(listener));
    call.url = slice_text(url);
    send_call(&call);
    wait_for(5);
    assert_int_equal(seen[4].o.verdict, VERDICT_DONE);
    struct egress closed;
    egress_init(&closed, &arena);
    http_sink_set_egress(sink, &closed);
    assert_int_equal(http_sink_counters(sink).connections_idle, 0);
    send_call(&call);
    wait_for(6);
    assert_int_equal(seen[5].o.verdict, VERDICT_FORBIDDEN);
    assert_non_null(strstr(seen[5].body, "localhost resolves to "));
    struct address own;
    assert_int_equal(address_decode(SLICE("127.0.0.1"), &own), 0);
    egress_allow_loopback(&closed);
    egress_never(&closed, &own, listener_port(listener));
    send_call(&call);
    wait_for(7);
    assert_int_equal(seen[6].o.verdict, VERDICT_FORBIDDEN);
    assert_non_null(strstr(seen[6].body, "settled itself"));
}

static int open_narrow(void **state) {
    (void)state;
    return open_with(8, 4);
}

static void calls_wait_in_order_behind_the_limit(void **state) {
    (void)state;
    for (uint32_t i = 1; i <= 20; i++) {
        struct call call = call_to("/slow", i);
        send_call(&call);
    }
    assert_int_equal(http_sink_counters(sink).waiting, 20);
    wait_for(20);
    assert_int_equal(busy_peak, 4);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(seen[i].o.verdict, VERDICT_DONE);
        assert_int_equal((seen[i].o.attempt - 1) / 4, i / 4); /* in waves of four */
    }
    assert_int_equal(http_sink_counters(sink).waiting, 0);
}

static void the_timeout_covers_the_queue(void **state) {
    (void)state;
    for (uint32_t i = 1; i <= 6; i++) {
        struct call call = call_to("/late", i);
        call.timeout_ms = i <= 4 ? 1000 : 30;
        send_call(&call);
    }
    wait_for(2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(seen[i].o.verdict, VERDICT_NOT_SENT);
        assert_int_equal(seen[i].o.attempt, 5 + i);
        assert_non_null(strstr(seen[i].body, "nothing was sent"));
    }
    wait_for(6);
    assert_int_equal(request_count, 4);
}

static void a_breaker_spares_a_dead_host(void **state) {
    (void)state;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/ok", listener_port(listener));
    uint16_t port = listener_port(listener);
    listener_close(listener);
    listener = NULL;
    loop_run_for(loop, 5);
    struct call call = { .transaction = 7,
                         .branch = 2,
                         .attempt = 1,
                         .timeout_ms = 1000,
                         .gid = SLICE("g"),
                         .branch_id = SLICE("b"),
                         .operation = SLICE("try"),
                         .url = slice_text(url) };
    for (size_t i = 0; i < BREAKER_ROW; i++) {
        send_call(&call);
        wait_for(i + 1);
        assert_int_equal(seen[i].o.verdict, VERDICT_UNKNOWN);
    }
    assert_int_equal(http_sink_counters(sink).hosts_open, 1);
    size_t refused = 0;
    for (int i = 0; i < 50; i++) {
        size_t before = seen_count;
        send_call(&call);
        wait_for(before + 1);
        refused += seen[before].o.verdict == VERDICT_NOT_SENT;
    }
    assert_true(refused >= 45);
    assert_non_null(strstr(seen[seen_count - 1].body, "only probed"));
    /* It is back: the next probe closes the breaker. */
    struct listener_options l = { .host = "127.0.0.1", .port = port, .accepted = on_accepted };
    assert_int_equal(listener_open(&listener, loop, &l, NULL), 0);
    loop_run_for(loop, 110);
    size_t before = seen_count;
    send_call(&call);
    wait_for(before + 1);
    assert_int_equal(seen[before].o.verdict, VERDICT_DONE);
    assert_int_equal(http_sink_counters(sink).hosts_open, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask("/500")->o.verdict, VERDICT_UNKNOWN);
    for (int i = 0; i < 100; i++)
        ask("/503");
    assert_int_equal(http_sink_counters(sink).hosts_open, 0); /* never for HTTP answers */
}

static void sending_from_inside_an_outcome_is_fine(void **state) {
    (void)state;
    struct call call = call_to("/ok", 1);
    resend = 500;
    send_call(&call);
    wait_for(501);
    assert_int_equal(guest_count, 1);
}

/* A host that takes no connection, like one behind a firewall, must open its breaker although its calls end
 * before its dials do. */
static void a_host_that_is_not_there_opens_its_breaker(void **state) {
    (void)state;
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t length = sizeof at;
    int fills[8];
    char url[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&at, &length);
    for (int i = 0; i < 8; i++) { /* a full backlog answers nothing */
        fills[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fills[i], (struct sockaddr *)&at, sizeof at);
    }
    struct call call = call_to("/ok", 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/ok", ntohs(at.sin_port));
    call.url = slice_text(url);
    call.timeout_ms = 20;
    for (size_t i = 0; i < BREAKER_ROW; i++)
        send_call(&call);
    wait_for(BREAKER_ROW);
    for (size_t i = 0; i < BREAKER_ROW; i++)
        assert_int_equal(seen[i].o.verdict, VERDICT_NOT_SENT);
    assert_int_equal(http_sink_counters(sink).hosts_open, 1);
    for (int i = 0; i < 8; i++)
        close(fills[i]);
    close(fd);
}

/* The same participant under TLS, with a connection that is used again. */
static void https_is_called_with_verification(void **state) {
    (void)state;
    struct certificate good, other;
    struct tls *server, *client, *stranger;
    struct listener *secure;
    char url[64];
    certificate_make(&good, "DNS:localhost,IP:127.0.0.1", 86400);
    certificate_make(&other, "DNS:localhost,IP:127.0.0.1", 86400);
    assert_int_equal(tls_new_server(&server, good.certificate, good.key, NULL, NULL), 0);
    assert_int_equal(tls_new_client(&client, good.certificate, NULL), 0);
    assert_int_equal(tls_new_client(&stranger, other.certificate, NULL), 0);
    struct listener_options l = { .host = "127.0.0.1", .tls = server, .accepted = on_accepted };
    assert_int_equal(listener_open(&secure, loop, &l, NULL), 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/ok", listener_port(secure));
    for (int trusted = 0; trusted < 2; trusted++) {
        http_sink_close(sink);
        struct http_sink_options o = { .tls = trusted ? client : stranger,
                                       .egress = &egress,
                                       .on_outcome = on_outcome,
                                       .context = &seen_count };
        assert_int_equal(http_sink_open(&sink, loop, &o, NULL), 0);
        struct call call = call_to("/ok", 1);
        call.url = slice_text(url);
        for (size_t i = 1; i <= 3; i++) {
            send_call(&call);
            wait_for((size_t)trusted * 3 + i);
        }
    }
    assert_int_equal(seen[0].o.verdict, VERDICT_UNKNOWN);
    assert_non_null(strstr(seen[0].body, "certificate is not accepted"));
    assert_int_equal(seen[3].o.verdict, VERDICT_DONE);
    assert_int_equal(seen[5].o.verdict, VERDICT_DONE);
    assert_string_equal(seen[5].body, "{\"a\":1}");
    assert_int_equal(http_sink_counters(sink).connections_made, 1);
    assert_int_equal(http_sink_counters(sink).connections_reused, 2);
    http_sink_close(sink);
    sink = NULL;
    listener_close(secure);
    loop_run_for(loop, 20);
    tls_free(server);
    tls_free(client);
    tls_free(stranger);
    certificate_drop(&good);
    certificate_drop(&other);
}

/* Whatever state its calls are in, a closed sink says nothing more. */
static void close_ends_everything_quietly(void **state) {
    (void)state;
    for (uint32_t i = 1; i <= 6; i++) {
        struct call call = call_to("/late", i);
        send_call(&call);
    }
    struct call bad = call_to("/x", 7);
    bad.url = SLICE("http://10.0.0.1/");
    send_call(&bad);
    http_sink_close(sink);
    sink = NULL;
    loop_run_for(loop, 100);
    assert_int_equal(seen_count, 0);
}

static void close_in_the_middle_of_answers(void **state) {
    (void)state;
    for (uint32_t i = 1; i <= 6; i++) {
        struct call call = call_to("/body-stalls", i);
        send_call(&call);
    }
    loop_run_for(loop, 20);
    http_sink_close(sink);
    sink = NULL;
    loop_run_for(loop, 20);
    assert_int_equal(seen_count, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)
#define NARROW(test) cmocka_unit_test_setup_teardown(test, open_narrow, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_answer_has_its_meaning),
        TEST(what_is_no_answer_is_told_in_a_sentence),
        TEST(a_call_is_written_as_promised),
        TEST(nothing_is_signed_with_anothers_secret),
        TEST(a_connection_is_reused_unless_the_answer_spoils_it),
        TEST(an_endless_body_is_cut),
        TEST(a_stale_connection_is_an_outcome),
        TEST(the_timeout_ends_a_call),
        TEST(nobody_there_is_told),
        TEST(egress_is_judged_at_every_call),
        NARROW(calls_wait_in_order_behind_the_limit),
        NARROW(the_timeout_covers_the_queue),
        TEST(a_breaker_spares_a_dead_host),
        TEST(a_host_that_is_not_there_opens_its_breaker),
        TEST(https_is_called_with_verification),
        TEST(sending_from_inside_an_outcome_is_fine),
        NARROW(close_ends_everything_quietly),
        NARROW(close_in_the_middle_of_answers),
    };
    return cmocka_run_group_tests_name("http_sink", tests, NULL, NULL);
}
