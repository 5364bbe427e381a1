/* Producing reliable messages. */
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "client/draft.h"

#define MESSAGES "/v1/messages"

enum { CHECK_NONE, CHECK_HTTP, CHECK_PG, CHECK_MARKER };

struct stl_msg {
    struct draft draft;
    struct slice topic, id, key, content_type, body;
    bool bodied, json;
    struct draft_pairs headers, labels;
    long long delay_ms;
    int check; /* CHECK_NONE ... */
    struct slice check_url, datasource, xid, system;
    long long check_after_ms, check_every_ms, check_max_ms;
    int check_tries;
};

stl_msg *stl_msg_new(const char *topic, const char *id) {
    stl_msg *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    draft_init(&m->draft, "message");
    if (topic == NULL)
        draft_refuse(&m->draft, STL_EINVALID, "topic", "a message is published under one");
    draft_keep(&m->draft, topic, &m->topic);
    draft_keep(&m->draft, id, &m->id);
    return m;
}

void stl_msg_free(stl_msg *m) {
    if (m == NULL)
        return;
    draft_done(&m->draft);
    free(m);
}

int stl_msg_key(stl_msg *m, const char *key) {
    return draft_keep(&m->draft, key, &m->key);
}

int stl_msg_body(stl_msg *m, const char *content_type, const void *body, size_t length) {
    bool json = content_type == NULL || strcmp(content_type, "application/json") == 0;
    int result = json ? draft_json(&m->draft, "message", body, length) : 0;
    if (result == 0)
        result = draft_keep_bytes(&m->draft, body, length, &m->body);
    if (result == 0 && !json)
        result = draft_keep(&m->draft, content_type, &m->content_type);
    m->bodied = result == 0;
    m->json = json;
    return result;
}

int stl_msg_header(stl_msg *m, const char *name, const char *value) {
    return draft_pair(&m->draft, &m->headers, "header", name, value);
}

int stl_msg_label(stl_msg *m, const char *key, const char *value) {
    return draft_pair(&m->draft, &m->labels, "label", key, value);
}

int stl_msg_delay(stl_msg *m, long long delay_ms) {
    if (delay_ms < 0)
        return draft_refuse(&m->draft, STL_EINVALID, "delay", "must not be negative");
    m->delay_ms = delay_ms;
    return 0;
}

/* ---- check-backs ------------------------------------------------------------------------------------- */

static int choose_check(stl_msg *m, int check) {
    if (m->check != CHECK_NONE && m->check != check)
        return draft_refuse(&m->draft, STL_EINVALID, "check", "http, pg and marker exclude each other");
    m->check = check;
    return 0;
}

int stl_msg_check_http(stl_msg *m, const char *url) {
    if (url == NULL)
        return draft_refuse(&m->draft, STL_EINVALID, "check", "needs a URL");
    int result = choose_check(m, CHECK_HTTP);
    return result == 0 ? draft_keep(&m->draft, url, &m->check_url) : result;
}

int stl_msg_check_pg(stl_msg *m, const char *datasource, const char *xid, const char *system) {
    if (datasource == NULL || xid == NULL || system == NULL)
        return draft_refuse(&m->draft, STL_EINVALID, "check", "needs datasource, xid and system");
    int result = choose_check(m, CHECK_PG);
    if (result == 0)
        result = draft_keep(&m->draft, datasource, &m->datasource);
    if (result == 0)
        result = draft_keep(&m->draft, xid, &m->xid);
    return result == 0 ? draft_keep(&m->draft, system, &m->system) : result;
}

int stl_msg_check_marker(stl_msg *m, const char *datasource) {
    if (datasource == NULL)
        return draft_refuse(&m->draft, STL_EINVALID, "check", "needs a datasource");
    int result = choose_check(m, CHECK_MARKER);
    return result == 0 ? draft_keep(&m->draft, datasource, &m->datasource) : result;
}

int stl_msg_check_times(stl_msg *m, long long after_ms, long long every_ms, long long max_ms, int tries) {
    if (after_ms < 0 || every_ms < 0 || max_ms < 0 || tries < 0)
        return draft_refuse(&m->draft, STL_EINVALID, "check", "takes no negative numbers");
    m->check_after_ms = after_ms;
    m->check_every_ms = every_ms;
    m->check_max_ms = max_ms;
    m->check_tries = tries;
    return 0;
}

/* ---- as JSON ----------------------------------------------------------------------------------------- */

