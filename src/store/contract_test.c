/* The contract of store.h, held by every store alike. A new store is one row in the table at the end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/faulty.h"
#include "store/memory_store.h"
#include "store/scratch.h"
#include "store/sqlite_store.h"
#include "store/traced.h"

struct fixture;

struct kind_of_store {
    const char *name;
    int (*open)(struct fixture *f);
    bool lasts; /* keeps its content over close and open */
};

struct fixture {
    const struct kind_of_store *kind;
    char directory[SCRATCH_PATH_BYTES];
    struct store *store;
    struct why why;
    /* what a visitor has seen */
    struct stored_row rows[64];
    char keys[64][64];
    size_t row_count;
    uint64_t batches[64];
    char batch_first[64];
    uint64_t epochs[64];
    size_t batch_count;
    size_t key_count;
    uint64_t key_sum;
    size_t stop_after; /* 0: never */
};

static int see_row(void *self, const struct stored_row *row) {
    struct fixture *f = self;
    assert_true(f->row_count < 64);
    assert_true(row->key.length < 64);
    memcpy(f->keys[f->row_count], row->key.at, row->key.length);
    f->rows[f->row_count] = *row;
    f->rows[f->row_count].key.at = f->keys[f->row_count];
    f->row_count++;
    return f->stop_after != 0 && f->row_count == f->stop_after ? 77 : 0;
}

static int see_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    struct fixture *f = self;
    assert_true(f->batch_count < 64);
    f->batch_first[f->batch_count] = batch.length == 0 ? '\0' : batch.at[0];
    f->batches[f->batch_count] = seq;
    f->epochs[f->batch_count++] = epoch;
    return f->stop_after != 0 && f->batch_count == f->stop_after ? 77 : 0;
}

static int see_key(void *self, uint8_t kind, uint64_t key_hash) {
    struct fixture *f = self;
    (void)kind;
    f->key_count++;
    f->key_sum += key_hash;
    return f->stop_after != 0 && f->key_count == f->stop_after ? 77 : 0;
}

static struct store_visitor seeing(struct fixture *f) {
    f->row_count = f->batch_count = f->key_count = 0;
    f->key_sum = 0;
    return (struct store_visitor){ .row = see_row, .batch = see_batch, .key = see_key, .self = f };
}

static int recover(struct fixture *f) {
    struct store_visitor visit = seeing(f);
    return f->store->ops->recover(f->store, &visit, &f->why);
}

static int append(struct fixture *f, uint64_t seq, const char *text) {
    return f->store->ops->append(f->store, seq, slice_text(text), &f->why);
}

static int trim(struct fixture *f, uint64_t seq) {
    return f->store->ops->trim(f->store, seq, &f->why);
}

static int fold(struct fixture *f, const struct stored_row *rows, size_t count) {
    return f->store->ops->fold(f->store, rows, count, &f->why);
}

static int find(struct fixture *f, uint8_t kind, uint64_t key_hash) {
    struct store_visitor visit = seeing(f);
    return f->store->ops->find(f->store, kind, key_hash, &visit, &f->why);
}

static int scan(struct fixture *f, uint64_t before, bool ascending, size_t max) {
    struct store_visitor visit = seeing(f);
    return f->store->ops->scan(f->store, STORED_TRANSACTION, before, ascending, max, &visit, &f->why);
}

static size_t purge(struct fixture *f, uint64_t now_ms, uint64_t *cursor, size_t max) {
    size_t removed = 12345;
    assert_int_equal(
        f->store->ops->purge(f->store, STORED_TRANSACTION, now_ms, cursor, max, &removed, &f->why), 0);
    return removed;
}

static struct stored_row row(uint64_t id, uint32_t seq, bool final) {
    return (struct stored_row){ .kind = STORED_TRANSACTION,
                                .id = id,
                                .key_hash = id * UINT64_C(0x9e3779b97f4a7c15),
                                .seq = seq,
                                .final = final,
                                .purge_after_ms = 1000 + id,
                                .key = SLICE("a-key"),
                                .state = SLICE("committed"),
                                .image = SLICE("image") };
}

