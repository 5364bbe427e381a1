#include "wire/rocketmq_message.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/digest.h"
#include "base/utf8.h"

#define NAME_END 0x01
#define VALUE_END 0x02

static bool is_capital(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool rocketmq_name_valid(struct slice name, size_t max) {
    if (name.length == 0 || name.length > max)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        if (!is_capital(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '%' && c != '|')
            return false;
    }
    return true;
}

static void add_clean(struct buffer *to, struct slice text) {
    const char *end = text.at + text.length;
    for (const char *at = text.at; at < end;) {
        size_t length = utf8_length(at, end);
        if (length == 0)
            buffer_add_byte(to, '?');
        else if (*at == NAME_END || *at == VALUE_END)
            buffer_add_byte(to, ' ');
        else
            buffer_add(to, at, length);
        at += length == 0 ? 1 : length;
    }
}

static void add_pair(struct buffer *to, const char *before, struct slice name, struct slice value) {
    if (name.length == 0 || value.length == 0)
        return;
    buffer_add_text(to, before);
    add_clean(to, name);
    buffer_add_byte(to, NAME_END);
    add_clean(to, value);
    buffer_add_byte(to, VALUE_END);
}

void rocketmq_property_add(struct buffer *to, struct slice name, struct slice value) {
    add_pair(to, "", name, value);
}

void rocketmq_property_add_foreign(struct buffer *to, struct slice name, struct slice value) {
    bool reserved = true;
    for (size_t i = 0; i < name.length; i++)
        reserved &= is_capital(name.at[i]);
    add_pair(to, reserved || slice_starts(name, "__") ? ROCKETMQ_FOREIGN : "", name, value);
}

struct slice rocketmq_property_value(struct slice properties, const char *name) {
    while (properties.length > 0) {
        struct slice pair = slice_upto(properties, slice_find(properties, VALUE_END));
        properties = slice_from(properties, pair.length + 1);
        size_t name_end = slice_find(pair, NAME_END);
        if (name_end < pair.length && slice_is(slice_upto(pair, name_end), name))
            return slice_from(pair, name_end + 1);
    }
    return SLICE_NONE;
}

void rocketmq_unique_key(struct slice topic, struct slice id, char out[ROCKETMQ_UNIQUE_BYTES]) {
    static const char digits[] = "0123456789ABCDEF";
    struct digest d;
    uint8_t sum[DIGEST_BYTES];
    digest_init(&d);
    digest_add(&d, topic);
    digest_add(&d, SLICE("\0"));
    digest_add(&d, id);
    digest_end(&d, sum);
    for (size_t i = 10; i < 14; i++) /* where a client keeps the time */
        sum[i] = 0;
    for (size_t i = 0; i < ROCKETMQ_UNIQUE_BYTES; i++)
        out[i] = digits[i % 2 == 0 ? sum[i / 2] >> 4 : sum[i / 2] & 15];
}

static struct slice write_number(char room[24], uint64_t number) {
    size_t at = 24;
    do {
        room[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return slice_of(room + at, 24 - at);
}

void rocketmq_send_encode(struct rocketmq_send *send, struct rocketmq_command *out) {
    const struct rocketmq_field fields[] = {
        { SLICE("a"), send->group },
        { SLICE("b"), send->topic },
        { SLICE("c"), SLICE(ROCKETMQ_TEMPLATE_TOPIC) },
        { SLICE("d"), SLICE("4") }, /* ROCKETMQ_TEMPLATE_QUEUES */
        { SLICE("e"), write_number(send->numbers[0], send->queue) },
        { SLICE("f"), SLICE("0") }, /* neither compressed nor part of a transaction */
        { SLICE("g"), write_number(send->numbers[1], send->born_ms) },
        { SLICE("h"), SLICE("0") },
        { SLICE("i"), send->properties },
        { SLICE("j"), SLICE("0") },
        { SLICE("k"), SLICE("false") },
        { SLICE("m"), SLICE("false") },
        { SLICE("n"), send->broker },
    };
    static_assert(sizeof fields / sizeof fields[0] <= ROCKETMQ_FIELDS - 2,
                  "room for the two of access control");
    out->code = ROCKETMQ_SEND_MESSAGE;
    out->language = ROCKETMQ_LANGUAGE_OTHER;
    out->version = ROCKETMQ_VERSION;
    out->remark = SLICE_NONE;
    out->field_count = sizeof fields / sizeof fields[0];
    memcpy(out->fields, fields, sizeof fields);
}

static bool is_before(struct slice a, struct slice b) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.at, b.at, shorter);
    return order < 0 || (order == 0 && a.length < b.length);
}

int rocketmq_sign(const struct rocketmq_command *c, struct slice body, struct slice secret,
                  struct buffer *scratch, char out[ROCKETMQ_SIGNATURE_BYTES]) {
    const struct rocketmq_field *last = NULL;
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    buffer_clear(scratch);
    for (size_t i = 0; i < c->field_count; i++) {
        const struct rocketmq_field *next = NULL;
        for (const struct rocketmq_field *f = c->fields; f < c->fields + c->field_count; f++)
            if ((last == NULL || is_before(last->name, f->name)) &&
                (next == NULL || is_before(f->name, next->name)))
                next = f;
        if (next == NULL)
            break;
        if (!slice_is(next->name, "Signature"))
            buffer_add_slice(scratch, next->value);
        last = next;
    }
    buffer_add_slice(scratch, body);
    if (buffer_failed(scratch) < 0)
        return buffer_failed(scratch);
    if (HMAC(EVP_sha1(), secret.at, (int)secret.length, (const unsigned char *)scratch->at, scratch->length,
             sum, &length) == NULL)
        return ERR_MEMORY;
    buffer_clear(scratch);
    digest_add_base64(scratch, slice_of((const char *)sum, length), BASE64_STANDARD);
    if (buffer_failed(scratch) < 0)
        return buffer_failed(scratch);
    assert(scratch->length == ROCKETMQ_SIGNATURE_BYTES);
    memcpy(out, scratch->at, ROCKETMQ_SIGNATURE_BYTES);
    return 0;
}

/* Names and meanings: rocketmq.md 3.3 and 17. A code that nobody knows is tried again elsewhere. */
static const struct {
    int32_t code;
    enum rocketmq_verdict verdict;
    const char *text;
} codes[] = {
    { 0, ROCKETMQ_STORED, "SUCCESS" },
    { 1, ROCKETMQ_ELSEWHERE, "SYSTEM_ERROR" },
    { 2, ROCKETMQ_ELSEWHERE, "SYSTEM_BUSY" },
    { 3, ROCKETMQ_REFUSED, "REQUEST_CODE_NOT_SUPPORTED" },
    { 10, ROCKETMQ_WEAK, "FLUSH_DISK_TIMEOUT" },
    { 11, ROCKETMQ_WEAK, "SLAVE_NOT_AVAILABLE" },
    { 12, ROCKETMQ_WEAK, "FLUSH_SLAVE_TIMEOUT" },
    { 13, ROCKETMQ_REFUSED, "MESSAGE_ILLEGAL" },
    { 14, ROCKETMQ_ELSEWHERE, "SERVICE_NOT_AVAILABLE" },
    { 15, ROCKETMQ_REFUSED, "VERSION_NOT_SUPPORTED" },
    { 16, ROCKETMQ_REFUSED, "NO_PERMISSION" },
    { 17, ROCKETMQ_ELSEWHERE, "TOPIC_NOT_EXIST" },
    { 29, ROCKETMQ_REFUSED, "INVALID_PARAMETER" },
    { 204, ROCKETMQ_ELSEWHERE, "NO_BUYER_ID" },
    { 205, ROCKETMQ_ELSEWHERE, "NOT_IN_CURRENT_UNIT" },
    { 215, ROCKETMQ_ELSEWHERE, "FLOW_CONTROL" },
    { 1500, ROCKETMQ_ELSEWHERE, "GO_AWAY" },
};

enum rocketmq_verdict rocketmq_verdict(int32_t code) {
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].code == code)
            return codes[i].verdict;
    return ROCKETMQ_ELSEWHERE;
}

const char *rocketmq_code_text(int32_t code) {
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].code == code)
            return codes[i].text;
    return "unknown code";
}
