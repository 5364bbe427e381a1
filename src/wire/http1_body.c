#include "wire/http1.h"

#include <assert.h>

#include "base/err.h"
#include "base/limits.h"

#define SIZE_DIGITS 8

/* Where the chunk reader stands: which byte it expects next. */
enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_CONTENT,
    CHUNK_CONTENT_CR,
    CHUNK_CONTENT_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
};

static int refuse(struct http1_body *b, unsigned status, const char *sentence) {
    b->refusal = (struct http1_refusal){ .status = (uint16_t)status, .sentence = sentence };
    return status == 400 ? ERR_SYNTAX : ERR_LIMIT;
}

void http1_body_init(struct http1_body *b, uint8_t framing, uint64_t content_length, uint64_t max) {
    assert(framing <= HTTP1_UNTIL_CLOSE);
    assert(framing == HTTP1_LENGTH || content_length == 0);
    *b = (struct http1_body){ .framing = framing, .max = max };
    if (framing == HTTP1_LENGTH)
        b->remaining = content_length;
    b->finished = framing == HTTP1_NO_BODY || (framing == HTTP1_LENGTH && content_length == 0);
}

/* -1 when c is no hex digit. */
static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_text_byte(char c) {
    unsigned char u = (unsigned char)c;
    return (u >= 0x20 && u != 0x7f) || u == '\t';
}

/* The size is known: is there room for it? */
static int open_chunk(struct http1_body *b) {
    if (b->remaining > b->max - b->received)
        return refuse(b, 413, "the body is too large");
    b->state = b->remaining == 0 ? TRAILER_START : CHUNK_CONTENT;
    return 0;
}

static int read_size(struct http1_body *b, char c) {
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (b->size_digits == SIZE_DIGITS)
            return refuse(b, 400, "a chunk size has more than 8 digits");
        b->size_digits++;
        b->remaining = b->remaining * 16 + (uint64_t)digit;
        return 0;
    }
    if (b->size_digits == 0 || (c != ';' && c != '\r'))
        return refuse(b, 400, "a chunk size is not a hexadecimal number");
    b->state = c == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
    return 0;
}

/* Text up to a CR, which leads to the state next. All such text of one body shares one limit. */
static int read_text(struct http1_body *b, char c, uint8_t next) {
    if (c == '\r') {
        b->state = next;
        return 0;
    }
    if (!is_text_byte(c))
        return refuse(b, 400, "a chunk extension or trailer holds a control character");
    return ++b->line_bytes > LIMIT_HEADER_BYTES ? refuse(b, 431, "chunk extensions or trailers are too long")
                                                : 0;
}

static int read_trailer_name(struct http1_body *b, char c) {
    if (c == ':' && b->state == TRAILER_NAME) {
        b->state = TRAILER_VALUE;
        return 0;
    }
    if (!http1_is_token(slice_of(&c, 1)))
        return refuse(b, 400, "a trailer line is not a header");
    b->state = TRAILER_NAME;
    return ++b->line_bytes > LIMIT_HEADER_BYTES ? refuse(b, 431, "chunk extensions or trailers are too long")
                                                : 0;
}

static int expect(struct http1_body *b, char c, char wanted, uint8_t next) {
    if (c != wanted)
        return refuse(b, 400, "a chunk does not end with CR LF");
    b->state = next;
    return 0;
}

/* One byte that is not content. */
static int read_frame_byte(struct http1_body *b, char c) {
    switch (b->state) {
    case CHUNK_SIZE:
        return read_size(b, c);
    case CHUNK_EXTENSION:
        return read_text(b, c, CHUNK_SIZE_LF);
    case CHUNK_SIZE_LF:
        return c == '\n' ? open_chunk(b) : expect(b, c, '\n', CHUNK_CONTENT);
    case CHUNK_CONTENT_CR:
        return expect(b, c, '\r', CHUNK_CONTENT_LF);
    case CHUNK_CONTENT_LF:
        b->size_digits = 0;
        return expect(b, c, '\n', CHUNK_SIZE);
    case TRAILER_START:
        return c == '\r' ? expect(b, c, '\r', LAST_LF) : read_trailer_name(b, c);
    case TRAILER_NAME:
        return read_trailer_name(b, c);
    case TRAILER_VALUE:
        return read_text(b, c, TRAILER_LF);
    case TRAILER_LF:
        return expect(b, c, '\n', TRAILER_START);
    default:
        assert(b->state == LAST_LF);
        b->finished = c == '\n';
        return expect(b, c, '\n', LAST_LF);
    }
}

/* Content bytes from index begin of input, as many as there are and as belong to this run. */
static struct slice take_content(struct http1_body *b, struct slice input, size_t begin) {
    struct slice piece = slice_from(input, begin);
    if (b->framing != HTTP1_UNTIL_CLOSE) {
        if (piece.length > b->remaining)
            piece.length = (size_t)b->remaining;
        b->remaining -= piece.length;
    }
    b->received += piece.length;
    return piece;
}

static int decode_chunked(struct http1_body *b, struct slice input, size_t *taken, struct slice *piece) {
    size_t at = 0;
    *piece = SLICE_NONE;
    while (at < input.length && !b->finished) {
        if (b->state != CHUNK_CONTENT) {
            int code = read_frame_byte(b, input.at[at]);
            if (code < 0)
                return code;
            at++;
            continue;
        }
        *piece = take_content(b, input, at);
        at += piece->length;
        if (b->remaining == 0)
            b->state = CHUNK_CONTENT_CR;
        break;
    }
    *taken = at;
    return at == input.length && !b->finished ? ERR_MORE : 0;
}

int http1_body_decode(struct http1_body *b, struct slice input, size_t *taken, struct slice *piece) {
    assert(b->refusal.status == 0);
    assert(b->received <= b->max);
    if (b->framing == HTTP1_LENGTH && b->remaining > b->max - b->received)
        return refuse(b, 413, "the body is too large");
    if (b->framing == HTTP1_UNTIL_CLOSE && input.length > b->max - b->received)
        return refuse(b, 413, "the body is too large");
    if (b->finished) {
        *taken = 0;
        *piece = SLICE_NONE;
        return 0;
    }
    if (b->framing == HTTP1_CHUNKED)
        return decode_chunked(b, input, taken, piece);
    *piece = take_content(b, input, 0);
    *taken = piece->length;
    b->finished = b->framing == HTTP1_LENGTH && b->remaining == 0;
    return b->finished ? 0 : ERR_MORE;
}

int http1_body_close(struct http1_body *b) {
    if (b->framing == HTTP1_UNTIL_CLOSE)
        b->finished = true;
    return b->finished ? 0 : ERR_CLOSED;
}
