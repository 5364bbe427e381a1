#include "sim/sim_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/journal.h"

static void *grown(void *at, size_t count, size_t each) {
    void *now = realloc(at, count * each);

    if (now == NULL)
        abort(); /* the simulator's own memory, not the product's */
    return now;
}

static char *copied(struct slice from) {
    char *at = grown(NULL, from.length + 1, 1);

    if (from.length > 0)
        memcpy(at, from.at, from.length);
    return at;
}

void sim_store_init(struct sim_store *s) {
    *s = (struct sim_store){ 0 };
}

static void rows_done(struct sim_rows *rows) {
    for (size_t i = 0; i < rows->count; i++)
        free(rows->at[i].bytes);
    free(rows->at);
    *rows = (struct sim_rows){ 0 };
}

void sim_store_done(struct sim_store *s) {
    for (size_t i = 0; i < s->batch_count; i++)
        free(s->batches[i].at);
    free(s->batches);
    free(s->pending.at);
    rows_done(&s->rows);
    rows_done(&s->folding);
    *s = (struct sim_store){ 0 };
}

void sim_store_append(struct sim_store *s, uint64_t number, struct slice batch) {
    assert(s->pending.at == NULL);
    if (number != s->batch_last + 1)
        s->broken = "a batch was offered out of turn";
    s->pending = (struct sim_batch){ number, copied(batch), batch.length };
}

static void keep_batch(struct sim_store *s, struct sim_batch batch) {
    if (s->batch_count == s->batch_capacity) {
        s->batch_capacity = s->batch_capacity == 0 ? 64 : s->batch_capacity * 2;
        s->batches = grown(s->batches, s->batch_capacity, sizeof *s->batches);
    }
    s->batches[s->batch_count++] = batch;
}

void sim_store_append_done(struct sim_store *s) {
    assert(s->pending.at != NULL);
    keep_batch(s, s->pending);
    s->batch_last = s->pending.number;
    s->bytes_written += s->pending.length;
    s->pending = (struct sim_batch){ 0 };
}

void sim_store_append_failed(struct sim_store *s) {
    free(s->pending.at);
    s->pending = (struct sim_batch){ 0 };
}

static struct sim_row copy_row(const struct stored_row *from, uint64_t folded_at) {
    struct sim_row row = { .row = *from, .folded_at = folded_at };
    size_t key = from->key.length, state = from->state.length, image = from->image.length;

    row.bytes = grown(NULL, key + state + image + 1, 1);
    if (key > 0)
        memcpy(row.bytes, from->key.at, key);
    if (state > 0)
        memcpy(row.bytes + key, from->state.at, state);
    if (image > 0)
        memcpy(row.bytes + key + state, from->image.at, image);
    row.row.key = slice_of(row.bytes, key);
    row.row.state = slice_of(row.bytes + key, state);
    row.row.image = slice_of(row.bytes + key + state, image);
    return row;
}

static void add_row(struct sim_rows *rows, struct sim_row row) {
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
        rows->at = grown(rows->at, rows->capacity, sizeof *rows->at);
    }
    rows->at[rows->count++] = row;
}

void sim_store_fold(struct sim_store *s, const struct stored_row *rows, size_t count) {
    assert(s->folding.count == 0);
    for (size_t i = 0; i < count; i++)
        add_row(&s->folding, copy_row(&rows[i], s->batch_last));
}

static struct sim_row *row_at(const struct sim_store *s, uint8_t kind, uint64_t id) {
    for (size_t i = 0; i < s->rows.count; i++)
        if (s->rows.at[i].row.kind == kind && s->rows.at[i].row.id == id)
            return &s->rows.at[i];
    return NULL;
}

