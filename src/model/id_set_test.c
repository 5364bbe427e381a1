#include "model/id_set.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void a_range_reaches_to_what_is_added(void **state) {
    struct id_range range = { 0 };
    (void)state;
    id_range_add(&range, 7);
    assert_true(range.first == 7 && range.last == 7);
    id_range_add(&range, 9);
    id_range_add(&range, 3);
    id_range_add(&range, 5);
    id_range_add(&range, 0);
    assert_true(range.first == 3 && range.last == 9);
}

/* Every set of numbers below 8, every range among them. */
static void a_set_knows_its_own(void **state) {
    (void)state;
    for (unsigned bits = 0; bits < 256; bits += 2) {
        uint64_t ids[8];
        struct id_set set = { .ids = ids };
        for (unsigned id = 1; id < 8; id++)
            if ((bits >> id & 1) != 0)
                ids[set.count++] = id;
        for (unsigned first = 0; first < 9; first++) {
            assert_int_equal(id_set_has(set, first), bits >> first & 1);
            for (unsigned last = first, met = 0; last < 9; last++) {
                met |= bits >> last & 1;
                assert_int_equal(id_set_meets(set, (struct id_range){ first, last }), met);
            }
        }
    }
}

static void nothing_meets_nothing(void **state) {
    uint64_t one = 1;
    (void)state;
    assert_false(id_set_has((struct id_set){ 0 }, 0));
    assert_false(id_set_meets((struct id_set){ 0 }, (struct id_range){ 0, UINT64_MAX }));
    assert_false(id_set_meets((struct id_set){ &one, 1 }, (struct id_range){ 0 }));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_reaches_to_what_is_added),
        cmocka_unit_test(a_set_knows_its_own),
        cmocka_unit_test(nothing_meets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
