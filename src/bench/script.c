#include "bench/script.h"

#include <assert.h>
#include <stdio.h>
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

static const char *mode_word(const struct load_options *o) {
    return o->mode == LOAD_TCC ? "tcc" : "saga";
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
        if (o->mode == LOAD_TCC)
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

/* A POST to settled, or to who answers like it. Releases body. */
static void add_post(struct script *s, const struct load_options *o, const char *path, struct buffer *body,
                     unsigned line, unsigned wave) {
    struct script_request *r = add(s, line, wave);
    const char *authority = o->kind == LOAD_WHOLE ? o->authority : "127.0.0.1:8711";
    buffer_add_format(&r->bytes, "POST %s HTTP/1.1\r\nHost: %s\r\n", path, authority);
    if (o->token != NULL)
        buffer_add_format(&r->bytes, "Authorization: Bearer %s\r\n", o->token);
    buffer_add_format(&r->bytes, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      body->length);
    buffer_add_slice(&r->bytes, buffer_slice(body));
    if (buffer_failed(body))
        r->bytes.failed = buffer_failed(body);
    buffer_done(body);
    if (!buffer_failed(&r->bytes))
        find_holes(r);
}

/* more: members before the branches, each with a comma. */
static void add_submit(struct script *s, const struct load_options *o, const uint16_t *ports,
                       const char *path, const char *more, unsigned line) {
    struct buffer body;
    buffer_init(&body, 256 * 1024);
    buffer_add_format(&body, "{\"gid\":\"%s\",\"mode\":\"%s\",%s\"branches\":[", hole, mode_word(o), more);
    add_branches(&body, o, ports);
    buffer_add_text(&body, "]}");
    add_post(s, o, path, &body, line, 0);
}

static void add_calls(struct script *s, const struct load_options *o, unsigned wave) {
    bool saga = o->mode == LOAD_SAGA, tcc = o->mode == LOAD_TCC;
    for (unsigned i = 0; i < o->branches; i++)
        add_call(s, i, saga ? "action" : tcc ? "try" : "deliver", i, saga ? wave + i : wave);
    for (unsigned i = 0; i < o->branches && tcc; i++)
        add_call(s, i, "confirm", i, wave + 1);
}

/* ---- messages ---------------------------------------------------------------------------------------- */

static void add_message(struct script *s, const struct load_options *o, const uint16_t *ports,
                        const char *path, unsigned line) {
    struct buffer body;
    buffer_init(&body, 256 * 1024);
    buffer_add_format(&body, "{\"id\":\"%s\",\"topic\":\"%s\",\"key\":\"%s\",", hole, o->topic, hole);
    if (o->mode == LOAD_HALF)
        buffer_add_format(&body, "\"state\":\"half\",\"check\":{\"http\":\"http://127.0.0.1:%u/check\"},",
                          (unsigned)ports[0]);
    buffer_add_text(&body, "\"body\":" PAYLOAD "}");
    add_post(s, o, path, &body, line, 0);
}

/* What the client says to settled about one message. Returns the wave behind it. */
static unsigned add_talk(struct script *s, const struct load_options *o, const uint16_t *ports,
                         unsigned line) {
    char path[256];
    struct buffer body;
    add_message(s, o, ports, o->mode == LOAD_PUBLISH ? "/v1/messages" WAIT : "/v1/messages", line);
    if (o->mode == LOAD_PUBLISH)
        return 1;
    buffer_init(&body, 4096);
    if (o->mode == LOAD_HALF) {
        snprintf(path, sizeof path, "/v1/messages/%s/commit" WAIT, hole);
        add_post(s, o, path, &body, line, 1);
        return 2;
    }
    buffer_add_text(&body, "{\"max\":1,\"lease\":\"30s\",\"wait\":\"10s\"}");
    snprintf(path, sizeof path, "/v1/subscriptions/%s/pull", o->topic);
    add_post(s, o, path, &body, line, 1);
    buffer_init(&body, 4096);
    snprintf(path, sizeof path, "/v1/deliveries/%s~%s/ack", hole, o->topic);
    add_post(s, o, path, &body, line, 2);
    return 3;
}

/* ---- a script ---------------------------------------------------------------------------------------- */

/* Did every request find room? */
static int judge(struct script *s) {
    for (unsigned i = 0; i < s->count; i++)
        if (buffer_failed(&s->requests[i].bytes)) {
            script_done(s);
            return ERR_MEMORY;
        }
    return 0;
}

#define COMMITTED "\"status\":\"committed\""
static const struct script_proof proofs[][3] = {
    [LOAD_SAGA] = { { 200, COMMITTED, false } },
    [LOAD_TCC] = { { 200, COMMITTED, false } },
    [LOAD_HALF] = { { 201, "\"half\"", false }, { 200, COMMITTED, false } },
    [LOAD_PUBLISH] = { { 200, COMMITTED, false } },
    [LOAD_PULL] = { { 201, COMMITTED, false }, { 200, NULL, true }, { 200, NULL, false } },
};
static const struct script_proof left_waiting[] = { { 202, NULL, false } };

int script_init(struct script *s, const struct load_options *o, const uint16_t *ports) {
    *s = (struct script){ .count = 0 };
    assert(o->branches > 0);
    assert(o->branches <= LOAD_BRANCHES_MAX);
    unsigned line = o->kind == LOAD_WHOLE ? 0 : o->branches, wave = o->kind == LOAD_FLOOR ? 0 : 1;
    if (o->kind == LOAD_WHOLE) {
        s->lines = 1;
        s->proofs = proofs[o->mode];
    } else {
        s->lines = o->branches + (o->kind == LOAD_HTTP);
        memcpy(s->ports, ports, s->lines * sizeof *ports);
    }
    if (o->kind != LOAD_FLOOR && load_is_message(o->mode))
        wave = add_talk(s, o, ports, line);
    else if (o->kind != LOAD_FLOOR)
        add_submit(s, o, ports, "/v1/transactions" WAIT, "", line);
    if (o->kind != LOAD_WHOLE && o->mode != LOAD_PULL)
        add_calls(s, o, wave);
    return judge(s);
}

int script_init_waiting(struct script *s, const struct load_options *o, uint16_t busy_port) {
    uint16_t ports[LOAD_BRANCHES_MAX];
    *s = (struct script){ .lines = 1, .proofs = left_waiting };
    for (unsigned i = 0; i < o->branches; i++)
        ports[i] = busy_port;
    add_submit(s, o, ports, "/v1/transactions", "\"deadline\":\"24h\",", 0);
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
