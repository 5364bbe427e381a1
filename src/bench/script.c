#include "bench/script.h"

#include <assert.h>
#include <string.h>

static const char hole[SCRIPT_GID_BYTES + 1] =
    "\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001"
    "\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001";

#define PAYLOAD                                                                                    \
    "{\"sku\":\"A1\",\"qty\":2,\"user\":\"u9\",\"note\":\"settle bench, about a hundred bytes of " \
    "payload....\"}"

#define WAIT "?wait=30s"

static void find_holes(struct script_request *r) {
    const char *at = r->bytes.at, *end = r->bytes.at + r->bytes.length;
    while ((at = memmem(at, (size_t)(end - at), hole, SCRIPT_GID_BYTES)) != NULL) {
        assert(r->hole_count < SCRIPT_HOLES);
        r->holes[r->hole_count++] = (size_t)(at - r->bytes.at);
        at += SCRIPT_GID_BYTES;
    }
}

static struct script_request *add(struct script *s, unsigned line, unsigned wave) {
    struct script_request *r = &s->requests[s->count++];
    assert(s->count <= SCRIPT_REQUESTS_MAX);
    buffer_init(&r->bytes, 256 * 1024);
    r->line = line;
    r->wave = wave;
    return r;
}

static void add_call(struct script *s, unsigned branch, const char *op, unsigned line, unsigned wave) {
    struct script_request *r = add(s, line, wave);
    buffer_add_format(&r->bytes,
                      "POST /b%u/%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
                      "Settle-Gid: %s\r\nSettle-Branch: b%u\r\nSettle-Op: %s\r\nSettle-Attempt: 1\r\n"
                      "Settle-Deadline: 2026-01-07T10:00:00.012Z\r\nIdempotency-Key: %s:b%u:%s\r\n"
                      "traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n"
                      "webhook-id: %s:b%u:%s\r\nwebhook-timestamp: 1767780000\r\n"
                      "webhook-signature: v1,0123456789abcdef0123456789abcdef0123456789ab=\r\n"
                      "Content-Length: %zu\r\n\r\n" PAYLOAD,
                      branch, op, (unsigned)s->ports[line], hole, branch, op, hole, branch, op, hole, branch,
                      op, sizeof PAYLOAD - 1);
    find_holes(r);
}

static void add_branches(struct buffer *body, const struct load_options *o, const uint16_t *ports) {
    for (unsigned i = 0; i < o->branches; i++) {
        const unsigned port = ports[i];
        buffer_add_format(body, "%s{\"id\":\"b%u\",", i == 0 ? "" : ",", i);
        if (o->tcc)
            buffer_add_format(body, "\"base\":\"http://127.0.0.1:%u/b%u\"", port, i);
        else
            buffer_add_format(
                body,
                "\"action\":\"http://127.0.0.1:%u/b%u/action\",\"compensate\":\"http://127.0.0.1:%u/b%u/"
                "compensate\"",
                port, i, port, i);
        buffer_add_text(body, ",\"body\":" PAYLOAD "}");
    }
}

/* query: behind the path. more: members before the branches, each with a comma. */
static void add_submit(struct script *s, const struct load_options *o, const uint16_t *ports,
                       const char *authority, const char *query, const char *more, unsigned line) {
    struct script_request *r = add(s, line, 0);
    struct buffer body;
    buffer_init(&body, 256 * 1024);
    buffer_add_format(&body, "{\"gid\":\"%s\",\"mode\":\"%s\",%s\"branches\":[", hole,
                      o->tcc ? "tcc" : "saga", more);
    add_branches(&body, o, ports);
    buffer_add_text(&body, "]}");
    buffer_add_format(&r->bytes, "POST /v1/transactions%s HTTP/1.1\r\nHost: %s\r\n", query, authority);
    if (o->token != NULL)
        buffer_add_format(&r->bytes, "Authorization: Bearer %s\r\n", o->token);
    buffer_add_format(&r->bytes, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      body.length);
    buffer_add_slice(&r->bytes, buffer_slice(&body));
    if (buffer_failed(&body))
        r->bytes.failed = buffer_failed(&body);
    buffer_done(&body);
    if (!buffer_failed(&r->bytes))
        find_holes(r);
}

static void add_calls(struct script *s, const struct load_options *o, unsigned wave) {
    for (unsigned i = 0; i < o->branches; i++)
        add_call(s, i, o->tcc ? "try" : "action", i, o->tcc ? wave : wave + i);
    for (unsigned i = 0; i < o->branches && o->tcc; i++)
        add_call(s, i, "confirm", i, wave + 1);
}

/* Did every request find room? */
static int judge(struct script *s) {
    for (unsigned i = 0; i < s->count; i++)
        if (buffer_failed(&s->requests[i].bytes)) {
            script_done(s);
            return ERR_MEMORY;
        }
    return 0;
}

int script_init(struct script *s, const struct load_options *o, const uint16_t *ports) {
    *s = (struct script){ .count = 0 };
    assert(o->branches > 0);
    assert(o->branches <= LOAD_BRANCHES_MAX);
    if (o->kind == LOAD_WHOLE) {
        s->lines = 1;
        add_submit(s, o, ports, o->authority, WAIT, "", 0);
    } else {
        s->lines = o->branches + (o->kind == LOAD_HTTP);
        memcpy(s->ports, ports, s->lines * sizeof *ports);
        if (o->kind == LOAD_HTTP)
            add_submit(s, o, ports, "127.0.0.1:8711", WAIT, "", o->branches);
        add_calls(s, o, o->kind == LOAD_HTTP ? 1 : 0);
    }
    return judge(s);
}

int script_init_waiting(struct script *s, const struct load_options *o, uint16_t busy_port) {
    uint16_t ports[LOAD_BRANCHES_MAX];
    *s = (struct script){ .lines = 1 };
    for (unsigned i = 0; i < o->branches; i++)
        ports[i] = busy_port;
    add_submit(s, o, ports, o->authority, "", "\"deadline\":\"24h\",", 0);
    return judge(s);
}

void script_done(struct script *s) {
    for (unsigned i = 0; i < s->count; i++)
        buffer_done(&s->requests[i].bytes);
}

void script_fill(struct script_request *r, const char *gid) {
    for (size_t i = 0; i < r->hole_count; i++)
        memcpy(r->bytes.at + r->holes[i], gid, SCRIPT_GID_BYTES);
}
