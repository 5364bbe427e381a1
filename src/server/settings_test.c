#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/settings.h"
#include "server/settings_print.h"

static void every_default_fits_its_row(void **state) {
    struct settings s;
    (void)state;
    assert_int_equal(settings_init(&s), 0);
    assert_int_equal(settings_check(&s, NULL), 0);
    for (int i = 0; i < SETTING_COUNT; i++) {
        assert_true(strlen(setting_row((enum setting_id)i)->help) > 10);
        assert_int_equal(setting_find(slice_text(setting_row((enum setting_id)i)->name)), i);
    }
    assert_true(settings_number(&s, SETTING_DEFAULTS_DEADLINE) == 60000);
    assert_true(settings_number(&s, SETTING_LIMITS_MEMORY) == 2147483648u);
    settings_done(&s);
}

static void each_number_at_its_limits(void **state) {
    struct settings s;
    (void)state;
    assert_int_equal(settings_init(&s), 0);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting *row = setting_row((enum setting_id)i);
        if (row->kind != SETTING_KIND_COUNT && row->kind != SETTING_KIND_BYTES &&
            row->kind != SETTING_KIND_DURATION)
            continue;
        const char *unit = row->kind == SETTING_KIND_DURATION ? "ms" : "";
        char text[64];
        snprintf(text, sizeof text, "%llu%s", (unsigned long long)row->min, unit);
        assert_int_equal(settings_set(&s, (enum setting_id)i, slice_text(text), SETTING_ORIGIN_FLAG, 0, NULL),
                         0);
        snprintf(text, sizeof text, "%llu%s", (unsigned long long)row->max, unit);
        assert_int_equal(settings_set(&s, (enum setting_id)i, slice_text(text), SETTING_ORIGIN_FLAG, 0, NULL),
                         0);
        assert_true(settings_number(&s, (enum setting_id)i) == row->max);
        snprintf(text, sizeof text, "%llu%s", (unsigned long long)row->max + 1, unit);
        assert_int_equal(settings_set(&s, (enum setting_id)i, slice_text(text), SETTING_ORIGIN_FLAG, 0, NULL),
                         ERR_INVALID);
        snprintf(text, sizeof text, "%llu%s", (unsigned long long)row->max * 10, unit);
        assert_int_equal(settings_set(&s, (enum setting_id)i, slice_text(text), SETTING_ORIGIN_FLAG, 0, NULL),
                         ERR_INVALID);
        assert_true(settings_number(&s, (enum setting_id)i) == row->max);
        if (row->min > 0) {
            snprintf(text, sizeof text, "%llu%s", (unsigned long long)row->min - 1, unit);
            assert_int_equal(
                settings_set(&s, (enum setting_id)i, slice_text(text), SETTING_ORIGIN_FLAG, 0, NULL),
                ERR_INVALID);
        }
    }
    settings_done(&s);
}

static int read_text(const char *text, struct why *why) {
    struct settings s;
    assert_int_equal(settings_init(&s), 0);
    int code = settings_read_text(&s, slice_text(text), "f.conf", why);
    settings_done(&s);
    return code;
}

