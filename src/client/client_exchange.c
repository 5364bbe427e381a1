#include "client/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES (16 * 1024)
#define HEAD_BYTES (1024 * 1024) /* interim heads, the head, and what of the body came with it */

/* One exchange under way. */
struct exchange {
    stl_client *client;
    const struct client_call *call;
    struct channel *channel;
    stl_response *answer;
    size_t body_at; /* in answer->input: the first byte behind the head */
    int silence_ms;
};

static int add_own_header(struct buffer *b, const char *line) {
    struct slice whole = slice_text(line);
    size_t colon = slice_find(whole, ':');
    char name[128];
    if (colon == 0 || colon == whole.length || colon >= sizeof name ||
        !http1_is_token(slice_upto(whole, colon)))
        return ERR_INVALID;
    memcpy(name, whole.at, colon);
    name[colon] = '\0';
    http1_add_header(b, name, slice_trim(slice_from(whole, colon + 1)));
    return 0;
}

static bool has_header(const struct client_call *call, const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL; i++)
        if (slice_is_nocase(slice_upto(slice_text(call->headers[i]), length), name) &&
            call->headers[i][length] == ':')
            return true;
    return false;
}

static int write_request(const stl_client *c, const struct client_call *call, struct buffer *b, stl_err *e) {
    bool bodied =
        call->body.length > 0 || strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0;
    http1_add_request(b, call->method, slice_text(call->path), slice_text(c->authority));
    if (c->token != NULL && !has_header(call, "Authorization")) {
        buffer_add_text(b, "Authorization: Bearer ");
        buffer_add_text(b, c->token);
        buffer_add_text(b, "\r\n");
    }
    if (call->body.length > 0 && !has_header(call, "Content-Type"))
        http1_add_header(b, "Content-Type", SLICE("application/json"));
    for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL; i++)
        if (add_own_header(b, call->headers[i]) != 0)
            return client_fail(e, STL_EINVALID, "\"%s\" is not a header: expected \"Name: value\"",
                               call->headers[i]);
    if (bodied)
        http1_add_header_u64(b, "Content-Length", call->body.length);
    http1_add_head_end(b);
    buffer_add_slice(b, call->body);
    if (buffer_failed(b) == ERR_MEMORY)
        return client_fail(e, STL_EMEMORY, "out of memory");
    if (buffer_failed(b) != 0)
        return client_fail(e, STL_EINVALID, "the path or a header of %s %s cannot be sent", call->method,
                           call->path);
    return 0;
}

static int lost(const struct exchange *x, int code, const struct why *why, stl_err *e) {
    const char *url = x->client->url;
    if (code == ERR_TIMEOUT)
        return client_fail(e, STL_ETIMEOUT, "%s did not answer in time; what was asked may have happened",
                           url);
    if (code == ERR_MEMORY)
        return client_fail(e, STL_EMEMORY, "out of memory");
    return client_fail(e, STL_EUNKNOWN, "the connection to %s broke (%s); what was asked may have happened",
                       url, why->text);
}

/* More bytes behind what buffer b holds. ERR_CLOSED at the orderly end. */
static int read_more(struct channel *ch, struct buffer *b, int64_t deadline_ms, struct why *why) {
    size_t got = 0;
    char *to = buffer_reserve(b, READ_BYTES);
    if (to == NULL)
        return why_set(why, buffer_failed(b), "%s", err_text(buffer_failed(b)));
    int result = channel_receive(ch, to, READ_BYTES, deadline_ms, &got, why);
    if (result == 0 && got == 0)
        result = why_set(why, ERR_CLOSED, "closed by the server");
    if (result == 0)
        buffer_grew(b, got);
    return result;
}

static int read_head(struct exchange *x, struct why *why) {
    stl_response *r = x->answer;
    int64_t deadline_ms = channel_now_ms() + x->client->timeout_ms + x->call->wait_ms;
    int result;
    while ((result = http1_response_decode(&r->parsed, buffer_slice(&r->input), &x->body_at)) == ERR_MORE) {
        result = read_more(x->channel, &r->input, deadline_ms, why);
        if (result != 0)
            return result;
    }
    if (result != 0)
        return why_set(why, ERR_SYNTAX, "%s", r->parsed.head.refusal.sentence);
    return 0;
}

