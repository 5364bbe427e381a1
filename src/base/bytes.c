#include "base/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/eight.h"
#include "base/err.h"

bool slice_is(struct slice s, const char *text) {
    return slice_equal(s, slice_text(text));
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool slice_equal_nocase(struct slice a, struct slice b) {
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

bool slice_starts(struct slice s, const char *text) {
    return slice_is(slice_upto(s, strlen(text)), text);
}

bool slice_ends(struct slice s, const char *text) {
    size_t length = strlen(text);
    return s.length >= length && slice_is(slice_from(s, s.length - length), text);
}

static bool control(char byte) {
    unsigned char c = (unsigned char)byte;
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

bool slice_has_control(struct slice s) {
    for (size_t i = 0; i < s.length; i++) {
        while (s.length - i > 8 &&
               (eight_below(eight_at(s.at + i), 0x20) | eight_equal(eight_at(s.at + i), 0x7f)) == 0)
            i += 8;
        if (control(s.at[i]))
            return true;
    }
    return false;
}

size_t slice_find(struct slice s, char byte) {
    if (s.length == 0)
        return 0;
    const char *hit = memchr(s.at, byte, s.length);
    return hit == NULL ? s.length : (size_t)(hit - s.at);
}

static bool blank(char c) {
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s) {
    while (s.length > 0 && blank(s.at[0]))
        s = slice_from(s, 1);
    while (s.length > 0 && blank(s.at[s.length - 1]))
        s.length--;
    return s;
}

static bool white(char c) {
    return blank(c) || c == '\r' || c == '\n';
}

struct slice slice_strip(struct slice s) {
    while (s.length > 0 && white(s.at[0]))
        s = slice_from(s, 1);
    while (s.length > 0 && white(s.at[s.length - 1]))
        s.length--;
    return s;
}

int slice_u64(struct slice s, uint64_t *out) {
    uint64_t number = 0;
    if (s.length == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < s.length; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return ERR_SYNTAX;
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(s.at[i] - '0'), &number))
            return ERR_LIMIT;
    }
    *out = number;
    return 0;
}

void buffer_init(struct buffer *b, size_t max) {
    assert(max > 0);
    *b = (struct buffer){ .max = max };
}

void buffer_done(struct buffer *b) {
    if (b == NULL)
        return;
    free(b->at);
    *b = (struct buffer){ .max = b->max };
}

void buffer_clear(struct buffer *b) {
    b->length = 0;
    b->failed = 0;
}

int buffer_failed(const struct buffer *b) {
    return b->failed;
}

char *buffer_detach(struct buffer *b, size_t *length) {
    char *at = b->at;
    *length = b->length;
    *b = (struct buffer){ .max = b->max };
    return at;
}

char *buffer_reserve(struct buffer *b, size_t more) {
    size_t need;
    assert(b->max > 0);
    if (b->failed != 0)
        return NULL;
    if (__builtin_add_overflow(b->length, more, &need) || need > b->max) {
        b->failed = ERR_LIMIT;
        return NULL;
    }
    if (need > b->capacity || b->at == NULL) {
        size_t capacity = b->capacity < 64 ? 64 : b->capacity;
        if (capacity > b->max)
            capacity = b->max;
        while (capacity < need)
            capacity = capacity > b->max / 2 ? b->max : capacity * 2;
        char *grown = realloc(b->at, capacity);
        if (grown == NULL) {
            b->failed = ERR_MEMORY;
            return NULL;
        }
        b->at = grown;
        b->capacity = capacity;
    }
    return b->at + b->length;
}

void buffer_grew(struct buffer *b, size_t more) {
    assert(more <= b->capacity - b->length);
    b->length += more;
}

void buffer_add_u64(struct buffer *b, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    buffer_add(b, digits + at, sizeof digits - at);
}

void buffer_add_format(struct buffer *b, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    char *to = buffer_reserve(b, (size_t)length + 1); /* vsnprintf also writes a NUL, which does not count */
    if (to == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(to, (size_t)length + 1, format, arguments);
    va_end(arguments);
    b->length += (size_t)length;
}

void buffer_consume(struct buffer *b, size_t length) {
    assert(length <= b->length);
    if (length == 0)
        return;
    memmove(b->at, b->at + length, b->length - length);
    b->length -= length;
}

void buffer_cut(struct buffer *b, size_t length) {
    assert(length <= b->length);
    b->length = length;
}
