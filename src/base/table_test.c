#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "base/table.h"

enum {
    MANY = 3000,
};

static uint64_t draw(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static bool found(const struct table *t, uint64_t hash, const void *item) {
    size_t cursor = 0;
    for (const void *hit; (hit = table_find(t, hash, &cursor)) != NULL;)
        if (hit == item)
            return true;
    return false;
}

/* Against the plain truth, under hashes that collide much, wrap around the end, or not at all. */
static void keeps_what_it_was_given(void **state) {
    static char items[MANY];
    static bool in[MANY];
    static uint64_t hashes[MANY];
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct table t;
        uint64_t seed = 3;
        table_init(&t);
        for (size_t i = 0; i < MANY; i++) {
            in[i] = false;
            hashes[i] = kind == 0 ? 0 : kind == 1 ? i % 7 : kind == 2 ? UINT64_MAX - i % 100 : draw(&seed);
        }
        for (int round = 0; round < (kind == 0 ? 300 : 6000); round++) {
            size_t i = draw(&seed) % (kind == 0 ? 40 : MANY);
            if (in[i]) {
                table_remove(&t, hashes[i], &items[i]);
            } else {
                assert_int_equal(table_reserve(&t), 0);
                table_add(&t, hashes[i], &items[i]);
            }
            in[i] = !in[i];
            assert_int_equal(found(&t, hashes[i], &items[i]), in[i]);
        }
        size_t count = 0;
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(found(&t, hashes[i], &items[i]), in[i]);
            count += in[i];
        }
        assert_int_equal(t.count, count);
        table_done(&t);
    }
}

static void finds_nothing_in_nothing(void **state) {
    struct table t;
    size_t cursor = 0;
    (void)state;
    table_init(&t);
    assert_null(table_find(&t, 5, &cursor));
    assert_int_equal(table_reserve(&t), 0);
    assert_null(table_find(&t, 5, &cursor));
    table_done(&t);
    table_done(&t);
}

static void a_walk_meets_each_once(void **state) {
    char items[5];
    struct table t;
    int met[5] = { 0 };
    size_t cursor = 0;
    (void)state;
    table_init(&t);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(table_reserve(&t), 0);
        table_add(&t, i == 2 ? 64 : 0, &items[i]); /* 64 has the same home as 0 in the first capacity */
    }
    for (char *hit; (hit = table_find(&t, 0, &cursor)) != NULL;)
        met[hit - items]++;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(met[i], i != 2);
    table_done(&t);
}

static void stays_three_quarters_full_at_most(void **state) {
    static char items[MANY];
    struct table t;
    (void)state;
    table_init(&t);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(table_reserve(&t), 0);
        table_add(&t, i, &items[i]);
        assert_true(t.count * 4 <= t.capacity * 3);
    }
    table_done(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_was_given),
        cmocka_unit_test(finds_nothing_in_nothing),
        cmocka_unit_test(a_walk_meets_each_once),
        cmocka_unit_test(stays_three_quarters_full_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
