#include "sink/database/database.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"

static void on_soon(void *context) {
    struct database *d = context;
    database_answer(d);
}

int database_init(struct database *d, const struct database_ops *ops, struct loop *loop,
                  const struct database_options *options) {
    d->ops = ops;
    d->loop = loop;
    d->events = options->events;
    d->context = options->context;
    d->watched = -1;
    return timer_init(&d->soon, loop, on_soon, d);
}

/* --- descriptors --- */

struct watch {
    uv_poll_t poll; /* first: libuv gives it back when it is closed */
    struct database *d;
    void (*progress)(struct database *d);
};

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct watch *w = (struct watch *)(void *)poll;
    (void)events; /* the library finds out for itself */
    /* After an error libuv has stopped the handle, though there may be bytes to read before the end. */
    if (status < 0)
        w->d->wanted = 0;
    w->progress(w->d);
}

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

void database_unwatch(struct database *d) {
    if (d->poll == NULL)
        return;
    uv_poll_stop(d->poll);
    uv_close((uv_handle_t *)d->poll, on_closed);
    d->poll = NULL;
    d->watched = -1;
    d->wanted = 0;
}

int database_watch(struct database *d, int descriptor, int events, void (*progress)(struct database *d)) {
    if (d->poll != NULL && d->watched != descriptor)
        database_unwatch(d);
    if (d->poll == NULL) {
        struct watch *w = calloc(1, sizeof *w);
        if (w == NULL || uv_poll_init(loop_uv(d->loop), &w->poll, descriptor) != 0) {
            free(w);
            return ERR_IO;
        }
        w->d = d;
        d->poll = &w->poll;
        d->watched = descriptor;
    }
    ((struct watch *)(void *)d->poll)->progress = progress;
    if (d->wanted != events && uv_poll_start(d->poll, events, on_ready) != 0)
        return ERR_IO;
    d->wanted = events;
    return 0;
}

/* --- answers --- */

void database_say(struct database *d, int code, const char *text) {
    size_t length = 0;
    d->answer = (struct database_answer){ .code = code, .say = d->said.text, .cells = d->cells };
    for (; text != NULL && text[length] != '\0' && text[length] != '\n' && length + 1 < sizeof d->said.text;
         length++)
        d->said.text[length] = (unsigned char)text[length] < 0x20 ? ' ' : text[length];
    d->said.text[length] = '\0';
}

void database_answer(struct database *d) {
    d->events->answered(d->context, &d->answer);
}

void database_answer_soon(struct database *d, int code, const char *text) {
    database_say(d, code, text);
    timer_start(&d->soon, 0);
}

/* --- doors --- */

int database_open(struct database **out, struct loop *loop, const struct database_options *options,
                  struct why *why) {
    switch (options->place->kind) {
    case DATABASE_POSTGRESQL:
        return database_open_postgresql(out, loop, options, why);
    case DATABASE_MARIADB:
        return database_open_mariadb(out, loop, options, why);
    case DATABASE_SQLITE:
        break;
    }
    return database_open_sqlite(out, loop, options, why);
}

void database_run(struct database *d, const char *sql, const struct slice *values, size_t count) {
    assert(count <= DATABASE_VALUES);
    for (size_t i = 0; i < count; i++)
        if (values[i].length >= DATABASE_VALUE_BYTES) {
            database_answer_soon(d, ERR_LIMIT, "a value is too long");
            return;
        }
    d->ops->run(d, sql, values, count);
}

void database_close(struct database *d) {
    if (d == NULL)
        return;
    database_unwatch(d);
    timer_done(&d->soon);
    d->ops->close(d);
}
