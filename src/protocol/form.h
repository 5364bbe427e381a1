/* Forms: reading the members of a JSON request with one honest complaint at the first fault. Every complaint
 * names the field by its path ("branches[1].retry.first"), what stood there, the limit or the words that are
 * possible, and the line and column.
 *
 * All functions return 0, or ERR_INVALID with *form->problem filled, or ERR_MEMORY (problem filled too). On
 * failure outputs are untouched. Values borrow the document; decoded strings may live in the arena. */
#ifndef PROTOCOL_FORM_H
#define PROTOCOL_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/json.h"
#include "protocol/problem.h"

struct form {
    struct slice document;   /* the request's body: places are told relative to it */
    struct arena *arena;     /* decoded strings */
    struct problem *problem; /* filled at the first fault */
};

/* Where a value stands: a chain on the caller's stack, written out only when there is something to complain
 * about. */
struct form_path {
    const struct form_path *above; /* NULL: the document itself */
    struct slice name;             /* a member; at NULL: an element of an array */
    size_t index;
};

/* A member that an object may have; the table's order is that of the values. */
struct form_field {
    const char *name;
    unsigned kinds; /* FORM_STRING | ... : what it may be */
};

enum {
    FORM_BOOL = 1u << JSON_BOOL,
    FORM_NUMBER = 1u << JSON_NUMBER,
    FORM_STRING = 1u << JSON_STRING,
    FORM_ARRAY = 1u << JSON_ARRAY,
    FORM_OBJECT = 1u << JSON_OBJECT,
    FORM_ANY = (1u << (JSON_OBJECT + 1)) - 1, /* null too */
};

/* Read a whole body that must be one JSON object. 400 when it is not JSON, 422 when not an object. */
int form_begin(struct form *f, struct json_value *root);

/* Sort the members of an object into values[count], by table. Absent ones get raw.at NULL. Unknown members
 * and wrong types are faults. */
int form_members(struct form *f, const struct form_path *path, struct json_value object,
                 const struct form_field *fields, size_t count, struct json_value *values);
static inline bool form_given(struct json_value value) {
    return value.raw.at != NULL;
}

/* How many elements an array has. */
size_t form_count(struct json_value array);

/* The path of a member below another, for handing on. */
struct form_path form_below(const struct form_path *above, const char *name);
struct form_path form_element(const struct form_path *above, size_t index);

/* A text for people: decoded, UTF-8, at most max bytes, no control characters. */
int form_text(struct form *f, const struct form_path *path, struct json_value value, size_t max,
              struct slice *out);
/* A name: 1 to max characters of A-Za-z0-9._:- */
int form_name(struct form *f, const struct form_path *path, struct json_value value, size_t max,
              struct slice *out);
/* Whether text is such a name. */
bool form_is_name(struct slice text, size_t max);
/* A duration between two bounds, both possible. */
int form_duration(struct form *f, const struct form_path *path, struct json_value value, uint32_t least_ms,
                  uint32_t most_ms, uint32_t *out_ms);
/* One of the words: its index. */
int form_word(struct form *f, const struct form_path *path, struct json_value value, const char *const *words,
              size_t count, size_t *out);

/* Complain about a value: type, path, what stands there and where (raw.at NULL: neither). The detail is
 * printf-style. The expression has the value ERR_INVALID, for returning it. */
#define form_refuse(f, path, value, type, ...) \
    (form_blame((f), (path), (value), (type)), why_set(&(f)->problem->detail, ERR_INVALID, __VA_ARGS__))
void form_blame(struct form *f, const struct form_path *path, struct json_value value,
                enum problem_type type);
/* A member that is needed and absent. Returns ERR_INVALID. */
int form_missing(struct form *f, const struct form_path *above, const char *name, const char *why_needed);
/* Out of memory. Returns ERR_MEMORY. */
int form_no_memory(struct form *f);

/* Write a path: "branches[1].retry.first"; empty for the document. */
void form_path_write(const struct form_path *path, char *to, size_t size);

#endif
