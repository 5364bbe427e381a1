#include "server/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "server/daemon.h"
#include "store/backup.h"
#include "store/owner_lock.h"
#include "store/store_bench.h"
#include "store/tar.h"
#include "store/upkeep.h"

static int tell(int code, const struct buffer *report, const struct why *why) {
    fwrite(report->at == NULL ? "" : report->at, 1, report->length, stdout);
    fflush(stdout);
    if (code != 0)
        fprintf(stderr, "settled: %s\n", why->text[0] == '\0' ? err_text(code) : why->text);
    return daemon_exit_code(code);
}

/* An archive is unpacked beside itself, looked at, and removed again. */
static int verify_archive(const char *source, struct buffer *report, struct why *why) {
    static const char *const names[] = { "journal.db", "history.db", "BACKUP.txt" };
    char directory[PATH_MAX];
    if (snprintf(directory, sizeof directory, "%s.verify-XXXXXX", source) >= (int)sizeof directory)
        return why_set(why, ERR_INVALID, "%s: the path is too long", source);
    int fd = open(source, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return why_set(why, ERR_IO, "%s: %s", source, strerror(errno));
    int code = mkdtemp(directory) == NULL ? why_set(why, ERR_IO, "%s: %s", directory, strerror(errno)) : 0;
    if (code == 0) {
        code = tar_unpack(fd, directory, names, sizeof names / sizeof names[0], why);
        if (code == 0)
            code = upkeep_verify(directory, report, why);
        backup_remove(directory);
    }
    close(fd);
    return code;
}

int offline_verify(const char *data, const char *source) {
    struct buffer report;
    struct why why = { .text = "" };
    struct stat status;
    int code;
    buffer_init(&report, 1024 * 1024);
    if (source != NULL && stat(source, &status) != 0)
        code = why_set(&why, ERR_NOT_FOUND, "%s: %s", source, strerror(errno));
    else if (source != NULL && S_ISREG(status.st_mode))
        code = verify_archive(source, &report, &why);
    else
        code = upkeep_verify(source != NULL ? source : data, &report, &why);
    code = tell(code, &report, &why);
    buffer_done(&report);
    return code;
}

/* Nothing is deleted: the store that is there goes into a directory of its own. */
static int move_aside(const char *data, struct why *why) {
    static const char *const names[] = { "journal.db", "journal.db-wal", "history.db", "history.db-wal",
                                         "watermark" };
    char aside[PATH_MAX];
    char from[PATH_MAX + 32];
    char to[PATH_MAX + 32];
    struct owner_lock lock = { .fd = -1 };
    int code = owner_lock_take(&lock, data, why);
    if (code != 0)
        return code == ERR_NOT_FOUND ? 0 : code;
    snprintf(aside, sizeof aside, "%.4000s/replaced-%lld", data, (long long)time(NULL));
    if (mkdir(aside, 0700) != 0)
        code = why_set(why, ERR_IO, "%s: %s", aside, strerror(errno));
    for (size_t i = 0; i < sizeof names / sizeof names[0] && code == 0; i++) {
        snprintf(from, sizeof from, "%s/%s", data, names[i]);
        snprintf(to, sizeof to, "%s/%s", aside, names[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            code = why_set(why, ERR_IO, "%s: %s", from, strerror(errno));
    }
    owner_lock_release(&lock);
    return code;
}

int offline_restore(const char *data, const char *source, bool force) {
    struct buffer report;
    struct why why = { .text = "" };
    int code = force ? move_aside(data, &why) : 0;
    buffer_init(&report, 1024 * 1024);
    if (code == 0)
        code = upkeep_restore(source, data, &report, &why);
    code = tell(code, &report, &why);
    buffer_done(&report);
    return code;
}

int offline_compact(const char *data) {
    struct buffer report;
    struct why why = { .text = "" };
    buffer_init(&report, 1024 * 1024);
    int code = tell(upkeep_compact(data, &report, &why), &report, &why);
    buffer_done(&report);
    return code;
}

int offline_accept_loss(const char *data, const char *reason) {
    struct buffer report;
    struct why why = { .text = "" };
    buffer_init(&report, 1024 * 1024);
    int code = tell(upkeep_accept_loss(data, slice_text(reason), &report, &why), &report, &why);
    buffer_done(&report);
    return code;
}

/* What a transaction of two branches is to the store, as counted in settled, and how many of them share a
 * group commit when a hundred clients press. Folds run beside the commits, on the history's own thread. */
enum {
    BENCH_MS = 2000,
    BENCH_PER_BATCH = 32,
};
static const struct bench_mode {
    const char *name;
    uint32_t records;
    uint32_t record_bytes;
} bench_modes[] = {
    { "saga", 7, 91 }, /* 640 bytes */
    { "tcc", 11, 72 }, /* 790 bytes */
};

static int bench_mode(const char *directory, const struct bench_mode *mode, struct json_writer *w,
                      struct why *why) {
    const struct store_bench_options options = {
        .directory = directory,
        .run_ms = BENCH_MS,
        .records_per_batch = mode->records * BENCH_PER_BATCH,
        .bytes_per_record = mode->record_bytes,
    };
    struct store_bench_result result;
    int code = store_bench(&options, &result, why);
    if (code != 0)
        return code;
    uint64_t transactions = result.records / mode->records;
    json_put_object(w, mode->name);
    json_put_u64(w, "per_second", transactions * 1000000 / result.run_us);
    json_put_u64(w, "cpu_ns_per_transaction", transactions == 0 ? 0 : result.cpu_us * 1000 / transactions);
    json_put_u64(w, "bytes_per_transaction", transactions == 0 ? 0 : result.written_bytes / transactions);
    json_put_u64(w, "batches", result.batches);
    json_put_u64(w, "p50_us", result.batch_us_p50);
    json_put_u64(w, "p99_us", result.batch_us_p99);
    json_put_end(w);
    return 0;
}

int offline_bench(const char *directory) {
    struct json_writer w;
    struct buffer report;
    struct why why = { .text = "" };
    int code = 0;
    buffer_init(&report, 4096);
    json_writer_init(&w, &report);
    json_put_object(&w, NULL);
    for (size_t i = 0; i < sizeof bench_modes / sizeof bench_modes[0] && code == 0; i++)
        code = bench_mode(directory, &bench_modes[i], &w, &why);
    json_put_end(&w);
    buffer_add_byte(&report, '\n');
    if (code != 0)
        buffer_clear(&report);
    code = tell(code, &report, &why);
    buffer_done(&report);
    return code;
}
