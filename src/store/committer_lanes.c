#include "store/committer_lanes.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define TRIM_BATCHES 64  /* in one go: a trim between two appends stays short */
#define TRIM_AFTER 16    /* batches: one sync for trimming per sixteen for appending */
#define TRIM_IDLE_MS 200 /* or when nothing was appended for this long */

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

void *committer_lanes_journal(void *argument) {
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

void *committer_lanes_history(void *argument) {
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
