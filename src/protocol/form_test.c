#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "protocol/form.h"

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct json_value checked(const char *text) {
    struct json_value root;
    assert_int_equal(json_check(slice_text(text), &root, NULL), 0);
    return root;
}

static void paths_are_written(void **state) {
    char text[256];
    char tiny[8];
    struct form_path branches = form_below(NULL, "branches");
    struct form_path second = form_element(&branches, 1);
    struct form_path retry = form_below(&second, "retry");
    struct form_path first = form_below(&retry, "first");
    struct form_path rude = { .above = &retry, .name = SLICE("a\nb\xff") };
    (void)state;
    form_path_write(&first, text, sizeof text);
    assert_string_equal(text, "branches[1].retry.first");
    form_path_write(NULL, text, sizeof text);
    assert_string_equal(text, "");
    form_path_write(&second, text, sizeof text);
    assert_string_equal(text, "branches[1]");
    form_path_write(&rude, text, sizeof text);
    assert_string_equal(text, "branches[1].retry.a?b?");
    form_path_write(&first, tiny, sizeof tiny);
    assert_string_equal(tiny, "branche");
}

static void names(void **state) {
    (void)state;
    assert_true(form_is_name(SLICE("aZ0._:-"), 7));
    assert_false(form_is_name(SLICE("aZ0._:-"), 6));
    assert_false(form_is_name(SLICE(""), 6));
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '_' || c == ':' || c == '-';
        assert_int_equal(form_is_name(slice_of(&byte, 1), 5), good);
    }
}

/* Values land by table, whatever their order; absent ones are not given. */
static void members_are_sorted(void **state) {
    static const struct form_field fields[] = {
        { "a", FORM_STRING }, { "b", FORM_NUMBER | FORM_ARRAY }, { "c", FORM_ANY }, { "d", FORM_BOOL }
    };
    struct problem p;
    struct form f = { .arena = &arena, .problem = &p };
    struct json_value values[4];
    (void)state;
    f.document = SLICE("{\"c\":null,\"\\u0062\":[1],\"a\":\"x\"}");
    assert_int_equal(form_members(&f, NULL, checked(f.document.at), fields, 4, values), 0);
    assert_true(json_is(values[0], "x"));
    assert_int_equal(values[1].kind, JSON_ARRAY);
    assert_true(form_given(values[2]));
    assert_false(form_given(values[3]));
    f.document = SLICE("{\"b\":\"x\"}");
    assert_int_equal(form_members(&f, NULL, checked(f.document.at), fields, 4, values), ERR_INVALID);
    assert_string_equal(p.detail.text, "must be a number or an array, not string");
    assert_string_equal(p.field, "b");
    assert_string_equal(p.value, "\"x\"");
    f.document = SLICE("{}");
    assert_int_equal(form_members(&f, NULL, checked(f.document.at), fields, 4, values), 0);
    for (size_t i = 0; i < 4; i++)
        assert_false(form_given(values[i]));
}

static void words_are_listed(void **state) {
    static const char *const words[] = { "red", "green", "blue" };
    struct problem p;
    struct form f = { .arena = &arena, .problem = &p };
    struct form_path path = form_below(NULL, "colour");
    size_t index = 9;
    (void)state;
    assert_int_equal(form_word(&f, &path, checked("\"gr\\u0065en\""), words, 3, &index), 0);
    assert_int_equal(index, 1);
    assert_int_equal(form_word(&f, &path, checked("\"gren\""), words, 3, &index), ERR_INVALID);
    assert_string_equal(p.detail.text, "must be \"red\", \"green\" or \"blue\"");
    assert_string_equal(p.nearest, "green");
    assert_int_equal(index, 1);
    assert_int_equal(form_word(&f, &path, checked("7"), words, 3, &index), ERR_INVALID);
    assert_int_equal(p.type, PROBLEM_WRONG_TYPE);
}

static void durations_have_bounds(void **state) {
    struct problem p;
    struct form f = { .arena = &arena, .problem = &p };
    uint32_t ms = 7;
    (void)state;
    assert_int_equal(form_duration(&f, NULL, checked("\"10ms\""), 10, 60000, &ms), 0);
    assert_int_equal(ms, 10);
    assert_int_equal(form_duration(&f, NULL, checked("\"1m\""), 10, 60000, &ms), 0);
    assert_int_equal(ms, 60000);
    assert_int_equal(form_duration(&f, NULL, checked("\"60001ms\""), 10, 60000, &ms), ERR_INVALID);
    assert_string_equal(p.limit, "10ms to 1m");
    assert_int_equal(form_duration(&f, NULL, checked("\"9ms\""), 10, 60000, &ms), ERR_INVALID);
    assert_int_equal(form_duration(&f, NULL, checked("\"99999999999999999999d\""), 10, 60000, &ms),
                     ERR_INVALID);
    assert_int_equal(p.type, PROBLEM_OVER_LIMIT);
    assert_int_equal(form_duration(&f, NULL, checked("\"1 m\""), 10, 60000, &ms), ERR_INVALID);
    assert_int_equal(p.type, PROBLEM_INVALID_VALUE);
    assert_int_equal(form_duration(&f, NULL, checked("60"), 10, 60000, &ms), ERR_INVALID);
    assert_int_equal(p.type, PROBLEM_WRONG_TYPE);
    assert_int_equal(ms, 60000);
}

static void texts_are_clean(void **state) {
    struct problem p;
    struct form f = { .arena = &arena, .problem = &p };
    struct slice text;
    (void)state;
    assert_int_equal(form_text(&f, NULL, checked("\"caf\xc3\xa9\""), 5, &text), 0);
    assert_true(slice_is(text, "caf\xc3\xa9"));
    assert_int_equal(form_text(&f, NULL, checked("\"caf\xc3\xa9\""), 4, &text), ERR_INVALID);
    assert_string_equal(p.limit, "4");
    assert_int_equal(form_text(&f, NULL, checked("\"a\\u0000\""), 5, &text), ERR_INVALID);
    assert_int_equal(form_text(&f, NULL, checked("\"a\\u007f\""), 5, &text), ERR_INVALID);
    assert_int_equal(form_text(&f, NULL, checked("\"a\\tb\""), 5, &text), ERR_INVALID);
    assert_int_equal(form_count(checked("[]")), 0);
    assert_int_equal(form_count(checked("[1,[2,3],{}]")), 3);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(paths_are_written),     TEST(names),           TEST(members_are_sorted), TEST(words_are_listed),
        TEST(durations_have_bounds), TEST(texts_are_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
