#include "server/chores.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/stored.h"
#include "server/crash_point.h"

enum {
    SLICE_ROWS = 512,
    SLICE_BYTES = 512 * 1024, /* copying this much takes well under a millisecond */
    /* Rows of one fold share the pages of the index that they touch, but while history writes it takes a core
     * and the disk from the turns: four thousand rows at a time doubled the slowest hundredth of answers. */
    FOLD_ROWS = 1024,
    FOLD_BYTES = 8 * 1024 * 1024,
    FOLD_EVERY_MS = 500,     /* so that a quiet daemon folds many rows with one sync */
    FOLD_PAUSE_MS = 1000,    /* after a failure */
    KEEP_BATCHES = 4096,     /* things that wait hold back no more of the journal than this */
    KEEP_BATCHES_LARGE = 64, /* or this, once the journal has grown large */
    KEEP_MS = 10000, /* or for longer than twice this: a row is purged only once its batch was trimmed */
    TRIM_BATCHES = 64,
    TRIM_EVERY_MS = 1000,
    PURGE_ROWS = 200,
    PURGE_PACE_MS = 50,
    PURGE_SOON_MS = 200, /* after a start or new settings: what must be done first comes first */
    PURGE_EVERY_MS_MIN = 500,
    PURGE_EVERY_MS_MAX = 60000,
};
#define JOURNAL_LARGE (UINT64_C(256) * 1024 * 1024)

struct chores {
    struct engine *engine;
    struct chores_port port;
    struct tail tail;
    struct arena arena; /* images of the rows under way */
    struct stored_row rows[FOLD_ROWS];
    size_t row_count;
    bool folding;
    bool purging;
    bool stopped;
    bool draining;
    bool folded_up; /* while draining: the last look found nothing to fold */
    uint64_t fold_due_ms;
    uint64_t trim_due_ms;
    uint64_t mark_due_ms;
    uint64_t mark;     /* the durable batch when mark_due_ms was set */
    uint64_t mark_old; /* the one before it */
    uint64_t purge_due_ms;
    uint64_t purge_every_ms;
    uint64_t purge_cursor[STORED_KIND_END];
    uint8_t purge_kind;
    struct chores_figures figures;
};

static void purge_every(struct chores *u, uint64_t retain_ms) {
    uint64_t every = retain_ms / 4;
    every = every < PURGE_EVERY_MS_MIN ? PURGE_EVERY_MS_MIN : every;
    u->purge_every_ms = every > PURGE_EVERY_MS_MAX ? PURGE_EVERY_MS_MAX : every;
    u->purge_due_ms = 0; /* the next round sets it */
}

int chores_new(struct chores **out, struct engine *engine, const struct chores_port *port,
               const struct tail *tail, uint64_t retain_ms) {
    struct chores *u = calloc(1, sizeof *u);
    if (u == NULL)
        return ERR_MEMORY;
    u->engine = engine;
    u->port = *port;
    u->purge_kind = STORED_TRANSACTION;
    arena_init(&u->arena, FOLD_BYTES, SIZE_MAX / 2);
    u->tail = *tail;
    purge_every(u, retain_ms);
    *out = u;
    return 0;
}

void chores_free(struct chores *u) {
    if (u == NULL)
        return;
    arena_done(&u->arena);
    free(u);
}

void chores_retain(struct chores *u, uint64_t retain_ms, uint64_t keep_bytes) {
    purge_every(u, retain_ms);
    tail_limit(&u->tail, keep_bytes, retain_ms);
    u->fold_due_ms = 0; /* the tail may be too long now */
}

/* Returns when there may be more to trim although no batch came. */
static uint64_t trim(struct chores *u, uint64_t now_ms, uint64_t durable) {
    uint64_t folded = engine_trim_point(u->engine);
    uint64_t passed = tail_point(&u->tail, now_ms);
    uint64_t point = folded < passed ? folded : passed;
    if (point > u->figures.trimmed &&
        (now_ms >= u->trim_due_ms || point >= u->figures.trimmed + TRIM_BATCHES)) {
        CRASH_POINT(TRIM_ASKED);
        u->figures.trimmed = point;
        u->trim_due_ms = now_ms + TRIM_EVERY_MS;
        u->port.trim(u->port.self, point);
    }
    /* Records that wait for their thing's end, or for the next batch, are looked at again with it. */
    return u->figures.trimmed < point || folded < durable ? now_ms + TRIM_EVERY_MS : tail_due(&u->tail);
}

/* Batches before this one are held back by nothing that waits, neither by count nor by age. */
static uint64_t keep_from(struct chores *u, uint64_t now_ms, uint64_t durable, uint64_t journal_bytes) {
    uint64_t keep = journal_bytes > JOURNAL_LARGE + u->tail.bytes_max ? KEEP_BATCHES_LARGE : KEEP_BATCHES;
    uint64_t from = durable > keep ? durable - keep : 0;
    if (now_ms >= u->mark_due_ms) {
        u->mark_old = u->mark;
        u->mark = durable;
        u->mark_due_ms = now_ms + KEEP_MS;
    }
    return from > u->mark_old ? from : u->mark_old;
}

