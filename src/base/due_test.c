#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/due.h"

enum {
    MANY = 1000,
};

static uint64_t draw(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* The heap against the plain truth: look through all of them. */
static const struct due *soonest(const struct due *all) {
    const struct due *best = NULL;
    for (size_t i = 0; i < MANY; i++) {
        const struct due *d = &all[i];
        if (d->place == 0)
            continue;
        if (best == NULL || d->at_ms < best->at_ms || (d->at_ms == best->at_ms && d->rank < best->rank))
            best = d;
    }
    return best;
}

static void the_first_is_always_the_soonest(void **state) {
    static struct due all[MANY];
    struct due_heap h;
    uint64_t seed = 7;
    (void)state;
    due_heap_init(&h);
    assert_null(due_first(&h));
    assert_int_equal(due_heap_reserve(&h, MANY), 0);
    for (size_t i = 0; i < MANY; i++)
        all[i] = (struct due){ .rank = i };
    for (int round = 0; round < 5000; round++) {
        struct due *d = &all[draw(&seed) % MANY];
        if (draw(&seed) % 3 == 0)
            due_clear(&h, d);
        else
            due_set(&h, d, draw(&seed) % 50); /* few times, so that ranks decide often */
        assert_ptr_equal(due_first(&h), soonest(all));
        for (size_t place = 1; place <= h.count; place++)
            assert_int_equal(h.at[place - 1]->place, place);
    }
    due_heap_done(&h);
}

static void they_come_out_in_order(void **state) {
    static struct due all[MANY];
    struct due_heap h;
    uint64_t seed = 11;
    (void)state;
    due_heap_init(&h);
    assert_int_equal(due_heap_reserve(&h, MANY), 0);
    for (size_t i = 0; i < MANY; i++) {
        all[i] = (struct due){ .rank = i };
        due_set(&h, &all[i], draw(&seed) % 100);
    }
    uint64_t at_ms = 0;
    uint64_t rank = 0;
    for (size_t i = 0; i < MANY; i++) {
        struct due *d = due_first(&h);
        assert_true(d->at_ms > at_ms || (d->at_ms == at_ms && d->rank >= rank));
        at_ms = d->at_ms;
        rank = d->rank;
        due_clear(&h, d);
        due_clear(&h, d); /* once more is fine */
    }
    assert_null(due_first(&h));
    due_heap_done(&h);
}

static void the_ends_of_time(void **state) {
    struct due a = { .rank = 1 };
    struct due b = { .rank = 2 };
    struct due_heap h;
    (void)state;
    due_heap_init(&h);
    assert_int_equal(due_heap_reserve(&h, 2), 0);
    due_set(&h, &b, UINT64_MAX);
    due_set(&h, &a, 0);
    assert_ptr_equal(due_first(&h), &a);
    due_set(&h, &a, UINT64_MAX);
    assert_ptr_equal(due_first(&h), &a);
    due_clear(&h, &a);
    assert_ptr_equal(due_first(&h), &b);
    due_heap_done(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_always_the_soonest),
        cmocka_unit_test(they_come_out_in_order),
        cmocka_unit_test(the_ends_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
