#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/word.h"

static void distances(void **state) {
    static const struct {
        const char *a;
        const char *b;
        size_t distance;
    } rows[] = {
        { "", "", 0 },
        { "a", "", 1 },
        { "", "abc", 3 },
        { "abc", "abc", 0 },
        { "abc", "ABC", 0 },
        { "kitten", "sitting", 3 },
        { "ab", "ba", 1 },
        { "pviot", "pivot", 1 },
        { "action", "acton", 1 },
        { "ca", "abc", 3 },
        { "retries", "retry", 3 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(word_distance(slice_text(rows[i].a), slice_text(rows[i].b)), rows[i].distance);
        assert_int_equal(word_distance(slice_text(rows[i].b), slice_text(rows[i].a)), rows[i].distance);
    }
}

static void nearest(void **state) {
    static const char *const known[] = { "id",     "action", "compensate", "base",  "try",  "confirm",
                                         "cancel", "body",   "after",      "pivot", "retry" };
    static const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        { "compensat", "compensate" },
        { "compenstae", "compensate" },
        { "Action", "action" },
        { "actoin", "action" },
        { "di", "id" },
        { "boddy", "body" },
        { "cancle", "cancel" },
        { "afer", "after" },
        { "retri", "retry" },
        { "confrm", "confirm" },
        { "pivto", "pivot" },
        { "zebra", NULL },
        { "x", NULL },
        { "", NULL },
        { "payload", NULL },
        { "bod", "body" },
    };
    char giant[5000];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *found = word_nearest(slice_text(rows[i].text), known, sizeof known / sizeof known[0]);
        if (rows[i].expected == NULL)
            assert_null(found);
        else
            assert_string_equal(found, rows[i].expected);
    }
    memset(giant, 'a', sizeof giant);
    assert_null(word_nearest(slice_of(giant, sizeof giant), known, 11));
    assert_null(word_nearest(SLICE("id"), known, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
