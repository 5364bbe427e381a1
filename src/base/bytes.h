/* Bytes in two shapes: a slice looks at somebody's bytes, a buffer owns a growing run of them.
 *
 * Nothing here is NUL-terminated by contract; lengths rule. Not thread-safe: one owner at a time. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes: valid as long as whoever owns them says. at may be NULL only when length is 0. */
struct slice {
    const char *at;
    size_t length;
};

#define SLICE(literal) ((struct slice){ .at = "" literal, .length = sizeof(literal) - 1 })
#define SLICE_NONE ((struct slice){ .at = NULL, .length = 0 })
/* For printf: printf("%.*s", SLICE_PRINT(s)) */
#define SLICE_PRINT(s) ((int)(s).length), ((s).at == NULL ? "" : (s).at)

static inline struct slice slice_of(const char *at, size_t length) {
    return (struct slice){ .at = at, .length = length };
}

/* Up to its NUL; NULL gives the empty slice. */
static inline struct slice slice_text(const char *text) {
    return text == NULL ? SLICE_NONE : slice_of(text, strlen(text));
}
static inline bool slice_equal(struct slice a, struct slice b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

bool slice_is(struct slice s, const char *text);
bool slice_equal_nocase(struct slice a, struct slice b); /* ASCII letters only */
/* Inline, because nearly every comparison of a header's name ends at its length. */
static inline bool slice_is_nocase(struct slice s, const char *text) {
    return s.length == strlen(text) && slice_equal_nocase(s, slice_of(text, s.length));
}
bool slice_starts(struct slice s, const char *text);
bool slice_ends(struct slice s, const char *text);
/* Is there a control byte other than the tab (below 0x20, or 0x7f)? */
bool slice_has_control(struct slice s);
/* Index of the first such byte, or s.length. */
size_t slice_find(struct slice s, char byte);
/* The part from index begin (both clamped to the slice's end). */
static inline struct slice slice_from(struct slice s, size_t begin) {
    size_t skipped = begin < s.length ? begin : s.length;
    return slice_of(s.at == NULL ? NULL : s.at + skipped, s.length - skipped);
}
static inline struct slice slice_upto(struct slice s, size_t length) {
    return slice_of(s.at, length < s.length ? length : s.length);
}
/* Without leading and trailing spaces and tabs. */
struct slice slice_trim(struct slice s);
/* Without leading and trailing spaces, tabs and line ends. */
struct slice slice_strip(struct slice s);
/* Unsigned decimal, whole slice, no sign, no spaces. 0, ERR_SYNTAX, or ERR_LIMIT over 64 bits. */
int slice_u64(struct slice s, uint64_t *out);

/* Growing bytes, born with a maximum. An append that does not fit (or finds no memory) changes nothing and
 * makes the buffer *failed*: later appends are refused too, so a writer may append freely and look at
 * buffer_failed() once at the end. Invariant: length <= capacity <= max. */
struct buffer {
    char *at;
    size_t length;
    size_t capacity;
    size_t max;
    int failed; /* 0, ERR_LIMIT or ERR_MEMORY */
};

void buffer_init(struct buffer *b, size_t max);
void buffer_done(struct buffer *b);  /* frees; the buffer may be initialised again */
void buffer_clear(struct buffer *b); /* length 0, no failure; keeps the memory */
int buffer_failed(const struct buffer *b);
static inline struct slice buffer_slice(const struct buffer *b) {
    return slice_of(b->at, b->length);
}
/* Detach the bytes: the caller frees them with free(). The buffer is empty afterwards. NULL when nothing was
 * ever written. */
char *buffer_detach(struct buffer *b, size_t *length);

/* Make room for more bytes and return where they start, or NULL when failed. The caller then calls
 * buffer_grew(). */
char *buffer_reserve(struct buffer *b, size_t more);
void buffer_grew(struct buffer *b, size_t more);

/* The appends are inline: most of what settle does is writing a few bytes where there is room. */
static inline void buffer_add(struct buffer *b, const void *from, size_t length) {
    if (length == 0)
        return;
    bool fits = b->failed == 0 && length <= b->capacity - b->length;
    char *to = fits ? b->at + b->length : buffer_reserve(b, length);
    if (to == NULL)
        return;
    memcpy(to, from, length);
    b->length += length;
}

static inline void buffer_add_slice(struct buffer *b, struct slice s) {
    buffer_add(b, s.at, s.length);
}

static inline void buffer_add_text(struct buffer *b, const char *text) {
    buffer_add(b, text, strlen(text));
}

static inline void buffer_add_byte(struct buffer *b, char byte) {
    if (b->failed == 0 && b->length < b->capacity)
        b->at[b->length++] = byte;
    else
        buffer_add(b, &byte, 1);
}

void buffer_add_u64(struct buffer *b, uint64_t number); /* decimal */
void buffer_add_format(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drop the first bytes (moves the rest down). */
void buffer_consume(struct buffer *b, size_t length);
/* Cut back to a shorter length. */
void buffer_cut(struct buffer *b, size_t length);

#endif