/* Collect rows in slices, one a round, so that no round is long; then all go to history in one write. */
static void collect_rows(struct chores *u, uint64_t now_ms, uint64_t durable, uint64_t journal_bytes) {
    uint64_t from = keep_from(u, now_ms, durable, journal_bytes);
    size_t room = FOLD_ROWS - u->row_count;
    if (u->row_count == 0)
        arena_reset(&u->arena);
    size_t taken = engine_fold(u->engine, from, u->rows + u->row_count, room < SLICE_ROWS ? room : SLICE_ROWS,
                               SLICE_BYTES, &u->arena);
    u->row_count += taken;
    u->fold_due_ms = UINT64_MAX;
    if (taken > 0 && u->row_count < FOLD_ROWS && u->arena.used < FOLD_BYTES) {
        u->fold_due_ms = now_ms;
        return;
    }
    uint64_t again_ms = trim(u, now_ms, durable);
    u->folded_up = u->row_count == 0;
    if (u->row_count == 0) {
        u->fold_due_ms = again_ms;
        return;
    }
    CRASH_POINT(FOLD_COLLECTED);
    u->folding = true;
    u->port.fold(u->port.self, u->rows, u->row_count);
}

static void begin_purge(struct chores *u, uint64_t now_ms) {
    CRASH_POINT(PURGE_ASKED);
    u->purging = true;
    u->port.purge(u->port.self, u->purge_kind, now_ms, u->purge_cursor[u->purge_kind], PURGE_ROWS);
}

void chores_round(struct chores *u, uint64_t now_ms, uint64_t durable, uint64_t journal_bytes) {
    if (u->stopped)
        return;
    if (!u->folding && now_ms >= u->fold_due_ms)
        collect_rows(u, now_ms, durable, journal_bytes);
    if (u->purge_due_ms == 0)
        u->purge_due_ms = now_ms + PURGE_SOON_MS;
    if (!u->purging && !u->draining && now_ms >= u->purge_due_ms)
        begin_purge(u, now_ms);
}

void chores_poke(struct chores *u, uint64_t batch, size_t bytes, uint64_t now_ms) {
    uint64_t due_ms = engine_foldable(u->engine) < FOLD_ROWS ? now_ms + FOLD_EVERY_MS : now_ms;
    tail_add(&u->tail, batch, bytes, now_ms);
    if (!u->folding && u->fold_due_ms > due_ms)
        u->fold_due_ms = due_ms;
}

uint64_t chores_due(const struct chores *u) {
    if (u->stopped)
        return UINT64_MAX;
    uint64_t due = u->purging || u->draining ? UINT64_MAX : u->purge_due_ms;
    return !u->folding && u->fold_due_ms < due ? u->fold_due_ms : due;
}

void chores_drain(struct chores *u) {
    u->draining = true;
    u->folded_up = false;
    u->fold_due_ms = 0;
}

bool chores_folded_up(const struct chores *u) {
    return u->stopped || (u->folded_up && !u->folding);
}

void chores_stop(struct chores *u) {
    u->stopped = true;
}

static bool is_fatal(int code) {
    return code != 0 && code != ERR_SPACE && code != ERR_UNKNOWN && code != ERR_MEMORY && code != ERR_LIMIT;
}

int chores_folded(struct chores *u, int code, uint64_t now_ms) {
    assert(u->folding);
    bool full = u->row_count == FOLD_ROWS;
    size_t rows = u->row_count;
    u->folding = false;
    u->row_count = 0;
    if (code != 0) {
        engine_fold_failed(u->engine);
        u->figures.fold_failures++;
        u->fold_due_ms = now_ms + FOLD_PAUSE_MS;
        u->folded_up = true; /* nothing is lost by stopping now: the journal has it */
        return is_fatal(code) ? code : 0;
    }
    CRASH_POINT(FOLD_DURABLE);
    engine_folded(u->engine);
    u->figures.folded += rows;
    u->fold_due_ms = now_ms + (full || u->draining ? 0 : FOLD_EVERY_MS);
    return 0;
}

int chores_purged(struct chores *u, int code, uint64_t cursor, size_t removed, uint64_t now_ms) {
    assert(u->purging);
    u->purging = false;
    if (code != 0) {
        u->figures.purge_failures++;
        u->purge_due_ms = now_ms + u->purge_every_ms;
        return is_fatal(code) ? code : 0;
    }
    CRASH_POINT(PURGE_DONE);
    u->figures.purged += removed;
    u->purge_cursor[u->purge_kind] = cursor;
    /* Where nothing was to go, nothing is pressing: the walk is slow enough to cost nothing. */
    u->purge_due_ms = now_ms + (removed > 0 ? 0 : PURGE_PACE_MS);
    if (cursor != 0)
        return 0;
    /* This kind was walked to its end: the next kind, or a rest before the next walk. */
    do
        u->purge_kind =
            u->purge_kind + 1 < STORED_KIND_END ? (uint8_t)(u->purge_kind + 1) : STORED_TRANSACTION;
    while (u->purge_kind == STORED_AUDIT); /* kept for ever */
    if (u->purge_kind == STORED_TRANSACTION)
        u->purge_due_ms = now_ms + u->purge_every_ms;
    return 0;
}

void chores_figures(const struct chores *u, struct chores_figures *out) {
    *out = u->figures;
}
