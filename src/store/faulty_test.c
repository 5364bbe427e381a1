/* The two wrappers: what they tell, and what they spoil. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "store/faulty.h"
#include "store/memory_store.h"
#include "store/traced.h"

static struct store *new_memory(void) {
    struct store *s = NULL;
    assert_int_equal(memory_store_new(&s, NULL), 0);
    return s;
}

static struct store *spoil(const struct faulty_plan *plan) {
    struct store *s = NULL;
    assert_int_equal(faulty_new(new_memory(), plan, &s, NULL), 0);
    return s;
}

static int ignore_row(void *self, const struct stored_row *row) {
    (void)self;
    (void)row;
    return 0;
}

static int ignore_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    (void)self;
    (void)epoch;
    (void)seq;
    (void)batch;
    return 0;
}

static int ignore_key(void *self, uint8_t kind, uint64_t key_hash) {
    (void)self;
    (void)kind;
    (void)key_hash;
    return 0;
}

static const struct store_visitor ignoring = { .row = ignore_row, .batch = ignore_batch, .key = ignore_key };

static struct stored_row row(uint64_t id) {
    return (
        struct stored_row){ .kind = STORED_TRANSACTION, .id = id, .key_hash = 9, .seq = 1, .final = true };
}

static void add_line(void *self, struct slice line) {
    struct buffer *script = self;
    buffer_add_slice(script, line);
    buffer_add_byte(script, '\n');
}

static void every_call_is_told(void **state) {
    const struct faulty_rule rules[] = { { FAULTY_APPEND, 2, 1, FAULTY_SPACE } };
    const struct faulty_plan plan = { .rules = rules, .rule_count = 1 };
    struct stored_row rows[2] = { row(5), row(6) };
    struct buffer script;
    struct store *s = NULL;
    uint64_t counts[STORED_KIND_END];
    uint64_t cursor = 0;
    size_t removed = 77;
    (void)state;
    buffer_init(&script, 65536);
    assert_int_equal(traced_new(spoil(&plan), add_line, &script, &s, NULL), 0);
    assert_int_equal(s->ops->append(s, 1, SLICE("12345"), NULL), 0);
    assert_int_equal(s->ops->append(s, 2, SLICE("1"), NULL), ERR_SPACE);
    assert_int_equal(s->ops->append(s, 9, SLICE("1"), NULL), ERR_INVALID);
    assert_int_equal(s->ops->fold(s, rows, 2, NULL), 0);
    assert_int_equal(s->ops->fold(s, rows, 0, NULL), 0);
    assert_int_equal(s->ops->recover(s, &ignoring, NULL), 0);
    assert_int_equal(s->ops->find(s, STORED_TRANSACTION, 9, &ignoring, NULL), 0);
    assert_int_equal(s->ops->scan(s, STORED_TRANSACTION, 6, false, 50, &ignoring, NULL), 0);
    assert_int_equal(s->ops->scan(s, STORED_TRANSACTION, 6, true, 50, &ignoring, NULL), 0);
    assert_int_equal(s->ops->keys(s, STORED_ANSWER, &ignoring, NULL), 0);
    assert_int_equal(s->ops->trim(s, 1, NULL), 0);
    assert_int_equal(s->ops->purge(s, STORED_TRANSACTION, 1, &cursor, 1, &removed, NULL), 0);
    assert_int_equal(removed, 1);
    assert_int_equal(s->ops->count(s, counts, NULL), 0);
    store_close(s);
    buffer_add_byte(&script, '\0');
    assert_string_equal(script.at, "append 1 of 5 bytes: success\n"
                                   "append 2 of 1 bytes: no space left\n"
                                   "append 9 of 1 bytes: invalid value\n"
                                   "fold 2 rows, transactions 5 to transactions 6: success\n"
                                   "fold 0 rows: success\n"
                                   "recover: success, 2 rows, 1 batches\n"
                                   "find transactions 9: success, 2 rows\n"
                                   "scan transactions below 6, at most 50: success, 1 rows\n"
                                   "scan transactions above 6, at most 50: success, 0 rows\n"
                                   "keys of answers: success, 0\n"
                                   "trim to 1: success\n"
                                   "purge transactions after 0: success, 1 removed\n"
                                   "count: success\n"
                                   "close\n");
    buffer_done(&script);
}

static void unknown_comes_before_or_after_the_deed(void **state) {
    const struct faulty_rule rules[] = {
        { FAULTY_APPEND, 1, 1, FAULTY_UNKNOWN_BEFORE }, { FAULTY_APPEND, 3, 1, FAULTY_UNKNOWN_AFTER },
        { FAULTY_FOLD, 1, 1, FAULTY_UNKNOWN_AFTER },    { FAULTY_TRIM, 1, 1, FAULTY_UNKNOWN_AFTER },
        { FAULTY_PURGE, 1, 1, FAULTY_UNKNOWN_AFTER },
    };
    const struct faulty_plan plan = { .rules = rules, .rule_count = 5 };
    struct store *s = spoil(&plan);
    struct stored_row in = row(1);
    struct store_usage usage;
    uint64_t cursor = 0;
    size_t removed = 77;
    (void)state;
    assert_int_equal(s->ops->append(s, 1, SLICE("a"), NULL), ERR_UNKNOWN);
    s->ops->usage(s, &usage);
    assert_int_equal(usage.batch_last, 0);
    assert_int_equal(s->ops->append(s, 2, SLICE("b"), NULL), ERR_INVALID); /* first the unknown one */
    assert_int_equal(s->ops->append(s, 1, SLICE("a"), NULL), 0);
    assert_int_equal(s->ops->append(s, 2, SLICE("b"), NULL), ERR_UNKNOWN);
    s->ops->usage(s, &usage);
    assert_int_equal(usage.batch_last, 2);
    assert_int_equal(s->ops->append(s, 3, SLICE("c"), NULL), ERR_INVALID);
    assert_int_equal(s->ops->append(s, 2, SLICE("b"), NULL), 0);
    assert_int_equal(s->ops->append(s, 3, SLICE("c"), NULL), 0);
    assert_int_equal(s->ops->fold(s, &in, 1, NULL), ERR_UNKNOWN);
    assert_int_equal(s->ops->fold(s, &in, 1, NULL), 0);
    assert_int_equal(s->ops->trim(s, 3, NULL), ERR_UNKNOWN);
    assert_int_equal(s->ops->trim(s, 3, NULL), 0);
    assert_int_equal(s->ops->purge(s, STORED_TRANSACTION, 1, &cursor, 9, &removed, NULL), ERR_UNKNOWN);
    assert_int_equal(removed, 77);
    assert_int_equal(s->ops->purge(s, STORED_TRANSACTION, 1, &cursor, 9, &removed, NULL), 0);
    assert_int_equal(removed, 0); /* it was done the first time */
    assert_int_equal(faulty_count(s, FAULTY_UNKNOWN_BEFORE), 1);
    assert_int_equal(faulty_count(s, FAULTY_UNKNOWN_AFTER), 4);
    store_close(s);
}

