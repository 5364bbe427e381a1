#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdbool.h>

#include "base/filter.h"
#include "base/hash.h"

static uint64_t key(char kind, size_t number) {
    char name[32];
    int length = snprintf(name, sizeof name, "%c-%zu", kind, number);
    return hash_stable(slice_of(name, (size_t)length));
}

/* Never a wrong no; a wrong yes about once in 1,100 questions to a full segment. Three segments here. */
static void says_yes_to_all_and_rarely_to_others(void **state) {
    const size_t keys = 400000;
    const size_t questions = 200000;
    struct filter f;
    size_t wrong = 0;
    (void)state;
    filter_init(&f);
    for (size_t i = 0; i < keys; i++)
        assert_int_equal(filter_add(&f, key('a', i)), 0);
    for (size_t i = 0; i < keys; i++)
        assert_true(filter_maybe(&f, key('a', i)));
    for (size_t i = 0; i < questions; i++)
        wrong += filter_maybe(&f, key('b', i));
    print_message("wrong yes: %zu of %zu\n", wrong, questions);
    assert_true(wrong < questions / 1000 * 3);
    assert_true(f.bytes <= keys * 8);
    filter_done(&f);
}

static void a_full_segment_is_as_rarely_wrong_as_promised(void **state) {
    const size_t questions = 1000000;
    struct filter f;
    size_t wrong = 0;
    (void)state;
    filter_init(&f);
    for (size_t i = 0; i < 1 << 16; i++)
        assert_int_equal(filter_add(&f, key('a', i)), 0);
    for (size_t i = 0; i < questions; i++)
        wrong += filter_maybe(&f, key('b', i));
    print_message("wrong yes: %zu of %zu\n", wrong, questions);
    assert_true(wrong < questions / 1000);
    filter_done(&f);
}

static void an_empty_one_says_no(void **state) {
    struct filter f;
    (void)state;
    filter_init(&f);
    assert_false(filter_maybe(&f, 0));
    assert_int_equal(filter_add(&f, 0), 0);
    assert_true(filter_maybe(&f, 0));
    assert_false(filter_maybe(&f, UINT64_MAX));
    filter_done(&f);
    assert_false(filter_maybe(&f, 0));
    filter_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_yes_to_all_and_rarely_to_others),
        cmocka_unit_test(a_full_segment_is_as_rarely_wrong_as_promised),
        cmocka_unit_test(an_empty_one_says_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
