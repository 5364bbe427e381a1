#include "store/sqlite_store.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "store/disk.h"
#include "store/owner_lock.h"
#include "store/sqlite_history.h"
#include "store/sqlite_journal.h"
#include "store/watermark.h"

struct sqlite_store {
    struct store head;
    char *directory;
    _Atomic int failed; /* the code that stopped the store; shared by both files */
    struct owner_lock lock;
    struct watermark watermark;    /* J */
    struct sqlite_journal journal; /* J */
    struct sqlite_history history; /* H */
};

static const struct store_ops sqlite_ops;

static struct sqlite_store *sqlite_of(struct store *s) {
    assert(s != NULL);
    assert(s->ops == &sqlite_ops);
    return (struct sqlite_store *)s;
}

struct sqlite_journal *sqlite_store_journal(struct store *s) {
    return s->ops == &sqlite_ops ? &sqlite_of(s)->journal : NULL;
}

struct sqlite_history *sqlite_store_history(struct store *s) {
    return s->ops == &sqlite_ops ? &sqlite_of(s)->history : NULL;
}

static int sqlite_recover(struct store *s, const struct store_visitor *visit, struct why *why) {
    struct sqlite_store *q = sqlite_of(s);
    int code = sqlite_history_visit(&q->history, q->journal.trimmed, visit, why);
    return code == 0 ? sqlite_journal_visit(&q->journal, visit, why) : code;
}

/* A watermark that cannot be written leaves the promise of P7 unkept, so it stops the store like a failed
 * write; the batch itself is durable, and a restart finds it. */
static int sqlite_append(struct store *s, uint64_t seq, struct slice batch, struct why *why) {
    struct sqlite_store *q = sqlite_of(s);
    int code = sqlite_journal_append(&q->journal, seq, batch, why);
    if (code != 0)
        return code;
    struct watermark_line line = { .epoch = q->journal.epoch, .seq = seq };
    if (watermark_set(&q->watermark, 0, line, why) != 0) {
        q->failed = ERR_IO;
        return ERR_IO;
    }
    /* The batch is durable whatever becomes of the checkpoint: a failure there is told by the next call. */
    sqlite_file_tend(&q->journal.file, NULL);
    return 0;
}

static int sqlite_trim(struct store *s, uint64_t seq, struct why *why) {
    struct sqlite_store *q = sqlite_of(s);
    int code = sqlite_journal_trim(&q->journal, seq, q->history.writes, why);
    if (code == 0)
        sqlite_file_tend(&q->journal.file, NULL);
    return code;
}

static int sqlite_fold(struct store *s, const struct stored_row *rows, size_t count, struct why *why) {
    struct sqlite_store *q = sqlite_of(s);
    int code = sqlite_history_fold(&q->history, rows, count, q->journal.last, why);
    if (code == 0)
        sqlite_file_tend(&q->history.file, NULL);
    return code;
}

static int sqlite_find(struct store *s, uint8_t kind, uint64_t key_hash, const struct store_visitor *visit,
                       struct why *why) {
    return sqlite_history_find(&sqlite_of(s)->history, kind, key_hash, visit, why);
}

static int sqlite_scan(struct store *s, uint8_t kind, uint64_t before, bool ascending, size_t max,
                       const struct store_visitor *visit, struct why *why) {
    return sqlite_history_scan(&sqlite_of(s)->history, kind, before, ascending, max, visit, why);
}

static int sqlite_keys(struct store *s, uint8_t kind, const struct store_visitor *visit, struct why *why) {
    return sqlite_history_keys(&sqlite_of(s)->history, kind, visit, why);
}

static int sqlite_purge(struct store *s, uint8_t kind, uint64_t now_ms, uint64_t *cursor, size_t max,
                        size_t *removed, struct why *why) {
    struct sqlite_store *q = sqlite_of(s);
    int code = sqlite_history_purge(&q->history, kind, now_ms, q->journal.trimmed, cursor, max, removed, why);
    if (code == 0)
        sqlite_file_tend(&q->history.file, NULL);
    return code;
}

static int sqlite_count(struct store *s, uint64_t counts[STORED_KIND_END], struct why *why) {
    struct sqlite_store *q = sqlite_of(s);
    int code = sqlite_file_ready(&q->history.file, why);
    for (int kind = 0; kind < STORED_KIND_END && code == 0; kind++)
        counts[kind] = q->history.shelves[kind].rows;
    return code;
}

