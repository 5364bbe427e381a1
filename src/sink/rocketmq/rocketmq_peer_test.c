/* The sink against a real RocketMQ, whose name server SETTLE_TEST_ROCKETMQ=HOST:PORT names.
 * tests/peers/rocketmq_test.py starts one and reads back what arrived; it says with more variables what is
 * wanted: SETTLE_TEST_ROCKETMQ_TOPIC   where to (SettleTest) SETTLE_TEST_ROCKETMQ_MORE    further parameters
 * of the target SETTLE_TEST_ROCKETMQ_COUNT   how many messages (500) SETTLE_TEST_ROCKETMQ_SECONDS how long
 * trying again may take (60) SETTLE_TEST_ROCKETMQ_DONE    a file for the ids that are done, one a line, as
 * soon as they are Whatever is not done is tried again, as the engine would. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/timer.h"
#include "sink/rocketmq/rocketmq_sink.h"

#define KEYS 7
#define WINDOW 64
#define PAUSE_MS 200

/* One message on its way: a place of the window. The first KEYS places each send the messages of one key, in
 * order. */
struct sender {
    struct timer timer;
    struct call call;
    struct call_message message;
    char id[32];
    char key[16];
    char body[64];
    bool busy;
};

static struct loop *loop;
static struct sink *sink;
static struct arena arena;
static struct egress egress;
static struct sink_target target;
static char target_line[600];
static struct sender senders[WINDOW];
static uint64_t count, begun, done;
static uint64_t more_attempts;
static char last_words[300];
static struct slice fixed_body; /* at NULL: each its own */
static int done_file = -1;

static const char *variable(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? otherwise : value;
}

static void send_again(void *context) {
    struct sender *s = context;
    sink->ops->send(sink, &s->call, &target);
}

static void begin_next(struct sender *s) {
    size_t place = (size_t)(s - senders);
    uint64_t number = begun;
    s->busy = begun < count;
    if (!s->busy)
        return;
    begun++;
    snprintf(s->id, sizeof s->id, "m-%d-%llu", getpid(), (unsigned long long)number);
    snprintf(s->key, sizeof s->key, place < KEYS ? "key-%zu" : "", place);
    int length = snprintf(s->body, sizeof s->body, "{\"number\":%llu}", (unsigned long long)number);
    s->message = (struct call_message){ .id = slice_text(s->id),
                                        .key = slice_text(s->key),
                                        .topic = SLICE("orders"),
                                        .content_type = SLICE("application/json") };
    s->call = (struct call){ .transaction = place,
                             .attempt = 1,
                             .timeout_ms = 5000,
                             .gid = slice_text(s->id),
                             .branch_id = SLICE("delivery"),
                             .operation = SLICE("action"),
                             .url = slice_text(target_line),
                             .body = fixed_body.at != NULL ? fixed_body : slice_of(s->body, (size_t)length),
                             .message = &s->message };
    timer_start(&s->timer, 0);
}

static void on_outcome(void *context, const struct outcome *o) {
    struct sender *s = &senders[o->transaction];
    (void)context;
    assert_int_equal(o->attempt, s->call.attempt);
    if (o->verdict != VERDICT_DONE) {
        snprintf(last_words, sizeof last_words, "verdict %u: %.*s", o->verdict, SLICE_PRINT(o->body));
        s->call.attempt++;
        more_attempts++;
        timer_start(&s->timer, PAUSE_MS);
        return;
    }
    done++;
    if (done_file >= 0) {
        char line[160];
        int length = snprintf(line, sizeof line, "%s %s %u %.*s\n", s->id, s->key[0] == '\0' ? "-" : s->key,
                              o->attempt, (int)(o->body.length < 90 ? o->body.length : 90), o->body.at);
        assert_int_equal(write(done_file, line, (size_t)length), length);
    }
    begin_next(s);
}

static int read_secret(void *context, struct slice file, struct buffer *to, struct why *why) {
    char path[300];
    char text[200];
    (void)context;
    snprintf(path, sizeof path, "%.*s", SLICE_PRINT(file));
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return why_set(why, ERR_NOT_FOUND, "no file %s", path);
    buffer_clear(to);
    if (fgets(text, sizeof text, f) != NULL)
        buffer_add(to, text, strcspn(text, "\n"));
    fclose(f);
    return buffer_failed(to);
}

static void aim(const char *names) {
    snprintf(target_line, sizeof target_line, "rocketmq://%s%s/%s?create=yes%s",
             variable("SETTLE_TEST_ROCKETMQ_USER", ""), names,
             variable("SETTLE_TEST_ROCKETMQ_TOPIC", "SettleTest"), variable("SETTLE_TEST_ROCKETMQ_MORE", ""));
    assert_int_equal(sink_target_decode(slice_text(target_line), &arena, &target, NULL), 0);
}

static void read_body(void) {
    static char bytes[1 << 20];
    const char *wanted = getenv("SETTLE_TEST_ROCKETMQ_BYTES");
    if (wanted == NULL)
        return;
    memset(bytes, 'b', sizeof bytes);
    fixed_body = slice_of(bytes, strtoul(wanted, NULL, 10) % sizeof bytes);
}

static void everything_is_done_in_the_end(void **state) {
    (void)state;
    const char *names = getenv("SETTLE_TEST_ROCKETMQ");
    if (names == NULL) {
        printf(
            "skipped: SETTLE_TEST_ROCKETMQ names no name server; tests/peers/rocketmq_test.py starts one\n");
        skip();
    }
    const char *path = getenv("SETTLE_TEST_ROCKETMQ_DONE");
    if (path != NULL)
        done_file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    count = strtoull(variable("SETTLE_TEST_ROCKETMQ_COUNT", "500"), NULL, 10);
    uint64_t seconds = strtoull(variable("SETTLE_TEST_ROCKETMQ_SECONDS", "60"), NULL, 10);
    assert_int_equal(loop_new(&loop, NULL), 0);
    arena_init(&arena, 4096, 1 << 20);
    egress_init(&egress, &arena);
    assert_int_equal(egress_allow_loopback(&egress), 0);
    aim(names);
    read_body();
    const struct sink_options o = { .egress = &egress, .secret = read_secret, .on_outcome = on_outcome };
    assert_int_equal(rocketmq_sink_open(&sink, loop, &o, NULL), 0);
    for (size_t i = 0; i < WINDOW; i++) {
        assert_int_equal(timer_init(&senders[i].timer, loop, send_again, &senders[i]), 0);
        begin_next(&senders[i]);
    }
    for (uint64_t i = 0; i < seconds * 20 && done < count; i++)
        loop_run_for(loop, 50);
    printf("%llu done, %llu attempts more: %s\n", (unsigned long long)done, (unsigned long long)more_attempts,
           last_words);
    sink_close(sink);
    for (size_t i = 0; i < WINDOW; i++)
        timer_done(&senders[i].timer);
    loop_free(loop);
    arena_done(&arena);
    if (done_file >= 0)
        close(done_file);
    assert_int_equal(done, count);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(everything_is_done_in_the_end) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
