/* A stage for tests of whole commands: a settled that is played by a small HTTP service, which answers what
 * the test told it to and keeps what it was asked; stdout and stderr of each run are caught. One test at a
 * time. */
#ifndef CLI_STAGE_TEST_H
#define CLI_STAGE_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "cli/glyph.h"
#include "demo/service.h"

/* What the played settled answers next, and what it was asked last. */
struct script {
    unsigned status;
    const char *body;
    char asked[256];
    char sent[4096];
    int count;
};

static struct script script;
static struct service *service;
static char output[65536], errors[65536];

static inline void play(void *self, const struct service_call *call, struct service_answer *answer) {
    struct script *s = self;
    snprintf(s->asked, sizeof s->asked, "%.*s %.*s%s%.*s", SLICE_PRINT(call->method), SLICE_PRINT(call->path),
             call->query.length > 0 ? "?" : "", SLICE_PRINT(call->query));
    snprintf(s->sent, sizeof s->sent, "%.*s", SLICE_PRINT(call->body));
    s->count++;
    answer->status = s->status;
    buffer_add_text(&answer->body, s->body);
}

static inline void read_back(FILE *file, char *to, size_t size) {
    rewind(file);
    to[fread(to, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* Run the command with stdout and stderr caught; words end with NULL. */
static inline int run(const char *first, ...) {
    char *argv[64] = { "settle", (char *)first };
    int argc = first == NULL ? 1 : 2, code;
    FILE *out = tmpfile(), *err = tmpfile();
    va_list words;
    va_start(words, first);
    while (argv[argc - 1] != NULL && first != NULL && (argv[argc] = va_arg(words, char *)) != NULL)
        argc++;
    va_end(words);
    fflush(stdout);
    fflush(stderr);
    int old_out = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    code = dispatch(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(old_out, STDOUT_FILENO);
    dup2(old_err, STDERR_FILENO);
    close(old_out);
    close(old_err);
    read_back(out, output, sizeof output);
    read_back(err, errors, sizeof errors);
    return code;
}

static inline void answer_with(unsigned status, const char *body) {
    script = (struct script){ .status = status, .body = body };
}

static inline int open_service(void **state) {
    struct why why;
    (void)state;
    glyph_locale();
    if (chdir("/tmp") != 0 || service_open(&service, play, &script, &why) != 0)
        return 1;
    unsetenv("SETTLE_TOKEN");
    unsetenv("SETTLE_TOKEN_FILE");
    unsetenv("COLUMNS");
    return 0;
}

static inline int close_service(void **state) {
    (void)state;
    service_close(service);
    return 0;
}

/* The address goes into the environment, as an operator's shell would hold it. */
static inline int name_server(void **state) {
    static char variable[128];
    (void)state;
    snprintf(variable, sizeof variable, "SETTLE_SERVER=%s", service_url(service));
    return putenv(variable) != 0;
}

#endif
