/* The STOMP sink against a real broker; tests/peers/stomp_test.py starts one and says where:
 *
 *   SETTLE_TEST_STOMP        a target without its destination:
 * stomp://settle@127.0.0.1:61613/?password_file=F SETTLE_TEST_ONLY         which of the tests below
 *   SETTLE_TEST_STOMP_TO     the destination
 *   SETTLE_TEST_STOMP_CA     for stomps: the certificate to trust
 *   SETTLE_TEST_STOMP_COUNT  how many messages
 *   SETTLE_TEST_STOMP_DONE   a file: the id of every message that is done, one on a line
 *
 * Without the first, everything is skipped. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"
#include "net/timer.h"
#include "net/tls.h"
#include "sink/stomp/stomp_sink.h"

#define POSTS 20000
/* Not yet answered at a time, and the pause before a message goes again. */
#define UNDER_WAY 400
#define AGAIN_MS 20

static const struct stomp_pace pace = { .heart_beat_ms = 1000,
                                        .login_ms = 2000,
                                        .silence_ms = 10000,
                                        .idle_ms = 60000,
                                        .pause_first_ms = 50,
                                        .pause_max_ms = 500 };

struct post {
    struct call call;
    struct call_message message;
    char id[16];
    uint32_t attempts;
    uint8_t verdict;
    char body[420];
    struct timer again;
};

static struct post posts[POSTS];
static size_t post_count, done_count, answered_count, unknown_count;
static bool persist; /* until it is done */
static struct loop *loop;
static struct sink *sink;
static struct arena arena;
static struct egress egress;
static struct tls *tls;
static struct sink_target target;
static char target_text[2048];
static size_t logins;
static FILE *done_file;

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? otherwise : value;
}

static void need_broker(void) {
    if (setting("SETTLE_TEST_STOMP", NULL) == NULL) {
        print_message("skipped: SETTLE_TEST_STOMP names no broker (tests/peers/stomp_test.py starts them)\n");
        skip();
    }
}

static void post(struct post *p) {
    p->attempts++;
    p->call.attempt = p->attempts;
    sink->ops->send(sink, &p->call, &target);
}

static void on_again(void *context) {
    post(context);
}

static struct post *new_post(uint32_t timeout_ms) {
    static const struct label headers[] = { { SLICE("tenant"), SLICE("a:b\\c\nd") },
                                            { SLICE("destination"), SLICE("/queue/elsewhere") },
                                            { SLICE("correlation-id"), SLICE("c-1") } };
    assert_true(post_count < POSTS);
    struct post *p = &posts[post_count];
    snprintf(p->id, sizeof p->id, "m-%zu", post_count);
    p->message = (struct call_message){ .id = slice_text(p->id),
                                        .topic = SLICE("orders"),
                                        .key = SLICE("customer-7"),
                                        .content_type = SLICE("application/json"),
                                        .headers = headers,
                                        .header_count = 3 };
    p->call = (struct call){ .transaction = post_count++,
                             .timeout_ms = timeout_ms,
                             .gid = SLICE("gid-1"),
                             .branch_id = SLICE("b"),
                             .operation = SLICE("deliver"),
                             .url = slice_text(target_text),
                             .body = SLICE("{\"order\":1}"),
                             .message = &p->message };
    assert_int_equal(timer_init(&p->again, loop, on_again, p), 0);
    return p;
}

static void on_outcome(void *context, const struct outcome *o) {
    struct post *p = &posts[o->transaction];
    (void)context;
    assert_int_equal(o->attempt, p->attempts);
    p->verdict = o->verdict;
    snprintf(p->body, sizeof p->body, "%.*s", SLICE_PRINT(o->body));
    answered_count++;
    unknown_count += o->verdict == VERDICT_UNKNOWN;
    if (o->verdict == VERDICT_DONE) {
        done_count++;
        if (done_file != NULL) {
            fprintf(done_file, "%s\n", p->id);
            fflush(done_file);
        }
    } else if (persist) {
        timer_start(&p->again, AGAIN_MS);
    }
}

static int on_secret(void *context, struct slice file, struct buffer *to, struct why *why) {
    char name[512];
    char line[256] = "";
    (void)context;
    snprintf(name, sizeof name, "%.*s", SLICE_PRINT(file));
    FILE *f = fopen(name, "r");
    if (f == NULL)
        return why_set(why, ERR_NOT_FOUND, "%s is not there", name);
    size_t length = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    logins++;
    buffer_clear(to);
    buffer_add(to, line, length);
    return 0;
}

