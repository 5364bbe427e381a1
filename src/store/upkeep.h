/* What an operator does to an embedded store while no settled runs on it: verify, restore, compact, and, when
 * acknowledged work is missing, decide what to do about that.
 *
 * Each takes the owner's lock first and answers ERR_LOCKED while a daemon has it; a copy made by
 * store/backup.h has no owner and needs no lock. Each writes what it did and found, in sentences, one a line,
 * to `report` (the caller's, initialised; a report that does not fit is cut). Blocking, one thread.
 *
 * Common failures: ERR_NOT_FOUND no store there, ERR_CORRUPT what is there cannot be trusted (the report says
 * what), ERR_UNSUPPORTED a newer format, ERR_IO, ERR_SPACE, ERR_MEMORY. */
#ifndef STORE_UPKEEP_H
#define STORE_UPKEEP_H

#include "base/bytes.h"
#include "base/err.h"

/* Read everything: SQLite's integrity check, the checksum of each batch and each row, batches without a gap,
 * counters, that both files belong together, and the watermark. Changes nothing. Goes on after a fault to
 * find more; ERR_CORRUPT when there was one. */
int upkeep_verify(const char *directory, struct buffer *report, struct why *why);

/* Put a copy (a backup's directory, or its tar archive) in place in a directory without a store; it is made
 * if need be, other files in it are left alone. The copy is verified first. The epoch goes up by
 * UPKEEP_EPOCH_STEP, so that nothing the lost store did under later epochs can be taken for this one's, and
 * the report lists what to check, since work done after the copy was taken is not in it. An interrupted
 * restore may be repeated. ERR_CONFLICT: there is a store already. */
#define UPKEEP_EPOCH_STEP 1000
int upkeep_restore(const char *source, const char *directory, struct buffer *report, struct why *why);

/* Write both files anew without the room that trimmed batches and purged rows have left. Needs as much free
 * space as the files will have afterwards; an interruption leaves the old files. */
int upkeep_compact(const char *directory, struct buffer *report, struct why *why);

/* Say in words whether the store is behind its watermark, and what can be done about it. 0: it is not;
 * ERR_CORRUPT: it is. Changes nothing. */
int upkeep_explain(const char *directory, struct buffer *report, struct why *why);

/* Accept that acknowledged work is lost, when no copy has it: leave a note of it (DIRECTORY/loss-*.txt, with
 * both numbers, the reason and the time), set the watermark to what is there, and raise the epoch beyond the
 * lost one. Only when the store is behind its watermark or has none, and otherwise whole: ERR_CONFLICT when
 * nothing is lost. reason: the operator's, not empty, at most LIMIT_REASON_BYTES (ERR_INVALID). */
int upkeep_accept_loss(const char *directory, struct slice reason, struct buffer *report, struct why *why);

#endif
