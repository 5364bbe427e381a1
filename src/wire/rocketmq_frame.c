#include "wire/rocketmq_frame.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

#define PREFIX_BYTES 8
#define HEADER_BYTES_MAX 0xffffffu

static const char *const languages[ROCKETMQ_LANGUAGES] = { "JAVA",   "CPP",  "DOTNET", "PYTHON", "DELPHI",
                                                           "ERLANG", "RUBY", "OTHER",  "HTTP",   "GO",
                                                           "PHP",    "OMS",  "RUST",   "NODE_JS" };

static uint32_t number_at(const char *at, size_t bytes) {
    uint32_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | (unsigned char)at[i];
    return number;
}

static void put_number(struct buffer *to, uint32_t number, size_t bytes) {
    for (size_t i = bytes; i-- > 0;)
        buffer_add_byte(to, (char)(number >> (8 * i)));
}

int rocketmq_frame_decode(struct slice bytes, size_t max, struct rocketmq_frame *out, size_t *taken,
                          struct why *why) {
    *taken = 0;
    if (bytes.length < 4)
        return ERR_MORE;
    size_t length = number_at(bytes.at, 4);
    if (length < 4)
        return why_set(why, ERR_SYNTAX, "a frame of length %zu, at least 4 is possible", length);
    if (length > max - 4)
        return why_set(why, ERR_LIMIT, "a frame of %zu bytes, at most %zu are taken", length + 4, max);
    if (bytes.length < PREFIX_BYTES) {
        *taken = length + 4;
        return ERR_MORE;
    }
    uint8_t spelling = (uint8_t)bytes.at[4];
    size_t header = number_at(bytes.at + 5, 3);
    if (spelling > ROCKETMQ_BINARY)
        return why_set(why, ERR_SYNTAX, "a frame whose header has the unknown spelling %u", spelling);
    if (header > length - 4)
        return why_set(why, ERR_SYNTAX, "a header of %zu bytes in a frame of length %zu", header, length);
    *taken = length + 4;
    if (bytes.length < length + 4)
        return ERR_MORE;
    *out = (struct rocketmq_frame){ .spelling = spelling,
                                    .header = slice_of(bytes.at + PREFIX_BYTES, header),
                                    .body = slice_of(bytes.at + PREFIX_BYTES + header, length - 4 - header) };
    return 0;
}

/* A name that comes again replaces the one before. */
static int add_field(struct rocketmq_command *c, struct slice name, struct slice value, struct why *why) {
    for (size_t i = 0; i < c->field_count; i++)
        if (slice_equal(c->fields[i].name, name)) {
            c->fields[i].value = value;
            return 0;
        }
    if (c->field_count == ROCKETMQ_FIELDS)
        return why_set(why, ERR_LIMIT, "a header with more than %d fields", ROCKETMQ_FIELDS);
    c->fields[c->field_count++] = (struct rocketmq_field){ name, value };
    return 0;
}

/* JSON. */

static int read_i32(struct json_value value, const char *name, int32_t *out, struct why *why) {
    int64_t number;
    if (json_i64(value, &number) < 0 || number < INT32_MIN || number > INT32_MAX)
        return why_set(why, ERR_SYNTAX, "a header whose %s is not a 32 bit number", name);
    *out = (int32_t)number;
    return 0;
}

static int read_version(struct json_value value, uint16_t *out, struct why *why) {
    uint64_t number;
    if (json_u64(value, &number) < 0 || number > UINT16_MAX)
        return why_set(why, ERR_SYNTAX, "a header whose version is not a 16 bit number");
    *out = (uint16_t)number;
    return 0;
}

static uint8_t read_language(struct json_value value) {
    for (uint8_t i = 0; i < ROCKETMQ_LANGUAGES; i++)
        if (json_is(value, languages[i]))
            return i;
    return ROCKETMQ_LANGUAGE_OTHER;
}