/* Asking for the size opens nothing, so it may be done to a live file. */
static uint64_t bytes_of(const char *path) {
    char log[PATH_MAX];
    struct stat found;
    uint64_t bytes = stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
    if (snprintf(log, sizeof log, "%s-wal", path) < (int)sizeof log && stat(log, &found) == 0)
        bytes += (uint64_t)found.st_size;
    return bytes;
}

static void sqlite_usage(struct store *s, struct store_usage *usage) {
    struct sqlite_store *q = sqlite_of(s);
    struct statvfs system;
    *usage = (struct store_usage){ .journal_bytes = bytes_of(q->journal.file.path),
                                   .history_bytes = bytes_of(q->history.file.path),
                                   .free_bytes = UINT64_MAX,
                                   .batch_last = q->journal.last,
                                   .batch_trimmed = q->journal.trimmed,
                                   .epoch = q->journal.epoch };
    if (statvfs(q->directory, &system) == 0)
        usage->free_bytes = (uint64_t)system.f_bavail * (uint64_t)system.f_frsize;
}

static void sqlite_close(struct store *s) {
    struct sqlite_store *q = sqlite_of(s);
    sqlite_history_close(&q->history);
    sqlite_journal_close(&q->journal);
    watermark_close(&q->watermark);
    owner_lock_release(&q->lock);
    free(q->directory);
    free(q);
}

int sqlite_store_compare(struct watermark_line mark, uint64_t epoch, uint64_t last, struct why *why) {
    if (mark.seq <= last && mark.epoch <= epoch)
        return 0;
    return why_set(
        why, ERR_CORRUPT,
        "%s is behind its watermark: batch %llu of epoch %llu was acknowledged, the last one found "
        "is batch %llu of epoch %llu. Acknowledged work is missing: restore a backup, or see "
        "settle store verify",
        sqlite_journal_name, (unsigned long long)mark.seq, (unsigned long long)mark.epoch,
        (unsigned long long)last, (unsigned long long)epoch);
}

int sqlite_store_match(const struct sqlite_journal *journal, const struct sqlite_history *history,
                       struct why *why) {
    if (history->writes >= journal->history)
        return 0;
    return why_set(
        why, ERR_CORRUPT,
        "%s is behind: the journal was trimmed after %llu writes to it, it has %llu. Acknowledged work "
        "is missing: restore a backup, or see settle store verify",
        sqlite_history_name, (unsigned long long)journal->history, (unsigned long long)history->writes);
}

static int make_directory(const char *directory, struct why *why) {
    struct stat found;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return disk_fail(why, "create", directory);
    if (stat(directory, &found) != 0 || !S_ISDIR(found.st_mode))
        return why_set(why, ERR_INVALID, "%s is not a directory", directory);
    return 0;
}

/* The mark of shard 0. A directory without watermark is new, or somebody's half copy of a store: *fresh. */
static int read_mark(struct sqlite_store *q, struct watermark_line *mark, bool *fresh, struct why *why) {
    struct why story;
    int code = watermark_open(&q->watermark, q->directory, &story);
    *fresh = code == ERR_NOT_FOUND;
    *mark = (struct watermark_line){ 0, 0 };
    if (*fresh)
        return 0;
    return code == 0 ? watermark_get(&q->watermark, 0, mark, why) : why_set(why, code, "%s", story.text);
}

/* Before anything is created: do the files that are there make a store? */
static int check_files(struct sqlite_store *q, const struct sqlite_place *place, struct watermark_line mark,
                       bool fresh, struct why *why) {
    bool journal = sqlite_file_exists(place, sqlite_journal_name);
    bool history = sqlite_file_exists(place, sqlite_history_name);
    if (disk_has(q->directory, SQLITE_STORE_RESTORING))
        return why_set(why, ERR_CORRUPT, "a restore into %s was interrupted: repeat it", q->directory);
    if (fresh && (journal || history))
        return why_set(why, ERR_CORRUPT,
                       "%s has databases but no watermark, so nothing tells whether acknowledged work is "
                       "missing. A copy or a backup is put in place with: settle store restore",
                       q->directory);
    if (mark.epoch > 0 && !journal)
        return why_set(why, ERR_CORRUPT, "%s is missing: batch %llu of epoch %llu was acknowledged",
                       sqlite_journal_name, (unsigned long long)mark.seq, (unsigned long long)mark.epoch);
    if (mark.epoch > 0 && !history)
        return why_set(why, ERR_CORRUPT, "%s is missing", sqlite_history_name);
    return 0;
}

