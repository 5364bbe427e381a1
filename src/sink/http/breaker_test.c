/* The breaker of design.md 4 (14), with time as an argument. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sink/http/breaker.h"

static void opens_after_a_row_of_failures(void **state) {
    (void)state;
    struct breaker b;
    breaker_init(&b, 5000);
    for (int i = 0; i < BREAKER_ROW - 1; i++)
        breaker_failed(&b, 5000);
    assert_true(breaker_allows(&b, 5000));
    breaker_failed(&b, 5000);
    assert_false(breaker_allows(&b, 5000));
}

static void an_answer_ends_a_row(void **state) {
    (void)state;
    struct breaker b;
    breaker_init(&b, 0);
    for (uint64_t i = 0; i < 10; i++) {
        for (int n = 0; n < BREAKER_ROW - 1; n++)
            breaker_failed(&b, i * 60000);
        breaker_answered(&b, i * 60000);
        assert_true(breaker_allows(&b, i * 60000));
    }
}

static void opens_when_half_of_enough_calls_fail(void **state) {
    (void)state;
    struct breaker b;
    breaker_init(&b, 0);
    for (int i = 0; i < BREAKER_LEAST / 2 - 1; i++) {
        breaker_answered(&b, 1000);
        breaker_failed(&b, 1000);
        assert_true(breaker_allows(&b, 1000));
    }
    breaker_answered(&b, 1000);
    assert_true(breaker_allows(&b, 1000));
    breaker_failed(&b, 1000); /* the 40th call, the 20th failure */
    assert_false(breaker_allows(&b, 1000));
}

static void old_failures_are_forgotten(void **state) {
    (void)state;
    struct breaker b;
    breaker_init(&b, 0);
    for (int i = 0; i < 19; i++)
        breaker_failed(&b, 1000);
    breaker_answered(&b, 1000);
    for (int i = 0; i < 19; i++)
        breaker_failed(&b, 40000); /* 38 of 39 failed, but only 19 of 19 within 30 s */
    assert_true(breaker_allows(&b, 40000));
    breaker_init(&b, 0);
    for (int i = 0; i < 19; i++)
        breaker_failed(&b, 1000);
    breaker_answered(&b, 1000);
    for (int i = 0; i < 19; i++)
        breaker_failed(&b, 20000);
    breaker_answered(&b, 20000); /* the 40th call */
    assert_true(breaker_allows(&b, 20000));
    breaker_failed(&b, 20000);
    assert_false(breaker_allows(&b, 20000));
}

static void probes_ten_times_a_second_and_closes_on_any_answer(void **state) {
    (void)state;
    struct breaker b;
    breaker_init(&b, 0);
    for (int i = 0; i < BREAKER_ROW; i++)
        breaker_failed(&b, 100);
    int let_through = 0;
    for (uint64_t ms = 101; ms <= 1100; ms++) {
        if (!breaker_allows(&b, ms))
            continue;
        let_through++;
        breaker_failed(&b, ms);
    }
    assert_int_equal(let_through, 10);
    assert_true(b.open);
    breaker_answered(&b, 1150);
    assert_false(b.open);
    for (int i = 0; i < 100; i++)
        assert_true(breaker_allows(&b, 1150));
    breaker_failed(&b, 1151); /* the past does not open it again */
    assert_true(breaker_allows(&b, 1151));
}

static void survives_a_long_silence(void **state) {
    (void)state;
    struct breaker b;
    breaker_init(&b, 0);
    for (int i = 0; i < 19; i++)
        breaker_failed(&b, 0);
    breaker_answered(&b, UINT64_C(1) << 50);
    breaker_failed(&b, (UINT64_C(1) << 50) + 1);
    assert_false(b.open);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_a_row_of_failures),
        cmocka_unit_test(an_answer_ends_a_row),
        cmocka_unit_test(opens_when_half_of_enough_calls_fail),
        cmocka_unit_test(old_failures_are_forgotten),
        cmocka_unit_test(probes_ten_times_a_second_and_closes_on_any_answer),
        cmocka_unit_test(survives_a_long_silence),
    };
    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
