#include "bench/load.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "bench/echo.h"
#include "bench/script.h"
#include "wire/http1.h"

#define IN_BYTES (16 * 1024)
#define DRAIN_MS 5000
#define BATCH 256

struct client;

/* One kept connection of a client. */
struct line {
    struct client *client;
    int fd;
    uint32_t expected; /* answers still to come */
    uint16_t port;     /* 0: settled's */
    size_t have;
    char in[IN_BYTES];
};

/* One transaction in flight after another. */
struct client {
    struct line *lines;
    uint64_t started_us;
    char gid[SCRIPT_GID_BYTES + 1];
    unsigned wave, outstanding;
    bool idle, failed;
};

struct load {
    const struct load_options *options;
    struct load_result *result;
    struct script script;
    struct client *clients;
    struct line *lines;
    uint64_t sequence;
    uint64_t last;             /* no transaction begins when sequence has come this far */
    bool filling;              /* transactions are left waiting, none is measured */
    uint64_t begin_us, end_us; /* the measured time */
    unsigned busy;             /* clients with a transaction in flight */
    unsigned idle_count;       /* with a rate: clients that wait for work */
    struct client **idle;
    uint64_t due_us; /* with a rate: when the next transaction starts */
    int poll;
};

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void complain(struct load *l, struct client *c, const char *format, ...) {
    va_list arguments;
    c->failed = true;
    if (l->result->first_error[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(l->result->first_error, sizeof l->result->first_error, format, arguments);
    va_end(arguments);
}

/* ---- connections ------------------------------------------------------------------------------------- */

static int connect_line(struct load *l, struct line *line) {
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = line };
    int one = 1;
    bool own = line->port != 0;
    address.sin_port = htons(own ? line->port : l->options->port);
    if (inet_pton(AF_INET, own ? "127.0.0.1" : l->options->host, &address.sin_addr) != 1)
        return ERR_INVALID;
    line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    line->have = 0;
    line->expected = 0;
    if (line->fd < 0 || connect(line->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        epoll_ctl(l->poll, EPOLL_CTL_ADD, line->fd, &event) != 0) {
        if (line->fd >= 0)
            close(line->fd);
        line->fd = -1;
        return ERR_IO;
    }
    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return 0;
}

static void cut_line(struct line *line) {
    if (line->fd >= 0)
        close(line->fd);
    line->fd = -1;
    line->client->outstanding -= line->expected;
    line->expected = 0;
    line->have = 0;
}

/* ---- transactions ------------------------------------------------------------------------------------ */

static void send_wave(struct load *l, struct client *c) {
    for (unsigned i = 0; i < l->script.count; i++) {
        struct script_request *r = &l->script.requests[i];
        struct line *line = &c->lines[r->line];
        if (r->wave != c->wave)
            continue;
        if (line->fd < 0 && connect_line(l, line) != 0) {
            complain(l, c, "cannot connect: %s", strerror(errno));
            continue;
        }
        script_fill(r, c->gid);
        if (send(line->fd, r->bytes.at, r->bytes.length, MSG_NOSIGNAL) != (ssize_t)r->bytes.length) {
            complain(l, c, "sending failed: %s", strerror(errno));
            cut_line(line);
            continue;
        }
        line->expected++;
        c->outstanding++;
    }
}

/* Prefix, then a number, SCRIPT_GID_BYTES in all. */
static void next_gid(struct load *l, struct client *c) {
    snprintf(c->gid, sizeof c->gid, "%-12.12s%020llu", l->options->prefix, (unsigned long long)l->sequence++);
    for (unsigned i = 0; i < SCRIPT_GID_BYTES; i++)
        c->gid[i] = c->gid[i] == ' ' ? '.' : c->gid[i];
}

static void start(struct load *l, struct client *c, uint64_t started_us) {
    c->started_us = started_us;
    c->wave = 0;
    c->failed = c->idle = false;
    l->busy++;
    next_gid(l, c);
    send_wave(l, c);
}

static bool more_waves(const struct load *l, const struct client *c) {
    return c->wave < l->script.requests[l->script.count - 1].wave;
}

/* All answers of the wave are here (or lost): go on, or count the transaction and start another. Each turn of
 * the loop is one transaction that failed at once; the time limit ends it. */
static void advance(struct load *l, struct client *c) {
    while (c->outstanding == 0) {
        uint64_t now = now_us();
        if (!c->failed && more_waves(l, c)) {
            c->wave++;
            send_wave(l, c);
            continue;
        }
        l->busy--;
        if (now >= l->begin_us && now < l->end_us) {
            l->result->done += !c->failed;
            l->result->errors += c->failed;
            if (!c->failed)
                histogram_add(&l->result->latency, now - c->started_us);
        }
        c->idle = true;
        if (now >= l->end_us || l->sequence >= l->last)
            return;
        if (c->failed)
            usleep(1000); /* a server that refuses at once must not make a hot loop */
        if (l->options->rate > 0 && !l->filling) {
            l->idle[l->idle_count++] = c;
            return;
        }
        start(l, c, now_us());
    }
}

/* What was pulled is what the client acks; it need not be what it published itself. */
static bool take_pulled(struct client *c, struct slice body) {
    static const char member[] = "\"message\":\"";
    const char *at = memmem(body.at, body.length, member, sizeof member - 1);
    if (at == NULL || (size_t)(body.at + body.length - at) < sizeof member - 1 + SCRIPT_GID_BYTES)
        return false;
    memcpy(c->gid, at + sizeof member - 1, SCRIPT_GID_BYTES);
    return true;
}

static void judge(struct load *l, struct client *c, unsigned status, struct slice body) {
    static const struct script_proof any = { 200, NULL, false };
    const struct script_proof *proof = l->script.proofs == NULL ? &any : &l->script.proofs[c->wave];
    int shown = (int)(body.length > 120 ? 120 : body.length);
    if (status != proof->status)
        complain(l, c, "HTTP %u: %.*s", status, shown, body.at);
    else if (proof->text != NULL && memmem(body.at, body.length, proof->text, strlen(proof->text)) == NULL)
        complain(l, c, "not %s: %.*s", proof->text, shown, body.at);
    else if (proof->pulled && !take_pulled(c, body))
        complain(l, c, "nothing was pulled: %.*s", shown, body.at);
}

/* Take one whole answer off the line's input. ERR_MORE, 0, or it makes no sense. */
static int take_answer(struct load *l, struct line *line) {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_response response;
    size_t head = 0;
    http1_response_init(&response, headers, LIMIT_HEADERS, false);
    int result = http1_response_decode(&response, slice_of(line->in, line->have), &head);
    if (result == 0 && response.head.framing != HTTP1_LENGTH)
        result = ERR_UNSUPPORTED;
    if (result == 0 && line->have - head < response.head.content_length)
        result = ERR_MORE;
    if (result != 0)
        return result;
    size_t whole = head + (size_t)response.head.content_length;
    judge(l, line->client, response.status, slice_of(line->in + head, whole - head));
    line->have -= whole;
    memmove(line->in, line->in + whole, line->have);
    line->expected--;
    line->client->outstanding--;
    if (!response.head.keep_alive)
        cut_line(line);
    return 0;
}

static void take_input(struct load *l, struct line *line) {
    struct client *c = line->client;
    int result = 0;
    ssize_t got = recv(line->fd, line->in + line->have, sizeof line->in - line->have, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        if (line->expected > 0)
            complain(l, c, "a connection was closed with an answer owed");
        cut_line(line);
    } else {
        line->have += (size_t)got;
    }
    while (line->fd >= 0 && line->expected > 0 && (result = take_answer(l, line)) == 0)
        continue;
    if (line->fd >= 0 && ((result != 0 && result != ERR_MORE) || line->have == sizeof line->in)) {
        complain(l, c, "an answer that is not understood: %.80s", line->in);
        cut_line(line);
    }
    if (!c->idle)
        advance(l, c);
}

/* ---- the run ----------------------------------------------------------------------------------------- */

static void tell(struct load *l, enum load_moment moment) {
    uint64_t now = now_us();
    if (l->options->moment != NULL)
        l->options->moment(l->options->self, moment, l->result->done,
                           now < l->begin_us ? 0 : (uint32_t)((now - l->begin_us) / 1000));
}

/* With a rate: start what is due, as far as there are clients for it. What finds none starts late, and its
 * latency says so. */
static void start_due(struct load *l) {
    uint64_t now = now_us();
    while (l->idle_count > 0 && l->due_us <= now && l->due_us < l->end_us) {
        struct client *c = l->idle[--l->idle_count];
        start(l, c, l->due_us);
        l->due_us += 1000000 / l->options->rate;
        if (c->outstanding == 0)
            advance(l, c);
    }
}

static void start_all(struct load *l) {
    for (unsigned i = 0; i < l->options->clients; i++) {
        struct client *c = &l->clients[i];
        c->idle = true;
        if (l->options->rate > 0 && !l->filling) {
            l->idle[l->idle_count++] = c;
            continue;
        }
        if (l->sequence >= l->last)
            continue;
        start(l, c, now_us());
        if (c->outstanding == 0)
            advance(l, c);
    }
    l->due_us = now_us();
}

static void wait_and_take(struct load *l) {
    struct epoll_event events[BATCH];
    struct timespec wait = { .tv_nsec = 10000000 };
    uint64_t now = now_us();
    if (l->options->rate > 0 && l->idle_count > 0 && l->due_us < now + 10000)
        wait.tv_nsec = l->due_us <= now ? 0 : (long)(l->due_us - now) * 1000;
    int count = epoll_pwait2(l->poll, events, BATCH, &wait, NULL);
    for (int i = 0; i < count; i++)
        take_input(l, events[i].data.ptr);
}

static void loop(struct load *l) {
    uint64_t told_us = 0;
    bool begun = false, ended = false;
    start_all(l);
    for (;;) {
        uint64_t now = now_us();
        if (!begun && now >= l->begin_us) {
            begun = true;
            tell(l, LOAD_BEGINS);
        } else if (!ended && now >= l->end_us) {
            ended = true;
            tell(l, LOAD_ENDS);
        } else if (begun && !ended && now - told_us >= 1000000) {
            told_us = now;
            tell(l, LOAD_GOES_ON);
        }
        if (ended && (l->busy == 0 || now >= l->end_us + DRAIN_MS * 1000))
            return;
        if (l->options->rate > 0)
            start_due(l);
        wait_and_take(l);
    }
}

/* Leave transactions waiting: one request each, nothing measured. ERR_IO: settled did not take one. */
static int fill(struct load *l, uint16_t busy_port, struct why *why) {
    struct script whole = l->script;
    uint64_t told_us = 0;
    int result = script_init_waiting(&l->script, l->options, busy_port);
    if (result != 0)
        return why_set(why, result, "requests");
    l->filling = true;
    l->last = l->options->waiting;
    l->begin_us = l->end_us = UINT64_MAX;
    start_all(l);
    while (l->busy > 0 && l->result->first_error[0] == '\0') {
        if (now_us() - told_us >= 1000000 && l->options->moment != NULL) {
            told_us = now_us();
            l->options->moment(l->options->self, LOAD_FILLS, l->sequence, 0);
        }
        wait_and_take(l);
    }
    script_done(&l->script);
    l->script = whole;
    l->filling = false;
    l->last = UINT64_MAX;
    return l->busy == 0 ? 0 : why_set(why, ERR_IO, "filling: %s", l->result->first_error);
}

static int set_up(struct load *l, struct why *why) {
    const struct load_options *o = l->options;
    size_t lines = (size_t)o->clients * l->script.lines;
    l->poll = epoll_create1(EPOLL_CLOEXEC);
    l->clients = calloc(o->clients, sizeof *l->clients);
    l->lines = calloc(lines, sizeof *l->lines);
    l->idle = calloc(o->clients, sizeof(struct client *));
    if (l->poll < 0 || l->clients == NULL || l->lines == NULL || l->idle == NULL)
        return why_set(why, ERR_MEMORY, "%u clients", o->clients);
    for (size_t i = 0; i < lines; i++) {
        l->lines[i].fd = -1;
        l->lines[i].port = l->script.ports[i % l->script.lines];
        l->lines[i].client = &l->clients[i / l->script.lines];
    }
    for (unsigned i = 0; i < o->clients; i++)
        l->clients[i].lines = &l->lines[(size_t)i * l->script.lines];
    if (connect_line(l, &l->lines[0]) != 0)
        return why_set(why, ERR_IO, "cannot connect to %s:%u: %s", o->host, (unsigned)o->port,
                       strerror(errno));
    return 0;
}

static void tear_down(struct load *l) {
    size_t lines = l->lines == NULL ? 0 : (size_t)l->options->clients * l->script.lines;
    for (size_t i = 0; i < lines; i++)
        if (l->lines[i].fd >= 0)
            close(l->lines[i].fd);
    free(l->lines);
    free(l->clients);
    free(l->idle);
    if (l->poll >= 0)
        close(l->poll);
}

int load_run(const struct load_options *o, struct load_result *out, struct why *why) {
    struct load l = { .options = o, .result = out, .last = UINT64_MAX, .poll = -1 };
    struct echo *echo = NULL;
    uint16_t ports[LOAD_BRANCHES_MAX + 1];
    assert(o->clients > 0);
    assert(o->clients <= LOAD_CLIENTS_MAX);
    *out = (struct load_result){ .done = 0 };
    int result = echo_open(&echo, o->branches, o->delay_ms, why);
    if (result != 0)
        return result;
    for (unsigned i = 0; i < o->branches; i++)
        ports[i] = echo_port(echo, i);
    ports[o->branches] = echo_submit_port(echo);
    result = script_init(&l.script, o, ports);
    if (result == 0) {
        result = set_up(&l, why);
        if (result == 0 && o->kind == LOAD_WHOLE && load_is_message(o->mode))
            result = o->subscribe(o->self, ports, o->branches, why);
        if (result == 0 && o->waiting > 0)
            result = fill(&l, echo_busy_port(echo), why);
        l.begin_us = now_us() + (uint64_t)o->warmup_ms * 1000;
        l.end_us = l.begin_us + (uint64_t)o->duration_ms * 1000;
        if (result == 0)
            loop(&l);
        out->measured_us = (uint64_t)o->duration_ms * 1000;
        tear_down(&l);
        script_done(&l.script);
    }
    echo_close(echo);
    return result;
}
