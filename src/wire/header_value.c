#include "wire/header_value.h"

#include <assert.h>
#include <string.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/instant.h"
#include "base/limits.h"
#include "wire/http1.h"

#define EVENT_ID_BYTES 128

int header_value_retry_after(struct slice value, uint64_t now_epoch_ms, uint32_t *wait_ms) {
    uint64_t wait = 0;
    int code = slice_u64(value, &wait);
    if (code == ERR_LIMIT)
        wait = UINT64_MAX;
    if (code == ERR_SYNTAX) {
        uint64_t at;
        code = instant_parse_http(value, &at);
        if (code < 0)
            return ERR_SYNTAX;
        wait = at > now_epoch_ms ? at - now_epoch_ms : 0;
    } else if (__builtin_mul_overflow(wait, 1000u, &wait)) {
        wait = UINT64_MAX;
    }
    *wait_ms = (uint32_t)(wait < LIMIT_RETRY_AFTER_MS ? wait : LIMIT_RETRY_AFTER_MS);
    return 0;
}

int header_value_content_type(struct slice value, struct slice *essence) {
    size_t semicolon = slice_find(value, ';');
    struct slice type = slice_trim(slice_upto(value, semicolon));
    size_t slash = slice_find(type, '/');
    if (!http1_is_token(slice_upto(type, slash)) || !http1_is_token(slice_from(type, slash + 1)))
        return ERR_SYNTAX;
    struct slice parameters = slice_trim(slice_from(value, semicolon + 1));
    if (parameters.length > 0) {
        size_t equals = slice_find(parameters, '=');
        if (equals == parameters.length || !http1_is_token(slice_upto(parameters, equals)))
            return ERR_SYNTAX;
    }
    *essence = type;
    return 0;
}

/* Lower-case hexadecimal of exactly length bytes. */
static int read_hex(struct slice text, uint8_t *out, size_t length) {
    if (text.length != length * 2)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return ERR_SYNTAX;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return 0;
}

static bool all_zero(const uint8_t *bytes, size_t length) {
    uint8_t any = 0;
    for (size_t i = 0; i < length; i++)
        any |= bytes[i];
    return any == 0;
}

int header_value_traceparent(struct slice value, struct traceparent *out) {
    struct traceparent t;
    uint8_t version;
    if (value.length < TRACEPARENT_BYTES || value.at[2] != '-' || value.at[35] != '-' || value.at[52] != '-')
        return ERR_SYNTAX;
    if (read_hex(slice_of(value.at, 2), &version, 1) < 0 || version == 0xff ||
        read_hex(slice_of(value.at + 3, 32), t.trace, 16) < 0 ||
        read_hex(slice_of(value.at + 36, 16), t.span, 8) < 0 ||
        read_hex(slice_of(value.at + 53, 2), &t.flags, 1) < 0)
        return ERR_SYNTAX;
    if (value.length > TRACEPARENT_BYTES && (version == 0 || value.at[TRACEPARENT_BYTES] != '-'))
        return ERR_SYNTAX;
    if (all_zero(t.trace, 16) || all_zero(t.span, 8))
        return ERR_SYNTAX;
    *out = t;
    return 0;
}

void header_value_add_traceparent(struct buffer *to, const struct traceparent *t) {
    assert(!all_zero(t->trace, sizeof t->trace));
    assert(!all_zero(t->span, sizeof t->span));
    buffer_add_slice(to, SLICE("00-"));
    digest_add_hex(to, slice_of((const char *)t->trace, sizeof t->trace));
    buffer_add_byte(to, '-');
    digest_add_hex(to, slice_of((const char *)t->span, sizeof t->span));
    buffer_add_byte(to, '-');
    digest_add_hex(to, slice_of((const char *)&t->flags, 1));
}

static bool is_token68(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~+/", c) != NULL);
}

int header_value_bearer(struct slice value, struct slice *token) {
    if (!slice_is_nocase(slice_upto(value, 7), "bearer "))
        return ERR_SYNTAX;
    struct slice t = slice_trim(slice_from(value, 7));
    size_t end = 0;
    while (end < t.length && is_token68(t.at[end]))
        end++;
    size_t letters = end;
    while (end < t.length && t.at[end] == '=')
        end++;
    if (letters == 0 || end < t.length)
        return ERR_SYNTAX;
    *token = t;
    return 0;
}

int header_value_event_id(struct slice value, struct slice *id) {
    if (value.length >= 2 && value.at[0] == '"' && value.at[value.length - 1] == '"')
        value = slice_of(value.at + 1, value.length - 2);
    if (value.length == 0 || value.length > EVENT_ID_BYTES)
        return ERR_SYNTAX;
    for (size_t i = 0; i < value.length; i++)
        if (value.at[i] <= 0x20 || value.at[i] >= 0x7f || value.at[i] == '"' || value.at[i] == '\\')
            return ERR_SYNTAX;
    *id = value;
    return 0;
}
