/* The embedded store on a disk that fails, fills up, forgets and tears (R3, R4, R5; CP2-CP4, CP12-CP14, P1,
 * P2, P3, P7). A workload of appends, folds, trims and purges runs on a disk in memory; a model knows what
 * was answered and what was only tried. Whatever happens: what was answered is there, nothing is there in
 * part, and nothing is there that was never tried. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/scratch.h"
#include "store/sqlite_store.h"
#include "store/torture_vfs.h"
#include "store/watermark.h"

#define GROUPS 5 /* a fold writes one group of transactions, all or none */
#define GROUP_ROWS 4
#define TURNS 45
#define NOTES_MAX 400
#define LOG_PAGES 60 /* so that checkpoints happen all the time */

/* What is so at least (answered), and what may be so at most (tried). */
struct extent {
    uint64_t last;
    uint64_t trimmed;
    uint64_t folds;  /* fold n writes group n % GROUPS at seq n, and answer n */
    uint64_t purged; /* answers up to this are gone */
    uint64_t epoch;
};

struct note {
    uint64_t moment; /* when done was true */
    struct extent done;
    struct extent tried;
};

struct world {
    struct torture *disk;
    char directory[SCRATCH_PATH_BYTES];
    struct store *store;
    struct why why;
    struct extent done;
    struct extent tried;
    struct note notes[NOTES_MAX];
    size_t note_count;
    unsigned spaces;     /* ERR_SPACE answers met */
    uint64_t quiet_hits; /* faults that struck a close, which has nobody to tell */
    char *bytes;
};

static size_t batch_length(uint64_t seq) {
    return (size_t)(seq * 7919 % 30000) + 1;
}

static struct slice batch_of(struct world *w, uint64_t seq) {
    size_t length = batch_length(seq);
    for (size_t i = 0; i < length; i++)
        w->bytes[i] = (char)(seq * 31 + i * 7 + (i >> 9));
    return slice_of(w->bytes, length);
}

static void world_init(struct world *w) {
    memset(w, 0, sizeof *w);
    w->disk = torture_new();
    w->bytes = malloc(65536);
    assert_int_equal(scratch_make(w->directory, true), 0);
}

static void world_done(struct world *w) {
    store_close(w->store);
    torture_free(w->disk);
    scratch_remove(w->directory);
    free(w->bytes);
}

static void note(struct world *w) {
    assert_true(w->note_count < NOTES_MAX);
    w->notes[w->note_count++] =
        (struct note){ .moment = torture_moment(w->disk), .done = w->done, .tried = w->tried };
}

static int open_store(struct world *w) {
    struct sqlite_store_options options = { .vfs = torture_name(w->disk), .log_pages_max = LOG_PAGES };
    struct store_usage usage;
    w->tried.epoch++;
    note(w);
    int code = sqlite_store_open(&w->store, w->directory, &options, &w->why);
    if (code != 0)
        return code;
    w->store->ops->usage(w->store, &usage);
    w->done.epoch = w->tried.epoch = usage.epoch;
    note(w);
    return 0;
}

static void close_store(struct world *w) {
    uint64_t hits = torture_hits(w->disk) - torture_hits_removing(w->disk);
    store_close(w->store);
    w->quiet_hits += torture_hits(w->disk) - torture_hits_removing(w->disk) - hits;
    w->store = NULL;
    note(w);
}

static int append(struct world *w, uint64_t seq) {
    w->tried.last = seq;
    note(w);
    int code = w->store->ops->append(w->store, seq, batch_of(w, seq), &w->why);
    if (code == 0)
        w->done.last = seq;
    note(w);
    return code;
}

static int trim(struct world *w, uint64_t seq) {
    w->tried.trimmed = seq;
    int code = w->store->ops->trim(w->store, seq, &w->why);
    if (code == 0)
        w->done.trimmed = seq;
    note(w);
    return code;
}

static struct stored_row row_of(uint8_t kind, uint64_t id, uint64_t seq, char *image) {
    size_t length = (size_t)(id * 37 + seq * 101) % 900 + 1;
    memset(image, (int)('a' + (id + seq) % 26), length);
    return (struct stored_row){ .kind = kind,
                                .id = id,
                                .key_hash = id * UINT64_C(0x9e3779b97f4a7c15),
                                .seq = (uint32_t)seq,
                                .final = kind == STORED_ANSWER,
                                .key = SLICE("some key"),
                                .state = SLICE("running"),
                                .image = slice_of(image, length) };
}

