#include "net/listener.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/table.h"
#include "net/loop.h"
#include "net/timer.h"

/* An IP address with at least one connection. */
struct visitor {
    uint8_t bytes[16];
    size_t open;
};

struct listener {
    uv_tcp_t tcp;
    struct loop *loop;
    struct listener_options options;
    struct listener_counters counters;
    struct table visitors;
    uint64_t seed;
    struct timer pause;
    uint16_t port;
    bool waiting; /* one connection stands at the door because the total limit is reached */
    bool closing;
    bool closed; /* the socket is gone; connections may live */
};

static void accept_one(struct listener *l);

static void forget(struct listener *l) {
    if (!l->closed || l->counters.open > 0)
        return;
    timer_done(&l->pause);
    table_done(&l->visitors);
    free(l);
}

/* IPv4 in its mapped form, so that both families count alike. */
static void visitor_bytes(const struct sockaddr *peer, uint8_t out[16]) {
    memset(out, 0, 16);
    if (peer->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
        return;
    }
    out[10] = out[11] = 0xff;
    memcpy(out + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
}

static uint64_t visitor_hash(const struct listener *l, const uint8_t bytes[16]) {
    return hash_seeded(l->seed, slice_of((const char *)bytes, 16));
}

/* The address's entry, made when it is new; NULL when there is no memory. */
static struct visitor *find_visitor(struct listener *l, const uint8_t bytes[16]) {
    uint64_t hash = visitor_hash(l, bytes);
    size_t cursor = 0;
    for (;;) {
        struct visitor *v = table_find(&l->visitors, hash, &cursor);
        if (v == NULL)
            break;
        if (memcmp(v->bytes, bytes, 16) == 0)
            return v;
    }
    struct visitor *v = calloc(1, sizeof *v);
    if (v == NULL || table_reserve(&l->visitors) < 0) {
        free(v);
        return NULL;
    }
    memcpy(v->bytes, bytes, 16);
    table_add(&l->visitors, hash, v);
    return v;
}

static void leave(struct listener *l, struct visitor *v) {
    if (--v->open > 0)
        return;
    table_remove(&l->visitors, visitor_hash(l, v->bytes), v);
    free(v);
}

/* A connection's memory goes. */
static void on_gone(void *context, void *tag) {
    struct listener *l = context;
    if (tag != NULL)
        leave(l, tag);
    l->counters.open--;
    if (l->waiting && !l->closing) {
        l->waiting = false;
        accept_one(l);
    }
    forget(l);
}

static void pause_accepting(struct listener *l) {
    l->counters.pauses++;
    timer_start(&l->pause, LISTENER_PAUSE_MS);
}

static void after_pause(void *context) {
    struct listener *l = context;
    if (!l->closing)
        accept_one(l);
}

/* libuv has taken one connection from the kernel and takes the next only after this one was accepted. */
static void accept_one(struct listener *l) {
    struct connection *c;
    if (l->counters.open >= l->options.max) {
        l->waiting = true;
        l->counters.pauses++;
        return;
    }
    if (connection_new(&c, l->loop, l->options.tls, NULL) < 0) {
        pause_accepting(l);
        return;
    }
    l->counters.open++;
    connection_watch(c, on_gone, l, NULL);
    int code = uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)connection_tcp(c));
    if (code < 0) {
        connection_close(c);
        return;
    }
    uint8_t bytes[16];
    visitor_bytes(connection_peer(c), bytes);
    struct visitor *v = find_visitor(l, bytes);
    if (v == NULL || v->open >= l->options.max_per_ip) {
        l->counters.refused++;
        connection_close(c);
        return;
    }
    v->open++;
    connection_watch(c, on_gone, l, v);
    l->counters.accepted++;
    connection_begin(c, NULL, NULL);
    l->options.accepted(l->options.context, c);
}

static void on_connection(uv_stream_t *stream, int status) {
    struct listener *l = stream->data;
    if (l->closing)
        return;
    if (status < 0)
        l->counters
            .refused++; /* out of descriptors: libuv kept one in reserve to close the connection with */
    else
        accept_one(l);
}

uint16_t listener_port(const struct listener *l) {
    return l->port;
}

const struct listener_counters *listener_counters(const struct listener *l) {
    return &l->counters;
}

static int parse_host(const struct listener_options *o, struct sockaddr_storage *out, struct why *why) {
    if (uv_ip4_addr(o->host, o->port, (struct sockaddr_in *)out) == 0 ||
        uv_ip6_addr(o->host, o->port, (struct sockaddr_in6 *)out) == 0)
        return 0;
    return why_set(why, ERR_INVALID, "%s is not an address to listen on; write one like 127.0.0.1 or ::1",
                   o->host);
}

/* A socket of our own, because libuv cannot ask for a shared port. */
static int make_socket(struct listener *l, int family, struct why *why) {
    int one = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return why_set(why, ERR_IO, "cannot make a socket");
    if (l->options.share_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int code = uv_tcp_open(&l->tcp, fd);
    if (code < 0) {
        close(fd);
        return why_set(why, ERR_IO, "cannot use a socket: %s", uv_strerror(code));
    }
    return 0;
}

static int start(struct listener *l, struct why *why) {
    struct sockaddr_storage address = { 0 };
    int length = (int)sizeof address;
    int code = parse_host(&l->options, &address, why);
    if (code == 0)
        code = make_socket(l, address.ss_family, why);
    if (code < 0)
        return code;
    code = uv_tcp_bind(&l->tcp, (struct sockaddr *)&address, 0);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&l->tcp, LIMIT_BACKLOG, on_connection);
    if (code < 0) {
        int err = code == UV_EADDRINUSE ? ERR_CONFLICT : code == UV_EACCES ? ERR_DENIED : ERR_IO;
        return why_set(why, err, "cannot listen on %s port %u: %s", l->options.host, l->options.port,
                       uv_strerror(code));
    }
    uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&address, &length);
    l->port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                 : ((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

int listener_open(struct listener **out, struct loop *loop, const struct listener_options *options,
                  struct why *why) {
    assert(options->accepted != NULL);
    struct listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a listener");
    l->loop = loop;
    l->options = *options;
    if (l->options.max == 0)
        l->options.max = LIMIT_CONNECTIONS;
    if (l->options.max_per_ip == 0)
        l->options.max_per_ip = LIMIT_CONNECTIONS_PER_IP;
    l->seed = random_u64(loop_random(loop));
    table_init(&l->visitors);
    l->tcp.data = l;
    if (timer_init(&l->pause, loop, after_pause, l) < 0) {
        free(l);
        return why_set(why, ERR_MEMORY, "no memory for a listener");
    }
    if (uv_tcp_init(loop_uv(loop), &l->tcp) < 0) {
        timer_done(&l->pause);
        free(l);
        return why_set(why, ERR_IO, "cannot make a listener");
    }
    int code = start(l, why);
    if (code < 0) {
        listener_close(l);
        return code;
    }
    *out = l;
    return 0;
}

static void on_closed(uv_handle_t *handle) {
    struct listener *l = handle->data;
    l->closed = true;
    forget(l);
}

void listener_close(struct listener *l) {
    if (l == NULL || l->closing)
        return;
    l->closing = true;
    timer_stop(&l->pause);
    uv_close((uv_handle_t *)&l->tcp, on_closed);
}
