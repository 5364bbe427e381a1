#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/secret_book.h"

static void begin(struct settings *s, const char *directories) {
    assert_int_equal(settings_init(s), 0);
    assert_int_equal(
        settings_set(s, SETTING_SECRETS_DIRECTORIES, slice_text(directories), SETTING_ORIGIN_FLAG, 0, NULL),
        0);
}

static void only_below_the_directories(void **state) {
    static const char *const good[] = { "/run/secrets/mq", "/run/secrets/a/b", "/etc/keys/x" };
    static const char *const bad[] = {
        "",
        "mq",
        "./mq",
        "/run/secrets",
        "/run/secrets/",
        "/run/secretsmq",
        "/run/secrets/../shadow",
        "/run/secrets/./mq",
        "/run/secrets//mq",
        "/run/secrets/mq/",
        "/etc/shadow",
        "/",
        "//run/secrets/mq",
    };
    struct settings s;
    (void)state;
    begin(&s, "/run/secrets, /etc/keys/");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(secret_book_judge(&s, slice_text(good[i]), NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct why why = { "" };
        assert_int_equal(secret_book_judge(&s, slice_text(bad[i]), &why), ERR_DENIED);
        assert_non_null(strstr(why.text, "secrets.directories"));
    }
    assert_int_equal(secret_book_judge(&s, slice_of("/run/secrets/a\0b", 16), NULL), ERR_DENIED);
    settings_done(&s);
}

static void the_first_line_is_the_secret(void **state) {
    char folder[] = "/tmp/settle-secrets-XXXXXX";
    char path[64];
    struct settings s;
    struct buffer secret;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/mq", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("open sesame\n", f);
    fclose(f);
    begin(&s, folder);
    buffer_init(&secret, 4096);
    buffer_add_text(&secret, "what was there before");
    chmod(path, 0644);
    assert_int_equal(secret_book_read(&s, slice_text(path), &secret, NULL), ERR_DENIED);
    chmod(path, 0600);
    assert_int_equal(secret_book_read(&s, slice_text(path), &secret, NULL), 0);
    assert_true(slice_is(buffer_slice(&secret), "open sesame"));
    unlink(path);
    assert_int_equal(secret_book_read(&s, slice_text(path), &secret, NULL), ERR_NOT_FOUND);
    rmdir(folder);
    buffer_done(&secret);
    settings_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_below_the_directories),
        cmocka_unit_test(the_first_line_is_the_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
