/* The hosts that are, or lately were, called: for each its place in the pool and its breaker.
 *
 * Found by name, port and scheme; the least recently called are forgotten beyond HTTP_HOSTS_MAX. One thread.
 */
#ifndef SINK_HTTP_HOST_H
#define SINK_HTTP_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "base/chain.h"
#include "base/table.h"
#include "net/pool.h"
#include "sink/http/breaker.h"
#include "wire/url.h"

#define HTTP_HOSTS_MAX 4096

struct http_host {
    struct chain link; /* the least recently called first */
    struct pool_endpoint *endpoint;
    struct breaker breaker;
    size_t calls; /* unanswered: the host is kept as long as there are any; the sink counts */
    uint64_t hash;
    uint16_t port;
    bool secure;
    char name[POOL_HOST_BYTES]; /* in lower case, NUL-terminated */
};

struct http_hosts {
    struct pool *pool;
    struct chain by_use;
    struct table table;
    uint64_t seed;
    size_t count;
    size_t open; /* whose breaker is open */
    uint64_t openings;
};

/* seed: secret, for the table. */
void http_hosts_init(struct http_hosts *hosts, struct pool *pool, uint64_t seed);
/* Before the pool is freed; no host may have calls. */
void http_hosts_done(struct http_hosts *hosts);
/* The host of this URL, made when it is new. NULL when there is no memory. */
struct http_host *http_hosts_find(struct http_hosts *hosts, const struct url *url, uint64_t now_ms);
/* What a call has shown about its host: see breaker.h. */
void http_hosts_failed(struct http_hosts *hosts, struct http_host *h, uint64_t now_ms);
void http_hosts_answered(struct http_hosts *hosts, struct http_host *h, uint64_t now_ms);

#endif
