/* The embedded store on real files: who may open them, what is refused, what a damaged byte does (P3, P7, P8,
 * R5). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/scratch.h"
#include "store/sqlite_history.h"
#include "store/sqlite_journal.h"
#include "store/sqlite_store.h"
#include "store/watermark.h"

struct fixture {
    char base[SCRATCH_PATH_BYTES];
    char directory[SCRATCH_PATH_BYTES + 16];
    struct store *store;
    struct why why;
    uint64_t batches;
    uint64_t rows;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    int code = scratch_make(f->base, true);
    snprintf(f->directory, sizeof f->directory, "%s/data", f->base);
    return code;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    store_close(f->store);
    scratch_remove(f->base);
    free(f);
    return 0;
}

static int open_store(struct fixture *f) {
    return sqlite_store_open(&f->store, f->directory, NULL, &f->why);
}

static void close_store(struct fixture *f) {
    store_close(f->store);
    f->store = NULL;
}

static int append(struct fixture *f, uint64_t seq) {
    char text[64];
    snprintf(text, sizeof text, "this is the batch with number %06llu", (unsigned long long)seq);
    return f->store->ops->append(f->store, seq, slice_text(text), &f->why);
}

static int count_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    struct fixture *f = self;
    (void)epoch;
    char text[64];
    snprintf(text, sizeof text, "this is the batch with number %06llu", (unsigned long long)seq);
    assert_true(slice_is(batch, text));
    f->batches++;
    return 0;
}

static int count_row(void *self, const struct stored_row *row) {
    struct fixture *f = self;
    assert_true(slice_is(row->image, "an image of a thing"));
    f->rows++;
    return 0;
}

static int recover(struct fixture *f) {
    struct store_visitor visit = { .row = count_row, .batch = count_batch, .self = f };
    f->batches = f->rows = 0;
    return f->store->ops->recover(f->store, &visit, &f->why);
}

static int find(struct fixture *f, uint64_t key_hash) {
    struct store_visitor visit = { .row = count_row, .self = f };
    f->rows = 0;
    return f->store->ops->find(f->store, STORED_TRANSACTION, key_hash, &visit, &f->why);
}

static struct stored_row row(uint64_t id) {
    return (struct stored_row){ .kind = STORED_TRANSACTION,
                                .id = id,
                                .key_hash = id * UINT64_C(0x9e3779b97f4a7c15),
                                .seq = 3,
                                .key = SLICE("order-4711"),
                                .state = SLICE("running"),
                                .image = SLICE("an image of a thing") };
}

/* Ten batches and two rows. */
static void fill(struct fixture *f) {
    struct stored_row rows[2] = { row(1), row(2) };
    assert_int_equal(open_store(f), 0);
    for (uint64_t seq = 1; seq <= 10; seq++)
        assert_int_equal(append(f, seq), 0);
    assert_int_equal(f->store->ops->fold(f->store, rows, 2, &f->why), 0);
}

static void path_of(const struct fixture *f, const char *name, char path[512]) {
    snprintf(path, 512, "%s/%s", f->directory, name);
}

static bool exists(const struct fixture *f, const char *name) {
    char path[512];
    path_of(f, name, path);
    return access(path, F_OK) == 0;
}

static unsigned mode_of(const struct fixture *f, const char *name) {
    char path[512];
    struct stat found;
    path_of(f, name, path);
    assert_int_equal(stat(path, &found), 0);
    return found.st_mode & 0777;
}