static int fold(struct world *w, uint64_t number) {
    char images[GROUP_ROWS + 1][1024];
    struct stored_row rows[GROUP_ROWS + 1];
    for (uint64_t i = 0; i < GROUP_ROWS; i++)
        rows[i] = row_of(STORED_TRANSACTION, number % GROUPS * GROUP_ROWS + i + 1, number, images[i]);
    rows[GROUP_ROWS] = row_of(STORED_ANSWER, number, 1, images[GROUP_ROWS]);
    w->tried.folds = number;
    int code = w->store->ops->fold(w->store, rows, GROUP_ROWS + 1, &w->why);
    if (code == 0)
        w->done.folds = number;
    note(w);
    return code;
}

/* Answers are purged oldest first, three at a time. */
static int purge(struct world *w) {
    uint64_t cursor = 0;
    size_t removed = 0;
    w->tried.purged = w->done.purged + 3;
    int code = w->store->ops->purge(w->store, STORED_ANSWER, 1, &cursor, 3, &removed, &w->why);
    if (code == 0)
        w->done.purged = w->tried.purged = w->done.purged + removed;
    note(w);
    return code;
}

/* A full disk is no end: the same is offered again. A fault that strikes once must then have passed. */
#define STEP(call)                                                          \
    do {                                                                    \
        int step_code = (call);                                             \
        for (int again = 0; step_code == ERR_SPACE && again < 3; again++) { \
            w->spaces++;                                                    \
            step_code = (call);                                             \
        }                                                                   \
        if (step_code != 0)                                                 \
            return step_code;                                               \
    } while (0)

static int turns(struct world *w, uint64_t count) {
    uint64_t end = w->done.last + count;
    for (uint64_t seq = w->done.last + 1; seq <= end; seq++) {
        STEP(append(w, seq));
        if (seq % 3 == 0)
            STEP(fold(w, w->done.folds + 1));
        if (seq % 5 == 0 && seq > 2)
            STEP(trim(w, seq - 2));
        if (seq % 11 == 0)
            STEP(purge(w));
    }
    return trim(w,
                w->done.trimmed); /* changes nothing, but tells of a checkpoint that failed after an answer */
}

static int workload(struct world *w) {
    STEP(open_store(w));
    STEP(turns(w, TURNS / 2));
    close_store(w);
    STEP(open_store(w));
    STEP(turns(w, TURNS - TURNS / 2));
    close_store(w);
    return 0;
}

/* What recovery found. */
struct found {
    struct world *w;
    uint64_t first;
    uint64_t last;
    uint64_t groups[GROUPS];
    unsigned rows[GROUPS];
};

static int see_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    struct found *f = self;
    (void)epoch;
    assert_true(f->last == 0 || seq == f->last + 1);
    if (f->first == 0)
        f->first = seq;
    f->last = seq;
    assert_true(slice_equal(batch, batch_of(f->w, seq)));
    return 0;
}

static int see_row(void *self, const struct stored_row *row) {
    struct found *f = self;
    char image[1024];
    struct stored_row right = row_of(row->kind, row->id, row->seq, image);
    assert_true(slice_equal(row->image, right.image));
    assert_true(slice_equal(row->key, right.key));
    if (row->kind != STORED_TRANSACTION)
        return 0;
    uint64_t group = (row->id - 1) / GROUP_ROWS;
    assert_true(group < GROUPS);
    assert_true(f->rows[group] == 0 || f->groups[group] == row->seq); /* all or none */
    f->groups[group] = row->seq;
    f->rows[group]++;
    return 0;
}

static int see_answer(void *self, const struct stored_row *row) {
    uint64_t *sum = self;
    assert_true(row->id == sum[1] + 1 || sum[0] == 0); /* no gap */
    if (sum[0] == 0)
        sum[0] = row->id;
    sum[1] = row->id;
    return 0;
}

static void check_answers(struct store *s, const struct extent *done, const struct extent *tried) {
    uint64_t ends[2] = { 0, 0 };
    struct store_visitor visit = { .row = see_answer, .self = ends };
    struct why why;
    assert_int_equal(s->ops->scan(s, STORED_ANSWER, 0, true, 1000, &visit, &why), 0);
    if (ends[0] == 0) {
        assert_true(done->folds <= tried->purged);
        return;
    }
    assert_true(ends[0] > done->purged && ends[0] <= tried->purged + 1);
    assert_true(ends[1] >= done->folds && ends[1] <= tried->folds);
}

