#include "net/dialler.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "net/loop.h"
#include "net/timer.h"

#define ADDRESSES_MAX 16
/* No address gets less than this before the next one is tried, time permitting. */
#define SHARE_MS_MIN 250
#define HOST_BYTES 256

struct dial {
    struct loop *loop;
    struct dial_options options;
    char host[HOST_BYTES];
    struct timer timer; /* the whole dial, or the address that is being tried */
    uint64_t deadline_ms;
    struct sockaddr_storage addresses[ADDRESSES_MAX]; /* those that may be called */
    size_t count;
    size_t next;
    uv_getaddrinfo_t lookup;
    uv_connect_t connect;
    struct connection *trying; /* being connected, or shaking hands */
    bool looking;              /* libuv holds the lookup */
    bool over;                 /* done was called, or cancelled: only the memory is left */
    int code;                  /* of the last thing that went wrong */
    struct why why;
};

/* The dial's memory goes when neither libuv nor a closing connection refers to it. */
static void forget(struct dial *d) {
    if (!d->over || d->looking || d->trying != NULL)
        return;
    timer_done(&d->timer);
    free(d);
}

/* Tell the caller, unless it has cancelled, and let go of whatever is under way. */
static void finish(struct dial *d, int code, struct connection *c) {
    if (d->over)
        return;
    d->over = true;
    timer_stop(&d->timer);
    if (c == NULL && d->trying != NULL)
        connection_close(d->trying);
    d->options.done(d->options.context, code, c, &d->why);
}

static void give_up(struct dial *d) {
    finish(d, d->code, NULL);
    forget(d);
}

static void try_next(struct dial *d);

/* The connection that was tried is gone before it was ready. */
static void on_closed(void *context, int code, const char *sentence) {
    struct dial *d = context;
    d->trying = NULL;
    if (!d->over) {
        if (code != 0) /* 0: closed from here, and the reason is already told */
            d->code = why_set(&d->why, ERR_IO, "%s port %u: %s", d->host, d->options.port, sentence);
        try_next(d);
    }
    forget(d);
}

static void on_received(void *context, struct slice bytes) {
    (void)context;
    (void)bytes; /* nobody speaks before we do; the user of the connection will see it closed or garbled */
}

static const struct connection_events trying_events = { .received = on_received, .closed = on_closed };

static void on_ready(void *context) {
    struct dial *d = context;
    struct connection *c = d->trying;
    if (d->over)
        return;
    d->trying = NULL;
    finish(d, 0, c);
    forget(d);
}

static void on_connect(uv_connect_t *connect, int status) {
    struct connection *c = connect->handle->data;
    struct dial *d = connect->data;
    if (status == UV_ECANCELED)
        return; /* closed from here */
    if (status < 0) {
        d->code = why_set(&d->why, ERR_IO, "%s port %u: %s", d->host, d->options.port, uv_strerror(status));
        connection_close(c);
        return;
    }
    connection_begin(c, on_ready, d); /* without TLS it is ready at once, and the dial is gone */
}

static uint64_t left_ms(const struct dial *d) {
    uint64_t now = loop_now_ms(d->loop);
    return d->deadline_ms > now ? d->deadline_ms - now : 0;
}

static int begin_try(struct dial *d, const struct sockaddr *address) {
    int code = connection_new(&d->trying, d->loop, d->options.tls, d->options.tls == NULL ? NULL : d->host);
    if (code < 0)
        return why_set(&d->why, code, "no memory to connect to %s", d->host);
    connection_use(d->trying, &trying_events, d);
    d->connect.data = d;
    code = uv_tcp_connect(&d->connect, connection_tcp(d->trying), address, on_connect);
    if (code < 0) {
        why_set(&d->why, ERR_IO, "%s port %u: %s", d->host, d->options.port, uv_strerror(code));
        d->code = ERR_IO;
        connection_close(d->trying);
    }
    return 0;
}

