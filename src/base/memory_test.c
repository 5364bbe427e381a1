#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/memory.h"

static void the_budget_is_exact(void **state) {
    struct memory m;
    (void)state;
    memory_init(&m, 100);
    void *a = memory_take(&m, 60);
    assert_non_null(a);
    assert_null(memory_take(&m, 41));
    assert_null(memory_take(&m, 1000));
    assert_null(memory_take(&m, SIZE_MAX));
    void *b = memory_take(&m, 40);
    assert_non_null(b);
    assert_null(memory_take(&m, 1));
    assert_int_equal(m.used, 100);
    memory_give(&m, a, 60);
    memory_give(&m, NULL, 5);
    assert_int_equal(m.used, 40);
    memory_give(&m, b, 40);
    memory_done(&m);
}

static void memory_comes_zeroed(void **state) {
    struct memory m;
    (void)state;
    memory_init(&m, 4096);
    for (int round = 0; round < 10; round++) {
        unsigned char *at = memory_take(&m, 1000);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(at[i], 0);
        memset(at, 0xff, 1000);
        memory_give(&m, at, 1000);
    }
    memory_done(&m);
}

static void resizing_keeps_content_and_count(void **state) {
    struct memory m;
    (void)state;
    memory_init(&m, 100);
    char *at = memory_resize(&m, NULL, 0, 4);
    assert_int_equal(m.used, 4);
    memcpy(at, "abcd", 4);
    at = memory_resize(&m, at, 4, 100);
    assert_int_equal(m.used, 100);
    assert_memory_equal(at, "abcd\0\0\0\0", 8);
    assert_int_equal(at[99], 0);
    assert_null(memory_resize(&m, at, 100, 101));
    assert_int_equal(m.used, 100);
    assert_memory_equal(at, "abcd", 4);
    at = memory_resize(&m, at, 100, 2);
    assert_int_equal(m.used, 2);
    assert_memory_equal(at, "ab", 2);
    memory_give(&m, at, 2);
    memory_done(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_budget_is_exact),
        cmocka_unit_test(memory_comes_zeroed),
        cmocka_unit_test(resizing_keeps_content_and_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
