/* The routes of the native HTTP API. One table (routes.def) is the only place that knows method, path and
 * role of anything; matching, the OpenAPI document and the reference are made from it, and a row without a
 * role does not compile (reliability.md H2).
 *
 * Matching looks once at the path as it came in and does not repair it: doubled or trailing slashes, dots,
 * semicolons and percent-encoding lead nowhere (404), so no spelling of a path can slip past its role. The
 * exceptions are %3A for the colon, which gids may contain, and %7E for the tilde in the id of a delivery:
 * careful clients encode them.
 *
 * Pure, no memory. */
#ifndef PROTOCOL_ROUTES_H
#define PROTOCOL_ROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "protocol/query.h"

enum route_id {
#define ROUTE(id, method, path, role, key, query, request, answer, statuses, summary) ROUTE_##id,
#include "protocol/routes.def"
#undef ROUTE
    ROUTE_COUNT,
};

/* The least that a principal must be. Numbers are bits, so that a principal may be several. */
enum route_role {
    ROUTE_ROLE_ANYONE = 0,
    ROUTE_ROLE_VIEWER = 1,
    ROUTE_ROLE_PRODUCER = 2,
    ROUTE_ROLE_CONSUMER = 4,
    ROUTE_ROLE_RECEIVER = 8,
    ROUTE_ROLE_OPERATOR = 16,
    ROUTE_ROLE_APPROVER = 32,
    ROUTE_ROLE_ADMIN = 64,
};

enum route_method {
    ROUTE_METHOD_GET = 1,
    ROUTE_METHOD_POST = 2,
    ROUTE_METHOD_DELETE = 4,
    ROUTE_METHOD_PUT = 8,
};

enum route_key {
    ROUTE_KEY_NONE,
    ROUTE_KEY_ANSWER,
    ROUTE_KEY_ONCE,
    ROUTE_KEY_MARK,
    ROUTE_KEY_GID,
};

struct route {
    enum route_id id;
    enum route_method method;
    const char *path;
    enum route_role role;
    enum route_key key;
    enum query_kind query;
    const char *request; /* name of the body's schema, "" for none */
    const char *answer;
    const char *statuses;
    const char *summary;
};

/* A path that was recognised. Parameters are decoded copies. */
struct route_match {
    const struct route *route;     /* NULL: see routes_match */
    char gid[LIMIT_GID_BYTES + 1]; /* {gid}, {id}, {message}, ...; empty when the route has none */
    char
        branch[LIMIT_BRANCH_ID_BYTES + 1]; /* {branch}; {delivery} is gid~branch, both empty when it is not */
    unsigned methods; /* ERR_UNSUPPORTED: the methods there are, enum route_method or-ed */
};

/* method and path (without the query) of a request. 0; ERR_NOT_FOUND: no such path (404); ERR_UNSUPPORTED:
 * not with this method (405), methods says which there are. */
int routes_match(struct slice method, struct slice path, struct route_match *out);

/* The row of an id; never NULL. */
const struct route *routes_row(enum route_id id);

/* "GET, POST": for the header Allow. */
void routes_add_allow(unsigned methods, struct buffer *to);
const char *routes_method_word(enum route_method method);
const char *routes_role_word(enum route_role role); /* "operator"; "anyone" */

#endif
