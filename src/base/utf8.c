#include "base/utf8.h"

#include <assert.h>

size_t utf8_length(const char *at, const char *end) {
    const unsigned char *b = (const unsigned char *)at;
    size_t length;
    assert(at < end);
    if (b[0] < 0x80)
        return 1;
    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 0;
    length = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    if ((size_t)(end - at) < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf0 && b[1] < 0x90) ||
        (b[0] == 0xf4 && b[1] > 0x8f))
        return 0;
    return length;
}

size_t utf8_write(uint32_t code, char out[4]) {
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    assert(code <= 0x10ffff);
    assert(code < 0xd800 || code > 0xdfff);
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[length] | code);
    return length;
}

/* The number in "\uXXXX", or -1. */
static int32_t escaped_unit(const char *at, const char *end) {
    int32_t unit = 0;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        char low = (char)(at[i] | 0x20);
        if (at[i] >= '0' && at[i] <= '9')
            unit = unit << 4 | (at[i] - '0');
        else if (low >= 'a' && low <= 'f')
            unit = unit << 4 | (low - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

size_t utf8_unescape(const char *at, const char *end, char out[4], size_t *length) {
    int32_t high = escaped_unit(at, end);
    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
        return 0;
    if (high < 0xd800 || high > 0xdfff) {
        *length = utf8_write((uint32_t)high, out);
        return 6;
    }
    int32_t low = escaped_unit(at + 6, end);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *length = utf8_write((uint32_t)(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), out);
    return 12;
}

bool utf8_valid(struct slice s) {
    const char *end = s.at + s.length;
    for (const char *at = s.at; at < end;) {
        size_t length = utf8_length(at, end);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}