static void change_by_hand(const struct fixture *f, const char *name, const char *sql) {
    char path[512];
    sqlite3 *db = NULL;
    path_of(f, name, path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void files_are_private(void **state) {
    struct fixture *f = *state;
    umask(0);
    fill(f);
    assert_int_equal(mode_of(f, "."), 0700);
    const char *const names[] = { "journal.db",     "journal.db-wal", "history.db",
                                  "history.db-wal", "watermark",      "lock" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(mode_of(f, names[i]), 0600);
    assert_false(exists(f, "journal.db-shm"));
    close_store(f);
    assert_false(exists(f, "journal.db-wal")); /* a stopped store is two files */
    assert_false(exists(f, "history.db-wal"));
    umask(077);
}

static void a_second_owner_is_refused(void **state) {
    struct fixture *f = *state;
    struct store *second = NULL;
    char number[32];
    fill(f);
    assert_int_equal(sqlite_store_open(&second, f->directory, NULL, &f->why), ERR_LOCKED);
    snprintf(number, sizeof number, "process %ld ", (long)getpid());
    assert_non_null(strstr(f->why.text, number));
    pid_t child = fork();
    if (child == 0)
        _exit(sqlite_store_open(&second, f->directory, NULL, NULL) == ERR_LOCKED ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(append(f, 11), 0);
    close_store(f);
    assert_int_equal(open_store(f), 0);
}

/* A child writes and dies without a word, as under kill -9. */
static void write_and_die(struct fixture *f, uint64_t batches) {
    pid_t child = fork();
    if (child == 0) {
        if (open_store(f) != 0)
            _exit(1);
        for (uint64_t seq = 1; seq <= batches; seq++)
            if (append(f, seq) != 0)
                _exit(2);
        _exit(0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static void a_killed_owner_loses_nothing(void **state) {
    struct fixture *f = *state;
    write_and_die(f, 200);
    assert_true(exists(f, "journal.db-wal"));
    assert_int_equal(open_store(f), 0);
    assert_int_equal(recover(f), 0);
    assert_int_equal(f->batches, 200);
}

static void flip(const struct fixture *f, const char *name, size_t at) {
    char *bytes = NULL;
    size_t length = 0;
    assert_int_equal(scratch_read(f->directory, name, &bytes, &length), 0);
    assert_true(at < length);
    bytes[at] = (char)(bytes[at] ^ 0x10);
    assert_int_equal(scratch_write(f->directory, name, slice_of(bytes, length)), 0);
    free(bytes);
}

static size_t place_of(const struct fixture *f, const char *name, const char *text) {
    char *bytes = NULL;
    size_t length = 0;
    assert_int_equal(scratch_read(f->directory, name, &bytes, &length), 0);
    const char *found = memmem(bytes, length, text, strlen(text));
    assert_non_null(found);
    size_t place = (size_t)(found - bytes);
    free(bytes);
    return place;
}

/* SQLite alone would have dropped everything behind the flipped bit, and called the rest fine. */
static void a_flipped_bit_in_the_log_is_noticed(void **state) {
    struct fixture *f = *state;
    char *before = NULL;
    char *after = NULL;
    size_t length_before = 0;
    size_t length_after = 0;
    write_and_die(f, 200);
    flip(f, "journal.db-wal", place_of(f, "journal.db-wal", "number 000050") + 7);
    assert_int_equal(scratch_read(f->directory, "journal.db-wal", &before, &length_before), 0);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "journal.db is behind its watermark: batch 200 of epoch 1 was"));
    assert_non_null(strstr(f->why.text, "is batch 49 of epoch 1"));
    /* The log is left as it is: it may still be repaired. */
    assert_int_equal(scratch_read(f->directory, "journal.db-wal", &after, &length_after), 0);
    assert_int_equal(length_before, length_after);
    assert_memory_equal(before, after, length_before);
    free(before);
    free(after);
    assert_int_equal(open_store(f), ERR_CORRUPT); /* and again */
}

/* The same in the history's log: the journal was trimmed for rows that are gone with the tail. */
static void a_history_that_fell_behind_is_noticed(void **state) {
    struct fixture *f = *state;
    pid_t child = fork();
    if (child == 0) {
        int code = open_store(f);
        for (uint64_t seq = 1; seq <= 40 && code == 0; seq++) {
            struct stored_row in = row(seq);
            char key[32];
            snprintf(key, sizeof key, "the key of %06llu", (unsigned long long)seq);
            in.key = slice_text(key);
            code = append(f, seq);
            if (code == 0)
                code = f->store->ops->fold(f->store, &in, 1, NULL);
        }
        if (code == 0)
            code = f->store->ops->trim(f->store, 30, NULL);
        _exit(code == 0 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    flip(f, "history.db-wal", place_of(f, "history.db-wal", "the key of 000020"));
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "history.db is behind: the journal was trimmed after 40 writes"));
}

/* A row that is owed something must not be missed, whatever hides it. */
static void a_lost_unfinished_row_is_noticed(void **state) {
    struct fixture *f = *state;
    fill(f);
    close_store(f);
    change_by_hand(f, "history.db", "DELETE FROM transactions WHERE id = 1");
    assert_int_equal(open_store(f), 0);
    assert_int_equal(recover(f), ERR_CORRUPT);
    assert_string_equal(f->why.text, "history.db: transactions should have 2 unfinished rows, 1 were found");
}

static void a_flipped_bit_in_a_batch_is_noticed(void **state) {
    struct fixture *f = *state;
    fill(f);
    close_store(f);
    flip(f, "journal.db", place_of(f, "journal.db", "number 000007") + 3);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_string_equal(f->why.text, "journal.db: batch 7 of shard 0 does not match its checksum");
}

static void a_flipped_bit_in_a_row_is_noticed(void **state) {
    struct fixture *f = *state;
    fill(f);
    close_store(f);
    flip(f, "history.db", place_of(f, "history.db", "an image of a thing") + 3);
    assert_int_equal(open_store(f), 0);
    assert_int_equal(recover(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "history.db: row "));
    assert_int_equal(append(f, 11), ERR_CORRUPT); /* it has stopped */
}

/* Any damaged byte of either file: refused, or without any effect. */
static void no_damaged_byte_changes_what_is_read(void **state) {
    struct fixture *f = *state;
    unsigned refused = 0;
    const char *const names[] = { "journal.db", "history.db" };
    fill(f);
    close_store(f);
    for (size_t which = 0; which < 2; which++) {
        char *good = NULL;
        size_t length = 0;
        assert_int_equal(scratch_read(f->directory, names[which], &good, &length), 0);
        for (size_t at = 0; at < length; at += at < 200 ? 1 : 509) {
            flip(f, names[which], at);
            int code = open_store(f);
            if (code == 0)
                code = recover(f);
            if (code == 0) {
                assert_int_equal(f->batches, 10);
                assert_int_equal(f->rows, 2);
            }
            refused += code != 0;
            close_store(f);
            scratch_remove(f->directory);
            fill(f);
            close_store(f);
        }
        free(good);
    }
    assert_true(refused > 20);
}

static void the_watermark_is_needed(void **state) {
    struct fixture *f = *state;
    char path[512];
    struct watermark w;
    struct watermark_line line;
    fill(f);
    close_store(f);
    assert_int_equal(watermark_open(&w, f->directory, NULL), 0);
    assert_int_equal(watermark_get(&w, 0, &line, NULL), 0);
    assert_int_equal(line.epoch, 1);
    assert_int_equal(line.seq, 10);
    assert_int_equal(watermark_get(&w, 63, &line, NULL), 0);
    assert_int_equal(line.seq, 0);
    assert_int_equal(watermark_set(&w, 0, (struct watermark_line){ 1, 11 }, NULL), 0);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "batch 11 of epoch 1"));
    assert_int_equal(watermark_set(&w, 0, (struct watermark_line){ 2, 10 }, NULL), 0);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_int_equal(watermark_set(&w, 0, (struct watermark_line){ 1, 9 }, NULL), 0);
    watermark_close(&w);
    assert_int_equal(open_store(f), 0); /* older is fine: it is not synced */
    close_store(f);
    flip(f, "watermark", 64 + 20);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "watermark: the line of shard 0 is damaged"));
    path_of(f, "watermark", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "no watermark"));
}