static int open_all(void **state) {
    (void)state;
    const char *broker = setting("SETTLE_TEST_STOMP", "stomp://127.0.0.1/");
    const char *ca = setting("SETTLE_TEST_STOMP_CA", NULL);
    memset(posts, 0, sizeof posts);
    post_count = done_count = answered_count = unknown_count = logins = 0;
    persist = false;
    assert_int_equal(loop_new(&loop, NULL), 0);
    arena_init(&arena, 4096, 1 << 20);
    egress_init(&egress, &arena);
    assert_int_equal(egress_allow_loopback(&egress), 0);
    tls = NULL;
    if (ca != NULL)
        assert_int_equal(tls_new_client(&tls, ca, NULL), 0);
    const struct sink_options o = {
        .tls = tls, .egress = &egress, .connect_ms = 3000, .secret = on_secret, .on_outcome = on_outcome
    };
    assert_int_equal(stomp_sink_open_paced(&sink, loop, &o, &pace, NULL), 0);
    snprintf(target_text, sizeof target_text, "%s%sdestination=%s", broker,
             strchr(broker, '?') == NULL ? "?" : "&", setting("SETTLE_TEST_STOMP_TO", "/queue/shop.ship"));
    assert_int_equal(sink_target_decode(slice_text(target_text), &arena, &target, NULL), 0);
    const char *file = setting("SETTLE_TEST_STOMP_DONE", NULL);
    done_file = file == NULL ? NULL : fopen(file, "w");
    return 0;
}

static int close_all(void **state) {
    (void)state;
    sink_close(sink);
    for (size_t i = 0; i < post_count; i++)
        timer_done(&posts[i].again);
    loop_run_for(loop, 10);
    tls_free(tls);
    loop_free(loop);
    arena_done(&arena);
    if (done_file != NULL)
        fclose(done_file);
    return 0;
}

static size_t count_wanted(void) {
    size_t count = strtoul(setting("SETTLE_TEST_STOMP_COUNT", "100"), NULL, 10);
    assert_true(count > 0 && count <= POSTS);
    return count;
}

static void wait_until_answered(size_t count) {
    for (int i = 0; i < 20000 && answered_count < count; i++)
        loop_run_for(loop, 2);
    assert_int_equal(answered_count, count);
}

/* All at once: they are done, in one connection. */
static void all_are_done(void **state) {
    (void)state;
    need_broker();
    size_t count = count_wanted();
    uint64_t begin_ms = loop_now_ms(loop);
    for (size_t i = 0; i < count; i++)
        post(new_post(30000));
    wait_until_answered(count);
    if (done_count != count)
        fail_msg("%zu of %zu are done; the first: %d %s", done_count, count, posts[0].verdict, posts[0].body);
    assert_int_equal(logins, 1);
    print_message("stomp: %zu done in %lu ms\n", count, (unsigned long)(loop_now_ms(loop) - begin_ms));
}

/* Every message until it is done, through whatever happens to the broker meanwhile. */
static void every_one_at_last(void **state) {
    (void)state;
    need_broker();
    size_t count = count_wanted();
    persist = true;
    for (int i = 0; i < 60000 && done_count < count; i++) {
        while (post_count < count && post_count - done_count < UNDER_WAY)
            post(new_post(5000));
        loop_run_for(loop, 2);
    }
    assert_int_equal(done_count, count);
    print_message("stomp: %zu done, %zu answers were unknown, %zu logins\n", done_count, unknown_count,
                  logins);
}

/* With heart-beats every second a connection lives through four without a message. */
static void idle_connections_live(void **state) {
    (void)state;
    need_broker();
    for (size_t i = 1; i <= 2; i++) {
        post(new_post(5000));
        wait_until_answered(i);
        assert_int_equal(done_count, i);
        loop_run_for(loop, i == 1 ? 4000 : 0);
    }
    assert_int_equal(logins, 1);
}

/* What the broker does not take; its words are printed for who reads along. */
static void it_is_unknown(void **state) {
    (void)state;
    need_broker();
    post(new_post(5000));
    wait_until_answered(1);
    print_message("stomp: verdict %d, %s\n", posts[0].verdict, posts[0].body);
    assert_int_equal(posts[0].verdict, VERDICT_UNKNOWN);
}

static void it_is_not_sent(void **state) {
    (void)state;
    need_broker();
    post(new_post(5000));
    wait_until_answered(1);
    print_message("stomp: verdict %d, %s\n", posts[0].verdict, posts[0].body);
    assert_int_equal(posts[0].verdict, VERDICT_NOT_SENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = { TEST(all_are_done), TEST(every_one_at_last),
                                        TEST(idle_connections_live), TEST(it_is_unknown),
                                        TEST(it_is_not_sent) };
    cmocka_set_test_filter(setting("SETTLE_TEST_ONLY", NULL));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