static void a_file_is_read_and_faults_name_their_line(void **state) {
    static const struct {
        const char *text;
        int code;
        const char *say; /* must appear in the why */
    } rows[] = {
        { "", 0, NULL },
        { "defaults: { deadline = \"5s\"; };", 0, NULL },
        { "defaults = { retry = { first=\"10ms\", factor=1.5, max=\"5m\" } }", 0, NULL },
        { "egress: { allow = [\"10.0.0.0/8\", \"shop.example\"]; };", 0, NULL },
        { "egress: { allow = []; };", 0, NULL },
        { "limits: { unfinished = 10; memory = \"64MiB\"; };", 0, NULL },
        { "observe: { log = \"json\"; metrics = false; };", 0, NULL },
        { "\n\ndefaults: { deadlime = \"5s\"; };", ERR_NOT_FOUND,
          "f.conf:3: unknown setting \"defaults.deadlime\"; "
          "did you mean \"defaults.deadline\"?" },
        { "deadline = \"5s\";", ERR_NOT_FOUND, "did you mean \"defaults.deadline\"" },
        { "\ndefaults: { deadline = 5; };", ERR_INVALID,
          "f.conf:2: defaults.deadline = \"5\": expected a duration" },
        { "defaults: { deadline = \"5\"; };", ERR_INVALID, "a duration" },
        { "defaults: { retry = { factor = 0.5 } };", ERR_INVALID, "from 1 to 100" },
        { "defaults: { retry = { factor = \"1.\" } };", ERR_INVALID, "from 1 to 100" },
        { "defaults: { retry = { factor = \".5\" } };", ERR_INVALID, "from 1 to 100" },
        { "defaults: { retry = { factor = \"1.2345\" } };", ERR_INVALID, "from 1 to 100" },
        { "limits: { unfinished = -1; };", ERR_INVALID, "limits.unfinished" },
        { "limits: { unfinished = 1.5; };", ERR_INVALID, "limits.unfinished" },
        { "observe: { log = \"xml\"; };", ERR_INVALID, "one of: text json" },
        { "observe: { metrics = 1; };", ERR_INVALID, "true or false" },
        { "egress: { allow = [1, 2]; };", ERR_INVALID, "f.conf:1" },
        { "egress: { allow = [\"a,b\"]; };", ERR_INVALID, "without commas" },
        { "listen: { api = \"nonsense\"; };", ERR_INVALID, "HOST:PORT" },
        { "listen: { api = \"h:99999\"; };", ERR_INVALID, "HOST:PORT" },
        { "listen: { api = \"a\\nb:1\"; };", ERR_INVALID, "listen.api" },
        { "listen: {\n api = \n };", ERR_SYNTAX, "f.conf:3" },
        { "listen: { api = \"a:1\"; api = \"b:1\"; };", ERR_SYNTAX, "f.conf:1" },
        { "listen = \"a:1\";", ERR_NOT_FOUND, "unknown setting \"listen\"" },
        { "zzzzzzzzzzzzzzzzzzzzzzzzzz = 1;", ERR_NOT_FOUND, "unknown setting" },
        { "auth: { token_file = \"/nonexistent/x\"; };", ERR_NOT_FOUND, "/nonexistent/x" },
        { "auth: { tocken_file = \"/nonexistent/x\"; };", ERR_NOT_FOUND, "unknown setting" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct why why = { .text = "" };
        int code = read_text(rows[i].text, &why);
        if (code != rows[i].code || (rows[i].say != NULL && strstr(why.text, rows[i].say) == NULL))
            fail_msg("%s: code %d, why %s", rows[i].text, code, why.text);
    }
}

static void a_hostile_file_is_refused(void **state) {
    size_t deep = 200000;
    char *text = malloc(deep + 1);
    (void)state;
    assert_non_null(text);
    memset(text, '(', deep);
    text[deep] = '\0';
    assert_int_equal(read_text(text, NULL), ERR_SYNTAX);
    free(text);
    struct settings s;
    assert_int_equal(settings_init(&s), 0);
    assert_int_equal(settings_read_text(&s, SLICE("a\0b"), "f", NULL), ERR_SYNTAX);
    settings_done(&s);
}

static void environment_wins_over_file_and_flags_over_both(void **state) {
    struct settings s;
    char *const environment[] = { "PATH=/bin", "SETTLED_DEFAULTS_RETRY_FIRST=70ms",
                                  "SETTLED_LISTEN_TLS_CERT=/c.pem", "SETTLED_PORT=tcp://1.2.3.4", NULL };
    const char *stranger = NULL;
    struct buffer origin;
    (void)state;
    assert_int_equal(settings_init(&s), 0);
    assert_int_equal(
        settings_read_text(&s, SLICE("\ndefaults: { retry: { first = \"60ms\"; }; deadline = \"9s\"; };"),
                           "f", NULL),
        0);
    assert_int_equal(settings_read_environment(&s, environment, &stranger, NULL), 0);
    assert_string_equal(stranger, "SETTLED_PORT=tcp://1.2.3.4");
    assert_string_equal(settings_text(&s, SETTING_LISTEN_TLS_CERT), "/c.pem");
    assert_true(settings_number(&s, SETTING_DEFAULTS_RETRY_FIRST) == 70);
    assert_true(settings_number(&s, SETTING_DEFAULTS_DEADLINE) == 9000);
    buffer_init(&origin, 1000);
    settings_origin(&s, SETTING_DEFAULTS_RETRY_FIRST, &origin);
    assert_true(slice_is(buffer_slice(&origin), "SETTLED_DEFAULTS_RETRY_FIRST"));
    buffer_clear(&origin);
    settings_origin(&s, SETTING_DEFAULTS_DEADLINE, &origin);
    assert_true(slice_is(buffer_slice(&origin), "file:2"));
    buffer_clear(&origin);
    settings_origin(&s, SETTING_STORE_URL, &origin);
    assert_true(slice_is(buffer_slice(&origin), "default"));
    buffer_clear(&origin);
    assert_int_equal(
        settings_set_named(&s, SLICE("defaults.retry.first"), SLICE("80ms"), SETTING_ORIGIN_FLAG, 0, NULL),
        0);
    settings_origin(&s, SETTING_DEFAULTS_RETRY_FIRST, &origin);
    assert_true(slice_is(buffer_slice(&origin), "--defaults.retry.first"));
    buffer_done(&origin);
    settings_done(&s);
}

static void secrets_come_from_private_files_and_are_masked(void **state) {
    char path[] = "/tmp/settings_test_XXXXXX";
    struct settings s;
    struct why why;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hush-hush\n", 10), 10);
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(settings_init(&s), 0);
    struct slice name = SLICE("auth.token_file");
    assert_int_equal(settings_set_named(&s, name, slice_text(path), SETTING_ORIGIN_FLAG, 0, &why),
                     ERR_DENIED);
    assert_string_equal(settings_text(&s, SETTING_AUTH_TOKEN), "");
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(settings_set_named(&s, name, slice_text(path), SETTING_ORIGIN_FLAG, 0, &why), 0);
    assert_string_equal(settings_text(&s, SETTING_AUTH_TOKEN), "hush-hush");
    assert_string_equal(settings_shown(&s, SETTING_AUTH_TOKEN), "(set)");
    assert_string_equal(settings_file_of(&s, SETTING_AUTH_TOKEN), path);
    assert_null(settings_file_of(&s, SETTING_AUTH_SIGNING_SECRET));
    struct settings copy;
    assert_int_equal(settings_copy(&s, &copy), 0);
    assert_string_equal(settings_file_of(&copy, SETTING_AUTH_TOKEN), path);
    settings_done(&copy);
    /* A secret is not repeated in a complaint either. */
    assert_int_equal(settings_set(&s, SETTING_AUTH_TOKEN,
                                  SLICE("se\x01"
                                        "cret"),
                                  SETTING_ORIGIN_FLAG, 0, &why),
                     ERR_INVALID);
    assert_null(strstr(why.text, "cret\""));
    close(fd);
    unlink(path);
    settings_done(&s);
}

static void a_file_with_a_secret_in_it_is_private(void **state) {
    char path[] = "/tmp/settings_test_XXXXXX";
    static const char with_secret[] = "observe = { core = false; };\nauth = { token = \"hush-hush\"; };\n";
    struct settings s;
    struct why why;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, with_secret, strlen(with_secret)), strlen(with_secret));
    for (mode_t mode = 0600; mode <= 0666; mode++) {
        assert_int_equal(fchmod(fd, mode), 0);
        assert_int_equal(settings_init(&s), 0);
        int code = settings_read_file(&s, path, &why);
        assert_int_equal(code, mode == 0600 ? 0 : ERR_DENIED);
        if (code != 0) {
            assert_non_null(strstr(why.text, ":2: auth.token"));
            assert_null(strstr(why.text, "hush"));
        }
        settings_done(&s);
    }
    /* Without a secret everybody may read it. */
    assert_int_equal(ftruncate(fd, 29), 0);
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(settings_init(&s), 0);
    assert_int_equal(settings_read_file(&s, path, &why), 0);
    settings_done(&s);
    close(fd);
    unlink(path);
}

