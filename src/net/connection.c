#include "net/connection.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/limits.h"
#include "net/loop.h"
#include "net/timer.h"
#include "net/tls.h"

#define PARTS_MAX 16
#define RECORD_BYTES (16 * 1024)

enum stage {
    STAGE_NEW,        /* not connected yet */
    STAGE_OPEN,       /* in use */
    STAGE_FINISHING,  /* what is queued still goes out */
    STAGE_DISCARDING, /* shut; what comes is dropped */
    STAGE_CLOSING,    /* uv_close was called */
};

struct connection {
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct loop *loop;
    const struct connection_events *events;
    void *context;
    struct buffer waiting; /* not yet given to libuv */
    struct buffer flying;  /* libuv is writing it */
    struct tls_session *tls;
    void (*ready)(void *context);
    void *ready_context;
    struct timer linger;
    size_t discarded;
    uint8_t stage;
    bool secured; /* the handshake is complete */
    bool writing; /* a uv_write is under way */
    bool reading; /* uv_read_start was called */
    bool paused;  /* by the user */
    bool ended;   /* the other side sends no more */
    bool owes_drained;
    int close_code;
    char sentence[160];
    struct sockaddr_storage peer; /* family 0: not asked yet */
    void (*gone)(void *context, void *tag);
    void *gone_context;
    void *gone_tag;
};

static void end_linger(void *context) {
    connection_close(context);
}

int connection_new(struct connection **out, struct loop *loop, struct tls *tls, const char *server_name) {
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_MEMORY;
    c->loop = loop;
    c->tcp.data = c;
    buffer_init(&c->waiting, SIZE_MAX / 4);
    buffer_init(&c->flying, SIZE_MAX / 4);
    int code = timer_init(&c->linger, loop, end_linger, c);
    if (code == 0 && tls != NULL)
        code = tls_session_new(&c->tls, tls, server_name);
    if (code == 0 && uv_tcp_init(loop_uv(loop), &c->tcp) < 0)
        code = ERR_IO;
    if (code < 0) {
        timer_done(&c->linger);
        tls_session_free(c->tls);
        free(c);
        return code;
    }
    *out = c;
    return 0;
}

uv_tcp_t *connection_tcp(struct connection *c) {
    return &c->tcp;
}

void connection_watch(struct connection *c, void (*gone)(void *context, void *tag), void *context,
                      void *tag) {
    c->gone = gone;
    c->gone_context = context;
    c->gone_tag = tag;
}

bool connection_open(const struct connection *c) {
    return c->stage == STAGE_OPEN;
}

size_t connection_queued(const struct connection *c) {
    return c->waiting.length + c->flying.length;
}

/* The end. */

static void on_closed(uv_handle_t *handle) {
    struct connection *c = handle->data;
    if (c->events != NULL)
        c->events->closed(c->context, c->close_code, c->sentence);
    timer_done(&c->linger);
    tls_session_free(c->tls);
    buffer_done(&c->waiting);
    buffer_done(&c->flying);
    if (c->gone != NULL)
        c->gone(c->gone_context, c->gone_tag);
    free(c);
}

static void close_with(struct connection *c, int code, const char *sentence) {
    if (c->stage == STAGE_CLOSING)
        return;
    c->stage = STAGE_CLOSING;
    c->close_code = code;
    snprintf(c->sentence, sizeof c->sentence, "%s", sentence);
    timer_stop(&c->linger);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void fail(struct connection *c, int uv_code) {
    bool other = uv_code == UV_ECONNRESET || uv_code == UV_EPIPE || uv_code == UV_EOF;
    close_with(c, other ? ERR_CLOSED : ERR_IO, uv_strerror(uv_code));
}

void connection_close(struct connection *c) {
    close_with(c, 0, "closed by this side");
}

/* Sending. */

static void on_shut(uv_shutdown_t *shutdown, int status) {
    struct connection *c = shutdown->data;
    if (c->stage == STAGE_CLOSING)
        return;
    if (status < 0 || c->ended) {
        close_with(c, 0, "closed by this side");
        return;
    }
    c->stage = STAGE_DISCARDING;
    timer_start(&c->linger, LIMIT_DISCARD_MS);
}

static void flush(struct connection *c);

static void all_sent(struct connection *c) {
    if (c->stage == STAGE_FINISHING) {
        c->shutdown.data = c;
        if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut) < 0)
            close_with(c, 0, "closed by this side");
        return;
    }
    if (c->stage != STAGE_OPEN || !c->owes_drained)
        return;
    c->owes_drained = false;
    if (c->events != NULL && c->events->drained != NULL)
        c->events->drained(c->context);
}

