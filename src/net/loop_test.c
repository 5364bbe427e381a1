/* Timers, turns, posted work and the clock. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/timer.h"

static struct loop *loop;

static int open_loop(void **state) {
    (void)state;
    return loop_new(&loop, NULL);
}

static int close_loop(void **state) {
    (void)state;
    loop_free(loop);
    return 0;
}

struct bell {
    struct timer timer;
    char name;
    char *log;
};

static void ring(void *context) {
    struct bell *b = context;
    size_t length = strlen(b->log);
    b->log[length] = b->name;
}

static void fires_in_order_of_time_and_then_of_start(void **state) {
    (void)state;
    struct bell bells[5];
    char log[8] = "";
    const uint64_t delays[5] = { 20, 5, 5, 0, 10 };
    for (int i = 0; i < 5; i++) {
        bells[i] = (struct bell){ .name = (char)('a' + i), .log = log };
        assert_int_equal(timer_init(&bells[i].timer, loop, ring, &bells[i]), 0);
        timer_start(&bells[i].timer, delays[i]);
        assert_true(timer_running(&bells[i].timer));
    }
    timer_start(&bells[2].timer, 1); /* moves */
    timer_stop(&bells[4].timer);
    loop_run_for(loop, 60);
    assert_string_equal(log, "dcba");
    for (int i = 0; i < 5; i++) {
        assert_false(timer_running(&bells[i].timer));
        timer_done(&bells[i].timer);
        timer_done(&bells[i].timer);
    }
}

struct nag {
    struct timer timer;
    int left;
};

static void nag(void *context) {
    struct nag *n = context;
    if (--n->left > 0)
        timer_start(&n->timer, 0);
    else
        loop_stop(loop);
}

static void count(void *context) {
    ++*(int *)context;
}

/* A timer that starts itself for 0 ms lets the loop go round in between. */
static void a_timer_cannot_starve_the_loop(void **state) {
    (void)state;
    int turns = 0;
    struct loop_turn turn = { .run = count, .context = &turns };
    struct nag n = { .left = 10 };
    loop_on_turn(loop, &turn);
    assert_int_equal(timer_init(&n.timer, loop, nag, &n), 0);
    timer_start(&n.timer, 0);
    loop_run(loop);
    assert_int_equal(n.left, 0);
    assert_true(turns >= 10);
    timer_done(&n.timer);
}

struct parcel {
    struct loop_task task;
    int number;
    int *sum;
    int *turns_seen;
};

static void open_parcel(struct loop_task *task) {
    struct parcel *p = (struct parcel *)task;
    *p->sum = *p->sum * 10 + p->number;
    if (p->number == 3)
        loop_stop(loop);
}

static void *post_from_outside(void *context) {
    struct parcel *parcels = context;
    usleep(5000);
    for (int i = 0; i < 3; i++)
        loop_post(loop, &parcels[i].task);
    return NULL;
}

static void takes_work_from_another_thread_in_order(void **state) {
    (void)state;
    pthread_t thread;
    int sum = 0;
    struct parcel parcels[3];
    for (int i = 0; i < 3; i++)
        parcels[i] = (struct parcel){ .task.run = open_parcel, .number = i + 1, .sum = &sum };
    assert_int_equal(pthread_create(&thread, NULL, post_from_outside, parcels), 0);
    loop_run(loop);
    pthread_join(thread, NULL);
    assert_int_equal(sum, 123);
}

struct tally {
    int turns;
    int at_post;
};

static void hook(void *context) {
    struct tally *t = context;
    t->turns++;
    if (t->at_post != 0 && t->turns > t->at_post)
        loop_stop(loop);
}

struct note {
    struct loop_task task;
    struct tally *tally;
};

static void read_note(struct loop_task *task) {
    struct note *n = (struct note *)task;
    n->tally->at_post = n->tally->turns;
}

/* Work that arrived is followed by a turn before the loop waits again: otherwise this test hangs. */
static void a_turn_follows_what_arrived(void **state) {
    (void)state;
    struct tally tally = { 0 };
    struct loop_turn turn = { .run = hook, .context = &tally };
    struct note note = { .task.run = read_note, .tally = &tally };
    loop_on_turn(loop, &turn);
    loop_post(loop, &note.task);
    loop_run(loop);
    assert_true(tally.at_post > 0);
}

static void the_clock_is_anchored_and_runs(void **state) {
    (void)state;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t wall_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    loop_refresh(loop);
    assert_true(loop_wall_ms(loop) + 2 >= wall_ms && loop_wall_ms(loop) <= wall_ms + 2);
    uint64_t before = loop_now_ms(loop), wall_before = loop_wall_ms(loop);
    loop_run_for(loop, 30);
    uint64_t passed = loop_now_ms(loop) - before;
    assert_true(passed >= 30);
    assert_int_equal(loop_wall_ms(loop) - wall_before, passed);
}

static void on_signal(void *context, int number) {
    *(int *)context = number;
    loop_stop(loop);
}

static void hears_signals(void **state) {
    (void)state;
    int heard = 0;
    assert_int_equal(loop_on_signal(loop, SIGUSR1, on_signal, &heard), 0);
    raise(SIGUSR1);
    loop_run(loop);
    assert_int_equal(heard, SIGUSR1);
}

static void gives_random_bytes(void **state) {
    (void)state;
    struct random *r = loop_random(loop);
    uint8_t seen[256] = { 0 }, bytes[4096], small[7];
    random_fill(r, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        seen[bytes[i]] = 1;
    int kinds = 0;
    for (int i = 0; i < 256; i++)
        kinds += seen[i];
    assert_true(kinds > 250);
    for (int i = 0; i < 1000; i++)
        random_fill(r, small, sizeof small);
    assert_int_not_equal(random_u64(r), random_u64(r));
    int tally[3] = { 0 };
    for (int i = 0; i < 3000; i++)
        tally[random_below(r, 3)]++;
    for (int i = 0; i < 3; i++)
        assert_true(tally[i] > 800 && tally[i] < 1200);
    assert_int_equal(random_below(r, 1), 0);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_LOOP(fires_in_order_of_time_and_then_of_start),
        WITH_LOOP(a_timer_cannot_starve_the_loop),
        WITH_LOOP(takes_work_from_another_thread_in_order),
        WITH_LOOP(a_turn_follows_what_arrived),
        WITH_LOOP(the_clock_is_anchored_and_runs),
        WITH_LOOP(hears_signals),
        WITH_LOOP(gives_random_bytes),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
