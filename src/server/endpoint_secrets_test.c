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

#include "net/loop.h"
#include "server/endpoint_secrets.h"
#include "sink/http/http_sink.h"

struct world {
    struct loop *loop;
    struct http_sink *sink;
    struct arena arena;
    struct egress egress;
    char folder[64];
    struct endpoint_secrets *secrets;
};

static void on_outcome(void *context, const struct outcome *o) {
    (void)context;
    (void)o;
}

static int begin(void **state) {
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(loop_new(&w->loop, NULL), 0);
    arena_init(&w->arena, 4096, 1 << 20);
    egress_init(&w->egress, &w->arena);
    struct http_sink_options options = { .egress = &w->egress, .on_outcome = on_outcome };
    assert_int_equal(http_sink_open(&w->sink, w->loop, &options, NULL), 0);
    snprintf(w->folder, sizeof w->folder, "/tmp/settle-endpoints-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_int_equal(endpoint_secrets_open(&w->secrets, w->folder, w->sink, 1000, NULL), 0);
    *state = w;
    return 0;
}

static int end(void **state) {
    struct world *w = *state;
    char command[128];
    endpoint_secrets_close(w->secrets);
    http_sink_close(w->sink);
    loop_run_for(w->loop, 1);
    loop_free(w->loop);
    arena_done(&w->arena);
    for (const char *const *name = (const char *const[]){ "crm", "a", "z", NULL }; *name != NULL; name++) {
        snprintf(command, sizeof command, "%s/endpoints/%s", w->folder, *name);
        unlink(command);
    }
    snprintf(command, sizeof command, "%s/endpoints", w->folder);
    rmdir(command);
    assert_int_equal(rmdir(w->folder), 0);
    free(w);
    return 0;
}

static void reopen(struct world *w) {
    endpoint_secrets_close(w->secrets);
    w->secrets = NULL;
    assert_int_equal(endpoint_secrets_open(&w->secrets, w->folder, w->sink, 2000, NULL), 0);
}

static void a_secret_is_made_once_and_kept(void **state) {
    struct world *w = *state;
    struct slice text;
    struct stat info;
    char first[128], path[128];
    bool made = false;
    static const char *const names[] = { "z", "a", "crm" };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(endpoint_secrets_need(w->secrets, slice_text(names[i]), 1000, &made, &text, NULL),
                         0);
        assert_true(made);
    }
    snprintf(first, sizeof first, "%.*s", SLICE_PRINT(text));
    reopen(w);
    assert_int_equal(endpoint_secrets_need(w->secrets, SLICE("crm"), 1000, &made, &text, NULL), 0);
    assert_false(made);
    assert_true(slice_is(text, first));
    snprintf(path, sizeof path, "%s/endpoints/crm", w->folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void a_rotation_overlaps(void **state) {
    struct world *w = *state;
    struct slice text;
    char first[128];
    bool made;
    assert_int_equal(endpoint_secrets_rotate(w->secrets, SLICE("crm"), 500, 1000, &text, NULL),
                     ERR_NOT_FOUND);
    assert_int_equal(endpoint_secrets_need(w->secrets, SLICE("crm"), 1000, &made, &text, NULL), 0);
    snprintf(first, sizeof first, "%.*s", SLICE_PRINT(text));
    assert_int_equal(endpoint_secrets_rotate(w->secrets, SLICE("crm"), 5000, 1000, &text, NULL), 0);
    assert_false(slice_is(text, first));
    assert_int_equal(endpoint_secrets_overlap_until(w->secrets, SLICE("crm")), 6000);
    reopen(w);
    assert_int_equal(endpoint_secrets_overlap_until(w->secrets, SLICE("crm")), 6000);
    endpoint_secrets_second(w->secrets, 6000);
    assert_int_equal(endpoint_secrets_overlap_until(w->secrets, SLICE("crm")), 0);
}

static void a_forgotten_one_is_gone(void **state) {
    struct world *w = *state;
    struct slice text;
    bool made;
    assert_int_equal(endpoint_secrets_need(w->secrets, SLICE("crm"), 1000, &made, &text, NULL), 0);
    endpoint_secrets_forget(w->secrets, SLICE("crm"));
    endpoint_secrets_forget(w->secrets, SLICE("crm"));
    reopen(w);
    assert_int_equal(endpoint_secrets_need(w->secrets, SLICE("crm"), 1000, &made, &text, NULL), 0);
    assert_true(made);
}

/* A file that others can read is refused, and so is one that holds no secret. */
static void a_bad_file_is_refused(void **state) {
    struct world *w = *state;
    struct slice text;
    struct endpoint_secrets *other = NULL;
    char path[128];
    bool made;
    assert_int_equal(endpoint_secrets_need(w->secrets, SLICE("crm"), 1000, &made, &text, NULL), 0);
    snprintf(path, sizeof path, "%s/endpoints/crm", w->folder);
    chmod(path, 0644);
    assert_int_equal(endpoint_secrets_open(&other, w->folder, w->sink, 1000, NULL), ERR_DENIED);
    chmod(path, 0600);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("whsec_short\n", f);
    fclose(f);
    assert_int_equal(endpoint_secrets_open(&other, w->folder, w->sink, 1000, NULL), ERR_INVALID);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_secret_is_made_once_and_kept),
        TEST(a_rotation_overlaps),
        TEST(a_forgotten_one_is_gone),
        TEST(a_bad_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
