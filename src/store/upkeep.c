#include "store/upkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "store/disk.h"
#include "store/stopped_store.h"

static void say_loss(const struct stopped_store *s, struct buffer *report) {
    uint64_t lost = s->mark.seq > s->journal.last ? s->mark.seq - s->journal.last : 0;
    buffer_add_format(
        report,
        "Acknowledged work is missing. The watermark says that batch %llu (epoch %llu) was durable; "
        "the last one in %s is batch %llu (epoch %llu): %llu batches are gone.\n",
        (unsigned long long)s->mark.seq, (unsigned long long)s->mark.epoch, sqlite_journal_name,
        (unsigned long long)s->journal.last, (unsigned long long)s->journal.epoch, (unsigned long long)lost);
}

static void say_history_loss(const struct stopped_store *s, struct buffer *report) {
    buffer_add_format(
        report,
        "FAULT  %s: the journal was trimmed after %llu writes to it, it has %llu: acknowledged work is "
        "missing\n",
        sqlite_history_name, (unsigned long long)s->journal.history, (unsigned long long)s->history.writes);
}

static void say_ways_out(struct buffer *report) {
    buffer_add_text(
        report,
        "How it comes about: the disk lost or changed bytes at the end of the write-ahead log, an older copy "
        "of "
        "the files was put here, or a file was removed.\n"
        "What can be done, best first:\n"
        "  1. Find the right files: another copy of journal.db-wal, the disk before a move. Keep a copy of "
        "this "
        "directory before anything else.\n"
        "  2. Restore a backup into a fresh directory: settle store restore. It lists what to check.\n"
        "  3. Accept the loss: settle store accept-loss, with a reason. Transactions of the missing batches "
        "are "
        "forgotten: participants may have been called for them, clients may have been told they committed. "
        "Compare the participants' books with settle's afterwards.\n");
}

int upkeep_explain(const char *directory, struct buffer *report, struct why *why) {
    struct stopped_store s;
    int code = stopped_store_open(&s, directory, why);
    if (code != 0)
        return code;
    if (s.is_copy) {
        buffer_add_format(report, "%s is a copy made by a backup: it has no watermark to be behind.\n",
                          directory);
    } else if (!s.has_mark) {
        buffer_add_format(report, "%s has no readable watermark, so nothing tells whether work is missing.\n",
                          directory);
        say_ways_out(report);
        code = why_set(why, ERR_CORRUPT, "%s has no readable watermark", directory);
    } else if (stopped_store_behind(&s)) {
        say_loss(&s, report);
        say_ways_out(report);
        code = why_set(why, ERR_CORRUPT, "%s is behind its watermark", directory);
    } else if (stopped_store_history_behind(&s)) {
        say_history_loss(&s, report);
        say_ways_out(report);
        code = why_set(why, ERR_CORRUPT, "%s is behind", sqlite_history_name);
    } else {
        buffer_add_format(report,
                          "Nothing is missing: batch %llu of epoch %llu was acknowledged, batch %llu of "
                          "epoch %llu is there.\n",
                          (unsigned long long)s.mark.seq, (unsigned long long)s.mark.epoch,
                          (unsigned long long)s.journal.last, (unsigned long long)s.journal.epoch);
    }
    stopped_store_close(&s);
    return code;
}

/* Every fault SQLite finds, at most a hundred. */
static int check_integrity(struct sqlite_file *f, struct buffer *report) {
    sqlite3_stmt *check = NULL;
    int code = sqlite_file_prepare(f, "PRAGMA integrity_check(100)", &check, NULL);
    int result = SQLITE_ROW;
    while (code == 0 && (result = sqlite3_step(check)) == SQLITE_ROW) {
        struct slice line = sqlite_file_column(check, 0);
        if (slice_is(line, "ok"))
            continue;
        buffer_add_format(report, "FAULT  %s: %.*s\n", f->name, SLICE_PRINT(line));
        code = ERR_CORRUPT;
    }
    if (code == 0 && result != SQLITE_DONE) {
        buffer_add_format(report, "FAULT  %s: %s\n", f->name, sqlite3_errmsg(f->db));
        code = ERR_CORRUPT;
    }
    sqlite3_finalize(check);
    if (code == 0)
        buffer_add_format(report, "ok     %s: SQLite's integrity check\n", f->name);
    return code;
}

static int verify_journal(struct stopped_store *s, struct buffer *report) {
    struct why story = { "" };
    uint64_t batches = 0;
    uint64_t bytes = 0;
    int code = sqlite_journal_verify(&s->journal, &batches, &bytes, &story);
    if (code != 0)
        buffer_add_format(report, "FAULT  %s\n", story.text);
    else
        buffer_add_format(
            report, "ok     %s: %llu batches of %llu bytes, %llu to %llu, no gap, all checksums right\n",
            sqlite_journal_name, (unsigned long long)batches, (unsigned long long)bytes,
            (unsigned long long)s->journal.trimmed + 1, (unsigned long long)s->journal.last);
    return code;
}

