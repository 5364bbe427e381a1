#include "wire/stomp.h"

#include <assert.h>

static const char *const names[STOMP_COMMAND_COUNT] = {
    [STOMP_HEART_BEAT] = "heart-beat", [STOMP_CONNECT] = "CONNECT",     [STOMP_SEND] = "SEND",
    [STOMP_DISCONNECT] = "DISCONNECT", [STOMP_CONNECTED] = "CONNECTED", [STOMP_RECEIPT] = "RECEIPT",
    [STOMP_ERROR] = "ERROR",           [STOMP_MESSAGE] = "MESSAGE",
};

const char *stomp_command_name(enum stomp_command command) {
    assert(command < STOMP_COMMAND_COUNT);
    return names[command];
}

/* Reading. */

void stomp_frame_init(struct stomp_frame *f, struct stomp_room *room) {
    *f = (struct stomp_frame){ .room = room };
}

static int fault(struct stomp_frame *f, int code, const char *sentence) {
    f->fault = sentence;
    return code;
}

/* Take one line off the rest: without its LF, and without a CR before that. */
static struct slice next_line(struct slice *rest) {
    size_t end = slice_find(*rest, '\n');
    struct slice line = slice_upto(*rest, end);
    assert(end < rest->length);
    *rest = slice_from(*rest, end + 1);
    if (line.length > 0 && line.at[line.length - 1] == '\r')
        line.length--;
    return line;
}

/* Line ends in front of a frame. A CR at the very end may be half of one. */
static size_t measure_beats(struct slice input) {
    size_t length = 0;
    while (length < input.length) {
        if (input.at[length] == '\n')
            length++;
        else if (length + 1 < input.length && input.at[length] == '\r' && input.at[length + 1] == '\n')
            length += 2;
        else
            break;
    }
    return length;
}

/* Look for the empty line. Every line end that is seen is looked at once. */
static int find_head(struct stomp_frame *f, struct slice input) {
    struct slice part = slice_upto(input, STOMP_HEAD_BYTES);
    for (;;) {
        size_t end = f->scanned + slice_find(slice_from(part, f->scanned), '\n');
        if (end >= part.length) {
            f->scanned = part.length;
            if (part.length == STOMP_HEAD_BYTES)
                return fault(f, ERR_LIMIT, "the command and headers of a frame are longer than 16384 bytes");
            return ERR_MORE;
        }
        f->scanned = end + 1;
        bool empty = end > 0 && (part.at[end - 1] == '\n' ||
                                 (end > 1 && part.at[end - 1] == '\r' && part.at[end - 2] == '\n'));
        if (empty) {
            f->head = f->scanned;
            return 0;
        }
    }
}

/* A name or value: itself, or unescaped into the room from *used on, which has as much as any head needs. */
static int read_text(struct stomp_frame *f, struct slice raw, size_t *used, struct slice *out) {
    static const char plain[] = { ['r'] = '\r', ['n'] = '\n', ['c'] = ':', ['\\'] = '\\' };
    char *to = f->room->text + *used;
    size_t length = 0;
    bool bare = f->command == STOMP_CONNECT || f->command == STOMP_CONNECTED;
    if (bare || slice_find(raw, '\\') == raw.length) {
        *out = raw;
        return 0;
    }
    for (size_t i = 0; i < raw.length; i++) {
        char c = raw.at[i];
        if (c == '\\') {
            unsigned char next = i + 1 < raw.length ? (unsigned char)raw.at[++i] : 0;
            c = next < sizeof plain ? plain[next] : '\0';
            if (c == '\0')
                return fault(f, ERR_SYNTAX, "a header has an escape that STOMP does not know");
        }
        to[length++] = c;
    }
    *used += length;
    assert(*used <= STOMP_HEAD_BYTES);
    *out = slice_of(to, length);
    return 0;
}

static int read_header(struct stomp_frame *f, struct slice line, size_t *used) {
    size_t colon = slice_find(line, ':');
    if (colon == 0 || colon == line.length)
        return fault(f, ERR_SYNTAX, "a header is not NAME:VALUE");
    if (f->header_count == STOMP_HEADERS)
        return fault(f, ERR_LIMIT, "a frame has more than 64 headers");
    struct stomp_header *h = &f->room->headers[f->header_count];
    int code = read_text(f, slice_upto(line, colon), used, &h->name);
    if (code == 0)
        code = read_text(f, slice_from(line, colon + 1), used, &h->value);
    if (code == 0)
        f->header_count++;
    return code;
}

static int read_command(struct stomp_frame *f, struct slice line) {
    for (int command = STOMP_CONNECT; command < STOMP_COMMAND_COUNT; command++)
        if (slice_is(line, names[command])) {
            f->command = (uint8_t)command;
            return 0;
        }
    return fault(f, ERR_SYNTAX, "a frame begins with a command that STOMP does not know");
}

static int read_head(struct stomp_frame *f, struct slice head) {
    size_t used = 0;
    f->header_count = 0;
    if (slice_find(head, '\0') < head.length)
        return fault(f, ERR_SYNTAX, "a NUL stands among the headers of a frame");
    int code = read_command(f, next_line(&head));
    while (code == 0) {
        struct slice line = next_line(&head);
        if (line.length == 0)
            return 0;
        if (slice_find(line, '\r') < line.length)
            code = fault(f, ERR_SYNTAX, "a carriage return stands inside a header");
        else
            code = read_header(f, line, &used);
    }
    return code;
}

