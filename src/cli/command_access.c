/* Tokens and the signing secret. */
#include <stdio.h>
#include <string.h>

#include "cli/command_list.h"
#include "cli/listing.h"

#define REQUEST_BYTES (64 * 1024)

/* ---- tokens ------------------------------------------------------------------------------------------ */

static const struct listing_column token_columns[] = {
    { "ID", NULL, "id", NULL },           { "NAME", NULL, "name", NULL },
    { "ROLES", NULL, "roles", NULL },     { "CREATED", NULL, "created", NULL },
    { "EXPIRES", NULL, "expires", NULL }, { NULL, NULL, NULL, NULL },
};

int command_token_list(struct cli *cli) {
    struct listing listing = { .columns = token_columns, .name = "id", .empty = "no tokens but DATA/token" };
    return listing_run(cli, &listing, "/v1/tokens");
}

static void write_token_request(struct cli *cli, struct buffer *body) {
    struct json_writer w;
    const char *role, *name = flags_value(&cli->flags, "name"),
                      *expires = flags_value(&cli->flags, "expires");
    size_t index = 0;
    json_writer_init(&w, body);
    json_put_object(&w, NULL);
    json_put_text(&w, "name", name != NULL ? name : "settle-cli");
    json_put_array(&w, "roles");
    while ((role = flags_next(&cli->flags, "role", &index)) != NULL)
        json_put_text(&w, NULL, role);
    json_put_end(&w);
    if (expires != NULL)
        json_put_text(&w, "expires", expires);
    json_put_end(&w);
}

int command_token_create(struct cli *cli) {
    struct cli_answer answer;
    struct buffer body, text;
    struct arena arena;
    if (!flags_has(&cli->flags, "role"))
        return cli_fail(cli, EXIT_USAGE,
                        "say what the token may do: --role viewer, producer, consumer, receiver, operator, "
                        "approver or admin");
    buffer_init(&body, REQUEST_BYTES);
    write_token_request(cli, &body);
    int code = cli_ask(cli, "POST", "/v1/tokens", buffer_slice(&body), 0, &answer);
    buffer_done(&body);
    if (code != 0 || answer.response == NULL)
        return code;
    buffer_init(&text, REQUEST_BYTES);
    arena_init(&arena, 4096, REQUEST_BYTES);
    if (cli->format == FORMAT_TABLE) {
        buffer_add_slice(&text, cli_text(answer.root, "token", &arena));
        cli_hint(cli, "%.*s: this is the only time the token is shown; settled keeps its hash",
                 SLICE_PRINT(cli_text(answer.root, "id", &arena)));
    } else {
        buffer_add_slice(&text,
                         cli->format == FORMAT_GID ? cli_text(answer.root, "id", &arena) : answer.body);
    }
    buffer_add_byte(&text, '\n');
    arena_done(&arena);
    cli_release(&answer);
    return cli_print(cli, &text);
}

int command_token_revoke(struct cli *cli) {
    char question[256];
    const char *reason = NULL, *id = cli_word(cli, 0);
    struct cli_answer answer;
    struct buffer path;
    snprintf(question, sizeof question, "Revoke the token %.128s", id);
    int code = cli_consent(cli, question, true, &reason);
    if (code != 0)
        return code;
    buffer_init(&path, 4096);
    buffer_add_text(&path, "/v1/tokens/");
    cli_add_escaped(&path, slice_text(id));
    buffer_add_byte(&path, '\0');
    code = buffer_failed(&path) ? cli_fail(cli, EXIT_USAGE, "the id is too long")
                                : cli_ask(cli, "DELETE", path.at, SLICE_NONE, 0, &answer);
    buffer_done(&path);
    if (code != 0 || answer.response == NULL)
        return code;
    cli_release(&answer);
    cli_hint(cli, "%s is worthless now", id);
    return EXIT_DONE;
}

/* ---- the signing secret ------------------------------------------------------------------------------ */

int command_secret_rotate(struct cli *cli) {
    char body[128] = "{}";
    struct cli_answer answer;
    struct buffer text;
    const char *reason = NULL;
    int overlap_ms = 0, code = cli_duration(cli, "overlap", 0, &overlap_ms);
    if (code == 0)
        code = cli_consent(cli, "Sign calls with a new secret", false, &reason);
    if (code != 0)
        return code;
    if (flags_has(&cli->flags, "overlap"))
        snprintf(body, sizeof body, "{\"overlap\":\"%dms\"}", overlap_ms);
    code = cli_ask(cli, "POST", "/v1/signing-secret/rotate", slice_text(body), 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    buffer_init(&text, REQUEST_BYTES);
    buffer_add_slice(&text, answer.body);
    if (!slice_ends(answer.body, "\n"))
        buffer_add_byte(&text, '\n');
    cli_release(&answer);
    return cli_print(cli, &text);
}
