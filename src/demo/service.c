#include "demo/service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "wire/http1.h"

#define READ_BYTES (16 * 1024)

struct connection {
    int fd; /* -1: free */
    struct buffer in, out;
    int64_t due_ms; /* the answer in out may not leave before; 0: at once */
    bool closing;   /* close when out is empty */
};

struct service {
    service_handler *handler;
    void *self;
    int listener;
    int wake[2]; /* a byte in this pipe ends the thread */
    char url[64];
    pthread_t thread;
    struct connection connections[SERVICE_CONNECTIONS];
};

static int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void drop(struct connection *c) {
    close(c->fd);
    c->fd = -1;
    buffer_done(&c->in);
    buffer_done(&c->out);
}

static void accept_one(struct service *s) {
    int one = 1, fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (size_t i = 0; i < SERVICE_CONNECTIONS; i++) {
        struct connection *c = &s->connections[i];
        if (c->fd >= 0)
            continue;
        *c = (struct connection){ .fd = fd };
        buffer_init(&c->in, SERVICE_BODY_BYTES + 64 * 1024);
        buffer_init(&c->out, SERVICE_BODY_BYTES + 64 * 1024);
        return;
    }
    close(fd);
}

static void write_answer(struct connection *c, unsigned status, struct slice body, bool keep) {
    http1_add_status(&c->out, status);
    http1_add_header(&c->out, "Content-Type", SLICE("application/json"));
    http1_add_header_u64(&c->out, "Content-Length", body.length);
    if (!keep)
        http1_add_header(&c->out, "Connection", SLICE("close"));
    http1_add_head_end(&c->out);
    buffer_add_slice(&c->out, body);
    c->closing = !keep;
}

static void call_handler(struct service *s, struct connection *c, const struct http1_request *request,
                         struct slice body) {
    const struct http1_head *head = &request->head;
    struct service_answer answer = { .status = 200 };
    struct service_call call = { .method = request->method,
                                 .path = request->path,
                                 .query = request->query,
                                 .body = body,
                                 .gid = http1_find(head, "Settle-Gid"),
                                 .branch = http1_find(head, "Settle-Branch"),
                                 .operation = http1_find(head, "Settle-Op") };
    slice_u64(http1_find(head, "Settle-Attempt"), &call.attempt);
    buffer_init(&answer.body, SERVICE_BODY_BYTES);
    s->handler(s->self, &call, &answer);
    if (answer.body.length == 0)
        buffer_add_text(&answer.body, "{}");
    write_answer(c, answer.status, buffer_slice(&answer.body), head->keep_alive);
    c->due_ms = answer.delay_ms == 0 ? 0 : clock_ms() + answer.delay_ms;
    buffer_done(&answer.body);
}

/* Gather a whole body of either framing into to. ERR_MORE, 0, or a refusal. */
static int whole_body(const struct http1_head *head, struct slice input, size_t *used, struct buffer *to) {
    struct http1_body body;
    http1_body_init(&body, head->framing, head->content_length, SERVICE_BODY_BYTES);
    *used = 0;
    while (!body.finished) {
        struct slice piece = SLICE_NONE;
        size_t taken = 0;
        int result = http1_body_decode(&body, slice_from(input, *used), &taken, &piece);
        buffer_add_slice(to, piece);
        *used += taken;
        if (result != 0)
            return result;
    }
    return buffer_failed(to);
}

/* Serve the first request in c->in if it is complete. True when one was served. */
static bool serve_one(struct service *s, struct connection *c) {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_request request;
    struct buffer body;
    size_t head_length = 0, body_length = 0;
    http1_request_init(&request, headers, LIMIT_HEADERS);
    int result = http1_request_decode(&request, buffer_slice(&c->in), &head_length);
    buffer_init(&body, SERVICE_BODY_BYTES + 1);
    if (result == 0)
        result =
            whole_body(&request.head, slice_from(buffer_slice(&c->in), head_length), &body_length, &body);
    if (result == 0)
        call_handler(s, c, &request, buffer_slice(&body));
    else if (result != ERR_MORE)
        write_answer(c, 400, SLICE("{}"), false);
    buffer_done(&body);
    if (result == 0)
        buffer_consume(&c->in, head_length + body_length);
    return result == 0;
}

