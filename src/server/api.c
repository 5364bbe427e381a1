#include "server/api.h"

#include <string.h>

#include "base/digest.h"
#include "base/size.h"
#include "server/crash_point.h"
#include "server/keyed.h"
#include "server/logs.h"
#include "wire/header_value.h"

/* What every answer carries beside its own headers: nothing is cached, nothing is guessed. */
static const char fixed_headers[] = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";

static void (*const serve[ROUTE_COUNT])(struct visit *v) = {
    [ROUTE_SUBMIT] = api_submit,
    [ROUTE_LIST] = api_list,
    [ROUTE_SHOW] = api_show,
    [ROUTE_TIMELINE] = api_timeline,
    [ROUTE_REGISTER] = api_register,
    [ROUTE_COMMIT] = api_command,
    [ROUTE_ROLLBACK] = api_command,
    [ROUTE_RETRY] = api_command,
    [ROUTE_SUSPEND] = api_command,
    [ROUTE_RESUME] = api_command,
    [ROUTE_FORCE] = api_command,
    [ROUTE_BRANCH_RETRY] = api_command,
    [ROUTE_BRANCH_RESOLVE] = api_command,
    [ROUTE_PUBLISH] = api_publish,
    [ROUTE_MESSAGE_LIST] = api_list,
    [ROUTE_MESSAGE_SHOW] = api_message_show,
    [ROUTE_MESSAGE_TIMELINE] = api_timeline,
    [ROUTE_MESSAGE_COMMIT] = api_message_command,
    [ROUTE_MESSAGE_ROLLBACK] = api_message_command,
    [ROUTE_MESSAGE_CHECK] = api_message_command,
    [ROUTE_TOPIC_LIST] = api_definition_list,
    [ROUTE_TOPIC_SHOW] = api_definition_show,
    [ROUTE_TOPIC_PUT] = api_definition_put,
    [ROUTE_TOPIC_DELETE] = api_definition_delete,
    [ROUTE_SUBSCRIPTION_LIST] = api_definition_list,
    [ROUTE_SUBSCRIPTION_SHOW] = api_definition_show,
    [ROUTE_SUBSCRIPTION_PUT] = api_definition_put,
    [ROUTE_SUBSCRIPTION_DELETE] = api_definition_delete,
    [ROUTE_PULL] = api_pull,
    [ROUTE_PAUSE] = api_definition_pause,
    [ROUTE_UNPAUSE] = api_definition_pause,
    [ROUTE_LANES] = api_lanes,
    [ROUTE_DELIVERY_LIST] = api_list,
    [ROUTE_DELIVERY_SHOW] = api_delivery_show,
    [ROUTE_ACK] = api_delivery_act,
    [ROUTE_NACK] = api_delivery_act,
    [ROUTE_REPLAY] = api_delivery_act,
    [ROUTE_EDIT] = api_delivery_act,
    [ROUTE_DISCARD] = api_delivery_act,
    [ROUTE_ENDPOINT_LIST] = api_definition_list,
    [ROUTE_ENDPOINT_SHOW] = api_definition_show,
    [ROUTE_ENDPOINT_PUT] = api_definition_put,
    [ROUTE_ENDPOINT_DELETE] = api_definition_delete,
    [ROUTE_ENDPOINT_DISABLE] = api_definition_pause,
    [ROUTE_ENDPOINT_ENABLE] = api_definition_pause,
    [ROUTE_ENDPOINT_ROTATE] = api_endpoint_rotate,
    [ROUTE_DATASOURCE_LIST] = api_definition_list,
    [ROUTE_DATASOURCE_SHOW] = api_definition_show,
    [ROUTE_DATASOURCE_PUT] = api_definition_put,
    [ROUTE_DATASOURCE_DELETE] = api_definition_delete,
    [ROUTE_DATASOURCE_CHECK] = api_datasource_check,
    [ROUTE_MISSED] = api_missed,
    [ROUTE_NOTIFY] = api_notify,
    [ROUTE_NOTICE_LIST] = api_list,
    [ROUTE_NOTICE_SHOW] = api_notice_show,
    [ROUTE_NOTICE_TIMELINE] = api_timeline,
    [ROUTE_NOTICE_RETRY] = api_notice_act,
    [ROUTE_NOTICE_CANCEL] = api_notice_act,
    [ROUTE_EVENTS] = api_events,
    [ROUTE_AUDIT] = api_audit,
    [ROUTE_STATS] = api_stats,
    [ROUTE_INFO] = api_info,
    [ROUTE_CONFIG] = api_config,
    [ROUTE_RELOAD] = api_reload,
    [ROUTE_TOKEN_LIST] = api_token_list,
    [ROUTE_TOKEN_CREATE] = api_token_create,
    [ROUTE_TOKEN_REVOKE] = api_token_revoke,
    [ROUTE_SECRET_ROTATE] = api_secret_rotate,
    [ROUTE_BACKUP] = api_backup,
    [ROUTE_OPENAPI] = api_openapi,
    [ROUTE_METRICS] = api_metrics,
    [ROUTE_PROBLEM_PAGE] = api_problem_page,
    [ROUTE_ALIVE] = api_alive,
    [ROUTE_READY] = api_ready,
};

