#include "server/recovery.h"

#include <time.h>

#include "model/journal.h"
#include "server/crash_point.h"
#include "server/logs.h"

enum { TELL_EVERY_MS = 1000 };

struct recovery {
    struct engine *engine;
    struct why *why;
    struct recovery_figures figures;
    uint8_t kind; /* whose keys are read */
    uint64_t began_ms;
    uint64_t told_ms;
};

static uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void tell(struct recovery *r) {
    uint64_t now = clock_ms();
    if (now < r->told_ms + TELL_EVERY_MS)
        return;
    r->told_ms = now;
    logs_say(LOG_RECOVERING, "%llu rows, %llu batches, %llu records, %llu keys",
             (unsigned long long)r->figures.rows, (unsigned long long)r->figures.batches,
             (unsigned long long)r->figures.entries, (unsigned long long)r->figures.keys);
}

static int take_row(void *self, const struct stored_row *row) {
    struct recovery *r = self;
    if ((++r->figures.rows & 1023) == 0)
        tell(r);
    return engine_recover_row(r->engine, row, r->why);
}

/* Rows that are not final come again with the others. */
static int take_newest(void *self, const struct stored_row *row) {
    struct recovery *r = self;
    return row->final ? engine_recover_row(r->engine, row, r->why) : 0;
}

static int take_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    struct recovery *r = self;
    struct slice rest = batch;
    (void)epoch;
    if (r->figures.batches++ == 0)
        CRASH_POINT(RECOVER_ROWS);
    while (rest.length > 0) {
        struct stored_entry entry;
        int code = journal_decode(&rest, &entry);
        if (code != 0)
            return why_set(r->why, code, "batch %llu of the journal holds something that is not a record",
                           (unsigned long long)seq);
        code = engine_recover_entry(r->engine, seq, &entry, r->why);
        if (code != 0)
            return code;
        r->figures.entries++;
    }
    CRASH_POINT(RECOVER_BATCH);
    tell(r);
    return 0;
}

static int take_key(void *self, uint8_t kind, uint64_t key_hash) {
    struct recovery *r = self;
    if ((++r->figures.keys & 65535) == 0)
        tell(r);
    return engine_recover_key(r->engine, kind, key_hash);
}

int recovery_run(struct store *store, struct engine *engine, uint64_t now_ms, struct recovery_figures *out,
                 struct why *why) {
    struct recovery r = { .engine = engine, .why = why, .began_ms = clock_ms() };
    struct store_visitor newest = { .row = take_newest, .self = &r };
    struct store_visitor visit = { .row = take_row, .batch = take_batch, .key = take_key, .self = &r };
    int code = 0;
    r.told_ms = r.began_ms;
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        code = store->ops->scan(store, kind, UINT64_MAX, false, 1, &newest, why);
    if (code == 0)
        code = store->ops->recover(store, &visit, why);
    if (code == 0 && r.figures.batches == 0) {
        CRASH_POINT(RECOVER_ROWS);
        CRASH_POINT(RECOVER_BATCH);
    }
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        if (kind == STORED_TRANSACTION)
            code = store->ops->keys(store, kind, &visit, why);
    if (code != 0)
        return code;
    engine_recovered(engine, now_ms);
    CRASH_POINT(RECOVERED);
    r.figures.took_ms = clock_ms() - r.began_ms;
    *out = r.figures;
    return 0;
}
