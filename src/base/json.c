#include "base/json.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

static bool blank(char byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && blank(*at))
        at++;
    return at;
}

static enum json_kind kind_of(char first) {
    switch (first) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 'n':
        return JSON_NULL;
    case 't':
    case 'f':
        return JSON_BOOL;
    default:
        return JSON_NUMBER;
    }
}

struct json_value json_value_of(struct slice raw) {
    assert(raw.length > 0);
    return (struct json_value){ .kind = kind_of(raw.at[0]), .raw = raw };
}

void json_place(struct slice document, const char *at, size_t *line, size_t *column) {
    assert(at >= document.at);
    assert(at <= document.at + document.length);
    *line = 1;
    *column = 1;
    for (const char *p = document.at; p < at; p++) {
        if (*p == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)*p & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

const char *json_kind_text(enum json_kind kind) {
    static const char *const words[] = { "null", "true or false", "number", "string", "array", "object" };
    assert((size_t)kind < sizeof words / sizeof words[0]);
    return words[kind];
}

/* Behind the string that begins at at, in checked bytes: at the first quote that an even number of
 * backslashes stands before. */
static const char *string_end(const char *at, const char *end) {
    const char *begin = at + 1;
    const char *quote = at;
    for (;;) {
        const char *escape;
        quote = memchr(quote + 1, '"', (size_t)(end - quote - 1));
        assert(quote != NULL);
        for (escape = quote; escape > begin && escape[-1] == '\\'; escape--)
            ;
        if ((quote - escape) % 2 == 0)
            return quote + 1;
    }
}

/* Behind the string, array or object that begins at at, in checked bytes. */
static const char *value_end(const char *at, const char *end) {
    unsigned depth = 0;
    if (*at == '"')
        return string_end(at, end);
    for (; at < end; at++) {
        /* '[' and '{', ']' and '}' differ by 0x20 only, and nothing else outside of strings becomes one. */
        if (*at == '"') {
            at = string_end(at, end) - 1;
        } else if ((*at | 0x20) == '{') {
            depth++;
        } else if ((*at | 0x20) == '}') {
            if (--depth == 0)
                return at + 1;
        }
    }
    assert(!"a checked value has an end");
    return end;
}

static struct json_value take_value(struct json_cursor *cursor) {
    const char *at = cursor->rest.at;
    const char *end = at + cursor->rest.length;
    struct json_value value = { .kind = kind_of(*at) };
    const char *behind = at;
    if (value.kind >= JSON_STRING)
        behind = value_end(at, end);
    else
        while (!blank(*behind) && *behind != ',' && *behind != ']' && *behind != '}')
            behind++;
    value.raw = slice_of(at, (size_t)(behind - at));
    behind = skip_blanks(behind, end);
    if (behind < end && (*behind == ',' || *behind == ':'))
        behind = skip_blanks(behind + 1, end);
    cursor->rest = slice_of(behind, (size_t)(end - behind));
    return value;
}

struct json_cursor json_cursor_of(struct json_value value) {
    assert(value.kind == JSON_OBJECT || value.kind == JSON_ARRAY);
    assert(value.raw.length >= 2);
    const char *end = value.raw.at + value.raw.length;
    const char *at = skip_blanks(value.raw.at + 1, end);
    return (struct json_cursor){ .rest = slice_of(at, (size_t)(end - at)) };
}

bool json_element_next(struct json_cursor *cursor, struct json_value *value) {
    assert(cursor->rest.length > 0);
    if (*cursor->rest.at == ']' || *cursor->rest.at == '}')
        return false;
    *value = take_value(cursor);
    return true;
}

bool json_member_next(struct json_cursor *cursor, struct json_value *key, struct json_value *value) {
    if (!json_element_next(cursor, key))
        return false;
    assert(key->kind == JSON_STRING);
    *value = take_value(cursor);
    return true;
}

/* Bytes that one unit of a checked string takes as written (a plain byte, or an escape); what it means goes
 * to out, *length bytes of it. */
static size_t unit(const char *at, const char *end, char out[4], size_t *length) {
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    *length = 1;
    out[0] = at[0];
    if (at[0] != '\\')
        return 1;
    if (at[1] == 'u')
        return utf8_unescape(at, end, out, length);
    out[0] = meanings[strchr(names, at[1]) - names];
    return 2;
}

/* Whether a string, or a token of a pointer, is what a checked string decodes to. In a token "~0" and "~1"
 * stand for '~' and '/'. */
static bool decodes_to(struct json_value value, struct slice text, bool token) {
    char bytes[4];
    size_t length;
    size_t used = 0;
    const char *end = value.raw.at + value.raw.length - 1;
    for (const char *at = value.raw.at + 1; at < end;) {
        at += unit(at, end, bytes, &length);
        for (size_t i = 0; i < length; i++) {
            if (used == text.length)
                return false;
            char wanted = text.at[used++];
            if (token && wanted == '~')
                wanted = text.at[used++] == '0' ? '~' : '/';
            if (wanted != bytes[i])
                return false;
        }
    }
    return used == text.length;
}

bool json_is(struct json_value value, const char *text) {
    /* Most comparisons with a table of names end at the first byte. */
    if (value.kind != JSON_STRING ||
        (value.raw.at[1] != text[0] && value.raw.at[1] != '\\' && text[0] != '\0'))
        return false;
    return decodes_to(value, slice_text(text), false);
}

bool json_member(struct json_value object, const char *name, struct json_value *value) {
    struct json_value key;
    struct json_value found;
    if (object.kind != JSON_OBJECT)
        return false;
    struct json_cursor cursor = json_cursor_of(object);
    while (json_member_next(&cursor, &key, &found))
        if (json_is(key, name)) {
            *value = found;
            return true;
        }
    return false;
}

int json_string(struct json_value value, struct arena *arena, struct slice *out) {
    if (value.kind != JSON_STRING)
        return ERR_INVALID;
    struct slice inner = slice_of(value.raw.at + 1, value.raw.length - 2);
    if (slice_find(inner, '\\') == inner.length) {
        *out = inner;
        return 0;
    }
    char *decoded = arena_take(arena, inner.length); /* decoding never lengthens */
    if (decoded == NULL)
        return ERR_MEMORY;
    size_t used = 0;
    for (size_t i = 0; i < inner.length;) {
        char bytes[4];
        size_t length;
        i += unit(inner.at + i, inner.at + inner.length, bytes, &length);
        memcpy(decoded + used, bytes, length);
        used += length;
    }
    *out = slice_of(decoded, used);
    return 0;
}

int json_u64(struct json_value value, uint64_t *out) {
    if (value.kind != JSON_NUMBER)
        return ERR_INVALID;
    bool negative = value.raw.at[0] == '-';
    uint64_t number;
    int failed = slice_u64(slice_from(value.raw, negative), &number);
    if (failed == ERR_SYNTAX)
        return ERR_INVALID;
    if (failed != 0 || (negative && number != 0))
        return ERR_LIMIT;
    *out = number;
    return 0;
}

int json_i64(struct json_value value, int64_t *out) {
    if (value.kind != JSON_NUMBER)
        return ERR_INVALID;
    bool negative = value.raw.at[0] == '-';
    uint64_t number;
    int failed = slice_u64(slice_from(value.raw, negative), &number);
    if (failed == ERR_SYNTAX)
        return ERR_INVALID;
    if (failed != 0 || number > (uint64_t)INT64_MAX + negative)
        return ERR_LIMIT;
    *out = negative ? (int64_t)(0 - number) : (int64_t)number;
    return 0;
}

int json_thousandths(struct json_value value, uint64_t *out) {
    if (value.kind != JSON_NUMBER)
        return ERR_INVALID;
    size_t dot = slice_find(value.raw, '.');
    struct slice decimals = slice_from(value.raw, dot + 1);
    uint64_t whole;
    uint64_t part = 0;
    int failed = slice_u64(slice_upto(value.raw, dot), &whole);
    if (failed == 0 && decimals.length > 0)
        failed = decimals.length > 3 ? ERR_INVALID : slice_u64(decimals, &part);
    if (failed != 0)
        return failed == ERR_SYNTAX ? ERR_INVALID : failed;
    for (size_t i = decimals.length; i < 3; i++)
        part *= 10;
    if (__builtin_mul_overflow(whole, 1000u, &whole) || __builtin_add_overflow(whole, part, &whole))
        return ERR_LIMIT;
    *out = whole;
    return 0;
}

int json_bool(struct json_value value, bool *out) {
    if (value.kind != JSON_BOOL)
        return ERR_INVALID;
    *out = value.raw.at[0] == 't';
    return 0;
}

int json_pointer_check(struct slice pointer) {
    if (pointer.length > 0 && pointer.at[0] != '/')
        return ERR_SYNTAX;
    for (size_t i = 0; i < pointer.length; i++)
        if (pointer.at[i] == '~' &&
            (i + 1 == pointer.length || (pointer.at[i + 1] != '0' && pointer.at[i + 1] != '1')))
            return ERR_SYNTAX;
    return 0;
}

/* The child that a token of a pointer names. */
static bool child(struct json_value parent, struct slice token, struct json_value *out) {
    struct json_value key;
    struct json_value found;
    uint64_t index;
    if (parent.kind < JSON_ARRAY)
        return false;
    struct json_cursor cursor = json_cursor_of(parent);
    if (parent.kind == JSON_OBJECT) {
        while (json_member_next(&cursor, &key, &found))
            if (decodes_to(key, token, true)) {
                *out = found;
                return true;
            }
        return false;
    }
    if (slice_u64(token, &index) != 0 || (token.at[0] == '0' && token.length > 1))
        return false;
    while (json_element_next(&cursor, &found))
        if (index-- == 0) {
            *out = found;
            return true;
        }
    return false;
}

int json_find(struct json_value root, struct slice pointer, struct json_value *out) {
    struct json_value value = root;
    if (json_pointer_check(pointer) != 0)
        return ERR_SYNTAX;
    while (pointer.length > 0) {
        pointer = slice_from(pointer, 1);
        size_t length = slice_find(pointer, '/');
        if (!child(value, slice_upto(pointer, length), &value))
            return ERR_NOT_FOUND;
        pointer = slice_from(pointer, length);
    }
    *out = value;
    return 0;
}

int json_pointer(struct slice document, struct slice pointer, struct json_value *out) {
    struct json_value root;
    if (json_pointer_check(pointer) != 0)
        return ERR_SYNTAX;
    int failed = json_check(document, &root, NULL);
    if (failed != 0)
        return failed == ERR_SYNTAX ? ERR_INVALID : failed;
    return json_find(root, pointer, out);
}
