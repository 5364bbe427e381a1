/* A draft is what the builders of libsettle share: what the caller says is kept as it comes, and spelled as
 * JSON when it is asked for. The first failure is remembered and told when the draft is sent, so callers may
 * ignore the results of single calls.
 *
 * Ownership: a draft owns copies of all it was given. One thread at a time. Functions with an int result
 * return 0 or the STL_E code of the failure, which they have remembered. */
#ifndef CLIENT_DRAFT_H
#define CLIENT_DRAFT_H

#include "base/arena.h"
#include "base/json.h"
#include "client/client.h"

struct draft {
    const char *noun; /* "transaction"; for complaints about the whole */
    struct arena arena;
    struct buffer json;
    int failed; /* the first STL_E code; 0: none */
    char why[256];
};

/* Labels and headers, in the order given. Zero is empty. */
struct draft_pair {
    struct draft_pair *next;
    struct slice key, value;
};
struct draft_pairs {
    struct draft_pair *first, *last;
};

void draft_init(struct draft *d, const char *noun);
void draft_done(struct draft *d);

/* Remember "what: say". Returns code. */
int draft_refuse(struct draft *d, int code, const char *what, const char *say);
/* The first failure, told in *e; 0 when there was none. */
int draft_failed(const struct draft *d, stl_err *e);

int draft_keep(struct draft *d, const char *text, struct slice *out); /* NULL leaves *out alone */
int draft_keep_bytes(struct draft *d, const void *from, size_t length, struct slice *out);
int draft_pair(struct draft *d, struct draft_pairs *to, const char *what, const char *key, const char *value);
/* Refuse bytes that are not JSON. what stands before the complaint. */
int draft_json(struct draft *d, const char *what, const void *bytes, size_t length);

/* Spell it: begin, put, end. False and NULL when something failed. The string lives until the next begin. */
bool draft_begin(struct draft *d, struct json_writer *w);
const char *draft_end(struct draft *d, size_t *length);

void draft_put_ms(struct json_writer *w, const char *name, long long ms); /* nothing when 0 or less */
void draft_put_pairs(struct json_writer *w, const char *name, const struct draft_pairs *pairs);

#endif
