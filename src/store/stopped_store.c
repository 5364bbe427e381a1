#include "store/stopped_store.h"

#include "store/backup.h"
#include "store/disk.h"

static int open_mark(struct stopped_store *s, const char *directory, struct why *why) {
    int code = watermark_open(&s->watermark, directory, why);
    if (code == 0)
        s->has_mark = watermark_get(&s->watermark, 0, &s->mark, why) == 0;
    return code == ERR_NOT_FOUND ? 0 : code;
}

int stopped_store_open(struct stopped_store *s, const char *directory, struct why *why) {
    struct sqlite_place place = { .directory = directory, .as_it_is = true };
    *s = (struct stopped_store){ .lock.fd = -1, .watermark.fd = -1 };
    if (!disk_has(directory, sqlite_journal_name) || !disk_has(directory, sqlite_history_name))
        return why_set(why, ERR_NOT_FOUND, "%s has no store: %s and %s are not both there", directory,
                       sqlite_journal_name, sqlite_history_name);
    s->is_copy = disk_has(directory, backup_note_name) && !disk_has(directory, "watermark");
    int code = s->is_copy ? 0 : owner_lock_take(&s->lock, directory, why);
    if (code == 0 && !s->is_copy)
        code = open_mark(s, directory, why);
    if (code == 0)
        code = sqlite_journal_open(&s->journal, &place, &s->failed, why);
    if (code == 0)
        code = sqlite_history_open(&s->history, &place, &s->failed, why);
    if (code == 0 && (s->journal.identity.store == 0 || s->history.identity.store == 0))
        code = why_set(why, ERR_CORRUPT, "%s is empty",
                       s->journal.identity.store == 0 ? sqlite_journal_name : sqlite_history_name);
    if (code != 0)
        stopped_store_close(s);
    return code;
}

void stopped_store_close(struct stopped_store *s) {
    if (s->history.file.db != NULL)
        sqlite_history_close(&s->history);
    if (s->journal.file.db != NULL)
        sqlite_journal_close(&s->journal);
    watermark_close(&s->watermark);
    owner_lock_release(&s->lock);
}

int stopped_store_check(struct stopped_store *s, struct why *why) {
    uint64_t rows[STORED_KIND_END];
    if (!sqlite_identity_same(s->journal.identity, s->history.identity))
        return why_set(why, ERR_CORRUPT, "%s and %s belong to two different stores", sqlite_journal_name,
                       sqlite_history_name);
    int code = sqlite_journal_verify(&s->journal, NULL, NULL, why);
    return code == 0 ? sqlite_history_verify(&s->history, rows, why) : code;
}

bool stopped_store_behind(const struct stopped_store *s) {
    return s->has_mark && (s->mark.seq > s->journal.last || s->mark.epoch > s->journal.epoch);
}

bool stopped_store_history_behind(const struct stopped_store *s) {
    return s->history.writes < s->journal.history;
}

int stopped_store_take(struct stopped_store *s, const char *directory, uint64_t step, struct why *why) {
    int code = sqlite_file_trust(&s->history.file, why);
    if (code == 0)
        code = sqlite_journal_take(&s->journal, step, why);
    if (code == 0 && stopped_store_history_behind(s))
        code = sqlite_journal_adopt(&s->journal, s->history.writes, why);
    if (code != 0)
        return code;
    struct watermark_line line = { .epoch = s->journal.epoch, .seq = s->journal.last };
    watermark_close(&s->watermark);
    code = watermark_create(&s->watermark, directory, why);
    if (code == 0)
        code = watermark_set(&s->watermark, 0, line, why);
    return code == 0 ? watermark_sync(&s->watermark, why) : code;
}