static void a_failure_is_for_good(void **state) {
    const enum faulty_fault faults[] = { FAULTY_IO_BEFORE, FAULTY_IO_AFTER };
    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct faulty_rule rules[] = { { FAULTY_APPEND, 2, 1, faults[i] } };
        const struct faulty_plan plan = { .rules = rules, .rule_count = 1 };
        struct store *s = spoil(&plan);
        struct store_usage usage;
        struct stored_row in = row(1);
        assert_int_equal(s->ops->append(s, 1, SLICE("a"), NULL), 0);
        assert_int_equal(s->ops->append(s, 2, SLICE("b"), NULL), ERR_IO);
        s->ops->usage(s, &usage);
        assert_int_equal(usage.batch_last, 1 + i);
        assert_int_equal(s->ops->append(s, 2, SLICE("b"), NULL), ERR_IO);
        assert_int_equal(s->ops->fold(s, &in, 1, NULL), ERR_IO);
        assert_int_equal(s->ops->find(s, STORED_TRANSACTION, 9, &ignoring, NULL), ERR_IO);
        store_close(s);
    }
}

static void count_delay(void *self, uint32_t delay_ms) {
    *(uint32_t *)self += delay_ms;
}

static void a_seed_gives_the_same_faults(void **state) {
    uint64_t spaces[3] = { 0 };
    uint32_t late_ms[3] = { 0 };
    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct faulty_plan plan = { .seed = i == 2 ? 8 : 7,
                                          .per_million = { [FAULTY_SPACE] = 100000, [FAULTY_LATE] = 50000 },
                                          .delay_ms = 3,
                                          .delay = count_delay,
                                          .self = &late_ms[i] };
        struct store *s = spoil(&plan);
        uint64_t seq = 1;
        for (int call = 0; call < 3000; call++) {
            int code = s->ops->append(s, seq, SLICE("a"), NULL);
            assert_true(code == 0 || code == ERR_SPACE);
            seq += code == 0;
            spaces[i] = spaces[i] * 31 + (code != 0);
            /* Reads in between draw from their own stream. */
            if (i == 1)
                assert_int_equal(s->ops->find(s, STORED_TRANSACTION, 1, &ignoring, NULL), 0);
        }
        assert_true(faulty_count(s, FAULTY_SPACE) > 200 && faulty_count(s, FAULTY_SPACE) < 400);
        assert_true(late_ms[i] > 100);
        store_close(s);
    }
    assert_true(spaces[0] == spaces[1]);
    assert_true(spaces[0] != spaces[2]);
}

static void a_copy_is_on_its_own(void **state) {
    struct store *s = new_memory();
    struct store *copy = NULL;
    struct store_usage usage;
    struct stored_row in = row(1);
    uint64_t counts[STORED_KIND_END];
    (void)state;
    for (uint64_t seq = 1; seq <= 5; seq++)
        assert_int_equal(s->ops->append(s, seq, SLICE("a"), NULL), 0);
    assert_int_equal(s->ops->fold(s, &in, 1, NULL), 0);
    assert_int_equal(s->ops->trim(s, 2, NULL), 0);
    assert_int_equal(memory_store_copy(s, &copy, NULL), 0);
    assert_int_equal(s->ops->append(s, 6, SLICE("a"), NULL), 0);
    copy->ops->usage(copy, &usage);
    assert_int_equal(usage.batch_last, 5);
    assert_int_equal(usage.batch_trimmed, 2);
    assert_int_equal(usage.epoch, 2);
    assert_int_equal(copy->ops->append(copy, 6, SLICE("other"), NULL), 0);
    store_close(s);
    assert_int_equal(copy->ops->count(copy, counts, NULL), 0);
    assert_int_equal(counts[STORED_TRANSACTION], 1);
    store_close(copy);
    store_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_told),    cmocka_unit_test(unknown_comes_before_or_after_the_deed),
        cmocka_unit_test(a_failure_is_for_good), cmocka_unit_test(a_seed_gives_the_same_faults),
        cmocka_unit_test(a_copy_is_on_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
