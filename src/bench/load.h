/* The generator of the bench: N clients, each with one transaction in flight, over kept connections, in the
 * calling thread. Closed loop: the next transaction starts when the one before is answered.
 *
 * What a transaction is, as messages:
 * - LOAD_WHOLE: one POST /v1/transactions?wait=30s to settled, which calls the participants
 *
 * - LOAD_FLOOR: no coordinator; the client itself calls the participants, in the order settled would (saga:
 * one after the other; TCC: all tries at once, then all confirms)
 *
 * - LOAD_HTTP: the HTTP lane alone; the same messages as whole, one submit and all calls, to somebody who
 * just answers, with as many bytes: what the machine could do if nobody had to decide or remember anything
 *
 * With messages instead of transactions (LOAD_HALF, LOAD_PUBLISH, LOAD_PULL):
 * - LOAD_WHOLE: announced as a half message and committed with wait=30s, or published with wait=30s, and
 * pushed to as many subscribers as there are branches; or published, pulled one at a time, and acked
 *
 * - LOAD_FLOOR: the client calls the subscribers itself (not with LOAD_PULL)
 *
 * - LOAD_HTTP: as above
 *
 * Requests of all three carry the headers and the body that settled's have, so that bytes are alike. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "bench/histogram.h"

#define LOAD_CLIENTS_MAX 16384
#define LOAD_BRANCHES_MAX 32

enum load_kind {
    LOAD_WHOLE,
    LOAD_FLOOR,
    LOAD_HTTP,
};

enum load_mode {
    LOAD_SAGA,
    LOAD_TCC,
    LOAD_HALF,
    LOAD_PUBLISH,
    LOAD_PULL,
};

enum load_moment {
    LOAD_FILLS, /* transactions are left waiting; done says how many so far */
    LOAD_BEGINS,
    LOAD_GOES_ON,
    LOAD_ENDS,
};

struct load_options {
    enum load_kind kind;
    enum load_mode mode;
    unsigned branches, clients;
    uint32_t warmup_ms, duration_ms;
    uint32_t rate;     /* transactions per second; 0: as fast as they are answered */
    uint32_t delay_ms; /* of the participants */
    uint32_t waiting; /* with LOAD_WHOLE: before measuring, leave so many sagas that wait for a participant */
    const char *host; /* of settled, a numeric address; with LOAD_WHOLE */
    uint16_t port;
    const char *authority; /* for its Host header */
    const char *token;     /* or NULL */
    const char *prefix;    /* of gids: unique for this run */
    const char *topic;     /* of messages; the subscription that is pulled has the same name */
    /* Called once the subscribers listen, with their ports: subscribe them to topic. For messages with
     * LOAD_WHOLE; 0 to go on. */
    int (*subscribe)(void *self, const uint16_t *ports, unsigned count, struct why *why);
    /* Called when measuring begins and ends, and about once a second in between. May be NULL. */
    void (*moment)(void *self, enum load_moment moment, uint64_t done, uint32_t elapsed_ms);
    void *self;
};

struct load_result {
    struct histogram latency; /* of transactions that ended well inside the measured time */
    uint64_t done;
    uint64_t errors;
    char first_error[200];
    uint64_t measured_us;
};

static inline bool load_is_message(enum load_mode mode) {
    return mode >= LOAD_HALF;
}

/* ERR_IO, ERR_MEMORY, or what subscribe said. Errors of single transactions are counted, not returned. */
int load_run(const struct load_options *options, struct load_result *out, struct why *why);

#endif