/* Header values become C strings: the byte behind each is its line's end or a blank, which nobody needs any
 * more. */
static void end_headers(stl_response *r) {
    const char *base = r->input.at;
    for (size_t i = 0; i < r->parsed.head.header_count; i++) {
        const struct http1_header *h = &r->parsed.head.headers[i];
        if (h->value.length > 0)
            r->input.at[(size_t)(h->value.at - base) + h->value.length] = '\0';
    }
}

static int hand_over(struct exchange *x, struct slice piece, stl_err *e) {
    bool wanted = x->call->sink != NULL && x->answer->parsed.status / 100 == 2;
    if (piece.length == 0)
        return 0;
    if (wanted)
        return x->call->sink(x->call->argument, piece.at, piece.length) == 0
                   ? 0
                   : client_fail(e, STL_ESTOPPED, "stopped by the caller");
    buffer_add_slice(&x->answer->body, piece);
    if (buffer_failed(&x->answer->body) == ERR_LIMIT)
        return client_fail(e, STL_ELIMIT, "the answer is longer than %d MiB", CLIENT_ANSWER_BYTES >> 20);
    return buffer_failed(&x->answer->body) ? client_fail(e, STL_EMEMORY, "out of memory") : 0;
}

/* Decode all of input; *taken counts what was used. */
static int take_body(struct exchange *x, struct http1_body *body, struct slice input, size_t *taken,
                     stl_err *e) {
    int result = 0;
    *taken = 0;
    while (!body->finished && result == 0) {
        struct slice piece = SLICE_NONE;
        size_t used = 0;
        result = http1_body_decode(body, input, &used, &piece);
        if (result != 0 && result != ERR_MORE)
            return client_fail(e, STL_EPROTOCOL, "%s: %s", x->client->url, body->refusal.sentence);
        int handed = hand_over(x, piece, e);
        if (handed != 0)
            return handed;
        input = slice_from(input, used);
        *taken += used;
    }
    return 0;
}

static int read_body(struct exchange *x, bool *reusable, stl_err *e) {
    const struct http1_head *head = &x->answer->parsed.head;
    struct slice first = slice_from(buffer_slice(&x->answer->input), x->body_at);
    struct http1_body body;
    char bytes[READ_BYTES];
    size_t taken = 0, got = first.length;
    struct why why;
    http1_body_init(&body, head->framing, head->content_length, UINT64_MAX);
    int result = take_body(x, &body, first, &taken, e);
    while (result == 0 && !body.finished) {
        int received =
            channel_receive(x->channel, bytes, sizeof bytes, channel_now_ms() + x->silence_ms, &got, &why);
        if (received == 0 && got == 0) {
            if (http1_body_close(&body) == 0)
                break;
            received = why_set(&why, ERR_CLOSED, "closed in the middle of the answer");
        }
        if (received != 0)
            return lost(x, received, &why, e);
        result = take_body(x, &body, slice_of(bytes, got), &taken, e);
    }
    *reusable = result == 0 && head->keep_alive && body.finished && taken == got;
    return result;
}

static int new_answer(const struct client_call *call, stl_response **out, stl_err *e) {
    stl_response *r = calloc(1, sizeof *r);
    if (r == NULL)
        return client_fail(e, STL_EMEMORY, "out of memory");
    buffer_init(&r->input, HEAD_BYTES);
    buffer_init(&r->body, CLIENT_ANSWER_BYTES + 1);
    http1_response_init(&r->parsed, r->headers, LIMIT_HEADERS, strcmp(call->method, "HEAD") == 0);
    *out = r;
    return 0;
}

/* Send and read the head. *dead: nothing at all came back. A server may answer and close before it has read
 * the whole request (413), so a failed send still looks for an answer. */