static int verify_history(struct stopped_store *s, struct buffer *report) {
    struct why story = { "" };
    uint64_t rows[STORED_KIND_END];
    int code = sqlite_history_verify(&s->history, rows, &story);
    if (code != 0)
        buffer_add_format(report, "FAULT  %s\n", story.text);
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        buffer_add_format(report, "ok     %s: %llu rows in %s, all checksums right\n", sqlite_history_name,
                          (unsigned long long)rows[kind], sqlite_history_table(kind));
    return code;
}

static int verify_mark(const struct stopped_store *s, struct buffer *report) {
    if (s->is_copy) {
        buffer_add_text(report, "ok     a copy made by a backup: no watermark\n");
        return 0;
    }
    if (!s->has_mark) {
        buffer_add_text(report, "FAULT  watermark: missing or damaged\n");
        return ERR_CORRUPT;
    }
    if (stopped_store_behind(s)) {
        buffer_add_text(report, "FAULT  ");
        say_loss(s, report);
        say_ways_out(report);
        return ERR_CORRUPT;
    }
    buffer_add_format(report, "ok     watermark: batch %llu of epoch %llu was acknowledged\n",
                      (unsigned long long)s->mark.seq, (unsigned long long)s->mark.epoch);
    return 0;
}

int upkeep_verify(const char *directory, struct buffer *report, struct why *why) {
    struct stopped_store s;
    int faults = 0;
    int code = stopped_store_open(&s, directory, why);
    if (code != 0)
        return code;
    /* A fault in one place is no reason not to look at the others. */
    faults += check_integrity(&s.journal.file, report) != 0;
    s.failed = 0;
    faults += check_integrity(&s.history.file, report) != 0;
    s.failed = 0;
    faults += verify_journal(&s, report) != 0;
    s.failed = 0;
    faults += verify_history(&s, report) != 0;
    if (!sqlite_identity_same(s.journal.identity, s.history.identity)) {
        buffer_add_text(report, "FAULT  the two files belong to two different stores\n");
        faults++;
    }
    if (stopped_store_history_behind(&s)) {
        say_history_loss(&s, report);
        faults++;
    }
    faults += verify_mark(&s, report) != 0;
    stopped_store_close(&s);
    if (faults == 0)
        return 0;
    return why_set(why, ERR_CORRUPT, "%s: %d of the checks found faults", directory, faults);
}

/* A fresh file beside the old one. */
static int write_compact(struct sqlite_file *f, struct why *why) {
    char fresh[PATH_MAX];
    sqlite3_stmt *vacuum = NULL;
    if (snprintf(fresh, sizeof fresh, "%s.compact", f->path) >= (int)sizeof fresh)
        return why_set(why, ERR_INVALID, "a directory's name is too long");
    unlink(fresh);
    int fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return disk_fail(why, "create", fresh);
    int code = sqlite_file_prepare(f, "VACUUM INTO ?1", &vacuum, why);
    if (code == 0) {
        sqlite3_bind_text(vacuum, 1, fresh, -1, SQLITE_STATIC);
        code = sqlite_file_step(f, vacuum, "compact", why);
    }
    sqlite3_finalize(vacuum);
    if (code == 0 && fsync(fd) != 0)
        code = disk_fail(why, "sync", fresh);
    close(fd);
    if (code != 0)
        unlink(fresh);
    return code;
}

/* Of a database and of its fresh copy. */
static int compact_path(char path[PATH_MAX], char fresh[PATH_MAX], const char *directory, const char *name,
                        struct why *why) {
    int code = disk_path(path, directory, name, why);
    if (code == 0 && snprintf(fresh, PATH_MAX, "%.4000s.compact", path) >= PATH_MAX)
        code = why_set(why, ERR_INVALID, "a directory's name is too long");
    return code;
}

static int put_in_place(const char *directory, const char *name, struct buffer *report, struct why *why) {
    char path[PATH_MAX];
    char fresh[PATH_MAX];
    struct stat before;
    struct stat after;
    int code = compact_path(path, fresh, directory, name, why);
    if (code != 0)
        return code;
    if (stat(path, &before) != 0 || stat(fresh, &after) != 0 || rename(fresh, path) != 0)
        return disk_fail(why, "put in place", fresh);
    buffer_add_format(report, "%s: %lld bytes, before %lld\n", name, (long long)after.st_size,
                      (long long)before.st_size);
    return 0;
}