static void put_check(struct json_writer *w, const stl_msg *m) {
    json_put_object(w, "check");
    draft_put_ms(w, "after", m->check_after_ms);
    draft_put_ms(w, "every", m->check_every_ms);
    draft_put_ms(w, "max", m->check_max_ms);
    if (m->check_tries > 0)
        json_put_u64(w, "tries", (uint64_t)m->check_tries);
    if (m->check == CHECK_HTTP) {
        json_put_string(w, "http", m->check_url);
    } else {
        json_put_object(w, m->check == CHECK_PG ? "pg" : "marker");
        json_put_string(w, "datasource", m->datasource);
        if (m->check == CHECK_PG) {
            json_put_string(w, "xid", m->xid);
            json_put_string(w, "system", m->system);
        }
        json_put_end(w);
    }
    json_put_end(w);
}

static void put_body(struct json_writer *w, const stl_msg *m) {
    if (m->json) {
        json_put_raw(w, "body", m->body);
        return;
    }
    json_put_string(w, "content_type", m->content_type);
    json_put_raw(w, "body_base64", SLICE("\""));
    digest_add_base64(w->out, m->body, BASE64_STANDARD);
    buffer_add_byte(w->out, '"');
}

const char *stl_msg_json(stl_msg *m, int half, size_t *length) {
    struct json_writer w;
    if (half && m->id.length == 0)
        draft_refuse(&m->draft, STL_EINVALID, "id", "a half message needs one: by it you decide it later");
    if (half && m->check == CHECK_NONE)
        draft_refuse(&m->draft, STL_EINVALID, "check", "a half message needs somebody to ask about it");
    if (!half && m->check != CHECK_NONE)
        draft_refuse(&m->draft, STL_EINVALID, "check", "only a half message is asked about");
    if (!draft_begin(&m->draft, &w))
        return NULL;
    json_put_object(&w, NULL);
    if (m->id.length > 0)
        json_put_string(&w, "id", m->id);
    json_put_string(&w, "topic", m->topic);
    if (m->key.length > 0)
        json_put_string(&w, "key", m->key);
    draft_put_ms(&w, "delay", m->delay_ms);
    draft_put_pairs(&w, "headers", &m->headers);
    draft_put_pairs(&w, "labels", &m->labels);
    if (m->bodied)
        put_body(&w, m);
    if (half) {
        json_put_text(&w, "state", "half");
        put_check(&w, m);
    }
    json_put_end(&w);
    return draft_end(&m->draft, length);
}

/* ---- sending and deciding ---------------------------------------------------------------------------- */

static int send_message(stl_client *c, stl_msg *m, int half, int wait_ms, stl_result **out, stl_err *e) {
    struct client_errand errand = { .method = "POST",
                                    .collection = MESSAGES,
                                    .wait_ms = client_wait(wait_ms),
                                    .repeatable = m->id.length > 0 };
    errand.body.at = stl_msg_json(m, half, &errand.body.length);
    if (errand.body.at == NULL)
        return draft_failed(&m->draft, e);
    return client_ask_result(c, &errand, out, e);
}

int stl_msg_publish(stl_client *c, stl_msg *m, int wait_ms, stl_result **out, stl_err *e) {
    return send_message(c, m, 0, wait_ms, out, e);
}

int stl_msg_half(stl_client *c, stl_msg *m, stl_err *e) {
    return send_message(c, m, 1, 0, NULL, e);
}

static int ask(stl_client *c, const char *method, const char *id, const char *verb, int wait_ms,
               stl_result **out, stl_err *e) {
    struct client_errand errand = { .method = method,
                                    .collection = MESSAGES,
                                    .name = id,
                                    .verb = verb,
                                    .wait_ms = client_wait(wait_ms),
                                    .repeatable = true };
    if (id == NULL || *id == '\0')
        return client_fail(e, STL_EINVALID, "which message?");
    return client_ask_result(c, &errand, out, e);
}

int stl_msg_commit(stl_client *c, const char *id, stl_err *e) {
    return ask(c, "POST", id, "/commit", 0, NULL, e);
}

int stl_msg_rollback(stl_client *c, const char *id, stl_err *e) {
    return ask(c, "POST", id, "/rollback", 0, NULL, e);
}

int stl_msg_check(stl_client *c, const char *id, int wait_ms, stl_result **out, stl_err *e) {
    return ask(c, "POST", id, "/check", wait_ms, out, e);
}

int stl_msg_get(stl_client *c, const char *id, stl_result **out, stl_err *e) {
    return ask(c, "GET", id, NULL, 0, out, e);
}

const char *stl_check_reply(int state) {
    switch (state) {
    case STL_COMMITTED:
        return "{\"status\":\"committed\"}";
    case STL_ROLLED_BACK:
        return "{\"status\":\"rolled_back\"}";
    default:
        return "{\"status\":\"unknown\"}";
    }
}
