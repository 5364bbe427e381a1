#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "protocol/mention.h"

/* All mentions as "branch|pointer;...", with "$" when a literal was met and "!" at a fault. */
static void collect(const char *body, struct buffer *to) {
    struct json_value root;
    struct mention m;
    struct why why = { .text = "" };
    int found;
    assert_int_equal(json_check(slice_text(body), &root, NULL), 0);
    struct mention_cursor cursor = mention_begin(root.raw);
    buffer_clear(to);
    while ((found = mention_next(&cursor, &m, &why)) == 1)
        buffer_add_format(to, "%.*s|%.*s;", SLICE_PRINT(m.branch), SLICE_PRINT(m.pointer));
    if (cursor.literal)
        buffer_add_byte(to, '$');
    if (found < 0) {
        assert_int_equal(found, ERR_INVALID);
        assert_true(why.text[0] != '\0');
        buffer_add_byte(to, '!');
    }
}

static void finds_what_is_there(void **state) {
    static const struct {
        const char *body;
        const char *found;
    } rows[] = {
        { "1", "" },
        { "\"\"", "" },
        { "\"${car#/ref}\"", "car|/ref;" },
        { "\"${car#}\"", "car|;" },
        { "{\"car\":\"${car#/ref}\",\"b\":[\"x ${hotel#/a/0} y ${a.b:c_d-e#/~1~0}\"]}",
          "car|/ref;hotel|/a/0;a.b:c_d-e|/~1~0;" },
        { "{\"a\":\"$${car#/ref}\"}", "$" },
        { "{\"a\":\"$$${car#/ref}\"}", "$" },
        { "{\"a\":\"$ { } $x }{\",\"b$\":\"$\"}", "" },
        { "{\"a\":\"\\u0024{car#/ref}\"}", "" },
        { "{\"a\\\"${\" : 1}", "!" },
        { "{\"${car#/ref}\" : 1}", "!" },
        { "{\"$${car\":\"${car#/ref}\"}", "car|/ref;$" },
        { "[\"${car#/ref}\",\"${\"]", "car|/ref;!" },
        { "\"${car}\"", "!" },
        { "\"${}\"", "!" },
        { "\"${#/x}\"", "!" },
        { "\"${car#ref}\"", "!" },
        { "\"${car#/~2}\"", "!" },
        { "\"${car#/a\\\"b}\"", "!" },
        { "\"${HOME}\"", "!" },
        { "[\"\\\\\",\"${a#/b}\"]", "a|/b;" },
        { "[\"\\\\\\\"${a#/b}\"]", "a|/b;" },
    };
    struct buffer b;
    (void)state;
    buffer_init(&b, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        collect(rows[i].body, &b);
        if (!slice_is(buffer_slice(&b), rows[i].found))
            fail_msg("%s gave %.*s", rows[i].body, SLICE_PRINT(buffer_slice(&b)));
    }
    buffer_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