static void try_next(struct dial *d) {
    if (d->next == d->count) {
        finish(d, d->code, NULL);
        return;
    }
    uint64_t share = left_ms(d) / (d->count - d->next);
    if (share < SHARE_MS_MIN)
        share = left_ms(d) < SHARE_MS_MIN ? left_ms(d) : SHARE_MS_MIN;
    timer_start(&d->timer, share);
    int code = begin_try(d, (const struct sockaddr *)&d->addresses[d->next++]);
    if (code < 0) { /* told in the next round, since this may still be inside dial_start */
        d->code = code;
        d->next = d->count;
        timer_start(&d->timer, 0);
    }
}

/* The address that is being tried, or everything, took too long; or the dial was over before it began. */
static void on_timer(void *context) {
    struct dial *d = context;
    if (d->trying != NULL && d->next < d->count && left_ms(d) > 0) {
        d->code = why_set(&d->why, ERR_TIMEOUT, "%s port %u does not answer", d->host, d->options.port);
        connection_close(d->trying);
        return;
    }
    if (d->trying != NULL || d->looking)
        d->code = why_set(&d->why, ERR_TIMEOUT, "%s port %u: no connection within %u ms%s", d->host,
                          d->options.port, d->options.timeout_ms,
                          d->looking ? ", the name is still being resolved" : "");
    if (d->looking)
        uv_cancel((uv_req_t *)&d->lookup);
    give_up(d);
}

/* Keep an address that may be called; of the others keep the reason. */
static void judge(struct dial *d, const struct sockaddr *address) {
    struct why why = { "" };
    size_t length = address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (d->count == ADDRESSES_MAX || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return;
    if (d->options.judge != NULL &&
        d->options.judge(d->options.context, d->host, d->options.port, address, &why) != 0) {
        d->code = ERR_DENIED;
        d->why = why;
        return;
    }
    memcpy(&d->addresses[d->count++], address, length);
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found) {
    struct dial *d = lookup->data;
    d->looking = false;
    if (!d->over && status < 0) {
        d->code = why_set(&d->why, ERR_NOT_FOUND, "%s does not resolve: %s", d->host, uv_strerror(status));
        finish(d, d->code, NULL);
    } else if (!d->over) {
        d->code = why_set(&d->why, ERR_NOT_FOUND, "%s has no IP address", d->host);
        for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
            judge(d, a->ai_addr);
        try_next(d);
    }
    uv_freeaddrinfo(found);
    forget(d);
}

static int look_up(struct dial *d) {
    static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    char port[8];
    snprintf(port, sizeof port, "%u", d->options.port);
    d->lookup.data = d;
    d->looking = uv_getaddrinfo(loop_uv(d->loop), &d->lookup, on_lookup, d->host, port, &hints) == 0;
    return d->looking ? 0 : ERR_MEMORY;
}

/* A literal is judged now; its verdict and a failed start are told in the next round. */
static int start(struct dial *d) {
    struct sockaddr_storage literal = { 0 };
    d->deadline_ms = loop_now_ms(d->loop) + d->options.timeout_ms;
    if (uv_ip4_addr(d->host, d->options.port, (struct sockaddr_in *)&literal) < 0 &&
        uv_ip6_addr(d->host, d->options.port, (struct sockaddr_in6 *)&literal) < 0) {
        timer_start(&d->timer, d->options.timeout_ms);
        return look_up(d);
    }
    judge(d, (const struct sockaddr *)&literal);
    if (d->count == 0)
        timer_start(&d->timer, 0);
    else
        try_next(d);
    return 0;
}

int dial_start(struct dial **out, struct loop *loop, const struct dial_options *options) {
    assert(options->done != NULL);
    struct dial *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ERR_MEMORY;
    d->loop = loop;
    d->options = *options;
    d->options.host = d->host;
    int length = snprintf(d->host, sizeof d->host, "%s", options->host);
    assert(length > 0);
    assert((size_t)length < sizeof d->host);
    int code = timer_init(&d->timer, loop, on_timer, d);
    if (code == 0)
        code = start(d);
    if (code < 0) {
        timer_done(&d->timer);
        free(d);
        return code;
    }
    *out = d;
    return 0;
}

void dial_cancel(struct dial *d) {
    assert(!d->over);
    d->over = true;
    timer_stop(&d->timer);
    if (d->looking)
        uv_cancel((uv_req_t *)&d->lookup);
    if (d->trying != NULL)
        connection_close(d->trying);
    forget(d);
}
