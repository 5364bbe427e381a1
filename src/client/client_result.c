#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/client_tx.h"

#define WAIT_STEP_MS 50000 /* below LIMIT_WAIT_MS, so that the server's clock ends each wait */

struct stl_result {
    struct buffer json; /* NUL-ended */
    struct arena arena;
    const char *gid, *status;
    struct buffer reason; /* NUL-ended */
    int attention;
    bool message;  /* or a notification: what has an id instead of a gid */
    bool finished; /* it tells when it ended */
};

/* ---- reading ----------------------------------------------------------------------------------------- */

static const char *text_member(stl_result *r, struct json_value object, const char *name) {
    struct json_value value;
    struct slice text;
    if (!json_member(object, name, &value) || json_string(value, &r->arena, &text) != 0)
        return "";
    char *copy = arena_take(&r->arena, text.length + 1);
    if (copy == NULL)
        return "";
    if (text.length > 0)
        memcpy(copy, text.at, text.length);
    copy[text.length] = '\0';
    return copy;
}

/* {"branch","op","attempt","http","detail"} read out: hotel.action: HTTP 409 no rooms. A plain string is
 * itself. */
static void tell_reason(stl_result *r, struct json_value root) {
    struct json_value reason, http;
    uint64_t number = 0;
    if (!json_member(root, "reason", &reason))
        return;
    if (reason.kind == JSON_STRING) {
        buffer_add_text(&r->reason, text_member(r, root, "reason"));
        return;
    }
    const char *branch = text_member(r, reason, "branch"), *op = text_member(r, reason, "op");
    const char *detail = text_member(r, reason, "detail");
    if (*branch != '\0')
        buffer_add_format(&r->reason, "%s%s%s: ", branch, *op == '\0' ? "" : ".", op);
    if (json_member(reason, "http", &http) && json_u64(http, &number) == 0 && number > 0)
        buffer_add_format(&r->reason, "HTTP %u%s", (unsigned)number, *detail == '\0' ? "" : ", ");
    buffer_add_text(&r->reason, detail);
}

int client_result_new(stl_response *response, stl_result **out, stl_err *e) {
    struct json_value root, attention, gid;
    stl_result *r = calloc(1, sizeof *r);
    if (r == NULL)
        return client_fail(e, STL_EMEMORY, "out of memory");
    buffer_init(&r->reason, 64 * 1024);
    arena_init(&r->arena, 4096, 16 * 1024 * 1024);
    r->json = response->body;
    buffer_init(&response->body, 1);
    if (json_check(slice_of(r->json.at, r->json.length - 1), &root, NULL) != 0 || root.kind != JSON_OBJECT) {
        stl_result_free(r);
        return client_fail(e, STL_EPROTOCOL, "the answer is not the JSON of what was asked for");
    }
    r->message = !json_member(root, "gid", &gid);
    r->gid = text_member(r, root, r->message ? "id" : "gid");
    r->finished = *text_member(r, root, "finished") != '\0';
    r->status = text_member(r, root, "status");
    if (json_member(root, "attention", &attention))
        r->attention = attention.kind == JSON_OBJECT || slice_is(attention.raw, "true");
    tell_reason(r, root);
    buffer_add_byte(&r->reason, '\0');
    *out = r;
    return 0;
}

const char *stl_result_gid(const stl_result *r) {
    return r->gid;
}

const char *stl_result_status(const stl_result *r) {
    return r->status;
}

/* The decision of a message is final at once; the message is when all its deliveries are over. */
int stl_result_final(const stl_result *r) {
    if (r->message)
        return r->finished;
    static const char *const finals[] = { "committed", "rolled_back", "heuristic_commit",
                                          "heuristic_rollback", "heuristic_mixed" };
    for (size_t i = 0; i < sizeof finals / sizeof *finals; i++)
        if (strcmp(r->status, finals[i]) == 0)
            return 1;
    return 0;
}