/* The store, freshly opened, holds at least done and at most tried. */
static void check_content(struct world *w, struct store *s, const struct extent *done,
                          const struct extent *tried) {
    struct found f = { .w = w };
    struct store_visitor visit = { .row = see_row, .batch = see_batch, .self = &f };
    struct store_usage usage;
    struct why why;
    int code = s->ops->recover(s, &visit, &why);
    if (code != 0)
        print_error("recover: %s\n", why.text);
    assert_int_equal(code, 0);
    s->ops->usage(s, &usage);
    assert_true(usage.batch_last >= done->last && usage.batch_last <= tried->last);
    assert_true(usage.batch_trimmed >= done->trimmed && usage.batch_trimmed <= tried->trimmed);
    if (usage.batch_last > usage.batch_trimmed) {
        assert_int_equal(f.first, usage.batch_trimmed + 1);
        assert_int_equal(f.last, usage.batch_last);
    } else {
        assert_int_equal(f.last, 0);
    }
    uint64_t newest = 0;
    for (uint64_t i = 0; i < GROUPS; i++) {
        assert_true(f.rows[i] == 0 || f.rows[i] == GROUP_ROWS);
        newest = f.groups[i] > newest ? f.groups[i] : newest;
        for (uint64_t number = 1; number <= done->folds; number++)
            assert_true(number % GROUPS != i || f.groups[i] >= number);
    }
    assert_true(newest >= done->folds && newest <= tried->folds);
    check_answers(s, done, tried);
}

/* A disk after a crash, with the watermark as it may have been. */
static void check_disk(struct world *w, struct torture *disk, const struct extent *mark,
                       const struct extent *done, const struct extent *tried, bool go_on) {
    char directory[SCRATCH_PATH_BYTES];
    struct sqlite_store_options options = { .vfs = torture_name(disk), .log_pages_max = LOG_PAGES };
    struct watermark watermark;
    struct store *s = NULL;
    struct why why = { "" };
    assert_int_equal(scratch_make(directory, true), 0);
    assert_int_equal(watermark_create(&watermark, directory, NULL), 0);
    struct watermark_line line = { .epoch = mark->epoch, .seq = mark->last };
    assert_int_equal(watermark_set(&watermark, 0, line, NULL), 0);
    watermark_close(&watermark);
    int code = sqlite_store_open(&s, directory, &options, &why);
    if (code != 0)
        print_error("open: %s\n", why.text);
    assert_int_equal(code, 0);
    check_content(w, s, done, tried);
    if (go_on) {
        struct store_usage usage;
        s->ops->usage(s, &usage);
        uint64_t next = usage.batch_last + 1;
        assert_int_equal(s->ops->append(s, next, batch_of(w, next), &why), 0);
        store_close(s);
        assert_int_equal(sqlite_store_open(&s, directory, &options, &why), 0);
        s->ops->usage(s, &usage);
        assert_int_equal(usage.batch_last, next);
    }
    store_close(s);
    scratch_remove(directory);
}

/* The last note at or before a moment. */
static size_t note_at(const struct world *w, uint64_t moment) {
    size_t at = 0;
    while (at + 1 < w->note_count && w->notes[at + 1].moment <= moment)
        at++;
    return at;
}

/* What may have been tried by then: what the next note says. */
static const struct extent *tried_at(const struct world *w, size_t at) {
    return &w->notes[at + 1 < w->note_count ? at + 1 : at].tried;
}

/* A second crash, while the first one is recovered from or soon after (CP13). The first image rests on the
 * disk; its recovery and one more batch are the log. */
static void check_second_crash(struct world *w, struct torture *image, const struct note *at,
                               const struct extent *tried, uint64_t seed) {
    uint64_t base = torture_rest(image);
    check_disk(w, image, &at->done, &at->done, tried, true);
    uint64_t end = torture_moment(image);
    struct extent more = *tried;
    more.last++; /* check_disk goes on with one batch */
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t moment = base + (end - base) * ((seed + i * 5) % 16) / 16;
        struct torture *second =
            torture_image(image, moment, i == 0 ? TORTURE_LOSES : TORTURE_SCRAMBLES, seed);
        check_disk(w, second, &at->done, &at->done, &more, false);
        torture_free(second);
    }
}

