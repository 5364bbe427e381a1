#include "bench/echo.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "wire/http1.h"

#define IN_BYTES (64 * 1024)
#define BATCH 256
#define ANSWERS 64 /* in one send */
#define MORE_PORTS 2

static const char canned[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
static const char patience[] = "HTTP/1.1 425 Too Early\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";

/* As many bytes as settled answers to the submit of a saga of two branches, headers included. */
#define HUNDRED                                          \
    "a transaction as settled shows it to its submitter" \
    ", a hundred bytes of it at a time...............|\n"
static const char submitted[] =
    "HTTP/1.1 200 OK\r\nDate: Sat, 28 Nov 2026 12:03:51 GMT\r\nServer: settled\r\n"
    "Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
    "Cache-Control: no-store\r\nContent-Length: 600\r\n\r\n" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED;
_Static_assert(sizeof HUNDRED - 1 == 100, "Content-Length says six hundred");

#define ANSWER_BYTES_MAX 1024
_Static_assert(sizeof canned <= ANSWER_BYTES_MAX, "a batch of answers has room");
_Static_assert(sizeof patience <= ANSWER_BYTES_MAX, "a batch of answers has room");
_Static_assert(sizeof submitted <= ANSWER_BYTES_MAX, "a batch of answers has room");

/* A connection. Delayed answers are all late by the same time, so the queue of those who wait is a plain
 * list. */
struct visitor {
    struct visitor *later;        /* next in the queue of delayed answers */
    struct visitor *next, **link; /* all connections, so that echo_close finds them */
    int64_t due_ms;
    size_t have;
    unsigned owed; /* answers waiting for due_ms */
    int fd;
    bool queued, gone;
    const char *text; /* what is answered where it came in */
    char in[IN_BYTES];
};

struct echo {
    int listeners[ECHO_PORTS_MAX];
    uint16_t ports[ECHO_PORTS_MAX];
    unsigned port_count;
    uint32_t delay_ms;
    int poll, stop;
    struct visitor *visitors;
    struct visitor *first, *last; /* delayed */
    pthread_t thread;
    bool started;
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void leave(struct visitor *v) {
    if (v->fd >= 0)
        close(v->fd);
    v->fd = -1;
    v->gone = true;
    if (v->queued)
        return;
    *v->link = v->next;
    if (v->next != NULL)
        v->next->link = v->link;
    free(v);
}

/* Answers are tiny and the socket is local: a send that would block means a peer that does not read. */
static bool answer(struct visitor *v, unsigned count) {
    char bytes[ANSWERS * ANSWER_BYTES_MAX];
    size_t each = strlen(v->text), length = 0;
    for (; count > 0; count--, length += each) {
        if (length + each > sizeof bytes) {
            if (send(v->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
                return false;
            length = 0;
        }
        memcpy(bytes + length, v->text, each);
    }
    return length == 0 || send(v->fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Bytes of the first whole request in input, 0 when it is not whole, SIZE_MAX when it is none. */
static size_t request_length(struct slice input) {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_request request;
    struct http1_body body;
    size_t total = 0, taken = 0;
    http1_request_init(&request, headers, LIMIT_HEADERS);
    int result = http1_request_decode(&request, input, &total);
    if (result != 0)
        return result == ERR_MORE ? 0 : SIZE_MAX;
    if (request.head.framing == HTTP1_LENGTH)
        return input.length - total < request.head.content_length ? 0 : total + request.head.content_length;
    http1_body_init(&body, request.head.framing, 0, IN_BYTES);
    while (!body.finished) {
        struct slice piece;
        result = http1_body_decode(&body, slice_from(input, total), &taken, &piece);
        total += taken;
        if (result != 0)
            return result == ERR_MORE ? 0 : SIZE_MAX;
    }
    return total;
}

static void put_off(struct echo *e, struct visitor *v, unsigned count) {
    v->owed += count;
    if (v->queued)
        return;
    v->queued = true;
    v->later = NULL;
    v->due_ms = now_ms() + e->delay_ms;
    if (e->last == NULL)
        e->first = v;
    else
        e->last->later = v;
    e->last = v;
}

static void take_input(struct echo *e, struct visitor *v) {
    size_t at = 0;
    unsigned count = 0;
    ssize_t got = recv(v->fd, v->in + v->have, sizeof v->in - v->have, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        leave(v);
        return;
    }
    v->have += (size_t)got;
    for (;;) {
        size_t length = request_length(slice_of(v->in + at, v->have - at));
        if (length == SIZE_MAX || (length == 0 && at == 0 && v->have == sizeof v->in)) {
            leave(v);
            return;
        }
        if (length == 0)
            break;
        at += length;
        count++;
    }
    v->have -= at;
    memmove(v->in, v->in + at, v->have);
    if (count > 0 && e->delay_ms > 0)
        put_off(e, v, count);
    else if (count > 0 && !answer(v, count))
        leave(v);
}

/* The last two ports are the busy one and the one that answers as settled does. */
static const char *text_of(const struct echo *e, const int *listener) {
    size_t index = (size_t)(listener - e->listeners);
    return index + 1 == e->port_count ? submitted : index + 2 == e->port_count ? patience : canned;
}

static void welcome(struct echo *e, const int *listener) {
    int one = 1, fd;
    while ((fd = accept4(*listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct visitor *v = malloc(sizeof *v);
        if (v == NULL) {
            close(fd);
            return;
        }
        memset(v, 0, offsetof(struct visitor, in));
        v->fd = fd;
        v->text = text_of(e, listener);
        v->next = e->visitors;
        v->link = &e->visitors;
        if (v->next != NULL)
            v->next->link = &v->next;
        e->visitors = v;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = v };
        epoll_ctl(e->poll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int answer_due(struct echo *e) {
    while (e->first != NULL) {
        struct visitor *v = e->first;
        int64_t left_ms = v->due_ms - now_ms();
        if (left_ms > 0)
            return (int)left_ms;
        e->first = v->later;
        if (e->first == NULL)
            e->last = NULL;
        v->queued = false;
        unsigned owed = v->owed;
        v->owed = 0;
        if (v->gone || !answer(v, owed))
            leave(v);
    }
    return -1;
}

static void *run(void *argument) {
    struct echo *e = argument;
    struct epoll_event events[BATCH];
    for (;;) {
        int count = epoll_wait(e->poll, events, BATCH, answer_due(e));
        for (int i = 0; i < count; i++) {
            void *who = events[i].data.ptr;
            if (who == &e->stop)
                return NULL;
            if ((int *)who >= e->listeners && (int *)who < e->listeners + ECHO_PORTS_MAX)
                welcome(e, who);
            else
                take_input(e, who);
        }
    }
}

static int listen_on(struct echo *e, unsigned index, struct why *why) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &e->listeners[index] };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    e->listeners[index] = fd;
    e->port_count = index + 1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        epoll_ctl(e->poll, EPOLL_CTL_ADD, fd, &event) != 0)
        return why_set(why, ERR_IO, "opening a participant: %s", strerror(errno));
    e->ports[index] = ntohs(address.sin_port);
    return 0;
}

int echo_open(struct echo **out, unsigned ports, uint32_t delay_ms, struct why *why) {
    struct echo *e = calloc(1, sizeof *e);
    int result = 0;
    assert(ports > 0);
    assert(ports + MORE_PORTS <= ECHO_PORTS_MAX);
    if (e == NULL)
        return why_set(why, ERR_MEMORY, "participants");
    e->delay_ms = delay_ms;
    e->poll = epoll_create1(EPOLL_CLOEXEC);
    e->stop = eventfd(0, EFD_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &e->stop };
    if (e->poll < 0 || e->stop < 0 || epoll_ctl(e->poll, EPOLL_CTL_ADD, e->stop, &event) != 0)
        result = why_set(why, ERR_IO, "opening the participants: %s", strerror(errno));
    for (unsigned i = 0; i < ports + MORE_PORTS && result == 0; i++)
        result = listen_on(e, i, why);
    if (result == 0 && pthread_create(&e->thread, NULL, run, e) != 0)
        result = why_set(why, ERR_MEMORY, "starting the participants");
    e->started = result == 0;
    if (result != 0) {
        echo_close(e);
        return result;
    }
    *out = e;
    return 0;
}

void echo_close(struct echo *e) {
    uint64_t one = 1;
    if (e == NULL)
        return;
    if (e->started) {
        while (write(e->stop, &one, sizeof one) < 0 && errno == EINTR)
            continue;
        pthread_join(e->thread, NULL);
    }
    while (e->visitors != NULL) {
        e->visitors->queued = false;
        leave(e->visitors);
    }
    for (unsigned i = 0; i < e->port_count; i++)
        if (e->listeners[i] >= 0)
            close(e->listeners[i]);
    if (e->poll >= 0)
        close(e->poll);
    if (e->stop >= 0)
        close(e->stop);
    free(e);
}

uint16_t echo_port(const struct echo *e, unsigned index) {
    assert(index + MORE_PORTS < e->port_count);
    return e->ports[index];
}

uint16_t echo_busy_port(const struct echo *e) {
    return e->ports[e->port_count - 2];
}

uint16_t echo_submit_port(const struct echo *e) {
    return e->ports[e->port_count - 1];
}
