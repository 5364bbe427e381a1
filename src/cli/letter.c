#include "cli/letter.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/limits.h"
#include "cli/intake.h"
#include "cli/moment.h"
#include "cli/progress.h"
#include "cli/view.h"

#define STEP_MS 1000

bool letter_final(struct json_value message) {
    struct json_value finished;
    return json_member(message, "finished", &finished) && finished.kind == JSON_STRING;
}

bool letter_moves(struct json_value message) {
    static const char *const still[] = { "dead", "parked", "acked", "refused", "discarded" };
    struct json_value deliveries, delivery, status;
    if (letter_final(message))
        return false;
    if (!json_member(message, "deliveries", &deliveries) || deliveries.kind != JSON_ARRAY)
        return true;
    struct json_cursor cursor = json_cursor_of(deliveries);
    bool any = json_element_next(&cursor, &delivery), moves = !any;
    while (any && !moves) {
        bool stands = false;
        for (size_t i = 0; i < sizeof still / sizeof *still; i++)
            stands = stands || (json_member(delivery, "status", &status) && json_is(status, still[i]));
        moves = !stands;
        any = json_element_next(&cursor, &delivery);
    }
    return moves;
}

int letter_exit(struct json_value message) {
    static const char *const undone[] = { "rolled_back", "gave_up", "cancelled" };
    struct json_value status = { .kind = JSON_NULL };
    json_member(message, "status", &status);
    for (size_t i = 0; i < sizeof undone / sizeof *undone; i++)
        if (json_is(status, undone[i]))
            return EXIT_ROLLED_BACK;
    if (letter_final(message))
        return EXIT_DONE;
    return view_attention(message) ? EXIT_ATTENTION : EXIT_STILL_RUNNING;
}

void letter_add_last(struct buffer *to, struct json_value delivery, struct arena *arena, int64_t now_ms) {
    struct slice detail = view_words(cli_text(delivery, "detail", arena), arena);
    int64_t http = view_number(delivery, "http", 0);
    (void)now_ms;
    if (http > 0)
        buffer_add_format(to, "HTTP %d%s", (int)http, detail.length > 0 ? " " : "");
    buffer_add_slice(to, detail);
}

void letter_add_next(struct buffer *to, struct json_value thing, struct arena *arena, int64_t now_ms) {
    struct json_value attention;
    int64_t at_ms = 0;
    if (view_time(thing, "lease_until", arena, &at_ms)) {
        buffer_add_text(to, "held ");
        moment_add_age(to, at_ms - now_ms + 999);
        return;
    }
    bool known = view_time(thing, "next_check", arena, &at_ms) ||
                 view_time(thing, "next_try", arena, &at_ms) ||
                 (json_member(thing, "attention", &attention) && attention.kind == JSON_OBJECT &&
                  view_time(attention, "next_try", arena, &at_ms));
    if (!known)
        return;
    buffer_add_text(to, at_ms <= now_ms ? "now" : "in ");
    if (at_ms > now_ms)
        moment_add_age(to, at_ms - now_ms + 999);
}

void letter_add_body(struct buffer *to, struct json_value thing, struct arena *arena, int64_t now_ms) {
    struct json_value body;
    (void)now_ms;
    if (json_member(thing, "body", &body)) {
        buffer_add_slice(to, body.raw);
        return;
    }
    struct slice text = cli_text(thing, "body_base64", arena);
    size_t padding = slice_ends(text, "==") ? 2 : slice_ends(text, "=") ? 1 : 0;
    if (text.length == 0)
        return;
    buffer_add_format(to, "%zu bytes of ", text.length / 4 * 3 - padding);
    buffer_add_slice(to, cli_text(thing, "content_type", arena));
}

/* ---- from the command line --------------------------------------------------------------------------- */

static bool is_json(const char *type) {
    size_t length = type == NULL ? 0 : strcspn(type, ";");
    return type == NULL || (length == 16 && strncmp(type, "application/json", 16) == 0) ||
           (length > 5 && strncmp(type + length - 5, "+json", 5) == 0);
}

