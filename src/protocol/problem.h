/* Problems: every way in which the HTTP API says no, as RFC 9457 wants it said. One table (problem.def) feeds
 * the answers, the pages under /problems/, the OpenAPI document and the reference, so a kind of failure that
 * is not explained cannot exist.
 *
 * A struct problem is filled by whoever finds the fault and rendered once. It holds copies, so it outlives
 * the request it complains about. Pure, no allocation but the buffers given. */
#ifndef PROTOCOL_PROBLEM_H
#define PROTOCOL_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"

enum problem_type {
#define PROBLEM(name, slug, http, retry, title, text) PROBLEM_##name,
#include "protocol/problem.def"
#undef PROBLEM
    PROBLEM_COUNT,
};

struct problem_row {
    const char *path; /* "/problems/SLUG": what RFC 9457 calls the type, and where the page is */
    uint16_t http;
    bool retry; /* whether repeating the same request may help */
    const char *title;
    const char *text; /* what it means and what to do; plain text, no characters special to HTML */
};

/* The row of a type; never NULL. */
const struct problem_row *problem_row(enum problem_type type);
/* The type with that slug, or -1. */
int problem_type(struct slice slug);

/* What exactly went wrong. Zeroed members are left out of the answer. */
struct problem {
    enum problem_type type;
    struct why detail;    /* one or two sentences: what is wrong, and what to do about it */
    char field[256];      /* the member of the request: "branches[1].retry.first" */
    char value[96];       /* what stood there, cut short */
    char nearest[64];     /* the known word that was probably meant */
    char limit[64];       /* the limit that was met: "256KiB", "1000" */
    char setting[64];     /* the setting that decides: "egress.allow" */
    char role[32];        /* the role that is missing */
    char allow[64];       /* 405: the methods there are; also goes out as the header Allow */
    const char *decision; /* "committed", "rolled_back", ...: what was decided already; static storage */
    size_t line;          /* of the request's body, from 1 */
    size_t column;
    uint32_t retry_after_ms; /* goes out as the header Retry-After, in whole seconds rounded up */
};

/* Begin a problem: everything but the type is zero, and the row's title serves as its detail. */
void problem_init(struct problem *p, enum problem_type type);
/* The same with a detail, printf-style; the expression has the value ERR_INVALID, for returning it. */
#define PROBLEM_SAY(problem, type, ...) \
    (problem_init((problem), (type)), why_set(&(problem)->detail, ERR_INVALID, __VA_ARGS__))
/* Copy text into one of the members above, cut at its size between two UTF-8 characters; bytes that do not
 * belong into a line become '?'. */
void problem_note(char *member, size_t size, struct slice text);
#define PROBLEM_NOTE(problem, member, text) problem_note((problem)->member, sizeof(problem)->member, (text))

uint16_t problem_http(const struct problem *p);

/* Append the application/problem+json body. instance is the request's path, trace_id may be empty. */
void problem_render(const struct problem *p, struct slice instance, struct slice trace_id, struct buffer *to);
/* Append the page /problems/SLUG: a whole text/html document without links to anywhere else. */
void problem_page(enum problem_type type, struct buffer *to);

#endif
