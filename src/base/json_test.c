#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"

struct vector {
    struct slice text;
    bool taken;
};

#define TAKEN(text) \
    { SLICE_LITERAL(text), true }
#define REFUSED(text) \
    { SLICE_LITERAL(text), false }
#define SLICE_LITERAL(text) \
    { "" text, sizeof(text) - 1 }

static const struct vector vectors[] = {
#include "base/json_vectors.def"
};

/* The text is copied so that a byte read behind its end is seen by the sanitizer. */
static int check_copy(struct slice text, struct json_report *report) {
    struct json_value root;
    char *copy = malloc(text.length + 1);
    assert_non_null(copy);
    copy = realloc(copy, text.length == 0 ? 1 : text.length);
    assert_non_null(copy);
    memcpy(copy, text.at, text.length);
    int failed = json_check(slice_of(copy, text.length), &root, report);
    free(copy);
    return failed;
}

static void vectors_hold(void **state) {
    size_t wrong = 0;
    struct json_report report;
    (void)state;
    assert_true(sizeof vectors / sizeof vectors[0] >= 300);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        bool taken = check_copy(vectors[i].text, &report) == 0;
        if (taken != vectors[i].taken) {
            print_error("%s but should not: %.*s (%s)\n", taken ? "taken" : "refused",
                        SLICE_PRINT(vectors[i].text), report.say == NULL ? "" : report.say);
            wrong++;
        }
        assert_int_equal(report.say == NULL, taken);
    }
    assert_int_equal(wrong, 0);
}

/* Every prefix of a document is refused, and never read beyond. */
static void prefixes_are_refused(void **state) {
    struct slice text =
        SLICE("{\"a\":[1.5e-3,true,false,null,\"\\ud83d\\ude39\xe2\x82\xac\\n\"],\"b\":{\"c\":{}}}");
    (void)state;
    assert_int_equal(check_copy(text, NULL), 0);
    for (size_t length = 0; length < text.length; length++)
        assert_int_equal(check_copy(slice_upto(text, length), NULL), ERR_SYNTAX);
}

