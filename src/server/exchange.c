#include "server/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "server/http_connection.h"

enum {
    POOL_MAX = 1024,
    ARENA_BLOCK = 8 * 1024,
    ARENA_MAX = 64 * 1024 * 1024,
    KEEP_BYTES = 64 * 1024, /* a pooled buffer keeps at most this */
};

struct exchange *exchange_new(struct http_connection *c) {
    struct http_server *s = c->server;
    struct exchange *x;
    if (!chain_empty(&s->pool)) {
        x = CHAIN_OWNER(s->pool.next, struct exchange, link);
        chain_remove(&x->link);
        s->pooled--;
    } else {
        x = calloc(1, s->options.exchange_bytes);
        if (x == NULL)
            return NULL;
        arena_init(&x->arena, ARENA_BLOCK, ARENA_MAX);
        buffer_init(&x->body_pieces, SIZE_MAX / 2);
        buffer_init(&x->extra, LIMIT_HEADER_BYTES);
        buffer_init(&x->response, SIZE_MAX / 2);
    }
    x->connection = c;
    x->server = s;
    http1_request_init(&x->request, x->headers, LIMIT_HEADERS);
    return x;
}

static void trim_buffer(struct buffer *b) {
    size_t max = b->max;
    if (b->capacity > KEEP_BYTES) {
        buffer_done(b);
        buffer_init(b, max);
    }
    buffer_clear(b);
}

void exchange_destroy(struct exchange *x) {
    arena_done(&x->arena);
    buffer_done(&x->body_pieces);
    buffer_done(&x->extra);
    buffer_done(&x->response);
    free(x);
}

void exchange_free(struct exchange *x) {
    struct http_server *s = x->server;
    chain_remove(&x->link);
    if (s->pooled >= POOL_MAX) {
        exchange_destroy(x);
        return;
    }
    arena_reset(&x->arena);
    trim_buffer(&x->body_pieces);
    trim_buffer(&x->extra);
    trim_buffer(&x->response);
    x->body = SLICE_NONE;
    x->status = 0;
    x->is_head = x->close_after = x->dispatched = x->ready = x->streaming = x->chunked = x->ended = false;
    memset((char *)x + sizeof *x, 0, s->options.exchange_bytes - sizeof *x);
    chain_add_after(&s->pool, &x->link);
    s->pooled++;
}

static struct slice date_of(struct http_server *s) {
    uint64_t now_s = loop_wall_ms(s->loop) / 1000;
    if (now_s != s->date_s) {
        s->date_s = now_s;
        buffer_clear(&s->date);
        instant_add_http(&s->date, now_s * 1000);
    }
    return buffer_slice(&s->date);
}

void exchange_header(struct exchange *x, const char *name, struct slice value) {
    http1_add_header(&x->extra, name, value);
}

static void begin_head(struct exchange *x, uint16_t status, const char *content_type) {
    struct http_connection *c = x->connection;
    x->status = status;
    buffer_clear(&x->response);
    http1_add_status(&x->response, status);
    http1_add_header(&x->response, "Date", date_of(x->server));
    http1_add_header(&x->response, "Server", SLICE("settled"));
    if (content_type != NULL)
        http1_add_header(&x->response, "Content-Type", slice_text(content_type));
    buffer_add_slice(&x->response, x->server->options.fixed_headers);
    buffer_add_slice(&x->response, buffer_slice(&x->extra));
    /* The last response that the connection will carry says so; one with others behind it does not. */
    if (c->no_more && x->link.next == &c->exchanges)
        x->close_after = true;
    if (x->close_after)
        http1_add_header(&x->response, "Connection", SLICE("close"));
}

void exchange_answer(struct exchange *x, uint16_t status, const char *content_type, struct slice body) {
    assert(!x->ready);
    begin_head(x, status, content_type);
    if (content_type != NULL || status != 204)
        http1_add_header_u64(&x->response, "Content-Length", content_type == NULL ? 0 : body.length);
    http1_add_head_end(&x->response);
    if (content_type != NULL && !x->is_head)
        buffer_add_slice(&x->response, body);
}

void exchange_send(struct exchange *x) {
    assert(x->status != 0);
    x->ready = true;
    x->ended = true;
    http_connection_send(x->connection);
}

void exchange_open(struct exchange *x, uint16_t status, const char *content_type) {
    x->streaming = true;
    x->chunked = x->request.head.minor > 0;
    if (!x->chunked)
        x->close_after = true;
    begin_head(x, status, content_type);
    if (x->chunked)
        http1_add_header(&x->response, "Transfer-Encoding", SLICE("chunked"));
    http1_add_head_end(&x->response);
    x->ready = true;
    http_connection_send(x->connection);
}

bool exchange_is_first(const struct exchange *x) {
    return x->connection->exchanges.next == &x->link;
}

int exchange_write(struct exchange *x, struct slice bytes) {
    assert(x->streaming);
    if (x->is_head || bytes.length == 0)
        return 0;
    size_t queued = exchange_queued(x);
    if (queued > 0 && queued + bytes.length > CONNECTION_QUEUE_BYTES / 2)
        return ERR_LIMIT;
    if (x->chunked)
        http1_add_chunk(&x->response, bytes);
    else
        buffer_add_slice(&x->response, bytes);
    if (exchange_is_first(x))
        http_connection_send(x->connection);
    return 0;
}

size_t exchange_queued(const struct exchange *x) {
    const struct connection *wire = x->connection->wire;
    return x->response.length + (wire == NULL ? 0 : connection_queued(wire));
}

void exchange_end(struct exchange *x) {
    assert(x->streaming);
    if (x->chunked && !x->is_head)
        http1_add_last_chunk(&x->response);
    x->ended = true;
    http_connection_send(x->connection);
}

void exchange_break(struct exchange *x) {
    x->dispatched = false;
    http_connection_break(x->connection);
}

const char *exchange_peer(const struct exchange *x) {
    return x->connection->peer;
}

void *exchange_memo(struct exchange *x) {
    return x->connection->memo;
}
