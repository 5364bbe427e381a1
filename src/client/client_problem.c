#include "client/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

const char *stl_strerror(int code) {
    switch (code) {
    case 0:
        return "success";
    case STL_EMEMORY:
        return "out of memory";
    case STL_EINVALID:
        return "invalid argument";
    case STL_ELIMIT:
        return "the answer is too large";
    case STL_EUNREACHABLE:
        return "settled cannot be reached";
    case STL_EUNKNOWN:
        return "the connection broke, the outcome is unknown";
    case STL_ETIMEOUT:
        return "no answer in time, the outcome is unknown";
    case STL_EPROTOCOL:
        return "not settle's HTTP";
    case STL_ETLS:
        return "TLS failed";
    case STL_ESTOPPED:
        return "stopped by the caller";
    case STL_EREFUSED:
        return "the request was refused";
    case STL_EAUTH:
        return "no valid token";
    case STL_EDENIED:
        return "not allowed";
    case STL_ENOTFOUND:
        return "not found";
    case STL_ECONFLICT:
        return "conflicts with what is there";
    case STL_EBUSY:
        return "settled is busy, nothing happened";
    case STL_ESERVER:
        return "settled failed";
    default:
        return "unknown error";
    }
}

static void cut_copy(char *to, size_t size, struct slice from) {
    size_t length = from.length < size - 1 ? from.length : size - 1;
    while (length < from.length && length > 0 && ((unsigned char)from.at[length] & 0xc0) == 0x80)
        length--; /* not in the middle of a character */
    if (length > 0)
        memcpy(to, from.at, length);
    to[length] = '\0';
}

int client_fail(stl_err *e, int code, const char *format, ...) {
    if (e == NULL)
        return code;
    char text[sizeof e->text * 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memset(e, 0, sizeof *e);
    e->code = code;
    e->retry = code == STL_EUNREACHABLE || code == STL_EUNKNOWN || code == STL_ETIMEOUT || code == STL_EBUSY;
    cut_copy(e->text, sizeof e->text, slice_text(text));
    return code;
}

static int code_of(int status) {
    switch (status) {
    case 401:
        return STL_EAUTH;
    case 403:
        return STL_EDENIED;
    case 404:
        return STL_ENOTFOUND;
    case 409:
        return STL_ECONFLICT;
    case 429:
    case 503:
    case 507:
        return STL_EBUSY;
    default:
        return status >= 500 ? STL_ESERVER : STL_EREFUSED;
    }
}

static void copy_member(struct json_value object, const char *name, char *to, size_t size) {
    struct json_value value;
    struct slice text;
    struct arena arena;
    arena_init(&arena, 4096, 1024 * 1024);
    if (json_member(object, name, &value) && json_string(value, &arena, &text) == 0)
        cut_copy(to, size, text);
    arena_done(&arena);
}

/* RFC 9457: title says what kind of problem, detail says this one. */
static void tell_problem(const stl_response *r, stl_err *e) {
    struct json_value problem, retry;
    char title[128] = "", detail[sizeof e->text] = "";
    bool again;
    size_t length = 0;
    const char *body = stl_response_body(r, &length);
    if (json_check(slice_of(body, length), &problem, NULL) != 0 || problem.kind != JSON_OBJECT)
        return;
    copy_member(problem, "type", e->type, sizeof e->type);
    copy_member(problem, "decision", e->decision, sizeof e->decision);
    copy_member(problem, "title", title, sizeof title);
    copy_member(problem, "detail", detail, sizeof detail);
    if (json_member(problem, "retry", &retry) && json_bool(retry, &again) == 0)
        e->retry = again;
    if (detail[0] != '\0')
        cut_copy(e->text, sizeof e->text, slice_text(detail));
    else if (title[0] != '\0')
        cut_copy(e->text, sizeof e->text, slice_text(title));
}

int stl_response_check(const stl_client *c, const stl_response *r, stl_err *e) {
    int status = stl_response_status(r), code;
    if (status / 100 == 2)
        return 0;
    code =
        client_fail(e, code_of(status), "%s answered %d %s", c->url, status, http1_reason((unsigned)status));
    if (e == NULL)
        return code;
    e->http = status;
    tell_problem(r, e);
    if (code == STL_EAUTH) {
        size_t used = strlen(e->text);
        snprintf(e->text + used, sizeof e->text - used, "\nToken looked for in:\n%s",
                 stl_client_token_places(c));
    }
    return code;
}

void client_add_escaped(struct buffer *b, const char *text) {
    static const char digits[] = "0123456789ABCDEF";
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c) != NULL) {
            buffer_add_byte(b, *at);
        } else {
            buffer_add_byte(b, '%');
            buffer_add_byte(b, digits[c >> 4]);
            buffer_add_byte(b, digits[c & 15]);
        }
    }
}
