#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/backup.h"
#include "store/scratch.h"
#include "store/sqlite_store.h"
#include "store/tar.h"
#include "store/upkeep.h"
#include "store/watermark.h"

struct fixture {
    char base[SCRATCH_PATH_BYTES];
    char directory[SCRATCH_PATH_BYTES + 16];
    char copy[SCRATCH_PATH_BYTES + 16];
    char other[SCRATCH_PATH_BYTES + 16];
    struct store *store;
    struct buffer report;
    struct why why;
    uint64_t batches;
    uint64_t rows;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    int code = scratch_make(f->base, true);
    snprintf(f->directory, sizeof f->directory, "%s/data", f->base);
    snprintf(f->copy, sizeof f->copy, "%s/copy", f->base);
    snprintf(f->other, sizeof f->other, "%s/other", f->base);
    buffer_init(&f->report, 65536);
    return code;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    store_close(f->store);
    scratch_remove(f->base);
    buffer_done(&f->report);
    free(f);
    return 0;
}

static bool reported(const struct fixture *f, const char *text) {
    return f->report.length > 0 && memmem(f->report.at, f->report.length, text, strlen(text)) != NULL;
}

static int open_at(struct fixture *f, const char *directory) {
    return sqlite_store_open(&f->store, directory, NULL, &f->why);
}

static void close_store(struct fixture *f) {
    store_close(f->store);
    f->store = NULL;
}

static struct stored_row row(uint64_t id, bool final) {
    return (struct stored_row){ .kind = STORED_TRANSACTION,
                                .id = id,
                                .key_hash = id,
                                .seq = 1,
                                .final = final,
                                .key = SLICE("key"),
                                .state = SLICE("state"),
                                .image = SLICE("an image of a thing") };
}

/* Thirty batches, ten of them trimmed, twenty rows. */
static void fill(struct fixture *f) {
    assert_int_equal(open_at(f, f->directory), 0);
    for (uint64_t seq = 1; seq <= 30; seq++) {
        assert_int_equal(f->store->ops->append(f->store, seq, SLICE("a batch of this store"), &f->why), 0);
        struct stored_row in = row(seq, seq % 2 == 0);
        if (seq <= 20)
            assert_int_equal(f->store->ops->fold(f->store, &in, 1, &f->why), 0);
    }
    assert_int_equal(f->store->ops->trim(f->store, 10, &f->why), 0);
}

static int see_row(void *self, const struct stored_row *in) {
    struct fixture *f = self;
    (void)in;
    f->rows++;
    return 0;
}

static int see_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    struct fixture *f = self;
    (void)epoch;
    (void)seq;
    (void)batch;
    f->batches++;
    return 0;
}

static void expect_content(struct fixture *f, uint64_t batches, uint64_t rows, uint64_t epoch) {
    struct store_visitor visit = { .row = see_row, .batch = see_batch, .self = f };
    struct store_usage usage;
    f->rows = f->batches = 0;
    assert_int_equal(f->store->ops->recover(f->store, &visit, &f->why), 0);
    assert_int_equal(f->batches, batches);
    assert_int_equal(f->rows, rows);
    f->store->ops->usage(f->store, &usage);
    assert_int_equal(usage.epoch, epoch);
}

static void read_all(const char *directory, const char *name, char **bytes, size_t *length) {
    assert_int_equal(scratch_read(directory, name, bytes, length), 0);
}

static void flip(const char *directory, const char *name, const char *text) {
    char *bytes = NULL;
    size_t length = 0;
    read_all(directory, name, &bytes, &length);
    char *found = memmem(bytes, length, text, strlen(text));
    assert_non_null(found);
    *found ^= 1;
    assert_int_equal(scratch_write(directory, name, slice_of(bytes, length)), 0);
    free(bytes);
}

