/* The committer: a blocking store put on two threads, so that the loop never waits for a disk.
 *
 * The journal's thread takes one append at a time; trims are done beside it, a few batches at a time, when it
 * is idle or has appended much. The history's thread takes everything else: writes (fold, purge) in the order
 * of their calls, reads (find, scan, count, run) in the order of theirs, one of each in turn, so that a long
 * queue of folds does not hold up a question. A read may overtake a write that has not been answered yet.
 *
 * Threads: every function here is called on the loop's thread, and every callback comes on the loop's thread,
 * through `post`, in the order of completion. A request that was accepted is answered exactly once.
 *
 * Ownership: the store is the committer's from committer_open on; committer_free closes it. Recovery comes
 * first, while there are no threads. Bytes of an append are borrowed until its answer; rows of a fold are
 * copied. Rows handed to a callback are valid during the callback.
 *
 * Group commit is the driver's affair: what is appended is committed at once. */
#ifndef STORE_COMMITTER_H
#define STORE_COMMITTER_H

#include "store/store.h"

struct committer;

/* Run fn(argument) on the loop's thread, soon and in order. Called from any thread; must not fail. */
typedef void committer_post(void *context, void (*fn)(void *argument), void *argument);

struct committer_options {
    struct store *store;
    committer_post *post;
    void *post_context;
    size_t history_queue_max; /* requests waiting for the history's thread, over it ERR_AGAIN; 0: 1,024 */
};

/* ERR_MEMORY, ERR_INVALID, ERR_IO (no thread); the store is then still the caller's. */
int committer_open(struct committer **out, const struct committer_options *options, struct why *why);
/* Take nothing more, answer what was accepted (appends and folds are carried out), do what trimming is left,
 * end both threads, then done. */
void committer_stop(struct committer *c, void (*done)(void *self), void *self);
/* After committer_stop has answered. Closes the store, which may take a checkpoint long. */
void committer_free(struct committer *c); /* NULL is fine */

typedef void committer_done(void *self, int code, const struct why *why);

/* Make batch seq durable; answers as in store.h. One at a time: only after the last one's answer (asserted).
 * 0, or ERR_CLOSED after committer_stop: then no answer comes. */
int committer_append(struct committer *c, uint64_t seq, struct slice batch, committer_done *done, void *self);
/* Batches up to seq may go. Soon, no answer: a full disk is tried again, anything worse is told by the next
 * append. Asking again with a higher seq replaces the wish. */
void committer_trim(struct committer *c, uint64_t seq);

/* These return 0 (the callback will come), ERR_AGAIN (queue full), ERR_MEMORY or ERR_CLOSED (it will not). */

int committer_fold(struct committer *c, const struct stored_row *rows, size_t count, committer_done *done,
                   void *self);

/* count rows, in the order of store.h. more: there may be others (max was reached, or 8 MiB of rows). */
typedef void committer_rows(void *self, int code, const struct stored_row *rows, size_t count, bool more,
                            const struct why *why);
int committer_find(struct committer *c, uint8_t kind, uint64_t key_hash, committer_rows *done, void *self);
int committer_scan(struct committer *c, uint8_t kind, uint64_t before, bool ascending, size_t max,
                   committer_rows *done, void *self);

/* cursor: where the next purge of this kind begins, 0 at the end. On failure both are as they were. */
typedef void committer_purged(void *self, int code, size_t removed, uint64_t cursor, const struct why *why);
int committer_purge(struct committer *c, uint8_t kind, uint64_t now_ms, uint64_t cursor, size_t max,
                    committer_purged *done, void *self);

typedef void committer_counted(void *self, int code, const uint64_t counts[STORED_KIND_END],
                               const struct why *why);
int committer_count(struct committer *c, committer_counted *done, void *self);

/* Run work on the history's thread. It may use the store's H operations. */
typedef int committer_work(void *self, struct store *s, struct why *why);
int committer_run(struct committer *c, committer_work *work, committer_done *done, void *self);

/* Copy the embedded store into a fresh directory, consistently, while everything goes on: see store/backup.h.
 * Folds and purges wait while the journal is copied. One at a time. ERR_UNSUPPORTED for other
 * stores (told by the callback). directory is copied. A stop gives it up with ERR_CLOSED. 0, ERR_CONFLICT,
 * ERR_MEMORY, ERR_CLOSED. */
int committer_backup(struct committer *c, const char *directory, committer_done *done, void *self);

#define COMMITTER_BUCKETS 20

/* Since the start. A batch is an append that answered 0. */
struct committer_figures {
    uint64_t batches;
    uint64_t batch_bytes;
    uint64_t appends_failed;
    uint64_t append_us_last; /* how long the store took */
    uint64_t append_us_max;
    uint64_t append_us_sum;
    uint64_t append_us_typical;            /* moving average over about 32 appends */
    uint64_t append_us[COMMITTER_BUCKETS]; /* how many took below 32 us * 2^i; the last: all others */
    uint64_t folds;
    uint64_t rows_folded;
    uint64_t folds_failed;
    uint64_t fold_us_last;
    uint64_t fold_us_max;
    uint64_t fold_us_sum;
    uint64_t rows_purged;
    size_t history_waiting; /* requests, now */
    bool append_waiting;    /* an append has not been answered, now */
};
void committer_figures(const struct committer *c, struct committer_figures *out);

/* The store behind it, for usage only: any other operation belongs to the threads. */
struct store *committer_store(struct committer *c);

#endif
