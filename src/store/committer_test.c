#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/committer.h"
#include "store/faulty.h"
#include "store/memory_store.h"
#include "store/scratch.h"
#include "store/sqlite_store.h"

/* A loop for tests: posts wait in a queue until the test's thread runs them. */
struct posted {
    void (*fn)(void *argument);
    void *argument;
    struct posted *next;
};

struct desk {
    pthread_mutex_t lock;
    pthread_cond_t wakes;
    struct posted *first;
    struct posted *last;
    pthread_t owner;
    struct committer *committer;
    char directory[SCRATCH_PATH_BYTES];
    /* answers */
    int answers;
    int code;
    struct why why;
    uint64_t ids[64];
    size_t count;
    bool more;
    uint64_t cursor;
    size_t removed;
    uint64_t counts[STORED_KIND_END];
    char order[64];
    uint64_t by_letter[128];
    bool stopped;
};

static void post(void *context, void (*fn)(void *argument), void *argument) {
    struct desk *d = context;
    struct posted *p = malloc(sizeof *p);
    *p = (struct posted){ .fn = fn, .argument = argument };
    pthread_mutex_lock(&d->lock);
    if (d->last == NULL)
        d->first = p;
    else
        d->last->next = p;
    d->last = p;
    pthread_cond_signal(&d->wakes);
    pthread_mutex_unlock(&d->lock);
}

static void run_one(struct desk *d) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&d->lock);
    while (d->first == NULL)
        assert_int_equal(pthread_cond_timedwait(&d->wakes, &d->lock, &until), 0);
    struct posted *p = d->first;
    d->first = p->next;
    if (d->first == NULL)
        d->last = NULL;
    pthread_mutex_unlock(&d->lock);
    p->fn(p->argument);
    free(p);
}

static void wait_for(struct desk *d, int answers) {
    while (d->answers < answers)
        run_one(d);
}

static void noted(struct desk *d, char letter, int code, const struct why *why) {
    assert_true(pthread_equal(d->owner, pthread_self()));
    if (d->answers < (int)sizeof d->order - 1)
        d->order[d->answers] = letter;
    d->answers++;
    d->by_letter[(int)letter]++;
    d->code = code;
    d->why = *why;
}

static void done_append(void *self, int code, const struct why *why) {
    noted(self, 'a', code, why);
}

static void done_fold(void *self, int code, const struct why *why) {
    noted(self, 'f', code, why);
}

static void done_run(void *self, int code, const struct why *why) {
    noted(self, 'r', code, why);
}

static void done_backup(void *self, int code, const struct why *why) {
    noted(self, 'b', code, why);
}

static void done_rows(void *self, int code, const struct stored_row *rows, size_t count, bool more,
                      const struct why *why) {
    struct desk *d = self;
    noted(d, 's', code, why);
    d->count = count;
    d->more = more;
    for (size_t i = 0; i < count && i < 64; i++) {
        assert_true(rows[i].image.length > 0);
        d->ids[i] = rows[i].id;
    }
}

static void done_purge(void *self, int code, size_t removed, uint64_t cursor, const struct why *why) {
    struct desk *d = self;
    noted(d, 'p', code, why);
    d->removed = removed;
    d->cursor = cursor;
}

static void done_count(void *self, int code, const uint64_t counts[STORED_KIND_END], const struct why *why) {
    struct desk *d = self;
    noted(d, 'c', code, why);
    memcpy(d->counts, counts, sizeof d->counts);
}

static void done_stop(void *self) {
    struct desk *d = self;
    d->stopped = true;
}

static void open_over(struct desk *d, struct store *s, size_t queue_max) {
    const struct committer_options options = {
        .store = s, .post = post, .post_context = d, .history_queue_max = queue_max
    };
    assert_int_equal(committer_open(&d->committer, &options, &d->why), 0);
}

static struct store *new_memory(void) {
    struct store *s = NULL;
    assert_int_equal(memory_store_new(&s, NULL), 0);
    return s;
}

