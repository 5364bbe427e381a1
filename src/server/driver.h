/* The driver: it owns the turn (design.md section 2).
 *
 * Whatever arrives in one round of the loop is stepped through the engine at once, into the turn that
 * *gathers*. At the end of the round, driver_flush hands all its entries to the store as one batch; that turn
 * is then *in flight*, and the next one gathers meanwhile. There is no other group commit. When the batch is
 * durable its envelope is opened: calls go to the sink, seals to whoever put them there.
 *
 * Memory runs ahead of the disk between step and save, so every answer, whatever it says, is rendered right
 * after its step and leaves through a seal: it waits for all batches that hold what it shows.
 *
 * When the disk has no room for a batch, what was asked for in it or in the turn that gathers is taken back
 * (engine_take_back): whoever was to be shown some of it is told so, and the rest of the batch is offered
 * again until it is saved. A batch that was answered ERR_UNKNOWN before may be there: nothing of it is taken
 * back.
 *
 * The driver decides nothing and waits for nothing: the clock, the store, the sink and everybody who watches
 * are behind struct driver_port, which the daemon fills with the real ones and tests with theirs. Port
 * functions return at once; what they begin is reported back by the driver_* function named beside each.
 *
 * One thread. Out of memory in the driver itself ends in port->stop: nothing half done leaves. */
#ifndef SERVER_DRIVER_H
#define SERVER_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chain.h"
#include "engine/engine.h"

struct driver;

/* Something that may leave once everything it could show is durable. Lives in its owner's struct; all zero
 * when idle. */
struct driver_seal {
    struct chain link;
    struct id_range shows; /* the transactions, messages and notifications that it shows lie in it */
    void (*open)(struct driver_seal *seal); /* the seal is idle again when this is called */
    /* A transaction that it shows never was: say something else now. Idle again, too. Set when
     * `shows` is. */
    void (*taken_back)(struct driver_seal *seal);
    /* The disk has had no room for a while: say something else now, or NULL to wait on. Idle again, too. */
    void (*stuck)(struct driver_seal *seal);
};

/* A question to the engine, kept by its asker until the answer: the event's slices must live as long. All
 * zero when idle. */
struct driver_ask {
    struct event event; /* now_ms, random, ticket and lookup are filled in here */
    /* The reply of the step, valid during the call: render it now and seal what was rendered. Its kind is 0
     * for events that nobody answers (EVENT_NOTE). NULL: the history could not be asked, nothing was done. */
    void (*answer)(struct driver_ask *ask, const struct reply *reply);
    struct chain link;
    struct driver_load *load; /* the history is being asked */
};

struct driver_load {
    struct driver *driver;
    struct driver_ask *ask; /* NULL: the asker has gone */
};

struct driver_port {
    void *self;
    uint64_t (*now_ms)(void *self); /* epoch ms of the steady clock */
    uint64_t (*now_us)(void *self); /* any monotonic clock, for durations */
    uint64_t (*random)(void *self);
    /* -> driver_appended. The batch stays valid until then. */
    void (*append)(void *self, uint64_t seq, struct slice batch);
    /* -> driver_found, exactly once. */
    void (*find)(void *self, struct driver_load *load, uint8_t kind, uint64_t key_hash,
                 struct slice namespace_name, struct slice gid);
    void (*call)(void *self, const struct call *call); /* -> driver_outcome, exactly once */
    /* During a step: a transaction has new records. */
    void (*changed)(void *self, const struct change *change);
    /* The disk has no room, and these transactions never were: nobody may wait for one or be told of it. The
     * seals that show one are told next. */
    void (*taken_back)(void *self, struct id_set set);
    /* This batch, of so many entries (none, when all of them were taken back), is
     * durable, and its envelope is about to be opened. */
    void (*durable)(void *self, uint64_t seq, struct slice batch, uint32_t entries);
    /* The store failed for good: nothing more will leave. code is ERR_IO, ERR_FENCED, ERR_MEMORY ... */
    void (*stop)(void *self, int code, const char *say);
};