static void places_are_told(void **state) {
    static const struct {
        const char *text;
        size_t line, column;
        const char *say;
    } rows[] = {
        { "", 1, 1, "the text ends where a value is expected" },
        { "{\"a\": 1,\n \"b\" 2}", 2, 6, "expected ':' after a key" },
        { "[1,\n2,\n\n  x]", 4, 3, "expected a value" },
        { "[\"\xe2\x82\xac\xe2\x82\xac\" 1]", 1, 7, "expected ',' or ']' after an element" },
        { "{\"a\":1,\"a\":2}", 1, 8, "a key that this object already has" },
        { "{\"a\":1", 1, 7, "expected ',' or '}' after a member" },
        { "{\"gid\":\"x\",}", 1, 12, "expected a key in double quotes" },
        { "[01]", 1, 3, "a number may not begin with 0" },
        { "[1.]", 1, 4, "expected a digit" },
        { "[\"a\nb\"]", 1, 4, "control character in a string, write it as \\u00XX" },
        { "{} {}", 1, 4, "more text after the end of the value" },
        { "[\"abc", 1, 6, "the text ends inside a string" },
        { "[\"\\q\"]", 1, 3, "unknown escape in a string" },
        { "[\"ab\xff\"]", 1, 5, "bytes that are not UTF-8" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_report report;
        assert_int_equal(check_copy(slice_text(rows[i].text), &report), ERR_SYNTAX);
        assert_string_equal(report.say, rows[i].say);
        assert_int_equal(report.line, rows[i].line);
        assert_int_equal(report.column, rows[i].column);
    }
}

static void failure_leaves_the_output(void **state) {
    struct json_value root = { .kind = JSON_BOOL, .raw = SLICE("true") };
    (void)state;
    assert_int_equal(json_check(SLICE("[1"), &root, NULL), ERR_SYNTAX);
    assert_int_equal(root.kind, JSON_BOOL);
    assert_true(slice_is(root.raw, "true"));
    assert_int_equal(json_check(SLICE_NONE, &root, NULL), ERR_SYNTAX);
}

static void add_times(struct buffer *b, const char *text, size_t times) {
    for (size_t i = 0; i < times; i++)
        buffer_add_text(b, text);
}

static int check_nested(size_t depth, const char *opening, const char *closing) {
    struct buffer b;
    buffer_init(&b, 1 << 20);
    add_times(&b, opening, depth);
    buffer_add_text(&b, "1");
    add_times(&b, closing, depth);
    int failed = check_copy(buffer_slice(&b), NULL);
    buffer_done(&b);
    return failed;
}

static void depth_is_limited(void **state) {
    (void)state;
    assert_int_equal(check_nested(LIMIT_JSON_DEPTH, "[", "]"), 0);
    assert_int_equal(check_nested(LIMIT_JSON_DEPTH, "{\"a\":", "}"), 0);
    assert_int_equal(check_nested(LIMIT_JSON_DEPTH + 1, "[", "]"), ERR_LIMIT);
    assert_int_equal(check_nested(LIMIT_JSON_DEPTH + 1, "{\"a\":", "}"), ERR_LIMIT);
    assert_int_equal(check_nested(LIMIT_JSON_DEPTH * 10, "[", "]"), ERR_LIMIT);
    assert_int_equal(check_nested(100000, "[", "]"), ERR_LIMIT);
    assert_int_equal(
        check_copy(SLICE("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), NULL),
        ERR_LIMIT);
}

static int check_long_string(size_t length, const char *before, const char *after) {
    struct buffer b;
    buffer_init(&b, 4 << 20);
    buffer_add_text(&b, before);
    add_times(&b, "x", length);
    buffer_add_text(&b, after);
    int failed = check_copy(buffer_slice(&b), NULL);
    buffer_done(&b);
    return failed;
}

static void strings_are_limited(void **state) {
    (void)state;
    assert_int_equal(check_long_string(LIMIT_JSON_STRING_BYTES, "\"", "\""), 0);
    assert_int_equal(check_long_string(LIMIT_JSON_STRING_BYTES, "{\"", "\":1}"), 0);
    assert_int_equal(check_long_string(LIMIT_JSON_STRING_BYTES + 1, "\"", "\""), ERR_LIMIT);
    assert_int_equal(check_long_string(LIMIT_JSON_STRING_BYTES + 1, "{\"", "\":1}"), ERR_LIMIT);
    assert_int_equal(check_long_string((size_t)LIMIT_JSON_STRING_BYTES * 10, "\"", "\""), ERR_LIMIT);
}

static void write_keys(struct buffer *b, size_t count, const char *prefix) {
    buffer_clear(b);
    buffer_add_text(b, "{");
    for (size_t i = 0; i < count; i++)
        buffer_add_format(b, "%s\"%s%zu\":%zu", i == 0 ? "" : ",", prefix, i, i);
    buffer_add_text(b, "}");
}

static void keys_are_limited(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 4 << 20);
    write_keys(&b, LIMIT_JSON_KEYS, "k");
    assert_int_equal(check_copy(buffer_slice(&b), NULL), 0);
    write_keys(&b, LIMIT_JSON_KEYS + 1, "k");
    assert_int_equal(check_copy(buffer_slice(&b), NULL), ERR_LIMIT);
    write_keys(&b, LIMIT_JSON_KEYS * 10, "k");
    assert_int_equal(check_copy(buffer_slice(&b), NULL), ERR_LIMIT);
    buffer_done(&b);
}

/* A duplicate is found wherever it stands, written plainly or with escapes, and the same key in another
 * object is none. */
static void duplicates_are_found(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 4 << 20);
    for (size_t twin = 0; twin < 1000; twin += 37)
        for (int escaped = 0; escaped < 2; escaped++) {
            write_keys(&b, 1000, escaped ? "\\u006b" : "k");
            buffer_cut(&b, b.length - 1);
            buffer_add_format(&b, ",\"k%zu\":0}", twin);
            assert_int_equal(check_copy(buffer_slice(&b), NULL), ERR_SYNTAX);
        }
    assert_int_equal(
        check_copy(SLICE("{\"a\":{\"a\":{\"a\":1},\"b\":1},\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}]}"),
                   NULL),
        0);
    assert_int_equal(check_copy(SLICE("{\"a\":{\"b\":{\"c\":1}},\"b\":1,\"a\":2}"), NULL), ERR_SYNTAX);
    assert_int_equal(check_copy(SLICE("{\"x\":{\"\":1,\"\\u00e9\":2,\"\xc3\xa9\":3}}"), NULL), ERR_SYNTAX);
    buffer_done(&b);
}

/* Work per byte stays the same as documents grow, whatever they are made of. */
static void work_is_linear(void **state) {
    static const char *const shapes[][3] = {
        { "[", "1,", "1]" },
        { "[", "{\"a\":{\"b\":[\"c\"]}},", "1]" },
        { "[\"", "x", "\"]" },
        { "[\"", "\\u20ac", "\"]" },
        { "[", "[[[[[[[[]]]]]]]],", "1]" },
        { "  ", "\n", "1" },
        { "", "9", "" },
    };
    struct buffer b;
    struct json_report report;
    (void)state;
    buffer_init(&b, 8 << 20);
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++)
        for (size_t count = 1000; count <= 32000; count *= 2) {
            buffer_clear(&b);
            buffer_add_text(&b, shapes[shape][0]);
            add_times(&b, shapes[shape][1], count);
            buffer_add_text(&b, shapes[shape][2]);
            assert_int_equal(check_copy(buffer_slice(&b), &report), 0);
            assert_true(report.steps <= 2 * b.length);
        }
    /* The widest open state: 32 nested objects, each full of keys. */
    buffer_clear(&b);
    for (size_t depth = 0; depth < LIMIT_JSON_DEPTH; depth++) {
        buffer_add_text(&b, "{");
        for (size_t i = 0; i + 1 < LIMIT_JSON_KEYS; i++)
            buffer_add_format(&b, "\"%zu\":0,", i);
        buffer_add_text(&b, "\"deeper\":");
    }
    buffer_add_text(&b, "0");
    add_times(&b, "}", LIMIT_JSON_DEPTH);
    assert_int_equal(check_copy(buffer_slice(&b), &report), 0);
    assert_true(report.steps <= 3 * b.length);
    buffer_done(&b);
}

