#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/trial.h"

static void reads_what_it_prints(void **state) {
    struct trial t, again;
    char text[4096] = { 0 };
    FILE *to = fmemopen(text, sizeof text, "w");

    (void)state;
    assert_non_null(to);
    assert_true(trial_parse("17 without=crash,loss drop=0,3 horizon=9000  # why", &t));
    assert_int_equal(t.seed, 17);
    assert_int_equal(t.horizon_ms, 9000);
    assert_true(t.dropped[0]);
    assert_false(t.dropped[1]);
    assert_true(t.dropped[3]);
    assert_int_equal(t.without, UINT32_C(1) << SWARM_crash | UINT32_C(1) << SWARM_loss);
    trial_print(&t, to);
    fclose(to);
    assert_true(trial_parse(text, &again));
    assert_memory_equal(&t, &again, sizeof t);
}

static void refuses_what_is_none(void **state) {
    static const char *const lines[] = { "",
                                         "seven",
                                         "17 without=cash",
                                         "17 without=,",
                                         "17 drop=x",
                                         "17 drop=100000",
                                         "17 horizon=soon",
                                         "17 horizon=9s",
                                         "17 nothing",
                                         "-1" };
    struct trial t = { .seed = 99 };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_false(trial_parse(lines[i], &t));
    assert_int_equal(t.seed, 99);
}

static void a_seed_always_says_the_same(void **state) {
    struct trial t = { .seed = 3 };
    struct trial_result first, second;

    (void)state;
    trial_run(&t, NULL, &first);
    trial_run(&t, NULL, &second);
    assert_int_equal(first.end, TRIAL_GOOD);
    assert_int_equal(first.digest, second.digest);
    t.seed = 4;
    trial_run(&t, NULL, &second);
    assert_int_not_equal(first.digest, second.digest);
}

/* Leaving a class out that a seed does not have changes nothing at all. */
static void leaving_out_what_is_not_there_changes_nothing(void **state) {
    struct trial t = { .seed = 3 };
    struct trial_result first, second;
    struct swarm swarm;

    (void)state;
    swarm_draw(&swarm, t.seed);
    trial_run(&t, NULL, &first);
    t.without = ~swarm.classes;
    trial_run(&t, NULL, &second);
    assert_int_equal(first.digest, second.digest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_prints),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(a_seed_always_says_the_same),
        cmocka_unit_test(leaving_out_what_is_not_there_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
