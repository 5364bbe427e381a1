/* Tables, and the width of what is in them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/curl.h"
#include "cli/grid.h"
#include "cli/moment.h"

static char drawn[8192];

static const char *ended(struct buffer *b) {
    buffer_add_byte(b, '\0');
    assert_false(buffer_failed(b));
    assert_true(b->length <= sizeof drawn);
    memcpy(drawn, b->at, b->length);
    buffer_done(b);
    return drawn;
}

static void widths_are_those_of_a_terminal(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        const char *cut; /* to 5 columns */
    } table[] = {
        { "", 0, "" },
        { "abc", 3, "abc" },
        { "abcde", 5, "abcde" },
        { "abcdef", 6, "abcd…" },
        { "äöüß€", 5, "äöüß€" },
        { "日本語", 6, "日本…" },
        { "e\xcc\x81"
          "a",
          2,
          "e\xcc\x81"
          "a" },
        { "\x1b[31m", 5, "?[31m" },
        { "a\xff"
          "b",
          3, "a?b" },
        { "a\nb\tc", 5, "a b c" },
        { "\xe2\x82", 2, "??" },
        { "a\u202e", 4, "a???" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buffer b;
        buffer_init(&b, 1024);
        assert_int_equal(glyph_width(slice_text(table[i].text)), table[i].width);
        assert_true(glyph_add(&b, slice_text(table[i].text), 5) <= 5);
        assert_string_equal(ended(&b), table[i].cut);
    }
}

static struct grid sample(void) {
    static const char *const names[] = { "GID", "WHY", "AGE" };
    struct grid g;
    grid_init(&g, names, 3);
    grid_row(&g);
    grid_cell(&g, SLICE("order-1"), PAINT_GREEN);
    grid_cell(&g, SLICE("refused to confirm: user closed"), PAINT_NONE);
    grid_cell(&g, SLICE("2h"), PAINT_NONE);
    grid_row(&g);
    grid_cell(&g, SLICE("ü"), PAINT_NONE);
    return g;
}

static void a_grid_lines_up(void **state) {
    (void)state;
    struct grid g = sample();
    struct buffer b;
    buffer_init(&b, 4096);
    assert_int_equal(grid_draw(&g, &b, NULL, 0, false, true, NULL), 0);
    assert_string_equal(ended(&b), "GID      WHY                              AGE\n"
                                   "order-1  refused to confirm: user closed  2h\n"
                                   "ü                                         \n");
    grid_done(&g);
}

static void a_grid_fits_the_terminal(void **state) {
    (void)state;
    struct grid g = sample();
    for (size_t width = 20; width < 60; width++) {
        struct buffer b;
        buffer_init(&b, 4096);
        assert_int_equal(grid_draw(&g, &b, NULL, width, false, true, NULL), 0);
        for (char *line = strtok_r((char *)(uintptr_t)ended(&b), "\n", &(char *){ NULL }); line != NULL;
             line = NULL)
            assert_true(glyph_width(slice_text(line)) <= width);
    }
    struct buffer b;
    buffer_init(&b, 4096);
    grid_draw(&g, &b, NULL, 30, false, false, NULL);
    assert_string_equal(ended(&b), "order-1  refused to confi…  2h\nü                           \n");
    grid_done(&g);
}

static void columns_are_chosen(void **state) {
    (void)state;
    struct grid g = sample();
    struct buffer b;
    struct why why;
    buffer_init(&b, 4096);
    assert_int_equal(grid_draw(&g, &b, "age, gid", 0, true, true, NULL), 0);
    assert_string_equal(ended(&b),
                        "\033[2mAGE\033[0m  \033[2mGID\033[0m\n2h   \033[32morder-1\033[0m\n     ü\n");
    buffer_init(&b, 4096);
    assert_int_equal(grid_draw(&g, &b, "GID,NOPE", 0, false, true, &why), ERR_INVALID);
    assert_string_equal(why.text, "no column \"NOPE\"; there are: GID WHY AGE");
    buffer_done(&b);
    grid_done(&g);
}

static const char *span(int64_t ms, bool age) {
    struct buffer b;
    buffer_init(&b, 128);
    if (age)
        moment_add_age(&b, ms);
    else
        moment_add_span(&b, ms);
    return ended(&b);
}

static void times_are_short(void **state) {
    (void)state;
    assert_string_equal(span(0, false), "0 ms");
    assert_string_equal(span(999, false), "999 ms");
    assert_string_equal(span(1000, false), "1.00 s");
    assert_string_equal(span(12345, false), "12.3 s");
    assert_string_equal(span(65000, false), "1 m 05 s");
    assert_string_equal(span(7500000, false), "2 h 05 m");
    assert_string_equal(span(-5, false), "0 ms");
    assert_string_equal(span(59999, true), "59s");
    assert_string_equal(span(60000, true), "1m");
    assert_string_equal(span(7860000, true), "2h11m");
    assert_string_equal(span(9 * 86400000ll, true), "9d");
}

static void curl_is_safe_to_paste(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b, 4096);
    curl_add(&b, "GET", "http://h:1", "/v1/x?a=b&c=d", SLICE_NONE, NULL, "/a b/token");
    assert_string_equal(
        ended(&b), "curl -sS 'http://h:1/v1/x?a=b&c=d' -H \"Authorization: Bearer $(cat '/a b/token')\"\n");
    buffer_init(&b, 4096);
    curl_add(&b, "POST", "http://h:1", "/v1/x", SLICE("{\"it's\":\"$(rm)\"}"), "text/event-stream",
             "$SETTLE_TOKEN");
    assert_string_equal(ended(&b),
                        "curl -sS -X POST 'http://h:1/v1/x' -H \"Authorization: Bearer $SETTLE_TOKEN\" -H "
                        "'Accept: text/event-stream' -H 'Content-Type: application/json' -d "
                        "'{\"it'\\''s\":\"$(rm)\"}'\n");
    buffer_init(&b, 4096);
    curl_add(&b, "DELETE", "http://h:1", "/v1/tokens/t", SLICE_NONE, NULL, NULL);
    assert_string_equal(ended(&b), "curl -sS -X DELETE 'http://h:1/v1/tokens/t'\n");
}

static int set_locale(void **state) {
    (void)state;
    glyph_locale();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_are_those_of_a_terminal),
        cmocka_unit_test(a_grid_lines_up),
        cmocka_unit_test(a_grid_fits_the_terminal),
        cmocka_unit_test(columns_are_chosen),
        cmocka_unit_test(times_are_short),
        cmocka_unit_test(curl_is_safe_to_paste),
    };
    return cmocka_run_group_tests(tests, set_locale, NULL);
}
