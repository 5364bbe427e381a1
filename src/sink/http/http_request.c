#include "sink/http/http_request.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/instant.h"
#include "base/limits.h"
#include "wire/header_value.h"
#include "wire/http1.h"

#define OPERATION_BYTES 32
#define KEY_BYTES (LIMIT_GID_BYTES + LIMIT_BRANCH_ID_BYTES + OPERATION_BYTES + 2)

/* "gid/branch/op" in the caller's array. */
static struct slice write_key(const struct call *call, char key[KEY_BYTES]) {
    const struct slice parts[5] = { call->gid, SLICE("/"), call->branch_id, SLICE("/"), call->operation };
    size_t length = 0;
    assert(call->gid.length <= LIMIT_GID_BYTES);
    assert(call->branch_id.length <= LIMIT_BRANCH_ID_BYTES);
    assert(call->operation.length <= OPERATION_BYTES);
    for (size_t i = 0; i < 5; i++) {
        if (parts[i].length > 0)
            memcpy(key + length, parts[i].at, parts[i].length);
        length += parts[i].length;
    }
    return slice_of(key, length);
}

static void put_u64(uint8_t out[8], uint64_t number) {
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(number >> (56 - 8 * i));
}

static void add_traceparent(struct buffer *out, const struct call *call, struct slice key) {
    struct traceparent t = { .flags = 1 };
    put_u64(t.trace, hash_stable(call->gid));
    put_u64(t.trace + 8, hash_pair_stable(SLICE("trace"), call->gid));
    /* An odd multiplier keeps the spans of different attempts apart. */
    put_u64(t.span, hash_pair_stable(SLICE("span"), key) + call->attempt * UINT64_C(0x9e3779b97f4a7c15));
    t.trace[15] |= 1; /* never all zero */
    t.span[7] |= 1;
    buffer_add_slice(out, SLICE("traceparent: "));
    header_value_add_traceparent(out, &t);
    buffer_add_slice(out, SLICE("\r\n"));
}

static void add_signature(struct buffer *out, const struct call *call, struct slice key,
                          const struct signature_secret *secrets, size_t count, uint64_t now_ms) {
    char id[KEY_BYTES];
    for (size_t i = 0; i < key.length; i++)
        id[i] = key.at[i] == '.' ? '~' : key.at[i];
    http1_add_header(out, "webhook-id", slice_of(id, key.length));
    http1_add_header_u64(out, "webhook-timestamp", now_ms / 1000);
    buffer_add_slice(out, SLICE("webhook-signature: "));
    signature_add(out, secrets, count, slice_of(id, key.length), now_ms / 1000, call->body);
    buffer_add_slice(out, SLICE("\r\n"));
}

/* A header whose value somebody else wrote: what belongs into no line becomes a blank. */
static void add_foreign(struct buffer *out, struct slice name, struct slice value) {
    buffer_add_slice(out, name);
    buffer_add_slice(out, SLICE(": "));
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.at[i];
        buffer_add_byte(out, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    }
    buffer_add_slice(out, SLICE("\r\n"));
}

static void add_delivery(struct buffer *out, const struct call *call) {
    const struct call_message *m = call->message;
    http1_add_header(out, "Settle-Message", m->id);
    http1_add_header(out, "Settle-Topic", m->topic);
    if (m->key.length > 0)
        add_foreign(out, SLICE("Settle-Key"), m->key);
    http1_add_header(out, "Settle-Subscription", call->branch_id);
    buffer_add_format(out, "Settle-Delivery: %.*s~%.*s\r\n", SLICE_PRINT(m->id),
                      SLICE_PRINT(call->branch_id));
}

static void add_notice(struct buffer *out, const struct call *call) {
    const struct call_message *m = call->message;
    http1_add_header(out, "Settle-Notification", m->id);
    http1_add_header(out, "Settle-Endpoint", call->signer);
    http1_add_header(out, "Settle-Event", m->topic);
    if (m->key.length > 0)
        add_foreign(out, SLICE("Settle-Ref"), m->key);
}

static void add_message(struct buffer *out, const struct call *call) {
    const struct call_message *m = call->message;
    if (call->signer.length > 0)
        add_notice(out, call);
    else
        add_delivery(out, call);
    for (size_t i = 0; i < m->header_count; i++)
        add_foreign(out, m->headers[i].key, m->headers[i].value);
}

int http_request_write(struct buffer *out, const struct call *call, const struct url *url,
                       const struct signature_secret *secrets, size_t count, uint64_t now_ms) {
    char key_bytes[KEY_BYTES];
    struct slice key = write_key(call, key_bytes);
    http1_add_request(out, "POST", url->target, url->authority);
    buffer_add_slice(out, SLICE("User-Agent: settled/" SETTLE_VERSION "\r\n"));
    http1_add_header(out, "Content-Type",
                     call->message == NULL ? SLICE("application/json") : call->message->content_type);
    http1_add_header_u64(out, "Content-Length", call->body.length);
    http1_add_header(out, "Settle-Gid", call->gid);
    http1_add_header(out, "Settle-Branch", call->branch_id);
    http1_add_header(out, "Settle-Op", call->operation);
    http1_add_header_u64(out, "Settle-Attempt", call->attempt);
    if (call->deadline_ms != 0) {
        buffer_add_slice(out, SLICE("Settle-Deadline: "));
        instant_add(out, call->deadline_ms);
        buffer_add_slice(out, SLICE("\r\n"));
    }
    if (call->message != NULL)
        add_message(out, call);
    else if (slice_is(call->operation, "check"))
        http1_add_header(out, "Settle-Message", call->gid);
    http1_add_header(out, "Idempotency-Key", key);
    add_traceparent(out, call, key);
    if (count > 0)
        add_signature(out, call, key, secrets, count, now_ms);
    http1_add_head_end(out);
    return buffer_failed(out);
}
