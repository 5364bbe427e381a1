/* A listening TCP socket: accepts, counts, and hands connections over.
 *
 * Over its total limit it stops accepting until one of its connections is gone (new ones wait in the
 * backlog); a connection over the limit of its IP address is closed at once, and so is one for which the
 * process has no descriptor. Without memory accepting pauses for LISTENER_PAUSE_MS. One thread: the loop's.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/connection.h"

#define LISTENER_PAUSE_MS 100

struct listener;

struct listener_options {
    const char *host;  /* a literal address: "127.0.0.1", "::", "0.0.0.0" */
    uint16_t port;     /* 0: the kernel chooses, see listener_port */
    struct tls *tls;   /* NULL: clear text; borrowed */
    bool share_port;   /* SO_REUSEPORT: one listener per loop thread on the same port */
    size_t max;        /* connections at a time; 0: LIMIT_CONNECTIONS */
    size_t max_per_ip; /* 0: LIMIT_CONNECTIONS_PER_IP */
    /* A new connection. The receiver must call connection_use or connection_close before it returns. Under
     * TLS it comes before the handshake, so that the receiver's deadline covers that too. */
    void (*accepted)(void *context, struct connection *c);
    void *context;
};

struct listener_counters {
    uint64_t accepted;
    uint64_t refused; /* over the limit of their IP address */
    uint64_t pauses;  /* of accepting: total limit or no memory */
    size_t open;
};

/* 0; ERR_INVALID for a host that is no literal address; ERR_CONFLICT when the port is taken; ERR_DENIED when
 * it may not be used; ERR_MEMORY, ERR_IO. why names host and port. */
int listener_open(struct listener **out, struct loop *loop, const struct listener_options *options,
                  struct why *why);
uint16_t listener_port(const struct listener *l);
const struct listener_counters *listener_counters(const struct listener *l);
/* Stop accepting. Connections live on; the listener's memory goes with the last of them. NULL is fine. */
void listener_close(struct listener *l);

#endif
