#include "server/refill.h"

#include <stdlib.h>
#include <string.h>

#include "server/announcer.h"

/* Records of one transaction stand near each other in the journal, so nearly every row is loaded once. */
enum { LOADED = 512 };

/* Its record's bytes follow. */
struct past {
    uint64_t batch;
    size_t entry;
    struct stored_entry content;
};

struct loaded {
    uint64_t id; /* 0: none */
    struct transaction transaction;
};

struct refill {
    struct announcer announcer;
    struct past **entries; /* a ring; number n is at n % count_max */
    size_t count_max;
    size_t bytes_max;
    size_t bytes;
    uint64_t first; /* first == next: none */
    uint64_t next;
    struct store *store;
    const struct engine *engine;
    struct memory memory;
    struct arena arena;
    struct loaded loaded[LOADED]; /* by id */
    uint64_t wanted;              /* id of the row being read */
    int code;
    struct why *why;
};

int refill_new(struct refill **out, struct feed *feed, size_t count_max, size_t bytes_max) {
    struct refill *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_MEMORY;
    r->entries = calloc(count_max, sizeof *r->entries);
    if (r->entries == NULL) {
        free(r);
        return ERR_MEMORY;
    }
    announcer_init(&r->announcer, feed);
    memory_init(&r->memory, SIZE_MAX / 2);
    arena_init(&r->arena, 4096, SIZE_MAX / 2);
    r->count_max = count_max;
    r->bytes_max = bytes_max;
    *out = r;
    return 0;
}

static size_t past_bytes(const struct past *p) {
    return sizeof *p + p->content.record.length;
}

static struct past *take_first(struct refill *r) {
    struct past **place = &r->entries[r->first++ % r->count_max];
    struct past *p = *place;
    *place = NULL;
    r->bytes -= past_bytes(p);
    return p;
}

static void unload(struct loaded *l) {
    if (l->id != 0)
        transaction_done(&l->transaction);
    l->id = 0;
}

void refill_free(struct refill *r) {
    if (r == NULL)
        return;
    while (r->first < r->next)
        free(take_first(r));
    for (size_t i = 0; i < LOADED; i++)
        unload(&r->loaded[i]);
    announcer_done(&r->announcer);
    memory_done(&r->memory);
    arena_done(&r->arena);
    free(r->entries);
    free(r);
}

/* It does not fit any more: what was before it is gone with it. */
static void drop_first(struct refill *r) {
    struct past *p = take_first(r);
    struct feed *feed = r->announcer.feed;
    feed_forget(feed, feed_place_of(feed, p->batch, p->entry, FEED_ENTRY_EVENTS - 1));
    free(p);
}

int refill_entry(struct refill *r, uint64_t batch, size_t entry, const struct stored_entry *content) {
    if (!announcer_shows(content->kind))
        return 0;
    struct past *p = malloc(sizeof *p + content->record.length);
    if (p == NULL)
        return ERR_MEMORY;
    memcpy(p + 1, content->record.at, content->record.length);
    *p = (struct past){ .batch = batch, .entry = entry, .content = *content };
    p->content.record.at = (const char *)(p + 1);
    r->bytes += past_bytes(p);
    while (r->first < r->next && (r->next - r->first >= r->count_max || r->bytes > r->bytes_max))
        drop_first(r);
    r->entries[r->next++ % r->count_max] = p;
    return 0;
}

static int take_row(void *self, const struct stored_row *row) {
    struct refill *r = self;
    if (row->id != r->wanted)
        return 0;
    struct loaded *l = &r->loaded[row->id % LOADED];
    arena_reset(&r->arena);
    int code = transaction_load(&l->transaction, row->image, &r->memory, &r->arena);
    if (code != 0)
        return why_set(r->why, code, "row of transaction %.*s: %s", SLICE_PRINT(row->key), err_text(code));
    l->id = row->id;
    return 0;
}

static const struct transaction *find_transaction(void *self, uint8_t kind, uint64_t id) {
    struct refill *r = self;
    const struct transaction *t = engine_by_id(r->engine, id);
    if (t != NULL || r->code != 0)
        return t;
    struct loaded *l = &r->loaded[id % LOADED];
    if (l->id != id) {
        struct store_visitor visit = { .row = take_row, .self = r };
        unload(l);
        r->wanted = id;
        r->code = r->store->ops->scan(r->store, kind, id + 1, false, 1, &visit, r->why);
    }
    return l->id == id ? &l->transaction : NULL;
}

int refill_run(struct refill *r, struct store *store, const struct engine *engine, struct why *why) {
    struct announcer_source source = { .self = r, .transaction = find_transaction };
    r->store = store;
    r->engine = engine;
    r->why = why;
    while (r->first < r->next && r->code == 0) {
        struct past *p = take_first(r);
        announcer_entry(&r->announcer, &source, p->batch, p->entry, &p->content);
        free(p);
    }
    return r->code;
}
