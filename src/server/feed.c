#include "server/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    WATCHED_MS = 10 * 60 * 1000,
    EXPECTED_MS = 30 * 1000,
    UNWATCHED_PER_SECOND = 300, /* entries a second that are recorded for nobody in particular */
};

/* The texts follow: name, then json. */
struct entry {
    struct feed_event event;
};

/* Batches from `first` on were written under this epoch. */
struct life {
    uint64_t epoch;
    uint64_t first;
};

struct feed {
    struct entry **entries; /* a ring; entry of number n is at n % count_max */
    size_t count_max;
    size_t bytes_max;
    size_t bytes;
    uint64_t oldest; /* number of the oldest kept; oldest > newest: none */
    uint64_t newest;
    struct life *lives; /* of what is kept, oldest first; never none */
    size_t life_count;
    uint64_t batch;          /* the last one */
    struct feed_place floor; /* its epoch is not used */
    uint64_t watched_until_ms;
    uint64_t second; /* in which unwatched entries are counted */
    size_t entry_count;
};

int feed_new(struct feed **out, size_t count_max, size_t bytes_max, uint64_t epoch, uint64_t before) {
    struct feed *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_MEMORY;
    f->entries = calloc(count_max, sizeof *f->entries);
    f->lives = calloc(1, sizeof *f->lives);
    if (f->entries == NULL || f->lives == NULL) {
        feed_free(f);
        return ERR_MEMORY;
    }
    f->count_max = count_max;
    f->bytes_max = bytes_max;
    f->oldest = 1;
    f->lives[0].epoch = epoch;
    f->life_count = 1;
    f->batch = before;
    f->floor.batch = before;
    f->floor.index = before == 0 ? 0 : FEED_BATCH_END;
    *out = f;
    return 0;
}

static struct entry **slot(const struct feed *f, uint64_t number) {
    return &f->entries[number % f->count_max];
}

static size_t entry_bytes(const struct entry *e) {
    return sizeof *e + e->event.name.length + e->event.json.length;
}

/* Negative: a is before b. */
static int compare(struct feed_place a, struct feed_place b) {
    if (a.batch != b.batch)
        return a.batch < b.batch ? -1 : 1;
    return a.index == b.index ? 0 : a.index < b.index ? -1 : 1;
}

static void raise_floor(struct feed *f, struct feed_place to) {
    size_t gone = 0;
    if (compare(to, f->floor) > 0)
        f->floor = to;
    while (gone + 1 < f->life_count && f->lives[gone + 1].first <= f->floor.batch)
        gone++;
    f->life_count -= gone;
    memmove(f->lives, f->lives + gone, f->life_count * sizeof *f->lives);
}

static void drop_oldest(struct feed *f) {
    struct entry **place = slot(f, f->oldest++);
    f->bytes -= entry_bytes(*place);
    raise_floor(f, (*place)->event.place);
    free(*place);
    *place = NULL;
}

void feed_free(struct feed *f) {
    if (f == NULL)
        return;
    while (f->oldest <= f->newest)
        drop_oldest(f);
    free(f->entries);
    free(f->lives);
    free(f);
}

void feed_forget(struct feed *f, struct feed_place upto) {
    while (f->oldest <= f->newest && compare((*slot(f, f->oldest))->event.place, upto) <= 0)
        drop_oldest(f);
    raise_floor(f, upto);
}

static void watch_until(struct feed *f, uint64_t until_ms) {
    if (f->watched_until_ms < until_ms)
        f->watched_until_ms = until_ms;
}

void feed_watch(struct feed *f, uint64_t now_ms) {
    watch_until(f, now_ms + WATCHED_MS);
}

void feed_expect(struct feed *f, uint64_t now_ms) {
    watch_until(f, now_ms + EXPECTED_MS);
}

bool feed_wants(struct feed *f, size_t entries, uint64_t now_ms) {
    if (now_ms < f->watched_until_ms)
        return true;
    if (now_ms / 1000 != f->second) {
        f->second = now_ms / 1000;
        f->entry_count = 0;
    }
    f->entry_count += entries;
    return f->entry_count <= UNWATCHED_PER_SECOND;
}

static uint64_t epoch_of(const struct feed *f, uint64_t batch) {
    size_t i = f->life_count - 1;
    while (i > 0 && f->lives[i].first > batch)
        i--;
    return f->lives[i].epoch;
}

static struct feed_place place_at(const struct feed *f, uint64_t batch, uint64_t index) {
    return (struct feed_place){ epoch_of(f, batch), batch, index };
}

void feed_batch(struct feed *f, uint64_t batch, uint64_t epoch) {
    assert(batch == f->batch + 1);
    struct life *last = &f->lives[f->life_count - 1];
    f->batch = batch;
    if (last->epoch == epoch)
        return;
    /* Nothing is kept of the life before: its epoch is of no more use. */
    if (f->floor.batch >= batch - 1 && f->oldest > f->newest) {
        last->epoch = epoch;
        last->first = 0;
        return;
    }
    struct life *lives = realloc(f->lives, (f->life_count + 1) * sizeof *lives);
    if (lives == NULL) { /* begin anew with this batch */
        feed_forget(f, feed_place_end(f, batch - 1));
        f->lives[f->life_count - 1].epoch = epoch;
        return;
    }
    f->lives = lives;
    f->lives[f->life_count++] = (struct life){ .epoch = epoch, .first = batch };
}

struct feed_place feed_place_of(const struct feed *f, uint64_t batch, size_t entry, size_t event) {
    assert(event < FEED_ENTRY_EVENTS);
    return place_at(f, batch, (uint64_t)entry * FEED_ENTRY_EVENTS + event + 1);
}

struct feed_place feed_place_end(const struct feed *f, uint64_t batch) {
    return place_at(f, batch, FEED_BATCH_END);
}

void feed_add(struct feed *f, const struct feed_event *event) {
    assert(event->place.batch <= f->batch);
    assert(f->oldest > f->newest || compare((*slot(f, f->newest))->event.place, event->place) < 0);
    if (compare(event->place, f->floor) <= 0)
        return;
    struct entry *e = malloc(sizeof *e + event->name.length + event->json.length);
    if (e == NULL) {
        feed_forget(f, event->place);
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
    assert(*slot(f, f->newest) == NULL);
    *slot(f, f->newest) = e;
}

/* The number of the first event behind a place; there is one. */
static uint64_t first_behind(const struct feed *f, struct feed_place after) {
    uint64_t low = f->oldest;
    uint64_t high = f->newest;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (compare((*slot(f, middle))->event.place, after) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int feed_next(const struct feed *f, struct feed_place after, struct feed_event *out) {
    if (compare(after, f->floor) < 0 || after.batch > f->batch || after.epoch != epoch_of(f, after.batch))
        return ERR_LIMIT;
    if (f->oldest > f->newest || compare((*slot(f, f->newest))->event.place, after) <= 0)
        return ERR_NOT_FOUND;
    *out = (*slot(f, first_behind(f, after)))->event;
    return 0;
}

struct feed_place feed_newest(const struct feed *f) {
    return f->oldest > f->newest ? feed_floor(f) : (*slot(f, f->newest))->event.place;
}

struct feed_place feed_floor(const struct feed *f) {
    return place_at(f, f->floor.batch, f->floor.index);
}
