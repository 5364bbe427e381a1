/* The HTTP side of the API: connections, requests in order, responses in order, deadlines and limits
 * (reliability.md g, design.md 4 (6)). It knows HTTP and no route: whoever answers is behind `arrived`.
 *
 * Each request is an *exchange*. It lives from its head until its response was handed to the connection or
 * the connection broke; its arena, its request and its body live as long. Exchanges of one connection may be
 * answered in any order and leave in the order they came in. Exchanges are pooled.
 *
 *     arrived(x)  ->  exchange_header(x, ...)*  exchange_answer(x, 200, ...)  ...  exchange_send(x)
 *
 * exchange_answer renders the whole response; exchange_send lets it go, at once or when its turn comes. For a
 * body that grows: exchange_open, exchange_write*, exchange_end.
 *
 * One thread: the loop's. */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/chain.h"
#include "base/err.h"
#include "base/limits.h"
#include "wire/http1.h"

struct http_server;
struct http_connection;
struct loop;
struct tls;

struct exchange {
    struct chain link; /* in its connection, oldest first; or in the pool */
    struct http_connection *connection;
    struct http_server *server;
    struct arena arena;
    struct http1_request request;
    struct http1_header headers[LIMIT_HEADERS];
    struct slice body;
    struct buffer body_pieces; /* what came of a body that did not come in one piece */
    struct buffer extra;       /* headers beside the usual ones */
    struct buffer response;
    uint16_t status;
    bool is_head;
    bool close_after; /* the connection ends with this response */
    bool dispatched;  /* arrived was called: gone will be, when the connection breaks first */
    bool ready;
    bool streaming;
    bool chunked;
    bool ended; /* the stream's last byte was written */
};

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

/* One more response header; before exchange_answer or exchange_open. */
void exchange_header(struct exchange *x, const char *name, struct slice value);
/* Render the response. content_type NULL: no body. Not sent yet. */
void exchange_answer(struct exchange *x, uint16_t status, const char *content_type, struct slice body);
/* Let the rendered response go. x must not be used afterwards. */
void exchange_send(struct exchange *x);

/* Begin a response whose end is not known. */
void exchange_open(struct exchange *x, uint16_t status, const char *content_type);
/* 0, or ERR_LIMIT when the reader is so slow that nothing was taken: wait for drained, or give up. */
int exchange_write(struct exchange *x, struct slice bytes);
/* Bytes written that the other side has not taken. */
size_t exchange_queued(const struct exchange *x);
/* The response is complete. x must not be used afterwards. */
void exchange_end(struct exchange *x);
/* Break it off: the reader sees that it is not complete. gone is not called. */
void exchange_break(struct exchange *x);

/* The peer's address as text, valid as long as the connection. */
const char *exchange_peer(const struct exchange *x);

/* Something of the answerer's own that lives as long as the connection: 128 zeroed bytes at first. */
#define HTTP_CONNECTION_MEMO_BYTES 512
void *exchange_memo(struct exchange *x);

struct http_figures {
    uint64_t requests[6]; /* by status class; 0: broken off */
    uint64_t refused;     /* connections */
    uint64_t open;        /* connections */
};
void http_figures(const struct http_server *s, struct http_figures *out);

#endif
