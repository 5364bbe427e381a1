#include "server/http_connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIPELINE_MAX = 16,      /* requests of one connection that are worked on at a time */
    KEEP_BYTES = 64 * 1024, /* an input buffer keeps at most this */
    BODY_GRACE_MS = 5000,   /* before a slow body is judged */
    SEND_PARTS = 16,
};

static void arm(struct http_connection *c);
static void read_on(struct http_connection *c, struct slice input);

/* --- responses --- */

void http_connection_break(struct http_connection *c) {
    if (c->wire != NULL)
        connection_close(c->wire);
    c->no_more = true;
}

/* The connection ends in good manners: what is queued goes out, what still comes is dropped. */
void http_connection_finish(struct http_connection *c) {
    c->no_more = true;
    timer_stop(&c->timer);
    if (c->wire != NULL)
        connection_finish(c->wire);
}

static void count(struct http_server *s, const struct exchange *x) {
    size_t class = x->status / 100;
    s->figures.requests[class < 6 ? class : 0]++;
}

/* Send what is ready, in order, as few writes as possible. Returns whether the connection is still there. */
static bool send_batch(struct http_connection *c) {
    struct slice parts[SEND_PARTS];
    struct exchange *sent[SEND_PARTS];
    size_t part_count = 0;
    size_t sent_count = 0;
    bool last = false;
    for (struct chain *link = c->exchanges.next; link != &c->exchanges && part_count < SEND_PARTS && !last;
         link = link->next) {
        struct exchange *x = CHAIN_OWNER(link, struct exchange, link);
        if (!x->ready)
            break;
        if (buffer_failed(&x->response) != 0) {
            http_connection_break(
                c); /* no memory for the response: an honest break, the request may be repeated */
            return false;
        }
        if (x->response.length > 0)
            parts[part_count++] = buffer_slice(&x->response);
        if (!x->ended) {
            sent[sent_count++] = x;
            break;
        }
        sent[sent_count++] = x;
        last = x->close_after;
    }
    if (sent_count == 0)
        return false;
    if (part_count > 0 && connection_send(c->wire, parts, part_count) != 0) {
        http_connection_break(c);
        return false;
    }
    bool more = false;
    for (size_t i = 0; i < sent_count; i++) {
        struct exchange *x = sent[i];
        if (!x->ended) {
            buffer_clear(&x->response);
            continue;
        }
        count(c->server, x);
        c->pending--;
        exchange_free(x);
        more = true;
    }
    c->since_ms = loop_now_ms(c->server->loop);
    if (last) {
        http_connection_finish(c);
        return false;
    }
    return more;
}

void http_connection_send(struct http_connection *c) {
    if (c->wire == NULL || c->sending)
        return;
    c->sending = true;
    while (c->wire != NULL && connection_open(c->wire) && send_batch(c))
        ;
    c->sending = false;
    if (c->paused && c->pending < PIPELINE_MAX && !c->no_more) {
        c->paused = false;
        connection_resume(c->wire);
        struct slice input = buffer_slice(&c->input);
        read_on(c, input);
    }
    if (c->no_more && c->pending == 0 && c->wire != NULL && connection_open(c->wire))
        http_connection_finish(c);
}

/* --- requests --- */

/* The head was decoded over bytes that will not stay: move every slice to the copy. */
static void move_slice(struct slice *s, struct slice from, const char *to) {
    if (s->at >= from.at && s->at <= from.at + from.length)
        s->at = to + (s->at - from.at);
}

static int keep_head(struct exchange *x, struct slice head) {
    char *copy = arena_take(&x->arena, head.length);
    if (copy == NULL)
        return ERR_MEMORY;
    memcpy(copy, head.at, head.length);
    move_slice(&x->request.method, head, copy);
    move_slice(&x->request.target, head, copy);
    move_slice(&x->request.path, head, copy);
    move_slice(&x->request.query, head, copy);
    move_slice(&x->request.host, head, copy);
    for (size_t i = 0; i < x->request.head.header_count; i++) {
        move_slice(&x->headers[i].name, head, copy);
        move_slice(&x->headers[i].value, head, copy);
    }
    return 0;
}

/* Answer and read nothing more from this connection. */
static void refuse(struct http_connection *c, struct exchange *x, uint16_t status, const char *sentence) {
    struct http_server *s = c->server;
    if (!chain_linked(&x->link)) {
        chain_add_last(&c->exchanges, &x->link);
        c->pending++;
    }
    c->reading = NULL;
    c->no_more = true;
    x->close_after = true;
    s->options.refused(s->options.context, x, status, sentence);
    exchange_send(x);
}

static void dispatch(struct http_connection *c, struct exchange *x) {
    c->reading = NULL;
    c->body_since_ms = 0;
    x->dispatched = true;
    c->server->options.arrived(c->server->options.context, x);
}