void sim_store_fold_done(struct sim_store *s) {
    for (size_t i = 0; i < s->folding.count; i++) {
        struct sim_row *new = &s->folding.at[i];
        struct sim_row *old = row_at(s, new->row.kind, new->row.id);

        s->bytes_written += new->row.image.length;
        if (old == NULL) {
            add_row(&s->rows, *new);
            continue;
        }
        if (old->row.seq > new->row.seq) {
            free(new->bytes);
            continue;
        }
        if (old->row.final && !new->row.final)
            s->broken = "a final row was replaced by an unfinished one";
        free(old->bytes);
        *old = *new;
        s->replaced++;
    }
    s->folding.count = 0;
    s->folds++;
}

void sim_store_fold_failed(struct sim_store *s) {
    for (size_t i = 0; i < s->folding.count; i++)
        free(s->folding.at[i].bytes);
    s->folding.count = 0;
}

/* G2: a record leaves the journal only when a durable row covers it. */
static void check_covered(struct sim_store *s, const struct sim_batch *batch) {
    struct slice left = slice_of(batch->at, batch->length);

    while (left.length > 0) {
        struct stored_entry entry;
        const struct sim_row *row;

        if (journal_decode(&left, &entry) != 0) {
            s->broken = "a batch cannot be read back";
            return;
        }
        row = row_at(s, entry.kind, entry.id);
        if (row != NULL && row->row.seq >= entry.seq)
            continue;
        snprintf(s->story, sizeof s->story,
                 "batch %llu was trimmed, but record %u of %llu (kind %u) is not folded",
                 (unsigned long long)batch->number, entry.seq, (unsigned long long)entry.id, entry.kind);
        s->broken = s->story;
    }
}

void sim_store_trim(struct sim_store *s, uint64_t number) {
    size_t gone = 0;

    if (number > s->batch_last) {
        s->broken = "a batch was trimmed that was never written";
        return;
    }
    while (gone < s->batch_count && s->batches[gone].number <= number) {
        check_covered(s, &s->batches[gone]);
        free(s->batches[gone].at);
        gone++;
    }
    if (gone == 0)
        return;
    memmove(s->batches, s->batches + gone, (s->batch_count - gone) * sizeof *s->batches);
    s->batch_count -= gone;
    s->batch_trimmed = number;
    s->trims++;
}

size_t sim_store_purge(struct sim_store *s, uint64_t now_ms) {
    size_t kept = 0, removed;

    for (size_t i = 0; i < s->rows.count; i++) {
        struct sim_row *row = &s->rows.at[i];

        if (row->row.final && row->row.purge_after_ms <= now_ms && row->folded_at <= s->batch_trimmed)
            free(row->bytes);
        else
            s->rows.at[kept++] = *row;
    }
    removed = s->rows.count - kept;
    s->rows.count = kept;
    s->purges += removed;
    return removed;
}

const struct stored_row *sim_store_find(const struct sim_store *s, uint8_t kind, uint64_t key_hash,
                                        struct slice key) {
    for (size_t i = s->rows.count; i > 0; i--) {
        const struct stored_row *row = &s->rows.at[i - 1].row;

        if (row->kind == kind && row->key_hash == key_hash && slice_equal(row->key, key))
            return row;
    }
    return NULL;
}

const struct stored_row *sim_store_row(const struct sim_store *s, uint8_t kind, uint64_t id) {
    const struct sim_row *row = row_at(s, kind, id);

    return row == NULL ? NULL : &row->row;
}

bool sim_store_shows(const struct sim_store *s, const struct sim_row *row) {
    return !row->row.final || row->folded_at > s->batch_trimmed;
}

void sim_store_copy(struct sim_store *to, const struct sim_store *from) {
    sim_store_init(to);
    for (size_t i = 0; i < from->batch_count; i++) {
        struct sim_batch batch = from->batches[i];

        batch.at = copied(slice_of(batch.at, batch.length));
        keep_batch(to, batch);
    }
    for (size_t i = 0; i < from->rows.count; i++)
        add_row(&to->rows, copy_row(&from->rows.at[i].row, from->rows.at[i].folded_at));
    to->batch_last = from->batch_last;
    to->batch_trimmed = from->batch_trimmed;
}
