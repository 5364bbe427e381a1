#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/scratch.h"
#include "store/store_bench.h"

static void a_short_run_gives_figures(void **state) {
    char base[SCRATCH_PATH_BYTES];
    char directory[SCRATCH_PATH_BYTES + 16];
    struct store_bench_result r;
    struct why why;
    (void)state;
    assert_int_equal(scratch_make(base, false), 0);
    snprintf(directory, sizeof directory, "%s/bench", base);
    struct store_bench_options o = { .directory = directory,
                                     .run_ms = 100,
                                     .records_per_batch = 16,
                                     .bytes_per_record = 150,
                                     .rows_per_fold = 4 };
    assert_int_equal(store_bench(&o, &r, &why), 0);
    assert_true(r.batches > 0);
    assert_int_equal(r.records, r.batches * 16);
    assert_true(r.run_us >= 100000);
    assert_true(r.batch_us_p50 > 0 && r.batch_us_p50 <= r.batch_us_p99 && r.batch_us_p99 <= r.batch_us_max);
    assert_true(r.fold_us_p50 > 0);
    assert_true(r.store_bytes > 0);
    assert_int_equal(access(directory, F_OK), -1); /* nothing is left */
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(store_bench(&o, &r, &why), ERR_CONFLICT);
    o.records_per_batch = 0;
    assert_int_equal(store_bench(&o, &r, &why), ERR_INVALID);
    o.records_per_batch = 1u << 20;
    o.bytes_per_record = 1u << 20;
    assert_int_equal(store_bench(&o, &r, &why), ERR_INVALID);
    scratch_remove(base);
}

/* store_bench_test MS RECORDS BYTES ROWS: print the figures of one run, for a person. */
static int print_run(char **argument) {
    char base[SCRATCH_PATH_BYTES];
    char directory[SCRATCH_PATH_BYTES + 16];
    struct store_bench_result r;
    struct why why;
    if (scratch_make(base, false) != 0)
        return 1;
    snprintf(directory, sizeof directory, "%s/bench", base);
    struct store_bench_options o = { .directory = directory,
                                     .run_ms = (uint32_t)strtoul(argument[0], NULL, 10),
                                     .records_per_batch = (uint32_t)strtoul(argument[1], NULL, 10),
                                     .bytes_per_record = (uint32_t)strtoul(argument[2], NULL, 10),
                                     .rows_per_fold = (uint32_t)strtoul(argument[3], NULL, 10) };
    int code = store_bench(&o, &r, &why);
    scratch_remove(base);
    if (code != 0) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    double records = (double)r.records;
    printf("%.0f records/s  %.2f us CPU each  %.0f bytes written each  batch p50 %llu p99 %llu max %llu us  "
           "fold p50 %llu p99 %llu us  %llu bytes\n",
           records / ((double)r.run_us / 1e6), (double)r.cpu_us / records, (double)r.written_bytes / records,
           (unsigned long long)r.batch_us_p50, (unsigned long long)r.batch_us_p99,
           (unsigned long long)r.batch_us_max, (unsigned long long)r.fold_us_p50,
           (unsigned long long)r.fold_us_p99, (unsigned long long)r.store_bytes);
    return 0;
}

int main(int count, char **arguments) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_short_run_gives_figures) };
    if (count == 5)
        return print_run(arguments + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
