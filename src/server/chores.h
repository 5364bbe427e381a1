/* Chores: the upkeep that the store needs beside the turns. Rows are folded into history, batches that
 * nothing needs any more are trimmed off the journal, except for its tail (server/tail.h), and old final rows
 * are purged by retention (design.md section 2).
 *
 * Every piece of work is a slice: few enough rows that gathering them takes the loop less than a millisecond,
 * and one slice of each kind under way at a time. The loop calls chores_round when chores_due says so; the
 * port begins work on the store's history thread and reports back.
 *
 * One thread, the driver's. */
#ifndef SERVER_CHORES_H
#define SERVER_CHORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "server/tail.h"

struct chores;

struct chores_port {
    void *self;
    void (*fold)(void *self, const struct stored_row *rows, size_t count); /* -> chores_folded; rows stay */
    void (*trim)(void *self, uint64_t seq);                                /* a wish, not answered */
    /* -> chores_purged */
    void (*purge)(void *self, uint8_t kind, uint64_t now_ms, uint64_t cursor, size_t max);
};

/* engine outlives chores. tail: what of the journal is there, and how much of it is to be kept although it is
 * folded; copied. retain_ms: the shorter retention, which says how often purging is worth a look. ERR_MEMORY.
 */
int chores_new(struct chores **out, struct engine *engine, const struct chores_port *port,
               const struct tail *tail, uint64_t retain_ms);
void chores_free(struct chores *u); /* NULL is fine; nothing may be under way */
/* New settings. */
void chores_retain(struct chores *u, uint64_t retain_ms, uint64_t keep_bytes);

/* Begin what is worth beginning. durable is the last durable batch. */
void chores_round(struct chores *u, uint64_t now_ms, uint64_t durable, uint64_t journal_bytes);
/* A batch became durable: there is something to fold, soon; at once when it fills a fold. */
void chores_poke(struct chores *u, uint64_t batch, size_t bytes, uint64_t now_ms);
/* When to call chores_round again; UINT64_MAX: after the next chores_poke or report. */
uint64_t chores_due(const struct chores *u);
/* The daemon stops: no more purging, and what is final is folded at once, so that history.db tells it all.
 * chores_folded_up when there is nothing left to fold. */
void chores_drain(struct chores *u);
bool chores_folded_up(const struct chores *u);
/* Begin nothing more. */
void chores_stop(struct chores *u);

/* Reports: codes of store/store.h. Return the code when it is one that the daemon must stop for, else 0. */
int chores_folded(struct chores *u, int code, uint64_t now_ms);
int chores_purged(struct chores *u, int code, uint64_t cursor, size_t removed, uint64_t now_ms);

struct chores_figures {
    uint64_t folded;
    uint64_t purged;
    uint64_t trimmed; /* batches up to here may go */
    uint64_t fold_failures;
    uint64_t purge_failures;
};
void chores_figures(const struct chores *u, struct chores_figures *out);

#endif
