/* Addresses against the C library, which reads the same strict forms. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "base/err.h"
#include "wire/address.h"

static const char *const texts[] = {
    "0.0.0.0",
    "1.2.3.4",
    "255.255.255.255",
    "256.1.1.1",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.04",
    "1..2.3",
    ".1.2.3",
    "1.2.3.",
    "a.b.c.d",
    "",
    "1",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.4x",
    "-1.2.3.4",
    "+1.2.3.4",
    "1.2.3.1000",
    "::",
    "::1",
    "1::",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1::8",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    ":",
    ":::",
    "1:::2",
    "::1::",
    "1::2::3",
    ":1",
    "1:",
    ":1::",
    "::1:",
    "12345::",
    "::g",
    "abcd:EF01::",
    "::ffff:1.2.3.4",
    "::1.2.3.4",
    "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "::1.2.3",
    "::1.2.3.256",
    "::01.2.3.4",
    "1:2:3:4:5::1.2.3.4",
    "1:2:3:4:5:6::1.2.3.4",
    "::00001",
    "fe80::1%eth0",
    "2001:db8::0:1",
    "0:0:0:0:0:0:0:0",
    "2001:db8:0:0:1:0:0:1",
};

static void agrees_with_the_c_library(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address a;
        uint8_t expected[16] = { 0 };
        if (strchr(texts[i], ':') == NULL) {
            int good = inet_pton(AF_INET, texts[i], expected);
            int code = address_decode(slice_text(texts[i]), &a);
            if ((good == 1) != (code == 0))
                fail_msg("%s: code %d", texts[i], code);
            if (good == 1)
                assert_memory_equal(a.bytes + 12, expected, 4);
            assert_true(code < 0 || address_is4(&a));
            continue;
        }
        int good = inet_pton(AF_INET6, texts[i], expected);
        int code = address_decode(slice_text(texts[i]), &a);
        if ((good == 1) != (code == 0))
            fail_msg("%s: code %d, library %d", texts[i], code, good);
        if (good == 1)
            assert_memory_equal(a.bytes, expected, 16);
    }
}

static void writes_what_reads_back(void **state) {
    (void)state;
    static const struct {
        const char *from, *to;
    } rows[] = {
        { "::", "::" },
        { "0:0:0:0:0:0:0:1", "::1" },
        { "1:0:0:0:0:0:0:0", "1::" },
        { "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
        { "1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0" },
        { "1:0:0:2:0:0:0:3", "1:0:0:2::3" },
        { "::ffff:1.2.3.4", "1.2.3.4" },
        { "127.0.0.1", "127.0.0.1" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[ADDRESS_TEXT_BYTES];
        struct address a, b;
        assert_int_equal(address_decode(slice_text(rows[i].from), &a), 0);
        assert_string_equal(address_text(&a, text), rows[i].to);
        assert_int_equal(address_decode(slice_text(text), &b), 0);
        assert_true(address_equal(&a, &b));
    }
}

static void knows_what_lies_within(void **state) {
    (void)state;
    struct address a, n;
    assert_int_equal(address_decode(SLICE("10.1.2.3"), &a), 0);
    assert_int_equal(address_decode(SLICE("10.1.0.0"), &n), 0);
    assert_true(address_within(&a, &n, 96 + 16));
    assert_true(address_within(&a, &n, 96 + 22));
    assert_false(address_within(&a, &n, 96 + 23));
    assert_true(address_within(&a, &a, 128));
    assert_false(address_within(&a, &n, 128));
    assert_true(address_within(&a, &n, 0));
}

static void finds_the_address_inside(void **state) {
    (void)state;
    static const struct {
        const char *outer, *inner;
    } rows[] = {
        { "::ffff:1.2.3.4", "1.2.3.4" },
        { "::1.2.3.4", "1.2.3.4" },
        { "::ffff:0:1.2.3.4", "1.2.3.4" },
        { "2002:102:304:5:6:7:8:9", "1.2.3.4" },
        { "64:ff9b::1.2.3.4", "1.2.3.4" },
        { "64:ff9b:1::1.2.3.4", "1.2.3.4" },
        { "64:ff9b:1:102:3:400::", "1.2.3.4" },
        { "2001:0:9:9:9:9:fefd:fcfb", "1.2.3.4" },
        { "fe80::200:5efe:1.2.3.4", "1.2.3.4" },
        { "fe80::5efe:1.2.3.4", "1.2.3.4" },
        { "::1", "::1" },
        { "::", "::" },
        { "::2", "0.0.0.2" },
        { "2001:1::1", "2001:1::1" },
        { "2003:102:304::", "2003:102:304::" },
        { "64:ff9c::1.2.3.4", "64:ff9c::102:304" },
        { "fe80::1", "fe80::1" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[ADDRESS_TEXT_BYTES];
        struct address a;
        assert_int_equal(address_decode(slice_text(rows[i].outer), &a), 0);
        a = address_inner(&a);
        assert_string_equal(address_text(&a, text), rows[i].inner);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_c_library),
        cmocka_unit_test(writes_what_reads_back),
        cmocka_unit_test(knows_what_lies_within),
        cmocka_unit_test(finds_the_address_inside),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
