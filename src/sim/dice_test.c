#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim/dice.h"

static void same_seed_same_draws(void **state) {
    struct dice a, b, c, d;
    unsigned same_stream = 0, other_stream = 0, other_seed = 0;

    (void)state;
    dice_init(&a, 42, DICE_NETWORK);
    dice_init(&b, 42, DICE_NETWORK);
    dice_init(&c, 42, DICE_DISK);
    dice_init(&d, 43, DICE_NETWORK);
    for (int i = 0; i < 1000; i++) {
        uint64_t draw = dice_u64(&a);

        same_stream += draw == dice_u64(&b);
        other_stream += draw == dice_u64(&c);
        other_seed += draw == dice_u64(&d);
    }
    assert_int_equal(same_stream, 1000);
    assert_int_equal(other_stream, 0);
    assert_int_equal(other_seed, 0);
}

/* The draws may not change from version to version, or every kept seed would mean another world. */
static void draws_are_what_they_always_were(void **state) {
    struct dice d;

    (void)state;
    dice_init(&d, 1, DICE_SWARM);
    assert_int_equal(dice_below(&d, 1000), 766);
    assert_int_equal(dice_below(&d, 1000), 929);
}

static void stays_within_bounds(void **state) {
    struct dice d;
    bool low = false, high = false;

    (void)state;
    dice_init(&d, 5, DICE_CLOCK);
    for (int i = 0; i < 10000; i++) {
        uint64_t draw = dice_between(&d, 3, 7);

        assert_in_range(draw, 3, 7);
        low |= draw == 3;
        high |= draw == 7;
        assert_int_equal(dice_below(&d, 1), 0);
        assert_true(dice_delay(&d, 1000) <= 8000);
    }
    assert_true(low);
    assert_true(high);
}

static void chances_are_about_right(void **state) {
    struct dice d;
    unsigned never = 0, half = 0, always = 0;

    (void)state;
    dice_init(&d, 9, DICE_CRASH);
    for (int i = 0; i < 100000; i++) {
        never += dice_chance(&d, 0);
        half += dice_chance(&d, 500000);
        always += dice_chance(&d, 1000000);
    }
    assert_int_equal(never, 0);
    assert_in_range(half, 49000, 51000);
    assert_int_equal(always, 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_draws),
        cmocka_unit_test(draws_are_what_they_always_were),
        cmocka_unit_test(stays_within_bounds),
        cmocka_unit_test(chances_are_about_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
