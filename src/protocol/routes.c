#include "protocol/routes.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "protocol/form.h"

static const struct route routes[ROUTE_COUNT] = {
#define ROUTE(id, method, path, role, key, query, request, answer, statuses, summary) \
    { ROUTE_##id,                                                                     \
      ROUTE_METHOD_##method,                                                          \
      path,                                                                           \
      ROUTE_ROLE_##role,                                                              \
      ROUTE_KEY_##key,                                                                \
      QUERY_##query,                                                                  \
      request,                                                                        \
      answer,                                                                         \
      statuses,                                                                       \
      summary },
#include "protocol/routes.def"
#undef ROUTE
};

#define ROUTE(id, method, path, role, key, query, request, answer, statuses, summary)                   \
    _Static_assert((ROUTE_METHOD_##method == ROUTE_METHOD_POST) == (ROUTE_KEY_##key != ROUTE_KEY_NONE), \
                   "every POST takes Idempotency-Key, and nothing else does");
#include "protocol/routes.def"
#undef ROUTE

static const struct {
    enum route_method method;
    const char *word;
} methods[] = {
    { ROUTE_METHOD_GET, "GET" },
    { ROUTE_METHOD_POST, "POST" },
    { ROUTE_METHOD_PUT, "PUT" },
    { ROUTE_METHOD_DELETE, "DELETE" },
};

static const struct {
    enum route_role role;
    const char *word;
} roles[] = {
    { ROUTE_ROLE_ANYONE, "anyone" },     { ROUTE_ROLE_VIEWER, "viewer" },
    { ROUTE_ROLE_PRODUCER, "producer" }, { ROUTE_ROLE_CONSUMER, "consumer" },
    { ROUTE_ROLE_RECEIVER, "receiver" }, { ROUTE_ROLE_OPERATOR, "operator" },
    { ROUTE_ROLE_APPROVER, "approver" }, { ROUTE_ROLE_ADMIN, "admin" },
};

const struct route *routes_row(enum route_id id) {
    assert((unsigned)id < ROUTE_COUNT);
    return &routes[id];
}

const char *routes_method_word(enum route_method method) {
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].method == method)
            return methods[i].word;
    assert(!"a route's method is one of the table");
    return "";
}

const char *routes_role_word(enum route_role role) {
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (roles[i].role == role)
            return roles[i].word;
    assert(!"a route's role is one of the table");
    return "";
}

void routes_add_allow(unsigned wanted, struct buffer *to) {
    const char *between = "";
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if ((wanted & methods[i].method) == 0)
            continue;
        buffer_add_text(to, between);
        buffer_add_text(to, methods[i].word);
        between = ", ";
    }
}

/* Take a path's first segment, without the slash before it. */
static struct slice take_segment(struct slice *path) {
    assert(path->length > 0 && path->at[0] == '/');
    *path = slice_from(*path, 1);
    struct slice segment = slice_upto(*path, slice_find(*path, '/'));
    *path = slice_from(*path, segment.length);
    return segment;
}

/* A parameter's value: a name with %3A for the colon. Not "." and "..", whatever they would name. */
static bool read_parameter(struct slice segment, char *out, size_t size) {
    size_t used = 0;
    while (segment.length > 0 && used < size) {
        bool colon = slice_is_nocase(slice_upto(segment, 3), "%3A");
        out[used++] = colon ? ':' : segment.at[0];
        segment = slice_from(segment, colon ? 3 : 1);
    }
    if (segment.length > 0 || used == size)
        return false;
    out[used] = '\0';
    return form_is_name(slice_of(out, used), size - 1) && strcmp(out, ".") != 0 && strcmp(out, "..") != 0;
}

/* MESSAGE~SUBSCRIPTION. Any other name leads here too, and is the id of no delivery: who may not look must
 * not learn the difference. */
static bool read_delivery(struct slice segment, struct route_match *out) {
    size_t tilde = slice_find(segment, '~');
    size_t skipped = 1;
    for (size_t i = 0; tilde == segment.length && i + 3 <= segment.length; i++)
        if (slice_is_nocase(slice_of(segment.at + i, 3), "%7E")) {
            tilde = i;
            skipped = 3;
            break;
        }
    if (tilde == segment.length) {
        bool name = read_parameter(segment, out->gid, sizeof out->gid);
        out->gid[0] = '\0';
        return name;
    }
    return read_parameter(slice_upto(segment, tilde), out->gid, sizeof out->gid) &&
           read_parameter(slice_from(segment, tilde + skipped), out->branch, sizeof out->branch);
}

/* Whether a path follows a pattern; parameters go to *out. */
static bool follows(const char *pattern_text, struct slice path, struct route_match *out) {
    struct slice pattern = slice_text(pattern_text);
    while (pattern.length > 0 && path.length > 0) {
        struct slice wanted = take_segment(&pattern);
        struct slice segment = take_segment(&path);
        bool same;
        if (slice_is(wanted, "{branch}"))
            same = read_parameter(segment, out->branch, sizeof out->branch);
        else if (slice_is(wanted, "{delivery}"))
            same = read_delivery(segment, out);
        else if (wanted.at[0] == '{')
            same = read_parameter(segment, out->gid, sizeof out->gid);
        else
            same = slice_equal(wanted, segment);
        if (!same)
            return false;
    }
    return pattern.length == 0 && path.length == 0;
}

int routes_match(struct slice method, struct slice path, struct route_match *out) {
    struct route_match match = { .methods = 0 };
    unsigned there = 0;
    if (path.length == 0 || path.at[0] != '/')
        return ERR_NOT_FOUND;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        match.gid[0] = match.branch[0] = '\0'; /* left by a row that failed half way */
        if (!follows(routes[i].path, path, &match))
            continue;
        there |= routes[i].method;
        if (slice_is(method, routes_method_word(routes[i].method))) {
            match.route = &routes[i];
            *out = match;
            return 0;
        }
    }
    if (there == 0)
        return ERR_NOT_FOUND;
    *out = (struct route_match){ .methods = there };
    return ERR_UNSUPPORTED;
}
