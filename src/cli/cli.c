#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/curl.h"
#include "cli/glyph.h"

#define LINE_BYTES (256 * 1024)

/* ---- speaking ---------------------------------------------------------------------------------------- */

int cli_fail(const struct cli *cli, int code, const char *format, ...) {
    va_list arguments;
    fputs(cli->colour_error ? "\033[31msettle:\033[0m " : "settle: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

void cli_hint(const struct cli *cli, const char *format, ...) {
    va_list arguments;
    if (cli->quiet)
        return;
    fputs(cli->colour_error ? "\033[2m" : "", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs(cli->colour_error ? "\033[0m\n" : "\n", stderr);
}

int cli_print(struct cli *cli, struct buffer *text) {
    int result = EXIT_DONE;
    if (buffer_failed(text))
        result = cli_fail(cli, EXIT_FAILED, "the output is too large: %s", err_text(buffer_failed(text)));
    else if ((text->length > 0 && fwrite(text->at, 1, text->length, stdout) != text->length) ||
             fflush(stdout) != 0)
        result = EXIT_FAILED; /* nobody reads stdout any more: there is nobody to tell */
    buffer_done(text);
    return result;
}

/* ---- failures ---------------------------------------------------------------------------------------- */

int cli_exit_of(int stl_code) {
    switch (stl_code) {
    case 0:
        return EXIT_DONE;
    case STL_EINVALID:
        return EXIT_USAGE;
    case STL_EUNREACHABLE:
    case STL_ETLS:
    case STL_EUNKNOWN:
    case STL_ETIMEOUT:
    case STL_EPROTOCOL:
        return EXIT_UNREACHABLE;
    case STL_EAUTH:
    case STL_EDENIED:
        return EXIT_NOT_ALLOWED;
    case STL_ENOTFOUND:
        return EXIT_NOT_FOUND;
    case STL_ECONFLICT:
        return EXIT_CONFLICT;
    default:
        return EXIT_FAILED;
    }
}

static const char *what_to_try(const stl_err *e) {
    switch (e->code) {
    case STL_EUNREACHABLE:
        return "is settled running there? Start it with \"settled\", or name another with --server or "
               "$SETTLE_SERVER";
    case STL_EUNKNOWN:
    case STL_ETIMEOUT:
        return "repeat the command: with the same gid or --id nothing happens twice";
    case STL_EPROTOCOL:
        return "something else listens there; check --server and $SETTLE_SERVER";
    case STL_ETLS:
        return "check the server's certificate; http:// and https:// are different doors";
    case STL_EAUTH:
        return "give the token of DATA/token with --token-file or $SETTLE_TOKEN_FILE";
    case STL_EDENIED:
        return "ask an administrator for a token with that role: settle token create --role ROLE";
    case STL_EBUSY:
        return "try again in a moment";
    default:
        return NULL;
    }
}

/* "settle sub list shows what there is": the list of the group that the command belongs to. */
static void advise_list(const struct cli *cli) {
    const char *name = cli->command == NULL ? "tx" : cli->command->name;
    int length = (int)strcspn(name, " ");
    char list[64];
    int at = 1;
    snprintf(list, sizeof list, "%.*s", length, name);
    char *words[] = { "settle", list, "list" };
    bool listed = command_find(3, words, &at) != NULL;
    fprintf(stderr, "  try: settle %s list shows what there is\n", listed ? list : "tx");
}

int cli_explain(const struct cli *cli, const stl_err *e) {
    const char *advice = what_to_try(e);
    const char *base = cli->client == NULL ? "" : stl_client_url(cli->client);
    cli_fail(cli, 0, "%s", e->text[0] == '\0' ? stl_strerror(e->code) : e->text);
    if (e->decision[0] != '\0')
        fprintf(stderr, "  decision: %s\n", e->decision);
    if (advice != NULL)
        fprintf(stderr, "  try: %s\n", advice);
    else if (e->code == STL_ENOTFOUND)
        advise_list(cli);
    if (e->type[0] == '/')
        fprintf(stderr, "  read: %s%s\n", base, e->type);
    else if (e->type[0] != '\0')
        fprintf(stderr, "  read: %s\n", e->type);
    return cli_exit_of(e->code);
}

/* ---- asking settled ---------------------------------------------------------------------------------- */

int cli_open(struct cli *cli) {
    stl_err e;
    uint64_t timeout_ms = 10000;
    const char *timeout = flags_value(&cli->flags, "silence");
    if (cli->client != NULL)
        return 0;
    if (timeout != NULL &&
        (duration_parse(slice_text(timeout), &timeout_ms) != 0 || timeout_ms == 0 || timeout_ms > 3600000))
        return cli_fail(cli, EXIT_USAGE, "--silence takes a duration up to 1h, like 5s or 500ms, not \"%s\"",
                        timeout);
    stl_opts opts = { .token_file = flags_value(&cli->flags, "token-file"),
                      .ca_file = flags_value(&cli->flags, "ca-file"),
                      .timeout_ms = (int)timeout_ms };
    int result = stl_client_open(&cli->client, flags_value(&cli->flags, "server"), &opts, &e);
    return result == 0 ? 0 : cli_explain(cli, &e);
}

void cli_close(struct cli *cli) {
    stl_client_close(cli->client);
    cli->client = NULL;
}

static int show_curl(struct cli *cli, const char *method, const char *path, struct slice body) {
    const char *source = stl_client_token_source(cli->client);
    bool stream = cli->command != NULL && strstr(cli->command->name, "watch") != NULL;
    char *absolute = source[0] == '/' || source[0] == '.' ? realpath(source, NULL) : NULL;
    const char *token = stl_client_token(cli->client) == NULL ? NULL
                        : source[0] == '\0'                   ? "$SETTLE_TOKEN"
                                                              : source;
    struct buffer text;
    buffer_init(&text, 4 * LINE_BYTES + 4 * body.length);
    curl_add(&text, method, stl_client_url(cli->client), path, body, stream ? "text/event-stream" : NULL,
             absolute != NULL ? absolute : token);
    free(absolute);
    return cli_print(cli, &text);
}

static int show_intent(struct cli *cli, const char *method, const char *path, struct slice body) {
    struct buffer text;
    buffer_init(&text, LINE_BYTES + body.length);
    buffer_add_format(&text, "Would: %s %s%s", method, stl_client_url(cli->client), path);
    if (body.length > 0)
        buffer_add_format(&text, "\n       %.*s", SLICE_PRINT(body));
    buffer_add_text(&text, "\nNothing was changed.\n");
    return cli_print(cli, &text);
}

int cli_ask(struct cli *cli, const char *method, const char *path, struct slice body, int wait_ms,
            struct cli_answer *out) {
    stl_err e;
    *out = (struct cli_answer){ .response = NULL };
    int code = cli_open(cli);
    if (code != 0)
        return code;
    if (cli->curl)
        return show_curl(cli, method, path, body);
    if (cli->dry_run && strcmp(method, "GET") != 0)
        return show_intent(cli, method, path, body);
    int result =
        stl_request(cli->client, method, path, NULL, body.at, body.length, wait_ms, &out->response, &e);
    if (result == 0)
        result = stl_response_check(cli->client, out->response, &e);
    if (result != 0) {
        cli_release(out);
        return cli_explain(cli, &e);
    }
    out->body.at = stl_response_body(out->response, &out->body.length);
    if (json_check(out->body, &out->root, NULL) != 0)
        out->root = (struct json_value){ .kind = JSON_NULL };
    return 0;
}

void cli_release(struct cli_answer *answer) {
    stl_response_free(answer->response);
    *answer = (struct cli_answer){ .response = NULL };
}

/* ---- asking the user --------------------------------------------------------------------------------- */

static bool read_line(const char *prompt, char *to, size_t size) {
    fputs(prompt, stderr);
    fflush(stderr);
    if (fgets(to, (int)size, stdin) == NULL)
        return false;
    to[strcspn(to, "\r\n")] = '\0';
    return true;
}

static int ask_reason(struct cli *cli, const char **reason) {
    static char typed[1024];
    if (!read_line("Reason (kept in the audit log): ", typed, sizeof typed) || typed[0] == '\0')
        return cli_fail(cli, EXIT_FAILED, "without a reason nothing was changed");
    *reason = typed;
    return 0;
}

int cli_consent(struct cli *cli, const char *what, bool with_reason, const char **reason) {
    char answer[16];
    *reason = flags_value(&cli->flags, "reason");
    if (*reason != NULL && **reason == '\0')
        *reason = NULL;
    bool complete = cli->yes && (*reason != NULL || !with_reason);
    if (complete || cli->dry_run || cli->curl)
        return 0;
    if (!cli->terminal)
        return cli_fail(cli, EXIT_USAGE,
                        "%s: not at a terminal, so this needs --yes%s; --dry-run shows what it would do",
                        what, with_reason ? " and --reason \"why\"" : "");
    if (!cli->yes) {
        fprintf(stderr, "%s? [y/N] ", what);
        if (!read_line("", answer, sizeof answer) || (answer[0] != 'y' && answer[0] != 'Y'))
            return cli_fail(cli, EXIT_FAILED, "nothing was changed");
    }
    return with_reason && *reason == NULL ? ask_reason(cli, reason) : 0;
}

int cli_reason(struct cli *cli, const char *what, const char **reason) {
    *reason = flags_value(&cli->flags, "reason");
    if (*reason != NULL && **reason == '\0')
        *reason = NULL;
    if (*reason != NULL || cli->dry_run || cli->curl)
        return 0;
    if (!cli->terminal)
        return cli_fail(cli, EXIT_USAGE, "%s: not at a terminal, so this needs --reason \"why\"", what);
    fprintf(stderr, "%s.\n", what);
    return ask_reason(cli, reason);
}

/* ---- small readers ----------------------------------------------------------------------------------- */

int cli_duration(struct cli *cli, const char *flag, int fallback_ms, int *ms) {
    const char *value = flags_value(&cli->flags, flag);
    uint64_t parsed = (uint64_t)fallback_ms;
    if (value != NULL && (duration_parse(slice_text(value), &parsed) != 0 || parsed > 24 * 3600 * 1000))
        return cli_fail(cli, EXIT_USAGE, "--%s takes a duration up to 24h, like 500ms, 30s or 5m, not \"%s\"",
                        flag, value);
    *ms = (int)parsed;
    return 0;
}

int cli_number(struct cli *cli, const char *flag, long min, long max, long fallback, long *number) {
    const char *value = flags_value(&cli->flags, flag);
    uint64_t parsed = 0;
    *number = fallback;
    if (value == NULL)
        return 0;
    if (slice_u64(slice_text(value), &parsed) != 0 || parsed > (uint64_t)max || (long)parsed < min)
        return cli_fail(cli, EXIT_USAGE, "--%s takes a number from %ld to %ld, not \"%s\"", flag, min, max,
                        value);
    *number = (long)parsed;
    return 0;
}

const char *cli_word(const struct cli *cli, size_t n) {
    return n < cli->flags.word_count ? cli->flags.words[n] : NULL;
}

void cli_add_escaped(struct buffer *to, struct slice text) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '.' || c == '_' || c == '~' || c == ':';
        if (safe) {
            buffer_add_byte(to, (char)c);
        } else {
            buffer_add_byte(to, '%');
            buffer_add_byte(to, digits[c >> 4]);
            buffer_add_byte(to, digits[c & 15]);
        }
    }
}

struct slice cli_text(struct json_value object, const char *name, struct arena *arena) {
    struct json_value value;
    struct slice text;
    if (!json_member(object, name, &value) || value.kind == JSON_NULL)
        return SLICE("");
    if (value.kind == JSON_STRING && json_string(value, arena, &text) == 0)
        return text;
    return value.raw;
}