/* --- who may --- */

/* The last bearer string of a connection that was good, so that it is hashed once and not with every request.
 */
struct memo {
    uint64_t generation; /* of access; 0: nothing remembered */
    uint64_t expires_ms;
    uint32_t roles;
    char name[ACCESS_NAME_BYTES + 1];
    uint16_t length;
    char bearer[256];
};

static bool recall(struct visit *v, const struct memo *memo, struct slice bearer, uint32_t *roles) {
    struct daemon *d = v->daemon;
    if (memo->generation != access_generation(d->access) || memo->length != bearer.length ||
        !digest_equal(slice_of(memo->bearer, memo->length), bearer))
        return false;
    if (memo->expires_ms != 0 && memo->expires_ms <= daemon_now_ms(d))
        return false;
    memcpy(v->who, memo->name, sizeof v->who);
    *roles = memo->roles;
    return true;
}

static bool identify(struct visit *v, uint32_t *roles) {
    _Static_assert(sizeof(struct memo) <= HTTP_CONNECTION_MEMO_BYTES, "a connection has room for a memo");
    struct daemon *d = v->daemon;
    struct memo *memo = exchange_memo(&v->exchange);
    const struct http1_head *head = &v->exchange.request.head;
    struct slice bearer;
    if (http1_count(head, "authorization") != 1 ||
        header_value_bearer(http1_find(head, "authorization"), &bearer) != 0)
        return false;
    if (recall(v, memo, bearer, roles))
        return true;
    const struct principal *p = access_find(d->access, bearer, daemon_now_ms(d));
    if (p == NULL)
        return false;
    memcpy(v->who, p->name, sizeof v->who);
    *roles = p->roles;
    if (bearer.length > sizeof memo->bearer)
        return true;
    memo->generation = access_generation(d->access);
    memo->expires_ms = p->expires_ms;
    memo->roles = p->roles;
    memcpy(memo->name, p->name, sizeof memo->name);
    memo->length = (uint16_t)bearer.length;
    memcpy(memo->bearer, bearer.at, bearer.length);
    return true;
}

/* 0, or the problem says 401 or 403. */
static int admit(struct visit *v, struct problem *p) {
    enum route_role needed = v->match.route->role;
    uint32_t roles = 0;
    if (needed == ROUTE_ROLE_ANYONE)
        return 0;
    if (!settings_flag(&v->daemon->settings, SETTING_AUTH_REQUIRED)) {
        memcpy(v->who, "anyone", sizeof "anyone");
        v->may_view = true;
        return 0;
    }
    if (!identify(v, &roles)) {
        problem_init(p, PROBLEM_UNAUTHORIZED);
        return ERR_DENIED;
    }
    v->may_view = access_may(roles, ACCESS_VIEWER);
    if (access_may(roles, (enum access_role)needed) || (needed == ROUTE_ROLE_RECEIVER && v->may_view))
        return 0;
    PROBLEM_SAY(p, PROBLEM_FORBIDDEN, "this needs the role %s, which the token \"%s\" does not have",
                routes_role_word(needed), v->who);
    PROBLEM_NOTE(p, role, slice_text(routes_role_word(needed)));
    return ERR_DENIED;
}

