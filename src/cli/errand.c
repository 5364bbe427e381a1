#include "cli/errand.h"

#include <stdio.h>
#include <string.h>

#include "cli/flat.h"
#include "cli/intake.h"
#include "cli/listing.h"
#include "cli/view.h"

#define PATH_BYTES (64 * 1024)

void errand_begin(struct errand *e, struct cli *cli, const char *collection, const char *name,
                  const char *verb) {
    *e = (struct errand){ .cli = cli };
    buffer_init(&e->path, PATH_BYTES);
    buffer_init(&e->body, 2 * INTAKE_BYTES);
    buffer_add_text(&e->path, collection);
    if (name != NULL) {
        buffer_add_byte(&e->path, '/');
        cli_add_escaped(&e->path, slice_text(name));
    }
    if (verb != NULL)
        buffer_add_text(&e->path, verb);
}

void errand_query(struct errand *e, const char *name, struct slice value) {
    buffer_add_format(&e->path, "%c%s=", e->asked ? '&' : '?', name);
    cli_add_escaped(&e->path, value);
    e->asked = true;
}

void errand_filter(struct errand *e, const char *flag, const char *parameter) {
    const char *value = flags_value(&e->cli->flags, flag);
    if (value != NULL)
        errand_query(e, parameter, slice_text(value));
}

static int add_labels(struct errand *e) {
    const char *label;
    size_t index = 0;
    while ((label = flags_next(&e->cli->flags, "label", &index)) != NULL) {
        struct slice text = slice_text(label);
        size_t equals = slice_find(text, '=');
        if (equals == text.length || equals == 0)
            return cli_fail(e->cli, EXIT_USAGE, "--label takes KEY=VALUE, not \"%s\"", label);
        buffer_add_format(&e->path, "%clabel.", e->asked ? '&' : '?');
        cli_add_escaped(&e->path, slice_upto(text, equals));
        buffer_add_byte(&e->path, '=');
        cli_add_escaped(&e->path, slice_from(text, equals + 1));
        e->asked = true;
    }
    return 0;
}

int errand_filters(struct errand *e) {
    static const char *const filters[][2] = {
        { "status", "status" },
        { "created-after", "created_after" },
        { "created-before", "created_before" },
        { "older-than", "older_than" },
        { "sort", "sort" },
        { "limit", "limit" },
        { "cursor", "cursor" },
    };
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        errand_filter(e, filters[i][0], filters[i][1]);
    if (flags_has(&e->cli->flags, "attention"))
        errand_query(e, "attention", SLICE("true"));
    return add_labels(e);
}

struct json_writer *errand_body(struct errand *e) {
    if (!e->open) {
        json_writer_init(&e->w, &e->body);
        json_put_object(&e->w, NULL);
        e->open = true;
    }
    return &e->w;
}

void errand_put_flag(struct errand *e, const char *flag, const char *member) {
    const char *value = flags_value(&e->cli->flags, flag);
    if (value != NULL)
        json_put_text(errand_body(e), member, value);
}

int errand_put_number(struct errand *e, const char *flag, const char *member, long min, long max) {
    long number = 0;
    int code = cli_number(e->cli, flag, min, max, 0, &number);
    if (code == 0 && flags_has(&e->cli->flags, flag))
        json_put_i64(errand_body(e), member, number);
    return code;
}

void errand_put_reason(struct errand *e, const char *reason) {
    if (reason != NULL)
        json_put_text(errand_body(e), "reason", reason);
}

static int finish(struct errand *e, int wait_ms) {
    if (wait_ms > 0) {
        buffer_add_format(&e->path, "%cwait=%dms", e->asked ? '&' : '?', wait_ms);
        e->asked = true;
    }
    if (e->open)
        json_put_end(&e->w);
    e->open = false;
    buffer_add_byte(&e->path, '\0');
    if (buffer_failed(&e->path))
        return cli_fail(e->cli, EXIT_USAGE, "the name or the filters are too long");
    return buffer_failed(&e->body) ? cli_fail(e->cli, EXIT_USAGE, "the request is too large") : 0;
}

int errand_ask(struct errand *e, const char *method, int wait_ms, struct cli_answer *answer) {
    int code = finish(e, wait_ms);
    if (code == 0)
        code = cli_ask(e->cli, method, e->path.at, buffer_slice(&e->body), wait_ms, answer);
    errand_drop(e);
    return code;
}

int errand_run(struct errand *e, const char *method) {
    struct cli *cli = e->cli;
    struct cli_answer answer;
    int code = errand_ask(e, method, 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    code = view_print(cli, &answer);
    cli_release(&answer);
    return code;
}

int errand_list(struct errand *e, struct listing *listing) {
    int code = finish(e, 0);
    if (code == 0)
        code = listing_run(e->cli, listing, e->path.at);
    errand_drop(e);
    return code;
}

void errand_drop(struct errand *e) {
    buffer_done(&e->path);
    buffer_done(&e->body);
}

int errand_file(struct errand *e, const char *file, const char *what) {
    struct json_report report;
    struct json_value root;
    int code = intake_read(e->cli, file, what, &e->body);
    if (code == 0 && json_check(buffer_slice(&e->body), &root, &report) != 0)
        code = cli_fail(e->cli, EXIT_USAGE, "%s: line %zu, column %zu: %s", file, report.line, report.column,
                        report.say);
    return code;
}

int errand_flat(struct errand *e) {
    int code = finish(e, 0);
    if (code == 0)
        code = flat_show(e->cli, e->path.at);
    errand_drop(e);
    return code;
}

int errand_steer(struct cli *cli, const char *collection, const char *verb, const char *what) {
    struct errand e;
    const char *reason = NULL;
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%s %.128s", what, cli_word(cli, 0));
    int code = cli_reason(cli, sentence, &reason);
    if (code != 0)
        return code;
    errand_begin(&e, cli, collection, cli_word(cli, 0), verb);
    errand_put_reason(&e, reason);
    return errand_run(&e, "POST");
}

int errand_delete(struct cli *cli, const char *collection, const char *what) {
    struct cli_answer answer;
    struct errand e;
    const char *reason = NULL;
    char question[256];
    snprintf(question, sizeof question, "%s %.128s", what, cli_word(cli, 0));
    int code = cli_consent(cli, question, true, &reason);
    if (code != 0)
        return code;
    errand_begin(&e, cli, collection, cli_word(cli, 0), NULL);
    errand_put_reason(&e, reason);
    code = errand_ask(&e, "DELETE", 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    cli_release(&answer);
    cli_hint(cli, "%s is gone", cli_word(cli, 0));
    return EXIT_DONE;
}
