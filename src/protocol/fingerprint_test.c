#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "protocol/fingerprint.h"

static void take(const char *namespace_name, const char *path, const char *query, const char *body,
                 uint8_t out[32]) {
    struct arena arena;
    arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(fingerprint_of(slice_text(namespace_name), slice_text(path), slice_text(query),
                                    slice_text(body), &arena, out),
                     0);
    arena_done(&arena);
}

static bool same_body(const char *a, const char *b) {
    uint8_t first[32], second[32];
    take("default", "/v1/x", "", a, first);
    take("default", "/v1/x", "", b, second);
    return memcmp(first, second, sizeof first) == 0;
}

static void spelling_means_nothing(void **state) {
    static const char *const rows[][2] = {
        { "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"x\",\"a\":1}" },
        { "{\"a\":1,\"b\":\"x\"}", " { \"b\" :\t\"x\" ,\n\"a\" : 1 } " },
        { "{\"b\":\"x\"}", "{\"\\u0062\":\"\\u0078\"}" },
        { "{\"a\":1,\"aa\":2,\"\":3}", "{\"\":3,\"aa\":2,\"a\":1}" },
        { "{\"p\":[1, 2]}", "{ \"p\": [1, 2] }" },
        { "{}", " {\n} " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!same_body(rows[i][0], rows[i][1]))
            fail_msg("%s and %s are one request", rows[i][0], rows[i][1]);
}

static void meaning_means_something(void **state) {
    static const char *const rows[][2] = {
        { "{\"a\":1}", "{\"a\":2}" },
        { "{\"a\":1}", "{\"b\":1}" },
        { "{\"a\":1}", "{}" },
        { "{\"a\":\"1\"}", "{\"a\":1}" },
        { "{\"a\":\"null\"}", "{\"a\":null}" },
        { "{\"a\":\"x\",\"b\":\"y\"}", "{\"a\":\"y\",\"b\":\"x\"}" },
        { "{\"a\":\"xb\"}", "{\"ax\":\"b\"}" },
        { "{\"p\":[1,2]}", "{\"p\":[1, 2]}" },
        { "{\"p\":{\"k\":1}}", "{\"p\":{\"k\": 1}}" },
        { "{\"p\":1.0}", "{\"p\":1}" },
        { "[1]", "[1 ]" },
        { "", "{}" },
        { "not json", "not  json" },
        { "{\"a\":1,\"a\":1}", "{\"a\":1}" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (same_body(rows[i][0], rows[i][1]))
            fail_msg("%s and %s are two requests", rows[i][0], rows[i][1]);
}

static void too_many_members_are_bytes(void **state) {
    char at[2000], with_blank[2000];
    (void)state;
    for (unsigned members = FINGERPRINT_MEMBERS_MAX - 1; members <= FINGERPRINT_MEMBERS_MAX + 1; members++) {
        size_t used = 1;
        at[0] = '{';
        for (unsigned i = 0; i < members; i++) {
            memcpy(at + used, i == 0 ? "\"00\":7" : ",\"00\":7", i == 0 ? 6 : 7);
            used += i == 0 ? 6 : 7;
            at[used - 5] = (char)('0' + i / 10);
            at[used - 4] = (char)('0' + i % 10);
        }
        memcpy(at + used, "}", 2);
        memcpy(with_blank, " ", 1);
        memcpy(with_blank + 1, at, used + 2);
        assert_int_equal(same_body(at, with_blank), members <= FINGERPRINT_MEMBERS_MAX);
        assert_true(same_body(at, at));
    }
}

static void the_rest_of_a_request(void **state) {
    uint8_t first[32], second[32];
    (void)state;
    take("default", "/v1/x", "", "{}", first);
    take("other", "/v1/x", "", "{}", second);
    assert_memory_not_equal(first, second, 32);
    take("default", "/v1/y", "", "{}", second);
    assert_memory_not_equal(first, second, 32);
    take("default", "/v1/x", "wait=5s", "{}", second);
    assert_memory_equal(first, second, 32);
    take("default", "/v1/x", "all=true", "{}", second);
    assert_memory_not_equal(first, second, 32);
    take("default", "/v1/x", "wait=5s&all=true&wait=9s", "{}", first);
    assert_memory_equal(first, second, 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spelling_means_nothing),
        cmocka_unit_test(meaning_means_something),
        cmocka_unit_test(too_many_members_are_bytes),
        cmocka_unit_test(the_rest_of_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