static int find_route(struct visit *v, struct problem *p) {
    struct exchange *x = &v->exchange;
    struct slice method = x->is_head ? SLICE("GET") : x->request.method;
    int code = routes_match(method, x->request.path, &v->match);
    if (code == ERR_NOT_FOUND) {
        PROBLEM_SAY(p, PROBLEM_NOT_FOUND,
                    "there is nothing at this path; GET /openapi.json lists what there is");
        return code;
    }
    if (code != 0) {
        struct buffer allow;
        buffer_init(&allow, 64);
        problem_init(p, PROBLEM_METHOD_NOT_ALLOWED);
        routes_add_allow(v->match.methods, &allow);
        PROBLEM_NOTE(p, allow, buffer_slice(&allow));
        buffer_done(&allow);
    }
    return code;
}

/* --- headers that every route reads the same way --- */

static int read_namespace(struct visit *v, struct problem *p) {
    struct slice name = http1_find(&v->exchange.request.head, "settle-namespace");
    v->namespace_name = SLICE("default");
    if (name.at == NULL || slice_is(name, "default"))
        return 0;
    return PROBLEM_SAY(p, PROBLEM_NOT_FOUND, "there is no such namespace; this version has \"default\" only");
}

/* A body is read as JSON. It says so, or says nothing, or says what curl -d and other plain clients put there
 * without being asked. */
static bool is_json_enough(struct slice type) {
    static const char *const taken[] = { "application/json", "application/x-www-form-urlencoded",
                                         "text/plain" };
    struct slice essence;
    if (type.at == NULL)
        return true;
    if (header_value_content_type(type, &essence) != 0)
        return false;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (slice_is_nocase(essence, taken[i]))
            return true;
    return false;
}

/* Without tokens a page from somewhere else must not act in its reader's name. With them it cannot: no
 * browser adds the token by itself. */
static int read_origin(struct visit *v, struct problem *p) {
    const struct exchange *x = &v->exchange;
    struct slice type = http1_find(&x->request.head, "content-type");
    struct slice origin = http1_find(&x->request.head, "origin");
    if (v->match.route->method == ROUTE_METHOD_GET)
        return 0;
    if (x->body.length > 0 && !is_json_enough(type))
        return PROBLEM_SAY(p, PROBLEM_BAD_REQUEST, "Content-Type: expected application/json");
    if (origin.at == NULL || settings_flag(&v->daemon->settings, SETTING_AUTH_REQUIRED))
        return 0;
    size_t host = slice_starts(origin, "http://") ? 7 : slice_starts(origin, "https://") ? 8 : origin.length;
    if (slice_equal(slice_from(origin, host), x->request.host))
        return 0;
    return PROBLEM_SAY(p, PROBLEM_FORBIDDEN, "Origin: a page from elsewhere may not act here");
}

static int read_query(struct visit *v, struct problem *p) {
    struct daemon *d = v->daemon;
    uint64_t most = settings_number(&d->settings, SETTING_LIMITS_WAIT);
    if (v->match.route->role == ROUTE_ROLE_ANYONE)
        return 0; /* probes may ask with whatever they like to add */
    int code = query_decode(v->exchange.request.query, v->match.route->query, v->namespace_name,
                            daemon_now_ms(d), &v->exchange.arena, &v->query, p);
    if (code == 0 && v->query.wait_ms > most)
        v->query.wait_ms = (uint32_t)most;
    return code;
}

/* --- the door --- */