/* The head is complete. 0, or a refusal was answered. */
static int take_head(struct http_connection *c, struct exchange *x, struct slice head) {
    struct http_server *s = c->server;
    if (keep_head(x, head) != 0) {
        refuse(c, x, 503, "out of memory");
        return ERR_MEMORY;
    }
    c->head_since_ms = 0;
    chain_add_last(&c->exchanges, &x->link);
    c->pending++;
    c->served++;
    if (c->served >= s->options.limits.requests_per_connection || !x->request.head.keep_alive)
        x->close_after = c->no_more = true;
    x->is_head = slice_is(x->request.method, "HEAD");
    http1_body_init(&c->body, x->request.head.framing, x->request.head.content_length,
                    s->options.limits.body_bytes);
    if (x->request.head.framing == HTTP1_NO_BODY)
        return 0;
    if (!s->options.announced(s->options.context, x)) {
        c->reading = NULL;
        c->no_more = x->close_after = true;
        exchange_send(x);
        return ERR_DENIED;
    }
    return 0;
}

static void invite_body(struct http_connection *c, struct exchange *x, size_t waiting) {
    static const struct slice go_on = { "HTTP/1.1 100 Continue\r\n\r\n", 25 };
    /* Behind an earlier response that is not out yet it would be taken for that response's. */
    if (x->request.expects_continue && waiting == 0 && exchange_is_first(x) &&
        x->request.head.content_length <= c->server->options.limits.body_bytes)
        (void)connection_send(c->wire, &go_on, 1);
}

/* Take body bytes from the front of *input. 0 when the body is complete, ERR_MORE, or a refusal was answered.
 */
static int take_body(struct http_connection *c, struct exchange *x, struct slice *input) {
    struct http1_body *b = &c->body;
    bool whole = x->request.head.framing == HTTP1_LENGTH && b->received == 0 &&
                 input->length >= x->request.head.content_length;
    int code = 0;
    while (!b->finished && code == 0) {
        size_t taken = 0;
        struct slice piece = SLICE_NONE;
        code = http1_body_decode(b, *input, &taken, &piece);
        if (code != 0 && code != ERR_MORE) {
            refuse(c, x, b->refusal.status, b->refusal.sentence);
            return code;
        }
        if (whole)
            code = piece.length > 0 ? arena_copy(&x->arena, piece, &x->body) : code;
        else
            buffer_add_slice(&x->body_pieces, piece);
        *input = slice_from(*input, taken);
    }
    if (code == ERR_MEMORY || buffer_failed(&x->body_pieces) != 0) {
        refuse(c, x, 503, "out of memory");
        return ERR_MEMORY;
    }
    if (!b->finished)
        return ERR_MORE;
    if (!whole)
        x->body = buffer_slice(&x->body_pieces);
    return 0;
}

/* Read one request, or as much of it as there is. 0: one was dispatched, look for the next. */
static int read_request(struct http_connection *c, struct slice *input) {
    struct exchange *x = c->reading;
    if (x == NULL) {
        x = exchange_new(c);
        if (x == NULL) {
            http_connection_break(c);
            return ERR_MEMORY;
        }
        c->reading = x;
    }
    if (!chain_linked(&x->link)) {
        size_t taken = 0;
        int code = http1_request_decode(&x->request, *input, &taken);
        if (code == ERR_MORE) {
            if (c->head_since_ms == 0 && input->length > 0) {
                c->head_since_ms = loop_now_ms(c->server->loop);
                arm(c);
            }
            return code;
        }
        if (code != 0) {
            refuse(c, x, x->request.head.refusal.status, x->request.head.refusal.sentence);
            return code;
        }
        code = take_head(c, x, slice_upto(*input, taken));
        if (code != 0)
            return code;
        *input = slice_from(*input, taken);
        if (x->request.head.framing != HTTP1_NO_BODY)
            invite_body(c, x, input->length);
    }
    if (x->request.head.framing != HTTP1_NO_BODY) {
        int code = take_body(c, x, input);
        if (code == ERR_MORE && c->body_since_ms == 0) {
            c->body_since_ms = loop_now_ms(c->server->loop);
            arm(c);
        }
        if (code != 0)
            return code;
    }
    dispatch(c, x);
    return 0;
}

static void shrink(struct buffer *b) {
    size_t max = b->max;
    buffer_done(b);
    buffer_init(b, max);
}

/* input is either the connection's own input buffer or bytes just received with that buffer empty. */
static void read_on(struct http_connection *c, struct slice input) {
    bool own = input.at == c->input.at;
    while (c->wire != NULL && connection_open(c->wire) && (!c->no_more || c->reading != NULL) &&
           input.length > 0) {
        if (c->pending >= PIPELINE_MAX && c->reading == NULL) {
            c->paused = true;
            connection_pause(c->wire);
            break;
        }
        if (read_request(c, &input) != 0)
            break;
    }
    if (c->wire == NULL || !connection_open(c->wire) || (c->no_more && c->reading == NULL))
        input = SLICE_NONE;
    if (own) {
        buffer_consume(&c->input, c->input.length - input.length);
    } else {
        buffer_add_slice(&c->input, input);
    }
    if (buffer_failed(&c->input) != 0)
        http_connection_break(c);
    if (c->input.length == 0 && c->input.capacity > KEEP_BYTES)
        shrink(&c->input);
}

