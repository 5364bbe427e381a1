#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/tail.h"

enum { BATCH = 1000, KEEP = 1000 * 1000, HOUR = 3600 * 1000 };

static void the_latest_bytes_are_kept(void **state) {
    struct tail t;
    (void)state;
    tail_init(&t, KEEP, HOUR);
    for (uint64_t batch = 1; batch <= 900; batch++) {
        tail_add(&t, batch, BATCH, 1);
        assert_int_equal(tail_point(&t, 1), 0);
    }
    for (uint64_t batch = 901; batch <= 5000; batch++) {
        tail_add(&t, batch, BATCH, 1);
        uint64_t kept = batch - tail_point(&t, 1);
        assert_in_range(kept, KEEP / BATCH * 9 / 10, KEEP / BATCH);
    }
}

static void nothing_is_kept_for_longer_than_allowed(void **state) {
    struct tail t;
    (void)state;
    tail_init(&t, KEEP, HOUR);
    /* A batch a minute. */
    for (uint64_t batch = 1; batch <= 600; batch++) {
        uint64_t now = batch * 60000;
        tail_add(&t, batch, 10, now);
        uint64_t kept = batch - tail_point(&t, now);
        if (batch > 60)
            assert_in_range(kept, 57, 60);
        else
            assert_int_equal(kept, batch);
    }
    /* Then none: each segment goes when it is due, without another. */
    uint64_t before = tail_point(&t, UINT64_C(600) * 60000);
    while (before < 600) {
        uint64_t due = tail_due(&t);
        assert_true(due != UINT64_MAX);
        assert_int_equal(tail_point(&t, due - 1), before);
        assert_true(tail_point(&t, due) > before);
        before = tail_point(&t, due);
    }
    assert_true(tail_due(&t) == UINT64_MAX);
}

static void none_is_kept_when_none_is_wanted(void **state) {
    struct tail t;
    (void)state;
    tail_init(&t, 0, HOUR);
    assert_int_equal(tail_point(&t, 1), 0);
    assert_true(tail_due(&t) == UINT64_MAX);
    for (uint64_t batch = 1; batch <= 1000; batch++)
        tail_add(&t, batch, BATCH, 1);
    assert_int_equal(tail_point(&t, 1), 1000);
}

static void new_limits_hold_at_once(void **state) {
    struct tail t;
    (void)state;
    tail_init(&t, KEEP, HOUR);
    for (uint64_t batch = 1; batch <= 900; batch++)
        tail_add(&t, batch, BATCH, 1000);
    tail_limit(&t, KEEP / 2, HOUR);
    assert_in_range(900 - tail_point(&t, 1000), KEEP / BATCH / 2 - 50, KEEP / BATCH / 2);
    tail_limit(&t, KEEP, 1000);
    assert_int_equal(tail_point(&t, 2000), 900);
    /* Widened again and again: segments become many and small, and the oldest give way. */
    for (uint64_t batch = 901; batch <= 3000; batch++) {
        tail_limit(&t, batch % 2 == 0 ? 32 : KEEP, HOUR);
        tail_add(&t, batch, BATCH, 3000);
    }
    tail_limit(&t, KEEP * 1000, HOUR);
    assert_true(tail_point(&t, 3000) >= 900);
    assert_true(tail_point(&t, 3000) < 3000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_bytes_are_kept),
        cmocka_unit_test(nothing_is_kept_for_longer_than_allowed),
        cmocka_unit_test(none_is_kept_when_none_is_wanted),
        cmocka_unit_test(new_limits_hold_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
