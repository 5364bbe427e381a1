#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/leb128.h"

static void numbers_come_back_at_every_border(void **state) {
    (void)state;
    for (int bit = 0; bit < 64; bit++)
        for (int step = -1; step <= 1; step++) {
            uint64_t number = ((uint64_t)1 << bit) + (uint64_t)step;
            struct buffer b;
            buffer_init(&b, 100);
            leb128_put(&b, number);
            assert_int_equal(b.length, leb128_size(number));
            struct leb128_cursor c = { .left = buffer_slice(&b) };
            assert_int_equal(leb128_take(&c), number);
            assert_false(c.failed);
            assert_int_equal(c.left.length, 0);
            for (size_t cut = 0; cut < b.length; cut++) {
                c = (struct leb128_cursor){ .left = slice_upto(buffer_slice(&b), cut) };
                assert_int_equal(leb128_take(&c), 0);
                assert_true(c.failed);
            }
            buffer_done(&b);
        }
}

static void only_the_shortest_spelling_counts(void **state) {
    static const struct {
        struct slice bytes;
        bool fine;
    } rows[] = {
        { { "\x00", 1 }, true },
        { { "\x80\x00", 2 }, false },
        { { "\x81\x00", 2 }, false },
        { { "\x80\x80\x00", 3 }, false },
        { { "\x80\x01", 2 }, true },
        { { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 }, true },
        { { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 }, false },
        { { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10 }, false },
        { { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", 11 }, false },
        { { "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11 }, false },
        { { "", 0 }, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct leb128_cursor c = { .left = rows[i].bytes };
        leb128_take(&c);
        assert_int_equal(!c.failed, rows[i].fine);
    }
}

static void failure_sticks(void **state) {
    struct leb128_cursor c = { .left = SLICE("\x80") };
    (void)state;
    leb128_take(&c);
    c.left = SLICE("\x05hello");
    assert_int_equal(leb128_take(&c), 0);
    assert_int_equal(leb128_take_bytes(&c).length, 0);
    assert_int_equal(leb128_take_exactly(&c, 0).length, 0);
    assert_true(c.failed);
}

static void bytes_stay_inside(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 1000);
    leb128_put_bytes(&b, SLICE("hello"));
    leb128_put_bytes(&b, SLICE_NONE);
    struct leb128_cursor c = { .left = buffer_slice(&b) };
    assert_true(slice_is(leb128_take_bytes(&c), "hello"));
    assert_true(slice_is(leb128_take_bytes(&c), ""));
    assert_false(c.failed);
    c = (struct leb128_cursor){ .left = slice_upto(buffer_slice(&b), 5) };
    assert_int_equal(leb128_take_bytes(&c).length, 0);
    assert_true(c.failed);
    c = (struct leb128_cursor){ .left = SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x") };
    leb128_take_bytes(&c); /* a length of 2^64 - 1 */
    assert_true(c.failed);
    c = (struct leb128_cursor){ .left = SLICE("abc") };
    assert_true(slice_is(leb128_take_exactly(&c, 3), "abc"));
    leb128_take_exactly(&c, 1);
    assert_true(c.failed);
    buffer_done(&b);
}

static void ranges_are_kept(void **state) {
    struct leb128_cursor c = { .left = SLICE("\x05\x06") };
    (void)state;
    assert_int_equal(leb128_take_upto(&c, 5), 5);
    assert_false(c.failed);
    assert_int_equal(leb128_take_upto(&c, 5), 0);
    assert_true(c.failed);
}

static void a_full_buffer_fails_whole(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 12);
    leb128_put(&b, 1);
    leb128_put(&b, 300);
    leb128_put_bytes(&b, SLICE("much too long for it"));
    assert_int_not_equal(buffer_failed(&b), 0);
    buffer_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back_at_every_border),
        cmocka_unit_test(only_the_shortest_spelling_counts),
        cmocka_unit_test(failure_sticks),
        cmocka_unit_test(bytes_stay_inside),
        cmocka_unit_test(ranges_are_kept),
        cmocka_unit_test(a_full_buffer_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
