#include "wire/http1.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"

#define METHOD_BYTES 32
#define INTERIMS 8

/* Headers that decide how a message is read. A second one of most of them is how requests are smuggled. */
enum seen {
    SEEN_HOST = 1,
    SEEN_LENGTH = 2,
    SEEN_CODING = 4,
    SEEN_CLOSE = 8,
    SEEN_KEEP_ALIVE = 16,
};

static const unsigned char token_byte[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static int refuse(struct http1_head *h, unsigned status, const char *sentence) {
    assert(h->refusal.status == 0);
    h->refusal = (struct http1_refusal){ .status = (uint16_t)status, .sentence = sentence };
    switch (status) {
    case 413:
    case 414:
    case 431:
        return ERR_LIMIT;
    case 415:
    case 417:
    case 501:
    case 505:
        return ERR_UNSUPPORTED;
    default:
        return ERR_SYNTAX;
    }
}

bool http1_is_token(struct slice s) {
    unsigned char good = s.length > 0;
    for (size_t i = 0; i < s.length; i++)
        good &= token_byte[(unsigned char)s.at[i]];
    return good != 0;
}

/* Field text: printable, blanks, and bytes over 0x7f. No other control byte, so no CR and no NUL. */
static bool is_text(struct slice s) {
    return !slice_has_control(s);
}

bool http1_list_has(struct slice list, const char *token) {
    for (;;) {
        size_t comma = slice_find(list, ',');
        if (slice_is_nocase(slice_trim(slice_upto(list, comma)), token))
            return true;
        if (comma == list.length)
            return false;
        list = slice_from(list, comma + 1);
    }
}

struct slice http1_find(const struct http1_head *head, const char *name) {
    for (size_t i = 0; i < head->header_count; i++)
        if (slice_is_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return SLICE_NONE;
}

size_t http1_count(const struct http1_head *head, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++)
        count += slice_is_nocase(head->headers[i].name, name);
    return count;
}

static void move_slice(struct slice *s, const char *from, const char *to) {
    if (s->at != NULL)
        s->at = to + ((uintptr_t)s->at - (uintptr_t)from);
}

/* The caller's buffer may have grown elsewhere between two calls: what was decoded moves along. */
static void follow_input(struct http1_head *h, struct slice input, struct slice *first,
                         struct slice *second) {
    assert(h->refusal.status == 0);
    assert(input.length >= h->scanned);
    if (h->input != NULL && h->input != input.at) {
        move_slice(first, h->input, input.at);
        move_slice(second, h->input, input.at);
        for (size_t i = 0; i < h->header_count; i++) {
            move_slice(&h->headers[i].name, h->input, input.at);
            move_slice(&h->headers[i].value, h->input, input.at);
        }
    }
    h->input = input.at;
}

/* The next whole line, without its CR LF. over is the status for a line of more than limit bytes. The length
 * is judged before the content, so that the verdict does not depend on how much has arrived. */
static int next_line(struct http1_head *h, struct slice input, size_t limit, unsigned over,
                     struct slice *line) {
    size_t end = h->scanned + slice_find(slice_from(input, h->scanned), '\n');
    size_t length = end - h->line;
    if (length > limit + 1)
        return refuse(h, over, over == 414 ? "the request line is too long" : "the headers are too long");
    if (end == input.length) {
        h->scanned = end;
        return ERR_MORE;
    }
    if (length == 0 || input.at[end - 1] != '\r')
        return refuse(h, 400, "a line ends with a bare LF");
    *line = slice_of(input.at + h->line, length - 1);
    h->line = h->scanned = end + 1;
    return 0;
}

static int read_length(struct http1_head *h, struct slice value) {
    if (h->seen & SEEN_LENGTH)
        return refuse(h, 400, "Content-Length is repeated");
    h->seen |= SEEN_LENGTH;
    int code = slice_u64(value, &h->content_length);
    if (code == ERR_LIMIT)
        return refuse(h, 413, "Content-Length is beyond every limit");
    return code == 0 ? 0 : refuse(h, 400, "Content-Length is not a number");
}

static int read_coding(struct http1_head *h, struct slice value) {
    if (h->seen & SEEN_CODING)
        return refuse(h, 400, "Transfer-Encoding is repeated");
    h->seen |= SEEN_CODING;
    return slice_is_nocase(value, "chunked") ? 0
                                             : refuse(h, 501, "a transfer coding other than chunked is used");
}

/* Headers that requests and responses read alike. */
static int read_framing_header(struct http1_head *h, struct slice name, struct slice value) {
    if (name.length == 14 && slice_is_nocase(name, "content-length"))
        return read_length(h, value);
    if (name.length == 17 && slice_is_nocase(name, "transfer-encoding"))
        return read_coding(h, value);
    if (name.length == 10 && slice_is_nocase(name, "connection")) {
        if (http1_list_has(value, "close"))
            h->seen |= SEEN_CLOSE;
        if (http1_list_has(value, "keep-alive"))
            h->seen |= SEEN_KEEP_ALIVE;
    }
    return 0;
}

/* One header line into the array. */
static int read_header(struct http1_head *h, struct slice line) {
    if (line.at[0] == ' ' || line.at[0] == '\t')
        return refuse(h, 400, "a header is folded over several lines");
    size_t colon = slice_find(line, ':');
    if (colon == line.length)
        return refuse(h, 400, "a header line has no colon");
    struct slice name = slice_upto(line, colon);
    struct slice value = slice_trim(slice_from(line, colon + 1));
    if (!http1_is_token(name))
        return refuse(h, 400, "a header name is not a token");
    if (!is_text(value))
        return refuse(h, 400, "a header value holds a control character");
    if (h->header_count == h->header_max)
        return refuse(h, 431, "there are too many headers");
    h->headers[h->header_count++] = (struct http1_header){ .name = name, .value = value };
    return 0;
}

typedef int read_field(struct http1_head *h, struct slice name, struct slice value);

/* Header lines up to the empty one. 0 when it was found. */
static int read_headers(struct http1_head *h, struct slice input, read_field *judge) {
    for (;;) {
        size_t used = h->line - h->fields;
        size_t room = used + 2 < LIMIT_HEADER_BYTES ? LIMIT_HEADER_BYTES - used - 2 : 0;
        struct slice line;
        int code = next_line(h, input, room, 431, &line);
        if (code < 0 || line.length == 0)
            return code;
        code = read_header(h, line);
        if (code == 0) {
            const struct http1_header *last = &h->headers[h->header_count - 1];
            code = judge(h, last->name, last->value);
        }
        if (code < 0)
            return code;
    }
}

/* Requests. */

static int read_version(struct http1_head *h, struct slice version) {
    if (version.length != 8 || !slice_starts(version, "HTTP/") || version.at[6] != '.' ||
        version.at[5] < '0' || version.at[5] > '9' || version.at[7] < '0' || version.at[7] > '9')
        return refuse(h, 400, "the request line does not end with an HTTP version");
    if (version.at[5] != '1' || version.at[7] > '1')
        return refuse(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    h->minor = (uint8_t)(version.at[7] - '0');
    return 0;
}

/* The authority of an absolute target, or nothing when it is not absolute. */
static struct slice target_authority(struct slice target) {
    size_t scheme = slice_is_nocase(slice_upto(target, 7), "http://")    ? 7
                    : slice_is_nocase(slice_upto(target, 8), "https://") ? 8
                                                                         : 0;
    if (scheme == 0)
        return SLICE_NONE;
    struct slice rest = slice_from(target, scheme);
    size_t end = slice_find(rest, '/');
    size_t question = slice_find(rest, '?');
    return slice_upto(rest, question < end ? question : end);
}

static int check_target(struct http1_request *r) {
    struct slice target = r->target;
    bool good = target.length > 0;
    for (size_t i = 0; i < target.length; i++) {
        unsigned char c = (unsigned char)target.at[i];
        good &= c > 0x20 && c < 0x7f && c != '#';
    }
    if (!good)
        return refuse(&r->head, 400, "the request target holds a byte that no URL may hold");
    if (slice_is(r->method, "CONNECT"))
        return refuse(&r->head, 501, "CONNECT is not served here");
    if (target.at[0] == '/' || target_authority(target).length > 0)
        return 0;
    if (slice_is(target, "*") && slice_is(r->method, "OPTIONS"))
        return 0;
    return refuse(&r->head, 400, "the request target is neither a path nor a URL");
}

static int read_request_line(struct http1_request *r, struct slice line) {
    size_t space = slice_find(line, ' ');
    r->method = slice_upto(line, space);
    if (!http1_is_token(r->method))
        return refuse(&r->head, 400, "the request line does not begin with a method");
    if (r->method.length > METHOD_BYTES)
        return refuse(&r->head, 501, "no method has so long a name");
    struct slice rest = slice_from(line, space + 1);
    space = slice_find(rest, ' ');
    if (space == rest.length)
        return refuse(&r->head, 400, "the request line has no HTTP version");
    r->target = slice_upto(rest, space);
    int code = read_version(&r->head, slice_from(rest, space + 1));
    return code < 0 ? code : check_target(r);
}

static int read_host(struct http1_head *h, struct slice value) {
    if (h->seen & SEEN_HOST)
        return refuse(h, 400, "Host is repeated");
    h->seen |= SEEN_HOST;
    bool good = value.length > 0 || h->minor == 0;
    for (size_t i = 0; i < value.length; i++) {
        char c = value.at[i];
        good &= c > 0x20 && c < 0x7f && strchr("/?#@\\,\"<>^`{|}", c) == NULL;
    }
    return good ? 0 : refuse(h, 400, "Host is not a host name");
}

static int read_request_header(struct http1_head *h, struct slice name, struct slice value) {
    switch (name.length) {
    case 4:
        if (slice_is_nocase(name, "host"))
            return read_host(h, value);
        return 0;
    case 6:
        if (h->minor == 1 && slice_is_nocase(name, "expect") && !slice_is_nocase(value, "100-continue"))
            return refuse(h, 417, "Expect asks for something other than 100-continue");
        return 0;
    case 7:
        if (slice_is_nocase(name, "upgrade") && http1_list_has(value, "h2c"))
            return refuse(h, 400, "an upgrade to h2c is not offered here");
        return 0;
    case 16:
        if (slice_is_nocase(name, "content-encoding") && !slice_is_nocase(value, "identity"))
            return refuse(h, 415, "compressed bodies are not read here");
        return 0;
    default:
        if (name.length == 14 && slice_is_nocase(name, "http2-settings"))
            return refuse(h, 400, "an upgrade to h2c is not offered here");
        return read_framing_header(h, name, value);
    }
}

static void split_target(struct http1_request *r) {
    struct slice rest = r->target;
    struct slice authority = target_authority(rest);
    if (authority.length > 0)
        rest = slice_from(rest, (size_t)(authority.at - rest.at) + authority.length);
    size_t question = slice_find(rest, '?');
    r->path = question == 0 ? SLICE("/") : slice_upto(rest, question);
    r->query = question < rest.length ? slice_from(rest, question + 1) : SLICE_NONE;
}

/* All lines are read: judge what they say together. */
static int finish_request(struct http1_request *r) {
    struct http1_head *h = &r->head;
    if (h->minor == 1 && !(h->seen & SEEN_HOST))
        return refuse(h, 400, "Host is missing");
    r->host = http1_find(h, "host");
    struct slice authority = target_authority(r->target);
    if (authority.length > 0 && !slice_equal_nocase(authority, r->host))
        return refuse(h, 400, "the request target names another host than Host");
    if ((h->seen & SEEN_LENGTH) && (h->seen & SEEN_CODING))
        return refuse(h, 400, "both Content-Length and Transfer-Encoding are given");
    if ((h->seen & SEEN_CODING) && h->minor == 0)
        return refuse(h, 400, "HTTP/1.0 knows no Transfer-Encoding");
    split_target(r);
    h->framing = h->seen & SEEN_CODING ? HTTP1_CHUNKED : h->content_length > 0 ? HTTP1_LENGTH : HTTP1_NO_BODY;
    h->keep_alive = !(h->seen & SEEN_CLOSE) && (h->minor == 1 || (h->seen & SEEN_KEEP_ALIVE));
    r->expects_continue = h->minor == 1 && http1_find(h, "expect").at != NULL;
    return 0;
}

void http1_request_init(struct http1_request *r, struct http1_header *headers, size_t header_max) {
    assert(headers != NULL || header_max == 0);
    *r = (struct http1_request){ .head = { .headers = headers, .header_max = header_max } };
}

/* The request line, and the one empty line that may stand before it. */
static int open_request(struct http1_request *r, struct slice input) {
    struct http1_head *h = &r->head;
    struct slice line;
    for (;;) {
        if (h->line < input.length && input.at[h->line] != '\r' &&
            !token_byte[(unsigned char)input.at[h->line]])
            return refuse(h, 400, "this does not begin like an HTTP request");
        int code = next_line(h, input, LIMIT_REQUEST_LINE_BYTES, 414, &line);
        if (code < 0)
            return code;
        if (line.length > 0 || h->empty_line)
            break;
        h->empty_line = true;
    }
    int code = read_request_line(r, line);
    if (code == 0)
        h->fields = h->line;
    return code;
}

int http1_request_decode(struct http1_request *r, struct slice input, size_t *taken) {
    struct http1_head *h = &r->head;
    int code = 0;
    follow_input(h, input, &r->method, &r->target);
    if (h->fields == 0)
        code = open_request(r, input);
    if (code == 0)
        code = read_headers(h, input, read_request_header);
    if (code == 0)
        code = finish_request(r);
    if (code == 0)
        *taken = h->line;
    return code;
}

/* Responses. */

static int refuse_response(struct http1_head *h, const char *sentence) {
    return refuse(h, 502, sentence);
}

static int read_status_line(struct http1_response *r, struct slice line) {
    struct http1_head *h = &r->head;
    uint64_t status = 0;
    if (line.length < 12 || (line.at[7] != '0' && line.at[7] != '1') || line.at[8] != ' ')
        return refuse_response(h, "the answer does not begin with an HTTP/1 status line");
    if (slice_u64(slice_of(line.at + 9, 3), &status) < 0 || status < 100 ||
        (line.length > 12 && line.at[12] != ' '))
        return refuse_response(h, "the answer's status is not a number of three digits");
    if (!is_text(slice_from(line, 13)))
        return refuse_response(h, "the answer's status line holds a control character");
    h->minor = (uint8_t)(line.at[7] - '0');
    r->status = (uint16_t)status;
    r->reason = slice_from(line, 13);
    return status == 101 ? refuse_response(h, "the answer switches protocols, which nobody asked for") : 0;
}

/* A status line is refused at its first wrong byte: whoever speaks another protocol may never send a line. */
static int open_response(struct http1_response *r, struct slice input) {
    struct http1_head *h = &r->head;
    struct slice line;
    struct slice start = slice_upto(slice_from(input, h->line), 7);
    if (!slice_is(start, "HTTP/1.") && !slice_equal(start, slice_upto(SLICE("HTTP/1."), start.length)))
        return refuse_response(h, "the answer does not begin with an HTTP/1 status line");
    int code = next_line(h, input, LIMIT_REQUEST_LINE_BYTES, 431, &line);
    if (code == 0)
        code = read_status_line(r, line);
    if (code == 0)
        h->fields = h->line;
    return code;
}

static int finish_response(struct http1_response *r) {
    struct http1_head *h = &r->head;
    if ((h->seen & SEEN_LENGTH) && (h->seen & SEEN_CODING))
        return refuse_response(h, "the answer gives both Content-Length and Transfer-Encoding");
    if ((h->seen & SEEN_CODING) && h->minor == 0)
        return refuse_response(h, "the answer is HTTP/1.0 with Transfer-Encoding");
    if (r->to_head || r->status == 204 || r->status == 304)
        h->framing = HTTP1_NO_BODY;
    else if (h->seen & SEEN_CODING)
        h->framing = HTTP1_CHUNKED;
    else if (h->seen & SEEN_LENGTH)
        h->framing = h->content_length > 0 ? HTTP1_LENGTH : HTTP1_NO_BODY;
    else
        h->framing = HTTP1_UNTIL_CLOSE;
    /* A 204, a 304 or an answer to HEAD may name the length of a body that it does not carry. */
    if (h->framing != HTTP1_LENGTH)
        h->content_length = 0;
    h->keep_alive = !(h->seen & SEEN_CLOSE) && (h->minor == 1 || (h->seen & SEEN_KEEP_ALIVE)) &&
                    h->framing != HTTP1_UNTIL_CLOSE;
    return 0;
}

/* Forget an interim head; the next one begins where it ended. */
static int skip_interim(struct http1_response *r) {
    struct http1_head *h = &r->head;
    if (h->seen & (SEEN_LENGTH | SEEN_CODING))
        return refuse_response(h, "an interim answer claims to have a body");
    if (++h->interims > INTERIMS)
        return refuse_response(h, "there are too many interim answers");
    h->seen = 0;
    h->fields = 0;
    h->header_count = 0;
    r->status = 0;
    r->reason = SLICE_NONE;
    return 0;
}

void http1_response_init(struct http1_response *r, struct http1_header *headers, size_t header_max,
                         bool to_head) {
    assert(headers != NULL || header_max == 0);
    *r = (struct http1_response){ .head = { .headers = headers, .header_max = header_max },
                                  .to_head = to_head };
}

int http1_response_decode(struct http1_response *r, struct slice input, size_t *taken) {
    struct http1_head *h = &r->head;
    struct slice none = SLICE_NONE;
    follow_input(h, input, &r->reason, &none);
    for (;;) {
        int code = 0;
        if (h->fields == 0)
            code = open_response(r, input);
        if (code == 0)
            code = read_headers(h, input, read_framing_header);
        if (code < 0)
            return code;
        if (r->status >= 200)
            break;
        code = skip_interim(r);
        if (code < 0)
            return code;
    }
    int code = finish_response(r);
    if (code == 0)
        *taken = h->line;
    return code;
}
