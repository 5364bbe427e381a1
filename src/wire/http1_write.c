#include "wire/http1.h"

#include <assert.h>

#include "base/err.h"

static const struct {
    uint16_t status;
    const char *reason;
} reasons[] = {
    { 100, "Continue" },
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" },
    { 425, "Too Early" },
    { 426, "Upgrade Required" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
};

const char *http1_reason(unsigned status) {
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

/* Text that goes into a head: no line break and no other control byte but the tab. */
static void add_text(struct buffer *b, struct slice s) {
    if (slice_has_control(s) && b->failed == 0)
        b->failed = ERR_INVALID;
    buffer_add_slice(b, s);
}

/* A target or host: text without blanks, since a blank would end it early. */
static void add_word(struct buffer *b, struct slice s) {
    if ((s.length == 0 || slice_find(s, ' ') < s.length || slice_find(s, '\t') < s.length) && b->failed == 0)
        b->failed = ERR_INVALID;
    add_text(b, s);
}

void http1_add_request(struct buffer *b, const char *method, struct slice target, struct slice host) {
    assert(http1_is_token(slice_text(method)));
    buffer_add_text(b, method);
    buffer_add_byte(b, ' ');
    add_word(b, target);
    buffer_add_slice(b, SLICE(" HTTP/1.1\r\nHost: "));
    add_word(b, host);
    buffer_add_slice(b, SLICE("\r\n"));
}

void http1_add_status(struct buffer *b, unsigned status) {
    assert(status >= 100 && status <= 999);
    buffer_add_slice(b, SLICE("HTTP/1.1 "));
    buffer_add_u64(b, status);
    buffer_add_byte(b, ' ');
    buffer_add_text(b, http1_reason(status));
    buffer_add_slice(b, SLICE("\r\n"));
}

void http1_add_header(struct buffer *b, const char *name, struct slice value) {
    assert(http1_is_token(slice_text(name)));
    buffer_add_text(b, name);
    buffer_add_slice(b, SLICE(": "));
    add_text(b, value);
    buffer_add_slice(b, SLICE("\r\n"));
}

void http1_add_header_u64(struct buffer *b, const char *name, uint64_t value) {
    assert(http1_is_token(slice_text(name)));
    buffer_add_text(b, name);
    buffer_add_slice(b, SLICE(": "));
    buffer_add_u64(b, value);
    buffer_add_slice(b, SLICE("\r\n"));
}

void http1_add_head_end(struct buffer *b) {
    buffer_add_slice(b, SLICE("\r\n"));
}

void http1_add_chunk(struct buffer *b, struct slice piece) {
    static const char digits[] = "0123456789abcdef";
    char size[16];
    size_t at = sizeof size;
    if (piece.length == 0)
        return;
    for (size_t left = piece.length; left > 0; left >>= 4)
        size[--at] = digits[left & 15];
    buffer_add(b, size + at, sizeof size - at);
    buffer_add_slice(b, SLICE("\r\n"));
    buffer_add_slice(b, piece);
    buffer_add_slice(b, SLICE("\r\n"));
}

void http1_add_last_chunk(struct buffer *b) {
    buffer_add_slice(b, SLICE("0\r\n\r\n"));
}
