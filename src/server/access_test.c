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

#include "server/access.h"
#include "server/signing_secret.h"
#include "server/secret_file.h"

static char directory[64];

static int make_directory(void **state) {
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/access_test_XXXXXX");
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static const char *in_directory(const char *file) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    return path;
}

static int drop_directory(void **state) {
    (void)state;
    unlink(in_directory("token"));
    unlink(in_directory("principals"));
    unlink(in_directory("signing-secret"));
    return rmdir(directory); /* fails when anything else was left behind */
}

static struct access *open_access(void) {
    struct access *a = NULL;
    struct why why = { .text = "" };
    if (access_open(&a, directory, SLICE_NONE, SLICE_NONE, 1000, &why) != 0)
        fail_msg("%s", why.text);
    return a;
}

static int create(struct access *a, struct slice name, uint32_t roles, uint64_t expires_ms, uint64_t now_ms,
                  char bearer[ACCESS_BEARER_BYTES], const struct principal **out, struct why *why) {
    char id[ACCESS_ID_BYTES];
    int code = access_new_id(id, why);
    if (code == 0)
        code = access_create(a, id, name, roles, expires_ms, now_ms, bearer, out, why);
    if (code == 0) {
        assert_ptr_equal(access_by_id(a, slice_text(id)), *out);
        assert_string_equal((*out)->id, id);
    } else {
        assert_null(access_by_id(a, slice_text(id)));
    }
    return code;
}

static mode_t mode_of(const char *file) {
    struct stat status;
    assert_int_equal(stat(in_directory(file), &status), 0);
    return status.st_mode & 0777;
}

static void the_first_start_makes_a_token_and_a_secret(void **state) {
    char bearer[256];
    size_t length = 0;
    (void)state;
    struct access *a = open_access();
    assert_int_equal(mode_of("token"), 0600);
    assert_int_equal(mode_of("signing-secret"), 0600);
    assert_int_equal(secret_file_read(in_directory("token"), bearer, sizeof bearer, &length, NULL), 0);
    assert_true(length >= 43);
    const struct principal *p = access_find(a, slice_of(bearer, length), 2000);
    assert_non_null(p);
    assert_string_equal(p->name, "admin");
    assert_true(access_may(p->roles, ACCESS_ADMIN));
    assert_null(access_find(a, slice_of(bearer, length - 1), 2000));
    assert_null(access_find(a, SLICE(""), 2000));
    bearer[5] ^= 1;
    assert_null(access_find(a, slice_of(bearer, length), 2000));
    bearer[5] ^= 1;
    access_close(a);
    /* The next start finds the same ones. */
    a = open_access();
    assert_non_null(access_find(a, slice_of(bearer, length), 2000));
    access_close(a);
}

static void secrets_that_others_can_read_are_refused(void **state) {
    static const char *const files[] = { "token", "signing-secret", "principals" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char bearer[ACCESS_BEARER_BYTES];
        const struct principal *p;
        struct access *a = open_access();
        assert_int_equal(create(a, SLICE("x"), ACCESS_VIEWER, 0, 1, bearer, &p, NULL), 0);
        access_close(a);
        a = NULL;
        assert_int_equal(chmod(in_directory(files[i]), 0640), 0);
        struct why why;
        assert_int_equal(access_open(&a, directory, SLICE_NONE, SLICE_NONE, 1, &why), ERR_DENIED);
        assert_null(a);
        assert_non_null(strstr(why.text, files[i]));
        assert_int_equal(chmod(in_directory(files[i]), 0600), 0);
    }
}

static void credentials_of_systemd_may_show_a_group(void **state) {
    static char variable[128];
    (void)state;
    access_close(open_access());
    snprintf(variable, sizeof variable, "CREDENTIALS_DIRECTORY=%s", directory);
    assert_int_equal(chmod(in_directory("token"), 0440), 0);
    assert_int_equal(secret_file_check(in_directory("token"), NULL), ERR_DENIED);
    assert_int_equal(putenv(variable), 0);
    assert_int_equal(secret_file_check(in_directory("token"), NULL), 0);
    assert_int_equal(chmod(in_directory("token"), 0444), 0);
    assert_int_equal(secret_file_check(in_directory("token"), NULL), ERR_DENIED);
    assert_int_equal(chmod(in_directory("token"), 0460), 0);
    assert_int_equal(secret_file_check(in_directory("token"), NULL), ERR_DENIED);
    variable[sizeof "CREDENTIALS_DIRECTORY=" - 1] = '\0';
}

