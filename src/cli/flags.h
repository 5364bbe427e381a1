/* The command line: words and flags, for one command.
 *
 * A flag is known by its long name and may have a letter; it takes a value or not. Flags may stand anywhere
 * before "--"; "--name=value", "--name value" and "-x value" are the same. Nothing is copied: values point
 * into argv, which lives as long as the program. */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define FLAGS_MAX 64 /* given flags, and words, on one command line */

struct flag {
    const char *name;  /* without dashes; NULL ends a table */
    const char *value; /* what the value is called in help, NULL: takes none */
    const char *help;
    char letter; /* 0: none */
};

/* One flag as given. */
struct flag_given {
    const struct flag *flag;
    const char *value; /* NULL when it takes none */
};

struct flags {
    struct flag_given given[FLAGS_MAX];
    size_t given_count;
    const char *words[FLAGS_MAX];
    size_t word_count;
};

/* Parse argv[from..argc) against two tables (the second may be NULL), adding to *f, which the caller zeroes
 * before the first call. With until_word the first word ends the parsing: *stopped is its index, or argc.
 * ERR_INVALID: an unknown flag (the why names the nearest known one), a value missing or not wanted;
 * ERR_LIMIT: too many. */
int flags_parse(struct flags *f, int argc, char **argv, int from, const struct flag *table,
                const struct flag *more, bool until_word, int *stopped, struct why *why);

bool flags_has(const struct flags *f, const char *name);
/* The value given last, or NULL. */
const char *flags_value(const struct flags *f, const char *name);
/* The values in the order given: *index starts at 0; NULL at the end. */
const char *flags_next(const struct flags *f, const char *name, size_t *index);

#endif
