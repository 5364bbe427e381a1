#include "store/committer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/committer_job.h"

#define QUEUE_MAX 1024
#define TRIM_BATCHES 64  /* in one go: a trim between two appends stays short */
#define TRIM_AFTER 16    /* batches: one sync for trimming per sixteen for appending */
#define TRIM_IDLE_MS 200 /* or when nothing was appended for this long */

struct queue {
    struct committer_job *first;
    struct committer_job *last;
};

/* One append, the only one there is. */
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

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Answers, on the loop's thread. */

static void note_append(struct committer_figures *f, const struct append *a) {
    unsigned bucket = 0;
    if (a->code != 0) {
        f->appends_failed++;
        return;
    }
    f->batches++;
    f->batch_bytes += a->batch.length;
    f->append_us_last = a->took_us;
    f->append_us_sum += a->took_us;
    if (a->took_us > f->append_us_max)
        f->append_us_max = a->took_us;
    f->append_us_typical = f->batches == 1 ? a->took_us : (f->append_us_typical * 31 + a->took_us) / 32;
    while (bucket < COMMITTER_BUCKETS - 1 && a->took_us >= (UINT64_C(32) << bucket))
        bucket++;
    f->append_us[bucket]++;
}

static void answer_append(void *argument) {
    struct committer *c = argument;
    struct append a = c->append;
    note_append(&c->figures, &a);
    pthread_mutex_lock(&c->lock);
    assert(c->append_state == APPEND_DONE);
    c->append_state = APPEND_NONE;
    pthread_mutex_unlock(&c->lock);
    a.done(a.self, a.code, &a.why);
}

static void note_job(struct committer_figures *f, const struct committer_job *job) {
    if (job->kind == JOB_PURGE && job->code == 0)
        f->rows_purged += job->removed;
    if (job->kind != JOB_FOLD)
        return;
    if (job->code != 0) {
        f->folds_failed++;
        return;
    }
    f->folds++;
    f->rows_folded += job->row_count;
    f->fold_us_last = job->took_us;
    f->fold_us_sum += job->took_us;
    if (job->took_us > f->fold_us_max)
        f->fold_us_max = job->took_us;
}

static void answer_job(void *argument) {
    struct committer_job *job = argument;
    note_job(&job->committer->figures, job);
    committer_job_answer(job);
    committer_job_free(job);
}

static void answer_stop(void *argument) {
    struct committer *c = argument;
    if (c->stopped != NULL)
        c->stopped(c->stopped_self);
}

/* With the lock held. The last thread to end says so. */
static void end_thread(struct committer *c) {
    if (--c->threads == 0)
        c->post(c->post_context, answer_stop, c);
}

/* The journal's thread. */

static void do_append(struct committer *c) {
    struct append *a = &c->append;
    uint64_t began = now_us();
    a->why.text[0] = '\0';
    a->code = c->store->ops->append(c->store, a->seq, a->batch, &a->why);
    a->took_us = now_us() - began;
    c->appended += a->code == 0;
    c->trim_blocked = c->trim_blocked && a->code != 0;
}

static bool trim_wanted(const struct committer *c) {
    return c->trim_wish > c->trimmed && !c->trim_blocked;
}

static bool trim_due(const struct committer *c, bool idle) {
    return trim_wanted(c) && (idle || c->appended >= TRIM_AFTER);
}

/* What a trim answers is not told: a full disk passes, so it is tried again after the next append; after
 * anything worse the store is stopped, and the next append tells it. */
static void do_trim(struct committer *c, uint64_t wish) {
    uint64_t next = wish - c->trimmed > TRIM_BATCHES ? c->trimmed + TRIM_BATCHES : wish;
    int code = c->store->ops->trim(c->store, next, NULL);
    c->appended = 0;
    if (code == 0)
        c->trimmed = next;
    else
        c->trim_blocked = true;
}

