/* The requests of one bench transaction, spelled once per run with a hole for the gid, then copied and filled
 * for every transaction. */
#ifndef BENCH_SCRIPT_H
#define BENCH_SCRIPT_H

#include "base/bytes.h"
#include "bench/load.h"

#define SCRIPT_GID_BYTES 32 /* every gid of a run has this length, so that Content-Length is fixed */
#define SCRIPT_HOLES 4      /* places of the gid in one request */
#define SCRIPT_REQUESTS_MAX (2 * LOAD_BRANCHES_MAX + 1)

struct script_request {
    struct buffer bytes;
    size_t holes[SCRIPT_HOLES];
    size_t hole_count;
    unsigned line; /* which of the client's connections carries it */
    unsigned wave; /* all of a wave go out together; the next wave follows their last answer */
};

/* What a good answer is. */
struct script_proof {
    unsigned status;
    const char *text; /* that the body must hold, or NULL */
    bool pulled;      /* the body holds a delivery, whose message the client goes on with */
};

struct script {
    struct script_request requests[SCRIPT_REQUESTS_MAX];
    unsigned count;
    const struct script_proof *proofs;   /* of each wave; NULL: a 200 is good */
    unsigned lines;                      /* connections a client needs */
    uint16_t ports[SCRIPT_REQUESTS_MAX]; /* of each line; 0: settled */
};

/* A saga of as many branches that will wait for an hour, because busy_port asks for it; one request, answered
 * at once. ERR_MEMORY. */
int script_init_waiting(struct script *s, const struct load_options *options, uint16_t busy_port);
/* ports: one per branch or subscriber; LOAD_HTTP: then the one for submits. ERR_MEMORY. */
int script_init(struct script *s, const struct load_options *options, const uint16_t *ports);
void script_done(struct script *s);
/* Put a gid of exactly SCRIPT_GID_BYTES into a request. */
void script_fill(struct script_request *r, const char *gid);

#endif