static void stop(struct desk *d) {
    if (d->committer == NULL)
        return;
    committer_stop(d->committer, done_stop, d);
    while (!d->stopped)
        run_one(d);
    committer_free(d->committer);
    d->committer = NULL;
    assert_null(d->first);
}

static int set_up(void **state) {
    struct desk *d = calloc(1, sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->wakes, NULL);
    d->owner = pthread_self();
    *state = d;
    return scratch_make(d->directory, true);
}

static int tear_down(void **state) {
    struct desk *d = *state;
    stop(d);
    scratch_remove(d->directory);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->wakes);
    free(d);
    return 0;
}

static void append(struct desk *d, uint64_t seq) {
    int before = d->answers;
    assert_int_equal(committer_append(d->committer, seq, SLICE("a batch"), done_append, d), 0);
    wait_for(d, before + 1);
    assert_int_equal(d->code, 0);
}

static struct stored_row row(uint64_t id) {
    return (struct stored_row){ .kind = STORED_TRANSACTION,
                                .id = id,
                                .key_hash = id % 3,
                                .seq = 1,
                                .final = true,
                                .key = SLICE("key"),
                                .state = SLICE("committed"),
                                .image = SLICE("image") };
}

static void fold(struct desk *d, uint64_t first, size_t count) {
    struct stored_row rows[64];
    for (size_t i = 0; i < count; i++)
        rows[i] = row(first + i);
    assert_int_equal(committer_fold(d->committer, rows, count, done_fold, d), 0);
    memset(rows, 0xee, sizeof rows); /* they were copied */
}

static void everything_is_answered(void **state) {
    struct desk *d = *state;
    open_over(d, new_memory(), 0);
    append(d, 1);
    fold(d, 1, 9);
    wait_for(d, 2);
    assert_int_equal(committer_scan(d->committer, STORED_TRANSACTION, UINT64_MAX, false, 3, done_rows, d), 0);
    wait_for(d, 3);
    assert_int_equal(d->count, 3);
    assert_true(d->more);
    assert_int_equal(d->ids[0], 9);
    assert_int_equal(committer_scan(d->committer, STORED_TRANSACTION, 5, true, 60, done_rows, d), 0);
    wait_for(d, 4);
    assert_int_equal(d->count, 4);
    assert_false(d->more);
    assert_int_equal(committer_find(d->committer, STORED_TRANSACTION, 0, done_rows, d), 0);
    wait_for(d, 5);
    assert_int_equal(d->count, 3);
    assert_int_equal(committer_count(d->committer, done_count, d), 0);
    wait_for(d, 6);
    assert_int_equal(d->counts[STORED_TRANSACTION], 9);
    committer_trim(d->committer, 1);
    size_t purged = 0;
    for (int tries = 0; tries < 200 && purged == 0; tries++) {
        int before = d->answers;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        assert_int_equal(committer_purge(d->committer, STORED_TRANSACTION, 1, 0, 4, done_purge, d), 0);
        wait_for(d, before + 1);
        purged = d->removed;
    }
    assert_int_equal(purged, 4); /* so the idle journal was trimmed */
    assert_int_equal(d->cursor, 4);
    struct committer_figures f;
    committer_figures(d->committer, &f);
    assert_int_equal(f.batches, 1);
    assert_int_equal(f.batch_bytes, 7);
    assert_int_equal(f.folds, 1);
    assert_int_equal(f.rows_folded, 9);
    assert_int_equal(f.rows_purged, 4);
    uint64_t sum = 0;
    for (int i = 0; i < COMMITTER_BUCKETS; i++)
        sum += f.append_us[i];
    assert_int_equal(sum, 1);
    assert_true(f.append_us_max >= f.append_us_last);
}

static void trims_follow_appends(void **state) {
    struct desk *d = *state;
    struct store_usage usage;
    open_over(d, new_memory(), 0);
    for (uint64_t seq = 1; seq <= 100; seq++) {
        append(d, seq);
        committer_trim(d->committer, seq);
    }
    committer_store(d->committer)->ops->usage(committer_store(d->committer), &usage);
    assert_true(usage.batch_trimmed >= 64); /* every 16 appends, without any idleness */
    committer_trim(d->committer, 3);        /* never back */
    for (int tries = 0; tries < 300 && usage.batch_trimmed < 100; tries++) {
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        committer_store(d->committer)->ops->usage(committer_store(d->committer), &usage);
    }
    assert_int_equal(usage.batch_trimmed, 100);
}