static void reopen(struct fixture *f) {
    if (!f->kind->lasts)
        return;
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(f->kind->open(f), 0);
}

/* Batches. */

static void an_empty_store_recovers_nothing(void **state) {
    struct fixture *f = *state;
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->row_count, 0);
    assert_int_equal(f->batch_count, 0);
    struct store_usage usage;
    f->store->ops->usage(f->store, &usage);
    assert_int_equal(usage.batch_last, 0);
    assert_int_equal(usage.batch_trimmed, 0);
    assert_true(usage.epoch >= 1);
}

static void batches_come_back_in_order(void **state) {
    struct fixture *f = *state;
    assert_int_equal(append(f, 1, "one"), 0);
    assert_int_equal(append(f, 2, ""), 0);
    assert_int_equal(append(f, 3, "three"), 0);
    reopen(f);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batch_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f->batches[i], i + 1);
    assert_int_equal(f->batch_first[0], 'o');
    assert_int_equal(f->batch_first[1], 0);
    assert_int_equal(f->batch_first[2], 't');
    assert_int_equal(append(f, 4, "four"), 0);
}

static void batches_tell_who_wrote_them(void **state) {
    struct fixture *f = *state;
    struct store_usage first;
    struct store_usage second;
    struct store_usage third;
    f->store->ops->usage(f->store, &first);
    assert_int_equal(append(f, 1, "one"), 0);
    assert_int_equal(append(f, 2, "two"), 0);
    reopen(f);
    f->store->ops->usage(f->store, &second);
    assert_int_equal(append(f, 3, "three"), 0);
    reopen(f);
    f->store->ops->usage(f->store, &third);
    assert_int_equal(first.epoch < second.epoch, f->kind->lasts);
    assert_int_equal(second.epoch < third.epoch, f->kind->lasts);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batch_count, 3);
    assert_int_equal(f->epochs[0], first.epoch);
    assert_int_equal(f->epochs[1], first.epoch);
    assert_int_equal(f->epochs[2], second.epoch);
}

static void numbers_have_no_gap(void **state) {
    struct fixture *f = *state;
    assert_int_equal(append(f, 0, "x"), ERR_INVALID);
    assert_int_equal(append(f, 2, "x"), ERR_INVALID);
    assert_int_equal(append(f, 1, "x"), 0);
    assert_int_equal(append(f, 3, "x"), ERR_INVALID);
    assert_int_equal(append(f, UINT64_MAX, "x"), ERR_INVALID);
    assert_int_equal(append(f, 2, "x"), 0);
}

static void the_last_batch_may_be_repeated(void **state) {
    struct fixture *f = *state;
    assert_int_equal(append(f, 1, "one"), 0);
    assert_int_equal(append(f, 2, "two"), 0);
    assert_int_equal(append(f, 2, "two"), 0);
    assert_int_equal(append(f, 2, "owt"), ERR_INVALID);
    assert_int_equal(append(f, 1, "one"), ERR_INVALID);
    reopen(f);
    assert_int_equal(append(f, 2, "two"), 0);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batch_count, 2);
}

static void a_batch_has_a_largest_size(void **state) {
    struct fixture *f = *state;
    char one = 'x';
    struct slice large = slice_of(&one, STORE_BATCH_BYTES_MAX + 1); /* its length is read, its bytes not */
    assert_int_equal(f->store->ops->append(f->store, 1, large, &f->why), ERR_LIMIT);
    char *bytes = calloc(1, 5 * 1024 * 1024);
    assert_non_null(bytes);
    bytes[0] = 'L';
    assert_int_equal(f->store->ops->append(f->store, 1, slice_of(bytes, 5 * 1024 * 1024), &f->why), 0);
    free(bytes);
    reopen(f);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batch_first[0], 'L');
}

