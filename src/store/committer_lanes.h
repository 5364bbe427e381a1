/* The inside of a committer: what the loop's thread and the two lanes share. Part of store/committer.h and of
 * no use without it.
 *
 * Three threads, one lock. The loop's thread puts requests in and, through post, takes answers out. The
 * journal's lane owns the store's J operations, the history's lane its H operations; neither touches the
 * store with the lock held, so the loop never waits longer than for a few pointers. Which thread may touch a
 * field is said beside it.
 *
 * A copy (store/backup.h) goes back and forth between the lanes: backup_state says whose turn it is, and the
 * backup belongs to whoever has the turn. */
#ifndef STORE_COMMITTER_LANES_H
#define STORE_COMMITTER_LANES_H

#include <pthread.h>

#include "store/committer_job.h"

/* First in, first out; the jobs are linked through their own next. */
struct queue {
    struct committer_job *first;
    struct committer_job *last;
};

/* The append, the only one there is: the loop's thread fills it while APPEND_NONE and reads its answer after
 * APPEND_DONE; in between it is the journal's lane's. */
struct append {
    uint64_t seq;
    struct slice batch;
    committer_done *done;
    void *self;
    int code;
    uint64_t took_us;
    struct why why;
};

enum append_state {
    APPEND_NONE,
    APPEND_WAITING, /* for the journal's thread */
    APPEND_DONE,    /* waits for the loop's thread */
};

enum backup_state {
    BACKUP_NONE,
    BACKUP_ROWS,    /* H copies the history, folds go on */
    BACKUP_JOURNAL, /* J copies the journal, folds wait */
    BACKUP_LAST,    /* H copies the rest, folds wait */
};

struct committer {
    struct store *store;
    committer_post *post;
    void *post_context;
    size_t queue_max;

    /* The loop's thread only. */
    struct committer_figures figures;
    void (*stopped)(void *self);
    void *stopped_self;
    bool stopping;

    pthread_mutex_t lock;
    pthread_cond_t journal_wakes;
    pthread_cond_t history_wakes;
    pthread_t journal;
    pthread_t history;

    /* Under lock. */
    enum append_state append_state;
    uint64_t trim_wish;
    struct queue writes;
    struct queue reads;
    size_t waiting;
    struct committer_job *backup_job;
    enum backup_state backup_state;
    struct backup *backup; /* touched by H, and by J in BACKUP_JOURNAL only */
    int backup_code;       /* what the journal's copy ended with */
    struct why backup_why;
    bool stop;
    unsigned threads; /* still running */

    /* The journal's thread, or the loop's, as append_state says. */
    struct append append;
    uint64_t trimmed;  /* J only: what was trimmed last */
    uint64_t appended; /* J only: batches since the last trim */
    bool trim_blocked; /* J only: a trim failed, and no append has succeeded since */
};

/* The threads: argument is the struct committer. They end after committer_stop, when all is done. */
void *committer_lanes_journal(void *argument);
void *committer_lanes_history(void *argument);

#endif
