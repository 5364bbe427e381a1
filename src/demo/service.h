/* A small HTTP service on a loopback port of its own, in a thread of its own: what the demo's participants
 * stand on.
 *
 * One thread polls all connections; a handler runs in it and must not block for long. An answer may be held
 * back (delay_ms), which is how the demo gets its slow confirm: the effect is done, the caller just does not
 * know yet. At most SERVICE_CONNECTIONS connections, bodies of at most SERVICE_BODY_BYTES. */
#ifndef DEMO_SERVICE_H
#define DEMO_SERVICE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define SERVICE_CONNECTIONS 64
#define SERVICE_BODY_BYTES (256 * 1024)

struct service;

/* A request as a participant sees it; slices live during the handler. */
struct service_call {
    struct slice method, path, query, body;
    struct slice gid, branch, operation; /* Settle-Gid, Settle-Branch, Settle-Op; empty when absent */
    uint64_t attempt;                    /* Settle-Attempt, 0 when absent */
};

struct service_answer {
    unsigned status; /* 200 unless the handler says otherwise */
    uint32_t delay_ms;
    struct buffer body; /* JSON; initialised and released by the service */
};

typedef void service_handler(void *self, const struct service_call *call, struct service_answer *answer);

/* ERR_IO, ERR_MEMORY. The handler runs until service_close returns. */
int service_open(struct service **out, service_handler *handler, void *self, struct why *why);
/* Stop, joining the thread. NULL is fine. */
void service_close(struct service *s);
/* "http://127.0.0.1:PORT" */
const char *service_url(const struct service *s);

#endif
