#include "store/committer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "store/committer_lanes.h"

#define QUEUE_MAX 1024

static void put(struct queue *q, struct committer_job *job) {
    if (q->last == NULL)
        q->first = job;
    else
        q->last->next = job;
    q->last = job;
}

static int start_threads(struct committer *c, struct why *why) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    /* Signals belong to the loop: the threads inherit a full mask. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&c->journal, NULL, committer_lanes_journal, c);
    if (failed == 0) {
        failed = pthread_create(&c->history, NULL, committer_lanes_history, c);
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
