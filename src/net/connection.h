/* One TCP connection, accepted or dialled, clear or under TLS: bytes in by callback, bytes out through a
 * queue.
 *
 * Made by a listener or a dial, which hand it over; from then on it belongs to whoever called connection_use,
 * until closed has been called: that is always the last callback, it comes exactly once and never from inside
 * one of the functions below, and the connection is gone when it returns. All on the loop's thread. */
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"

struct connection;
struct loop;
struct tls;

struct connection_events {
    /* Bytes arrived; borrowed for the call. */
    void (*received)(void *context, struct slice bytes);
    /* Everything queued has gone to the kernel, after at least one send that could not go at once. May be
     * NULL. */
    void (*drained)(void *context);
    /* The other side sends no more; sending to it still works. May be NULL: then the connection is closed. */
    void (*ended)(void *context);
    /* Gone. code is 0 when this side closed it, ERR_CLOSED when the other did (after ended or instead of it),
     * ERR_DENIED when its certificate is not accepted, ERR_IO for anything else; the sentence says what
     * happened ("connection reset by peer") and is borrowed for the call. */
    void (*closed)(void *context, int code, const char *sentence);
};

/* Say who listens. May be called again: a pooled connection changes hands. Reading begins with the first
 * call. */
void connection_use(struct connection *c, const struct connection_events *events, void *context);

/* Send the parts one after another, at once as far as the kernel takes them; the rest is copied into the
 * queue. 0; ERR_LIMIT when CONNECTION_QUEUE_BYTES were waiting already (nothing is sent); ERR_CLOSED when the
 * connection is closing or its sending side is shut; ERR_MEMORY. After the last two, closed comes or came. */
#define CONNECTION_QUEUE_BYTES (4 * 1024 * 1024)
int connection_send(struct connection *c, const struct slice *parts, size_t count);
/* Bytes that the kernel has not taken yet: what back-pressure looks at. */
size_t connection_queued(const struct connection *c);

/* More is expected before anything is answered: acknowledge what came now. A peer that writes a head and a
 * body in two pieces (Nagle's algorithm) otherwise waits for the kernel's delayed acknowledgement, 40 ms each
 * time. One system call; only for messages that did not come whole. */
void connection_acknowledge(struct connection *c);

/* Stop and go on reading: how a reader that cannot keep up makes the other side wait. received may still be
 * called for what was read already. */
void connection_pause(struct connection *c);
void connection_resume(struct connection *c);

/* Close in good manners (design.md 4 (6)): send what is queued, shut the sending side, read and drop what
 * still comes, up to LIMIT_DISCARD_BYTES or LIMIT_DISCARD_MS, and close when the other side has closed or one
 * of these is reached. Without this an answer can be lost to a reset when its request was not read to the
 * end. received, drained and ended are not called any more. */
void connection_finish(struct connection *c);
/* Close now; queued bytes are lost. Fine to call again. */
void connection_close(struct connection *c);
/* No connection_close, connection_finish or failure so far. */
bool connection_open(const struct connection *c);

/* The other side's address. */
const struct sockaddr *connection_peer(const struct connection *c);
#define CONNECTION_PEER_BYTES 64
/* "10.0.0.7" or "::1", without the port, NUL-terminated in the caller's array, which is returned. */
const char *connection_peer_text(const struct connection *c, char text[CONNECTION_PEER_BYTES]);

/* For listeners and dials: a connection that is not yet connected, and the steps to make it so. */
struct uv_tcp_s;
/* tls may be NULL. server_name: for a client's SNI and name check; NULL on the server side. */
int connection_new(struct connection **out, struct loop *loop, struct tls *tls, const char *server_name);
struct uv_tcp_s *connection_tcp(struct connection *c);
/* Call gone(context, tag) when the connection's memory goes, after closed. */
void connection_watch(struct connection *c, void (*gone)(void *context, void *tag), void *context, void *tag);
/* The TCP connection stands: read options are set, and a TLS client says hello. ready is called once when
 * bytes may be sent: inside this call without TLS, after the handshake with it. A handshake that fails closes
 * the connection. */
int connection_begin(struct connection *c, void (*ready)(void *context), void *context);

#endif
