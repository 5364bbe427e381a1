#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim/agenda.h"
#include "sim/dice.h"

static void nothing(struct world *w, void *subject, uint64_t number) {
    (void)w;
    (void)subject;
    (void)number;
}

static void comes_out_by_time(void **state) {
    struct agenda a;
    struct agenda_item item;
    struct dice d;
    uint64_t last = 0;

    (void)state;
    agenda_init(&a);
    dice_init(&d, 7, DICE_SWARM);
    for (uint64_t i = 0; i < 5000; i++)
        agenda_add(&a, dice_below(&d, 300), nothing, NULL, i);
    for (int i = 0; i < 5000; i++) {
        assert_true(agenda_next(&a, &item));
        assert_true(item.at_us >= last);
        last = item.at_us;
    }
    assert_false(agenda_next(&a, &item));
    agenda_done(&a);
}

static void same_time_keeps_the_order_of_entry(void **state) {
    struct agenda a;
    struct agenda_item item;

    (void)state;
    agenda_init(&a);
    for (uint64_t i = 0; i < 1000; i++)
        agenda_add(&a, i % 2, nothing, NULL, i);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(agenda_next(&a, &item));
        assert_int_equal(item.number, i < 500 ? i * 2 : (i - 500) * 2 + 1);
    }
    agenda_done(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_out_by_time),
        cmocka_unit_test(same_time_keeps_the_order_of_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
