/* How fast the embedded store alone is on this disk: the limit that `make bench` holds the whole daemon
 * against (design.md section 5). A fresh store in a directory of its own, removed afterwards; blocking; one
 * thread.
 *
 * CPU is this process's, all threads, from getrusage; bytes and syncs are the kernel's and SQLite's own
 * counts. */
#ifndef STORE_STORE_BENCH_H
#define STORE_STORE_BENCH_H

#include <stdint.h>

#include "base/err.h"

struct store_bench_options {
    const char *directory; /* must not exist; its parent must */
    uint32_t run_ms;
    uint32_t records_per_batch; /* >= 1 */
    uint32_t bytes_per_record;  /* >= 1 */
    uint32_t rows_per_fold;     /* 0: the journal alone; else after each batch as many rows are folded */
};

struct store_bench_result {
    uint64_t batches;
    uint64_t records;
    uint64_t run_us;
    uint64_t cpu_us;
    uint64_t batch_us_p50; /* of an append, trims and folds excluded */
    uint64_t batch_us_p99;
    uint64_t batch_us_max;
    uint64_t fold_us_p50;
    uint64_t fold_us_p99;
    uint64_t written_bytes; /* to the disk, by this process; 0 when the kernel does not tell */
    uint64_t store_bytes;   /* both databases and their logs at the end */
};

/* ERR_CONFLICT: the directory exists. ERR_INVALID. Others as the store's. */
int store_bench(const struct store_bench_options *options, struct store_bench_result *out, struct why *why);

#endif