static void trimmed_batches_stay_away(void **state) {
    struct fixture *f = *state;
    for (uint64_t seq = 1; seq <= 5; seq++)
        assert_int_equal(append(f, seq, "x"), 0);
    assert_int_equal(trim(f, 6), ERR_INVALID);
    assert_int_equal(trim(f, 3), 0);
    assert_int_equal(trim(f, 2), 0);
    assert_int_equal(trim(f, 0), 0);
    reopen(f);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batch_count, 2);
    assert_int_equal(f->batches[0], 4);
    assert_int_equal(trim(f, 5), 0);
    reopen(f);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batch_count, 0);
    assert_int_equal(append(f, 5, "x"), ERR_INVALID); /* trimmed: nothing to compare it with */
    assert_int_equal(append(f, 6, "x"), 0);
    struct store_usage usage;
    f->store->ops->usage(f->store, &usage);
    assert_int_equal(usage.batch_last, 6);
    assert_int_equal(usage.batch_trimmed, 5);
}

/* Rows. */

static void a_row_keeps_everything(void **state) {
    struct fixture *f = *state;
    struct stored_row in = row(STORE_ID_MAX, UINT32_MAX, true);
    in.key_hash = UINT64_MAX;
    in.purge_after_ms = UINT64_MAX;
    in.key = SLICE("k\0\xff'\"");
    in.state = SLICE_NONE;
    in.image = SLICE("\0\1\2");
    assert_int_equal(fold(f, &in, 1), 0);
    reopen(f);
    assert_int_equal(find(f, STORED_TRANSACTION, UINT64_MAX), 0);
    assert_int_equal(f->row_count, 1);
    const struct stored_row *out = &f->rows[0];
    assert_int_equal(out->kind, in.kind);
    assert_true(out->id == in.id);
    assert_true(out->key_hash == in.key_hash);
    assert_int_equal(out->seq, in.seq);
    assert_true(out->final);
    assert_true(out->purge_after_ms == in.purge_after_ms);
    assert_true(slice_equal(out->key, in.key));
    assert_int_equal(out->state.length, 0);
    assert_int_equal(out->image.length, 3);
}

static void rows_outside_the_rules_are_refused(void **state) {
    struct fixture *f = *state;
    struct stored_row rows[2] = { row(1, 1, true), row(0, 1, true) };
    assert_int_equal(fold(f, rows, 2), ERR_INVALID);
    rows[1].id = STORE_ID_MAX + 1;
    assert_int_equal(fold(f, rows, 2), ERR_INVALID);
    rows[1] = row(2, 1, true);
    rows[1].kind = 0;
    assert_int_equal(fold(f, rows, 2), ERR_INVALID);
    rows[1].kind = STORED_KIND_END;
    assert_int_equal(fold(f, rows, 2), ERR_INVALID);
    rows[1] = row(2, 1, true);
    rows[1].image.length = STORE_ROW_BYTES_MAX + 1;
    assert_int_equal(fold(f, rows, 2), ERR_LIMIT);
    assert_int_equal(scan(f, UINT64_MAX, false, 10), 0);
    assert_int_equal(f->row_count, 0); /* all or none */
    assert_int_equal(fold(f, rows, 0), 0);
}

static void a_row_never_goes_back(void **state) {
    struct fixture *f = *state;
    struct stored_row in = row(7, 5, false);
    assert_int_equal(fold(f, &in, 1), 0);
    in.seq = 4;
    in.state = SLICE("older");
    assert_int_equal(fold(f, &in, 1), 0);
    assert_int_equal(find(f, STORED_TRANSACTION, in.key_hash), 0);
    assert_int_equal(f->rows[0].seq, 5);
    assert_int_equal(f->rows[0].state.length, 9);
    in.seq = 5;
    in.state = SLICE("same");
    assert_int_equal(fold(f, &in, 1), 0);
    in.seq = 6;
    in.key_hash = 99;
    assert_int_equal(fold(f, &in, 1), 0);
    reopen(f);
    assert_int_equal(find(f, STORED_TRANSACTION, row(7, 1, false).key_hash), 0);
    assert_int_equal(f->row_count, 0);
    assert_int_equal(find(f, STORED_TRANSACTION, 99), 0);
    assert_int_equal(f->row_count, 1);
    assert_int_equal(f->rows[0].seq, 6);
    uint64_t counts[STORED_KIND_END];
    assert_int_equal(f->store->ops->count(f->store, counts, &f->why), 0);
    assert_int_equal(counts[STORED_TRANSACTION], 1);
}

