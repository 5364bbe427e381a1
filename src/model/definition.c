#include "model/definition.h"

#include "base/err.h"
#include "base/leb128.h"

enum definition_bit {
    BIT_DELETED = 1,
    BIT_PAUSED = 2,
    BIT_ORDERED = 4,
    BIT_PARK_KEY = 8,
    BITS_ALL = 15,
};

static unsigned bits_of(const struct definition *d) {
    return (d->deleted ? BIT_DELETED : 0u) | (d->paused ? BIT_PAUSED : 0u) |
           (d->outlet.ordered ? BIT_ORDERED : 0u) | (d->outlet.park_key ? BIT_PARK_KEY : 0u);
}

void definition_encode(struct buffer *to, const struct definition *d) {
    const struct outlet *o = &d->outlet;
    leb128_put(to, d->kind);
    leb128_put(to, bits_of(d));
    leb128_put(to, d->at_ms);
    leb128_put_bytes(to, d->name);
    leb128_put_bytes(to, d->who);
    leb128_put_bytes(to, d->reason);
    leb128_put_bytes(to, d->source);
    leb128_put_bytes(to, o->topic);
    leb128_put_bytes(to, o->url);
    leb128_put(to, o->ack);
    leb128_put(to, o->concurrency);
    leb128_put(to, o->timeout_ms);
    leb128_put(to, o->ack_timeout_ms);
    leb128_put(to, o->retry.first_ms);
    leb128_put(to, o->retry.factor_percent);
    leb128_put(to, o->retry.max_ms);
    leb128_put(to, o->retry.for_ms);
    leb128_put(to, o->retry.then);
    leb128_put_bytes(to, o->refused_topic);
}

static void take_outlet(struct leb128_cursor *c, struct outlet *o) {
    o->topic = leb128_take_bytes(c);
    o->url = leb128_take_bytes(c);
    o->ack = (uint8_t)leb128_take_upto(c, ACK_CALL);
    o->concurrency = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    o->timeout_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    o->ack_timeout_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    o->retry.first_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    o->retry.factor_percent = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    o->retry.max_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    o->retry.for_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    o->retry.then = (uint8_t)leb128_take_upto(c, GIVE_UP_ATTENTION);
    o->refused_topic = leb128_take_bytes(c);
}

int definition_decode(struct slice bytes, struct definition *out) {
    struct leb128_cursor c = { .left = bytes };
    struct definition d = { 0 };
    d.kind = (uint8_t)leb128_take_upto(&c, DEFINITION_KIND_END - 1);
    uint64_t bits = leb128_take_upto(&c, BITS_ALL);
    d.at_ms = leb128_take(&c);
    d.name = leb128_take_bytes(&c);
    d.who = leb128_take_bytes(&c);
    d.reason = leb128_take_bytes(&c);
    d.source = leb128_take_bytes(&c);
    take_outlet(&c, &d.outlet);
    if (c.failed || c.left.length != 0 || d.kind == 0 || d.name.length == 0)
        return ERR_CORRUPT;
    d.deleted = (bits & BIT_DELETED) != 0;
    d.paused = (bits & BIT_PAUSED) != 0;
    d.outlet.ordered = (bits & BIT_ORDERED) != 0;
    d.outlet.park_key = (bits & BIT_PARK_KEY) != 0;
    *out = d;
    return 0;
}

const char *definition_word(uint8_t kind) {
    static const char *const words[DEFINITION_KIND_END] = {
        [DEFINITION_TOPIC] = "topic",
        [DEFINITION_SUBSCRIPTION] = "subscription",
        [DEFINITION_ENDPOINT] = "endpoint",
        [DEFINITION_DATASOURCE] = "datasource",
    };
    return kind > 0 && kind < DEFINITION_KIND_END ? words[kind] : "?";
}
