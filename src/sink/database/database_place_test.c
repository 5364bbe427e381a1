/* Where a database may be: the URL of a datasource. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sink/database/database_place.h"

static struct database_place p;
static struct why why;

static int decode(const char *url, const char *user) {
    return database_place_decode(slice_text(url), slice_text(user), &p, &why);
}

static void assert_described(const char *text) {
    struct buffer b;
    buffer_init(&b, 1024);
    database_place_describe(&p, &b);
    assert_true(slice_is(buffer_slice(&b), text));
    buffer_done(&b);
}

static void what_is_read(void **state) {
    (void)state;
    assert_int_equal(decode("postgresql://pay@db1/shop", ""), 0);
    assert_int_equal(p.kind, DATABASE_POSTGRESQL);
    assert_int_equal(p.port, 5432);
    assert_int_equal(p.tls, DATABASE_TLS_VERIFY);
    assert_described("postgresql://pay@db1:5432/shop");
    assert_int_equal(decode("postgres://db1:6000/shop?sslmode=require&sslrootcert=/etc/ca.pem", "pay"), 0);
    assert_int_equal(p.tls, DATABASE_TLS_REQUIRE);
    assert_string_equal(p.ca, "/etc/ca.pem");
    assert_string_equal(p.user, "pay");
    assert_int_equal(decode("mysql://pay@[::1]/shop", ""), 0);
    assert_int_equal(p.kind, DATABASE_MARIADB);
    assert_int_equal(p.port, 3306);
    assert_int_equal(p.tls, DATABASE_TLS_OFF);
    assert_described("mariadb://pay@[::1]:3306/shop");
    assert_int_equal(decode("mariadb://pay@10.0.0.7/shop?ssl=disable", ""), 0);
    assert_int_equal(p.tls, DATABASE_TLS_OFF);
    assert_true(p.is_address);
    assert_int_equal(decode("mariadb://pay@127.8.9.1/shop", ""), 0);
    assert_int_equal(p.tls, DATABASE_TLS_OFF);
    assert_int_equal(decode("postgresql://p%20y@localhost/sh%2Dop", ""), 0);
    assert_string_equal(p.user, "p y");
    assert_string_equal(p.database, "sh-op");
    assert_int_equal(p.tls, DATABASE_TLS_OFF);
    assert_int_equal(decode("sqlite:/var/lib/shop/orders.db", ""), 0);
    assert_string_equal(p.path, "/var/lib/shop/orders.db");
    assert_described("sqlite:/var/lib/shop/orders.db");
}

static void what_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "shop",
        "oracle://u@h/d",
        "postgresql://u:password@h/d",
        "postgresql://u%3Apassword@h/d",
        "postgresql://u@h",
        "postgresql://u@h/",
        "postgresql://u@h/a/b",
        "postgresql://h/d",
        "postgresql://u@/d",
        "postgresql:///d?host=/tmp",
        "postgresql://u@%2Ftmp/d",
        "postgresql://u@h1,h2/d",
        "postgresql://u@h/d?service=x",
        "postgresql://u@h/d?passfile=/etc/x",
        "postgresql://u@h/d?host=/tmp",
        "postgresql://u@h/d?hostaddr=10.0.0.1",
        "postgresql://u@h/d?options=-c%20x",
        "postgresql://u@h/d?sslmode=prefer",
        "postgresql://u@h/d?sslmode=",
        "postgresql://u@h/d?ssl=require",
        "postgresql://u@h/d?sslrootcert=ca.pem",
        "postgresql://u@h/d?sslrootcert=/etc/../ca.pem",
        "postgresql://u@h:0/d",
        "postgresql://u@127.1/d",
        "postgresql://u@h/d%0A",
        "mariadb://u@h/d?sslmode=require",
        "mariadb://u@h/d?unix_socket=/tmp/s",
        "mariadb://u@h/d?ssl_ca=relative",
        "sqlite:relative.db",
        "sqlite://h/file",
        "sqlite:/a/../b",
        "sqlite:/a/./b",
        "sqlite:/a//b",
        "sqlite:/a/",
        "sqlite:/",
        "sqlite:",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct database_place before = p;
        why.text[0] = '\0';
        if (decode(bad[i], "") == 0)
            fail_msg("%s was accepted", bad[i]);
        assert_true(why.text[0] != '\0');
        assert_null(strstr(why.text, "u:password"));
        assert_memory_equal(&before, &p, sizeof p);
    }
    assert_int_not_equal(decode("sqlite:/a", "user"), 0);
}

static void how_long_it_may_be(void **state) {
    (void)state;
    char url[3000], name[200];
    memset(name, 'n', sizeof name);
    for (size_t length = 126; length < 132; length++) {
        snprintf(url, sizeof url, "postgresql://u@h/%.*s", (int)length, name);
        assert_int_equal(decode(url, ""), length < DATABASE_NAME_BYTES ? 0 : ERR_LIMIT);
    }
    memcpy(url, "sqlite:/", 9);
    memset(url + 8, 'x', 2000);
    url[8 + DATABASE_PATH_BYTES - 2] = '\0';
    assert_int_equal(decode(url, ""), 0);
    url[8 + DATABASE_PATH_BYTES - 2] = 'x';
    url[8 + DATABASE_PATH_BYTES - 1] = '\0';
    assert_int_equal(decode(url, ""), ERR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(how_long_it_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
