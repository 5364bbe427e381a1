/* An exchange: one request and its response, from the request's head until the response was handed to the
 * connection or the connection broke. Its arena, its request and its body live as long.
 *
 * Exchanges of one connection may be answered in any order and leave in the order they came in:
 *
 *     exchange_header(x, ...)*  exchange_answer(x, 200, ...)  ...  exchange_send(x)
 *
 * exchange_answer renders the whole response; exchange_send lets it go, at once or when its turn comes. For a
 * body that grows: exchange_open, exchange_write*, exchange_end. One thread: the loop's. */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/chain.h"
#include "base/err.h"
#include "base/limits.h"
#include "wire/http1.h"

struct http_connection;
struct http_server;

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

/* One more response header; before exchange_answer or exchange_open. */
void exchange_header(struct exchange *x, const char *name, struct slice value);
/* Render the response. content_type NULL: no body. Not sent yet. */
void exchange_answer(struct exchange *x, uint16_t status, const char *content_type, struct slice body);
/* Let the rendered response go. x must not be used afterwards. */
void exchange_send(struct exchange *x);

/* Begin a response whose end is not known. */
void exchange_open(struct exchange *x, uint16_t status, const char *content_type);
/* 0, or ERR_LIMIT when too much waits already and nothing was taken: wait for drained, or give up. A reader
 * that nothing waits for takes any amount. */
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

#endif
