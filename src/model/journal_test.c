#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "model/journal.h"

static const struct stored_entry examples[] = {
    { STORED_TRANSACTION, 1, 1, SLICE("record") },
    { STORED_ANSWER, UINT64_MAX, UINT32_MAX, SLICE("") },
    { STORED_AUDIT, 127, 128, SLICE("\0\x80\xff") },
};

static void entries_follow_one_another(void **state) {
    struct stored_entry entry;
    struct buffer b;
    (void)state;
    buffer_init(&b, 1000);
    for (size_t i = 0; i < 3; i++)
        journal_encode(&b, &examples[i]);
    struct slice from = buffer_slice(&b);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(journal_decode(&from, &entry), 0);
        assert_int_equal(entry.kind, examples[i].kind);
        assert_int_equal(entry.id, examples[i].id);
        assert_int_equal(entry.seq, examples[i].seq);
        assert_true(slice_equal(entry.record, examples[i].record));
    }
    assert_int_equal(from.length, 0);
    assert_int_equal(journal_decode(&from, &entry), ERR_CORRUPT);
    buffer_done(&b);
}

static void cut_entries_are_corrupt_and_touch_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct buffer b;
        buffer_init(&b, 1000);
        journal_encode(&b, &examples[i]);
        for (size_t cut = 0; cut < b.length; cut++) {
            struct stored_entry entry = { .kind = 99 };
            struct slice from = slice_upto(buffer_slice(&b), cut);
            assert_int_equal(journal_decode(&from, &entry), ERR_CORRUPT);
            assert_int_equal(entry.kind, 99);
            assert_int_equal(from.length, cut);
        }
        buffer_done(&b);
    }
}

static void nonsense_is_corrupt(void **state) {
    static const struct slice rows[] = {
        SLICE("\x00\x01\x01\x00"),                 /* kind 0 */
        SLICE("\x07\x01\x01\x00"),                 /* kind beyond the last */
        SLICE("\x01\x01\x80\x80\x80\x80\x10\x00"), /* seq over 32 bits */
        SLICE("\x01\x81\x00\x01\x00"),             /* id in a long spelling */
        SLICE("\x01\x01\x01\x05"
              "abcd"), /* record longer than the bytes */
        SLICE("\x01\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stored_entry entry = { .kind = 99 };
        struct slice from = rows[i];
        assert_int_equal(journal_decode(&from, &entry), ERR_CORRUPT);
        assert_int_equal(entry.kind, 99);
        assert_int_equal(from.length, rows[i].length);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_follow_one_another),
        cmocka_unit_test(cut_entries_are_corrupt_and_touch_nothing),
        cmocka_unit_test(nonsense_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