static unsigned check_moment(struct world *w, uint64_t moment, uint64_t seed) {
    size_t at = note_at(w, moment);
    const struct note *now = &w->notes[at];
    for (int kind = 0; kind < 4; kind++) {
        enum torture_loss loss = kind == 0 ? TORTURE_KEEPS : kind == 1 ? TORTURE_LOSES : TORTURE_SCRAMBLES;
        /* The watermark is not synced, so after a power failure it may be an older one. */
        const struct extent *mark = &w->notes[kind < 3 ? at : at * (seed % 7) / 7].done;
        struct torture *image = torture_image(w->disk, moment, loss, seed * 4 + (uint64_t)kind);
        if ((moment + (uint64_t)kind) % 5 == 0)
            check_second_crash(w, image, now, tried_at(w, at), seed);
        else
            check_disk(w, image, mark, &now->done, tried_at(w, at), kind == 2);
        torture_free(image);
    }
    return 4;
}

static void a_power_failure_loses_nothing_answered(void **state) {
    struct world *w = *state;
    unsigned images = 0;
    assert_int_equal(workload(w), 0);
    uint64_t end = torture_moment(w->disk);
    for (uint64_t moment = 1; moment <= end; moment++) {
        if (torture_is_sync(w->disk, moment))
            images += check_moment(w, moment - 1, moment);
        else if (moment % 23 == 0)
            images += check_moment(w, moment, moment);
    }
    images += check_moment(w, end, 1);
    print_message("%u images of %llu changes\n", images, (unsigned long long)end);
    assert_true(images >= 500);
}

/* After a failure: the process starts again on what the page cache shows, goes on, and then the power fails.
 */
static void check_restart(struct world *w, uint64_t seed) {
    struct store_usage usage;
    close_store(w);
    torture_fail(w->disk, TORTURE_IO, 0, false);
    assert_int_equal(open_store(w), 0);
    check_content(w, w->store, &w->done, &w->tried);
    w->store->ops->usage(w->store, &usage);
    w->done.last = w->tried.last = usage.batch_last;
    w->done.trimmed = w->tried.trimmed = usage.batch_trimmed;
    uint64_t opened = torture_moment(w->disk);
    assert_int_equal(append(w, w->done.last + 1), 0);
    if (seed % 2 == 0)
        assert_int_equal(fold(w, w->done.folds + 1), 0); /* what was open is offered again */
    uint64_t moments[3] = { opened, torture_moment(w->disk), 0 };
    close_store(w);
    moments[2] = torture_moment(w->disk);
    for (size_t i = 0; i < 3; i++) {
        size_t at = note_at(w, moments[i]);
        enum torture_loss loss = (seed + i) % 2 == 0 ? TORTURE_LOSES : TORTURE_SCRAMBLES;
        struct torture *image = torture_image(w->disk, moments[i], loss, seed);
        check_disk(w, image, &w->notes[at].done, &w->notes[at].done, tried_at(w, at), false);
        torture_free(image);
    }
}

/* After a failure that is not "no space", the store answers nothing but that failure. */
static void check_stopped(struct world *w, int code) {
    struct store_visitor none = { .row = see_row, .batch = see_batch };
    size_t removed = 0;
    uint64_t cursor = 0;
    if (w->store == NULL)
        return; /* it did not even open */
    assert_int_equal(code, ERR_IO);
    uint64_t next = w->done.last + 1;
    assert_int_equal(w->store->ops->append(w->store, next, batch_of(w, next), NULL), ERR_IO);
    assert_int_equal(w->store->ops->trim(w->store, w->done.last, NULL), ERR_IO);
    struct stored_row row = { .kind = STORED_AUDIT, .id = 1 };
    assert_int_equal(w->store->ops->fold(w->store, &row, 1, NULL), ERR_IO);
    assert_int_equal(w->store->ops->purge(w->store, STORED_ANSWER, 1, &cursor, 9, &removed, NULL), ERR_IO);
    assert_int_equal(w->store->ops->find(w->store, STORED_ANSWER, 1, &none, NULL), ERR_IO);
    assert_int_equal(w->store->ops->scan(w->store, STORED_ANSWER, 1, true, 9, &none, NULL), ERR_IO);
}

