#include "sink/http/http_host.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

void http_hosts_init(struct http_hosts *hosts, struct pool *pool, uint64_t seed) {
    *hosts = (struct http_hosts){ .pool = pool, .seed = seed };
    table_init(&hosts->table);
    chain_init(&hosts->by_use);
}

static void drop(struct http_hosts *hosts, struct http_host *h) {
    assert(h->calls == 0);
    chain_remove(&h->link);
    table_remove(&hosts->table, h->hash, h);
    pool_release(h->endpoint);
    hosts->open -= h->breaker.open;
    hosts->count--;
    free(h);
}

void http_hosts_done(struct http_hosts *hosts) {
    while (!chain_empty(&hosts->by_use))
        drop(hosts, CHAIN_OWNER(hosts->by_use.next, struct http_host, link));
    table_done(&hosts->table);
}

/* Forget hosts without calls until there is room for one more. */
static void trim(struct http_hosts *hosts) {
    struct chain *link = hosts->by_use.next;
    while (hosts->count >= HTTP_HOSTS_MAX && link != &hosts->by_use) {
        struct http_host *h = CHAIN_OWNER(link, struct http_host, link);
        link = link->next;
        if (h->calls == 0)
            drop(hosts, h);
    }
}

static struct http_host *add(struct http_hosts *hosts, const struct url *url, const char *name, uint64_t hash,
                             uint64_t now_ms) {
    trim(hosts);
    struct http_host *h = calloc(1, sizeof *h);
    if (h == NULL || table_reserve(&hosts->table) < 0) {
        free(h);
        return NULL;
    }
    h->endpoint = pool_endpoint(hosts->pool, url->host, url->port, url->secure);
    if (h->endpoint == NULL) {
        free(h);
        return NULL;
    }
    breaker_init(&h->breaker, now_ms);
    h->hash = hash;
    h->port = url->port;
    h->secure = url->secure;
    memcpy(h->name, name, sizeof h->name);
    table_add(&hosts->table, hash, h);
    hosts->count++;
    return h;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

struct http_host *http_hosts_find(struct http_hosts *hosts, const struct url *url, uint64_t now_ms) {
    char name[POOL_HOST_BYTES] = "";
    size_t cursor = 0;
    assert(url->host.length < sizeof name);
    for (size_t i = 0; i < url->host.length; i++)
        name[i] = lower(url->host.at[i]);
    uint64_t seed = hosts->seed + url->port * 2u + url->secure;
    uint64_t hash = hash_seeded(seed, slice_of(name, url->host.length));
    struct http_host *h;
    while ((h = table_find(&hosts->table, hash, &cursor)) != NULL)
        if (h->port == url->port && h->secure == url->secure && strcmp(h->name, name) == 0)
            break;
    if (h == NULL)
        h = add(hosts, url, name, hash, now_ms);
    if (h == NULL)
        return NULL;
    chain_remove(&h->link);
    chain_add_last(&hosts->by_use, &h->link);
    return h;
}

void http_hosts_failed(struct http_hosts *hosts, struct http_host *h, uint64_t now_ms) {
    bool before = h->breaker.open;
    breaker_failed(&h->breaker, now_ms);
    hosts->open += h->breaker.open && !before;
    hosts->openings += h->breaker.open && !before;
}

void http_hosts_answered(struct http_hosts *hosts, struct http_host *h, uint64_t now_ms) {
    hosts->open -= h->breaker.open;
    breaker_answered(&h->breaker, now_ms);
}
