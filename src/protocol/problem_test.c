#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "protocol/problem.h"

static void every_row_is_whole(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 1 << 16);
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        const struct problem_row *row = problem_row((enum problem_type)i);
        assert_true(slice_starts(slice_text(row->path), "/problems/"));
        assert_int_equal(problem_type(slice_text(row->path + 10)), i);
        assert_true(row->http >= 400 && row->http < 600);
        assert_true(strlen(row->title) > 5);
        assert_true(strlen(row->text) > 20);
        assert_null(strpbrk(row->text, "<>&"));
        assert_null(strpbrk(row->title, "<>&"));
        buffer_clear(&b);
        problem_page((enum problem_type)i, &b);
        buffer_add_byte(&b, '\0');
        assert_int_equal(buffer_failed(&b), 0);
        assert_non_null(strstr(b.at, row->text));
        assert_non_null(strstr(b.at, row->path));
    }
    assert_int_equal(problem_type(SLICE("nonsense")), -1);
    assert_int_equal(problem_type(SLICE("")), -1);
    buffer_done(&b);
}

static void renders_bare(void **state) {
    struct problem p;
    struct buffer b;
    (void)state;
    buffer_init(&b, 4096);
    problem_init(&p, PROBLEM_NOT_FOUND);
    problem_render(&p, SLICE_NONE, SLICE_NONE, &b);
    assert_true(slice_is(buffer_slice(&b),
                         "{\"type\":\"/problems/not-found\",\"title\":\"Not found\",\"status\":404,"
                         "\"detail\":\"Not found\",\"retry\":false}"));
    assert_int_equal(problem_http(&p), 404);
    buffer_done(&b);
}

static void renders_everything(void **state) {
    struct problem p;
    struct buffer b;
    struct json_value root;
    struct json_value value;
    (void)state;
    buffer_init(&b, 4096);
    assert_int_equal(PROBLEM_SAY(&p, PROBLEM_ALREADY_DECIDED, "%s was rolled back", "pay-88"), ERR_INVALID);
    PROBLEM_NOTE(&p, field, SLICE("branches[1].retry.first"));
    PROBLEM_NOTE(&p, value, SLICE("\"5\n\x1bms\""));
    PROBLEM_NOTE(&p, nearest, SLICE("first"));
    PROBLEM_NOTE(&p, limit, SLICE("256KiB"));
    PROBLEM_NOTE(&p, setting, SLICE("egress.allow"));
    PROBLEM_NOTE(&p, role, SLICE("operator"));
    PROBLEM_NOTE(&p, allow, SLICE("GET, POST"));
    p.decision = "rolled_back";
    p.line = 3;
    p.column = 17;
    problem_render(&p, SLICE("/v1/x"), SLICE("4bf9"), &b);
    assert_true(slice_is(
        buffer_slice(&b),
        "{\"type\":\"/problems/already-decided\",\"title\":\"Already decided\",\"status\":409,"
        "\"detail\":\"pay-88 was rolled back\",\"instance\":\"/v1/x\",\"field\":\"branches[1].retry.first\","
        "\"value\":\"\\\"5??ms\\\"\",\"nearest\":\"first\",\"limit\":\"256KiB\",\"setting\":\"egress.allow\","
        "\"role\":\"operator\",\"allow\":\"GET, POST\",\"decision\":\"rolled_back\",\"line\":3,\"column\":17,"
        "\"retry\":false,\"trace_id\":\"4bf9\"}"));
    assert_int_equal(json_check(buffer_slice(&b), &root, NULL), 0);
    assert_true(json_member(root, "type", &value));
    buffer_done(&b);
}

static void notes_are_cut_between_characters(void **state) {
    struct problem p;
    char text[200];
    (void)state;
    problem_init(&p, PROBLEM_BUSY);
    memset(text, 'x', sizeof text);
    PROBLEM_NOTE(&p, value, slice_of(text, sizeof p.value - 1));
    assert_int_equal(strlen(p.value), sizeof p.value - 1);
    PROBLEM_NOTE(&p, value, slice_of(text, sizeof p.value));
    assert_int_equal(strlen(p.value), sizeof p.value - 1);
    memcpy(text + sizeof p.value - 3, "\xe2\x82\xac", 3);
    PROBLEM_NOTE(&p, value, slice_of(text, sizeof text));
    assert_int_equal(strlen(p.value), sizeof p.value - 3);
    PROBLEM_NOTE(&p, value, SLICE("a\xff\x80z"));
    assert_string_equal(p.value, "a??z");
    PROBLEM_NOTE(&p, value, SLICE_NONE);
    assert_string_equal(p.value, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(renders_bare),
        cmocka_unit_test(renders_everything),
        cmocka_unit_test(notes_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