static int create_tables(struct sqlite_store *q, struct why *why) {
    struct sqlite_identity identity =
        q->journal.identity.store != 0 ? q->journal.identity : q->history.identity;
    int code = identity.store == 0 ? sqlite_identity_make(&identity, why) : 0;
    if (code == 0 && q->journal.identity.store == 0)
        code = sqlite_journal_create(&q->journal, identity, why);
    if (code == 0 && q->history.identity.store == 0)
        code = sqlite_history_create(&q->history, identity, why);
    return code;
}

/* An interrupted first start leaves one or both files empty; that is only believed when nothing was ever
 * acknowledged (epoch 0). */
static int open_files(struct sqlite_store *q, const struct sqlite_place *place, struct watermark_line mark,
                      struct why *why) {
    int code = sqlite_journal_open(&q->journal, place, &q->failed, why);
    if (code == 0)
        code = sqlite_history_open(&q->history, place, &q->failed, why);
    if (code != 0)
        return code;
    code = sqlite_store_compare(mark, q->journal.epoch, q->journal.last, why);
    if (code != 0)
        return code;
    if (q->journal.epoch > 0 && q->history.identity.store == 0)
        return why_set(why, ERR_CORRUPT, "%s is empty", sqlite_history_name);
    if (q->journal.identity.store == 0 || q->history.identity.store == 0)
        code = create_tables(q, why);
    if (code == 0 && !sqlite_identity_same(q->journal.identity, q->history.identity))
        code = why_set(why, ERR_CORRUPT, "%s and %s belong to two different stores", sqlite_journal_name,
                       sqlite_history_name);
    return code == 0 ? sqlite_store_match(&q->journal, &q->history, why) : code;
}

static int take_over(struct sqlite_store *q, struct why *why) {
    int code = sqlite_journal_verify(&q->journal, NULL, NULL, why);
    if (code == 0)
        code = sqlite_file_trust(&q->history.file, why);
    if (code == 0)
        code = sqlite_journal_take(&q->journal, 1, why);
    if (code != 0)
        return code;
    struct watermark_line line = { .epoch = q->journal.epoch, .seq = q->journal.last };
    code = watermark_set(&q->watermark, 0, line, why);
    return code == 0 ? watermark_sync(&q->watermark, why) : code;
}

static int open_all(struct sqlite_store *q, const struct sqlite_place *place, struct why *why) {
    struct watermark_line mark;
    bool fresh = false;
    int code = make_directory(q->directory, why);
    if (code == 0)
        code = owner_lock_take(&q->lock, q->directory, why);
    if (code == 0)
        code = read_mark(q, &mark, &fresh, why);
    if (code == 0)
        code = check_files(q, place, mark, fresh, why);
    if (code == 0 && fresh)
        code = watermark_create(&q->watermark, q->directory, why);
    if (code == 0)
        code = open_files(q, place, mark, why);
    return code == 0 ? take_over(q, why) : code;
}

int sqlite_store_open(struct store **out, const char *directory, const struct sqlite_store_options *options,
                      struct why *why) {
    struct sqlite_store *q = calloc(1, sizeof *q);
    char *copy = strdup(directory);
    if (q == NULL || copy == NULL) {
        free(q);
        free(copy);
        return why_set(why, ERR_MEMORY, "no memory for a store");
    }
    q->head.ops = &sqlite_ops;
    q->directory = copy;
    q->lock.fd = -1;
    q->watermark.fd = -1;
    struct sqlite_place place = { .directory = q->directory };
    if (options != NULL) {
        place.vfs = options->vfs;
        place.log_pages_max = options->log_pages_max;
    }
    int code = open_all(q, &place, why);
    if (code != 0) {
        sqlite_close(&q->head);
        return code;
    }
    q->head.key_seed = q->journal.identity.seed;
    *out = &q->head;
    return 0;
}

static const struct store_ops sqlite_ops = {
    .name = "sqlite",
    .recover = sqlite_recover,
    .append = sqlite_append,
    .trim = sqlite_trim,
    .fold = sqlite_fold,
    .find = sqlite_find,
    .scan = sqlite_scan,
    .keys = sqlite_keys,
    .purge = sqlite_purge,
    .count = sqlite_count,
    .usage = sqlite_usage,
    .close = sqlite_close,
};
