#include "server/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    WATCHED_MS = 10 * 60 * 1000,
    UNWATCHED_PER_SECOND = 300, /* changes a second that are recorded for nobody in particular */
};

/* The texts follow: name, then json. */
struct entry {
    struct feed_event event;
};

struct feed {
    struct entry **entries; /* a ring; entry of number n is at n % count_max */
    size_t count_max;
    size_t bytes_max;
    size_t bytes;
    uint64_t oldest; /* number of the oldest kept; oldest > newest: none */
    uint64_t newest;
    uint64_t durable;
    uint64_t watched_until_ms;
    uint64_t second; /* in which unwatched changes are counted */
    uint32_t changes;
    bool gap; /* something was not recorded since the newest event */
};

int feed_new(struct feed **out, size_t count_max, size_t bytes_max) {
    struct feed *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_MEMORY;
    f->entries = calloc(count_max, sizeof *f->entries);
    if (f->entries == NULL) {
        free(f);
        return ERR_MEMORY;
    }
    f->count_max = count_max;
    f->bytes_max = bytes_max;
    f->oldest = 1;
    *out = f;
    return 0;
}

static size_t entry_bytes(const struct entry *e) {
    return sizeof *e + e->event.name.length + e->event.json.length;
}

static void drop_oldest(struct feed *f) {
    struct entry **place = &f->entries[f->oldest++ % f->count_max];
    f->bytes -= entry_bytes(*place);
    free(*place);
    *place = NULL;
}

void feed_free(struct feed *f) {
    if (f == NULL)
        return;
    while (f->oldest <= f->newest)
        drop_oldest(f);
    free(f->entries);
    free(f);
}

/* What was not recorded must not look like silence: a gap in the numbers makes old readers lag. */
static void start_anew(struct feed *f) {
    while (f->oldest <= f->newest)
        drop_oldest(f);
    f->newest++;
    f->oldest = f->newest + 1;
    f->gap = false;
}

void feed_watch(struct feed *f, uint64_t now_ms) {
    if (f->gap)
        start_anew(f);
    f->watched_until_ms = now_ms + WATCHED_MS;
}

bool feed_wants(struct feed *f, uint64_t now_ms) {
    if (now_ms < f->watched_until_ms)
        return true;
    if (now_ms / 1000 != f->second) {
        f->second = now_ms / 1000;
        f->changes = 0;
    }
    if (++f->changes <= UNWATCHED_PER_SECOND)
        return true;
    f->gap = true;
    return false;
}

void feed_add(struct feed *f, const struct feed_event *event) {
    if (f->gap)
        start_anew(f);
    struct entry *e = malloc(sizeof *e + event->name.length + event->json.length);
    if (e == NULL) {
        start_anew(f);
        return;
    }
    char *text = (char *)(e + 1);
    memcpy(text, event->name.at, event->name.length);
    memcpy(text + event->name.length, event->json.at, event->json.length);
    e->event = *event;
    e->event.name.at = text;
    e->event.json.at = text + event->name.length;
    f->bytes += entry_bytes(e);
    while (f->oldest <= f->newest && (f->newest - f->oldest + 1 >= f->count_max || f->bytes > f->bytes_max))
        drop_oldest(f);
    f->newest++;
    e->event.number = f->newest;
    assert(f->entries[f->newest % f->count_max] == NULL);
    f->entries[f->newest % f->count_max] = e;
}

void feed_durable(struct feed *f, uint64_t batch) {
    f->durable = batch;
}

int feed_next(const struct feed *f, uint64_t after, struct feed_event *out) {
    if (after + 1 < f->oldest || after > f->newest)
        return ERR_LIMIT;
    if (after == f->newest)
        return ERR_NOT_FOUND;
    const struct entry *e = f->entries[(after + 1) % f->count_max];
    assert(e != NULL);
    if (e->event.batch > f->durable)
        return ERR_NOT_FOUND;
    *out = e->event;
    return 0;
}

uint64_t feed_newest(const struct feed *f) {
    return f->newest;
}

uint64_t feed_oldest(const struct feed *f) {
    return f->oldest;
}
