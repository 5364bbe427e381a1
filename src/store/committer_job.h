/* A request to the history's thread, from its submission to its answer; part of store/committer.h and of no
 * use without it.
 *
 * A job owns everything it needs: what it was asked with is copied in, what was found is copied out, both
 * into its own arena. So it passes from the loop's thread to the history's and back as a whole, one owner at
 * a time, and is freed on the loop's thread after its answer. */
#ifndef STORE_COMMITTER_JOB_H
#define STORE_COMMITTER_JOB_H

#include "base/arena.h"
#include "store/backup.h"
#include "store/committer.h"

#define COMMITTER_ROWS_BYTES (8u * 1024 * 1024) /* a page of rows is cut here */

enum committer_job_kind {
    JOB_FOLD,
    JOB_PURGE,
    JOB_FIND,
    JOB_SCAN,
    JOB_COUNT,
    JOB_RUN,
    JOB_BACKUP,
};

struct committer_job {
    struct committer_job *next;  /* in a queue */
    struct committer *committer; /* whose figures it counts in */
    enum committer_job_kind kind;
    uint8_t row_kind;
    bool ascending;
    bool more;
    uint64_t number;         /* find: key_hash; scan: before; purge: cursor */
    uint64_t now_ms;         /* purge */
    size_t max;              /* scan, purge */
    size_t removed;          /* purge */
    struct arena arena;      /* rows and their bytes */
    struct stored_row *rows; /* fold: what to write; find, scan: what was found */
    size_t row_count;
    size_t row_capacity;
    uint64_t counts[STORED_KIND_END];
    committer_work *work;
    char *directory; /* backup */
    union {
        committer_done *plain;
        committer_rows *rows;
        committer_purged *purged;
        committer_counted *counted;
    } done;
    void *self;
    int code;
    uint64_t took_us;
    struct why why;
};

/* NULL: out of memory. */
struct committer_job *committer_job_new(enum committer_job_kind kind);
void committer_job_free(struct committer_job *job);
/* Copy rows into a fold. ERR_MEMORY. */
int committer_job_rows(struct committer_job *job, const struct stored_row *rows, size_t count);
/* Do it (not JOB_BACKUP): the history's thread. Fills code, why and results. */
void committer_job_do(struct committer_job *job, struct store *s);
/* Tell whoever asked: the loop's thread. */
void committer_job_answer(const struct committer_job *job);

#endif
