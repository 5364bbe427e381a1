#include "client/client.h"

#define PATH_BYTES 4096

int client_wait(int wait_ms) {
    return wait_ms < 0 ? 0 : wait_ms > LIMIT_WAIT_MS ? LIMIT_WAIT_MS : wait_ms;
}

int client_ask(stl_client *c, const struct client_errand *errand, stl_response **out, stl_err *e) {
    struct client_call call = { .method = errand->method,
                                .body = errand->body,
                                .wait_ms = errand->wait_ms + errand->patience_ms,
                                .repeatable = errand->repeatable };
    stl_response *response = NULL;
    struct buffer path;
    buffer_init(&path, PATH_BYTES);
    buffer_add_text(&path, errand->collection);
    if (errand->name != NULL) {
        buffer_add_byte(&path, '/');
        client_add_escaped(&path, errand->name);
    }
    if (errand->verb != NULL)
        buffer_add_text(&path, errand->verb);
    if (errand->wait_ms > 0)
        buffer_add_format(&path, "?wait=%dms", errand->wait_ms);
    buffer_add_byte(&path, '\0');
    call.path = path.at;
    int result = buffer_failed(&path) ? client_fail(e, STL_EINVALID, "the name is too long")
                                      : client_exchange(c, &call, &response, e);
    buffer_done(&path);
    if (result == 0)
        result = stl_response_check(c, response, e);
    if (result == 0)
        *out = response;
    else
        stl_response_free(response);
    return result;
}