static void kinds_are_apart(void **state) {
    struct fixture *f = *state;
    struct stored_row rows[STORED_KIND_END - 1];
    for (uint8_t kind = 1; kind < STORED_KIND_END; kind++) {
        rows[kind - 1] = row(1, 1, true);
        rows[kind - 1].kind = kind;
    }
    assert_int_equal(fold(f, rows, STORED_KIND_END - 1), 0);
    for (uint8_t kind = 1; kind < STORED_KIND_END; kind++) {
        assert_int_equal(find(f, kind, rows[0].key_hash), 0);
        assert_int_equal(f->row_count, 1);
        assert_int_equal(f->rows[0].kind, kind);
    }
    uint64_t counts[STORED_KIND_END];
    assert_int_equal(f->store->ops->count(f->store, counts, &f->why), 0);
    assert_int_equal(counts[0], 0);
    for (uint8_t kind = 1; kind < STORED_KIND_END; kind++)
        assert_int_equal(counts[kind], 1);
}

static void equal_hashes_are_all_found(void **state) {
    struct fixture *f = *state;
    struct stored_row rows[3] = { row(1, 1, true), row(2, 1, true), row(3, 1, true) };
    rows[0].key_hash = rows[2].key_hash = 5;
    assert_int_equal(fold(f, rows, 3), 0);
    assert_int_equal(find(f, STORED_TRANSACTION, 5), 0);
    assert_int_equal(f->row_count, 2);
    assert_int_equal(f->rows[0].id, 3); /* newest first */
    assert_int_equal(find(f, STORED_TRANSACTION, 6), 0);
    assert_int_equal(f->row_count, 0);
    f->stop_after = 1;
    assert_int_equal(find(f, STORED_TRANSACTION, 5), 77);
    assert_int_equal(f->row_count, 1);
    f->stop_after = 0;
    struct store_visitor visit = seeing(f);
    assert_int_equal(f->store->ops->keys(f->store, STORED_TRANSACTION, &visit, &f->why), 0);
    assert_int_equal(f->key_count, 3);
    assert_true(f->key_sum == 5 + 5 + rows[1].key_hash);
    f->stop_after = 2;
    visit = seeing(f);
    assert_int_equal(f->store->ops->keys(f->store, STORED_TRANSACTION, &visit, &f->why), 77);
}

static void expect_ids(struct fixture *f, const char *ids) {
    char seen[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < f->row_count; i++)
        used +=
            (size_t)snprintf(seen + used, sizeof seen - used, "%s%" PRIu64, i == 0 ? "" : " ", f->rows[i].id);
    assert_string_equal(seen, ids);
}

