/* HTTP/1.1 as it is spelled (RFC 9110, RFC 9112), strict, both directions: heads, bodies and their writers.
 *
 * Pure: no allocation, no clock, no socket. Decoders fill the caller's arrays with slices over the caller's
 * input, so the input must outlive what was decoded from it. Writers append to a struct buffer. Nothing is
 * ever guessed: whatever two implementations could read differently is refused (reliability.md H7), and after
 * any refusal the connection must be closed, because where the next message begins is no longer known.
 *
 * How a server reads:
 *
 *     http1_request_init(&request, headers, LIMIT_HEADERS);
 *     while ((code = http1_request_decode(&request, input, &taken)) == ERR_MORE)
 *         ... append what arrives to the same input and try again: work done is not repeated ...
 *     if (code < 0)
 *         ... answer request.head.refusal and close ...
 *     http1_body_init(&body, request.head.framing, request.head.content_length, LIMIT_BODY_BYTES);
 *     while (!body.finished && (code = http1_body_decode(&body, rest, &taken, &piece)) == 0)
 *         ... keep piece, go on after taken ...
 *
 * A client does the same with http1_response_*, and calls http1_body_close() when the other side closes. */
#ifndef WIRE_HTTP1_H
#define WIRE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct http1_header {
    struct slice name;  /* as it was written; compare without case */
    struct slice value; /* without the blanks around it; may be empty */
};

/* How long a body is. */
enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH,      /* content_length bytes */
    HTTP1_CHUNKED,     /* up to the chunk of length 0 and its trailer */
    HTTP1_UNTIL_CLOSE, /* responses only: up to the end of the connection */
};

/* Why input was refused: the status to answer (400, 413, 414, 415, 417, 431, 501, 505) and an English
 * sentence, static storage. status is 0 when nothing was refused. For a response nobody is answered: there
 * the number only says that it was refused (mostly 502). */
struct http1_refusal {
    uint16_t status;
    const char *sentence;
};

/* What requests and responses have in common. The members under "progress" belong to the decoder. */
struct http1_head {
    struct http1_header *headers; /* the caller's array */
    size_t header_max;
    size_t header_count;
    uint64_t content_length; /* with HTTP1_LENGTH, else 0 */
    uint8_t framing;         /* enum http1_framing */
    uint8_t minor;           /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;         /* by version and Connection; false after HTTP1_UNTIL_CLOSE */
    struct http1_refusal refusal;

    /* progress */
    const char *input; /* where the input was at the last call; slices move along when it moves */
    size_t line;       /* offset of the first line not yet read */
    size_t scanned;    /* offset up to which no LF of that line was seen */
    size_t fields;     /* offset of the first header line; 0 before the first line was read */
    uint8_t interims;  /* 1xx heads skipped */
    uint8_t seen;      /* which of the headers that matter were there */
    bool empty_line;   /* an empty line stood before the request line */
};

struct http1_request {
    struct http1_head head;
    struct slice method; /* a token of at most 32 bytes, case kept */
    struct slice target; /* as written */
    struct slice path;   /* begins with '/', or is "*"; still percent-encoded; static storage when the target
                            is absolute and names no path */
    struct slice query;  /* behind the '?', without it; empty when there is none */
    struct slice host;   /* value of Host; empty only in HTTP/1.0 */
    bool expects_continue;
};

struct http1_response {
    struct http1_head head;
    uint16_t status;     /* 200 to 999: interim responses are skipped */
    struct slice reason; /* may be empty */
    bool to_head;        /* set by http1_response_init */
};

/* headers: room for header_max headers, kept by the caller until the request is no longer used. */
void http1_request_init(struct http1_request *r, struct http1_header *headers, size_t header_max);
/* Read a request head from the start of input. Returns
 *   0           complete; *taken is the length of the head, the body (if any) begins there
 *   ERR_MORE    not complete; call again with the same bytes and more behind them. The input may have moved
 *   ERR_SYNTAX, ERR_LIMIT or ERR_UNSUPPORTED: refused; r->head.refusal says what to answer, then close.
 * A head is refused as soon as a finished line shows that it must be. The verdict does not depend on how
 * the input was cut. Limits: LIMIT_REQUEST_LINE_BYTES, LIMIT_HEADER_BYTES, header_max. One empty line before
 * the request line is skipped (RFC 9112 2.2). */
