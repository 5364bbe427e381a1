#include "store/backup.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/disk.h"
#include "store/sqlite_history.h"
#include "store/sqlite_journal.h"
#include "store/sqlite_store.h"

#define STEP_PAGES 64 /* 512 KiB: well below a millisecond into the page cache */
#define LAST_PAGES 1  /* kept back, so that the copy still follows changes */

const char backup_note_name[] = "BACKUP.txt";

/* One file being copied. */
struct copy {
    sqlite3 *to;
    sqlite3_backup *backup;
    const char *name;
    char path[PATH_MAX];
};

struct backup {
    struct store *store;
    char directory[PATH_MAX];
    struct copy journal; /* J between the first backup_journal_step and its end, else H */
    struct copy history; /* H */
    struct backup_facts facts;
    bool finished;
};

static bool is_empty(const char *directory) {
    DIR *open = opendir(directory);
    bool empty = open != NULL;
    const struct dirent *entry;
    while (empty && (entry = readdir(open)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (open != NULL)
        closedir(open);
    return empty;
}

static int copy_fail(struct copy *c, int result, struct why *why) {
    int code = (result & 0xff) == SQLITE_FULL    ? ERR_SPACE
               : (result & 0xff) == SQLITE_NOMEM ? ERR_MEMORY
                                                 : ERR_IO;
    return why_set(why, code, "backup: cannot copy %s: %s", c->name, sqlite3_errstr(result));
}

static void copy_close(struct copy *c) {
    sqlite3_backup_finish(c->backup);
    sqlite3_close(c->to);
    c->backup = NULL;
    c->to = NULL;
}

/* Nothing of a copy needs a journal or a sync before it is complete. */
static int copy_open(struct copy *c, struct sqlite_file *from, struct why *why) {
    int fd = open(c->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return disk_fail(why, "create", c->path);
    close(fd);
    int result = sqlite3_open_v2(c->path, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_exec(c->to,
                              "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; "
                              "PRAGMA synchronous=OFF",
                              NULL, NULL, NULL);
    if (result == SQLITE_OK && (c->backup = sqlite3_backup_init(c->to, "main", from->db, "main")) == NULL)
        result = sqlite3_errcode(c->to);
    int code = result == SQLITE_OK ? 0 : copy_fail(c, result, why);
    if (code != 0)
        copy_close(c);
    return code;
}

/* Some pages; with pages < 0 all that are left. *left: how many remain, 0 when the copy is complete. */
static int copy_step(struct copy *c, int pages, int *left, struct why *why) {
    int result = sqlite3_backup_step(c->backup, pages);
    if (result != SQLITE_OK && result != SQLITE_DONE)
        return copy_fail(c, result, why);
    *left = result == SQLITE_DONE ? 0 : sqlite3_backup_remaining(c->backup);
    return 0;
}

/* The copy says "write-ahead log" in its header; without one it can be read anywhere, also read-only. */
static int copy_finish(struct copy *c, struct why *why) {
    int result = sqlite3_backup_finish(c->backup);
    c->backup = NULL;
    if (result == SQLITE_OK)
        result = sqlite3_exec(c->to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : copy_fail(c, result, why);
}

int backup_open(struct backup **out, struct store *s, const char *directory, struct why *why) {
    struct sqlite_history *history = sqlite_store_history(s);
    if (history == NULL)
        return why_set(why, ERR_UNSUPPORTED, "backup: a %s store is copied with its own tools", s->ops->name);
    if (strlen(directory) + 32 > PATH_MAX)
        return why_set(why, ERR_INVALID, "backup: the directory's name is too long");
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return disk_fail(why, "create", directory);
    if (!is_empty(directory))
        return why_set(why, ERR_CONFLICT, "backup: %s is not an empty directory", directory);
    struct backup *b = calloc(1, sizeof *b);
    if (b == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a backup");
    b->store = s;
    b->journal.name = sqlite_journal_name;
    b->history.name = sqlite_history_name;
    snprintf(b->directory, sizeof b->directory, "%s", directory);
    snprintf(b->journal.path, sizeof b->journal.path, "%.4000s/%s", directory, sqlite_journal_name);
    snprintf(b->history.path, sizeof b->history.path, "%.4000s/%s", directory, sqlite_history_name);
    int code = copy_open(&b->history, &history->file, why);
    if (code != 0) {
        backup_close(b);
        return code;
    }
    *out = b;
    return 0;
}

/* remaining is only known after a step, and a step of zero pages is none: so the first look costs one page.
 */
int backup_history_step(struct backup *b, bool *ready, struct why *why) {
    int pages = STEP_PAGES;
    int left = 0;
    if (sqlite3_backup_pagecount(b->history.backup) == 0)
        pages = 1;
    else if (sqlite3_backup_remaining(b->history.backup) <= STEP_PAGES + LAST_PAGES)
        pages = sqlite3_backup_remaining(b->history.backup) - LAST_PAGES;
    int code = pages > 0 ? copy_step(&b->history, pages, &left, why) : 0;
    if (code == 0)
        *ready = sqlite3_backup_remaining(b->history.backup) <= LAST_PAGES;
    return code;
}

int backup_journal_step(struct backup *b, bool *done, struct why *why) {
    struct sqlite_journal *journal = sqlite_store_journal(b->store);
    int left = 0;
    int code = b->journal.backup == NULL ? copy_open(&b->journal, &journal->file, why) : 0;
    if (code == 0)
        code = copy_step(&b->journal, STEP_PAGES, &left, why);
    if (code == 0 && left == 0) {
        b->facts.epoch = journal->epoch;
        b->facts.batch_last = journal->last;
        b->facts.batch_trimmed = journal->trimmed;
        code = copy_finish(&b->journal, why);
    }
    if (code != 0 || left == 0)
        copy_close(&b->journal);
    if (code == 0)
        *done = left == 0;
    return code;
}

void backup_journal_abort(struct backup *b) {
    copy_close(&b->journal);
}

static uint64_t bytes_of(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
}

static int write_note(const struct backup *b, struct why *why) {
    const struct backup_facts *f = &b->facts;
    char path[PATH_MAX];
    char text[2048];
    char when[64] = "";
    struct tm broken;
    time_t seconds = (time_t)(f->at_ms / 1000);
    if (gmtime_r(&seconds, &broken) != NULL)
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &broken);
    int length =
        snprintf(text, sizeof text,
                 "A copy of a settle store, taken while it ran, consistent as of the last batch.\n"
                 "taken         %s\nepoch         %llu\nlast batch    %llu\ntrimmed to    %llu\n"
                 "transactions  %llu\nanswers       %llu\naudit         %llu\njournal.db    %llu bytes\n"
                 "history.db    %llu bytes\n"
                 "Read it with sqlite3. Put it in place with: settle store restore\n"
                 "Do not start settled on it: whatever was done after the copy was taken is not in it.\n",
                 when, (unsigned long long)f->epoch, (unsigned long long)f->batch_last,
                 (unsigned long long)f->batch_trimmed, (unsigned long long)f->rows[STORED_TRANSACTION],
                 (unsigned long long)f->rows[STORED_ANSWER], (unsigned long long)f->rows[STORED_AUDIT],
                 (unsigned long long)f->journal_bytes, (unsigned long long)f->history_bytes);
    snprintf(path, sizeof path, "%.4000s/%s", b->directory, backup_note_name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return disk_fail(why, "create", path);
    errno = ENOSPC;
    int code = write(fd, text, (size_t)length) == length ? 0 : disk_fail(why, "write", path);
    if (code == 0 && fsync(fd) != 0)
        code = disk_fail(why, "sync", path);
    close(fd);
    return code;
}

int backup_finish(struct backup *b, struct backup_facts *facts, struct why *why) {
    const struct sqlite_history *history = sqlite_store_history(b->store);
    struct timespec now;
    int left = 1;
    int code = 0;
    assert(b->journal.backup == NULL);
    while (code == 0 && left > 0)
        code = copy_step(&b->history, -1, &left, why);
    if (code == 0)
        code = copy_finish(&b->history, why);
    copy_close(&b->history);
    if (code == 0)
        code = disk_sync(b->history.path, why);
    if (code == 0)
        code = disk_sync(b->journal.path, why);
    for (int kind = 0; kind < STORED_KIND_END; kind++)
        b->facts.rows[kind] = history->shelves[kind].rows;
    clock_gettime(CLOCK_REALTIME, &now);
    b->facts.at_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    b->facts.journal_bytes = bytes_of(b->journal.path);
    b->facts.history_bytes = bytes_of(b->history.path);
    if (code == 0)
        code = write_note(b, why);
    if (code == 0)
        code = disk_sync(b->directory, why);
    b->finished = code == 0;
    if (code == 0 && facts != NULL)
        *facts = b->facts;
    return code;
}

void backup_close(struct backup *b) {
    if (b == NULL)
        return;
    assert(b->journal.backup == NULL);
    copy_close(&b->history);
    if (!b->finished)
        backup_remove(b->directory);
    free(b);
}

int backup_copy(struct store *s, const char *directory, struct backup_facts *facts, struct why *why) {
    struct backup *b = NULL;
    bool ready = false;
    bool done = false;
    int code = backup_open(&b, s, directory, why);
    if (code != 0)
        return code;
    while (code == 0 && !ready)
        code = backup_history_step(b, &ready, why);
    while (code == 0 && !done)
        code = backup_journal_step(b, &done, why);
    if (code == 0)
        code = backup_finish(b, facts, why);
    backup_close(b);
    return code;
}

void backup_remove(const char *directory) {
    const char *const names[] = { sqlite_journal_name, sqlite_history_name, backup_note_name };
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (snprintf(path, sizeof path, "%s/%s", directory, names[i]) < (int)sizeof path)
            unlink(path);
    rmdir(directory);
}
