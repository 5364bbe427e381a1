#include "sink/database/database_dial.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"

#define ADDRESSES_MAX 8

struct database_dial {
    struct loop *loop;
    struct database_dial_options options;
    struct database_place place;
    char password[DATABASE_VALUE_BYTES];
    struct sockaddr_storage addresses[ADDRESSES_MAX]; /* those that may be called */
    size_t count;
    size_t next;
    uv_getaddrinfo_t lookup;
    struct database *trying;
    struct timer timer; /* the whole dial; at 0 the telling of an early end */
    bool looking;
    bool over;
    int code;
    struct why why;
};

static void try_next(struct database_dial *d);

static void forget(struct database_dial *d) {
    if (d->over && !d->looking) {
        explicit_bzero(d->password, sizeof d->password);
        free(d);
    }
}

static void stop(struct database_dial *d) {
    d->over = true;
    timer_done(&d->timer);
    if (d->looking)
        uv_cancel((uv_req_t *)&d->lookup);
    database_close(d->trying);
    d->trying = NULL;
}

static void name_place(struct database_dial *d) {
    struct buffer text;
    buffer_init(&text, sizeof d->why.text / 2);
    database_place_describe(&d->place, &text);
    why_prefix(&d->why, d->code, "%.*s", SLICE_PRINT(buffer_slice(&text)));
    buffer_done(&text);
}

static void finish(struct database_dial *d) {
    name_place(d);
    stop(d);
    d->options.done(d->options.context, d->code, NULL, &d->why);
    forget(d);
}

static void on_timer(void *context) {
    struct database_dial *d = context;
    if (d->code == 0 || d->trying != NULL || d->looking)
        d->code = why_set(&d->why, ERR_TIMEOUT, "no connection within %u ms%s", d->options.timeout_ms,
                          d->looking ? ", the name is still being resolved" : "");
    finish(d);
}

static void on_opened(void *context, int code, const struct why *why) {
    struct database_dial *d = context;
    struct database *connection = d->trying;
    if (code == 0) {
        d->trying = NULL;
        stop(d);
        d->options.done(d->options.context, 0, connection, &d->why);
        forget(d);
        return;
    }
    bool login = d->place.kind != DATABASE_SQLITE && (code == ERR_DENIED || code == ERR_NOT_FOUND);
    d->code = login ? ERR_INVALID : code;
    d->why = *why;
    d->trying = NULL;
    database_close(connection);
    /* A server that refuses the login would refuse it at its other addresses too. */
    if (login || d->next >= d->count)
        finish(d);
    else
        try_next(d);
}

/* Told in the next round, since this may still be inside database_dial_start. */
static void fail_soon(struct database_dial *d) {
    timer_start(&d->timer, 0);
}

static const struct database_events trying_events = { .opened = on_opened };

static void try_next(struct database_dial *d) {
    struct database_options options = {
        .place = &d->place,
        .address = d->place.kind == DATABASE_SQLITE ? NULL : (struct sockaddr *)&d->addresses[d->next++],
        .password = d->password,
        .directories = d->options.directories,
        .directory_count = d->options.directory_count,
        .events = &trying_events,
        .context = d,
    };
    d->code = database_open(&d->trying, d->loop, &options, &d->why);
    if (d->code != 0)
        fail_soon(d);
}

static void judge(struct database_dial *d, const struct sockaddr *address) {
    struct why why = { "" };
    size_t length = address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (d->count == ADDRESSES_MAX || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return;
    if (d->options.judge(d->options.judge_context, d->place.host, d->place.port, address, &why) != 0) {
        d->code = ERR_DENIED;
        d->why = why;
        return;
    }
    memcpy(&d->addresses[d->count++], address, length);
}

static void try_first(struct database_dial *d) {
    if (d->count == 0)
        fail_soon(d);
    else
        try_next(d);
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found) {
    struct database_dial *d = lookup->data;
    d->looking = false;
    if (!d->over && status < 0) {
        d->code = why_set(&d->why, ERR_NOT_FOUND, "the name does not resolve: %s", uv_strerror(status));
        fail_soon(d);
    } else if (!d->over) {
        d->code = why_set(&d->why, ERR_NOT_FOUND, "the name has no IP address");
        for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
            judge(d, a->ai_addr);
        try_first(d);
    }
    uv_freeaddrinfo(found);
    forget(d);
}

static int start(struct database_dial *d, struct why *why) {
    static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct sockaddr_storage literal = { 0 };
    char port[8];
    timer_start(&d->timer, d->options.timeout_ms);
    if (d->place.kind == DATABASE_SQLITE) {
        try_next(d);
        return 0;
    }
    if (uv_ip4_addr(d->place.host, d->place.port, (struct sockaddr_in *)&literal) == 0 ||
        uv_ip6_addr(d->place.host, d->place.port, (struct sockaddr_in6 *)&literal) == 0) {
        judge(d, (const struct sockaddr *)&literal);
        try_first(d);
        return 0;
    }
    snprintf(port, sizeof port, "%u", d->place.port);
    d->lookup.data = d;
    d->looking = uv_getaddrinfo(loop_uv(d->loop), &d->lookup, on_lookup, d->place.host, port, &hints) == 0;
    return d->looking ? 0 : why_set(why, ERR_MEMORY, "no memory to resolve %s", d->place.host);
}

int database_dial_start(struct database_dial **out, struct loop *loop,
                        const struct database_dial_options *options, struct why *why) {
    struct database_dial *d = calloc(1, sizeof *d);
    if (d == NULL || timer_init(&d->timer, loop, on_timer, d) != 0) {
        free(d);
        return why_set(why, ERR_MEMORY, "no memory to connect to a database");
    }
    d->loop = loop;
    d->options = *options;
    d->place = *options->place;
    snprintf(d->password, sizeof d->password, "%s", options->password);
    int code = start(d, why);
    if (code != 0) {
        stop(d);
        forget(d);
        return code;
    }
    *out = d;
    return 0;
}

void database_dial_cancel(struct database_dial *d) {
    stop(d);
    forget(d);
}
