/* Inside libsettle: what its files share. The public face is include/settle/settle.h; its rules on threads,
 * ownership and errors hold here too.
 *
 * One exchange is one request and its answer over a channel of the client's pool. The pool keeps idle
 * channels only; a channel in use belongs to the thread that took it, so the mutex is held for a few
 * instructions. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <settle/settle.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "client/channel.h"
#include "wire/http1.h"

#define CLIENT_IDLE_CHANNELS 16                /* kept for the next call; more are closed after use */
#define CLIENT_ANSWER_BYTES (64 * 1024 * 1024) /* the longest answer that is kept whole */
#define CLIENT_TIMEOUT_MS 10000                /* default of stl_opts.timeout_ms */
#define CLIENT_STREAM_SILENCE_MS 45000         /* three heartbeats of settled's event streams */

struct stl_client {
    char *url;       /* without a trailing slash */
    char *host;      /* for the resolver and the certificate: no brackets */
    char *authority; /* for the Host header */
    char *port;
    SSL_CTX *tls; /* NULL for http */
    int timeout_ms;
    char *token;          /* or NULL */
    char *token_source;   /* "$SETTLE_TOKEN", a path, or NULL */
    struct buffer places; /* NUL-ended story of the token search */
    pthread_mutex_t lock; /* guards the two below */
    struct channel *idle[CLIENT_IDLE_CHANNELS];
    size_t idle_count;
};

/* Take a kept channel that is still quiet, or open one. *kept tells which. Maps failures to STL_E codes. */
int client_take_channel(stl_client *c, bool fresh, struct channel **out, bool *kept, stl_err *e);
/* Give it back for the next call, or close it when the pool is full. */
void client_keep_channel(stl_client *c, struct channel *ch);

struct stl_response {
    struct buffer input; /* the head, then whatever of the body came with it */
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_response parsed;
    struct buffer body; /* NUL-ended; empty when a sink took the bytes */
};

/* What client_exchange is asked to do. Zero is a fine default for all but method and path. */
struct client_call {
    const char *method;
    const char *path;
    const char *const *headers; /* NULL-ended "Name: value" strings, or NULL */
    struct slice body;
    int wait_ms;        /* how long the server may think beyond the client's timeout */
    int silence_ms;     /* how long a body may pause; 0: the client's timeout */
    bool repeatable;    /* may be sent again when a kept connection turns out dead */
    stl_bytes_fn *sink; /* gets the body of a 2xx instead of the response */
    void *argument;     /* for sink */
};

/* 0 when an answer came and its body was read (or handed to the sink). Errors as stl_request; STL_ESTOPPED
 * when the sink asked to stop. */
int client_exchange(stl_client *c, const struct client_call *call, stl_response **out, stl_err *e);

/* What is asked of one thing of the API: /v1/COLLECTION[/NAME][/VERB][?wait=...]. The name is
 * percent-encoded. */
struct client_errand {
    const char *method;
    const char *collection; /* "/v1/messages" */
    const char *name;       /* or NULL */
    const char *verb;       /* "/commit", or NULL */
    int wait_ms;            /* over 0: what ?wait= asks for */
    int patience_ms;        /* likewise for a wait that stands in the body */
    struct slice body;
    bool repeatable;
};

/* 0 and an answer of 2xx; errors as stl_request and stl_response_check. */
int client_ask(stl_client *c, const struct client_errand *errand, stl_response **out, stl_err *e);
/* The same, read as a result; out may be NULL. */
int client_ask_result(stl_client *c, const struct client_errand *errand, stl_result **out, stl_err *e);
/* A wait as the API takes it. */
int client_wait(int wait_ms);

/* Fill *e (NULL is fine) and return code. */
int client_fail(stl_err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A result over an answer's body, which is taken out of the response. STL_EPROTOCOL when it is not what a
 * transaction, a message or a notification looks like. */
int client_result_new(stl_response *r, stl_result **out, stl_err *e);

/* Append text to a URL path or query, percent-encoding all but the unreserved characters of RFC 3986. */
void client_add_escaped(struct buffer *b, const char *text);

#endif
