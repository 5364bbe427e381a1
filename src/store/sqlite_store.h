/* The embedded store: a directory with journal.db, history.db, watermark and lock, all 0600 in a 0700.
 *
 * Two threads at most, J and H of store.h, each the only one to touch its database. Answers never ERR_UNKNOWN
 * (a commit whose fate is open stops the store with ERR_IO). ERR_CORRUPT at run time also stops it.
 *
 * Files can be read with sqlite3 when the daemon is stopped, or from a backup; never on a live directory. */
#ifndef STORE_SQLITE_STORE_H
#define STORE_SQLITE_STORE_H

#include "store/store.h"

struct sqlite_journal;
struct sqlite_history;

/* While a file of this name is in the directory, a restore has begun and not ended: open refuses. */
#define SQLITE_STORE_RESTORING "restore.unfinished"

struct sqlite_store_options {
    const char *vfs;   /* an SQLite file layer by name, for tests; NULL: the system's */
    int log_pages_max; /* of the write-ahead log before a checkpoint; 0: 2,000 */
};

/* Open a directory, or create it (its parent must exist). Everything is checked before anything is changed:
 * numbers of batches, their checksums, the watermark. Then both files are synced and the epoch goes up.
 * options may be NULL. The caller closes *out.
 *
 * ERR_LOCKED: another process owns it (the daemon exits 75). ERR_CORRUPT: damaged, or behind its watermark;
 * the sentence names the file and both numbers. ERR_UNSUPPORTED: a newer format. ERR_SPACE, ERR_IO,
 * ERR_MEMORY. */
int sqlite_store_open(struct store **out, const char *directory, const struct sqlite_store_options *options,
                      struct why *why);

/* Its halves, for store/backup.h; NULL when s is not an embedded store. The first is J's, the second H's. */
struct sqlite_journal *sqlite_store_journal(struct store *s);
struct sqlite_history *sqlite_store_history(struct store *s);

/* Checks of a start, for store/upkeep.h too: is a database with this epoch and last batch behind the mark?
 * ERR_CORRUPT, with both in the sentence. */
struct watermark_line;
int sqlite_store_compare(struct watermark_line mark, uint64_t epoch, uint64_t last, struct why *why);
/* And: does the history have all that the journal was trimmed for? ERR_CORRUPT. */
int sqlite_store_match(const struct sqlite_journal *journal, const struct sqlite_history *history,
                       struct why *why);

#endif
