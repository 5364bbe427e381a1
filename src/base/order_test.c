#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "base/order.h"

enum {
    MANY = 500,
};

static uint64_t draw(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void compare(const struct order *o, const bool *in, char *items) {
    void *below = NULL;
    for (size_t id = 0; id < MANY; id++) {
        assert_ptr_equal(order_find(o, id), in[id] ? &items[id] : NULL);
        assert_ptr_equal(order_below(o, id), below);
        if (in[id])
            below = &items[id];
    }
    void *above = NULL;
    for (size_t id = MANY; id-- > 0;) {
        assert_ptr_equal(order_above(o, id), above);
        if (in[id])
            above = &items[id];
    }
}

static void keeps_ids_in_order(void **state) {
    static char items[MANY];
    static bool in[MANY];
    struct order o;
    uint64_t seed = 5;
    size_t count = 0;
    (void)state;
    order_init(&o);
    for (int round = 0; round < 4000; round++) {
        size_t id = draw(&seed) % MANY;
        if (in[id]) {
            order_remove(&o, id);
            count--;
        } else {
            assert_int_equal(order_reserve(&o), 0);
            order_add(&o, id, &items[id]);
            count++;
        }
        in[id] = !in[id];
        assert_int_equal(o.count, count);
        if (round % 100 == 0)
            compare(&o, in, items);
    }
    compare(&o, in, items);
    order_done(&o);
}

/* What the engine does: new things at the end, old ones leave. */
static void the_window_moves_without_growing(void **state) {
    static char item;
    struct order o;
    (void)state;
    order_init(&o);
    for (uint64_t id = 1; id <= 100000; id++) {
        assert_int_equal(order_reserve(&o), 0);
        order_add(&o, id << 16, &item);
        if (id > 100)
            order_remove(&o, (id - 100) << 16);
    }
    assert_int_equal(o.count, 100);
    assert_true(o.capacity <= 1024);
    assert_non_null(order_above(&o, 0));
    assert_ptr_equal(order_find(&o, 99999ull << 16), &item);
    order_done(&o);
}

static void the_ends(void **state) {
    char item;
    struct order o;
    (void)state;
    order_init(&o);
    assert_null(order_find(&o, 1));
    assert_null(order_below(&o, UINT64_MAX));
    assert_null(order_above(&o, 0));
    assert_int_equal(order_reserve(&o), 0);
    order_add(&o, UINT64_MAX, &item);
    assert_null(order_above(&o, UINT64_MAX));
    assert_null(order_below(&o, UINT64_MAX));
    assert_ptr_equal(order_above(&o, UINT64_MAX - 1), &item);
    order_remove(&o, UINT64_MAX);
    assert_null(order_above(&o, 0));
    order_done(&o);
    order_done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_ids_in_order),
        cmocka_unit_test(the_window_moves_without_growing),
        cmocka_unit_test(the_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