static void read_some(struct service *s, struct connection *c) {
    char *to = buffer_reserve(&c->in, READ_BYTES);
    ssize_t got = to == NULL ? 0 : recv(c->fd, to, READ_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop(c);
        return;
    }
    buffer_grew(&c->in, (size_t)got);
    while (c->out.length == 0 && c->in.length > 0 && serve_one(s, c))
        continue;
}

static void write_some(struct service *s, struct connection *c) {
    ssize_t sent = send(c->fd, c->out.at, c->out.length, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent < 0 || ((size_t)sent == c->out.length && c->closing)) {
        drop(c);
        return;
    }
    buffer_consume(&c->out, (size_t)sent);
    while (c->out.length == 0 && c->in.length > 0 && serve_one(s, c))
        continue;
}

/* What to wait for on a connection, and how long at most. While an answer is due nothing more is read, but a
 * caller that hangs up is noticed. */
static short interest(const struct connection *c, int64_t now_ms, int *timeout_ms) {
    if (c->fd < 0)
        return 0;
    if (c->out.length == 0)
        return POLLIN;
    if (c->due_ms <= now_ms)
        return POLLOUT;
    if (*timeout_ms < 0 || c->due_ms - now_ms < *timeout_ms)
        *timeout_ms = (int)(c->due_ms - now_ms);
    return POLLRDHUP;
}

static void serve_ready(struct service *s, struct connection *c, short ready) {
    if (ready & (POLLERR | POLLRDHUP | POLLNVAL))
        drop(c);
    else if (ready & POLLOUT)
        write_some(s, c);
    else if (ready & (POLLIN | POLLHUP))
        read_some(s, c);
}

static void *run(void *argument) {
    struct service *s = argument;
    struct pollfd watched[SERVICE_CONNECTIONS + 2];
    for (;;) {
        int64_t now_ms = clock_ms();
        int timeout_ms = -1;
        for (size_t i = 0; i < SERVICE_CONNECTIONS; i++)
            watched[i] = (struct pollfd){ .fd = s->connections[i].fd,
                                          .events = interest(&s->connections[i], now_ms, &timeout_ms) };
        watched[SERVICE_CONNECTIONS] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
        watched[SERVICE_CONNECTIONS + 1] = (struct pollfd){ .fd = s->wake[0], .events = POLLIN };
        if (poll(watched, SERVICE_CONNECTIONS + 2, timeout_ms) < 0)
            continue;
        if (watched[SERVICE_CONNECTIONS + 1].revents != 0)
            return NULL;
        for (size_t i = 0; i < SERVICE_CONNECTIONS; i++)
            if (watched[i].fd >= 0 && watched[i].revents != 0)
                serve_ready(s, &s->connections[i], watched[i].revents);
        if (watched[SERVICE_CONNECTIONS].revents != 0)
            accept_one(s);
    }
}

static int listen_somewhere(struct service *s, struct why *why) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(s->listener, 64) != 0 || getsockname(s->listener, (struct sockaddr *)&address, &size) != 0 ||
        pipe2(s->wake, O_CLOEXEC) != 0)
        return why_set(why, ERR_IO, "opening a service: %s", strerror(errno));
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    return 0;
}

static void release(struct service *s) {
    for (size_t i = 0; i < SERVICE_CONNECTIONS; i++)
        if (s->connections[i].fd >= 0)
            drop(&s->connections[i]);
    if (s->listener >= 0)
        close(s->listener);
    if (s->wake[0] >= 0)
        close(s->wake[0]);
    if (s->wake[1] >= 0)
        close(s->wake[1]);
    free(s);
}

int service_open(struct service **out, service_handler *handler, void *self, struct why *why) {
    struct service *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "service");
    s->handler = handler;
    s->self = self;
    s->listener = s->wake[0] = s->wake[1] = -1;
    for (size_t i = 0; i < SERVICE_CONNECTIONS; i++)
        s->connections[i].fd = -1;
    int result = listen_somewhere(s, why);
    if (result == 0 && pthread_create(&s->thread, NULL, run, s) != 0)
        result = why_set(why, ERR_MEMORY, "starting a service's thread");
    if (result != 0) {
        release(s);
        return result;
    }
    *out = s;
    return 0;
}

void service_close(struct service *s) {
    if (s == NULL)
        return;
    while (write(s->wake[1], "", 1) < 0 && errno == EINTR)
        continue;
    pthread_join(s->thread, NULL);
    release(s);
}

const char *service_url(const struct service *s) {
    return s->url;
}
