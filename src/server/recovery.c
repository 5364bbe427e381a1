#include "server/recovery.h"

#include <time.h>

#include "model/journal.h"
#include "server/crash_point.h"
#include "server/logs.h"

enum { TELL_EVERY_MS = 1000 };

struct recovery {
    struct engine *engine;
    const struct recovery_watchers *watchers;
    struct arena arena;
    uint64_t now_ms;
    uint64_t batch_ms; /* time of the last batch */
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
    r->figures.rows_open += row->kind == STORED_TRANSACTION && !row->final;
    return engine_recover_row(r->engine, row, r->why);
}

/* Rows that are not final come again with the others. */
static int take_newest(void *self, const struct stored_row *row) {
    struct recovery *r = self;
    return row->final ? engine_recover_row(r->engine, row, r->why) : 0;
}

/* A batch was written when its first record was made. One without a transaction's record counts as old as the
 * one before, and none is from the future. */
static void note_time(struct recovery *r, struct slice batch) {
    struct stored_entry entry;
    struct record record;
    while (batch.length > 0 && journal_decode(&batch, &entry) == 0) {
        if (entry.kind != STORED_TRANSACTION && entry.kind != STORED_MESSAGE && entry.kind != STORED_NOTICE)
            continue;
        arena_reset(&r->arena);
        if (record_decode(entry.record, &r->arena, &record) == 0 && record.at_ms > r->batch_ms)
            r->batch_ms = record.at_ms < r->now_ms ? record.at_ms : r->now_ms;
        return;
    }
}

static int take_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    struct recovery *r = self;
    struct slice rest = batch;
    if (r->figures.batches++ == 0)
        CRASH_POINT(RECOVER_ROWS);
    feed_batch(r->watchers->feed, seq, epoch);
    note_time(r, batch);
    tail_add(r->watchers->tail, seq, batch.length, r->batch_ms);
    for (size_t i = 0; rest.length > 0; i++) {
        struct stored_entry entry;
        int code = journal_decode(&rest, &entry);
        if (code != 0)
            return why_set(r->why, code, "batch %llu of the journal holds something that is not a record",
                           (unsigned long long)seq);
        code = engine_recover_entry(r->engine, seq, &entry, r->why);
        if (code == 0 && refill_entry(r->watchers->refill, seq, i, &entry) != 0)
            code = why_set(r->why, ERR_MEMORY, "no memory for the events of batch %llu",
                           (unsigned long long)seq);
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

static int take_all(struct recovery *r, struct store *store, struct why *why) {
    struct store_visitor newest = { .row = take_newest, .self = r };
    struct store_visitor visit = { .row = take_row, .batch = take_batch, .key = take_key, .self = r };
    int code = 0;
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        code = store->ops->scan(store, kind, UINT64_MAX, false, 1, &newest, why);
    if (code == 0)
        code = store->ops->recover(store, &visit, why);
    if (code == 0 && r->figures.batches == 0) {
        CRASH_POINT(RECOVER_ROWS);
        CRASH_POINT(RECOVER_BATCH);
    }
    for (uint8_t kind = 1; kind < STORED_KIND_END && code == 0; kind++)
        if (kind == STORED_TRANSACTION || kind == STORED_MESSAGE || kind == STORED_NOTICE)
            code = store->ops->keys(store, kind, &visit, why);
    return code;
}

int recovery_run(struct store *store, struct engine *engine, const struct recovery_watchers *watchers,
                 uint64_t now_ms, struct recovery_figures *out, struct why *why) {
    struct recovery r = {
        .engine = engine, .watchers = watchers, .now_ms = now_ms, .why = why, .began_ms = clock_ms()
    };
    r.told_ms = r.began_ms;
    arena_init(&r.arena, 4096, SIZE_MAX / 2);
    int code = take_all(&r, store, why);
    arena_done(&r.arena);
    if (code != 0)
        return code;
    engine_recovered(engine, now_ms);
    code = refill_run(watchers->refill, store, engine, why);
    if (code != 0)
        return code;
    CRASH_POINT(RECOVERED);
    r.figures.took_ms = clock_ms() - r.began_ms;
    *out = r.figures;
    return 0;
}
