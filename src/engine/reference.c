/* Filling ${branch#/pointer} in a JSON body from earlier answers. Source: design.md 4 (9).
 *
 * Only inside JSON strings. A string that is exactly one reference becomes the JSON value it names; inside a
 * longer string scalars are written out; $${ is a literal ${. */
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "engine/seat.h"

struct filling {
    const struct transaction *t;
    struct buffer *out;
    struct why *why;
};

/* The length of the reference that begins at s ("${...}"), 0 when it is not closed. */
static size_t reference_length(struct slice s) {
    size_t end = slice_find(s, '}');
    return end == s.length ? 0 : end + 1;
}

static int look_up(const struct filling *f, struct slice reference, struct json_value *value) {
    struct slice inside = slice_upto(slice_from(reference, 2), reference.length - 3);
    size_t hash = slice_find(inside, '#');
    struct slice id = slice_upto(inside, hash);
    struct slice pointer = slice_from(inside, hash + 1);
    int branch = transaction_branch(f->t, id);
    int result = ERR_NOT_FOUND;
    if (branch >= 0 && f->t->branches[branch].answer_length > 0)
        result = json_pointer(branch_answer(&f->t->branches[branch]), pointer, value);
    if (result == 0)
        return 0;
    return why_set(f->why, ERR_NOT_FOUND, "reference %.*s: the answer of \"%.*s\" has no such value",
                   SLICE_PRINT(reference), SLICE_PRINT(id));
}

/* Write a scalar into the middle of a string: strings without their quotes, as they are escaped already. */
static int write_inside(const struct filling *f, struct slice reference) {
    struct json_value value;
    int result = look_up(f, reference, &value);
    if (result != 0)
        return result;
    if (value.kind == JSON_OBJECT || value.kind == JSON_ARRAY)
        return why_set(f->why, ERR_NOT_FOUND,
                       "reference %.*s inside a longer string names an %s, not a scalar",
                       SLICE_PRINT(reference), json_kind_text(value.kind));
    struct slice raw = value.raw;
    if (value.kind == JSON_STRING)
        raw = slice_upto(slice_from(raw, 1), raw.length - 2);
    buffer_add_slice(f->out, raw);
    return 0;
}

static int fill_string(const struct filling *f, struct slice raw) {
    struct slice inside = slice_upto(slice_from(raw, 1), raw.length - 2);
    if (slice_starts(inside, "${") && reference_length(inside) == inside.length) {
        struct json_value value;
        int result = look_up(f, inside, &value);
        if (result == 0)
            buffer_add_slice(f->out, value.raw);
        return result;
    }
    buffer_add_byte(f->out, '"');
    while (inside.length > 0) {
        size_t dollar = slice_find(inside, '$');
        buffer_add_slice(f->out, slice_upto(inside, dollar));
        inside = slice_from(inside, dollar);
        size_t length = slice_starts(inside, "${") ? reference_length(inside) : 0;
        if (slice_starts(inside, "$${")) {
            buffer_add_text(f->out, "${");
            inside = slice_from(inside, 3);
        } else if (length > 0) {
            int result = write_inside(f, slice_upto(inside, length));
            if (result != 0)
                return result;
            inside = slice_from(inside, length);
        } else if (inside.length > 0) {
            buffer_add_byte(f->out, inside.at[0]);
            inside = slice_from(inside, 1);
        }
    }
    buffer_add_byte(f->out, '"');
    return 0;
}

/* The length of the JSON string that begins at s, quotes included. The body was checked when it was
 * submitted. */
static size_t string_length(struct slice s) {
    size_t at = 1;
    while (at < s.length && s.at[at] != '"')
        at += s.at[at] == '\\' ? 2 : 1;
    return at + 1 < s.length ? at + 1 : s.length;
}

static size_t filled_already(const struct transaction *t) {
    size_t bytes = 0;
    for (size_t i = 0; i < t->branch_count; i++)
        bytes += t->branches[i].filled_length;
    return bytes;
}

int reference_fill(const struct transaction *t, uint16_t branch, struct buffer *out, struct why *why) {
    struct filling f = { .t = t, .out = out, .why = why };
    struct slice left = t->branches[branch].body;
    while (left.length > 0) {
        size_t quote = slice_find(left, '"');
        buffer_add_slice(out, slice_upto(left, quote));
        left = slice_from(left, quote);
        if (left.length == 0)
            break;
        size_t length = string_length(left);
        int result = fill_string(&f, slice_upto(left, length));
        if (result != 0)
            return result;
        left = slice_from(left, length);
    }
    if (buffer_failed(out) != 0 || filled_already(t) + out->length > LIMIT_PAYLOAD_BYTES)
        return why_set(why, ERR_LIMIT, "the body with its references filled is over %d bytes",
                       LIMIT_BRANCH_PAYLOAD_BYTES);
    return 0;
}
