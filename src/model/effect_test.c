#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/effect.h"

static void add(struct effects *e, uint64_t transaction, uint16_t branch, uint8_t role, uint32_t attempt) {
    const struct call call = {
        .transaction = transaction, .branch = branch, .role = role, .attempt = attempt
    };
    assert_int_equal(effects_call(e, &call), 0);
}

static void takes_back_the_call_that_is_named(void **state) {
    struct effects e;
    (void)state;
    effects_init(&e, 1000);
    add(&e, 1, 0, ROLE_FORWARD, 1);
    add(&e, 2, 0, ROLE_FORWARD, 2);
    add(&e, 2, 1, ROLE_CONFIRM, 3);
    assert_true(effects_withdraw(&e, 2, 0, ROLE_FORWARD));
    assert_int_equal(e.call_count, 2);
    assert_int_equal(e.calls[0].attempt, 1);
    assert_int_equal(e.calls[1].attempt, 3);
    add(&e, 3, 0, ROLE_FORWARD, 4);
    assert_int_equal(e.call_count, 3);
    assert_int_equal(e.calls[2].attempt, 4);
    effects_done(&e);
}

static void leaves_others_alone(void **state) {
    struct effects e;
    (void)state;
    effects_init(&e, 1000);
    assert_false(effects_withdraw(&e, 1, 0, ROLE_FORWARD));
    add(&e, 1, 0, ROLE_FORWARD, 1);
    assert_false(effects_withdraw(&e, 2, 0, ROLE_FORWARD));
    assert_false(effects_withdraw(&e, 1, 1, ROLE_FORWARD));
    assert_false(effects_withdraw(&e, 1, 0, ROLE_CONFIRM));
    assert_int_equal(e.call_count, 1);
    effects_clear(&e);
    assert_false(effects_withdraw(&e, 1, 0, ROLE_FORWARD)); /* it has left with its turn */
    effects_done(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_back_the_call_that_is_named),
        cmocka_unit_test(leaves_others_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
