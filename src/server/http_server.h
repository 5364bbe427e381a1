/* The HTTP side of the API: connections, requests in order, responses in order, deadlines and limits
 * (reliability.md g, design.md 4 (6)). It knows HTTP and no route: whoever answers is behind `arrived`.
 *
 * Each request is an exchange (server/exchange.h). Exchanges are pooled.
 *
 * One thread: the loop's. */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "server/exchange.h"

struct loop;
struct tls;

struct http_limits {
    uint32_t connections;
    uint32_t connections_per_address;
    uint32_t requests_per_connection;
    uint64_t header_ms;
    uint64_t idle_ms;
    uint64_t body_rate; /* bytes a second */
    size_t body_bytes;
};

struct http_server_options {
    const char *host;
    uint16_t port;
    struct tls *tls; /* NULL: clear text */
    struct http_limits limits;
    /* Every exchange is allocated with this many bytes; struct exchange is the first member of whatever the
     * owner keeps there. What follows it is zero when arrived is called. */
    size_t exchange_bytes;
    struct slice fixed_headers; /* header lines that every response carries; outlives the server */
    /* A head was read that announces a body. False: the exchange was answered, the body is not wanted. */
    bool (*announced)(void *context, struct exchange *x);
    /* A whole request. Must lead to exchange_send, exchange_end or gone. */
    void (*arrived)(void *context, struct exchange *x);
    /* The connection broke before the response left; the exchange is freed when this returns. */
    void (*gone)(void *context, struct exchange *x);
    /* A request that is refused before it can be routed: answer it with exchange_answer. */
    void (*refused)(void *context, struct exchange *x, uint16_t status, const char *sentence);
    /* A streaming exchange has room again. */
    void (*drained)(void *context, struct exchange *x);
    void *context;
};

/* ERR_INVALID, ERR_CONFLICT (port taken), ERR_DENIED, ERR_MEMORY, ERR_IO, as listener_open says. */
int http_server_open(struct http_server **out, struct loop *loop, const struct http_server_options *options,
                     struct why *why);
uint16_t http_server_port(const struct http_server *s);
/* New limits for what begins from now on. */
void http_server_limit(struct http_server *s, const struct http_limits *limits);
/* No new connections; those without a request close, the others after their response. */
void http_server_drain(struct http_server *s);
/* Nothing is open any more. */
bool http_server_empty(const struct http_server *s);
/* Close everything now: gone is called for what is open. Then run the loop until http_server_empty. */
void http_server_abort(struct http_server *s);
void http_server_free(struct http_server *s); /* must be empty; NULL is fine */

struct http_figures {
    uint64_t requests[6]; /* by status class; 0: broken off */
    uint64_t refused;     /* connections */
    uint64_t open;        /* connections */
};
void http_figures(const struct http_server *s, struct http_figures *out);

#endif
