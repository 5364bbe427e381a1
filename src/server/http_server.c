#include "server/http_server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_connection.h"

static void on_accepted(void *context, struct connection *wire) {
    http_connection_open(context, wire);
}

int http_server_open(struct http_server **out, struct loop *loop, const struct http_server_options *options,
                     struct why *why) {
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "out of memory");
    assert(options->exchange_bytes >= sizeof(struct exchange));
    s->loop = loop;
    s->options = *options;
    chain_init(&s->connections);
    chain_init(&s->pool);
    buffer_init(&s->date, 64);
    struct listener_options listen = {
        .host = options->host,
        .port = options->port,
        .tls = options->tls,
        .max = options->limits.connections,
        .max_per_ip = options->limits.connections_per_address,
        .accepted = on_accepted,
        .context = s,
    };
    int code = listener_open(&s->listener, loop, &listen, why);
    if (code != 0) {
        free(s);
        return code;
    }
    *out = s;
    return 0;
}

uint16_t http_server_port(const struct http_server *s) {
    return listener_port(s->listener);
}

void http_server_limit(struct http_server *s, const struct http_limits *limits) {
    s->options.limits = *limits;
}

static void stop_listening(struct http_server *s) {
    if (s->listener == NULL)
        return;
    s->figures.refused = listener_counters(s->listener)->refused;
    listener_close(s->listener);
    s->listener = NULL;
}

void http_server_drain(struct http_server *s) {
    s->draining = true;
    stop_listening(s);
    for (struct chain *link = s->connections.next, *next; link != &s->connections; link = next) {
        struct http_connection *c = CHAIN_OWNER(link, struct http_connection, link);
        next = link->next;
        c->no_more = true;
        if (c->pending > 0)
            continue;
        /* Nobody on an idle connection would notice a polite half close before its time is over. */
        if (c->wire == NULL || connection_queued(c->wire) > 0)
            http_connection_finish(c);
        else
            http_connection_break(c);
    }
}

void http_server_abort(struct http_server *s) {
    s->draining = true;
    stop_listening(s);
    for (struct chain *link = s->connections.next, *next; link != &s->connections; link = next) {
        next = link->next;
        http_connection_break(CHAIN_OWNER(link, struct http_connection, link));
    }
}

bool http_server_empty(const struct http_server *s) {
    return chain_empty(&s->connections);
}

void http_server_free(struct http_server *s) {
    if (s == NULL)
        return;
    assert(http_server_empty(s));
    stop_listening(s);
    while (!chain_empty(&s->pool)) {
        struct exchange *x = CHAIN_OWNER(s->pool.next, struct exchange, link);
        chain_remove(&x->link);
        exchange_destroy(x);
    }
    buffer_done(&s->date);
    free(s);
}

void http_figures(const struct http_server *s, struct http_figures *out) {
    *out = s->figures;
    if (s->listener != NULL)
        out->refused = listener_counters(s->listener)->refused;
}