static void arrived(void *context, struct exchange *x) {
    struct visit *v = (struct visit *)(void *)x;
    struct problem p;
    v->daemon = context;
    CRASH_POINT(REQUEST_READ);
    if (find_route(v, &p) != 0 || admit(v, &p) != 0 || read_namespace(v, &p) != 0 ||
        read_origin(v, &p) != 0 || keyed_read(v, &p) != 0 || read_query(v, &p) != 0) {
        if (p.type == PROBLEM_UNAUTHORIZED || p.type == PROBLEM_FORBIDDEN)
            logs_say(LOG_DENIED, "%s from %s", problem_row(p.type)->path, exchange_peer(x));
        visit_refuse(v, &p);
        return;
    }
    keyed_enter(v, serve[v->match.route->id]);
}

/* A large body is read only for somebody who may send it. */
static bool announced(void *context, struct exchange *x) {
    enum { SMALL = 64 * 1024 };
    struct visit *v = (struct visit *)(void *)x;
    struct problem p;
    v->daemon = context;
    if (x->request.head.framing == HTTP1_LENGTH && x->request.head.content_length <= SMALL)
        return true;
    if (find_route(v, &p) == 0 && admit(v, &p) == 0)
        return true;
    if (p.type != PROBLEM_UNAUTHORIZED && p.type != PROBLEM_FORBIDDEN && p.type != PROBLEM_NOT_FOUND)
        return true;
    visit_render_refusal(v, problem_http(&p), &p);
    return false;
}

static enum problem_type type_of(uint16_t status) {
    switch (status) {
    case 408:
        return PROBLEM_REQUEST_TIMEOUT;
    case 413:
        return PROBLEM_TOO_LARGE;
    case 414:
        return PROBLEM_URI_TOO_LONG;
    case 431:
        return PROBLEM_HEADERS_TOO_LARGE;
    case 501:
        return PROBLEM_NOT_IMPLEMENTED;
    case 503:
        return PROBLEM_BUSY;
    case 505:
        return PROBLEM_HTTP_VERSION;
    default:
        return PROBLEM_BAD_REQUEST;
    }
}

static void refused(void *context, struct exchange *x, uint16_t status, const char *sentence) {
    struct visit *v = (struct visit *)(void *)x;
    struct problem p;
    struct buffer size;
    v->daemon = context;
    PROBLEM_SAY(&p, type_of(status), "%s", sentence);
    if (status == 413) {
        buffer_init(&size, 64);
        size_add(&size, settings_number(&v->daemon->settings, SETTING_LIMITS_BODY));
        PROBLEM_SAY(&p, PROBLEM_TOO_LARGE, "the body is larger than %.*s", SLICE_PRINT(buffer_slice(&size)));
        PROBLEM_NOTE(&p, limit, buffer_slice(&size));
        PROBLEM_NOTE(&p, setting, SLICE("limits.body"));
        buffer_done(&size);
    }
    /* Whatever was decoded of the head before the refusal may be half of something. */
    if (!x->dispatched && status != 413 && status != 408)
        x->request.path = SLICE("/");
    visit_render_refusal(v, status, &p);
}

static void gone(void *context, struct exchange *x) {
    struct visit *v = (struct visit *)(void *)x;
    struct daemon *d = context;
    driver_forget(d->driver, &v->ask);
    driver_unseal(&v->seal);
    waiters_remove(&v->waiter);
    keyed_leave(v);
    if (v->gone != NULL)
        v->gone(v);
}

static void drained(void *context, struct exchange *x) {
    struct visit *v = (struct visit *)(void *)x;
    (void)context;
    if (v->match.route->id == ROUTE_BACKUP)
        api_backup_drained(v);
    else
        api_stream_drained(v);
}

struct http_server_options api_server_options(struct daemon *d) {
    return (struct http_server_options){
        .exchange_bytes = sizeof(struct visit),
        .fixed_headers = { fixed_headers, sizeof fixed_headers - 1 },
        .announced = announced,
        .arrived = arrived,
        .gone = gone,
        .refused = refused,
        .drained = drained,
        .context = d,
    };
}
