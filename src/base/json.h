/* JSON as RFC 8259 writes it: a strict reader that hands out slices over the caller's bytes, JSON Pointer
 * (RFC 6901), and an append-only writer.
 *
 * Reading has two halves. json_check looks at every byte once, in linear time and constant stack, and is the
 * only function that can find fault with a document. What it accepted is then walked by cursors, which
 * cannot fail: they assert that the bytes were checked. A value is a pair (kind, raw): raw is exactly what
 * the author wrote, without the blanks around it, so a payload can be passed on byte for byte.
 *
 *     struct json_value root, key, value;
 *     if (json_check(bytes, &root, &report) != 0) ... report.line, report.column, report.say
 *     struct json_cursor cursor = json_cursor_of(root);
 *     while (json_member_next(&cursor, &key, &value))
 *         if (json_is(key, "gid")) ...
 *
 * Stricter than the RFC, on purpose: duplicate keys, lone surrogates and a byte order mark are refused;
 * LIMIT_JSON_DEPTH, LIMIT_JSON_STRING_BYTES and LIMIT_JSON_KEYS hold. A number is any RFC number; it becomes
 * an integer only where it is written as one. "\u0000" is legal: a decoded string may hold a NUL byte, and
 * whoever cannot take one must look (slice_find(text, '\0') < text.length).
 *
 * Ownership: values and cursors borrow the document. Not thread-safe, no state of its own. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_value {
    enum json_kind kind;
    struct slice raw; /* as written; a string with its quotes */
};

/* What a check found. Lines and columns count from 1, and are 0 when nothing is wrong; a column is one
 * character (not one byte). */
struct json_report {
    size_t line;
    size_t column;
    const char *say; /* half a sentence: "expected ',' or '}' after a member"; static storage */
    size_t steps;    /* units of work done, success or not: at most a constant times the length */
};

/* The whole document must be one value, blanks around it allowed. Returns 0, ERR_SYNTAX (also duplicate
 * keys), ERR_LIMIT (depth, string, keys) or ERR_MEMORY. *root is untouched on failure; report may be NULL
 * and is filled in either case. The report's place is the first byte that cannot be right. */
int json_check(struct slice document, struct json_value *root, struct json_report *report);

/* Line and column of a place in the document, for complaints about what a value means. */
void json_place(struct slice document, const char *at, size_t *line, size_t *column);

/* The value whose exact bytes, checked once, are raw: for values that were kept or stored meanwhile. */
struct json_value json_value_of(struct slice raw);

/* "null", "bool" as "true or false", "number", "string", "array", "object": for complaints. */
const char *json_kind_text(enum json_kind kind);

/* Walk the children of an object or array, in the order written. */
struct json_cursor {
    struct slice rest;
};

/* value must be an object or an array. */
struct json_cursor json_cursor_of(struct json_value value);
/* The next member of an object; key is a value of kind JSON_STRING. False at the end, outputs untouched. */
bool json_member_next(struct json_cursor *cursor, struct json_value *key, struct json_value *value);
/* The next element of an array. False at the end, *value untouched. */
bool json_element_next(struct json_cursor *cursor, struct json_value *value);
/* The member of that name. False when absent or when object is not an object. */
bool json_member(struct json_value object, const char *name, struct json_value *value);

/* Whether value is a string that decodes to text. No memory needed. */
bool json_is(struct json_value value, const char *text);
/* The decoded string. Without escapes it is a slice of the document, else a copy in the arena. ERR_INVALID
 * when not a string, ERR_MEMORY. */
int json_string(struct json_value value, struct arena *arena, struct slice *out);
/* Exact integers, written without fraction or exponent ("-0" is 0). ERR_INVALID when it is not such a number,
 * ERR_LIMIT when it does not fit. */
int json_u64(struct json_value value, uint64_t *out);
int json_i64(struct json_value value, int64_t *out);
/* A decimal number without exponent, in thousandths: 1.5 is 1500. ERR_INVALID when not such a number or
 * negative or with more than three decimals, ERR_LIMIT when it does not fit. */
int json_thousandths(struct json_value value, uint64_t *out);
int json_bool(struct json_value value, bool *out); /* ERR_INVALID when not a bool */

/* RFC 6901 inside a checked value: "" is the value itself, "/a/0" its member a's first element. ERR_SYNTAX
 * when the pointer is malformed, ERR_NOT_FOUND when it leads nowhere ("-" always does). */
int json_find(struct json_value root, struct slice pointer, struct json_value *out);
/* Whether json_find could ever take this pointer: 0 or ERR_SYNTAX. */
int json_pointer_check(struct slice pointer);
/* The same in bytes nobody checked yet, such as a participant's answer. Returns what json_check or json_find
 * return, but ERR_INVALID instead of ERR_SYNTAX when it is the document that is malformed. */
int json_pointer(struct slice document, struct slice pointer, struct json_value *out);

/* The writer: commas by itself, nesting asserted. It appends to a buffer and never fails by itself; look at
 * buffer_failed() at the end. Every put takes the member's name, or NULL inside an array, at the top, or
 * after json_put_key. A name given as const char * is ours: plain ASCII without quote or backslash. Depth at
 * most 63. */
struct json_writer {
    struct buffer *out;
    uint64_t objects; /* bit d: the level at depth d is an object */
    unsigned depth;
    bool comma; /* something stands before the next value at this level */
    bool keyed; /* json_put_key was called, its value is due */
};

void json_writer_init(struct json_writer *w, struct buffer *out);
void json_put_object(struct json_writer *w, const char *name); /* opens; json_put_end closes */
void json_put_array(struct json_writer *w, const char *name);
void json_put_end(struct json_writer *w);
/* A member name that is not ours (a label's key): escaped. */
void json_put_key(struct json_writer *w, struct slice name);
/* A string: quotes, control characters escaped, invalid UTF-8 replaced by U+FFFD (one for each byte that
 * cannot begin or continue a character). */
void json_put_string(struct json_writer *w, const char *name, struct slice text);
void json_put_text(struct json_writer *w, const char *name, const char *text); /* NULL writes null */
void json_put_u64(struct json_writer *w, const char *name, uint64_t number);
void json_put_i64(struct json_writer *w, const char *name, int64_t number);
void json_put_bool(struct json_writer *w, const char *name, bool yes);
void json_put_null(struct json_writer *w, const char *name);
/* Bytes that are JSON already, such as a checked value's raw. */
void json_put_raw(struct json_writer *w, const char *name, struct slice json);

#endif
