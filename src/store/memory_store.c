#include "store/memory_store.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* One row and its bytes in one block. */
struct kept_row {
    struct stored_row row;
    uint64_t batch; /* the last batch when it was folded: none of its records is in a later one */
    char bytes[];
};

struct kept_batch {
    uint64_t seq;
    uint64_t epoch;
    size_t length;
    char bytes[];
};

/* Rows of one kind in ascending order of id. */
struct shelf {
    struct kept_row **rows;
    size_t count;
    size_t capacity;
};

struct memory_store {
    struct store head;
    struct shelf shelves[STORED_KIND_END]; /* H */
    struct kept_batch **batches;           /* J: those above trimmed, in order */
    size_t batch_count;
    size_t batch_capacity;
    uint64_t epoch;
    _Atomic uint64_t last;    /* written by J, read by both */
    _Atomic uint64_t trimmed; /* written by J, read by both */
    _Atomic uint64_t journal_bytes;
    _Atomic uint64_t history_bytes;
};

static const struct store_ops memory_ops;

static struct memory_store *memory_of(struct store *s) {
    assert(s != NULL);
    assert(s->ops == &memory_ops);
    return (struct memory_store *)s;
}

static bool kind_known(uint8_t kind) {
    return kind > 0 && kind < STORED_KIND_END;
}

static size_t row_bytes(const struct stored_row *row) {
    return row->key.length + row->state.length + row->image.length;
}

