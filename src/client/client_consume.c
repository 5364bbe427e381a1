/* Consuming reliable messages: pull, ack, nack. */
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "client/draft.h"

#define BATCH_BYTES (256 * 1024 * 1024) /* decoded strings and bodies of one answer */
#define REQUEST_BYTES (64 * 1024)
#define PULL_MAX 1000

struct stl_batch {
    struct arena arena; /* all that the deliveries point at */
    stl_delivery *deliveries;
    size_t count;
};

/* ---- reading ----------------------------------------------------------------------------------------- */

/* A copy that ends with NUL. */
static const char *keep(struct arena *arena, struct slice text) {
    char *copy = arena_take(arena, text.length + 1);
    if (copy != NULL && text.length > 0)
        memcpy(copy, text.at, text.length);
    return copy;
}

/* The member decoded; "" when it is absent. NULL when out of memory. */
static const char *text_member(struct arena *arena, struct json_value object, const char *name) {
    struct json_value value;
    struct slice text;
    if (!json_member(object, name, &value) || value.kind != JSON_STRING)
        return "";
    return json_string(value, arena, &text) == 0 ? keep(arena, text) : NULL;
}

static int read_headers(struct arena *arena, struct json_value item, stl_delivery *d) {
    struct json_value headers, key, value;
    struct slice name, text;
    size_t count = 0;
    if (!json_member(item, "headers", &headers) || headers.kind != JSON_OBJECT)
        return 0;
    struct json_cursor cursor = json_cursor_of(headers);
    while (json_member_next(&cursor, &key, &value))
        count++;
    stl_header *all = arena_take_array(arena, count + 1, sizeof *all);
    if (all == NULL)
        return STL_EMEMORY;
    cursor = json_cursor_of(headers);
    while (json_member_next(&cursor, &key, &value)) {
        if (value.kind != JSON_STRING)
            continue;
        if (json_string(key, arena, &name) != 0 || json_string(value, arena, &text) != 0)
            return STL_EMEMORY;
        all[d->header_count] = (stl_header){ keep(arena, name), keep(arena, text) };
        if (all[d->header_count].name == NULL || all[d->header_count].value == NULL)
            return STL_EMEMORY;
        d->header_count++;
    }
    d->headers = all;
    return 0;
}

/* JSON stands in the answer as it was published; other bytes come as base64. */
static int read_body(struct arena *arena, struct json_value item, stl_delivery *d) {
    struct json_value value;
    struct slice text, bytes = SLICE_NONE;
    struct buffer decoded;
    int result = 0;
    buffer_init(&decoded, CLIENT_ANSWER_BYTES);
    if (json_member(item, "body", &value)) {
        bytes = value.raw;
    } else if (json_member(item, "body_base64", &value) && value.kind == JSON_STRING) {
        result = json_string(value, arena, &text);
        if (result == 0)
            result = digest_parse_base64(text, &decoded, BASE64_STANDARD);
        bytes = buffer_slice(&decoded);
    }
    if (result == 0) {
        d->body_length = bytes.length;
        d->body = keep(arena, bytes);
    }
    buffer_done(&decoded);
    if (result == ERR_SYNTAX)
        return STL_EPROTOCOL;
    return result != 0 || d->body == NULL ? STL_EMEMORY : 0;
}

static int read_delivery(struct arena *arena, struct json_value item, stl_delivery *d) {
    struct json_value attempt;
    uint64_t number = 0;
    d->id = text_member(arena, item, "id");
    d->message = text_member(arena, item, "message");
    d->topic = text_member(arena, item, "topic");
    d->key = text_member(arena, item, "key");
    d->content_type = text_member(arena, item, "content_type");
    if (d->id == NULL || d->message == NULL || d->topic == NULL || d->key == NULL || d->content_type == NULL)
        return STL_EMEMORY;
    if (json_member(item, "attempt", &attempt) && json_u64(attempt, &number) == 0)
        d->attempt = (int)number;
    if (*d->id == '\0')
        return STL_EPROTOCOL;
    int result = read_headers(arena, item, d);
    return result == 0 ? read_body(arena, item, d) : result;
}

static int read_batch(stl_batch *b, const stl_response *response) {
    struct json_value root, items, item;
    size_t length = 0, count = 0;
    const char *body = stl_response_body(response, &length);
    if (json_check(slice_of(body, length), &root, NULL) != 0 || !json_member(root, "items", &items) ||
        items.kind != JSON_ARRAY)
        return STL_EPROTOCOL;
    struct json_cursor cursor = json_cursor_of(items);
    while (json_element_next(&cursor, &item))
        count++;
    b->deliveries = arena_take_array(&b->arena, count + 1, sizeof *b->deliveries);
    if (b->deliveries == NULL)
        return STL_EMEMORY;
    cursor = json_cursor_of(items);
    while (json_element_next(&cursor, &item)) {
        int result = read_delivery(&b->arena, item, &b->deliveries[b->count]);
        if (result != 0)
            return result;
        b->count++;
    }
    return 0;
}

