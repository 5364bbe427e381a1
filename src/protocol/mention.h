/* References that a JSON body mentions: ${branch#/pointer} inside its strings (design.md 4 (9)). $${ stands
 * for a literal ${. Finding them here, with the same eyes as the engine that fills them in later, lets a
 * mistake be told to whoever submits and not to the participant.
 *
 * Text is looked at as written: an escaped "\u0024{" is no reference. Pure, no memory, linear; mentions point
 * into the body. */
#ifndef PROTOCOL_MENTION_H
#define PROTOCOL_MENTION_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

struct mention {
    struct slice whole;   /* "${car#/ref}" */
    struct slice branch;  /* "car" */
    struct slice pointer; /* "/ref"; empty: the whole answer */
};

struct mention_cursor {
    struct slice rest;   /* not looked at yet, outside of strings */
    struct slice inside; /* not looked at yet, of the string that is open */
    bool key;            /* the open string is an object's key */
    bool literal;        /* a $${ was met: the body must be filled to lose its first $ */
};

/* body is JSON that was checked. */
struct mention_cursor mention_begin(struct slice body);
/* 1 and the next mention; 0 at the end; ERR_INVALID for something that begins like a reference and is none
 * (not closed, no #, a pointer that RFC 6901 does not know, inside a key): why says what and how to write a
 * literal. */
int mention_next(struct mention_cursor *cursor, struct mention *out, struct why *why);

#endif
