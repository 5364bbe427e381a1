#include "client/sse.h"

#include <string.h>

#include "base/err.h"

#define ID_BYTES 512
#define NAME_BYTES 128

void sse_init(struct sse *s) {
    *s = (struct sse){ .after_cr = false };
    buffer_init(&s->line, SSE_BYTES);
    buffer_init(&s->id, ID_BYTES);
    buffer_init(&s->name, NAME_BYTES);
    buffer_init(&s->data, SSE_BYTES + 1);
}

void sse_done(struct sse *s) {
    buffer_done(&s->line);
    buffer_done(&s->id);
    buffer_done(&s->name);
    buffer_done(&s->data);
}

/* The text with a NUL behind it that its length does not count. */
static struct slice ended(struct buffer *b) {
    buffer_add_byte(b, '\0');
    return buffer_failed(b) ? SLICE("") : slice_of(b->at, b->length - 1);
}

static int dispatch(struct sse *s, sse_event_fn *callback, void *argument) {
    int result = 0;
    if (s->has_data) {
        if (s->name.length == 0)
            buffer_add_text(&s->name, "message");
        if (s->data.length > 0)
            buffer_cut(&s->data, s->data.length - 1); /* the LF behind the last line */
        size_t id_length = s->id.length;
        result = callback(argument, ended(&s->id), ended(&s->name), ended(&s->data));
        if (!buffer_failed(&s->id))
            buffer_cut(&s->id, id_length);
    }
    buffer_clear(&s->name);
    buffer_clear(&s->data);
    s->has_data = false;
    return result;
}

static void take_field(struct sse *s, struct slice name, struct slice value) {
    if (slice_is(name, "data")) {
        buffer_add_slice(&s->data, value);
        buffer_add_byte(&s->data, '\n');
        s->has_data = true;
    } else if (slice_is(name, "event")) {
        buffer_clear(&s->name);
        buffer_add_slice(&s->name, value);
    } else if (slice_is(name, "id") && slice_find(value, '\0') == value.length) {
        buffer_clear(&s->id);
        buffer_add_slice(&s->id, value);
    }
}

static int take_line(struct sse *s, sse_event_fn *callback, void *argument) {
    struct slice line = buffer_slice(&s->line);
    int result = 0;
    if (line.length == 0) {
        result = dispatch(s, callback, argument);
    } else if (line.at[0] != ':') {
        size_t colon = slice_find(line, ':');
        struct slice value = slice_from(line, colon + 1);
        if (value.length > 0 && value.at[0] == ' ')
            value = slice_from(value, 1);
        take_field(s, slice_upto(line, colon), value);
    }
    buffer_clear(&s->line);
    return result != 0 ? result : buffer_failed(&s->data);
}

int sse_feed(struct sse *s, struct slice bytes, sse_event_fn *callback, void *argument) {
    for (size_t i = 0; i < bytes.length; i++) {
        char c = bytes.at[i];
        if (c == '\n' && s->after_cr) {
            s->after_cr = false;
            continue;
        }
        s->after_cr = c == '\r';
        if (c != '\n' && c != '\r') {
            buffer_add_byte(&s->line, c);
            if (buffer_failed(&s->line))
                return buffer_failed(&s->line);
            continue;
        }
        int result = take_line(s, callback, argument);
        if (result != 0)
            return result;
    }
    return 0;
}
