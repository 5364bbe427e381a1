#include "model/message_request.h"

#include "base/err.h"
#include "base/limits.h"

void labels_encode(struct buffer *to, const struct label *labels, uint16_t count) {
    leb128_put(to, count);
    for (size_t i = 0; i < count; i++) {
        leb128_put_bytes(to, labels[i].key);
        leb128_put_bytes(to, labels[i].value);
    }
}

int labels_decode(struct leb128_cursor *c, struct arena *arena, const struct label **labels,
                  uint16_t *count) {
    uint16_t taken = (uint16_t)leb128_take_upto(c, UINT16_MAX);
    if (c->failed || taken > c->left.length)
        return ERR_CORRUPT;
    struct label *all = arena_take_array(arena, taken, sizeof *all);
    if (all == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < taken; i++) {
        all[i].key = leb128_take_bytes(c);
        all[i].value = leb128_take_bytes(c);
    }
    *labels = all;
    *count = taken;
    return 0;
}

void message_request_encode(struct buffer *to, const struct message_request *m) {
    leb128_put_bytes(to, m->head.topic);
    leb128_put_bytes(to, m->head.key);
    leb128_put_bytes(to, m->head.content_type);
    leb128_put_bytes(to, m->body);
    labels_encode(to, m->head.headers, m->head.header_count);
    leb128_put_bytes(to, m->only);
    leb128_put_bytes(to, m->origin);
    leb128_put(to, m->delay_ms);
    leb128_put(to, m->check_after_ms);
    leb128_put(to, m->check_tries);
    leb128_put(to, m->half);
    leb128_put(to, m->schedule_count);
    for (size_t i = 0; i < m->schedule_count; i++)
        leb128_put(to, m->schedule_ms[i]);
    leb128_put(to, m->success_http);
    leb128_put_bytes(to, m->success_body);
}

static int take_schedule(struct leb128_cursor *c, struct arena *arena, struct message_request *m) {
    m->schedule_count = (uint16_t)leb128_take_upto(c, LIMIT_ATTEMPTS);
    if (c->failed || m->schedule_count > c->left.length)
        return ERR_CORRUPT;
    uint32_t *waits = arena_take_array(arena, m->schedule_count, sizeof *waits);
    if (waits == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < m->schedule_count; i++)
        waits[i] = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    m->schedule_ms = waits;
    return 0;
}

static int take_message(struct leb128_cursor *c, struct arena *arena, struct message_request *m) {
    m->head.topic = leb128_take_bytes(c);
    m->head.key = leb128_take_bytes(c);
    m->head.content_type = leb128_take_bytes(c);
    m->body = leb128_take_bytes(c);
    int result = labels_decode(c, arena, &m->head.headers, &m->head.header_count);
    if (result != 0)
        return result;
    m->only = leb128_take_bytes(c);
    m->origin = leb128_take_bytes(c);
    m->delay_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    m->check_after_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    m->check_tries = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    m->half = leb128_take_upto(c, 1) != 0;
    result = take_schedule(c, arena, m);
    m->success_http = (uint16_t)leb128_take_upto(c, 999);
    m->success_body = leb128_take_bytes(c);
    return result != 0 ? result : c->failed ? ERR_CORRUPT : 0;
}

int message_request_decode(struct leb128_cursor *c, struct arena *arena, const struct message_request **out) {
    struct message_request *m = arena_take(arena, sizeof *m);
    *out = m;
    return m == NULL ? ERR_MEMORY : take_message(c, arena, m);
}

uint32_t message_request_patience_ms(const struct message_request *m, uint32_t timeout_ms) {
    uint64_t all_ms = 60000;
    uint64_t each_ms = timeout_ms > 0 ? timeout_ms : LIMIT_CALL_TIMEOUT_MS_MAX;
    for (size_t i = 0; i < m->schedule_count; i++)
        all_ms += m->schedule_ms[i] + each_ms;
    return all_ms < UINT32_MAX ? (uint32_t)all_ms : UINT32_MAX;
}

void outgoing_request_encode(struct buffer *to, const struct outgoing_request *all, uint16_t count) {
    leb128_put(to, count);
    for (size_t i = 0; i < count; i++) {
        leb128_put(to, (all[i].on_rollback ? 1u : 0u) | (all[i].is_notice ? 2u : 0u));
        leb128_put(to, all[i].timeout_ms);
        message_request_encode(to, &all[i].message);
    }
}

int outgoing_request_decode(struct leb128_cursor *c, struct arena *arena, const struct outgoing_request **all,
                            uint16_t *count) {
    uint16_t taken = (uint16_t)leb128_take_upto(c, UINT16_MAX);
    if (c->failed || taken > c->left.length)
        return ERR_CORRUPT;
    struct outgoing_request *out = arena_take_array(arena, taken, sizeof *out);
    if (out == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < taken; i++) {
        uint64_t bits = leb128_take_upto(c, 3);
        out[i].on_rollback = (bits & 1) != 0;
        out[i].is_notice = (bits & 2) != 0;
        out[i].timeout_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
        int result = take_message(c, arena, &out[i].message);
        if (result != 0)
            return result;
    }
    *all = out;
    *count = taken;
    return 0;
}
