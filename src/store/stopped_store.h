/* An embedded store that nobody runs: its lock, its mark and its two files, opened to be looked at. Part of
 * store/upkeep.h. Nothing is changed until a function that says so is called: logs stay as they are, a copy
 * stays a copy.
 *
 * A directory with BACKUP.txt and no watermark is a copy: it has no owner, so no lock is taken. Blocking, one
 * thread. The struct must not move while it is open. */
#ifndef STORE_STOPPED_STORE_H
#define STORE_STOPPED_STORE_H

#include <stdbool.h>

#include "store/owner_lock.h"
#include "store/sqlite_history.h"
#include "store/sqlite_journal.h"
#include "store/watermark.h"

struct stopped_store {
    _Atomic int failed;
    bool is_copy;  /* made by a backup: no lock, no mark */
    bool has_mark; /* there is a watermark, and its line of shard 0 is readable */
    struct owner_lock lock;
    struct watermark watermark;
    struct watermark_line mark;
    struct sqlite_journal journal;
    struct sqlite_history history;
};

/* ERR_NOT_FOUND: not both files are there. ERR_LOCKED: a daemon runs on it. ERR_CORRUPT, ERR_UNSUPPORTED,
 * ERR_IO, ERR_MEMORY as sqlite_store_open. Closed again on failure. */
int stopped_store_open(struct stopped_store *s, const char *directory, struct why *why);
void stopped_store_close(struct stopped_store *s);

/* Both files hold what they should: batches, rows, counters, one store. Reads everything. ERR_CORRUPT. Says
 * nothing of what may be missing at the end: that is what the next two are for. */
int stopped_store_check(struct stopped_store *s, struct why *why);
bool stopped_store_behind(const struct stopped_store *s); /* the journal, its watermark */
bool stopped_store_history_behind(const struct stopped_store *s);
/* Changes: the epoch goes up by step, and a watermark is put in place that says what is there. */
int stopped_store_take(struct stopped_store *s, const char *directory, uint64_t step, struct why *why);

#endif
