#include "sink/stomp/stomp_message.h"

#include <assert.h>

#include "base/utf8.h"
#include "wire/stomp.h"

#define PREFIX "header-"

/* Names that mean something to STOMP itself, to ActiveMQ (its JMS mapping) or to RabbitMQ (message properties
 * and arguments of the queue that a SEND may create). */
static const char *const taken[] = {
    "accept-version",
    "ack",
    "amq-msg-type",
    "amqp-message-id",
    "app-id",
    "auto-delete",
    "browser",
    "content-encoding",
    "content-length",
    "content-type",
    "destination",
    "durable",
    "exclusive",
    "expiration",
    "expires",
    "heart-beat",
    "host",
    "id",
    "login",
    "message",
    "message-id",
    "passcode",
    "persistent",
    "prefetch-count",
    "receipt",
    "receipt-id",
    "redelivered",
    "selector",
    "server",
    "session",
    "subscription",
    "timestamp",
    "transaction",
    "transformation",
    "transformation-error",
    "user-id",
    "version",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-message-ttl",
    "x-queue-name",
    "x-queue-type",
    "x-overflow",
    "x-stream-offset",
};

static bool is_taken(struct slice name) {
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (slice_is_nocase(name, taken[i]))
            return true;
    return slice_is_nocase(slice_upto(name, 7), "settle-") ||
           slice_is_nocase(slice_upto(name, 14), "amq_scheduled_");
}

static bool can_be_sent(const struct label *h) {
    if (h->key.length == 0 || h->key.length > STOMP_NAME_BYTES || !utf8_valid(h->key) ||
        !utf8_valid(h->value))
        return false;
    for (size_t i = 0; i < h->key.length; i++)
        if ((unsigned char)h->key.at[i] < 0x20 || h->key.at[i] == 0x7f)
            return false;
    return slice_find(h->value, '\0') == h->value.length;
}

static void add_own(struct buffer *to, const struct label *h) {
    char prefixed[sizeof PREFIX + STOMP_NAME_BYTES] = PREFIX;
    struct slice name = h->key;
    if (is_taken(name)) {
        memcpy(prefixed + sizeof PREFIX - 1, name.at, name.length);
        name = slice_of(prefixed, sizeof PREFIX - 1 + name.length);
    }
    stomp_add_header(to, name, h->value);
}

int stomp_message_write(struct buffer *to, const struct call *call, struct slice destination, bool persistent,
                        uint64_t receipt) {
    const struct call_message *m = call->message;
    assert(m != NULL);
    assert(destination.length > 0);
    stomp_add_command(to, STOMP_SEND);
    stomp_add_header(to, SLICE("destination"), destination);
    stomp_add_header_u64(to, "receipt", receipt);
    if (persistent)
        stomp_add_header(to, SLICE("persistent"), SLICE("true"));
    stomp_add_header(to, SLICE("content-type"), m->content_type);
    stomp_add_header_u64(to, "content-length", call->body.length);
    stomp_add_header(to, SLICE("settle-id"), m->id);
    stomp_add_header(to, SLICE("settle-topic"), m->topic);
    if (m->key.length > 0)
        stomp_add_header(to, SLICE("settle-key"), m->key);
    stomp_add_header(to, SLICE("settle-gid"), call->gid);
    for (size_t i = 0; i < m->header_count; i++)
        if (can_be_sent(&m->headers[i]))
            add_own(to, &m->headers[i]);
    stomp_add_head_end(to);
    return buffer_failed(to);
}
