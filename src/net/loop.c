#include "net/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/due.h"
#include "net/timer.h"

#define SIGNALS 8

struct loop_signal {
    uv_signal_t uv;
    void (*run)(void *context, int number);
    void *context;
};

struct loop {
    uv_loop_t uv;
    uv_async_t async;     /* wakes the loop for posted tasks */
    uv_prepare_t prepare; /* before waiting: hooks, then the wait is set to the first due timer */
    uv_check_t check;     /* after input was handled: hooks */
    uv_timer_t alarm;     /* the one timer of libuv, for the head of the heap */
    struct due_heap due;
    size_t timers;      /* how many struct timer may be in the heap */
    uint64_t next_rank; /* timers due at the same time fire in the order in which they were started */
    uint64_t alarm_ms;  /* what the alarm is set to; UINT64_MAX: not set */
    uint64_t wall_anchor_ms;
    struct loop_turn *turns;
    pthread_mutex_t lock; /* guards posted and posted_last */
    struct loop_task *posted;
    struct loop_task *posted_last;
    struct loop_signal signals[SIGNALS];
    size_t signal_count;
    struct random random;
    char read_buffer[LOOP_READ_BYTES];
};

uv_loop_t *loop_uv(struct loop *l) {
    return &l->uv;
}

char *loop_read_buffer(struct loop *l) {
    return l->read_buffer;
}

struct random *loop_random(struct loop *l) {
    return &l->random;
}

uint64_t loop_now_ms(const struct loop *l) {
    return uv_now(&l->uv);
}

uint64_t loop_wall_ms(const struct loop *l) {
    return l->wall_anchor_ms + uv_now(&l->uv);
}

void loop_refresh(struct loop *l) {
    uv_update_time(&l->uv);
}

static void run_turns(struct loop *l) {
    for (struct loop_turn *t = l->turns; t != NULL; t = t->next)
        t->run(t->context);
}

void loop_on_turn(struct loop *l, struct loop_turn *turn) {
    struct loop_turn **place = &l->turns;
    while (*place != NULL)
        place = &(*place)->next;
    turn->next = NULL;
    *place = turn;
}

/* Timers. */

int timer_init(struct timer *t, struct loop *loop, void (*fire)(void *context), void *context) {
    int code = due_heap_reserve(&loop->due, loop->timers + 1);
    if (code < 0)
        return code;
    loop->timers++;
    *t = (struct timer){ .loop = loop, .fire = fire, .context = context };
    return 0;
}

void timer_done(struct timer *t) {
    if (t->loop == NULL)
        return;
    due_clear(&t->loop->due, &t->due);
    t->loop->timers--;
    t->loop = NULL;
}

void timer_start(struct timer *t, uint64_t ms) {
    assert(t->loop != NULL);
    t->due.rank = t->loop->next_rank++;
    due_clear(&t->loop->due, &t->due);
    due_set(&t->loop->due, &t->due, uv_now(&t->loop->uv) + ms);
}

void timer_stop(struct timer *t) {
    if (t->loop != NULL)
        due_clear(&t->loop->due, &t->due);
}

bool timer_running(const struct timer *t) {
    return t->due.place != 0;
}

/* A timer that is started for 0 ms while timers fire waits for the next round, so that no timer can keep the
 * loop from its input: only ranks given out before are due. */
static void fire_due(struct loop *l) {
    uint64_t before = l->next_rank;
    uint64_t now = uv_now(&l->uv);
    for (;;) {
        struct due *d = due_first(&l->due);
        if (d == NULL || d->at_ms > now || d->rank >= before)
            return;
        struct timer *t = (struct timer *)(void *)((char *)d - offsetof(struct timer, due));
        due_clear(&l->due, d);
        t->fire(t->context);
    }
}

static void on_alarm(uv_timer_t *alarm) {
    struct loop *l = alarm->data;
    l->alarm_ms = UINT64_MAX;
    fire_due(l);
}

static void set_alarm(struct loop *l) {
    const struct due *d = due_first(&l->due);
    uint64_t due_ms = d == NULL ? UINT64_MAX : d->at_ms;
    if (due_ms == l->alarm_ms)
        return;
    l->alarm_ms = due_ms;
    if (d == NULL) {
        uv_timer_stop(&l->alarm);
        return;
    }
    uint64_t now = uv_now(&l->uv);
    int code = uv_timer_start(&l->alarm, on_alarm, due_ms > now ? due_ms - now : 0, 0);
    assert(code == 0);
}