/* Where the first row with at least this id is, or the count. */
static size_t shelf_place(const struct shelf *shelf, uint64_t id) {
    size_t low = 0;
    size_t high = shelf->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shelf->rows[middle]->row.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int shelf_reserve(struct shelf *shelf, size_t more) {
    if (shelf->count + more <= shelf->capacity)
        return 0;
    size_t capacity = (shelf->count + more) * 2;
    struct kept_row **rows = realloc(shelf->rows, capacity * sizeof(struct kept_row *));
    if (rows == NULL)
        return ERR_MEMORY;
    shelf->rows = rows;
    shelf->capacity = capacity;
    return 0;
}

static struct slice put_slice(char **at, struct slice from) {
    struct slice to = { .at = *at, .length = from.length };
    if (from.length > 0)
        memcpy(*at, from.at, from.length);
    *at += from.length;
    return to;
}

static struct kept_row *keep_row(const struct stored_row *row, uint64_t batch) {
    struct kept_row *kept = malloc(sizeof *kept + row_bytes(row));
    if (kept == NULL)
        return NULL;
    char *at = kept->bytes;
    kept->row = *row;
    kept->batch = batch;
    kept->row.key = put_slice(&at, row->key);
    kept->row.state = put_slice(&at, row->state);
    kept->row.image = put_slice(&at, row->image);
    return kept;
}

/* Takes ownership of kept; there is room for one more. */
static void shelf_put(struct memory_store *m, struct kept_row *kept) {
    struct shelf *shelf = &m->shelves[kept->row.kind];
    size_t place = shelf_place(shelf, kept->row.id);
    bool there = place < shelf->count && shelf->rows[place]->row.id == kept->row.id;
    if (there && shelf->rows[place]->row.seq > kept->row.seq) {
        free(kept);
        return;
    }
    m->history_bytes += row_bytes(&kept->row);
    if (there) {
        m->history_bytes -= row_bytes(&shelf->rows[place]->row);
        free(shelf->rows[place]);
        shelf->rows[place] = kept;
        return;
    }
    assert(shelf->count < shelf->capacity);
    memmove(shelf->rows + place + 1, shelf->rows + place, (shelf->count - place) * sizeof(struct kept_row *));
    shelf->rows[place] = kept;
    shelf->count++;
}

static int memory_recover(struct store *s, const struct store_visitor *visit, struct why *why) {
    struct memory_store *m = memory_of(s);
    (void)why;
    for (int kind = 1; kind < STORED_KIND_END; kind++) {
        for (size_t i = 0; i < m->shelves[kind].count; i++) {
            const struct kept_row *kept = m->shelves[kind].rows[i];
            if (kept->row.final && kept->batch <= m->trimmed)
                continue;
            int code = visit->row(visit->self, &kept->row);
            if (code != 0)
                return code;
        }
    }
    for (size_t i = 0; i < m->batch_count; i++) {
        const struct kept_batch *kept = m->batches[i];
        int code = visit->batch(visit->self, kept->seq, kept->epoch, slice_of(kept->bytes, kept->length));
        if (code != 0)
            return code;
    }
    return 0;
}

/* The last batch, offered again: 0 when it is the same. */
static int same_batch(const struct memory_store *m, uint64_t seq, struct slice batch, struct why *why) {
    if (seq > m->trimmed && m->batch_count > 0) {
        const struct kept_batch *kept = m->batches[m->batch_count - 1];
        assert(kept->seq == seq);
        if (slice_equal(slice_of(kept->bytes, kept->length), batch))
            return 0;
    }
    return why_set(why, ERR_INVALID, "batch %llu is already there with other bytes", (unsigned long long)seq);
}

static int memory_append(struct store *s, uint64_t seq, struct slice batch, struct why *why) {
    struct memory_store *m = memory_of(s);
    if (batch.length > STORE_BATCH_BYTES_MAX)
        return why_set(why, ERR_LIMIT, "a batch of %zu bytes is too large", batch.length);
    if (seq == m->last && seq > 0)
        return same_batch(m, seq, batch, why);
    if (seq != m->last + 1 || seq > STORE_SEQ_MAX)
        return why_set(why, ERR_INVALID, "batch %llu cannot follow batch %llu", (unsigned long long)seq,
                       (unsigned long long)m->last);
    if (m->batch_count == m->batch_capacity) {
        size_t capacity = m->batch_capacity * 2 + 16;
        struct kept_batch **batches = realloc(m->batches, capacity * sizeof(struct kept_batch *));
        if (batches == NULL)
            return why_set(why, ERR_MEMORY, "no memory for a batch");
        m->batches = batches;
        m->batch_capacity = capacity;
    }
    struct kept_batch *kept = malloc(sizeof *kept + batch.length);
    if (kept == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a batch");
    kept->seq = seq;
    kept->epoch = m->epoch;
    kept->length = batch.length;
    if (batch.length > 0)
        memcpy(kept->bytes, batch.at, batch.length);
    m->batches[m->batch_count++] = kept;
    m->last = seq;
    m->journal_bytes += batch.length;
    return 0;
}

static int memory_trim(struct store *s, uint64_t seq, struct why *why) {
    struct memory_store *m = memory_of(s);
    size_t gone = 0;
    if (seq > m->last)
        return why_set(why, ERR_INVALID, "cannot trim to batch %llu, the last is %llu",
                       (unsigned long long)seq, (unsigned long long)m->last);
    if (seq <= m->trimmed)
        return 0;
    while (gone < m->batch_count && m->batches[gone]->seq <= seq) {
        m->journal_bytes -= m->batches[gone]->length;
        free(m->batches[gone++]);
    }
    m->batch_count -= gone;
    if (m->batch_count > 0)
        memmove(m->batches, m->batches + gone, m->batch_count * sizeof(struct kept_batch *));
    m->trimmed = seq;
    return 0;
}

static int check_row(const struct stored_row *row, struct why *why) {
    if (!kind_known(row->kind) || row->id == 0 || row->id > STORE_ID_MAX)
        return why_set(why, ERR_INVALID, "no row can have kind %u and id %llu", row->kind,
                       (unsigned long long)row->id);
    if (row_bytes(row) > STORE_ROW_BYTES_MAX)
        return why_set(why, ERR_LIMIT, "row %llu is too large: %zu bytes", (unsigned long long)row->id,
                       row_bytes(row));
    return 0;
}

/* Everything that can fail comes first, so that the rows are folded all or none. */
static int memory_fold(struct store *s, const struct stored_row *rows, size_t count, struct why *why) {
    struct memory_store *m = memory_of(s);
    struct kept_row **kept = count == 0 ? NULL : calloc(count, sizeof(struct kept_row *));
    int code = count > 0 && kept == NULL ? ERR_MEMORY : 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        code = check_row(&rows[i], why);
        if (code == 0)
            code = shelf_reserve(&m->shelves[rows[i].kind], count);
        if (code == 0 && (kept[i] = keep_row(&rows[i], m->last)) == NULL)
            code = why_set(why, ERR_MEMORY, "no memory for a row");
    }
    for (size_t i = 0; i < count && kept != NULL; i++) {
        if (code == 0)
            shelf_put(m, kept[i]);
        else
            free(kept[i]);
    }
    free(kept);
    return code;
}

static int memory_find(struct store *s, uint8_t kind, uint64_t key_hash, const struct store_visitor *visit,
                       struct why *why) {
    struct memory_store *m = memory_of(s);
    (void)why;
    assert(kind_known(kind));
    for (size_t i = m->shelves[kind].count; i > 0; i--) {
        const struct kept_row *kept = m->shelves[kind].rows[i - 1];
        int code = kept->row.key_hash == key_hash ? visit->row(visit->self, &kept->row) : 0;
        if (code != 0)
            return code;
    }
    return 0;
}

static int memory_scan(struct store *s, uint8_t kind, uint64_t before, bool ascending, size_t max,
                       const struct store_visitor *visit, struct why *why) {
    struct memory_store *m = memory_of(s);
    (void)why;
    assert(kind_known(kind));
    const struct shelf *shelf = &m->shelves[kind];
    size_t place = shelf_place(shelf, before);
    if (ascending && place < shelf->count && shelf->rows[place]->row.id == before)
        place++;
    for (size_t i = 0; i < max; i++) {
        if (ascending ? place >= shelf->count : place == 0)
            break;
        int code = visit->row(visit->self, &shelf->rows[ascending ? place++ : --place]->row);
        if (code != 0)
            return code;
    }
    return 0;
}

static int memory_keys(struct store *s, uint8_t kind, const struct store_visitor *visit, struct why *why) {
    struct memory_store *m = memory_of(s);
    (void)why;
    assert(kind_known(kind));
    for (size_t i = 0; i < m->shelves[kind].count; i++) {
        int code = visit->key(visit->self, kind, m->shelves[kind].rows[i]->row.key_hash);
        if (code != 0)
            return code;
    }
    return 0;
}

static int memory_purge(struct store *s, uint8_t kind, uint64_t now_ms, uint64_t *cursor, size_t max,
                        size_t *removed, struct why *why) {
    struct memory_store *m = memory_of(s);
    (void)why;
    assert(kind_known(kind));
    assert(max > 0);
    struct shelf *shelf = &m->shelves[kind];
    size_t begin = *cursor == 0 ? 0 : shelf_place(shelf, *cursor + 1);
    size_t looked = max < STORE_PURGE_MAX ? max : STORE_PURGE_MAX;
    size_t end = shelf->count - begin < looked ? shelf->count : begin + looked;
    size_t to = begin;
    *cursor = end == shelf->count ? 0 : shelf->rows[end - 1]->row.id;
    for (size_t i = begin; i < end; i++) {
        struct kept_row *kept = shelf->rows[i];
        if (kept->row.final && kept->row.purge_after_ms <= now_ms && kept->batch <= m->trimmed) {
            m->history_bytes -= row_bytes(&kept->row);
            free(kept);
        } else {
            shelf->rows[to++] = kept;
        }
    }
    *removed = end - to;
    if (shelf->count > end)
        memmove(shelf->rows + to, shelf->rows + end, (shelf->count - end) * sizeof(struct kept_row *));
    shelf->count -= end - to;
    return 0;
}

static int memory_count(struct store *s, uint64_t counts[STORED_KIND_END], struct why *why) {
    struct memory_store *m = memory_of(s);
    (void)why;
    for (int kind = 0; kind < STORED_KIND_END; kind++)
        counts[kind] = m->shelves[kind].count;
    return 0;
}

static void memory_usage(struct store *s, struct store_usage *usage) {
    const struct memory_store *m = memory_of(s);
    *usage = (struct store_usage){ .journal_bytes = m->journal_bytes,
                                   .history_bytes = m->history_bytes,
                                   .free_bytes = UINT64_MAX,
                                   .batch_last = m->last,
                                   .batch_trimmed = m->trimmed,
                                   .epoch = m->epoch };
}

static void memory_close(struct store *s) {
    struct memory_store *m = memory_of(s);
    for (int kind = 0; kind < STORED_KIND_END; kind++) {
        for (size_t i = 0; i < m->shelves[kind].count; i++)
            free(m->shelves[kind].rows[i]);
        free(m->shelves[kind].rows);
    }
    for (size_t i = 0; i < m->batch_count; i++)
        free(m->batches[i]);
    free(m->batches);
    free(m);
}

int memory_store_new(struct store **out, struct why *why) {
    struct memory_store *m = calloc(1, sizeof *m);
    if (m == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a store");
    if (getrandom(&m->head.key_seed, sizeof m->head.key_seed, 0) != (ssize_t)sizeof m->head.key_seed) {
        free(m);
        return why_set(why, ERR_IO, "no random number for a new store");
    }
    m->head.key_seed |= 1;
    m->head.ops = &memory_ops;
    m->epoch = 1;
    *out = &m->head;
    return 0;
}

static int copy_content(const struct memory_store *from, struct memory_store *to) {
    to->last = from->trimmed;
    to->trimmed = from->trimmed;
    for (size_t i = 0; i < from->batch_count; i++) {
        struct slice batch = slice_of(from->batches[i]->bytes, from->batches[i]->length);
        to->epoch = from->batches[i]->epoch;
        int code = memory_append(&to->head, from->batches[i]->seq, batch, NULL);
        if (code != 0)
            return code;
    }
    for (int kind = 1; kind < STORED_KIND_END; kind++) {
        for (size_t i = 0; i < from->shelves[kind].count; i++) {
            const struct kept_row *row = from->shelves[kind].rows[i];
            struct kept_row *kept = keep_row(&row->row, row->batch);
            if (kept == NULL || shelf_reserve(&to->shelves[kind], 1) != 0) {
                free(kept);
                return ERR_MEMORY;
            }
            shelf_put(to, kept);
        }
    }
    return 0;
}

int memory_store_copy(struct store *from, struct store **out, struct why *why) {
    struct store *copy = NULL;
    int code = memory_store_new(&copy, why);
    if (code != 0)
        return code;
    code = copy_content(memory_of(from), memory_of(copy));
    if (code != 0) {
        store_close(copy);
        return why_set(why, code, "no memory for a copy of the store");
    }
    memory_of(copy)->epoch = memory_of(from)->epoch + 1;
    copy->key_seed = from->key_seed;
    *out = copy;
    return 0;
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .recover = memory_recover,
    .append = memory_append,
    .trim = memory_trim,
    .fold = memory_fold,
    .find = memory_find,
    .scan = memory_scan,
    .keys = memory_keys,
    .purge = memory_purge,
    .count = memory_count,
    .usage = memory_usage,
    .close = memory_close,
};