static struct json_value checked(const char *text) {
    struct json_value root;
    assert_int_equal(json_check(slice_text(text), &root, NULL), 0);
    return root;
}

static void walking_gives_exact_bytes(void **state) {
    struct json_value root = checked(
        " { \"body\" :  { \"z\" : [ 1 , 2 ] ,\"a\":\"}\\\"{\" }  , \"n\" : -1.50E3 , \"e\":[ ],\"o\":{ } } ");
    static const char *const keys[] = { "body", "n", "e", "o" };
    static const char *const raws[] = { "{ \"z\" : [ 1 , 2 ] ,\"a\":\"}\\\"{\" }", "-1.50E3", "[ ]", "{ }" };
    struct json_cursor cursor = json_cursor_of(root);
    struct json_value key;
    struct json_value value;
    size_t count = 0;
    (void)state;
    while (json_member_next(&cursor, &key, &value)) {
        assert_true(count < 4);
        assert_true(json_is(key, keys[count]));
        assert_true(slice_is(value.raw, raws[count]));
        count++;
    }
    assert_int_equal(count, 4);
    assert_false(json_member_next(&cursor, &key, &value));
    assert_true(json_member(root, "e", &value));
    cursor = json_cursor_of(value);
    assert_false(json_element_next(&cursor, &value));
    assert_false(json_member(root, "missing", &value));
    assert_false(json_member(checked("[]"), "missing", &value));
    cursor = json_cursor_of(checked("[1,\"a,b]\",[2,[3]],null]"));
    static const char *const elements[] = { "1", "\"a,b]\"", "[2,[3]]", "null" };
    for (count = 0; json_element_next(&cursor, &value); count++)
        assert_true(slice_is(value.raw, elements[count]));
    assert_int_equal(count, 4);
}

static void places_of_values(void **state) {
    struct slice text = SLICE("{\n  \"a\": \"\xe2\x82\xac\", \"b\": 2}");
    struct json_value root;
    struct json_value value;
    size_t line;
    size_t column;
    (void)state;
    assert_int_equal(json_check(text, &root, NULL), 0);
    assert_true(json_member(root, "b", &value));
    json_place(text, value.raw.at, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 18);
    assert_int_equal(json_value_of(value.raw).kind, JSON_NUMBER);
    assert_string_equal(json_kind_text(JSON_BOOL), "true or false");
}