struct driver_limits {
    uint32_t queue_max;       /* records waiting for the disk before new work is put off */
    uint32_t queue_ms_max;    /* age of the oldest of them */
    uint32_t group_commit_ms; /* how long a turn may gather under load */
};

/* batch_last: the last durable batch. engine and port outlive the driver. ERR_MEMORY. */
int driver_new(struct driver **out, struct engine *engine, const struct driver_port *port,
               const struct driver_limits *limits, uint64_t batch_last);
void driver_free(struct driver *d); /* NULL is fine; nothing may be in flight at the store */
void driver_limit(struct driver *d, const struct driver_limits *limits);

/* Step this event now, or as soon as the turn has room; ask->answer brings the reply, possibly before this
 * returns. Events without an answer (ticket 0) do not exist here. */
void driver_ask(struct driver *d, struct driver_ask *ask);
/* The asker goes away. What was stepped stays. Fine when nothing is asked. */
void driver_forget(struct driver *d, struct driver_ask *ask);
/* Open this seal when everything up to now is durable. Not linked yet. */
void driver_seal(struct driver *d, struct driver_seal *seal);
void driver_unseal(struct driver_seal *seal); /* its owner goes away; fine when idle */

/* Remember the answer to an Idempotency-Key in the gathering turn; ERR_LIMIT when the turn is full. */
int driver_remember(struct driver *d, struct slice namespace_name, struct slice key,
                    const struct remembered *answer);

/* May new work come in? Asked before a submit is stepped. */
enum driver_admission {
    DRIVER_ADMITS,
    DRIVER_BUSY,     /* the disk does not keep up */
    DRIVER_NO_SPACE, /* the last batch found no room on the disk and is being offered again */
    DRIVER_STOPPING,
};
enum driver_admission driver_admission(const struct driver *d);

/* The end of a round: tick what is due, ship what was gathered. Cheap when there is nothing. */
void driver_flush(struct driver *d);
/* When driver_flush must be called again at the latest, in epoch ms of the steady clock; UINT64_MAX: never.
 */
uint64_t driver_due(const struct driver *d);
/* Due work may be ticked from now on: recovery is over and the sink is open. */
void driver_begin(struct driver *d);
/* No new work, no ticks; driver_idle tells when everything gathered is durable. */
void driver_drain(struct driver *d);
bool driver_idle(const struct driver *d);
/* The daemon ends: nothing leaves any more, whatever the store still answers. */
void driver_abandon(struct driver *d);
/* The store has not taken the batch in flight, and it waits to be offered again. */
bool driver_is_refused(const struct driver *d);
/* The last batch has waited this long for room on the disk, in ms; 0: it does not. */
uint64_t driver_stuck_ms(const struct driver *d);
/* Let everybody who waits for such a batch, and can say something else, say it. */
void driver_release_stuck(struct driver *d);

/* What the port began has ended. Codes are those of store/store.h. */
void driver_appended(struct driver *d, int code, const char *say);
/* code 0 with the row's image; ERR_NOT_FOUND; ERR_AGAIN, ERR_MEMORY or ERR_CLOSED: it could not be asked.
 * Anything else is a failure of the store. */
void driver_found(struct driver *d, struct driver_load *load, int code, struct slice image);
/* The outcome is copied when it has to wait. */
void driver_outcome(struct driver *d, const struct outcome *outcome);

/* Figures for metrics, since start. */
enum { DRIVER_BUCKETS = 14 };
extern const uint32_t driver_bucket_us[DRIVER_BUCKETS]; /* upper bounds; the last one takes the rest */
struct driver_figures {
    uint64_t batches;
    uint64_t entries;
    uint64_t bytes;
    uint64_t batch_us; /* sum over batches */
    uint64_t batch_counts[DRIVER_BUCKETS];
    uint64_t waiting; /* records now waiting for the disk */
    uint64_t durable; /* last durable batch */
};
void driver_figures(const struct driver *d, struct driver_figures *out);

#endif