static void printed_defaults_read_back_as_the_defaults(void **state) {
    struct settings fresh;
    struct settings back;
    struct buffer text;
    struct why why = { .text = "" };
    (void)state;
    buffer_init(&text, 1 << 20);
    settings_print_defaults(&text);
    assert_int_equal(settings_init(&fresh), 0);
    assert_int_equal(settings_init(&back), 0);
    if (settings_read_text(&back, buffer_slice(&text), "defaults", &why) != 0)
        fail_msg("%s\n%.*s", why.text, SLICE_PRINT(buffer_slice(&text)));
    for (int i = 0; i < SETTING_COUNT; i++) {
        assert_true(settings_same(&fresh, &back, (enum setting_id)i));
        assert_int_equal(back.values[i].origin, SETTING_ORIGIN_FILE);
    }
    buffer_clear(&text);
    settings_print_reference(&text);
    assert_int_equal(buffer_failed(&text), 0);
    buffer_done(&text);
    settings_done(&fresh);
    settings_done(&back);
}

static void rules_between_settings(void **state) {
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        { "defaults: { retry: { first = \"2m\"; max = \"1m\"; }; };", ERR_INVALID },
        { "listen: { tls_cert = \"/a\"; };", ERR_INVALID },
        { "listen: { tls_key = \"/a\"; };", ERR_INVALID },
        { "listen: { client_ca = \"/a\"; };", ERR_INVALID },
        { "listen: { tls_cert = \"/a\"; tls_key = \"/b\"; client_ca = \"/c\"; };", 0 },
        { "store: { url = \"postgresql://h/d\"; };", ERR_UNSUPPORTED },
        { "store: { url = \"file:\"; };", ERR_UNSUPPORTED },
        { "egress: { total = 1; };", ERR_INVALID },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings s;
        assert_int_equal(settings_init(&s), 0);
        assert_int_equal(settings_read_text(&s, slice_text(rows[i].text), "f", NULL), 0);
        assert_int_equal(settings_check(&s, NULL), rows[i].code);
        settings_done(&s);
    }
}

