#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

static void slices_compare(void **state) {
    (void)state;
    assert_true(slice_equal(SLICE_NONE, SLICE("")));
    assert_true(slice_equal(SLICE("a\0b"), slice_of("a\0b", 3)));
    assert_false(slice_equal(SLICE("a\0b"), SLICE("a\0c")));
    assert_false(slice_equal(SLICE("a"), SLICE("ab")));
    assert_true(slice_is(slice_text(NULL), ""));
    assert_true(slice_is(SLICE_NONE, NULL));
    assert_true(slice_is_nocase(SLICE("Content-LENGTH"), "content-length"));
    assert_false(slice_is_nocase(SLICE("content-lengt"), "content-length"));
    assert_false(slice_is_nocase(SLICE("@[`{"), "`{@[")); /* neighbours of the letters are no letters */
    assert_false(slice_is_nocase(SLICE("\xc4"), "\xe4")); /* only ASCII has cases */
    assert_true(slice_starts(SLICE("http://x"), "http://"));
    assert_false(slice_starts(SLICE("htt"), "http"));
    assert_true(slice_starts(SLICE_NONE, ""));
    assert_true(slice_ends(SLICE("a.json"), ".json"));
    assert_false(slice_ends(SLICE("json"), ".json"));
}

static void slices_are_cut_within_their_bounds(void **state) {
    struct slice s = SLICE("abcdef");
    (void)state;
    assert_true(slice_is(slice_from(s, 2), "cdef"));
    assert_true(slice_is(slice_from(s, 6), ""));
    assert_ptr_equal(slice_from(s, 60).at, s.at + 6);
    assert_true(slice_is(slice_upto(s, 2), "ab"));
    assert_true(slice_is(slice_upto(s, 60), "abcdef"));
    assert_int_equal(slice_from(SLICE_NONE, 3).length, 0);
    assert_int_equal(slice_find(s, 'c'), 2);
    assert_int_equal(slice_find(s, 'z'), 6);
    assert_int_equal(slice_find(SLICE_NONE, 'z'), 0);
    assert_int_equal(slice_find(SLICE("a\0b"), '\0'), 1);
    assert_true(slice_is(slice_trim(SLICE(" \t a b\t ")), "a b"));
    assert_true(slice_is(slice_trim(SLICE(" \t ")), ""));
    assert_true(slice_is(slice_trim(SLICE("\r\nx")), "\r\nx"));
    assert_int_equal(slice_trim(SLICE_NONE).length, 0);
    assert_true(slice_is(slice_strip(SLICE("\r\n\t a\nb \n\n")), "a\nb"));
    assert_int_equal(slice_strip(SLICE(" \r\n")).length, 0);
    assert_int_equal(slice_strip(SLICE_NONE).length, 0);
}

/* Every byte at every place of texts around eight bytes long: what is looked at eight at a time must say what
 * a look at each says. */
static void control_bytes_are_found_wherever_they_stand(void **state) {
    (void)state;
    assert_false(slice_has_control(SLICE_NONE));
    for (size_t length = 1; length <= 26; length++)
        for (size_t place = 0; place < length; place++)
            for (int byte = 0; byte < 256; byte++) {
                static const char around[] = { ' ', '~', '\t', (char)0x80, (char)0xff };
                for (size_t i = 0; i < sizeof around; i++) {
                    char *text = malloc(length); /* of its own, so that a look behind its end is seen */
                    assert_non_null(text);
                    memset(text, around[i], length);
                    text[place] = (char)byte;
                    bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
                    assert_int_equal(slice_has_control(slice_of(text, length)), control);
                    free(text);
                }
            }
}