static int converse(struct exchange *x, struct slice request, bool *dead, stl_err *e) {
    struct why why, later;
    int result = channel_send(x->channel, request, channel_now_ms() + x->client->timeout_ms, &why);
    if (result == 0 || result == ERR_CLOSED) {
        int answered = read_head(x, result == 0 ? &why : &later);
        result = result == 0 || answered == 0 || answered == ERR_SYNTAX ? answered : result;
    }
    *dead = (result == ERR_CLOSED || result == ERR_IO) && x->answer->input.length == 0;
    if (result == ERR_SYNTAX || result == ERR_LIMIT)
        return client_fail(e, STL_EPROTOCOL, "%s does not answer in settle's HTTP: %s", x->client->url,
                           why.text);
    return result == 0 ? 0 : lost(x, result, &why, e);
}

static int attempt(stl_client *c, const struct client_call *call, struct slice request, bool fresh,
                   bool *again, stl_response **out, stl_err *e) {
    struct exchange x = { .client = c, .call = call };
    bool kept = false, dead = false, reusable = false;
    x.silence_ms = call->silence_ms > 0 ? call->silence_ms : c->timeout_ms;
    int result = client_take_channel(c, fresh, &x.channel, &kept, e);
    if (result != 0)
        return result;
    result = new_answer(call, &x.answer, e);
    if (result == 0)
        result = converse(&x, request, &dead, e);
    *again = dead && kept && call->repeatable;
    if (result == 0)
        result = read_body(&x, &reusable, e);
    if (reusable)
        client_keep_channel(c, x.channel);
    else
        channel_close(x.channel);
    if (result != 0) {
        stl_response_free(x.answer);
        return result;
    }
    buffer_add_byte(&x.answer->body, '\0');
    end_headers(x.answer);
    *out = x.answer;
    return buffer_failed(&x.answer->body) ? STL_EMEMORY : 0;
}

int client_exchange(stl_client *c, const struct client_call *call, stl_response **out, stl_err *e) {
    struct buffer request;
    bool again = false;
    assert(call->method != NULL && call->path != NULL);
    if (call->path[0] != '/')
        return client_fail(e, STL_EINVALID, "a path begins with '/': %s", call->path);
    buffer_init(&request, call->body.length + 64 * 1024);
    int result = write_request(c, call, &request, e);
    if (result == 0)
        result = attempt(c, call, buffer_slice(&request), false, &again, out, e);
    if (result != 0 && again)
        result = attempt(c, call, buffer_slice(&request), true, &again, out, e);
    if (request.at != NULL)
        explicit_bzero(request.at, request.length);
    buffer_done(&request);
    return result;
}

/* ---- the public part --------------------------------------------------------------------------------- */

static bool repeatable(const char *method) {
    return strcmp(method, "GET") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "DELETE") == 0 ||
           strcmp(method, "HEAD") == 0;
}

int stl_request(stl_client *c, const char *method, const char *path, const char *const *headers,
                const void *body, size_t body_length, int wait_ms, stl_response **out, stl_err *e) {
    struct client_call call = { .method = method,
                                .path = path,
                                .headers = headers,
                                .body = slice_of(body, body_length),
                                .wait_ms = wait_ms > 0 ? wait_ms : 0 };
    if (method == NULL || path == NULL || !http1_is_token(slice_text(method)) ||
        (body == NULL && body_length > 0))
        return client_fail(e, STL_EINVALID, "a request needs a method, a path, and the body it announces");
    call.repeatable = repeatable(method) || has_header(&call, "Idempotency-Key");
    return client_exchange(c, &call, out, e);
}

int stl_response_status(const stl_response *r) {
    return r->parsed.status;
}

const char *stl_response_body(const stl_response *r, size_t *length) {
    if (length != NULL)
        *length = r->body.length - 1;
    return r->body.at;
}

const char *stl_response_header(const stl_response *r, const char *name) {
    struct slice value = http1_find(&r->parsed.head, name);
    return value.at == NULL ? NULL : value.length == 0 ? "" : value.at;
}

void stl_response_free(stl_response *r) {
    if (r == NULL)
        return;
    buffer_done(&r->input);
    buffer_done(&r->body);
    free(r);
}