static void missing_and_mixed_files_are_refused(void **state) {
    struct fixture *f = *state;
    char path[512];
    char away[512];
    fill(f);
    close_store(f);
    path_of(f, "away", away);
    path_of(f, "history.db", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_string_equal(f->why.text, "history.db is missing");
    assert_int_equal(scratch_write(f->directory, "history.db", SLICE("")), 0);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_string_equal(f->why.text, "history.db is missing"); /* an empty one is none */
    assert_int_equal(scratch_write(f->directory, "history.db", SLICE("this is no database, but some text")),
                     0);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_int_equal(rename(away, path), 0);
    path_of(f, "journal.db", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "journal.db is missing: batch 10 of epoch 1 was acknowledged"));
    assert_int_equal(rename(away, path), 0);
    change_by_hand(f, "history.db", "UPDATE settle SET value = value + 1 WHERE key = 'store'");
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_string_equal(f->why.text, "journal.db and history.db belong to two different stores");
    change_by_hand(f, "history.db", "UPDATE settle SET value = 1 WHERE key = 'file'");
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_non_null(strstr(f->why.text, "history.db is not the store's history"));
}

static uint64_t seed_of(struct fixture *f) {
    assert_int_equal(open_store(f), 0);
    uint64_t seed = f->store->key_seed;
    close_store(f);
    return seed;
}

