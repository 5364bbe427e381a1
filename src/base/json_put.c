/* The writing half of base/json.h. */
#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

#define DEPTH_MAX 63

void json_writer_init(struct json_writer *w, struct buffer *out) {
    assert(out->max > 0);
    *w = (struct json_writer){ .out = out };
}

static bool in_object(const struct json_writer *w) {
    return w->depth > 0 && (w->objects >> w->depth & 1);
}

/* ASCII that stands for itself inside a string. */
static bool plain(char byte) {
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x7f && byte != '"' && byte != '\\';
}

/* What stands for a byte that cannot stand for itself. */
static void add_escaped(struct buffer *out, char byte) {
    static const char digits[] = "0123456789abcdef";
    switch (byte) {
    case '"':
    case '\\':
        buffer_add(out, (const char[]){ '\\', byte }, 2);
        break;
    case '\n':
        buffer_add_text(out, "\\n");
        break;
    case '\t':
        buffer_add_text(out, "\\t");
        break;
    case '\r':
        buffer_add_text(out, "\\r");
        break;
    default:
        if ((unsigned char)byte >= 0x80)
            buffer_add_text(out, "\xef\xbf\xbd");
        else
            buffer_add(out, (const char[]){ '\\', 'u', '0', '0', digits[byte >> 4 & 15], digits[byte & 15] },
                       6);
    }
}

static void add_quoted(struct buffer *out, struct slice text) {
    const char *end = text.at + text.length;
    const char *from = text.at; /* first byte not written yet */
    const char *at = text.at;
    buffer_add_byte(out, '"');
    for (;;) {
        while (at < end && plain(*at))
            at++;
        if (at == end)
            break;
        size_t length = (unsigned char)*at < 0x80 ? 0 : utf8_length(at, end);
        if (length > 0) {
            at += length;
            continue;
        }
        buffer_add(out, from, (size_t)(at - from));
        add_escaped(out, *at);
        from = ++at;
    }
    buffer_add(out, from, (size_t)(end - from));
    buffer_add_byte(out, '"');
}

void json_put_key(struct json_writer *w, struct slice name) {
    assert(in_object(w));
    assert(!w->keyed);
    if (w->comma)
        buffer_add_byte(w->out, ',');
    add_quoted(w->out, name);
    buffer_add_byte(w->out, ':');
    w->keyed = true;
}

/* A name of ours, in one piece: nothing in it needs escaping. */
static void add_name(struct json_writer *w, const char *name) {
    size_t length = strlen(name);
    assert(in_object(w));
    assert(!w->keyed);
    char *to = buffer_reserve(w->out, length + 4);
    if (to == NULL)
        return;
    char *at = to;
    if (w->comma)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, name, length);
    at += length;
    *at++ = '"';
    *at++ = ':';
    buffer_grew(w->out, (size_t)(at - to));
}

/* Everything that stands before a value. */
static void lead_in(struct json_writer *w, const char *name) {
    if (name != NULL) {
        add_name(w, name);
        w->keyed = true;
    }
    assert(w->keyed == in_object(w));
    if (!w->keyed && w->comma)
        buffer_add_byte(w->out, ',');
    w->keyed = false;
    w->comma = true;
}

static void open_level(struct json_writer *w, bool object) {
    assert(w->depth < DEPTH_MAX);
    w->depth++;
    w->objects = (w->objects & ~(UINT64_C(1) << w->depth)) | (uint64_t)object << w->depth;
    w->comma = false;
    buffer_add_byte(w->out, object ? '{' : '[');
}

void json_put_object(struct json_writer *w, const char *name) {
    lead_in(w, name);
    open_level(w, true);
}

void json_put_array(struct json_writer *w, const char *name) {
    lead_in(w, name);
    open_level(w, false);
}

void json_put_end(struct json_writer *w) {
    assert(w->depth > 0);
    assert(!w->keyed);
    buffer_add_byte(w->out, in_object(w) ? '}' : ']');
    w->depth--;
    w->comma = true;
}

void json_put_string(struct json_writer *w, const char *name, struct slice text) {
    lead_in(w, name);
    add_quoted(w->out, text);
}

void json_put_text(struct json_writer *w, const char *name, const char *text) {
    if (text == NULL)
        json_put_null(w, name);
    else
        json_put_string(w, name, slice_text(text));
}

void json_put_u64(struct json_writer *w, const char *name, uint64_t number) {
    lead_in(w, name);
    buffer_add_u64(w->out, number);
}

void json_put_i64(struct json_writer *w, const char *name, int64_t number) {
    lead_in(w, name);
    if (number < 0)
        buffer_add_byte(w->out, '-');
    buffer_add_u64(w->out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void json_put_bool(struct json_writer *w, const char *name, bool yes) {
    lead_in(w, name);
    buffer_add_text(w->out, yes ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *name) {
    lead_in(w, name);
    buffer_add_text(w->out, "null");
}

void json_put_raw(struct json_writer *w, const char *name, struct slice json) {
    lead_in(w, name);
    buffer_add_slice(w->out, json);
}
