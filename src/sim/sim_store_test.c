#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/journal.h"
#include "sim/sim_store.h"

static void append(struct sim_store *s, uint64_t number, uint64_t id, uint32_t seq) {
    struct stored_entry entry = { .kind = STORED_TRANSACTION, .id = id, .seq = seq, .record = SLICE("r") };
    struct buffer batch;

    buffer_init(&batch, 1000);
    journal_encode(&batch, &entry);
    sim_store_append(s, number, buffer_slice(&batch));
    buffer_done(&batch);
}

static struct stored_row row(uint64_t id, uint32_t seq, bool final) {
    return (struct stored_row){ .kind = STORED_TRANSACTION,
                                .id = id,
                                .key_hash = id,
                                .seq = seq,
                                .final = final,
                                .purge_after_ms = 100,
                                .key = SLICE("gid"),
                                .state = SLICE("x"),
                                .image = SLICE("image") };
}

static void fold(struct sim_store *s, uint64_t id, uint32_t seq, bool final) {
    struct stored_row r = row(id, seq, final);

    sim_store_fold(s, &r, 1);
    sim_store_fold_done(s);
}

static void keeps_what_was_synced_only(void **state) {
    struct sim_store s;

    (void)state;
    sim_store_init(&s);
    append(&s, 1, 7, 1);
    assert_int_equal(s.batch_last, 0);
    sim_store_append_failed(&s);
    append(&s, 1, 7, 1);
    sim_store_append_done(&s);
    assert_int_equal(s.batch_last, 1);
    assert_int_equal(s.batch_count, 1);
    assert_null(s.broken);
    append(&s, 3, 7, 2);
    assert_non_null(s.broken);
    sim_store_done(&s);
}

static void a_trim_needs_rows(void **state) {
    struct sim_store s;

    (void)state;
    sim_store_init(&s);
    append(&s, 1, 7, 1);
    sim_store_append_done(&s);
    append(&s, 2, 7, 2);
    sim_store_append_done(&s);
    fold(&s, 7, 1, false);
    sim_store_trim(&s, 1);
    assert_null(s.broken);
    assert_int_equal(s.batch_count, 1);
    sim_store_trim(&s, 2);
    assert_non_null(s.broken);
    sim_store_done(&s);
}

static void older_rows_never_replace_newer_ones(void **state) {
    struct sim_store s;

    (void)state;
    sim_store_init(&s);
    fold(&s, 7, 5, false);
    fold(&s, 7, 4, false);
    assert_int_equal(sim_store_row(&s, STORED_TRANSACTION, 7)->seq, 5);
    fold(&s, 7, 6, true);
    assert_int_equal(sim_store_row(&s, STORED_TRANSACTION, 7)->seq, 6);
    assert_null(s.broken);
    fold(&s, 7, 7, false);
    assert_non_null(s.broken);
    sim_store_done(&s);
}

static void purges_final_rows_in_their_time(void **state) {
    struct sim_store s;

    (void)state;
    sim_store_init(&s);
    append(&s, 1, 7, 1);
    sim_store_append_done(&s);
    fold(&s, 7, 1, true);
    fold(&s, 8, 1, false);
    assert_true(sim_store_shows(&s, &s.rows.at[0])); /* its record is in the journal still */
    assert_int_equal(sim_store_purge(&s, 1000), 0);
    sim_store_trim(&s, 1);
    assert_false(sim_store_shows(&s, &s.rows.at[0]));
    assert_int_equal(sim_store_purge(&s, 99), 0);
    assert_int_equal(sim_store_purge(&s, 100), 1);
    assert_null(sim_store_row(&s, STORED_TRANSACTION, 7));
    assert_non_null(sim_store_row(&s, STORED_TRANSACTION, 8));
    sim_store_done(&s);
}

static void a_copy_is_equal_and_apart(void **state) {
    struct sim_store s, copy;

    (void)state;
    sim_store_init(&s);
    append(&s, 1, 7, 1);
    sim_store_append_done(&s);
    fold(&s, 7, 1, true);
    sim_store_copy(&copy, &s);
    sim_store_trim(&copy, 1);
    assert_int_equal(copy.batch_count, 0);
    assert_int_equal(s.batch_count, 1);
    assert_non_null(sim_store_find(&copy, STORED_TRANSACTION, 7, SLICE("gid")));
    assert_null(sim_store_find(&copy, STORED_TRANSACTION, 7, SLICE("other")));
    sim_store_done(&copy);
    sim_store_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_was_synced_only),
        cmocka_unit_test(a_trim_needs_rows),
        cmocka_unit_test(older_rows_never_replace_newer_ones),
        cmocka_unit_test(purges_final_rows_in_their_time),
        cmocka_unit_test(a_copy_is_equal_and_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
