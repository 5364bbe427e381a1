#include "protocol/mention.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"

struct mention_cursor mention_begin(struct slice body) {
    return (struct mention_cursor){ .rest = body };
}

/* Open the next string of the body; false when there is none. */
static bool open_string(struct mention_cursor *c) {
    size_t quote = slice_find(c->rest, '"');
    size_t end = quote + 1;
    if (quote == c->rest.length)
        return false;
    while (c->rest.at[end] != '"') {
        end += c->rest.at[end] == '\\' ? 2 : 1;
        assert(end < c->rest.length);
    }
    c->inside = slice_of(c->rest.at + quote + 1, end - quote - 1);
    c->rest = slice_from(c->rest, end + 1);
    size_t behind = 0;
    while (behind < c->rest.length && memchr(" \t\r\n", c->rest.at[behind], 4) != NULL)
        behind++;
    c->key = behind < c->rest.length && c->rest.at[behind] == ':';
    return true;
}

/* whole is "${...}". */
static int take_apart(struct slice whole, bool key, struct mention *out, struct why *why) {
    struct slice inner = slice_of(whole.at + 2, whole.length - 3);
    size_t hash = slice_find(inner, '#');
    struct slice shown = slice_upto(whole, 100);
    if (key)
        return why_set(why, ERR_INVALID, "%.*s stands in a key; references are filled in values only",
                       SLICE_PRINT(shown));
    if (hash == 0 || hash == inner.length)
        return why_set(why, ERR_INVALID,
                       "%.*s is not a reference: write ${branch#/pointer}, or $${ for a literal ${",
                       SLICE_PRINT(shown));
    struct slice pointer = slice_from(inner, hash + 1);
    if (json_pointer_check(pointer) != 0 || slice_find(pointer, '\\') < pointer.length)
        return why_set(why, ERR_INVALID,
                       "%.*s: what follows # must be a JSON Pointer such as /price or /items/0",
                       SLICE_PRINT(shown));
    *out = (struct mention){ .whole = whole, .branch = slice_upto(inner, hash), .pointer = pointer };
    return 1;
}

int mention_next(struct mention_cursor *c, struct mention *out, struct why *why) {
    for (;;) {
        size_t dollar = slice_find(c->inside, '$');
        if (dollar == c->inside.length) {
            if (!open_string(c))
                return 0;
            continue;
        }
        struct slice text = slice_from(c->inside, dollar);
        if (slice_starts(text, "$${")) {
            c->literal = true;
            c->inside = slice_from(text, 3);
            continue;
        }
        if (!slice_starts(text, "${")) {
            c->inside = slice_from(text, 1);
            continue;
        }
        size_t end = slice_find(text, '}');
        if (end == text.length)
            return why_set(why, ERR_INVALID,
                           "a reference begins with ${ and is not closed; write $${ for a literal ${");
        c->inside = slice_from(text, end + 1);
        return take_apart(slice_upto(text, end + 1), c->key, out, why);
    }
}