static void failures_are_told(void **state) {
    struct desk *d = *state;
    const struct faulty_rule rules[] = {
        { FAULTY_APPEND, 1, 1, FAULTY_SPACE },   { FAULTY_TRIM, 1, 2, FAULTY_SPACE },
        { FAULTY_FOLD, 1, 1, FAULTY_SPACE },     { FAULTY_APPEND, 3, 1, FAULTY_UNKNOWN_AFTER },
        { FAULTY_SCAN, 1, 1, FAULTY_IO_BEFORE },
    };
    const struct faulty_plan plan = { .rules = rules, .rule_count = 5 };
    struct store *s = NULL;
    assert_int_equal(faulty_new(new_memory(), &plan, &s, NULL), 0);
    open_over(d, s, 0);
    assert_int_equal(committer_append(d->committer, 1, SLICE("x"), done_append, d), 0);
    wait_for(d, 1);
    assert_int_equal(d->code, ERR_SPACE);
    assert_string_equal(d->why.text, "injected: no space");
    append(d, 1);
    assert_int_equal(committer_append(d->committer, 2, SLICE("x"), done_append, d), 0);
    wait_for(d, 3);
    assert_int_equal(d->code, ERR_UNKNOWN);
    assert_int_equal(committer_append(d->committer, 2, SLICE("x"), done_append, d), 0);
    wait_for(d, 4);
    assert_int_equal(d->code, 0);
    fold(d, 1, 2);
    wait_for(d, 5);
    assert_int_equal(d->code, ERR_SPACE);
    committer_trim(d->committer, 1);
    assert_int_equal(committer_scan(d->committer, STORED_TRANSACTION, 5, true, 60, done_rows, d), 0);
    wait_for(d, 6);
    assert_int_equal(d->code, ERR_IO);
    assert_int_equal(d->count, 0);
    assert_int_equal(committer_append(d->committer, 3, SLICE("x"), done_append, d), 0);
    wait_for(d, 7);
    assert_int_equal(d->code, ERR_IO);
    struct committer_figures f;
    committer_figures(d->committer, &f);
    assert_int_equal(f.batches, 2);
    assert_int_equal(f.appends_failed, 3);
    assert_int_equal(f.folds_failed, 1);
}

/* A gate on the history's thread, so that a test can fill the queues behind it. */
struct gate {
    pthread_mutex_t lock;
};

static int wait_at_gate(void *self, struct store *s, struct why *why) {
    struct desk *d = self;
    (void)s;
    (void)why;
    struct gate *gate = (struct gate *)d->ids[63];
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return 0;
}

static void reads_pass_writes_and_queues_end(void **state) {
    struct desk *d = *state;
    struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER };
    d->ids[63] = (uint64_t)(uintptr_t)&gate;
    open_over(d, new_memory(), 6);
    pthread_mutex_lock(&gate.lock);
    assert_int_equal(committer_run(d->committer, wait_at_gate, done_run, d), 0);
    struct committer_figures f = { .history_waiting = 1 };
    while (f.history_waiting > 0)
        committer_figures(d->committer, &f);
    for (uint64_t i = 0; i < 4; i++)
        fold(d, 1 + i, 1);
    assert_int_equal(committer_count(d->committer, done_count, d), 0);
    assert_int_equal(committer_count(d->committer, done_count, d), 0);
    assert_int_equal(committer_count(d->committer, done_count, d), ERR_AGAIN);
    struct stored_row in = row(1);
    assert_int_equal(committer_fold(d->committer, &in, 1, done_fold, d), ERR_AGAIN);
    pthread_mutex_unlock(&gate.lock);
    wait_for(d, 7);
    /* One write follows the gate, then the two questions come in turn with writes. */
    assert_string_equal(d->order, "rfcfcff");
    pthread_mutex_destroy(&gate.lock);
}