static void roles_include_what_they_should(void **state) {
    static const struct {
        uint32_t held;
        uint32_t reaches;
    } rows[] = {
        { 0, 0 },
        { ACCESS_VIEWER, ACCESS_VIEWER },
        { ACCESS_PRODUCER, ACCESS_PRODUCER | ACCESS_VIEWER },
        { ACCESS_CONSUMER, ACCESS_CONSUMER },
        { ACCESS_RECEIVER, ACCESS_RECEIVER },
        { ACCESS_OPERATOR, ACCESS_OPERATOR | ACCESS_PRODUCER | ACCESS_VIEWER },
        { ACCESS_APPROVER, ACCESS_APPROVER | ACCESS_OPERATOR | ACCESS_PRODUCER | ACCESS_VIEWER },
        { ACCESS_ADMIN, 127 },
        { ACCESS_CONSUMER | ACCESS_RECEIVER, ACCESS_CONSUMER | ACCESS_RECEIVER },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (uint32_t role = 1; role <= 64; role <<= 1) {
            assert_int_equal(access_may(rows[i].held, (enum access_role)role), (rows[i].reaches & role) != 0);
            assert_true(access_role_from_word(slice_text(access_role_word(role))) == role);
        }
    assert_true(access_role_from_word(SLICE("root")) == 0);
    assert_null(access_role_word(3));
}

static void tokens_are_created_expire_and_are_revoked(void **state) {
    char bearer[ACCESS_BEARER_BYTES];
    char other[ACCESS_BEARER_BYTES];
    char text[4096];
    const struct principal *p;
    (void)state;
    struct access *a = open_access();
    uint64_t generation = access_generation(a);
    assert_int_equal(create(a, SLICE("ci"), ACCESS_PRODUCER, 5000, 1000, bearer, &p, NULL), 0);
    assert_int_equal(create(a, SLICE("ops"), ACCESS_OPERATOR | ACCESS_CONSUMER, 0, 1000, other, &p, NULL), 0);
    assert_true(access_generation(a) > generation);
    assert_int_equal(mode_of("principals"), 0600);
    assert_int_equal(create(a, SLICE("a b"), ACCESS_VIEWER, 0, 1, text, &p, NULL), ERR_INVALID);
    assert_int_equal(create(a, SLICE(""), ACCESS_VIEWER, 0, 1, text, &p, NULL), ERR_INVALID);
    assert_int_equal(create(a, SLICE("x"), 0, 0, 1, text, &p, NULL), ERR_INVALID);
    access_close(a);
    a = open_access();
    p = access_find(a, slice_text(bearer), 4999);
    assert_non_null(p);
    assert_string_equal(p->name, "ci");
    assert_null(access_find(a, slice_text(bearer), 5000));
    p = access_find(a, slice_text(other), UINT64_MAX);
    assert_non_null(p);
    assert_true(p->roles == (ACCESS_OPERATOR | ACCESS_CONSUMER));
    /* The file does not hold the bearer string. */
    int fd = open(in_directory("principals"), O_RDONLY);
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(got > 0);
    text[got] = '\0';
    assert_null(strstr(text, bearer + 4));
    assert_int_equal(access_revoke(a, SLICE("ci"), NULL), 0);
    assert_null(access_find(a, slice_text(bearer), 1));
    assert_non_null(access_find(a, slice_text(other), 1));
    assert_int_equal(access_revoke(a, SLICE("ci"), NULL), ERR_NOT_FOUND);
    assert_int_equal(access_revoke(a, SLICE("admin"), NULL), ERR_DENIED);
    access_close(a);
    a = open_access();
    assert_null(access_find(a, slice_text(bearer), 1));
    access_close(a);
}

static void too_many_tokens_are_refused(void **state) {
    struct why why;
    (void)state;
    char bearer[ACCESS_BEARER_BYTES];
    const struct principal *p;
    struct buffer lines;
    buffer_init(&lines, 1 << 20);
    for (int i = 0; i < ACCESS_PRINCIPALS_MAX - 2; i++)
        buffer_add_format(&lines,
                          "{\"id\":\"tok_%d\",\"name\":\"n%d\",\"roles\":[\"viewer\"],\"created_ms\":1,"
                          "\"expires_ms\":0,\"sha256\":\"%064d\"}\n",
                          i, i, i);
    assert_int_equal(secret_file_write(in_directory("principals"), buffer_slice(&lines), NULL), 0);
    buffer_done(&lines);
    struct access *a = open_access();
    int code = 0;
    int made = 0;
    while (made < 10 && (code = create(a, SLICE("x"), ACCESS_VIEWER, 0, 1, bearer, &p, &why)) == 0)
        made++;
    assert_int_equal(code, ERR_LIMIT);
    assert_in_range(made, 1, 2);
    access_close(a);
    a = open_access();
    access_close(a);
}

static void damaged_principals_stop_the_start(void **state) {
    static const char *const texts[] = {
        "nonsense\n",
        "{}\n",
        "{\"id\":\"t\",\"name\":\"n\",\"roles\":[\"king\"],\"created_ms\":1,\"expires_ms\":0,\"sha256\":"
        "\"00\"}\n",
        "{\"id\":\"t\",\"name\":\"n\",\"roles\":[],\"created_ms\":1,\"expires_ms\":0,\"sha256\":\"zz\"}\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct access *a = NULL;
        assert_int_equal(secret_file_write(in_directory("principals"), slice_text(texts[i]), NULL), 0);
        assert_int_equal(access_open(&a, directory, SLICE_NONE, SLICE_NONE, 1, NULL), ERR_CORRUPT);
    }
}

static void the_signing_secret_rotates_with_overlap(void **state) {
    static const uint8_t salt[32] = { 7 };
    struct slice current, previous;
    struct buffer before, again, after;
    char first[SIGNING_SECRET_BYTES];
    (void)state;
    struct access *a = open_access();
    access_secrets(a, 1, &current, &previous);
    assert_true(slice_starts(current, "whsec_"));
    assert_true(current.length >= 38);
    assert_int_equal(previous.length, 0);
    memcpy(first, current.at, current.length + 1);
    buffer_init(&before, 64);
    buffer_init(&again, 64);
    buffer_init(&after, 64);
    access_secret_mark(a, salt, &before);
    access_secret_mark(a, salt, &again);
    assert_int_equal(before.length, 64);
    assert_true(slice_equal(buffer_slice(&before), buffer_slice(&again)));
    assert_int_equal(access_rotate(a, 1000, 50, NULL), 0);
    access_close(a);
    a = open_access();
    access_secret_mark(a, salt, &after);
    assert_false(slice_equal(buffer_slice(&before), buffer_slice(&after)));
    buffer_done(&before);
    buffer_done(&again);
    buffer_done(&after);
    access_secrets(a, 1049, &current, &previous);
    assert_false(slice_is(current, first));
    assert_true(slice_is(previous, first));
    access_secrets(a, 1050, &current, &previous);
    assert_int_equal(previous.length, 0);
    assert_true(access_overlap_until(a) == 1050);
    access_close(a);
    struct slice given = SLICE("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz");
    assert_int_equal(access_open(&a, directory, SLICE("outside"), given, 1, NULL), 0);
    access_secrets(a, 1, &current, &previous);
    assert_true(slice_equal(current, given));
    assert_int_equal(access_rotate(a, 1, 1, NULL), ERR_DENIED);
    assert_non_null(access_find(a, SLICE("outside"), 1));
    access_close(a);
    assert_int_equal(access_open(&a, directory, SLICE_NONE, SLICE("whsec_short"), 1, NULL), ERR_INVALID);
}

/* What the kernel keeps about the memory at this address, as /proc/self/smaps spells it. */
static bool is_left_out_of_cores(const void *at) {
    FILE *map = fopen("/proc/self/smaps", "re");
    char line[1024];
    bool inside = false;
    bool found = false;
    assert_non_null(map);
    while (fgets(line, sizeof line, map) != NULL) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            inside = (uintptr_t)at >= begin && (uintptr_t)at < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    fclose(map);
    return found;
}

static void secrets_are_left_out_of_core_dumps(void **state) {
    struct slice current, previous;
    (void)state;
    struct access *a = open_access();
    access_secrets(a, 1000, &current, &previous);
    assert_true(is_left_out_of_cores(current.at));
    assert_false(is_left_out_of_cores(&current));
    access_close(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_start_makes_a_token_and_a_secret, make_directory,
                                        drop_directory),
        cmocka_unit_test_setup_teardown(secrets_that_others_can_read_are_refused, make_directory,
                                        drop_directory),
        cmocka_unit_test_setup_teardown(credentials_of_systemd_may_show_a_group, make_directory,
                                        drop_directory),
        cmocka_unit_test(roles_include_what_they_should),
        cmocka_unit_test_setup_teardown(tokens_are_created_expire_and_are_revoked, make_directory,
                                        drop_directory),
        cmocka_unit_test_setup_teardown(too_many_tokens_are_refused, make_directory, drop_directory),
        cmocka_unit_test_setup_teardown(damaged_principals_stop_the_start, make_directory, drop_directory),
        cmocka_unit_test_setup_teardown(secrets_are_left_out_of_core_dumps, make_directory, drop_directory),
        cmocka_unit_test_setup_teardown(the_signing_secret_rotates_with_overlap, make_directory,
                                        drop_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
