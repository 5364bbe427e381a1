#include "store/committer_job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STOP_HERE 1 /* a visitor's wish, never an error: those are negative */

struct committer_job *committer_job_new(enum committer_job_kind kind) {
    struct committer_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->kind = kind;
    arena_init(&job->arena, 16 * 1024, SIZE_MAX);
    return job;
}

void committer_job_free(struct committer_job *job) {
    arena_done(&job->arena);
    free(job->directory);
    free(job);
}

static int copy_row(struct committer_job *job, const struct stored_row *from, struct stored_row *to) {
    *to = *from;
    int code = arena_copy(&job->arena, from->key, &to->key);
    if (code == 0)
        code = arena_copy(&job->arena, from->state, &to->state);
    return code == 0 ? arena_copy(&job->arena, from->image, &to->image) : code;
}

int committer_job_rows(struct committer_job *job, const struct stored_row *rows, size_t count) {
    int code = 0;
    job->rows = arena_take_array(&job->arena, count, sizeof *rows);
    if (job->rows == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count && code == 0; i++)
        code = copy_row(job, &rows[i], &job->rows[i]);
    job->row_count = count;
    return code;
}

static int grow_rows(struct committer_job *job) {
    size_t capacity = job->row_capacity * 2 + 8;
    struct stored_row *rows = arena_take_array(&job->arena, capacity, sizeof *rows);
    if (rows == NULL)
        return ERR_MEMORY;
    if (job->row_count > 0)
        memcpy(rows, job->rows, job->row_count * sizeof *rows);
    job->rows = rows;
    job->row_capacity = capacity;
    return 0;
}

static int collect_row(void *self, const struct stored_row *row) {
    struct committer_job *job = self;
    if (job->row_count > 0 && job->arena.used + row->image.length > COMMITTER_ROWS_BYTES) {
        job->more = true;
        return STOP_HERE;
    }
    int code = job->row_count == job->row_capacity ? grow_rows(job) : 0;
    if (code == 0)
        code = copy_row(job, row, &job->rows[job->row_count]);
    if (code == 0)
        job->row_count++;
    return code;
}

static int read_rows(struct committer_job *job, struct store *s) {
    const struct store_visitor visit = { .row = collect_row, .self = job };
    int code;
    if (job->kind == JOB_FIND) {
        code = s->ops->find(s, job->row_kind, job->number, &visit, &job->why);
    } else {
        code = s->ops->scan(s, job->row_kind, job->number, job->ascending, job->max, &visit, &job->why);
        job->more = job->more || (code == 0 && job->row_count == job->max);
    }
    if (code == ERR_MEMORY)
        why_set(&job->why, code, "no memory for rows");
    return code == STOP_HERE ? 0 : code;
}

void committer_job_do(struct committer_job *job, struct store *s) {
    switch (job->kind) {
    case JOB_FOLD:
        job->code = s->ops->fold(s, job->rows, job->row_count, &job->why);
        break;
    case JOB_PURGE:
        job->code =
            s->ops->purge(s, job->row_kind, job->now_ms, &job->number, job->max, &job->removed, &job->why);
        break;
    case JOB_FIND:
    case JOB_SCAN:
        job->code = read_rows(job, s);
        break;
    case JOB_COUNT:
        job->code = s->ops->count(s, job->counts, &job->why);
        break;
    case JOB_RUN:
        job->code = job->work(job->self, s, &job->why);
        break;
    case JOB_BACKUP:
        assert(job->kind != JOB_BACKUP);
        break;
    }
}

void committer_job_answer(const struct committer_job *job) {
    bool ok = job->code == 0;
    switch (job->kind) {
    case JOB_FOLD:
    case JOB_RUN:
    case JOB_BACKUP:
        job->done.plain(job->self, job->code, &job->why);
        break;
    case JOB_PURGE:
        job->done.purged(job->self, job->code, ok ? job->removed : 0, job->number, &job->why);
        break;
    case JOB_FIND:
    case JOB_SCAN:
        job->done.rows(job->self, job->code, job->rows, ok ? job->row_count : 0, ok && job->more, &job->why);
        break;
    case JOB_COUNT:
        job->done.counted(job->self, job->code, job->counts, &job->why);
        break;
    }
}