static void a_stop_does_what_was_accepted(void **state) {
    struct desk *d = *state;
    struct store *s = NULL;
    struct store_usage usage;
    assert_int_equal(sqlite_store_open(&s, d->directory, NULL, &d->why), 0);
    open_over(d, s, 0);
    append(d, 1);
    assert_int_equal(committer_append(d->committer, 2, SLICE("x"), done_append, d), 0);
    for (uint64_t i = 0; i < 20; i++)
        fold(d, 1 + i * 10, 10);
    committer_trim(d->committer, 1);
    committer_stop(d->committer, done_stop, d);
    struct stored_row in = row(1);
    assert_int_equal(committer_fold(d->committer, &in, 1, done_fold, d), ERR_CLOSED);
    assert_int_equal(committer_backup(d->committer, d->directory, done_backup, d), ERR_CLOSED);
    while (!d->stopped)
        run_one(d);
    assert_int_equal(d->answers, 22);
    assert_int_equal(d->code, 0);
    assert_int_equal(committer_append(d->committer, 3, SLICE("x"), done_append, d), ERR_CLOSED);
    committer_free(d->committer);
    d->committer = NULL;
    assert_int_equal(sqlite_store_open(&s, d->directory, NULL, &d->why), 0);
    uint64_t counts[STORED_KIND_END];
    assert_int_equal(s->ops->count(s, counts, NULL), 0);
    assert_int_equal(counts[STORED_TRANSACTION], 200);
    s->ops->usage(s, &usage);
    assert_int_equal(usage.batch_last, 2);
    assert_int_equal(usage.batch_trimmed, 1);
    store_close(s);
}

static void a_page_of_rows_has_a_size(void **state) {
    struct desk *d = *state;
    size_t bytes = 3 * 1024 * 1024;
    char *image = calloc(1, bytes);
    open_over(d, new_memory(), 0);
    for (uint64_t id = 1; id <= 5; id++) {
        struct stored_row in = row(id);
        in.image = slice_of(image, bytes);
        assert_int_equal(committer_fold(d->committer, &in, 1, done_fold, d), 0);
    }
    wait_for(d, 5);
    assert_int_equal(committer_scan(d->committer, STORED_TRANSACTION, 0, true, 60, done_rows, d), 0);
    wait_for(d, 6);
    assert_int_equal(d->code, 0);
    assert_int_equal(d->count, 2);
    assert_true(d->more);
    free(image);
}

static void bad_options_are_refused(void **state) {
    struct desk *d = *state;
    struct committer *c = NULL;
    struct committer_options options = { .post = post };
    assert_int_equal(committer_open(&c, &options, &d->why), ERR_INVALID);
    options.store = new_memory();
    options.post = NULL;
    assert_int_equal(committer_open(&c, &options, &d->why), ERR_INVALID);
    assert_null(c);
    store_close(options.store);
    committer_free(NULL);
}

