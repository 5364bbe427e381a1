#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"

static void every_code_has_its_own_sentence(void **state) {
    static const int codes[] = {
#define X(name, value, text) name,
        ERR_LIST(X)
#undef X
    };
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_true(codes[i] < 0);
        assert_string_not_equal(err_text(codes[i]), "unknown error");
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(err_text(codes[i]), err_text(codes[k]));
    }
    assert_string_equal(err_text(0), "success");
    assert_string_equal(err_text(1), "unknown error");
    assert_string_equal(err_text(-9999), "unknown error");
}

static void stories_read_like_a_path(void **state) {
    struct why why;
    (void)state;
    assert_int_equal(why_set(&why, ERR_IO, "sync failed: %d", 5), ERR_IO);
    assert_int_equal(why_prefix(&why, ERR_IO, "journal %s", "a.db"), ERR_IO);
    assert_int_equal(why_prefix(&why, ERR_CLOSED, "start"), ERR_CLOSED);
    assert_string_equal(why.text, "start: journal a.db: sync failed: 5");
}

static void nobody_need_listen(void **state) {
    (void)state;
    assert_int_equal(why_set(NULL, ERR_IO, "x"), ERR_IO);
    assert_int_equal(why_prefix(NULL, ERR_IO, "x"), ERR_IO);
}

static void long_stories_are_cut(void **state) {
    struct why why;
    char word[2000];
    (void)state;
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    why_set(&why, ERR_IO, "%s", word);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
    why_prefix(&why, ERR_IO, "layer");
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
    assert_int_equal(strncmp(why.text, "layer: aaa", 10), 0);
    why_prefix(&why, ERR_IO, "%s", word);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
    assert_null(strchr(why.text, ':'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_sentence),
        cmocka_unit_test(stories_read_like_a_path),
        cmocka_unit_test(nobody_need_listen),
        cmocka_unit_test(long_stories_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