/* ---- pulling ----------------------------------------------------------------------------------------- */

int stl_pull(stl_client *c, const char *subscription, int max, int lease_ms, int wait_ms, stl_batch **out,
             stl_err *e) {
    struct client_errand errand = { .method = "POST",
                                    .collection = "/v1/subscriptions",
                                    .name = subscription,
                                    .verb = "/pull",
                                    .patience_ms = client_wait(wait_ms) };
    stl_response *response = NULL;
    struct json_writer w;
    struct buffer body;
    if (subscription == NULL || *subscription == '\0')
        return client_fail(e, STL_EINVALID, "which subscription?");
    if (max < 1 || max > PULL_MAX || lease_ms < 0)
        return client_fail(e, STL_EINVALID,
                           "a pull takes 1 to %d deliveries, and a lease that is not negative", PULL_MAX);
    stl_batch *b = calloc(1, sizeof *b);
    if (b == NULL)
        return client_fail(e, STL_EMEMORY, "out of memory");
    arena_init(&b->arena, 64 * 1024, BATCH_BYTES);
    buffer_init(&body, REQUEST_BYTES);
    json_writer_init(&w, &body);
    json_put_object(&w, NULL);
    json_put_u64(&w, "max", (uint64_t)max);
    draft_put_ms(&w, "lease", lease_ms);
    draft_put_ms(&w, "wait", errand.patience_ms);
    json_put_end(&w);
    errand.body = buffer_slice(&body);
    int result = buffer_failed(&body) ? client_fail(e, STL_EMEMORY, "out of memory")
                                      : client_ask(c, &errand, &response, e);
    buffer_done(&body);
    if (result == 0) {
        result = read_batch(b, response);
        if (result != 0)
            client_fail(e, result, result == STL_EMEMORY ? "out of memory" : "the answer is not a batch");
    }
    stl_response_free(response);
    if (result == 0)
        *out = b;
    else
        stl_batch_free(b);
    return result;
}

size_t stl_batch_count(const stl_batch *b) {
    return b->count;
}

const stl_delivery *stl_batch_at(const stl_batch *b, size_t index) {
    return index < b->count ? &b->deliveries[index] : NULL;
}

void stl_batch_free(stl_batch *b) {
    if (b == NULL)
        return;
    arena_done(&b->arena);
    free(b);
}

/* ---- answering --------------------------------------------------------------------------------------- */

static int settle_delivery(stl_client *c, const char *delivery, const char *verb, struct buffer *body,
                           stl_err *e) {
    /* A repeated ack is an ack, and so is a repeated refusal; a nack that is repeated at once says the same.
     */
    struct client_errand errand = { .method = "POST",
                                    .collection = "/v1/deliveries",
                                    .name = delivery,
                                    .verb = verb,
                                    .body = buffer_slice(body),
                                    .repeatable = true };
    stl_response *response = NULL;
    int result = delivery == NULL || *delivery == '\0' ? client_fail(e, STL_EINVALID, "which delivery?")
                 : buffer_failed(body) ? client_fail(e, STL_EINVALID, "the reason is too long")
                                       : client_ask(c, &errand, &response, e);
    buffer_done(body);
    stl_response_free(response);
    return result;
}

int stl_ack(stl_client *c, const char *delivery, stl_err *e) {
    struct buffer body;
    buffer_init(&body, 1);
    return settle_delivery(c, delivery, "/ack", &body, e);
}

static int nack(stl_client *c, const char *delivery, long long delay_ms, bool refused, const char *reason,
                stl_err *e) {
    struct json_writer w;
    struct buffer body;
    buffer_init(&body, REQUEST_BYTES);
    json_writer_init(&w, &body);
    json_put_object(&w, NULL);
    draft_put_ms(&w, "delay", delay_ms);
    if (refused)
        json_put_bool(&w, "refused", true);
    if (reason != NULL)
        json_put_text(&w, "reason", reason);
    json_put_end(&w);
    return settle_delivery(c, delivery, "/nack", &body, e);
}

int stl_nack(stl_client *c, const char *delivery, long long delay_ms, const char *reason, stl_err *e) {
    if (delay_ms < 0)
        return client_fail(e, STL_EINVALID, "the delay must not be negative");
    return nack(c, delivery, delay_ms, false, reason, e);
}

int stl_refuse(stl_client *c, const char *delivery, const char *reason, stl_err *e) {
    return nack(c, delivery, 0, true, reason, e);
}