static void lists_walk_and_copies_are_deep(void **state) {
    struct settings s;
    struct settings copy;
    struct slice item;
    const char *rest = NULL;
    (void)state;
    assert_int_equal(settings_init(&s), 0);
    assert_int_equal(
        settings_set(&s, SETTING_EGRESS_ALLOW, SLICE(" a , b,,c "), SETTING_ORIGIN_FLAG, 0, NULL), 0);
    assert_string_equal(settings_text(&s, SETTING_EGRESS_ALLOW), "a, b, c");
    assert_int_equal(settings_copy(&s, &copy), 0);
    settings_done(&s);
    assert_true(settings_list_next(&copy, SETTING_EGRESS_ALLOW, &rest, &item) && slice_is(item, "a"));
    assert_true(settings_list_next(&copy, SETTING_EGRESS_ALLOW, &rest, &item) && slice_is(item, "b"));
    assert_true(settings_list_next(&copy, SETTING_EGRESS_ALLOW, &rest, &item) && slice_is(item, "c"));
    assert_false(settings_list_next(&copy, SETTING_EGRESS_ALLOW, &rest, &item));
    settings_done(&copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_fits_its_row),
        cmocka_unit_test(each_number_at_its_limits),
        cmocka_unit_test(a_file_is_read_and_faults_name_their_line),
        cmocka_unit_test(a_hostile_file_is_refused),
        cmocka_unit_test(environment_wins_over_file_and_flags_over_both),
        cmocka_unit_test(secrets_come_from_private_files_and_are_masked),
        cmocka_unit_test(a_file_with_a_secret_in_it_is_private),
        cmocka_unit_test(printed_defaults_read_back_as_the_defaults),
        cmocka_unit_test(rules_between_settings),
        cmocka_unit_test(lists_walk_and_copies_are_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