static void on_received(void *context, struct slice bytes) {
    struct http_connection *c = context;
    c->since_ms = loop_now_ms(c->server->loop);
    if (c->paused) {
        buffer_add_slice(&c->input, bytes);
        return;
    }
    if (c->input.length == 0) {
        read_on(c, bytes);
    } else {
        buffer_add_slice(&c->input, bytes);
        if (buffer_failed(&c->input) != 0) {
            http_connection_break(c);
            return;
        }
        read_on(c, buffer_slice(&c->input));
    }
    bool incomplete = c->input.length > 0 || c->reading != NULL;
    if (incomplete && !c->paused && c->wire != NULL && connection_open(c->wire))
        connection_acknowledge(c->wire);
}

/* The other side has said everything: answer what came whole, then end. */
static void on_ended(void *context) {
    struct http_connection *c = context;
    c->no_more = true;
    if (c->reading != NULL && c->reading->request.head.framing != HTTP1_NO_BODY &&
        chain_linked(&c->reading->link)) {
        http_connection_break(c); /* cut short: nobody is left to hear about it */
        return;
    }
    if (c->pending == 0)
        http_connection_finish(c);
}

static void on_drained(void *context) {
    struct http_connection *c = context;
    if (chain_empty(&c->exchanges))
        return;
    struct exchange *x = CHAIN_OWNER(c->exchanges.next, struct exchange, link);
    if (x->streaming && !x->ended && c->server->options.drained != NULL)
        c->server->options.drained(c->server->options.context, x);
}

static void on_closed(void *context, int code, const char *sentence) {
    struct http_connection *c = context;
    struct http_server *s = c->server;
    (void)code;
    (void)sentence;
    c->wire = NULL;
    c->no_more = true;
    if (c->reading != NULL && !chain_linked(&c->reading->link))
        exchange_free(c->reading);
    c->reading = NULL;
    while (!chain_empty(&c->exchanges)) {
        struct exchange *x = CHAIN_OWNER(c->exchanges.next, struct exchange, link);
        if (x->dispatched)
            s->options.gone(s->options.context, x);
        s->figures.requests[0]++;
        exchange_free(x);
    }
    chain_remove(&c->link);
    timer_done(&c->timer);
    buffer_done(&c->input);
    s->figures.open--;
    free(c);
}

/* --- deadlines --- */

/* When the connection must be looked at again, in ms of the loop's clock. */
static uint64_t deadline(const struct http_connection *c) {
    const struct http_limits *l = &c->server->options.limits;
    if (c->body_since_ms != 0) {
        uint64_t by_rate = c->body_since_ms + BODY_GRACE_MS + c->body.received * 1000 / l->body_rate;
        return by_rate;
    }
    if (c->head_since_ms != 0)
        return c->head_since_ms + l->header_ms;
    if (c->pending > 0)
        return UINT64_MAX;
    return c->since_ms + l->idle_ms;
}

static void arm(struct http_connection *c) {
    uint64_t now = loop_now_ms(c->server->loop);
    uint64_t at = deadline(c);
    if (c->wire == NULL || !connection_open(c->wire))
        return;
    /* With a request being worked on there is no deadline, but there will be one again. */
    uint64_t wait = at == UINT64_MAX ? c->server->options.limits.idle_ms : at > now ? at - now : 1;
    timer_start(&c->timer, wait);
}

static void on_timer(void *context) {
    struct http_connection *c = context;
    uint64_t now = loop_now_ms(c->server->loop);
    if (c->wire == NULL || !connection_open(c->wire))
        return;
    if (deadline(c) > now) {
        arm(c);
        return;
    }
    struct exchange *x = c->reading;
    if (x != NULL && (c->head_since_ms != 0 || c->body_since_ms != 0))
        refuse(c, x, 408,
               c->body_since_ms != 0 ? "the body came too slowly" : "the head did not come in time");
    else
        http_connection_finish(c);
}

/* --- the connection --- */

static const struct connection_events events = {
    .received = on_received,
    .drained = on_drained,
    .ended = on_ended,
    .closed = on_closed,
};

void http_connection_open(struct http_server *s, struct connection *wire) {
    struct http_connection *c = calloc(1, sizeof *c);
    if (c == NULL || s->draining) {
        free(c);
        connection_close(wire);
        return;
    }
    c->server = s;
    c->wire = wire;
    chain_init(&c->exchanges);
    buffer_init(&c->input,
                LIMIT_HEADER_BYTES + LIMIT_REQUEST_LINE_BYTES + LOOP_READ_BYTES + LIMIT_BODY_BYTES);
    c->since_ms = loop_now_ms(s->loop);
    connection_peer_text(wire, c->peer);
    if (timer_init(&c->timer, s->loop, on_timer, c) != 0) {
        free(c);
        connection_close(wire);
        return;
    }
    chain_add_last(&s->connections, &c->link);
    s->figures.open++;
    connection_use(wire, &events, c);
    arm(c);
}