/* SETTLE_TEST_FULL=1 tries every place where a fault can strike (half a minute), SETTLE_TEST_QUICK=1 fewer
 * than the usual. */
static uint64_t stride_of(uint64_t usual) {
    if (getenv("SETTLE_TEST_FULL") != NULL)
        return 1;
    return getenv("SETTLE_TEST_QUICK") != NULL ? usual * 3 : usual;
}

/* Run the workload with the nth changing call failing, for n = 1, 2, ... until none fails. */
static void fail_each_call(bool for_ever, uint64_t stride) {
    uint64_t nth = 1;
    uint64_t hits = 1;
    for (; hits > 0; nth += stride) {
        struct world *w = calloc(1, sizeof *w);
        world_init(w);
        torture_fail(w->disk, TORTURE_IO, nth, for_ever);
        int code = workload(w);
        hits = torture_hits(w->disk);
        if (code != 0)
            check_stopped(w, code);
        else if (hits != w->quiet_hits + torture_hits_removing(w->disk))
            fail_msg("call %llu failed and nobody was told", (unsigned long long)nth);
        check_restart(w, nth);
        world_done(w);
        free(w);
    }
    print_message("%llu calls, every %lluth failed\n", (unsigned long long)nth, (unsigned long long)stride);
}

static void a_call_fails_once(void **state) {
    (void)state;
    fail_each_call(false, stride_of(7));
}

static void calls_fail_for_ever(void **state) {
    (void)state;
    fail_each_call(true, stride_of(17));
}

/* The nth write finds no space: the operation is answered ERR_SPACE, has done nothing, and works when it is
 * offered again. Only when opening may it be refused as a whole. */
static void a_write_finds_no_space(void **state) {
    uint64_t hits = 1;
    unsigned spaces = 0;
    (void)state;
    for (uint64_t nth = 1; hits > 0; nth += stride_of(5)) {
        struct world *w = calloc(1, sizeof *w);
        world_init(w);
        torture_fail(w->disk, TORTURE_FULL, nth, false);
        int code = workload(w);
        hits = torture_hits(w->disk);
        torture_fail(w->disk, TORTURE_FULL, 0, false);
        assert_int_equal(code, 0);
        spaces += w->spaces;
        check_disk(w, w->disk, &w->done, &w->done, &w->tried, true);
        world_done(w);
        free(w);
    }
    assert_true(spaces > 20);
    print_message("%u times no space\n", spaces);
}

/* Fill the disk, free some of it, twenty times (R5). */
static void a_full_disk_is_survived(void **state) {
    struct world *w = *state;
    assert_int_equal(open_store(w), 0);
    for (int round = 0; round < 20; round++) {
        int code = 0;
        torture_limit(w->disk, torture_bytes(w->disk) + 40000 + (uint64_t)round * 1000);
        for (int i = 0; i < 200 && code == 0; i++) {
            code = append(w, w->done.last + 1);
            if (code == 0 && i % 2 == 0)
                code = fold(w, w->done.folds + 1);
        }
        assert_int_equal(code, ERR_SPACE);
        for (int i = 0; i < 5; i++) { /* still full, unless a smaller batch fits; still readable */
            code = append(w, w->done.last + 1);
            assert_true(code == ERR_SPACE || code == 0);
        }
        check_content(w, w->store, &w->done, &w->tried);
        torture_limit(w->disk, UINT64_MAX);
        assert_int_equal(append(w, w->done.last + 1), 0);
        assert_int_equal(fold(w, w->done.folds + 1), 0);
        assert_int_equal(trim(w, w->done.last), 0);
        if (round % 5 == 4) {
            close_store(w);
            assert_int_equal(open_store(w), 0);
        }
    }
    check_content(w, w->store, &w->done, &w->tried);
    struct torture *image = torture_image(w->disk, torture_moment(w->disk), TORTURE_LOSES, 1);
    check_disk(w, image, &w->done, &w->done, &w->tried, true);
    torture_free(image);
}

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    world_init(w);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    world_done(w);
    free(w);
    return 0;
}

#define WITH_WORLD(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_power_failure_loses_nothing_answered),
        cmocka_unit_test(a_call_fails_once),
        cmocka_unit_test(calls_fail_for_ever),
        cmocka_unit_test(a_write_finds_no_space),
        WITH_WORLD(a_full_disk_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
