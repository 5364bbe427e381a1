#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "net/loop.h"
#include "server/sinks.h"

struct world;

/* A sink that keeps its calls. */
struct keeping {
    struct sink sink;
    struct world *world;
    struct call last;
    const struct sink_target *target;
    size_t calls;
    size_t closed;
};

struct world {
    struct loop *loop;
    struct sinks *sinks;
    struct keeping keeping;
    struct outcome last;
    char say[512];
    size_t outcomes;
};

static void keep(struct sink *sink, const struct call *call, const struct sink_target *target) {
    struct keeping *k = (struct keeping *)(void *)sink;
    k->last = *call;
    k->target = target;
    k->calls++;
}

static void keep_egress(struct sink *sink, const struct egress *egress) {
    (void)sink;
    (void)egress;
}

static void keep_close(struct sink *sink) {
    ((struct keeping *)(void *)sink)->closed++;
}

static const char *const schemes[] = { "stomp", "stomps", NULL };
static const struct sink_ops keeping_ops = {
    .schemes = schemes, .send = keep, .set_egress = keep_egress, .close = keep_close
};

static void on_outcome(void *context, const struct outcome *o) {
    struct world *w = context;
    w->last = *o;
    snprintf(w->say, sizeof w->say, "%.*s", SLICE_PRINT(o->body));
    w->outcomes++;
}

static void world_open(struct world *w) {
    memset(w, 0, sizeof *w);
    assert_int_equal(loop_new(&w->loop, NULL), 0);
    assert_int_equal(sinks_new(&w->sinks, w->loop, on_outcome, w), 0);
    w->keeping.sink.ops = &keeping_ops;
    w->keeping.world = w;
    sinks_add(w->sinks, &w->keeping.sink);
}

static void world_close(struct world *w) {
    sinks_free(w->sinks);
    assert_int_equal(w->keeping.closed, 1);
    loop_free(w->loop);
}

static void a_call_goes_to_the_sink_of_its_scheme(void **state) {
    struct call call = { .transaction = 7,
                         .attempt = 3,
                         .url = SLICE("stomps://h:61614/?destination=/queue/a") };
    struct world w;
    (void)state;
    world_open(&w);
    assert_true(sinks_takes(w.sinks, SLICE("stomp")));
    assert_false(sinks_takes(w.sinks, SLICE("kafka")));
    sinks_send(w.sinks, &call);
    const struct sink_target *first = w.keeping.target;
    assert_int_equal(w.keeping.calls, 1);
    assert_true(slice_is(sink_target_value(first, "destination"), "/queue/a"));
    sinks_send(w.sinks, &call);
    assert_ptr_equal(w.keeping.target, first); /* decoded once */
    struct outcome o = { .transaction = 7, .verdict = VERDICT_DONE, .attempt = 3 };
    sinks_heard(w.sinks, &o);
    assert_int_equal(w.outcomes, 1);
    assert_int_equal(w.last.verdict, VERDICT_DONE);
    world_close(&w);
}

static void what_nobody_carries_is_not_sent(void **state) {
    static const struct {
        const char *url;
        const char *say;
    } rows[] = {
        { "kafka://h/topic", "this settled has no sink for kafka" },
        { "stomp:nothing", "the target does not begin with a scheme" },
        { "", "the target does not begin with a scheme" },
    };
    struct world w;
    (void)state;
    world_open(&w);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct call call = { .transaction = i, .branch = 2, .attempt = 5, .url = slice_text(rows[i].url) };
        sinks_send(w.sinks, &call);
        assert_int_equal(w.outcomes, i); /* never from inside */
        loop_run_for(w.loop, 5);
        assert_int_equal(w.outcomes, i + 1);
        assert_int_equal(w.last.verdict, VERDICT_NOT_SENT);
        assert_int_equal(w.last.transaction, i);
        assert_int_equal(w.last.branch, 2);
        assert_int_equal(w.last.attempt, 5);
        assert_non_null(strstr(w.say, rows[i].say));
    }
    assert_int_equal(w.keeping.calls, 0);
    world_close(&w);
}

static void targets_are_forgotten_when_there_are_too_many(void **state) {
    struct world w;
    char url[64];
    (void)state;
    world_open(&w);
    for (int i = 0; i < 10000; i++) {
        snprintf(url, sizeof url, "stomp://h/?destination=/queue/%d", i);
        struct call call = { .url = slice_text(url) };
        struct outcome o = { .verdict = VERDICT_DONE };
        sinks_send(w.sinks, &call);
        sinks_heard(w.sinks, &o);
    }
    assert_int_equal(w.keeping.calls, 10000);
    world_close(&w);
}

static void closing_forgets_what_was_not_told(void **state) {
    struct call call = { .url = SLICE("kafka://h/t") };
    struct world w;
    (void)state;
    world_open(&w);
    sinks_send(w.sinks, &call);
    world_close(&w);
    assert_int_equal(w.outcomes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_goes_to_the_sink_of_its_scheme),
        cmocka_unit_test(what_nobody_carries_is_not_sent),
        cmocka_unit_test(targets_are_forgotten_when_there_are_too_many),
        cmocka_unit_test(closing_forgets_what_was_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