static void on_written(uv_write_t *write, int status) {
    struct connection *c = write->data;
    c->writing = false;
    buffer_clear(&c->flying);
    if (c->stage == STAGE_CLOSING)
        return;
    if (status < 0)
        fail(c, status);
    else if (c->waiting.length > 0)
        flush(c);
    else
        all_sent(c);
}

/* Give what waits to libuv, unless it is still busy with what it has. */
static void flush(struct connection *c) {
    if (c->writing || c->waiting.length == 0)
        return;
    struct buffer swap = c->flying;
    c->flying = c->waiting;
    c->waiting = swap;
    c->write.data = c;
    c->writing = true;
    uv_buf_t buf = uv_buf_init(c->flying.at, (unsigned)c->flying.length);
    int code = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
    if (code < 0) {
        c->writing = false;
        fail(c, code);
    }
}

/* Bytes as they go over the wire: at once as far as possible, then through the queue. */
static int send_raw(struct connection *c, const struct slice *parts, size_t count) {
    size_t sent = 0;
    if (!c->writing && c->waiting.length == 0) {
        uv_buf_t bufs[PARTS_MAX];
        for (size_t i = 0; i < count; i++)
            bufs[i] = uv_buf_init((char *)(uintptr_t)parts[i].at, (unsigned)parts[i].length);
        int code = uv_try_write((uv_stream_t *)&c->tcp, bufs, (unsigned)count);
        if (code < 0 && code != UV_EAGAIN) {
            fail(c, code);
            return ERR_CLOSED;
        }
        sent = code < 0 ? 0 : (size_t)code;
    }
    for (size_t i = 0; i < count; i++) {
        struct slice rest = slice_from(parts[i], sent);
        sent -= parts[i].length - rest.length;
        buffer_add_slice(&c->waiting, rest);
    }
    if (buffer_failed(&c->waiting) != 0) {
        close_with(c, ERR_MEMORY, "no memory for the bytes to be sent");
        return ERR_MEMORY;
    }
    if (c->waiting.length > 0) {
        c->owes_drained = true;
        flush(c);
    }
    return c->stage == STAGE_CLOSING ? ERR_CLOSED : 0;
}

/* Send what the TLS session has ready. */
static int send_cipher(struct connection *c) {
    char record[RECORD_BYTES + 1024];
    for (;;) {
        int length = tls_session_take(c->tls, record, (int)sizeof record);
        if (length <= 0)
            return 0;
        struct slice part = slice_of(record, (size_t)length);
        int code = send_raw(c, &part, 1);
        if (code < 0)
            return code;
    }
}

static int send_secured(struct connection *c, const struct slice *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct slice rest = parts[i];
        while (rest.length > 0) {
            struct slice record = slice_upto(rest, RECORD_BYTES);
            int code = tls_session_write(c->tls, record);
            if (code < 0) {
                close_with(c, ERR_IO, "TLS cannot encrypt");
                return ERR_CLOSED;
            }
            rest = slice_from(rest, record.length);
        }
    }
    return send_cipher(c);
}

int connection_send(struct connection *c, const struct slice *parts, size_t count) {
    assert(count <= PARTS_MAX);
    if (c->stage != STAGE_OPEN)
        return ERR_CLOSED;
    if (connection_queued(c) >= CONNECTION_QUEUE_BYTES)
        return ERR_LIMIT;
    assert(c->tls == NULL || c->secured);
    return c->tls != NULL ? send_secured(c, parts, count) : send_raw(c, parts, count);
}

/* Receiving. */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct connection *c = handle->data;
    (void)suggested;
    *buf = uv_buf_init(loop_read_buffer(c->loop), LOOP_READ_BYTES);
}

static void deliver(struct connection *c, struct slice bytes) {
    if (c->stage == STAGE_OPEN && c->events != NULL)
        c->events->received(c->context, bytes);
}

static void shake_hands(struct connection *c) {
    struct why why = { "" };
    int code = tls_session_handshake(c->tls, &why);
    send_cipher(c);
    if (c->stage != STAGE_OPEN || code == ERR_AGAIN)
        return;
    if (code < 0) {
        close_with(c, code == ERR_DENIED ? ERR_DENIED : ERR_IO, why.text);
        return;
    }
    c->secured = true;
    if (c->ready != NULL)
        c->ready(c->ready_context);
}

static void on_end(struct connection *c) {
    c->ended = true;
    uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
    if (c->stage == STAGE_DISCARDING)
        close_with(c, 0, "closed by this side");
    else if (c->stage == STAGE_OPEN && c->events != NULL && c->events->ended != NULL &&
             (c->tls == NULL || c->secured))
        c->events->ended(c->context);
    else if (c->stage == STAGE_OPEN)
        close_with(c, ERR_CLOSED, "closed by the other side");
}