static void decimals_are_strict(void **state) {
    static const struct {
        const char *text;
        int result;
        uint64_t number;
    } rows[] = {
        { "0", 0, 0 },
        { "7", 0, 7 },
        { "007", 0, 7 },
        { "18446744073709551615", 0, UINT64_MAX },
        { "18446744073709551616", ERR_LIMIT, 42 },
        { "184467440737095516150", ERR_LIMIT, 42 },
        { "99999999999999999999999999", ERR_LIMIT, 42 },
        { "", ERR_SYNTAX, 42 },
        { "+1", ERR_SYNTAX, 42 },
        { "-1", ERR_SYNTAX, 42 },
        { " 1", ERR_SYNTAX, 42 },
        { "1 ", ERR_SYNTAX, 42 },
        { "1e3", ERR_SYNTAX, 42 },
        { "0x10", ERR_SYNTAX, 42 },
        { "\xd9\xa1", ERR_SYNTAX, 42 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t number = 42;
        assert_int_equal(slice_u64(slice_text(rows[i].text), &number), rows[i].result);
        assert_int_equal(number, rows[i].number);
    }
}

static void buffers_grow_and_say_what_was_put(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 1000);
    assert_int_equal(buffer_slice(&b).length, 0);
    buffer_add_text(&b, "n=");
    buffer_add_u64(&b, 0);
    buffer_add_byte(&b, ',');
    buffer_add_u64(&b, UINT64_MAX);
    buffer_add_slice(&b, SLICE(","));
    buffer_add_slice(&b, SLICE_NONE);
    buffer_add_format(&b, "%s%d", "x", -5);
    assert_true(slice_is(buffer_slice(&b), "n=0,18446744073709551615,x-5"));
    buffer_consume(&b, 4);
    buffer_consume(&b, 0);
    buffer_cut(&b, 3);
    assert_true(slice_is(buffer_slice(&b), "184"));
    buffer_consume(&b, 3);
    assert_int_equal(b.length, 0);
    buffer_done(&b);
    buffer_done(&b);
    buffer_done(NULL);
}

static void the_maximum_is_exact_and_failure_sticks(void **state) {
    static const size_t sizes[] = { 1, 10, 63, 64, 65, 100, 1000 };
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buffer b;
        buffer_init(&b, sizes[i]);
        for (size_t n = 0; n < sizes[i]; n++)
            buffer_add_byte(&b, 'x');
        assert_int_equal(buffer_failed(&b), 0);
        assert_int_equal(b.length, sizes[i]);
        assert_true(b.capacity <= b.max);
        buffer_add_byte(&b, 'y');
        assert_int_equal(buffer_failed(&b), ERR_LIMIT);
        assert_int_equal(b.length, sizes[i]);
        buffer_cut(&b, 0);
        buffer_add_byte(&b, 'z'); /* there is room again, but a hole in the middle must not go unseen */
        assert_int_equal(b.length, 0);
        assert_null(buffer_reserve(&b, 0));
        buffer_clear(&b);
        buffer_add_byte(&b, 'z');
        assert_true(slice_is(buffer_slice(&b), "z"));
        buffer_done(&b);
    }
}

static void a_failed_append_changes_nothing(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 8);
    buffer_add_text(&b, "1234567");
    buffer_add_text(&b, "89");
    assert_true(slice_is(buffer_slice(&b), "1234567"));
    assert_int_equal(buffer_failed(&b), ERR_LIMIT);
    buffer_clear(&b);
    assert_null(buffer_reserve(&b, SIZE_MAX));
    assert_int_equal(buffer_failed(&b), ERR_LIMIT);
    buffer_done(&b);
}

static void reserved_room_is_filled_by_the_caller(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 100);
    char *to = buffer_reserve(&b, 5);
    memcpy(to, "abc", 3);
    buffer_grew(&b, 3);
    assert_true(slice_is(buffer_slice(&b), "abc"));
    buffer_done(&b);
}

static void detached_bytes_belong_to_the_caller(void **state) {
    struct buffer b;
    size_t length = 9;
    (void)state;
    buffer_init(&b, 100);
    assert_null(buffer_detach(&b, &length));
    assert_int_equal(length, 0);
    buffer_add_text(&b, "mine");
    char *bytes = buffer_detach(&b, &length);
    assert_int_equal(length, 4);
    assert_memory_equal(bytes, "mine", 4);
    assert_int_equal(b.length, 0);
    buffer_add_text(&b, "next");
    assert_true(slice_is(buffer_slice(&b), "next"));
    free(bytes);
    buffer_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare),
        cmocka_unit_test(slices_are_cut_within_their_bounds),
        cmocka_unit_test(control_bytes_are_found_wherever_they_stand),
        cmocka_unit_test(decimals_are_strict),
        cmocka_unit_test(buffers_grow_and_say_what_was_put),
        cmocka_unit_test(the_maximum_is_exact_and_failure_sticks),
        cmocka_unit_test(a_failed_append_changes_nothing),
        cmocka_unit_test(reserved_room_is_filled_by_the_caller),
        cmocka_unit_test(detached_bytes_belong_to_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