static void scans_go_both_ways(void **state) {
    struct fixture *f = *state;
    for (uint64_t id = 10; id <= 50; id += 10) {
        struct stored_row in = row(id == 30 ? 50 : id == 50 ? 30 : id, 1, true);
        assert_int_equal(fold(f, &in, 1), 0);
    }
    const struct {
        uint64_t from;
        bool ascending;
        size_t max;
        const char *ids;
    } cases[] = {
        { UINT64_MAX, false, 9, "50 40 30 20 10" },
        { UINT64_MAX, false, 2, "50 40" },
        { 40, false, 9, "30 20 10" },
        { 41, false, 9, "40 30 20 10" },
        { 10, false, 9, "" },
        { 0, false, 9, "" },
        { 0, true, 9, "10 20 30 40 50" },
        { 0, true, 1, "10" },
        { 20, true, 9, "30 40 50" },
        { 19, true, 9, "20 30 40 50" },
        { 50, true, 9, "" },
        { UINT64_MAX, true, 9, "" },
        { STORE_ID_MAX, true, 9, "" },
        { STORE_ID_MAX, false, 9, "50 40 30 20 10" },
        { UINT64_MAX, false, 0, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(scan(f, cases[i].from, cases[i].ascending, cases[i].max), 0);
        expect_ids(f, cases[i].ids);
    }
    assert_int_equal(scan(f, UINT64_MAX, false, SIZE_MAX), 0);
    assert_int_equal(f->row_count, 5);
    f->stop_after = 2;
    assert_int_equal(scan(f, 0, true, 9), 77);
    expect_ids(f, "10 20");
}

/* Both together. */

static void recovery_shows_what_is_owed(void **state) {
    struct fixture *f = *state;
    struct stored_row early[2] = { row(1, 2, true), row(2, 2, false) };
    struct stored_row late[2] = { row(3, 9, true), row(4, 9, false) };
    assert_int_equal(append(f, 1, "a"), 0);
    assert_int_equal(fold(f, early, 2), 0);
    assert_int_equal(append(f, 2, "b"), 0);
    assert_int_equal(fold(f, late, 2), 0);
    assert_int_equal(trim(f, 1), 0);
    reopen(f);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batch_count, 1);
    bool seen[5] = { false };
    for (size_t i = 0; i < f->row_count; i++)
        seen[f->rows[i].id] = true;
    assert_false(seen[1]); /* final, and its records are trimmed */
    assert_true(seen[2]);
    assert_true(seen[3]); /* final, but its records may be in batch 2 */
    assert_true(seen[4]);
    assert_int_equal(trim(f, 2), 0);
    reopen(f);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->row_count, 2);
    f->stop_after = 1;
    assert_int_equal(recover(f), 77);
}

static void purge_spares_what_is_owed(void **state) {
    struct fixture *f = *state;
    struct stored_row rows[4] = { row(1, 1, true), row(2, 1, false), row(3, 1, true), row(4, 1, true) };
    uint64_t cursor = 0;
    assert_int_equal(append(f, 1, "a"), 0);
    assert_int_equal(fold(f, rows, 4), 0);
    assert_int_equal(purge(f, 100000, &cursor, 10), 0); /* the journal still has their records */
    assert_int_equal(cursor, 0);
    assert_int_equal(trim(f, 1), 0);
    assert_int_equal(purge(f, 1000, &cursor, 10), 0);
    assert_int_equal(purge(f, 1001, &cursor, 10), 1);
    assert_int_equal(purge(f, 1001, &cursor, 10), 0);
    assert_int_equal(purge(f, 1003, &cursor, 1), 0); /* looks at 2 only, which is not final */
    assert_int_equal(cursor, 2);
    assert_int_equal(purge(f, 1003, &cursor, 1), 1);
    while (cursor != 0)
        assert_int_equal(purge(f, 1003, &cursor, 1), 0);
    reopen(f);
    assert_int_equal(scan(f, 0, true, 10), 0);
    expect_ids(f, "2 4");
    uint64_t counts[STORED_KIND_END];
    assert_int_equal(f->store->ops->count(f->store, counts, &f->why), 0);
    assert_int_equal(counts[STORED_TRANSACTION], 2);
    assert_int_equal(purge(f, UINT64_MAX, &cursor, SIZE_MAX), 1);
    assert_int_equal(scan(f, 0, true, 10), 0);
    expect_ids(f, "2");
    assert_int_equal(find(f, STORED_TRANSACTION, rows[3].key_hash), 0);
    assert_int_equal(f->row_count, 0);
}

static void a_purged_thing_may_come_again(void **state) {
    struct fixture *f = *state;
    struct stored_row in = row(1, 9, true);
    uint64_t cursor = 0;
    assert_int_equal(fold(f, &in, 1), 0);
    assert_int_equal(purge(f, UINT64_MAX, &cursor, 10), 1);
    in.seq = 1;
    assert_int_equal(fold(f, &in, 1), 0);
    assert_int_equal(find(f, STORED_TRANSACTION, in.key_hash), 0);
    assert_int_equal(f->row_count, 1);
}