static int read_fields(struct json_value fields, struct arena *arena, struct rocketmq_command *c,
                       struct why *why) {
    if (fields.kind == JSON_NULL)
        return 0;
    if (fields.kind != JSON_OBJECT)
        return why_set(why, ERR_SYNTAX, "a header whose extFields is no object");
    struct json_cursor cursor = json_cursor_of(fields);
    struct json_value key;
    struct json_value value;
    while (json_member_next(&cursor, &key, &value)) {
        struct slice name;
        struct slice text;
        if (value.kind == JSON_NULL)
            continue;
        if (value.kind != JSON_STRING)
            return why_set(why, ERR_SYNTAX, "a header with a field that is no string");
        if (json_string(key, arena, &name) < 0 || json_string(value, arena, &text) < 0)
            return why_set(why, ERR_MEMORY, "no memory for a header");
        int code = add_field(c, name, text, why);
        if (code < 0)
            return code;
    }
    return 0;
}

static int read_member(struct json_value key, struct json_value value, struct arena *arena,
                       struct rocketmq_command *c, struct why *why) {
    if (json_is(key, "code"))
        return read_i32(value, "code", &c->code, why);
    if (json_is(key, "opaque"))
        return read_i32(value, "opaque", &c->opaque, why);
    if (json_is(key, "flag"))
        return read_i32(value, "flag", &c->flag, why);
    if (json_is(key, "version"))
        return read_version(value, &c->version, why);
    if (json_is(key, "extFields"))
        return read_fields(value, arena, c, why);
    if (json_is(key, "language"))
        c->language = read_language(value);
    if (json_is(key, "remark") && value.kind == JSON_STRING && json_string(value, arena, &c->remark) < 0)
        return why_set(why, ERR_MEMORY, "no memory for a header");
    return 0;
}

static int decode_json(struct slice header, struct arena *arena, struct rocketmq_command *c,
                       struct why *why) {
    struct json_value root;
    struct json_value key;
    struct json_value value;
    struct json_report report;
    if (json_check(header, &root, &report) < 0)
        return why_set(why, ERR_SYNTAX, "a header that is not JSON: %s at byte %zu", report.say,
                       report.column);
    if (root.kind != JSON_OBJECT || !json_member(root, "code", &value))
        return why_set(why, ERR_SYNTAX, "a header without a code");
    struct json_cursor cursor = json_cursor_of(root);
    int code = 0;
    while (code == 0 && json_member_next(&cursor, &key, &value))
        code = read_member(key, value, arena, c, why);
    return code;
}

/* Binary. */

/* Sticky: a read beyond the end gives nothing and marks the cursor. */
struct cursor {
    struct slice left;
    bool failed;
};

static struct slice take(struct cursor *c, size_t length) {
    if (length > c->left.length)
        c->failed = true;
    if (c->failed)
        return SLICE_NONE;
    struct slice out = slice_upto(c->left, length);
    c->left = slice_from(c->left, length);
    return out;
}

static uint32_t take_number(struct cursor *c, size_t bytes) {
    struct slice s = take(c, bytes);
    return c->failed ? 0 : number_at(s.at, bytes);
}

static int decode_binary(struct slice header, struct rocketmq_command *out, struct why *why) {
    struct cursor c = { .left = header };
    out->code = (int16_t)take_number(&c, 2);
    out->language = (uint8_t)take_number(&c, 1);
    out->version = (uint16_t)take_number(&c, 2);
    out->opaque = (int32_t)take_number(&c, 4);
    out->flag = (int32_t)take_number(&c, 4);
    out->remark = take(&c, take_number(&c, 4));
    size_t length = take_number(&c, 4);
    if (c.failed || length != c.left.length)
        return why_set(why, ERR_SYNTAX, "a binary header whose lengths contradict each other");
    if (out->language >= ROCKETMQ_LANGUAGES)
        out->language = ROCKETMQ_LANGUAGE_OTHER;
    while (c.left.length > 0) {
        struct slice name = take(&c, take_number(&c, 2));
        struct slice value = take(&c, take_number(&c, 4));
        if (c.failed)
            return why_set(why, ERR_SYNTAX, "a binary header with a field that is cut short");
        if (!utf8_valid(name) || !utf8_valid(value))
            return why_set(why, ERR_SYNTAX, "a binary header with a field that is not UTF-8");
        int code = add_field(out, name, value, why);
        if (code < 0)
            return code;
    }
    return utf8_valid(out->remark) ? 0 : why_set(why, ERR_SYNTAX, "a remark that is not UTF-8");
}

