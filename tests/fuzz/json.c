/* JSON: check, walk, point, write again. What the writer writes, the reader accepts. */
#include "fuzz.h"

#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"

static void walk(struct json_value value, struct arena *arena, struct json_writer *out, const char *name) {
    struct json_value key;
    struct json_value child;
    struct slice text;
    struct json_cursor cursor;
    uint64_t number;
    int64_t signed_number;
    switch (value.kind) {
    case JSON_OBJECT:
        cursor = json_cursor_of(value);
        json_put_object(out, name);
        while (json_member_next(&cursor, &key, &child)) {
            FUZZ_CHECK(json_string(key, arena, &text) == 0);
            json_put_key(out, text);
            walk(child, arena, out, NULL);
        }
        json_put_end(out);
        return;
    case JSON_ARRAY:
        cursor = json_cursor_of(value);
        json_put_array(out, name);
        while (json_element_next(&cursor, &child))
            walk(child, arena, out, NULL);
        json_put_end(out);
        return;
    case JSON_STRING:
        FUZZ_CHECK(json_string(value, arena, &text) == 0);
        FUZZ_CHECK(utf8_valid(text));
        json_put_string(out, name, text);
        return;
    default:
        (void)json_u64(value, &number);
        (void)json_i64(value, &signed_number);
        (void)json_thousandths(value, &number);
        json_put_raw(out, name, value.raw);
    }
}

static void point(struct json_value root, struct slice document, struct slice pointer) {
    struct json_value found;
    int known = json_pointer_check(pointer);
    int code = json_find(root, pointer, &found);
    FUZZ_CHECK(known == 0 || code < 0);
    if (code == 0) {
        FUZZ_CHECK(found.raw.at >= document.at);
        FUZZ_CHECK(found.raw.at + found.raw.length <= document.at + document.length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_of((const char *)data, size);
    size_t cut = slice_find(input, '\x01');
    struct slice document = slice_upto(input, cut);
    struct slice pointer = slice_from(input, cut + 1);
    struct json_value root;
    struct json_report report;
    int code = json_check(document, &root, &report);
    FUZZ_CHECK(report.steps <= 64 * document.length + 64);
    if (code != 0) {
        FUZZ_CHECK(report.line >= 1 && report.column >= 1 && report.say != NULL);
        return 0;
    }
    struct arena arena;
    arena_init(&arena, 4096, 64 << 20);
    struct buffer out;
    buffer_init(&out, 64 << 20);
    struct json_writer writer;
    json_writer_init(&writer, &out);
    walk(root, &arena, &writer, NULL);
    FUZZ_CHECK(buffer_failed(&out) == 0);
    struct json_value again;
    if (out.length <= LIMIT_JSON_STRING_BYTES)
        FUZZ_CHECK(json_check(buffer_slice(&out), &again, NULL) == 0);
    point(root, document, pointer);
    buffer_done(&out);
    arena_done(&arena);
    return 0;
}
