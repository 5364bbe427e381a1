#include "store/traced.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct traced {
    struct store head;
    struct store *inner;
    traced_line *tell;
    void *self;
};

/* Counts what a visitor is shown, on its way. */
struct counted {
    const struct store_visitor *visit;
    uint64_t rows;
    uint64_t batches;
    uint64_t keys;
};

static const struct store_ops traced_ops;

static const char *const kind_names[STORED_KIND_END] = { "nothing", "transactions", "answers", "audit" };

static struct traced *traced_of(struct store *s) {
    assert(s->ops == &traced_ops);
    return (struct traced *)s;
}

static const char *name_of(uint8_t kind) {
    return kind < STORED_KIND_END ? kind_names[kind] : "unknown";
}

static void tell(const struct traced *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(const struct traced *t, const char *format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    t->tell(t->self, slice_of(line, length < (int)sizeof line ? (size_t)length : sizeof line - 1));
}

static int count_row(void *self, const struct stored_row *row) {
    struct counted *c = self;
    c->rows++;
    return c->visit->row(c->visit->self, row);
}

static int count_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    struct counted *c = self;
    c->batches++;
    return c->visit->batch(c->visit->self, seq, epoch, batch);
}

static int count_key(void *self, uint8_t kind, uint64_t key_hash) {
    struct counted *c = self;
    c->keys++;
    return c->visit->key(c->visit->self, kind, key_hash);
}

static struct store_visitor counting(struct counted *c) {
    return (struct store_visitor){ .row = count_row, .batch = count_batch, .key = count_key, .self = c };
}

static int traced_recover(struct store *s, const struct store_visitor *visit, struct why *why) {
    struct traced *t = traced_of(s);
    struct counted c = { .visit = visit };
    struct store_visitor through = counting(&c);
    int code = t->inner->ops->recover(t->inner, &through, why);
    tell(t, "recover: %s, %" PRIu64 " rows, %" PRIu64 " batches", err_text(code), c.rows, c.batches);
    return code;
}

static int traced_append(struct store *s, uint64_t seq, struct slice batch, struct why *why) {
    struct traced *t = traced_of(s);
    int code = t->inner->ops->append(t->inner, seq, batch, why);
    tell(t, "append %" PRIu64 " of %zu bytes: %s", seq, batch.length, err_text(code));
    return code;
}

static int traced_trim(struct store *s, uint64_t seq, struct why *why) {
    struct traced *t = traced_of(s);
    int code = t->inner->ops->trim(t->inner, seq, why);
    tell(t, "trim to %" PRIu64 ": %s", seq, err_text(code));
    return code;
}

static int traced_fold(struct store *s, const struct stored_row *rows, size_t count, struct why *why) {
    struct traced *t = traced_of(s);
    int code = t->inner->ops->fold(t->inner, rows, count, why);
    if (count == 0)
        tell(t, "fold 0 rows: %s", err_text(code));
    else
        tell(t, "fold %zu rows, %s %" PRIu64 " to %s %" PRIu64 ": %s", count, name_of(rows[0].kind),
             rows[0].id, name_of(rows[count - 1].kind), rows[count - 1].id, err_text(code));
    return code;
}

static int traced_find(struct store *s, uint8_t kind, uint64_t key_hash, const struct store_visitor *visit,
                       struct why *why) {
    struct traced *t = traced_of(s);
    struct counted c = { .visit = visit };
    struct store_visitor through = counting(&c);
    int code = t->inner->ops->find(t->inner, kind, key_hash, &through, why);
    tell(t, "find %s %" PRIu64 ": %s, %" PRIu64 " rows", name_of(kind), key_hash, err_text(code), c.rows);
    return code;
}

static int traced_scan(struct store *s, uint8_t kind, uint64_t before, bool ascending, size_t max,
                       const struct store_visitor *visit, struct why *why) {
    struct traced *t = traced_of(s);
    struct counted c = { .visit = visit };
    struct store_visitor through = counting(&c);
    int code = t->inner->ops->scan(t->inner, kind, before, ascending, max, &through, why);
    tell(t, "scan %s %s %" PRIu64 ", at most %zu: %s, %" PRIu64 " rows", name_of(kind),
         ascending ? "above" : "below", before, max, err_text(code), c.rows);
    return code;
}

static int traced_keys(struct store *s, uint8_t kind, const struct store_visitor *visit, struct why *why) {
    struct traced *t = traced_of(s);
    struct counted c = { .visit = visit };
    struct store_visitor through = counting(&c);
    int code = t->inner->ops->keys(t->inner, kind, &through, why);
    tell(t, "keys of %s: %s, %" PRIu64, name_of(kind), err_text(code), c.keys);
    return code;
}

static int traced_purge(struct store *s, uint8_t kind, uint64_t now_ms, uint64_t *cursor, size_t max,
                        size_t *removed, struct why *why) {
    struct traced *t = traced_of(s);
    uint64_t after = *cursor;
    size_t gone = 0;
    int code = t->inner->ops->purge(t->inner, kind, now_ms, cursor, max, &gone, why);
    if (code == 0)
        *removed = gone;
    tell(t, "purge %s after %" PRIu64 ": %s, %zu removed", name_of(kind), after, err_text(code), gone);
    return code;
}

static int traced_count(struct store *s, uint64_t counts[STORED_KIND_END], struct why *why) {
    struct traced *t = traced_of(s);
    int code = t->inner->ops->count(t->inner, counts, why);
    tell(t, "count: %s", err_text(code));
    return code;
}

static void traced_usage(struct store *s, struct store_usage *usage) {
    struct traced *t = traced_of(s);
    t->inner->ops->usage(t->inner, usage);
}

static void traced_close(struct store *s) {
    struct traced *t = traced_of(s);
    store_close(t->inner);
    tell(t, "close");
    free(t);
}

int traced_new(struct store *inner, traced_line *tell_line, void *self, struct store **out, struct why *why) {
    struct traced *t = calloc(1, sizeof *t);
    if (t == NULL)
        return why_set(why, ERR_MEMORY, "no memory to trace a store");
    *t = (struct traced){ .head = { .ops = &traced_ops, .key_seed = inner->key_seed },
                          .inner = inner,
                          .tell = tell_line,
                          .self = self };
    *out = &t->head;
    return 0;
}

static const struct store_ops traced_ops = {
    .name = "traced",
    .recover = traced_recover,
    .append = traced_append,
    .trim = traced_trim,
    .fold = traced_fold,
    .find = traced_find,
    .scan = traced_scan,
    .keys = traced_keys,
    .purge = traced_purge,
    .count = traced_count,
    .usage = traced_usage,
    .close = traced_close,
};
