/* UTF-8 (RFC 3629) one character at a time: measuring, writing, and reading the \u escapes of JSON.
 *
 * Pure functions over borrowed bytes: no failure but the ones named, any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Bytes of the character that begins at at (at < end): 1 to 4, or 0 when none does. Unicode table 3-7: no
 * overlong forms, no surrogates, nothing above U+10FFFF, nothing cut off by end. */
size_t utf8_length(const char *at, const char *end);

/* Write a code point (not a surrogate, at most U+10FFFF) and return its length, 1 to 4. */
size_t utf8_write(uint32_t code, char out[4]);

/* An escape that begins at at: "\uXXXX", or two of them that form a surrogate pair. Returns the bytes it
 * takes (6 or 12) and sets out and *length to the character, or returns 0 when it is not such an escape: a
 * digit is missing or a surrogate stands alone. */
size_t utf8_unescape(const char *at, const char *end, char out[4], size_t *length);

/* Whether all of it is UTF-8. */
bool utf8_valid(struct slice s);

#endif