/* Every byte at every place of a string: eight at a time and one at a time must agree. */
static void strings_are_checked_wherever_a_byte_stands(void **state) {
    (void)state;
    for (size_t length = 1; length <= 26; length++)
        for (size_t place = 0; place < length; place++)
            for (int byte = 0; byte < 256; byte++) {
                struct json_value root;
                char *text = malloc(length + 2);
                assert_non_null(text);
                memset(text, 'x', length + 2);
                text[0] = text[length + 1] = '"';
                text[1 + place] = (char)byte;
                bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                bool good = json_check(slice_of(text, length + 2), &root, NULL) == 0;
                assert_int_equal(good, plain);
                free(text);
            }
}

static void strings_decode(void **state) {
    struct arena arena;
    struct slice text;
    struct json_value plain = checked("\"a\xe2\x82\xac\"");
    (void)state;
    arena_init(&arena, 1024, 4096);
    assert_int_equal(json_string(plain, &arena, &text), 0);
    assert_ptr_equal(text.at, plain.raw.at + 1);
    assert_int_equal(arena.used, 0);
    assert_int_equal(
        json_string(checked("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude39!\""), &arena,
                    &text),
        0);
    assert_true(slice_is(text, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb9!"));
    assert_int_equal(json_string(checked("\"a\\u0000b\""), &arena, &text), 0);
    assert_int_equal(text.length, 3);
    assert_int_equal(slice_find(text, '\0'), 1);
    assert_int_equal(json_string(checked("1"), &arena, &text), ERR_INVALID);
    arena_done(&arena);
    arena_init(&arena, 16, 4);
    assert_int_equal(json_string(checked("\"12345\\n\""), &arena, &text), ERR_MEMORY);
    arena_done(&arena);
    assert_true(json_is(checked("\"\\u0061b\""), "ab"));
    assert_false(json_is(checked("\"\\u0061b\""), "a"));
    assert_false(json_is(checked("\"a\""), "ab"));
    assert_false(json_is(checked("1"), "1"));
    assert_true(json_is(checked("\"\""), ""));
}

static void numbers_are_exact(void **state) {
    static const struct {
        const char *text;
        int failed;
        uint64_t number;
    } natural[] = {
        { "0", 0, 0 },
        { "-0", 0, 0 },
        { "9007199254740993", 0, 9007199254740993u },
        { "18446744073709551615", 0, UINT64_MAX },
        { "18446744073709551616", ERR_LIMIT, 0 },
        { "99999999999999999999999999999999", ERR_LIMIT, 0 },
        { "-1", ERR_LIMIT, 0 },
        { "1.0", ERR_INVALID, 0 },
        { "1e3", ERR_INVALID, 0 },
        { "\"1\"", ERR_INVALID, 0 },
        { "true", ERR_INVALID, 0 },
    };
    static const struct {
        const char *text;
        int failed;
        uint64_t number;
    } decimal[] = {
        { "1", 0, 1000 },
        { "1.5", 0, 1500 },
        { "2.25", 0, 2250 },
        { "0.125", 0, 125 },
        { "1.000", 0, 1000 },
        { "1.0000", ERR_INVALID, 0 },
        { "-1", ERR_INVALID, 0 },
        { "1e3", ERR_INVALID, 0 },
        { "\"2\"", ERR_INVALID, 0 },
        { "18446744073709551615", ERR_LIMIT, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof natural / sizeof natural[0]; i++) {
        uint64_t number = 0;
        assert_int_equal(json_u64(checked(natural[i].text), &number), natural[i].failed);
        assert_int_equal(number, natural[i].number);
    }
    for (size_t i = 0; i < sizeof decimal / sizeof decimal[0]; i++) {
        uint64_t number = 0;
        assert_int_equal(json_thousandths(checked(decimal[i].text), &number), decimal[i].failed);
        assert_int_equal(number, decimal[i].number);
    }
    int64_t number = 7;
    assert_int_equal(json_i64(checked("-9223372036854775808"), &number), 0);
    assert_true(number == INT64_MIN);
    assert_int_equal(json_i64(checked("9223372036854775807"), &number), 0);
    assert_true(number == INT64_MAX);
    assert_int_equal(json_i64(checked("9223372036854775808"), &number), ERR_LIMIT);
    assert_int_equal(json_i64(checked("-9223372036854775809"), &number), ERR_LIMIT);
    assert_int_equal(json_i64(checked("-1.5"), &number), ERR_INVALID);
    bool yes = false;
    assert_int_equal(json_bool(checked("true"), &yes), 0);
    assert_true(yes);
    assert_int_equal(json_bool(checked("false"), &yes), 0);
    assert_false(yes);
    assert_int_equal(json_bool(checked("0"), &yes), ERR_INVALID);
}

/* The document and most rows are RFC 6901's own example. */
static void pointers_lead(void **state) {
    static const char document[] =
        " {\"foo\":[\"bar\", \"baz\" ],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
        "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8,\"\\u00e9\":9,\"d\":{\"x\":[[1],[2,{\"y\": null}]]}} ";
    static const struct {
        const char *pointer;
        int failed;
        const char *raw;
    } rows[] = {
        { "/foo", 0, "[\"bar\", \"baz\" ]" },
        { "/foo/0", 0, "\"bar\"" },
        { "/foo/1", 0, "\"baz\"" },
        { "/", 0, "0" },
        { "/a~1b", 0, "1" },
        { "/c%d", 0, "2" },
        { "/e^f", 0, "3" },
        { "/g|h", 0, "4" },
        { "/i\\j", 0, "5" },
        { "/k\"l", 0, "6" },
        { "/ ", 0, "7" },
        { "/m~0n", 0, "8" },
        { "/\xc3\xa9", 0, "9" },
        { "/d/x/1/1/y", 0, "null" },
        { "/d/x/0", 0, "[1]" },
        { "/foo/2", ERR_NOT_FOUND, NULL },
        { "/foo/-", ERR_NOT_FOUND, NULL },
        { "/foo/00", ERR_NOT_FOUND, NULL },
        { "/foo/01", ERR_NOT_FOUND, NULL },
        { "/foo/+1", ERR_NOT_FOUND, NULL },
        { "/foo/", ERR_NOT_FOUND, NULL },
        { "/foo/0/x", ERR_NOT_FOUND, NULL },
        { "/foo/18446744073709551616", ERR_NOT_FOUND, NULL },
        { "/fo", ERR_NOT_FOUND, NULL },
        { "/fooo", ERR_NOT_FOUND, NULL },
        { "/m~1n", ERR_NOT_FOUND, NULL },
        { "foo", ERR_SYNTAX, NULL },
        { "#/foo", ERR_SYNTAX, NULL },
        { "/m~n", ERR_SYNTAX, NULL },
        { "/m~", ERR_SYNTAX, NULL },
        { "/~2", ERR_SYNTAX, NULL },
    };
    struct json_value value;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(json_pointer(slice_text(document), slice_text(rows[i].pointer), &value),
                         rows[i].failed);
        if (rows[i].failed == 0)
            assert_true(slice_is(value.raw, rows[i].raw));
    }
    assert_int_equal(json_pointer(slice_text(document), SLICE_NONE, &value), 0);
    assert_int_equal(value.kind, JSON_OBJECT);
    assert_int_equal(json_pointer(SLICE("[1"), SLICE("/0"), &value), ERR_INVALID);
    assert_int_equal(json_pointer(SLICE(""), SLICE(""), &value), ERR_INVALID);
}

static void writer_writes(void **state) {
    struct buffer b;
    struct json_writer w;
    (void)state;
    buffer_init(&b, 4096);
    json_writer_init(&w, &b);
    json_put_object(&w, NULL);
    json_put_string(&w, "s", SLICE("a\"b\\c/\n\t\r\x01\x1f\x7f\xe2\x82\xac<"));
    json_put_u64(&w, "u", UINT64_MAX);
    json_put_i64(&w, "i", INT64_MIN);
    json_put_i64(&w, "j", 5);
    json_put_array(&w, "list");
    json_put_bool(&w, NULL, true);
    json_put_bool(&w, NULL, false);
    json_put_null(&w, NULL);
    json_put_array(&w, NULL);
    json_put_end(&w);
    json_put_object(&w, NULL);
    json_put_end(&w);
    json_put_end(&w);
    json_put_key(&w, SLICE("la\"bel"));
    json_put_string(&w, NULL, SLICE(""));
    json_put_key(&w, SLICE("o"));
    json_put_object(&w, NULL);
    json_put_raw(&w, "raw", SLICE("{ \"as\": [ \"is\" ] }"));
    json_put_end(&w);
    json_put_text(&w, "t", NULL);
    json_put_text(&w, "v", "w");
    json_put_string(&w, "none", SLICE_NONE);
    json_put_end(&w);
    assert_int_equal(buffer_failed(&b), 0);
    static const char expected[] =
        "{\"s\":\"a\\\"b\\\\c/\\n\\t\\r\\u0001\\u001f\\u007f\xe2\x82\xac<\",\"u\":18446744073709551615,"
        "\"i\":-9223372036854775808,\"j\":5,\"list\":[true,false,null,[],{}],\"la\\\"bel\":\"\","
        "\"o\":{\"raw\":{ \"as\": [ \"is\" ] }},\"t\":null,\"v\":\"w\",\"none\":\"\"}";
    assert_true(slice_is(buffer_slice(&b), expected));
    assert_int_equal(check_copy(buffer_slice(&b), NULL), 0);
    buffer_done(&b);
}

/* Any bytes become a legal string, and legal text survives the round trip. */
static void written_strings_read_back(void **state) {
    struct buffer b;
    struct json_writer w;
    struct arena arena;
    uint32_t draw = 12345;
    (void)state;
    buffer_init(&b, 1 << 16);
    arena_init(&arena, 1 << 16, 1 << 20);
    for (int round = 0; round < 3000; round++) {
        char bytes[48];
        struct json_value root;
        struct slice back;
        size_t length = (size_t)round % sizeof bytes;
        for (size_t i = 0; i < length; i++) {
            draw = draw * 1664525 + 1013904223;
            bytes[i] = (char)(round % 2 == 0 ? draw >> 24 : draw >> 25);
        }
        buffer_clear(&b);
        json_writer_init(&w, &b);
        json_put_string(&w, NULL, slice_of(bytes, length));
        assert_int_equal(json_check(buffer_slice(&b), &root, NULL), 0);
        assert_int_equal(json_string(root, &arena, &back), 0);
        if (round % 2 == 1)
            assert_true(slice_equal(back, slice_of(bytes, length)));
        arena_reset(&arena);
    }
    buffer_clear(&b);
    json_writer_init(&w, &b);
    json_put_string(&w, NULL,
                    SLICE("a\xff"
                          "b\xe2\x82"));
    assert_true(slice_is(buffer_slice(&b), "\"a\xef\xbf\xbd"
                                           "b\xef\xbf\xbd\xef\xbf\xbd\""));
    arena_done(&arena);
    buffer_done(&b);
}

static void writer_meets_the_buffers_end(void **state) {
    struct buffer b;
    struct json_writer w;
    (void)state;
    buffer_init(&b, 8);
    json_writer_init(&w, &b);
    json_put_object(&w, NULL);
    json_put_string(&w, "key", SLICE("a long value"));
    json_put_end(&w);
    assert_int_equal(buffer_failed(&b), ERR_LIMIT);
    buffer_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold),
        cmocka_unit_test(prefixes_are_refused),
        cmocka_unit_test(places_are_told),
        cmocka_unit_test(failure_leaves_the_output),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(strings_are_limited),
        cmocka_unit_test(keys_are_limited),
        cmocka_unit_test(duplicates_are_found),
        cmocka_unit_test(work_is_linear),
        cmocka_unit_test(walking_gives_exact_bytes),
        cmocka_unit_test(places_of_values),
        cmocka_unit_test(strings_are_checked_wherever_a_byte_stands),
        cmocka_unit_test(strings_decode),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(pointers_lead),
        cmocka_unit_test(writer_writes),
        cmocka_unit_test(written_strings_read_back),
        cmocka_unit_test(writer_meets_the_buffers_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
