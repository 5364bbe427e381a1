/* One connection of the HTTP server: reads its requests, keeps their deadlines, sends their responses in
 * order. Only http_server.c, http_connection.c and exchange.c include this. */
#ifndef SERVER_HTTP_CONNECTION_H
#define SERVER_HTTP_CONNECTION_H

#include "base/chain.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/timer.h"
#include "server/http_server.h"

struct http_connection {
    struct chain link; /* in server.connections */
    struct http_server *server;
    struct connection *wire; /* NULL once finish or close was called */
    struct timer timer;
    struct buffer input;      /* what was received and not yet understood */
    struct chain exchanges;   /* oldest first */
    struct exchange *reading; /* its head or body is coming in; also in exchanges once the head is complete */
    struct http1_body body;
    uint32_t pending; /* exchanges not yet sent */
    uint32_t served;
    uint64_t since_ms;      /* when the last thing happened: idle counts from here */
    uint64_t head_since_ms; /* first byte of the head being read; 0: none */
    uint64_t body_since_ms; /* the body being read; 0: none */
    bool paused;
    bool no_more; /* no further request is read */
    bool sending;
    char peer[CONNECTION_PEER_BYTES];
    _Alignas(16) char memo[HTTP_CONNECTION_MEMO_BYTES];
};

struct http_server {
    struct loop *loop;
    struct listener *listener;
    struct http_server_options options;
    struct chain connections;
    struct chain pool;
    size_t pooled;
    uint64_t date_s; /* of the cached header */
    struct buffer date;
    bool draining;
    struct http_figures figures;
};

/* Take over an accepted connection; closes it when there is no memory. */
void http_connection_open(struct http_server *s, struct connection *wire);
/* Send what is ready and go on reading if that was held up. */
void http_connection_send(struct http_connection *c);
/* End in good manners: what is queued goes out, what still comes is dropped. */
void http_connection_finish(struct http_connection *c);
/* End now. */
void http_connection_break(struct http_connection *c);

/* A fresh exchange of this connection, not linked yet; NULL without memory. */
struct exchange *exchange_new(struct http_connection *c);
void exchange_free(struct exchange *x); /* into the pool, when it has room */
void exchange_destroy(struct exchange *x);
/* Nothing of its connection leaves before it. */
bool exchange_is_first(const struct exchange *x);

#endif