/* The round. */

static void on_prepare(uv_prepare_t *prepare) {
    struct loop *l = prepare->data;
    run_turns(l);
    set_alarm(l);
}

static void on_check(uv_check_t *check) {
    run_turns(check->data);
}

static void on_async(uv_async_t *async) {
    struct loop *l = async->data;
    pthread_mutex_lock(&l->lock);
    struct loop_task *task = l->posted;
    l->posted = NULL;
    l->posted_last = NULL;
    pthread_mutex_unlock(&l->lock);
    while (task != NULL) {
        struct loop_task *next = task->next;
        task->run(task);
        task = next;
    }
}

void loop_post(struct loop *l, struct loop_task *task) {
    task->next = NULL;
    pthread_mutex_lock(&l->lock);
    bool first = l->posted == NULL;
    if (first)
        l->posted = task;
    else
        l->posted_last->next = task;
    l->posted_last = task;
    pthread_mutex_unlock(&l->lock);
    if (first)
        uv_async_send(&l->async);
}

void loop_again(struct loop *l) {
    uv_async_send(&l->async);
}

static void on_signal(uv_signal_t *uv, int number) {
    struct loop_signal *s = uv->data;
    s->run(s->context, number);
}

int loop_on_signal(struct loop *l, int number, void (*run)(void *context, int number), void *context) {
    if (l->signal_count == SIGNALS)
        return ERR_LIMIT;
    struct loop_signal *s = &l->signals[l->signal_count];
    *s = (struct loop_signal){ .run = run, .context = context };
    if (uv_signal_init(&l->uv, &s->uv) < 0)
        return ERR_IO;
    s->uv.data = s;
    l->signal_count++; /* from here on loop_free closes it */
    if (uv_signal_start(&s->uv, on_signal, number) < 0)
        return ERR_IO;
    return 0;
}

static uint64_t clock_ms(clockid_t clock) {
    struct timespec t;
    int code = clock_gettime(clock, &t);
    assert(code == 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int loop_new(struct loop **out, struct why *why) {
    struct loop *l = calloc(1, sizeof *l);
    if (l == NULL)
        return why_set(why, ERR_MEMORY, "no memory for an event loop");
    int code = uv_loop_init(&l->uv);
    if (code < 0) {
        free(l);
        return why_set(why, ERR_IO, "cannot make an event loop: %s", uv_strerror(code));
    }
    uv_async_init(&l->uv, &l->async, on_async);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_check_init(&l->uv, &l->check);
    uv_timer_init(&l->uv, &l->alarm);
    l->async.data = l->prepare.data = l->check.data = l->alarm.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    pthread_mutex_init(&l->lock, NULL);
    due_heap_init(&l->due);
    random_init(&l->random);
    l->alarm_ms = UINT64_MAX;
    uv_update_time(&l->uv);
    l->wall_anchor_ms = clock_ms(CLOCK_REALTIME) - uv_now(&l->uv);
    signal(SIGPIPE, SIG_IGN);
    *out = l;
    return 0;
}

void loop_free(struct loop *l) {
    if (l == NULL)
        return;
    l->turns = NULL;
    uv_close((uv_handle_t *)&l->async, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    for (size_t i = 0; i < l->signal_count; i++)
        uv_close((uv_handle_t *)&l->signals[i].uv, NULL);
    while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0) /* a loop_stop before it ends a run at once */
        continue;
    int code = uv_loop_close(&l->uv);
    assert(code == 0);
    assert(l->posted == NULL);
    pthread_mutex_destroy(&l->lock);
    due_heap_done(&l->due);
    random_done(&l->random);
    free(l);
}

void loop_run(struct loop *l) {
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l) {
    uv_stop(&l->uv);
}

static void stop(void *context) {
    loop_stop(context);
}

void loop_run_for(struct loop *l, uint64_t ms) {
    struct timer end;
    uv_update_time(&l->uv);
    if (timer_init(&end, l, stop, l) < 0)
        return;
    timer_start(&end, ms);
    loop_run(l);
    timer_done(&end);
}
