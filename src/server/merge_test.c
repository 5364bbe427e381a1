#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "server/merge.h"

enum { IDS = 64 };

/* Walk the merge as a list does and compare it with the plain union, for every cut into slices. */
static void check(const bool in_memory[IDS + 1], const bool in_history[IDS + 1], bool ascending,
                  size_t slice_rows) {
    uint64_t at = ascending ? 0 : IDS + 1;
    uint64_t scanned = at;
    struct merge_slice slice = { .more = true, .ascending = ascending };
    uint64_t rows[IDS];
    size_t row = 0;
    size_t count = 0;
    bool from_memory;
    for (uint64_t expected = ascending ? 1 : IDS; expected >= 1 && expected <= IDS;
         expected += ascending ? 1 : -1u) {
        uint64_t step = ascending ? 1 : UINT64_MAX;
        if (!in_memory[expected] && !in_history[expected])
            continue;
        for (;;) {
            uint64_t memory = 0;
            for (uint64_t id = at + step; id >= 1 && id <= IDS && memory == 0; id += step)
                memory = in_memory[id] ? id : 0;
            slice.left = count - row;
            slice.next = slice.left > 0 ? rows[row] : 0;
            enum merge_choice choice = merge_next(&slice, memory);
            if (choice == MERGE_WAIT) {
                count = row = 0;
                uint64_t id = scanned + step;
                for (; id >= 1 && id <= IDS && count < slice_rows; id += step)
                    if (in_history[id]) {
                        rows[count++] = id;
                        scanned = id;
                    }
                slice.more = count == slice_rows;
                continue;
            }
            assert_int_not_equal(choice, MERGE_END);
            from_memory = choice != MERGE_ROW;
            at = from_memory ? memory : rows[row];
            row += choice != MERGE_MEMORY;
            break;
        }
        assert_true(at == expected);
        assert_true(from_memory == in_memory[expected]);
    }
    slice.left = count - row;
    if (slice.left == 0 && !slice.more)
        assert_int_equal(merge_next(&slice, 0), MERGE_END);
}

static void every_mix_gives_the_union_in_order(void **state) {
    (void)state;
    srand48(7);
    for (int round = 0; round < 2000; round++) {
        bool in_memory[IDS + 1];
        bool in_history[IDS + 1];
        double memory = drand48();
        double history = drand48();
        for (int id = 0; id <= IDS; id++) {
            in_memory[id] = drand48() < memory;
            in_history[id] = drand48() < history;
        }
        for (size_t slice = 1; slice <= 9; slice += 4) {
            check(in_memory, in_history, true, slice);
            check(in_memory, in_history, false, slice);
        }
    }
}

static void nothing_is_taken_from_memory_before_the_rows_are_known(void **state) {
    struct merge_slice slice = { .more = true };
    (void)state;
    assert_int_equal(merge_next(&slice, 5), MERGE_WAIT);
    assert_int_equal(merge_next(&slice, 0), MERGE_WAIT);
    slice.more = false;
    assert_int_equal(merge_next(&slice, 5), MERGE_MEMORY);
    assert_int_equal(merge_next(&slice, 0), MERGE_END);
    slice.left = 1;
    slice.next = 5;
    assert_int_equal(merge_next(&slice, 5), MERGE_BOTH);
    assert_int_equal(merge_next(&slice, 6), MERGE_MEMORY);
    assert_int_equal(merge_next(&slice, 4), MERGE_ROW);
    slice.ascending = true;
    assert_int_equal(merge_next(&slice, 6), MERGE_ROW);
    assert_int_equal(merge_next(&slice, 4), MERGE_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mix_gives_the_union_in_order),
        cmocka_unit_test(nothing_is_taken_from_memory_before_the_rows_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