int upkeep_compact(const char *directory, struct buffer *report, struct why *why) {
    struct stopped_store s;
    int code = stopped_store_open(&s, directory, why);
    if (code != 0)
        return code;
    if (!s.is_copy && (!s.has_mark || stopped_store_behind(&s)))
        code = why_set(why, ERR_CORRUPT, "%s is behind its watermark: see settle store verify", directory);
    if (code == 0)
        code = stopped_store_check(&s, why);
    if (code == 0)
        code = sqlite_file_trust(&s.journal.file, why);
    if (code == 0)
        code = sqlite_file_trust(&s.history.file, why);
    if (code == 0)
        code = write_compact(&s.journal.file, why);
    if (code == 0)
        code = write_compact(&s.history.file, why);
    /* Closing folds the old logs and removes them: a log must never meet another database file. The lock is
     * held on to until the files are in place. */
    struct owner_lock lock = s.lock;
    s.lock.fd = -1;
    stopped_store_close(&s);
    if (code == 0 && (disk_has(directory, "journal.db-wal") || disk_has(directory, "history.db-wal")))
        code = why_set(why, ERR_IO, "%s: a write-ahead log could not be folded", directory);
    if (code == 0)
        code = put_in_place(directory, sqlite_history_name, report, why);
    if (code == 0)
        code = put_in_place(directory, sqlite_journal_name, report, why);
    if (code == 0)
        code = disk_sync(directory, why);
    owner_lock_release(&lock);
    return code;
}

/* The note comes before the deed, and is durable before it. */
static int write_note(const struct stopped_store *s, const char *directory, struct slice reason,
                      struct buffer *report, struct why *why) {
    char path[PATH_MAX];
    char when[64] = "";
    struct buffer text;
    struct tm broken;
    time_t now = time(NULL);
    if (gmtime_r(&now, &broken) != NULL)
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &broken);
    if (snprintf(path, sizeof path, "%s/loss-%llu-%llu.txt", directory, (unsigned long long)s->mark.epoch,
                 (unsigned long long)s->mark.seq) >= (int)sizeof path)
        return why_set(why, ERR_INVALID, "a directory's name is too long");
    buffer_init(&text, 8192);
    buffer_add_format(&text,
                      "%s  a loss was accepted by user id %ld\nacknowledged: batch %llu of epoch %llu%s\n"
                      "found:        batch %llu of epoch %llu\nreason:       %.*s\n",
                      when, (long)getuid(), (unsigned long long)s->mark.seq,
                      (unsigned long long)s->mark.epoch, s->has_mark ? "" : " (the watermark was missing)",
                      (unsigned long long)s->journal.last, (unsigned long long)s->journal.epoch,
                      SLICE_PRINT(reason));
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    int code = buffer_failed(&text);
    errno = fd < 0 ? errno : ENOSPC;
    if (code == 0 && (fd < 0 || write(fd, text.at, text.length) != (ssize_t)text.length || fsync(fd) != 0))
        code = disk_fail(why, "write", path);
    if (code == 0)
        code = disk_sync(directory, why);
    if (code == 0)
        buffer_add_format(report, "Noted in %s.\n", path);
    if (fd >= 0)
        close(fd);
    buffer_done(&text);
    return code;
}

int upkeep_accept_loss(const char *directory, struct slice reason, struct buffer *report, struct why *why) {
    struct stopped_store s;
    if (reason.length == 0 || reason.length > LIMIT_REASON_BYTES)
        return why_set(why, ERR_INVALID, "a loss is accepted with a reason of 1 to %d bytes",
                       LIMIT_REASON_BYTES);
    int code = stopped_store_open(&s, directory, why);
    if (code != 0)
        return code;
    bool lost = !s.has_mark || stopped_store_behind(&s) || stopped_store_history_behind(&s);
    if (s.is_copy || !lost)
        code = why_set(why, ERR_CONFLICT, "%s: nothing is lost, so nothing was changed", directory);
    if (code == 0)
        code = stopped_store_check(&s, why);
    if (code == 0) {
        if (s.has_mark)
            say_loss(&s, report);
        code = write_note(&s, directory, reason, report, why);
    }
    if (code == 0) {
        uint64_t ahead = s.mark.epoch > s.journal.epoch ? s.mark.epoch - s.journal.epoch : 0;
        code = stopped_store_take(&s, directory, ahead + UPKEEP_EPOCH_STEP, why);
    }
    if (code == 0)
        buffer_add_format(report,
                          "The loss is accepted: the store goes on from batch %llu under epoch %llu.\n",
                          (unsigned long long)s.journal.last, (unsigned long long)s.journal.epoch);
    stopped_store_close(&s);
    return code;
}
