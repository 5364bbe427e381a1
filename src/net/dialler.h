/* Dial: a name or literal address and a port become a connection.
 *
 * The name is resolved once, off the loop's thread; every address found is shown to the caller's judge before
 * anything is sent to it, and only addresses that it accepts are tried, one after another, each with its
 * share of the time. So a name that answers differently the next time cannot be judged as one address and
 * called at another (reliability.md H6). One thread: the loop's. */
#ifndef NET_DIALLER_H
#define NET_DIALLER_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "net/connection.h"

struct dial;

struct dial_options {
    const char *host; /* a name or literal address, without brackets; copied */
    uint16_t port;
    uint32_t timeout_ms; /* for everything up to the end of the TLS handshake */
    struct tls *tls;     /* NULL: clear text; borrowed until done */
    /* 0: this address may be called. Anything else: it may not, and why says why. NULL: all may. */
    int (*judge)(void *context, const char *host, uint16_t port, const struct sockaddr *address,
                 struct why *why);
    /* The end, exactly once unless dial_cancel comes first; never from inside dial_start. With code 0 the
     * connection belongs to the callee, who must call connection_use or connection_close. Otherwise it is
     * NULL, and why names the host and what happened:
     *   ERR_DENIED     the judge refused every address (nothing was sent)
     *   ERR_NOT_FOUND  the name does not resolve
     *   ERR_TIMEOUT    no connection in time
     *   ERR_IO         refused, unreachable, or the TLS handshake failed
     *   ERR_MEMORY */
    void (*done)(void *context, int code, struct connection *c, const struct why *why);
    void *context; /* for judge and done */
};

/* 0 or ERR_MEMORY. */
int dial_start(struct dial **out, struct loop *loop, const struct dial_options *options);
/* Before done: it will not be called, and what was begun is closed. The dial is gone after either. */
void dial_cancel(struct dial *d);

#endif
