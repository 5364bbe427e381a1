#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/backup.h"
#include "store/disk.h"
#include "store/sqlite_store.h"
#include "store/stopped_store.h"
#include "store/tar.h"
#include "store/upkeep.h"

static const char *const members[] = { "journal.db", "history.db", "BACKUP.txt" };

static int copy_bytes(int from, int to, const char *path, struct why *why) {
    char piece[64 * 1024];
    ssize_t got;
    while ((got = read(from, piece, sizeof piece)) > 0) {
        errno = ENOSPC;
        if (write(to, piece, (size_t)got) != got)
            return disk_fail(why, "write", path);
    }
    if (got < 0)
        return disk_fail(why, "read the copy of", path);
    return fsync(to) == 0 ? 0 : disk_fail(why, "sync", path);
}

static int copy_file(const char *source, const char *directory, const char *name, struct why *why) {
    char from_path[PATH_MAX];
    char to_path[PATH_MAX];
    int code = disk_path(from_path, source, name, why);
    if (code == 0)
        code = disk_path(to_path, directory, name, why);
    if (code != 0)
        return code;
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return why_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", from_path,
                       strerror(errno));
    int to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    code = to >= 0 ? copy_bytes(from, to, to_path, why) : disk_fail(why, "create", to_path);
    close(from);
    if (to >= 0)
        close(to);
    return code;
}

static int bring(const char *source, const char *directory, struct why *why) {
    struct stat found;
    size_t count = sizeof members / sizeof members[0];
    int code = 0;
    if (stat(source, &found) != 0)
        return why_set(why, ERR_NOT_FOUND, "cannot open %s: %s", source, strerror(errno));
    if (S_ISDIR(found.st_mode)) {
        /* A log beside the files means that somebody has worked on them: then they are no copy any more. */
        if (disk_has(source, "journal.db-wal") || disk_has(source, "history.db-wal"))
            return why_set(why, ERR_INVALID,
                           "%s has a write-ahead log beside its files, so it is not a backup: take one with "
                           "settle store backup",
                           source);
        for (size_t i = 0; i < count && code == 0; i++)
            code = copy_file(source, directory, members[i], why);
        return code;
    }
    int fd = open(source, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return disk_fail(why, "open", source);
    code = tar_unpack(fd, directory, members, count, why);
    close(fd);
    return code;
}

static int put_marker(const char *directory, struct why *why) {
    char path[PATH_MAX];
    int code = disk_path(path, directory, SQLITE_STORE_RESTORING, why);
    if (code != 0)
        return code;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return disk_fail(why, "create", path);
    close(fd);
    return disk_sync(directory, why);
}

/* The note goes too: with it the directory would pass for a copy. */
static int drop_marker(const char *directory, struct why *why) {
    const char *const names[] = { backup_note_name, SQLITE_STORE_RESTORING };
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_MAX];
        int code = disk_path(path, directory, names[i], why);
        if (code != 0)
            return code;
        if (unlink(path) != 0 && errno != ENOENT)
            return disk_fail(why, "remove", path);
    }
    return disk_sync(directory, why);
}

/* A directory that may be restored into: no store, or what an interrupted restore has left. */
static int check_target(const char *directory, struct why *why) {
    static const char *const names[] = { "watermark", "journal.db", "history.db", "journal.db-wal",
                                         "history.db-wal" };
    if (disk_has(directory, SQLITE_STORE_RESTORING) && !disk_has(directory, "watermark"))
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (disk_has(directory, names[i]))
            return why_set(
                why, ERR_CONFLICT,
                "%s has a store already (%s is there); restore into another directory, or move the old "
                "files away",
                directory, names[i]);
    return 0;
}

static int count_open(void *self, const struct stored_row *row) {
    uint64_t *unfinished = self;
    *unfinished += row->kind == STORED_TRANSACTION && !row->final;
    return 0;
}

static void say_checks(struct stopped_store *s, struct buffer *report) {
    uint64_t unfinished = 0;
    struct store_visitor visit = { .row = count_open, .self = &unfinished };
    sqlite_history_visit(&s->history, UINT64_MAX >> 1, &visit, NULL);
    buffer_add_format(
        report,
        "Restored to batch %llu; the epoch is now %llu. %llu batches are in its journal; at least %llu "
        "transactions are unfinished in it.\n"
        "Whatever was done after the copy was taken is not in it. Check, before and after settled is "
        "started:\n"
        "  1. Transactions accepted since then are unknown: clients that repeat them start them anew. Where "
        "a "
        "participant knows a gid that settled does not, settle it by hand.\n"
        "  2. Transactions that are unfinished in the copy go on from where they were: participants see "
        "calls "
        "again, with the same keys. Those without a barrier or idempotent handlers must be compared with "
        "settled's "
        "list.\n"
        "  3. Decisions made since then are forgotten and may fall differently: compare transactions that "
        "were "
        "undecided in the copy with what participants did.\n"
        "  4. The old store must not run any more, anywhere.\n",
        (unsigned long long)s->journal.last, (unsigned long long)s->journal.epoch,
        (unsigned long long)(s->journal.last - s->journal.trimmed), (unsigned long long)unfinished);
}

static int take(const char *directory, struct buffer *report, struct why *why) {
    struct stopped_store s;
    int code = stopped_store_open(&s, directory, why);
    if (code != 0)
        return code;
    code = stopped_store_check(&s, why);
    if (code == 0)
        code = drop_marker(directory, why);
    if (code == 0)
        code = stopped_store_take(&s, directory, UPKEEP_EPOCH_STEP, why);
    if (code == 0)
        say_checks(&s, report);
    stopped_store_close(&s);
    return code;
}

int upkeep_restore(const char *source, const char *directory, struct buffer *report, struct why *why) {
    struct owner_lock lock;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return disk_fail(why, "create", directory);
    int code = owner_lock_take(&lock, directory, why);
    if (code == 0)
        code = check_target(directory, why);
    if (code == 0)
        code = put_marker(directory, why);
    if (code == 0)
        code = bring(source, directory, why);
    /* With the note in it the directory counts as a copy, which is opened without the lock that is held here.
     */
    if (code == 0)
        code = take(directory, report, why);
    owner_lock_release(&lock);
    return code;
}