static void epochs_grow(void **state) {
    struct fixture *f = *state;
    struct store_usage before;
    struct store_usage after;
    f->store->ops->usage(f->store, &before);
    assert_int_equal(append(f, 1, "x"), 0);
    reopen(f);
    f->store->ops->usage(f->store, &after);
    assert_int_equal(after.epoch, before.epoch + (f->kind->lasts ? 1 : 0));
    assert_int_equal(after.batch_last, 1);
}

static void a_seed_lasts_as_long_as_its_store(void **state) {
    struct fixture *f = *state;
    uint64_t seed = f->store->key_seed;
    assert_true(seed != 0);
    reopen(f);
    assert_true(f->store->key_seed == seed);
}

static void many_turns(void **state) {
    struct fixture *f = *state;
    for (uint64_t turn = 1; turn <= 300; turn++) {
        struct stored_row in = row(turn, 2, turn % 10 != 0);
        assert_int_equal(append(f, turn, "a turn"), 0);
        assert_int_equal(fold(f, &in, 1), 0);
        if (turn % 16 == 0)
            assert_int_equal(trim(f, turn), 0);
        if (turn % 100 == 0)
            reopen(f);
    }
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batch_count, 300 % 16);
    assert_int_equal(f->row_count, 30 + 300 % 16 - 2); /* 290 and 300 are not final */
    assert_int_equal(scan(f, 288, false, 3), 0);
    expect_ids(f, "287 286 285");
}

/* The stores. */

static int open_memory(struct fixture *f) {
    return memory_store_new(&f->store, &f->why);
}

static int open_sqlite(struct fixture *f) {
    return sqlite_store_open(&f->store, f->directory, NULL, &f->why);
}

static void ignore_line(void *self, struct slice line) {
    (void)self;
    assert_true(line.length > 0);
}

static int open_traced(struct fixture *f) {
    struct store *inner = NULL;
    int code = memory_store_new(&inner, &f->why);
    return code == 0 ? traced_new(inner, ignore_line, NULL, &f->store, &f->why) : code;
}

static int open_faulty(struct fixture *f) {
    const struct faulty_plan none = { .seed = 1 };
    struct store *inner = NULL;
    int code = sqlite_store_open(&inner, f->directory, NULL, &f->why);
    return code == 0 ? faulty_new(inner, &none, &f->store, &f->why) : code;
}

static const struct kind_of_store kinds[] = {
    { "memory", open_memory, false },
    { "sqlite", open_sqlite, true },
    { "traced(memory)", open_traced, false },
    { "faulty(sqlite)", open_faulty, true },
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->kind = *state;
    *state = f;
    assert_int_equal(scratch_make(f->directory, true), 0);
    int code = f->kind->open(f);
    if (code != 0)
        print_error("%s: %s\n", f->kind->name, f->why.text);
    return code;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    store_close(f->store);
    scratch_remove(f->directory);
    free(f);
    return 0;
}

#define TEST(name) \
    { #name, name, set_up, tear_down, NULL }

int main(void) {
    struct CMUnitTest tests[] = {
        TEST(an_empty_store_recovers_nothing),
        TEST(batches_come_back_in_order),
        TEST(batches_tell_who_wrote_them),
        TEST(numbers_have_no_gap),
        TEST(the_last_batch_may_be_repeated),
        TEST(a_batch_has_a_largest_size),
        TEST(trimmed_batches_stay_away),
        TEST(a_row_keeps_everything),
        TEST(rows_outside_the_rules_are_refused),
        TEST(a_row_never_goes_back),
        TEST(kinds_are_apart),
        TEST(equal_hashes_are_all_found),
        TEST(scans_go_both_ways),
        TEST(recovery_shows_what_is_owed),
        TEST(purge_spares_what_is_owed),
        TEST(a_purged_thing_may_come_again),
        TEST(epochs_grow),
        TEST(a_seed_lasts_as_long_as_its_store),
        TEST(many_turns),
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (size_t j = 0; j < sizeof tests / sizeof tests[0]; j++)
            tests[j].initial_state = (void *)&kinds[i];
        failed += cmocka_run_group_tests_name(kinds[i].name, tests, NULL, NULL);
    }
    return failed;
}
