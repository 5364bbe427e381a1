/* Best-effort notifications. */
#include <stdio.h>
#include <stdlib.h>

#include "client/draft.h"

#define NOTIFICATIONS "/v1/notifications"

struct wait {
    struct wait *next;
    long long ms;
};

struct stl_notice {
    struct draft draft;
    struct slice endpoint, event, id, ref, body, success;
    struct wait *waits, **waits_end;
};

stl_notice *stl_notice_new(const char *endpoint, const char *event, const char *id) {
    stl_notice *n = calloc(1, sizeof *n);
    if (n == NULL)
        return NULL;
    draft_init(&n->draft, "notification");
    n->waits_end = &n->waits;
    if (endpoint == NULL || event == NULL)
        draft_refuse(&n->draft, STL_EINVALID, "notification", "needs an endpoint and an event");
    draft_keep(&n->draft, endpoint, &n->endpoint);
    draft_keep(&n->draft, event, &n->event);
    draft_keep(&n->draft, id, &n->id);
    return n;
}

void stl_notice_free(stl_notice *n) {
    if (n == NULL)
        return;
    draft_done(&n->draft);
    free(n);
}

int stl_notice_ref(stl_notice *n, const char *ref) {
    return draft_keep(&n->draft, ref, &n->ref);
}

int stl_notice_body(stl_notice *n, const void *json, size_t length) {
    int result = draft_json(&n->draft, "notification", json, length);
    return result == 0 ? draft_keep_bytes(&n->draft, json, length, &n->body) : result;
}

int stl_notice_after(stl_notice *n, long long delay_ms) {
    struct wait *w = arena_take(&n->draft.arena, sizeof *w);
    if (delay_ms < 0)
        return draft_refuse(&n->draft, STL_EINVALID, "schedule", "takes no negative waits");
    if (w == NULL)
        return draft_refuse(&n->draft, STL_EMEMORY, "schedule", "out of memory");
    w->ms = delay_ms;
    *n->waits_end = w;
    n->waits_end = &w->next;
    return 0;
}

int stl_notice_success(stl_notice *n, const char *body) {
    return draft_keep(&n->draft, body, &n->success);
}

const char *stl_notice_json(stl_notice *n, size_t *length) {
    struct json_writer w;
    if (!draft_begin(&n->draft, &w))
        return NULL;
    json_put_object(&w, NULL);
    if (n->id.length > 0)
        json_put_string(&w, "id", n->id);
    json_put_string(&w, "endpoint", n->endpoint);
    json_put_string(&w, "event", n->event);
    if (n->ref.length > 0)
        json_put_string(&w, "ref", n->ref);
    if (n->waits != NULL) {
        json_put_array(&w, "schedule");
        for (const struct wait *each = n->waits; each != NULL; each = each->next) {
            char text[32];
            snprintf(text, sizeof text, "%lldms", each->ms);
            json_put_text(&w, NULL, text);
        }
        json_put_end(&w);
    }
    if (n->success.length > 0) {
        json_put_object(&w, "success");
        json_put_string(&w, "body", n->success);
        json_put_end(&w);
    }
    if (n->body.length > 0)
        json_put_raw(&w, "body", n->body);
    json_put_end(&w);
    return draft_end(&n->draft, length);
}

int stl_notify(stl_client *c, stl_notice *n, int wait_ms, stl_result **out, stl_err *e) {
    struct client_errand errand = { .method = "POST",
                                    .collection = NOTIFICATIONS,
                                    .wait_ms = client_wait(wait_ms),
                                    .repeatable = n->id.length > 0 };
    errand.body.at = stl_notice_json(n, &errand.body.length);
    if (errand.body.at == NULL)
        return draft_failed(&n->draft, e);
    return client_ask_result(c, &errand, out, e);
}

int stl_notice_get(stl_client *c, const char *id, stl_result **out, stl_err *e) {
    struct client_errand errand = {
        .method = "GET", .collection = NOTIFICATIONS, .name = id, .repeatable = true
    };
    if (id == NULL || *id == '\0')
        return client_fail(e, STL_EINVALID, "which notification?");
    return client_ask_result(c, &errand, out, e);
}