static void receive_secured(struct connection *c, struct slice cipher) {
    if (tls_session_feed(c->tls, cipher) < 0) {
        close_with(c, ERR_MEMORY, "no memory for TLS");
        return;
    }
    if (!c->secured)
        shake_hands(c);
    while (c->secured && c->stage == STAGE_OPEN) {
        struct why why = { "" };
        char *plain = loop_read_buffer(c->loop); /* the session has copied the cipher bytes that were there */
        int length = tls_session_read(c->tls, plain, LOOP_READ_BYTES, &why);
        if (length > 0)
            deliver(c, slice_of(plain, (size_t)length));
        else if (length == ERR_CLOSED && !c->ended)
            on_end(c);
        else if (length < 0 && length != ERR_CLOSED)
            close_with(c, ERR_IO, why.text);
        if (length <= 0)
            break;
    }
    if (c->stage == STAGE_OPEN)
        send_cipher(c); /* a key update or an alert */
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buf) {
    struct connection *c = stream->data;
    if (length == 0 || c->stage == STAGE_CLOSING)
        return;
    if (length == UV_EOF) {
        on_end(c);
        return;
    }
    if (length < 0) {
        fail(c, (int)length);
        return;
    }
    struct slice bytes = slice_of(buf->base, (size_t)length);
    if (c->stage == STAGE_OPEN) {
        if (c->tls != NULL)
            receive_secured(c, bytes);
        else
            deliver(c, bytes);
        return;
    }
    c->discarded += bytes.length;
    if (c->discarded > LIMIT_DISCARD_BYTES)
        close_with(c, 0, "closed by this side");
}

static void read_on(struct connection *c) {
    if (c->reading || c->paused || c->ended || c->stage == STAGE_CLOSING || c->stage == STAGE_NEW)
        return;
    int code = uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read);
    if (code < 0)
        fail(c, code);
    c->reading = code == 0;
}

void connection_acknowledge(struct connection *c) {
    uv_os_fd_t descriptor;
    int yes = 1;
    if (c->stage == STAGE_OPEN && uv_fileno((const uv_handle_t *)&c->tcp, &descriptor) == 0)
        (void)setsockopt(descriptor, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
}

void connection_pause(struct connection *c) {
    c->paused = true;
    if (c->reading && c->stage != STAGE_CLOSING)
        uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
}

void connection_resume(struct connection *c) {
    c->paused = false;
    read_on(c);
}

void connection_use(struct connection *c, const struct connection_events *events, void *context) {
    assert(events->received != NULL);
    assert(events->closed != NULL);
    c->events = events;
    c->context = context;
    read_on(c);
}

int connection_begin(struct connection *c, void (*ready)(void *context), void *context) {
    assert(c->stage == STAGE_NEW);
    c->stage = STAGE_OPEN;
    uv_tcp_nodelay(&c->tcp, 1);
    c->ready = ready;
    c->ready_context = context;
    if (c->tls == NULL) {
        if (ready != NULL)
            ready(context);
        return 0;
    }
    read_on(c);
    shake_hands(c);
    return c->stage == STAGE_OPEN ? 0 : ERR_CLOSED;
}

void connection_finish(struct connection *c) {
    if (c->stage != STAGE_OPEN)
        return;
    if (c->tls != NULL && c->secured) {
        tls_session_end(c->tls);
        if (send_cipher(c) < 0)
            return;
    }
    c->stage = STAGE_FINISHING;
    timer_start(&c->linger, LIMIT_DISCARD_MS);
    connection_resume(c);
    if (c->stage == STAGE_FINISHING && connection_queued(c) == 0)
        all_sent(c);
}

/* Who is there? */

const struct sockaddr *connection_peer(const struct connection *c) {
    struct connection *mutable =
        (struct connection *)(uintptr_t)c; /* the address is fetched once, when asked */
    int length = (int)sizeof mutable->peer;
    if (c->peer.ss_family == 0)
        uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&mutable->peer, &length);
    return (const struct sockaddr *)&c->peer;
}

const char *connection_peer_text(const struct connection *c, char text[CONNECTION_PEER_BYTES]) {
    const struct sockaddr *peer = connection_peer(c);
    text[0] = '\0';
    if (peer->sa_family == AF_INET)
        uv_ip4_name((const struct sockaddr_in *)(const void *)peer, text, CONNECTION_PEER_BYTES);
    if (peer->sa_family == AF_INET6)
        uv_ip6_name((const struct sockaddr_in6 *)(const void *)peer, text, CONNECTION_PEER_BYTES);
    return text;
}
