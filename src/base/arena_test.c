#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/err.h"

static void takes_are_aligned_zeroed_and_apart(void **state) {
    struct arena a;
    char *before = NULL;
    (void)state;
    arena_init(&a, 256, 1 << 20);
    for (size_t bytes = 0; bytes < 400; bytes++) {
        char *at = arena_take(&a, bytes);
        assert_non_null(at);
        assert_int_equal((uintptr_t)at % 16, 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(at[i], 0);
        memset(at, 0xff, bytes);
        if (before != NULL && bytes > 1)
            assert_int_equal((unsigned char)before[bytes - 2], 0xff); /* the neighbour is whole */
        before = bytes > 0 ? at : NULL;
    }
    assert_int_equal(a.used, 400 * 399 / 2);
    arena_done(&a);
}

static void the_limit_is_exact(void **state) {
    struct arena a;
    (void)state;
    arena_init(&a, 64, 1000);
    assert_non_null(arena_take(&a, 999));
    assert_null(arena_take(&a, 2));
    assert_non_null(arena_take(&a, 1));
    assert_null(arena_take(&a, 1));
    assert_null(arena_take(&a, 10000));
    assert_null(arena_take(&a, SIZE_MAX));
    assert_non_null(arena_take(&a, 0));
    arena_reset(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_take(&a, 1000));
    arena_done(&a);
}

static void arrays_do_not_overflow(void **state) {
    struct arena a;
    (void)state;
    arena_init(&a, 64, SIZE_MAX);
    assert_null(arena_take_array(&a, SIZE_MAX / 8, 16));
    assert_null(arena_take_array(&a, 3, SIZE_MAX / 2));
    assert_null(arena_take_array(&a, 1, SIZE_MAX - 3));
    assert_non_null(arena_take_array(&a, 0, SIZE_MAX));
    assert_non_null(arena_take_array(&a, 10, 8));
    arena_done(&a);
}

static void copies_are_copies(void **state) {
    struct arena a;
    char word[] = "hello";
    struct slice out = SLICE("before");
    (void)state;
    arena_init(&a, 64, 8);
    assert_int_equal(arena_copy(&a, SLICE("far too long"), &out), ERR_MEMORY);
    assert_true(slice_is(out, "before"));
    assert_int_equal(arena_copy(&a, slice_text(word), &out), 0);
    word[0] = 'j';
    assert_true(slice_is(out, "hello"));
    assert_int_equal(arena_copy(&a, SLICE_NONE, &out), 0);
    assert_int_equal(out.length, 0);
    arena_done(&a);
}

static void reset_and_done_may_be_repeated(void **state) {
    struct arena a;
    (void)state;
    arena_init(&a, 128, 1 << 20);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 20; i++)
            assert_non_null(arena_take(&a, (size_t)(round * i)));
        arena_reset(&a);
        arena_reset(&a);
    }
    arena_done(&a);
    arena_done(&a);
    arena_done(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_are_aligned_zeroed_and_apart),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(arrays_do_not_overflow),
        cmocka_unit_test(copies_are_copies),
        cmocka_unit_test(reset_and_done_may_be_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
