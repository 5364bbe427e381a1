/* A consistent copy of a live embedded store: journal.db and history.db of one moment, in a directory of
 * their own, with a text file that says what they are. The copies have no write-ahead log, so they can be
 * read with sqlite3, packed by store/tar.h, and put in place by store/upkeep.h.
 *
 * One moment. Rows are folded first, then the batches below them are trimmed. A pair of copies is only whole
 * when the history's is not older than the journal's: a record that the journal's copy has trimmed must be in
 * the history's copy. It is only *one moment* when it is not newer either: rows of later batches would show
 * half of what such a batch did. So: (1) copy the history, which follows every change made meanwhile;
 * (2) with a few pages left, hold folds and purges; (3) copy the journal, appends going on; its end is the
 * moment; (4) copy the history's last pages; (5) let folds go on. Reading is never held.
 *
 * Each file is copied through its own connection by its own thread (J or H), a few pages a step, because a
 * live file may be opened by nobody else.
 *
 * A copy has no watermark: started in place it is refused, with the advice to restore it, since a copy lacks
 * whatever was done after it. */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct backup;

/* Of the copy, and of BACKUP.txt. */
struct backup_facts {
    uint64_t epoch;
    uint64_t batch_last;
    uint64_t batch_trimmed;
    uint64_t rows[STORED_KIND_END];
    uint64_t journal_bytes;
    uint64_t history_bytes;
    uint64_t at_ms; /* epoch ms */
};

extern const char backup_note_name[]; /* "BACKUP.txt" */

/* H, or before there are threads. The directory is made (its parent must exist); one that has anything in it
 * is refused: ERR_CONFLICT. ERR_UNSUPPORTED: not an embedded store. ERR_IO, ERR_SPACE, ERR_MEMORY. */
int backup_open(struct backup **out, struct store *s, const char *directory, struct why *why);
/* H. *ready: all but the last pages are copied. From then on no fold and no purge until backup_finish or
 * backup_close has returned. */
int backup_history_step(struct backup *b, bool *ready, struct why *why);
/* J, between appends, after *ready. *done: the journal is copied. */
int backup_journal_step(struct backup *b, bool *done, struct why *why);
/* J: give the journal's copy up; needed when backup_journal_step was called and never said done or failed. */
void backup_journal_abort(struct backup *b);
/* H, after *done: the last pages, the note, everything synced. */
int backup_finish(struct backup *b, struct backup_facts *facts, struct why *why);
/* H. Without backup_finish the copies are removed. NULL is fine. */
void backup_close(struct backup *b);

/* All of it at once, for a store without threads. facts may be NULL. */
int backup_copy(struct store *s, const char *directory, struct backup_facts *facts, struct why *why);

/* Remove what a backup made, and the directory when nothing else is in it. */
void backup_remove(const char *directory);

#endif