static int put_json(struct errand *e, struct slice body, const char *from) {
    struct json_report report;
    struct json_value root;
    if (json_check(body, &root, &report) != 0)
        return cli_fail(
            e->cli, EXIT_USAGE,
            "%s: line %zu, column %zu: %s; what is not JSON needs --content-type, like text/plain", from,
            report.line, report.column, report.say);
    json_put_raw(errand_body(e), "body", root.raw);
    return 0;
}

static void put_base64(struct errand *e, struct slice body) {
    struct json_writer *w = errand_body(e);
    json_put_raw(w, "body_base64", SLICE("\""));
    digest_add_base64(w->out, body, BASE64_STANDARD);
    buffer_add_byte(w->out, '"');
}

int letter_put_body(struct errand *e, size_t word) {
    const char *text = flags_value(&e->cli->flags, "body"), *file = cli_word(e->cli, word),
               *type = flags_value(&e->cli->flags, "content-type");
    struct buffer read;
    int code = 0;
    if (text != NULL && file != NULL)
        return cli_fail(e->cli, EXIT_USAGE, "the body comes from --body or from a file, not from both");
    if (text == NULL && file == NULL)
        return 0;
    buffer_init(&read, INTAKE_BYTES);
    if (text != NULL)
        buffer_add_text(&read, text);
    else
        code = intake_read(e->cli, file, "the body", &read);
    if (code == 0 && is_json(type))
        code = put_json(e, buffer_slice(&read), text != NULL ? "--body" : file);
    else if (code == 0)
        put_base64(e, buffer_slice(&read));
    if (code == 0)
        errand_put_flag(e, "content-type", "content_type");
    buffer_done(&read);
    return code;
}

int letter_put_pairs(struct errand *e, const char *flag, const char *member) {
    const char *pair;
    size_t index = 0;
    if (!flags_has(&e->cli->flags, flag))
        return 0;
    struct json_writer *w = errand_body(e);
    json_put_object(w, member);
    while ((pair = flags_next(&e->cli->flags, flag, &index)) != NULL) {
        struct slice text = slice_text(pair);
        size_t equals = slice_find(text, '=');
        if (equals == 0 || equals == text.length)
            return cli_fail(e->cli, EXIT_USAGE, "--%s takes NAME=VALUE, not \"%s\"", flag, pair);
        json_put_key(w, slice_upto(text, equals));
        json_put_string(w, NULL, slice_from(text, equals + 1));
    }
    json_put_end(w);
    return 0;
}

/* ---- waiting ----------------------------------------------------------------------------------------- */

int letter_wait(struct cli *cli, const char *collection, const char *id, int wait_ms,
                struct cli_answer *answer) {
    int64_t end_ms = moment_now_ms() + wait_ms;
    struct progress progress;
    int code;
    progress_begin(&progress, cli);
    for (;;) {
        struct errand errand;
        int64_t left_ms = end_ms - moment_now_ms();
        errand_begin(&errand, cli, collection, id, NULL);
        code = errand_ask(&errand, "GET",
                          left_ms <= 0        ? 0
                          : left_ms > STEP_MS ? STEP_MS
                                              : (int)left_ms,
                          answer);
        if (code != 0 || answer->response == NULL || !letter_moves(answer->root) || moment_now_ms() >= end_ms)
            break;
        progress_tick(&progress, "%s is on its way", id);
        cli_release(answer);
    }
    progress_end(&progress);
    return code;
}

int letter_send(struct errand *e, const char *collection, int wait_ms) {
    struct cli *cli = e->cli;
    struct cli_answer answer;
    struct arena arena;
    char id[LIMIT_GID_BYTES + 1] = "";
    int code = errand_ask(e, "POST", cli->curl ? wait_ms : 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    arena_init(&arena, 4096, 64 * 1024);
    struct slice name = cli_text(answer.root, "id", &arena);
    if (name.length < sizeof id)
        snprintf(id, sizeof id, "%.*s", SLICE_PRINT(name));
    arena_done(&arena);
    if (wait_ms > 0 && !letter_final(answer.root) && id[0] != '\0') {
        cli_release(&answer);
        code = letter_wait(cli, collection, id, wait_ms, &answer);
        if (code != 0 || answer.response == NULL)
            return code;
    }
    code = view_print(cli, &answer);
    if (code == 0 && wait_ms > 0)
        code = letter_exit(answer.root);
    cli_release(&answer);
    return code;
}
