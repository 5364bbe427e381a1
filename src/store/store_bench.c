#include "store/store_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "store/scratch.h"
#include "store/sqlite_store.h"

#define TRIM_EVERY 16   /* batches, as the committer does */
#define KEEP_BATCHES 64 /* a daemon's journal holds about so many before they are folded */
#define BATCHES_MAX (1u << 22)
#define ROW_BYTES 300 /* an image of a small transaction */

struct times {
    uint32_t *us;
    size_t count;
    size_t capacity;
};

struct bench {
    const struct store_bench_options *options;
    struct store *store;
    char *batch;
    size_t batch_bytes;
    uint64_t next_row;
    struct times appends;
    struct times folds;
};

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static uint64_t written_bytes(void) {
    char line[128];
    unsigned long long bytes = 0;
    FILE *io = fopen("/proc/self/io", "re");
    while (io != NULL && fgets(line, sizeof line, io) != NULL)
        if (sscanf(line, "write_bytes: %llu", &bytes) == 1)
            break;
    if (io != NULL)
        fclose(io);
    return bytes;
}

static void times_add(struct times *t, uint64_t us) {
    if (t->count == t->capacity) {
        size_t capacity = t->capacity * 2 + 4096;
        uint32_t *more = capacity > BATCHES_MAX ? NULL : realloc(t->us, capacity * sizeof *more);
        if (more == NULL)
            return; /* the rest of a very long run is left out of the percentiles */
        t->us = more;
        t->capacity = capacity;
    }
    t->us[t->count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int compare(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static uint64_t times_at(struct times *t, unsigned per_mille) {
    return t->count == 0 ? 0 : t->us[(t->count - 1) * per_mille / 1000];
}

static void times_sort(struct times *t) {
    if (t->count > 0)
        qsort(t->us, t->count, sizeof *t->us, compare);
}

/* Records differ from batch to batch: a disk that compresses or skips zeros must not shine. */
static void fill_batch(struct bench *b, uint64_t seq) {
    uint64_t state = seq * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i + 8 <= b->batch_bytes; i += 64) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(b->batch + i, &state, 8);
    }
}

static int fold(struct bench *b, struct why *why) {
    static const char image[ROW_BYTES] = "an image";
    uint32_t count = b->options->rows_per_fold;
    struct stored_row *rows = calloc(count, sizeof *rows);
    if (rows == NULL)
        return why_set(why, ERR_MEMORY, "no memory for rows");
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = ++b->next_row;
        rows[i] = (struct stored_row){ .kind = STORED_TRANSACTION,
                                       .id = id,
                                       .key_hash = id * UINT64_C(0x9e3779b97f4a7c15),
                                       .seq = 6,
                                       .final = true,
                                       .key = SLICE("tx_0123456789abcdef0123456789abcdef"),
                                       .state = SLICE("committed"),
                                       .image = slice_of(image, sizeof image) };
    }
    uint64_t began = now_us();
    int code = b->store->ops->fold(b->store, rows, count, why);
    times_add(&b->folds, now_us() - began);
    free(rows);
    return code;
}

static int turn(struct bench *b, uint64_t seq, struct why *why) {
    fill_batch(b, seq);
    uint64_t began = now_us();
    int code = b->store->ops->append(b->store, seq, slice_of(b->batch, b->batch_bytes), why);
    times_add(&b->appends, now_us() - began);
    if (code == 0 && b->options->rows_per_fold > 0)
        code = fold(b, why);
    if (code == 0 && seq % TRIM_EVERY == 0 && seq > KEEP_BATCHES)
        code = b->store->ops->trim(b->store, seq - KEEP_BATCHES, why);
    return code;
}

static int run(struct bench *b, struct store_bench_result *result, struct why *why) {
    const struct store_bench_options *o = b->options;
    uint64_t seq = 0;
    int code = 0;
    while (code == 0 && seq < 2 * KEEP_BATCHES) /* warm: the log is being overwritten, not grown */
        code = turn(b, ++seq, why);
    b->appends.count = 0;
    b->folds.count = 0;
    uint64_t written = written_bytes();
    uint64_t cpu = cpu_us();
    uint64_t began = now_us();
    uint64_t first = seq;
    while (code == 0 && now_us() - began < (uint64_t)o->run_ms * 1000)
        code = turn(b, ++seq, why);
    result->run_us = now_us() - began;
    result->cpu_us = cpu_us() - cpu;
    result->written_bytes = written_bytes() - written;
    result->batches = seq - first;
    result->records = (seq - first) * o->records_per_batch;
    return code;
}

static void summarize(struct bench *b, struct store_bench_result *result) {
    struct store_usage usage;
    b->store->ops->usage(b->store, &usage);
    result->store_bytes = usage.journal_bytes + usage.history_bytes;
    times_sort(&b->appends);
    times_sort(&b->folds);
    result->batch_us_p50 = times_at(&b->appends, 500);
    result->batch_us_p99 = times_at(&b->appends, 990);
    result->batch_us_max = times_at(&b->appends, 1000);
    result->fold_us_p50 = times_at(&b->folds, 500);
    result->fold_us_p99 = times_at(&b->folds, 990);
}

int store_bench(const struct store_bench_options *options, struct store_bench_result *out, struct why *why) {
    struct store_bench_result result = { 0 };
    struct bench b = { .options = options };
    if (options->records_per_batch == 0 || options->bytes_per_record == 0 || options->run_ms == 0)
        return why_set(why, ERR_INVALID, "a bench needs records, bytes and time");
    b.batch_bytes = (size_t)options->records_per_batch * options->bytes_per_record;
    if (b.batch_bytes > STORE_BATCH_BYTES_MAX)
        return why_set(why, ERR_INVALID, "a batch of %zu bytes is too large", b.batch_bytes);
    if (access(options->directory, F_OK) == 0)
        return why_set(why, ERR_CONFLICT, "%s exists: a bench makes its own directory", options->directory);
    b.batch = calloc(1, b.batch_bytes);
    int code = b.batch == NULL ? why_set(why, ERR_MEMORY, "no memory for a batch")
                               : sqlite_store_open(&b.store, options->directory, NULL, why);
    if (code == 0)
        code = run(&b, &result, why);
    if (code == 0)
        summarize(&b, &result);
    store_close(b.store);
    scratch_remove(options->directory);
    free(b.batch);
    free(b.appends.us);
    free(b.folds.us);
    if (code == 0)
        *out = result;
    return code;
}