int stl_result_committed(const stl_result *r) {
    if (r->message && !r->finished)
        return 0;
    return strcmp(r->status, "committed") == 0 || strcmp(r->status, "heuristic_commit") == 0;
}

int stl_result_attention(const stl_result *r) {
    return r->attention;
}

const char *stl_result_reason(const stl_result *r) {
    return buffer_failed(&r->reason) ? "" : r->reason.at;
}

const char *stl_result_json(const stl_result *r, size_t *length) {
    if (length != NULL)
        *length = r->json.length - 1;
    return r->json.at;
}

void stl_result_free(stl_result *r) {
    if (r == NULL)
        return;
    buffer_done(&r->json);
    buffer_done(&r->reason);
    arena_done(&r->arena);
    free(r);
}

/* ---- asking ------------------------------------------------------------------------------------------ */

int client_ask_result(stl_client *c, const struct client_errand *errand, stl_result **out, stl_err *e) {
    stl_response *response = NULL;
    int result = client_ask(c, errand, &response, e);
    if (result == 0 && out != NULL)
        result = client_result_new(response, out, e);
    stl_response_free(response);
    return result;
}

int stl_tx_submit(stl_client *c, stl_tx *t, int wait_ms, stl_result **out, stl_err *e) {
    struct client_errand errand = { .method = "POST",
                                    .collection = "/v1/transactions",
                                    .wait_ms = client_wait(wait_ms),
                                    .repeatable = client_tx_named(t) };
    const char *json = stl_tx_json(t, &errand.body.length);
    if (json == NULL)
        return client_tx_failed(t, e);
    errand.body.at = json;
    return client_ask_result(c, &errand, out, e);
}

static int get(stl_client *c, const char *gid, int wait_ms, stl_result **out, stl_err *e) {
    struct client_errand errand = {
        .method = "GET", .collection = "/v1/transactions", .name = gid, .wait_ms = wait_ms, .repeatable = true
    };
    if (gid == NULL || *gid == '\0')
        return client_fail(e, STL_EINVALID, "which gid?");
    return client_ask_result(c, &errand, out, e);
}

int stl_tx_get(stl_client *c, const char *gid, stl_result **out, stl_err *e) {
    return get(c, gid, 0, out, e);
}

int stl_tx_wait(stl_client *c, const char *gid, int wait_ms, stl_result **out, stl_err *e) {
    int64_t end_ms = channel_now_ms() + (wait_ms > 0 ? wait_ms : 0);
    for (;;) {
        stl_result *now = NULL;
        int64_t left_ms = end_ms - channel_now_ms();
        int step_ms = left_ms <= 0 ? 0 : left_ms > WAIT_STEP_MS ? WAIT_STEP_MS : (int)left_ms;
        int result = get(c, gid, step_ms, &now, e);
        if (result != 0)
            return result;
        if (stl_result_final(now) || channel_now_ms() >= end_ms) {
            if (out != NULL)
                *out = now;
            else
                stl_result_free(now);
            return 0;
        }
        stl_result_free(now);
    }
}

static int decide(stl_client *c, const char *gid, const char *verb, int wait_ms, stl_result **out,
                  stl_err *e) {
    /* Deciding twice the same way is the same decision, so a repeat is safe. */
    struct client_errand errand = { .method = "POST",
                                    .collection = "/v1/transactions",
                                    .name = gid,
                                    .verb = verb,
                                    .wait_ms = client_wait(wait_ms),
                                    .repeatable = true };
    if (gid == NULL || *gid == '\0')
        return client_fail(e, STL_EINVALID, "which gid?");
    return client_ask_result(c, &errand, out, e);
}

int stl_tx_commit(stl_client *c, const char *gid, int wait_ms, stl_result **out, stl_err *e) {
    return decide(c, gid, "/commit", wait_ms, out, e);
}

int stl_tx_rollback(stl_client *c, const char *gid, int wait_ms, stl_result **out, stl_err *e) {
    return decide(c, gid, "/rollback", wait_ms, out, e);
}