static void verify_reads_and_changes_nothing(void **state) {
    struct fixture *f = *state;
    const char *const names[] = { "journal.db", "history.db", "watermark" };
    char *before[3] = { NULL };
    size_t lengths[3] = { 0 };
    assert_int_equal(upkeep_verify(f->directory, &f->report, &f->why), ERR_NOT_FOUND);
    fill(f);
    assert_int_equal(upkeep_verify(f->directory, &f->report, &f->why), ERR_LOCKED);
    close_store(f);
    for (int i = 0; i < 3; i++)
        read_all(f->directory, names[i], &before[i], &lengths[i]);
    assert_int_equal(upkeep_verify(f->directory, &f->report, &f->why), 0);
    assert_true(reported(f, "20 batches of 420 bytes, 11 to 30"));
    assert_true(reported(f, "20 rows in transactions"));
    assert_true(reported(f, "watermark: batch 30 of epoch 1"));
    assert_false(reported(f, "FAULT"));
    for (int i = 0; i < 3; i++) {
        char *after = NULL;
        size_t length = 0;
        read_all(f->directory, names[i], &after, &length);
        assert_int_equal(length, lengths[i]);
        assert_memory_equal(before[i], after, length);
        free(before[i]);
        free(after);
    }
    flip(f->directory, "journal.db", "a batch of this");
    flip(f->directory, "history.db", "an image of");
    assert_int_equal(upkeep_verify(f->directory, &f->report, &f->why), ERR_CORRUPT);
    assert_true(reported(f, "FAULT  journal.db: batch"));
    assert_true(reported(f, "FAULT  history.db: row"));
    assert_non_null(strstr(f->why.text, "2 of the checks"));
}

static void a_copy_is_put_in_place(void **state) {
    struct fixture *f = *state;
    struct backup_facts facts;
    struct stat found;
    char path[SCRATCH_PATH_BYTES * 2];
    fill(f);
    assert_int_equal(backup_copy(f->store, f->copy, &facts, &f->why), 0);
    assert_int_equal(facts.batch_last, 30);
    assert_int_equal(facts.batch_trimmed, 10);
    assert_int_equal(facts.rows[STORED_TRANSACTION], 20);
    assert_int_equal(backup_copy(f->store, f->copy, NULL, &f->why), ERR_CONFLICT); /* not empty */
    /* The original goes on; the copy does not follow. */
    assert_int_equal(f->store->ops->append(f->store, 31, SLICE("later"), &f->why), 0);
    close_store(f);
    snprintf(path, sizeof path, "%s/journal.db", f->copy);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(upkeep_verify(f->copy, &f->report, &f->why), 0);
    snprintf(path, sizeof path, "%s/journal.db-wal", f->copy);
    assert_int_equal(access(path, F_OK), -1); /* a copy stays a copy */
    assert_int_equal(open_at(f, f->copy), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "settle store restore"));
    assert_int_equal(upkeep_restore(f->copy, f->directory, &f->report, &f->why), ERR_CONFLICT);
    assert_int_equal(upkeep_restore(f->copy, f->other, &f->report, &f->why), 0);
    assert_true(reported(f, "Restored to batch 30; the epoch is now 1001."));
    assert_true(reported(f, "at least 10 transactions are unfinished"));
    assert_int_equal(upkeep_verify(f->other, &f->report, &f->why), 0);
    assert_int_equal(open_at(f, f->other), 0);
    expect_content(f, 20, 15, 1002);
    assert_int_equal(f->store->ops->append(f->store, 31, SLICE("goes on"), &f->why), 0);
    close_store(f);
    assert_int_equal(upkeep_restore(f->copy, f->other, &f->report, &f->why), ERR_CONFLICT);
}

static void an_archive_is_put_in_place(void **state) {
    struct fixture *f = *state;
    const char *const names[] = { "BACKUP.txt", "journal.db", "history.db" };
    char archive[SCRATCH_PATH_BYTES + 16];
    struct tar_pack *p = NULL;
    size_t got = 0;
    fill(f);
    assert_int_equal(backup_copy(f->store, f->copy, NULL, &f->why), 0);
    assert_int_equal(tar_pack_open(&p, f->copy, names, 3, &f->why), 0);
    char *bytes = malloc(tar_pack_bytes(p));
    assert_int_equal(tar_pack_read(p, bytes, tar_pack_bytes(p), &got, &f->why), 0);
    assert_int_equal(got, tar_pack_bytes(p));
    tar_pack_close(p);
    snprintf(archive, sizeof archive, "%s/a.tar", f->base);
    close_store(f);
    /* Cut anywhere, damaged in a batch, or whole. */
    for (size_t length = 0; length < got - 1024; length += got / 7) {
        assert_int_equal(scratch_write(f->base, "a.tar", slice_of(bytes, length)), 0);
        assert_int_equal(upkeep_restore(archive, f->other, &f->report, &f->why), ERR_CORRUPT);
        assert_int_equal(open_at(f, f->other), ERR_CORRUPT);
        scratch_remove(f->other);
    }
    char *batch = memmem(bytes, got, "a batch of this", 15);
    *batch ^= 1;
    assert_int_equal(scratch_write(f->base, "a.tar", slice_of(bytes, got)), 0);
    assert_int_equal(upkeep_restore(archive, f->other, &f->report, &f->why), ERR_CORRUPT);
    *batch ^= 1;
    assert_int_equal(scratch_write(f->base, "a.tar", slice_of(bytes, got)), 0);
    assert_int_equal(upkeep_restore(archive, f->other, &f->report, &f->why),
                     0); /* an interrupted one, again */
    assert_int_equal(open_at(f, f->other), 0);
    close_store(f);
    free(bytes);
}

