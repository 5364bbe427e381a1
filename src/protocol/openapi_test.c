#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/json.h"
#include "protocol/openapi.h"
#include "protocol/problem.h"
#include "protocol/routes.h"

static struct json_value find(struct json_value root, const char *name) {
    struct json_value value;
    if (!json_member(root, name, &value))
        fail_msg("no member %s", name);
    return value;
}

/* Every "$ref" in the document leads to a schema. */
static void references_lead_somewhere(struct slice document) {
    static const char mark[] = "\"$ref\":\"#/components/schemas/";
    size_t count = 0;
    for (size_t i = 0; i + sizeof mark < document.length; i++) {
        char name[64];
        struct slice rest = slice_from(document, i);
        if (!slice_starts(rest, mark))
            continue;
        rest = slice_from(rest, sizeof mark - 1);
        size_t length = slice_find(rest, '"');
        assert_true(length < sizeof name);
        memcpy(name, rest.at, length);
        name[length] = '\0';
        if (openapi_schema(name) == NULL)
            fail_msg("no schema %s", name);
        count++;
    }
    assert_true(count > 50);
}

static void the_document_is_whole(void **state) {
    struct buffer b;
    struct json_value root;
    (void)state;
    buffer_init(&b, 1 << 20);
    openapi_render("0.1.0", &b);
    assert_int_equal(buffer_failed(&b), 0);
    struct json_report report;
    if (json_check(buffer_slice(&b), &root, &report) != 0)
        fail_msg("line %zu column %zu: %s", report.line, report.column, report.say);
    assert_true(json_is(find(root, "openapi"), "3.1.0"));
    assert_true(json_is(find(find(root, "info"), "version"), "0.1.0"));
    struct json_value paths = find(root, "paths");
    for (int i = 0; i < ROUTE_COUNT; i++) {
        const struct route *r = routes_row((enum route_id)i);
        struct json_value path = find(paths, r->path);
        struct json_value operation = find(path, r->method == ROUTE_METHOD_GET    ? "get"
                                                 : r->method == ROUTE_METHOD_POST ? "post"
                                                 : r->method == ROUTE_METHOD_PUT  ? "put"
                                                                                  : "delete");
        assert_true(json_is(find(operation, "x-role"), routes_role_word(r->role)));
        find(find(operation, "responses"), "default");
        struct json_value body;
        assert_int_equal(json_member(operation, "requestBody", &body), r->request[0] != '\0');
        if (r->request[0] != '\0')
            assert_non_null(openapi_schema(r->request));
        if (r->answer[0] != '\0' && strcmp(r->answer, "text") != 0 && strcmp(r->answer, "binary") != 0 &&
            strcmp(r->answer, "object") != 0)
            assert_non_null(openapi_schema(r->answer));
    }
    references_lead_somewhere(buffer_slice(&b));
    buffer_done(&b);
}

static void the_reference_names_everything(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 1 << 20);
    openapi_reference(&b);
    buffer_add_byte(&b, '\0');
    assert_int_equal(buffer_failed(&b), 0);
    for (int i = 0; i < ROUTE_COUNT; i++) {
        const struct route *r = routes_row((enum route_id)i);
        assert_non_null(strstr(b.at, r->path));
        assert_non_null(strstr(b.at, r->summary));
    }
    for (int i = 0; i < PROBLEM_COUNT; i++)
        assert_non_null(strstr(b.at, problem_row((enum problem_type)i)->path));
    buffer_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_is_whole),
        cmocka_unit_test(the_reference_names_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