int rocketmq_header_decode(const struct rocketmq_frame *frame, struct arena *arena,
                           struct rocketmq_command *out, struct why *why) {
    struct rocketmq_command c = { .language = ROCKETMQ_LANGUAGE_OTHER };
    int code = frame->spelling == ROCKETMQ_BINARY ? decode_binary(frame->header, &c, why)
                                                  : decode_json(frame->header, arena, &c, why);
    if (code == 0)
        *out = c;
    return code;
}

struct slice rocketmq_field_value(const struct rocketmq_command *c, const char *name) {
    for (size_t i = 0; i < c->field_count; i++)
        if (slice_is(c->fields[i].name, name))
            return c->fields[i].value;
    return SLICE_NONE;
}

/* Encoding. Members in the order of the alphabet, as the Java client writes them. */
static void encode_json(struct buffer *to, const struct rocketmq_command *c) {
    struct json_writer w;
    json_writer_init(&w, to);
    json_put_object(&w, NULL);
    json_put_i64(&w, "code", c->code);
    if (c->field_count > 0) {
        json_put_object(&w, "extFields");
        for (size_t i = 0; i < c->field_count; i++) {
            json_put_key(&w, c->fields[i].name);
            json_put_string(&w, NULL, c->fields[i].value);
        }
        json_put_end(&w);
    }
    json_put_i64(&w, "flag", c->flag);
    json_put_text(&w, "language", languages[c->language]);
    json_put_i64(&w, "opaque", c->opaque);
    if (c->remark.length > 0)
        json_put_string(&w, "remark", c->remark);
    json_put_text(&w, "serializeTypeCurrentRPC", "JSON");
    json_put_u64(&w, "version", c->version);
    json_put_end(&w);
}

static int encode_binary(struct buffer *to, const struct rocketmq_command *c) {
    size_t fields = 0;
    if (c->code < INT16_MIN || c->code > INT16_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < c->field_count; i++) {
        if (c->fields[i].name.length > UINT16_MAX || c->fields[i].value.length > HEADER_BYTES_MAX)
            return ERR_LIMIT;
        fields += 2 + c->fields[i].name.length + 4 + c->fields[i].value.length;
    }
    if (fields > HEADER_BYTES_MAX || c->remark.length > HEADER_BYTES_MAX)
        return ERR_LIMIT;
    put_number(to, (uint16_t)c->code, 2);
    put_number(to, c->language, 1);
    put_number(to, c->version, 2);
    put_number(to, (uint32_t)c->opaque, 4);
    put_number(to, (uint32_t)c->flag, 4);
    put_number(to, (uint32_t)c->remark.length, 4);
    buffer_add_slice(to, c->remark);
    put_number(to, (uint32_t)fields, 4);
    for (size_t i = 0; i < c->field_count; i++) {
        put_number(to, (uint32_t)c->fields[i].name.length, 2);
        buffer_add_slice(to, c->fields[i].name);
        put_number(to, (uint32_t)c->fields[i].value.length, 4);
        buffer_add_slice(to, c->fields[i].value);
    }
    return 0;
}

int rocketmq_frame_encode(struct buffer *to, const struct rocketmq_command *c,
                          enum rocketmq_spelling spelling, size_t body_length) {
    assert(c->language < ROCKETMQ_LANGUAGES);
    assert(c->field_count <= ROCKETMQ_FIELDS);
    size_t begin = to->length;
    put_number(to, 0, 4);
    put_number(to, (uint32_t)spelling << 24, 4);
    int code = 0;
    if (spelling == ROCKETMQ_BINARY)
        code = encode_binary(to, c);
    else
        encode_json(to, c);
    if (code == 0)
        code = buffer_failed(to);
    size_t header = code == 0 ? to->length - begin - PREFIX_BYTES : 0;
    if (header > HEADER_BYTES_MAX || body_length > ROCKETMQ_FRAME_BYTES - PREFIX_BYTES ||
        header > ROCKETMQ_FRAME_BYTES - PREFIX_BYTES - body_length)
        code = ERR_LIMIT;
    if (code < 0) {
        buffer_cut(to, begin);
        return code;
    }
    size_t length = 4 + header + body_length;
    for (size_t i = 0; i < 4; i++)
        to->at[begin + i] = (char)(length >> (24 - 8 * i));
    for (size_t i = 0; i < 3; i++)
        to->at[begin + 5 + i] = (char)(header >> (16 - 8 * i));
    return 0;
}
