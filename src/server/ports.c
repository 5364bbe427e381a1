#include "server/ports.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "net/random.h"
#include "server/events.h"
#include "server/logs.h"
#include "server/sinks.h"

static uint64_t now_ms(void *self) {
    return daemon_now_ms(self);
}

static uint64_t now_us(void *self) {
    return daemon_now_us(self);
}

static uint64_t draw(void *self) {
    return random_u64(loop_random(((struct daemon *)self)->loop));
}

static const char *say(const struct why *why, int code) {
    return why == NULL || why->text[0] == '\0' ? err_text(code) : why->text;
}

static void appended(void *self, int code, const struct why *why) {
    driver_appended(((struct daemon *)self)->driver, code, say(why, code));
}

static void append(void *self, uint64_t seq, struct slice batch) {
    committer_append(((struct daemon *)self)->committer, seq, batch, appended, self);
}

static void found(void *self, int code, const struct stored_row *rows, size_t count, bool more,
                  const struct why *why) {
    struct driver_load *load = self;
    (void)more;
    (void)why;
    if (code != 0) {
        driver_found(load->driver, load, code, SLICE_NONE);
        return;
    }
    const struct stored_row *row = NULL;
    for (size_t i = 0; i < count && row == NULL; i++)
        if (load->ask == NULL || slice_equal(rows[i].key, load->ask->event.gid))
            row = &rows[i];
    driver_found(load->driver, load, row == NULL ? ERR_NOT_FOUND : 0, row == NULL ? SLICE_NONE : row->image);
}

static void find(void *self, struct driver_load *load, uint8_t kind, uint64_t key_hash,
                 struct slice namespace_name, struct slice gid) {
    struct daemon *d = self;
    (void)namespace_name; /* it is in the hash; the row's key is the gid */
    (void)gid;
    int code = committer_find(d->committer, kind, key_hash, found, load);
    if (code != 0)
        driver_found(d->driver, load, code, SLICE_NONE);
}

static void call(void *self, const struct call *call) {
    struct daemon *d = self;
    if (sink_target_is(call->url))
        sinks_send(d->sinks, call);
    else
        http_sink_send(d->sink, call);
}

static void changed(void *self, const struct change *change) {
    events_changed(self, change);
}

static void taken_back(void *self, struct id_set set) {
    waiters_take_back(&((struct daemon *)self)->waiters, set);
}

static void durable(void *self, uint64_t seq, struct slice batch, uint32_t entries) {
    struct daemon *d = self;
    events_durable(d, seq, batch, entries);
    chores_poke(d->chores, seq, batch.length, daemon_now_ms(d));
}

static void stop(void *self, int code, const char *say_what) {
    logs_say(code == ERR_FENCED ? LOG_STORE_FENCED : LOG_STORE_FAILED, "%s", say_what);
    daemon_die(self, daemon_exit_code(code));
}

struct driver_port ports_driver(struct daemon *d) {
    return (struct driver_port){
        .self = d,
        .now_ms = now_ms,
        .now_us = now_us,
        .random = draw,
        .append = append,
        .find = find,
        .call = call,
        .changed = changed,
        .taken_back = taken_back,
        .durable = durable,
        .stop = stop,
    };
}

static void folded(void *self, int code, const struct why *why) {
    struct daemon *d = self;
    if (code != 0)
        logs_say(LOG_FOLD_FAILED, "%s", say(why, code));
    int fatal = chores_folded(d->chores, code, daemon_now_ms(d));
    if (fatal != 0)
        stop(d, fatal, say(why, code));
}

static void fold(void *self, const struct stored_row *rows, size_t count) {
    struct daemon *d = self;
    int code = committer_fold(d->committer, rows, count, folded, d);
    if (code != 0)
        (void)chores_folded(d->chores, ERR_MEMORY, daemon_now_ms(d));
}

static void trim(void *self, uint64_t seq) {
    committer_trim(((struct daemon *)self)->committer, seq);
}

static void purged(void *self, int code, size_t removed, uint64_t cursor, const struct why *why) {
    struct daemon *d = self;
    if (code != 0)
        logs_say(LOG_PURGE_FAILED, "%s", say(why, code));
    int fatal = chores_purged(d->chores, code, cursor, removed, daemon_now_ms(d));
    if (fatal != 0)
        stop(d, fatal, say(why, code));
}

static void purge(void *self, uint8_t kind, uint64_t now, uint64_t cursor, size_t max) {
    struct daemon *d = self;
    int code = committer_purge(d->committer, kind, now, cursor, max, purged, d);
    if (code != 0)
        (void)chores_purged(d->chores, ERR_MEMORY, cursor, 0, now);
}

struct chores_port ports_chores(struct daemon *d) {
    return (struct chores_port){ .self = d, .fold = fold, .trim = trim, .purge = purge };
}

/* A call from another thread, carried over by the loop. */
struct posted {
    struct loop_task task;
    void (*fn)(void *argument);
    void *argument;
};

static void run_posted(struct loop_task *task) {
    struct posted *p = (struct posted *)(void *)task;
    p->fn(p->argument);
    free(p);
}

void ports_post(void *context, void (*fn)(void *argument), void *argument) {
    struct posted *p = malloc(sizeof *p);
    /* Posting must not fail: an answer of the store that is lost would hold every reply for ever. */
    if (p == NULL)
        abort();
    *p = (struct posted){ .task = { .run = run_posted }, .fn = fn, .argument = argument };
    loop_post(context, &p->task);
}