/* reliability.md H15: who knows one store's hashes knows nothing about another's. */
static void a_store_keeps_its_own_seed(void **state) {
    struct fixture *f = *state;
    struct store *other = NULL;
    char path[512];
    fill(f);
    uint64_t seed = f->store->key_seed;
    close_store(f);
    assert_true(seed != 0);
    assert_true(seed_of(f) == seed);
    snprintf(path, sizeof path, "%s/other", f->base);
    assert_int_equal(sqlite_store_open(&other, path, NULL, &f->why), 0);
    assert_true(other->key_seed != 0);
    assert_true(other->key_seed != seed);
    store_close(other);
    change_by_hand(f, "history.db", "UPDATE settle SET value = value + 1 WHERE key = 'seed'");
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_string_equal(f->why.text, "journal.db and history.db belong to two different stores");
    change_by_hand(f, "history.db", "UPDATE settle SET value = 0 WHERE key = 'seed'");
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_string_equal(f->why.text, "history.db: its seed is damaged");
    change_by_hand(f, "history.db", "DELETE FROM settle WHERE key = 'seed'");
    assert_int_equal(open_store(f), ERR_CORRUPT);
    assert_string_equal(f->why.text, "history.db: its table settle has gaps");
}

static void other_formats_are_refused(void **state) {
    struct fixture *f = *state;
    fill(f);
    close_store(f);
    change_by_hand(f, "journal.db", "UPDATE settle SET value = 3 WHERE key = 'format'");
    assert_int_equal(open_store(f), ERR_UNSUPPORTED);
    assert_string_equal(f->why.text,
                        "journal.db has format 3, this settled knows formats up to 2: it was written by a "
                        "newer version, start that one");
    change_by_hand(f, "journal.db", "UPDATE settle SET value = 1 WHERE key = 'format'");
    assert_int_equal(open_store(f), ERR_UNSUPPORTED);
    assert_non_null(strstr(f->why.text, "from before settled 0.1.0 was released"));
    change_by_hand(f, "journal.db", "UPDATE settle SET value = 2 WHERE key = 'format'");
    change_by_hand(f, "journal.db", "UPDATE settle SET value = 32 WHERE key = 'shards'");
    assert_int_equal(open_store(f), ERR_UNSUPPORTED);
    change_by_hand(f, "journal.db", "DELETE FROM settle WHERE key = 'shards'");
    assert_int_equal(open_store(f), ERR_CORRUPT);
    change_by_hand(f, "journal.db", "DROP TABLE settle");
    assert_int_equal(open_store(f), ERR_CORRUPT);
}

static void gaps_and_strangers_are_noticed(void **state) {
    struct fixture *f = *state;
    const char *const damages[] = {
        "DELETE FROM journal WHERE seq = 4",
        "DELETE FROM journal WHERE seq = 10",
        "DELETE FROM journal WHERE seq = 1",
        "DELETE FROM journal",
        "DELETE FROM fence",
        "UPDATE journal SET epoch = 7 WHERE seq = 4",
        "UPDATE journal SET seq = 40 WHERE seq = 4",
        "UPDATE journal SET shard = 3 WHERE seq = 4",
        "UPDATE journal SET batch = 'text' WHERE seq = 4",
        "UPDATE journal SET checksum = checksum + 1 WHERE seq = 4",
        "UPDATE journal SET batch = (SELECT batch FROM journal WHERE seq = 5) WHERE seq = 4",
        "INSERT INTO journal SELECT 11, shard, epoch, 11, checksum, batch FROM journal WHERE seq = 10",
        "UPDATE fence SET trimmed = 3",
        "UPDATE fence SET trimmed = 11",
        "UPDATE fence SET seq = 9",
        "UPDATE fence SET seq = 11",
        "UPDATE fence SET epoch = 0",
        "UPDATE fence SET epoch = -1",
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        fill(f);
        close_store(f);
        change_by_hand(f, "journal.db", damages[i]);
        int code = open_store(f);
        if (code != ERR_CORRUPT)
            print_error("%s: %d\n", damages[i], code);
        assert_int_equal(code, ERR_CORRUPT);
        assert_non_null(strstr(f->why.text, "journal.db"));
        scratch_remove(f->directory);
    }
}