int http1_request_decode(struct http1_request *r, struct slice input, size_t *taken);

/* to_head: the request was HEAD, so no body follows whatever the headers say. */
void http1_response_init(struct http1_response *r, struct http1_header *headers, size_t header_max,
                         bool to_head);
/* The same for a response. Up to 8 interim responses (1xx) are skipped and counted into *taken; 101 is
 * refused, nobody here asks for another protocol. When the head is refused after its status line was read,
 * r->status holds the number all the same, else it is 0. */
int http1_response_decode(struct http1_response *r, struct slice input, size_t *taken);

/* Value of the first header of this name (any case). .at is NULL when there is none, and not NULL when it is
 * there but empty. */
struct slice http1_find(const struct http1_head *head, const char *name);
/* How many headers have this name. */
size_t http1_count(const struct http1_head *head, const char *name);
/* Is token an element of a comma-separated list, in any case? */
bool http1_list_has(struct slice list, const char *token);
/* Is s a token of RFC 9110 5.6.2 (not empty)? */
bool http1_is_token(struct slice s);

/* A body on its way in. Works piece by piece in any cut, looks at each byte once and keeps no content. */
struct http1_body {
    uint64_t remaining;  /* of the body, or of the current chunk */
    uint64_t received;   /* content bytes so far */
    uint64_t max;        /* content bytes allowed */
    uint32_t line_bytes; /* chunk extension or trailer bytes so far */
    uint8_t framing;     /* enum http1_framing */
    uint8_t state;       /* of the chunk reader */
    uint8_t size_digits; /* hex digits of the current chunk size */
    bool finished;       /* nothing more belongs to this body */
    struct http1_refusal refusal;
};

/* Begin. A body known to be longer than max is refused by the first http1_body_decode. */
void http1_body_init(struct http1_body *b, uint8_t framing, uint64_t content_length, uint64_t max);
/* Take the next piece. *taken bytes of input are used up, and *piece is the content among them (a slice over
 * input, possibly empty). Returns
 *   0           progress: look at b->finished; call again with what is behind *taken
 *   ERR_MORE    everything was taken (*taken may be over 0 and *piece not empty) and the body goes on
 *   ERR_SYNTAX  malformed chunk; refusal 400
 *   ERR_LIMIT   over max, or extensions and trailers over LIMIT_HEADER_BYTES; refusal 413 or 431.
 * A finished body takes nothing and returns 0. Trailers are checked and dropped. */
int http1_body_decode(struct http1_body *b, struct slice input, size_t *taken, struct slice *piece);
/* The other side closed. 0 when that was the end of the body (or it was finished), ERR_CLOSED when it was
 * cut short. */
int http1_body_close(struct http1_body *b);

/* Writers. A line break or NUL in anything that goes into a head makes the buffer failed with ERR_INVALID
 * (see buffer_failed), so nothing can be smuggled into a head: write everything, look once. Names and reasons
 * are the program's own constants; wrong ones are an assert. */
void http1_add_request(struct buffer *b, const char *method, struct slice target, struct slice host);
void http1_add_status(struct buffer *b, unsigned status);
void http1_add_header(struct buffer *b, const char *name, struct slice value);
void http1_add_header_u64(struct buffer *b, const char *name, uint64_t value);
void http1_add_head_end(struct buffer *b);
/* One chunk; an empty piece writes nothing, since an empty chunk would end the body. */
void http1_add_chunk(struct buffer *b, struct slice piece);
void http1_add_last_chunk(struct buffer *b);

/* "Not Found" for 404; "Status" for a number without a name. Never NULL, static storage. */
const char *http1_reason(unsigned status);

#endif