static int64_t number_in(const char *directory, const char *name, const char *sql) {
    char path[SCRATCH_PATH_BYTES * 2];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

/* Under load: appends and folds go on while a copy is taken, and the copy is one moment. Row n is folded
 * after batch n, and no trim overtakes it; so in a copy of one moment no row is newer than the last batch,
 * every batch above the trimmed ones is there, and so is a row for every batch below. */
static void a_copy_under_load_is_one_moment(void **state) {
    struct desk *d = *state;
    char copy[SCRATCH_PATH_BYTES + 16];
    struct store *s = NULL;
    assert_int_equal(sqlite_store_open(&s, d->directory, NULL, &d->why), 0);
    open_over(d, s, 0);
    snprintf(copy, sizeof copy, "%s/copy", d->directory);
    uint64_t seq = 0;
    bool asked = false;
    while (d->by_letter['b'] == 0 || d->by_letter['a'] < seq) {
        if (d->by_letter['a'] == seq && seq - d->by_letter['f'] < 1000) {
            struct stored_row in = row(++seq);
            assert_int_equal(committer_append(d->committer, seq, SLICE("a batch"), done_append, d), 0);
            assert_int_equal(committer_fold(d->committer, &in, 1, done_fold, d), 0);
            committer_trim(d->committer, d->by_letter['f'] < seq ? d->by_letter['f'] : seq - 1);
        }
        if (seq == 400 && !asked) {
            asked = true;
            assert_int_equal(committer_backup(d->committer, copy, done_backup, d), 0);
            assert_int_equal(committer_backup(d->committer, copy, done_backup, d), ERR_CONFLICT);
        }
        run_one(d);
        assert_int_equal(d->code, 0);
        assert_true(seq < 100000);
    }
    stop(d);
    int64_t last = number_in(copy, "journal.db", "SELECT seq FROM fence");
    int64_t trimmed = number_in(copy, "journal.db", "SELECT trimmed FROM fence");
    assert_true(last >= 400);
    assert_int_equal(number_in(copy, "journal.db", "SELECT count(*) FROM journal"), last - trimmed);
    assert_true(number_in(copy, "history.db", "SELECT max(batch) FROM transactions") <= last);
    assert_true(number_in(copy, "history.db", "SELECT max(id) FROM transactions") <= last + 1);
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM transactions WHERE id <= %lld", (long long)trimmed);
    assert_int_equal(number_in(copy, "history.db", sql), trimmed);
    assert_int_equal(number_in(copy, "history.db", "SELECT rows FROM shelf WHERE kind = 1"),
                     number_in(copy, "history.db", "SELECT count(*) FROM transactions"));
}

/* Stopped in the middle of a copy, at one place or another: it is given up and leaves nothing, or it was
 * done. */
static void a_stop_gives_a_copy_up(void **state) {
    struct desk *d = *state;
    char copy[SCRATCH_PATH_BYTES + 16];
    static char image[4000];
    unsigned given_up = 0;
    snprintf(copy, sizeof copy, "%s/copy", d->directory);
    for (int round = 0; round < 12; round++) {
        struct store *s = NULL;
        assert_int_equal(sqlite_store_open(&s, d->directory, NULL, &d->why), 0);
        for (uint64_t id = 1; id <= 600 && round == 0; id++) {
            struct stored_row in = row(id);
            in.image = slice_of(image, sizeof image);
            assert_int_equal(s->ops->fold(s, &in, 1, NULL), 0);
            assert_int_equal(s->ops->append(s, id, slice_of(image, sizeof image), NULL), 0);
        }
        d->stopped = false;
        d->answers = 0;
        open_over(d, s, 0);
        assert_int_equal(committer_backup(d->committer, copy, done_backup, d), 0);
        nanosleep(&(struct timespec){ .tv_nsec = round * 400000 }, NULL);
        struct stored_row in = row(1);
        in.seq = 2;
        assert_int_equal(committer_fold(d->committer, &in, 1, done_fold, d), 0);
        stop(d);
        assert_int_equal(d->answers, 2);
        if (d->by_letter['b'] == 1 && access(copy, F_OK) != 0)
            given_up++;
        else
            scratch_remove(copy);
        d->by_letter['b'] = 0;
    }
    assert_true(given_up > 0);
}

static void only_embedded_stores_are_copied(void **state) {
    struct desk *d = *state;
    char copy[SCRATCH_PATH_BYTES + 16];
    open_over(d, new_memory(), 0);
    snprintf(copy, sizeof copy, "%s/copy", d->directory);
    assert_int_equal(committer_backup(d->committer, copy, done_backup, d), 0);
    wait_for(d, 1);
    assert_int_equal(d->code, ERR_UNSUPPORTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(everything_is_answered),
        TEST(trims_follow_appends),
        TEST(failures_are_told),
        TEST(reads_pass_writes_and_queues_end),
        TEST(a_stop_does_what_was_accepted),
        TEST(a_page_of_rows_has_a_size),
        TEST(bad_options_are_refused),
        TEST(a_copy_under_load_is_one_moment),
        TEST(only_embedded_stores_are_copied),
        TEST(a_stop_gives_a_copy_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