/* Somebody took the shard over under a higher epoch; here that somebody is played by this test. */
static void an_old_epoch_cannot_write(void **state) {
    struct fixture *f = *state;
    fill(f);
    struct sqlite_journal *j = sqlite_store_journal(f->store);
    assert_int_equal(sqlite_file_run(&j->file, "UPDATE fence SET epoch = epoch + 1", NULL), 0);
    assert_int_equal(append(f, 11), ERR_FENCED);
    assert_int_equal(f->store->ops->trim(f->store, 5, &f->why), ERR_FENCED);
    int64_t left = 0;
    assert_int_equal(sqlite_file_number(&j->file, "SELECT count(*) FROM journal", &left, NULL), 0);
    assert_int_equal(left, 10);
}

/* Searches and scans go through indexes, whatever the size. */
static void no_statement_reads_a_whole_table(void **state) {
    struct fixture *f = *state;
    fill(f);
    struct sqlite_history *h = sqlite_store_history(f->store);
    for (int which = 0; which < HISTORY_STATEMENTS; which++) {
        char sql[2048];
        sqlite3_stmt *plan = NULL;
        if (which == HISTORY_INSERT || which == HISTORY_KEYS)
            continue; /* the first plans nothing, the second reads all on purpose */
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s",
                 sqlite3_sql(h->shelves[STORED_TRANSACTION].statements[which]));
        assert_int_equal(sqlite3_prepare_v2(h->file.db, sql, -1, &plan, NULL), SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *line = (const char *)sqlite3_column_text(plan, 3);
            if (strstr(line, "SCAN transactions") == line)
                print_error("%s\n%s\n", sql, line);
            assert_true(strstr(line, "SCAN transactions") != line);
            assert_null(strstr(line, "TEMP B-TREE"));
        }
        sqlite3_finalize(plan);
    }
}

static void rows_of_many_spans_are_found(void **state) {
    struct fixture *f = *state;
    enum { SLICE_ROWS = 8192, SLICES = 9 };
    struct stored_row *rows = calloc(SLICE_ROWS, sizeof *rows);
    uint64_t cursor = 0;
    size_t removed = 0;
    assert_int_equal(open_store(f), 0);
    for (uint64_t slice = 0; slice < SLICES; slice++) {
        for (uint64_t i = 0; i < SLICE_ROWS; i++) {
            rows[i] = row(slice * SLICE_ROWS + i + 1);
            rows[i].final = true;
        }
        assert_int_equal(f->store->ops->fold(f->store, rows, SLICE_ROWS, &f->why), 0);
    }
    const uint64_t ids[] = { 1, 32767, 32768, 32769, 40960, 65536, 65537, SLICE_ROWS * SLICES };
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            assert_int_equal(find(f, row(ids[i]).key_hash), 0);
            assert_int_equal(f->rows, 1);
        }
        assert_int_equal(find(f, 12345), 0);
        assert_int_equal(f->rows, 0);
        close_store(f);
        assert_int_equal(open_store(f), 0);
    }
    /* Purge the first span and a bit: searches no longer ask it. */
    for (int i = 0; i < 9; i++)
        assert_int_equal(
            f->store->ops->purge(f->store, STORED_TRANSACTION, 1, &cursor, 4096, &removed, &f->why), 0);
    assert_int_equal(sqlite_store_history(f->store)->shelves[STORED_TRANSACTION].span_first, 1);
    assert_int_equal(find(f, row(1).key_hash), 0);
    assert_int_equal(f->rows, 0);
    assert_int_equal(find(f, row(40960).key_hash), 0);
    assert_int_equal(f->rows, 1);
    free(rows);
}