static int read_length(struct stomp_frame *f) {
    struct slice value = stomp_frame_value(f, "content-length");
    uint64_t length;
    if (value.at == NULL)
        return 0;
    int code = slice_u64(value, &length);
    if (code == ERR_LIMIT || (code == 0 && length > STOMP_BODY_BYTES))
        return fault(f, ERR_LIMIT, "the body of a frame is longer than 524288 bytes");
    if (code < 0)
        return fault(f, ERR_SYNTAX, "content-length is not a number");
    f->content_length = (size_t)length;
    f->has_length = true;
    return 0;
}

/* Where the body ends, when that has come. */
static int find_end(struct stomp_frame *f, struct slice input, size_t *end) {
    if (f->has_length) {
        *end = f->head + f->content_length;
        if (input.length <= *end)
            return ERR_MORE;
        return input.at[*end] == '\0' ? 0 : fault(f, ERR_SYNTAX, "no NUL stands behind content-length bytes");
    }
    struct slice part = slice_upto(input, f->head + STOMP_BODY_BYTES + 1);
    *end = f->scanned + slice_find(slice_from(part, f->scanned), '\0');
    if (*end < part.length)
        return 0;
    f->scanned = part.length;
    if (part.length == f->head + STOMP_BODY_BYTES + 1)
        return fault(f, ERR_LIMIT, "the body of a frame is longer than 524288 bytes");
    return ERR_MORE;
}

int stomp_frame_decode(struct stomp_frame *f, struct slice input, size_t *taken) {
    size_t end = 0;
    int code = 0;
    if (f->scanned == 0) {
        size_t beats = measure_beats(input);
        if (beats > 0) {
            *taken = beats;
            return 0;
        }
        if (input.length == 0 || (input.length == 1 && input.at[0] == '\r'))
            return ERR_MORE;
        if (input.at[0] == '\r')
            return fault(f, ERR_SYNTAX, "a carriage return stands alone between frames");
    }
    if (f->head == 0) {
        code = find_head(f, input);
        if (code == 0)
            code = read_head(f, slice_upto(input, f->head));
        if (code == 0)
            code = read_length(f);
    }
    if (code == 0)
        code = find_end(f, input, &end);
    if (code == 0) /* once more, since the input may have moved */
        code = read_head(f, slice_upto(input, f->head));
    if (code < 0)
        return code;
    f->body = slice_of(input.at + f->head, end - f->head);
    *taken = end + 1;
    return 0;
}

struct slice stomp_frame_value(const struct stomp_frame *f, const char *name) {
    for (size_t i = 0; i < f->header_count; i++)
        if (slice_is(f->room->headers[i].name, name))
            return f->room->headers[i].value;
    return SLICE_NONE;
}

int stomp_heart_beat(struct slice value, uint32_t *sends_ms, uint32_t *wants_ms) {
    uint64_t sends = 0;
    uint64_t wants = 0;
    size_t comma = slice_find(value, ',');
    if (value.length > 0 &&
        (slice_u64(slice_upto(value, comma), &sends) < 0 ||
         slice_u64(slice_from(value, comma + 1), &wants) < 0 || sends > UINT32_MAX || wants > UINT32_MAX))
        return ERR_SYNTAX;
    *sends_ms = (uint32_t)sends;
    *wants_ms = (uint32_t)wants;
    return 0;
}

/* Writing. */

static void fail(struct buffer *to) {
    if (to->failed == 0)
        to->failed = ERR_INVALID;
}

/* Escapes are for the four bytes that mean something in a head. */
static void add_escaped(struct buffer *to, struct slice text) {
    size_t plain = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        char letter = c == '\n' ? 'n' : c == '\r' ? 'r' : c == ':' ? 'c' : c == '\\' ? '\\' : '\0';
        if (c == '\0')
            fail(to);
        if (letter == '\0')
            continue;
        buffer_add(to, text.at + plain, i - plain);
        buffer_add_byte(to, '\\');
        buffer_add_byte(to, letter);
        plain = i + 1;
    }
    buffer_add_slice(to, slice_from(text, plain));
}

void stomp_add_command(struct buffer *to, enum stomp_command command) {
    assert(command != STOMP_HEART_BEAT);
    buffer_add_text(to, stomp_command_name(command));
    buffer_add_byte(to, '\n');
}

void stomp_add_header(struct buffer *to, struct slice name, struct slice value) {
    if (name.length == 0)
        fail(to);
    add_escaped(to, name);
    buffer_add_byte(to, ':');
    add_escaped(to, value);
    buffer_add_byte(to, '\n');
}

void stomp_add_header_u64(struct buffer *to, const char *name, uint64_t value) {
    buffer_add_text(to, name);
    buffer_add_byte(to, ':');
    buffer_add_u64(to, value);
    buffer_add_byte(to, '\n');
}

void stomp_add_head_end(struct buffer *to) {
    buffer_add_byte(to, '\n');
}

static void add_bare(struct buffer *to, const char *name, struct slice value) {
    for (size_t i = 0; i < value.length; i++)
        if (value.at[i] == '\n' || value.at[i] == '\r' || value.at[i] == '\0')
            fail(to);
    buffer_add_text(to, name);
    buffer_add_byte(to, ':');
    buffer_add_slice(to, value);
    buffer_add_byte(to, '\n');
}

void stomp_add_connect(struct buffer *to, const struct stomp_login *login) {
    assert(login->host.length > 0);
    stomp_add_command(to, STOMP_CONNECT);
    add_bare(to, "accept-version", SLICE("1.2"));
    add_bare(to, "host", login->host);
    if (login->login.length > 0) {
        add_bare(to, "login", login->login);
        add_bare(to, "passcode", login->passcode);
    }
    buffer_add_format(to, "heart-beat:%u,%u\n", login->heart_beat_ms, login->heart_beat_ms);
    stomp_add_head_end(to);
    buffer_add_slice(to, STOMP_FRAME_END);
}