static void what_is_no_copy_is_refused(void **state) {
    struct fixture *f = *state;
    assert_int_equal(upkeep_restore("/no/such/place", f->other, &f->report, &f->why), ERR_NOT_FOUND);
    assert_int_equal(upkeep_restore(f->base, f->other, &f->report, &f->why), ERR_NOT_FOUND);
    fill(f);
    assert_int_equal(upkeep_restore(f->directory, f->other, &f->report, &f->why), ERR_INVALID); /* live */
    assert_non_null(strstr(f->why.text, "write-ahead log"));
}

/* The rows of a copy are found by what they were hashed with. */
static void the_seed_goes_with_the_rows(void **state) {
    struct fixture *f = *state;
    fill(f);
    uint64_t seed = f->store->key_seed;
    assert_true(seed != 0);
    assert_int_equal(backup_copy(f->store, f->copy, NULL, &f->why), 0);
    close_store(f);
    assert_int_equal(upkeep_restore(f->copy, f->other, &f->report, &f->why), 0);
    assert_int_equal(upkeep_compact(f->other, &f->report, &f->why), 0);
    assert_int_equal(open_at(f, f->other), 0);
    assert_true(f->store->key_seed == seed);
}

static void compact_gives_room_back(void **state) {
    struct fixture *f = *state;
    char path[SCRATCH_PATH_BYTES * 2];
    struct stat before;
    struct stat after;
    char *large = calloc(1, 100000);
    fill(f);
    for (uint64_t seq = 31; seq <= 60; seq++)
        assert_int_equal(f->store->ops->append(f->store, seq, slice_of(large, 100000), &f->why), 0);
    assert_int_equal(f->store->ops->trim(f->store, 59, &f->why), 0);
    assert_int_equal(upkeep_compact(f->directory, &f->report, &f->why), ERR_LOCKED);
    close_store(f);
    snprintf(path, sizeof path, "%s/journal.db", f->directory);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(upkeep_compact(f->directory, &f->report, &f->why), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_true(after.st_size < before.st_size / 5);
    assert_int_equal(after.st_mode & 0777, 0600);
    assert_true(reported(f, "journal.db: "));
    assert_int_equal(upkeep_verify(f->directory, &f->report, &f->why), 0);
    assert_int_equal(open_at(f, f->directory), 0);
    expect_content(f, 1, 10, 2);
    assert_int_equal(f->store->ops->append(f->store, 61, SLICE("goes on"), &f->why), 0);
    free(large);
}

static void set_mark(struct fixture *f, uint64_t epoch, uint64_t seq) {
    struct watermark w;
    assert_int_equal(watermark_open(&w, f->directory, &f->why), 0);
    assert_int_equal(watermark_set(&w, 0, (struct watermark_line){ epoch, seq }, &f->why), 0);
    watermark_close(&w);
}

static void a_loss_is_explained_and_accepted(void **state) {
    struct fixture *f = *state;
    char *note = NULL;
    size_t length = 0;
    fill(f);
    close_store(f);
    assert_int_equal(upkeep_explain(f->directory, &f->report, &f->why), 0);
    assert_true(reported(f, "Nothing is missing"));
    assert_int_equal(upkeep_accept_loss(f->directory, SLICE("none"), &f->report, &f->why), ERR_CONFLICT);
    set_mark(f, 7, 42);
    assert_int_equal(open_at(f, f->directory), ERR_CORRUPT);
    buffer_clear(&f->report);
    assert_int_equal(upkeep_explain(f->directory, &f->report, &f->why), ERR_CORRUPT);
    assert_true(reported(f, "batch 42 (epoch 7) was durable"));
    assert_true(reported(f, "is batch 30 (epoch 1): 12 batches are gone"));
    assert_true(reported(f, "settle store accept-loss"));
    assert_int_equal(upkeep_verify(f->directory, &f->report, &f->why), ERR_CORRUPT);
    assert_int_equal(upkeep_compact(f->directory, &f->report, &f->why), ERR_CORRUPT);
    assert_int_equal(upkeep_accept_loss(f->directory, SLICE_NONE, &f->report, &f->why), ERR_INVALID);
    char long_reason[1025];
    memset(long_reason, 'r', sizeof long_reason);
    assert_int_equal(upkeep_accept_loss(f->directory, slice_of(long_reason, 1025), &f->report, &f->why),
                     ERR_INVALID);
    assert_int_equal(upkeep_accept_loss(f->directory, SLICE("disk died, ticket 881"), &f->report, &f->why),
                     0);
    assert_int_equal(scratch_read(f->directory, "loss-7-42.txt", &note, &length), 0);
    assert_non_null(memmem(note, length, "disk died, ticket 881", 21));
    assert_non_null(memmem(note, length, "batch 42 of epoch 7", 19));
    assert_non_null(memmem(note, length, "batch 30 of epoch 1", 19));
    free(note);
    assert_int_equal(open_at(f, f->directory), 0);
    expect_content(f, 20, 15, 7 + UPKEEP_EPOCH_STEP + 1);
    assert_int_equal(f->store->ops->append(f->store, 31, SLICE("goes on"), &f->why), 0);
}

static void a_missing_watermark_is_accepted_too(void **state) {
    struct fixture *f = *state;
    char path[SCRATCH_PATH_BYTES * 2];
    fill(f);
    close_store(f);
    snprintf(path, sizeof path, "%s/watermark", f->directory);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(upkeep_explain(f->directory, &f->report, &f->why), ERR_CORRUPT);
    assert_int_equal(upkeep_verify(f->directory, &f->report, &f->why), ERR_CORRUPT);
    assert_int_equal(upkeep_accept_loss(f->directory, SLICE("removed by hand"), &f->report, &f->why), 0);
    assert_int_equal(open_at(f, f->directory), 0);
    expect_content(f, 20, 15, 1 + UPKEEP_EPOCH_STEP + 1);
}

static void a_history_behind_is_accepted_too(void **state) {
    struct fixture *f = *state;
    char path[SCRATCH_PATH_BYTES * 2];
    sqlite3 *db = NULL;
    fill(f);
    close_store(f);
    snprintf(path, sizeof path, "%s/journal.db", f->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE fence SET history = history + 5", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(open_at(f, f->directory), ERR_CORRUPT);
    assert_int_equal(upkeep_explain(f->directory, &f->report, &f->why), ERR_CORRUPT);
    assert_true(reported(f, "trimmed after 25 writes to it, it has 20"));
    assert_int_equal(upkeep_verify(f->directory, &f->report, &f->why), ERR_CORRUPT);
    assert_int_equal(upkeep_accept_loss(f->directory, SLICE("known"), &f->report, &f->why), 0);
    assert_int_equal(open_at(f, f->directory), 0);
    expect_content(f, 20, 15, 1 + UPKEEP_EPOCH_STEP + 1);
}

/* A loss is not accepted over damage: that is what backups are for. */
static void damage_is_not_accepted(void **state) {
    struct fixture *f = *state;
    fill(f);
    close_store(f);
    set_mark(f, 7, 42);
    flip(f->directory, "journal.db", "a batch of this");
    assert_int_equal(upkeep_accept_loss(f->directory, SLICE("please"), &f->report, &f->why), ERR_CORRUPT);
    assert_int_equal(open_at(f, f->directory), ERR_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(verify_reads_and_changes_nothing), TEST(a_copy_is_put_in_place),
        TEST(an_archive_is_put_in_place),       TEST(what_is_no_copy_is_refused),
        TEST(the_seed_goes_with_the_rows),      TEST(compact_gives_room_back),
        TEST(a_loss_is_explained_and_accepted), TEST(a_missing_watermark_is_accepted_too),
        TEST(a_history_behind_is_accepted_too), TEST(damage_is_not_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