/* The same as on the disk in memory, on a real one of 8 MiB (R5). Needs the right to mount; else it is
 * skipped. */
static void a_small_disk_fills_up(void **state) {
    struct fixture *f = *state;
    char *bytes = calloc(1, 100000);
    if (mkdir(f->directory, 0700) != 0 || mount("none", f->directory, "tmpfs", 0, "size=8m,mode=0700") != 0) {
        free(bytes);
        skip();
    }
    assert_int_equal(open_store(f), 0);
    uint64_t seq = 0;
    for (int round = 0; round < 20; round++) {
        int code = 0;
        while (code == 0 && seq < 100000)
            code = f->store->ops->append(f->store, seq + 1, slice_of(bytes, 100000), &f->why),
            seq += code == 0;
        assert_int_equal(code, ERR_SPACE);
        assert_int_equal(f->store->ops->append(f->store, seq + 1, slice_of(bytes, 100000), &f->why),
                         ERR_SPACE);
        struct store_usage usage;
        f->store->ops->usage(f->store, &usage);
        assert_int_equal(usage.batch_last, seq);
        assert_true(usage.free_bytes < 1024 * 1024);
        /* Space comes back: a bigger disk here, other people's files elsewhere. Enough of it: with the log at
         * its full 16 MiB, a checkpoint takes whatever there is before the next batch. */
        char size[32];
        snprintf(size, sizeof size, "size=%dm", 8 + (round + 1) * 6);
        assert_int_equal(mount("none", f->directory, "tmpfs", MS_REMOUNT, size), 0);
        assert_int_equal(f->store->ops->append(f->store, ++seq, slice_of(bytes, 100000), &f->why), 0);
        code = round % 4 == 0 ? f->store->ops->trim(f->store, seq - 1, &f->why) : 0;
        assert_true(code == 0 || code == ERR_SPACE); /* a checkpoint may have taken the rest */
    }
    close_store(f);
    int code = open_store(f); /* a start on a full disk finds room for its epoch, or says why not */
    assert_true(code == 0 || code == ERR_SPACE);
    close_store(f);
    assert_int_equal(mount("none", f->directory, "tmpfs", MS_REMOUNT, "size=256m"), 0);
    assert_int_equal(open_store(f), 0);
    struct store_usage usage;
    f->store->ops->usage(f->store, &usage);
    assert_int_equal(usage.batch_last, seq);
    close_store(f);
    umount(f->directory);
    free(bytes);
}

static void odd_directories_are_refused(void **state) {
    struct fixture *f = *state;
    struct store *s = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s/no/where", f->base);
    assert_int_equal(sqlite_store_open(&s, path, NULL, &f->why), ERR_IO);
    assert_int_equal(scratch_write(f->base, "file", SLICE("x")), 0);
    snprintf(path, sizeof path, "%s/file", f->base);
    assert_int_equal(sqlite_store_open(&s, path, NULL, &f->why), ERR_INVALID);
    assert_null(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(files_are_private),
        TEST(a_second_owner_is_refused),
        TEST(a_killed_owner_loses_nothing),
        TEST(a_flipped_bit_in_the_log_is_noticed),
        TEST(a_history_that_fell_behind_is_noticed),
        TEST(a_lost_unfinished_row_is_noticed),
        TEST(a_flipped_bit_in_a_batch_is_noticed),
        TEST(a_flipped_bit_in_a_row_is_noticed),
        TEST(no_damaged_byte_changes_what_is_read),
        TEST(the_watermark_is_needed),
        TEST(missing_and_mixed_files_are_refused),
        TEST(a_store_keeps_its_own_seed),
        TEST(other_formats_are_refused),
        TEST(gaps_and_strangers_are_noticed),
        TEST(an_old_epoch_cannot_write),
        TEST(no_statement_reads_a_whole_table),
        TEST(rows_of_many_spans_are_found),
        TEST(a_small_disk_fills_up),
        TEST(odd_directories_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