/* With the lock held. Returns whether the wait ran out: the journal is idle. */
static bool wait_idle(struct committer *c) {
    struct timespec until;
    if (!trim_wanted(c)) {
        pthread_cond_wait(&c->journal_wakes, &c->lock);
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TRIM_IDLE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_cond_timedwait(&c->journal_wakes, &c->lock, &until) != 0;
}

/* With the lock held; gives it up meanwhile. */
static void copy_journal(struct committer *c) {
    struct why why = { "" };
    bool done = false;
    pthread_mutex_unlock(&c->lock);
    int code = backup_journal_step(c->backup, &done, &why);
    pthread_mutex_lock(&c->lock);
    if (code == 0 && !done && c->stop) {
        backup_journal_abort(c->backup);
        code = why_set(&why, ERR_CLOSED, "backup: settled is stopping");
    }
    if (code == 0 && !done)
        return;
    c->backup_code = code;
    c->backup_why = why;
    c->backup_state = BACKUP_LAST;
    pthread_cond_signal(&c->history_wakes);
}

static void *run_journal(void *argument) {
    struct committer *c = argument;
    bool idle = false;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        bool trim = trim_due(c, idle || (c->stop && c->append_state != APPEND_WAITING));
        uint64_t wish = c->trim_wish;
        idle = false;
        if (trim) {
            pthread_mutex_unlock(&c->lock);
            do_trim(c, wish);
            pthread_mutex_lock(&c->lock);
            idle = c->append_state != APPEND_WAITING;
        }
        bool append = c->append_state == APPEND_WAITING;
        bool copy = c->backup_state == BACKUP_JOURNAL;
        if (append) {
            pthread_mutex_unlock(&c->lock);
            do_append(c);
            pthread_mutex_lock(&c->lock);
            c->append_state = APPEND_DONE;
            c->post(c->post_context, answer_append, c);
            idle = false;
        }
        if (copy) /* a step per append, so that no load can keep the copy, and the folds behind it, waiting */
            copy_journal(c);
        if (append || copy)
            continue;
        if (c->stop && !trim) {
            break;
        } else if (!trim) {
            idle = wait_idle(c);
        }
    }
    end_thread(c);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* The history's thread. */

static struct committer_job *take(struct queue *q) {
    struct committer_job *job = q->first;
    if (job == NULL)
        return NULL;
    q->first = job->next;
    if (q->first == NULL)
        q->last = NULL;
    job->next = NULL;
    return job;
}

static void put(struct queue *q, struct committer_job *job) {
    if (q->last == NULL)
        q->first = job;
    else
        q->last->next = job;
    q->last = job;
}

/* With the lock held; gives it up meanwhile. */
static bool do_job(struct committer *c, struct committer_job *job) {
    if (job == NULL)
        return false;
    c->waiting--;
    pthread_mutex_unlock(&c->lock);
    uint64_t began = now_us();
    committer_job_do(job, c->store);
    job->took_us = now_us() - began;
    c->post(c->post_context, answer_job, job);
    pthread_mutex_lock(&c->lock);
    return true;
}

/* With the lock held; gives it up meanwhile. The backup is over, one way or the other. */
static void end_backup(struct committer *c, int code) {
    struct committer_job *job = c->backup_job;
    pthread_mutex_unlock(&c->lock);
    backup_close(c->backup);
    pthread_mutex_lock(&c->lock);
    c->backup = NULL;
    c->backup_job = NULL;
    c->backup_state = BACKUP_NONE;
    job->code = code;
    c->post(c->post_context, answer_job, job);
}

static int begin_or_copy_rows(struct committer *c, bool *ready, struct why *why) {
    if (c->backup == NULL)
        return backup_open(&c->backup, c->store, c->backup_job->directory, why);
    return backup_history_step(c->backup, ready, why);
}

/* With the lock held; gives it up meanwhile. Returns whether there was anything to do. */
static bool step_backup(struct committer *c) {
    struct committer_job *job = c->backup_job;
    bool ready = false;
    if (c->backup_state != BACKUP_ROWS && c->backup_state != BACKUP_LAST)
        return false;
    if (c->backup_state == BACKUP_LAST && c->backup_code != 0) {
        job->why = c->backup_why;
        end_backup(c, c->backup_code);
        return true;
    }
    if (c->stop) {
        end_backup(c, why_set(&job->why, ERR_CLOSED, "backup: settled is stopping"));
        return true;
    }
    bool last = c->backup_state == BACKUP_LAST;
    pthread_mutex_unlock(&c->lock);
    int code = last ? backup_finish(c->backup, NULL, &job->why) : begin_or_copy_rows(c, &ready, &job->why);
    pthread_mutex_lock(&c->lock);
    if (code != 0 || last) {
        end_backup(c, code);
    } else if (ready && !c->stop) { /* the journal's thread ends when it stops, but not in BACKUP_JOURNAL */
        c->backup_state = BACKUP_JOURNAL;
        pthread_cond_signal(&c->journal_wakes);
    }
    return true;
}

static void *run_history(void *argument) {
    struct committer *c = argument;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        bool held = c->backup_state == BACKUP_JOURNAL || c->backup_state == BACKUP_LAST;
        bool busy = do_job(c, take(&c->reads));
        busy = (!held && do_job(c, take(&c->writes))) || busy;
        busy = step_backup(c) || busy;
        if (busy)
            continue;
        if (c->stop && c->waiting == 0 && c->backup_state == BACKUP_NONE)
            break;
        pthread_cond_wait(&c->history_wakes, &c->lock);
    }
    end_thread(c);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* The loop's thread. */

static int start_threads(struct committer *c, struct why *why) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    /* Signals belong to the loop: the threads inherit a full mask. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&c->journal, NULL, run_journal, c);
    if (failed == 0) {
        failed = pthread_create(&c->history, NULL, run_history, c);
        if (failed != 0) {
            pthread_mutex_lock(&c->lock);
            c->stop = true;
            pthread_cond_signal(&c->journal_wakes);
            pthread_mutex_unlock(&c->lock);
            pthread_join(c->journal, NULL);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? 0 : why_set(why, ERR_IO, "cannot start a store thread: %s", strerror(failed));
}

static void destroy(struct committer *c) {
    pthread_cond_destroy(&c->journal_wakes);
    pthread_cond_destroy(&c->history_wakes);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

int committer_open(struct committer **out, const struct committer_options *options, struct why *why) {
    struct committer *c = calloc(1, sizeof *c);
    struct store_usage usage;
    pthread_condattr_t steady;
    if (options->store == NULL || options->post == NULL) {
        free(c);
        return why_set(why, ERR_INVALID, "a committer needs a store and a way to answer");
    }
    if (c == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the committer");
    c->store = options->store;
    c->post = options->post;
    c->post_context = options->post_context;
    c->queue_max = options->history_queue_max == 0 ? QUEUE_MAX : options->history_queue_max;
    c->store->ops->usage(c->store, &usage);
    c->trimmed = usage.batch_trimmed;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&c->journal_wakes, &steady);
    pthread_cond_init(&c->history_wakes, &steady);
    pthread_condattr_destroy(&steady);
    c->threads = 2;
    int code = start_threads(c, why);
    if (code != 0) {
        destroy(c);
        return code;
    }
    *out = c;
    return 0;
}

void committer_stop(struct committer *c, void (*done)(void *self), void *self) {
    assert(!c->stopping);
    c->stopping = true;
    c->stopped = done;
    c->stopped_self = self;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->journal_wakes);
    pthread_cond_signal(&c->history_wakes);
    pthread_mutex_unlock(&c->lock);
}

void committer_free(struct committer *c) {
    if (c == NULL)
        return;
    assert(c->stopping);
    pthread_join(c->journal, NULL);
    pthread_join(c->history, NULL);
    store_close(c->store);
    destroy(c);
}

int committer_append(struct committer *c, uint64_t seq, struct slice batch, committer_done *done,
                     void *self) {
    if (c->stopping)
        return ERR_CLOSED;
    pthread_mutex_lock(&c->lock);
    assert(c->append_state == APPEND_NONE);
    c->append = (struct append){ .seq = seq, .batch = batch, .done = done, .self = self };
    c->append_state = APPEND_WAITING;
    pthread_cond_signal(&c->journal_wakes);
    pthread_mutex_unlock(&c->lock);
    return 0;
}

void committer_trim(struct committer *c, uint64_t seq) {
    pthread_mutex_lock(&c->lock);
    bool first = c->trim_wish < seq;
    if (first)
        c->trim_wish = seq;
    if (first)
        pthread_cond_signal(&c->journal_wakes);
    pthread_mutex_unlock(&c->lock);
}

/* Takes ownership of job, which may be NULL: out of memory. */
static int submit(struct committer *c, struct committer_job *job, struct queue *queue) {
    int code = job == NULL ? ERR_MEMORY : c->stopping ? ERR_CLOSED : 0;
    if (code == 0) {
        pthread_mutex_lock(&c->lock);
        if (c->waiting >= c->queue_max) {
            code = ERR_AGAIN;
        } else {
            job->committer = c;
            put(queue, job);
            c->waiting++;
            pthread_cond_signal(&c->history_wakes);
        }
        pthread_mutex_unlock(&c->lock);
    }
    if (code != 0 && job != NULL)
        committer_job_free(job);
    return code;
}

int committer_fold(struct committer *c, const struct stored_row *rows, size_t count, committer_done *done,
                   void *self) {
    struct committer_job *job = committer_job_new(JOB_FOLD);
    if (job != NULL && committer_job_rows(job, rows, count) != 0) {
        committer_job_free(job);
        job = NULL;
    }
    if (job != NULL) {
        job->done.plain = done;
        job->self = self;
    }
    return submit(c, job, &c->writes);
}

int committer_find(struct committer *c, uint8_t kind, uint64_t key_hash, committer_rows *done, void *self) {
    struct committer_job *job = committer_job_new(JOB_FIND);
    if (job != NULL) {
        job->row_kind = kind;
        job->number = key_hash;
        job->done.rows = done;
        job->self = self;
    }
    return submit(c, job, &c->reads);
}

int committer_scan(struct committer *c, uint8_t kind, uint64_t before, bool ascending, size_t max,
                   committer_rows *done, void *self) {
    struct committer_job *job = committer_job_new(JOB_SCAN);
    if (job != NULL) {
        job->row_kind = kind;
        job->number = before;
        job->ascending = ascending;
        job->max = max;
        job->done.rows = done;
        job->self = self;
    }
    return submit(c, job, &c->reads);
}

int committer_purge(struct committer *c, uint8_t kind, uint64_t now_ms, uint64_t cursor, size_t max,
                    committer_purged *done, void *self) {
    struct committer_job *job = committer_job_new(JOB_PURGE);
    if (job != NULL) {
        job->row_kind = kind;
        job->now_ms = now_ms;
        job->number = cursor;
        job->max = max;
        job->done.purged = done;
        job->self = self;
    }
    return submit(c, job, &c->writes);
}

int committer_count(struct committer *c, committer_counted *done, void *self) {
    struct committer_job *job = committer_job_new(JOB_COUNT);
    if (job != NULL) {
        job->done.counted = done;
        job->self = self;
    }
    return submit(c, job, &c->reads);
}

int committer_run(struct committer *c, committer_work *work, committer_done *done, void *self) {
    struct committer_job *job = committer_job_new(JOB_RUN);
    if (job != NULL) {
        job->work = work;
        job->done.plain = done;
        job->self = self;
    }
    return submit(c, job, &c->reads);
}

int committer_backup(struct committer *c, const char *directory, committer_done *done, void *self) {
    struct committer_job *job = c->stopping ? NULL : committer_job_new(JOB_BACKUP);
    char *copy = strdup(directory);
    int code = c->stopping ? ERR_CLOSED : job == NULL || copy == NULL ? ERR_MEMORY : 0;
    if (code == 0) {
        job->committer = c;
        job->done.plain = done;
        job->self = self;
        pthread_mutex_lock(&c->lock);
        code = c->backup_state == BACKUP_NONE ? 0 : ERR_CONFLICT;
        if (code == 0) {
            job->directory = copy;
            c->backup_job = job;
            c->backup_state = BACKUP_ROWS;
            pthread_cond_signal(&c->history_wakes);
        }
        pthread_mutex_unlock(&c->lock);
    }
    if (code == 0)
        return 0;
    free(copy);
    if (job != NULL)
        committer_job_free(job);
    return code;
}

void committer_figures(const struct committer *c, struct committer_figures *out) {
    pthread_mutex_t *lock = (pthread_mutex_t *)&c->lock;
    *out = c->figures;
    pthread_mutex_lock(lock);
    out->history_waiting = c->waiting;
    out->append_waiting = c->append_state != APPEND_NONE;
    pthread_mutex_unlock(lock);
}

struct store *committer_store(struct committer *c) {
    return c->store;
}
