/* settled itself: whether all is well. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/instant.h"
#include "cli/child.h"
#include "cli/command_list.h"
#include "cli/glyph.h"
#include "cli/moment.h"
#include "cli/view.h"

#define TEXT_BYTES (1024 * 1024)

/* ---- doctor ------------------------------------------------------------------------------------------ */

struct checkup {
    struct cli *cli;
    struct buffer text;
    struct json_writer json;
    int bad;
};

static void found(struct checkup *c, const char *id, bool good, const char *say, const char *advice) {
    bool colour = c->cli->colour;
    c->bad += !good;
    if (c->cli->format != FORMAT_TABLE) {
        json_put_object(&c->json, NULL);
        json_put_text(&c->json, "id", id);
        json_put_text(&c->json, "state", good ? "ok" : "bad");
        json_put_text(&c->json, "say", say);
        json_put_text(&c->json, "try", good ? NULL : advice);
        json_put_end(&c->json);
        return;
    }
    paint_text(&c->text, good ? PAINT_GREEN : PAINT_RED, colour, good ? "✔" : "✘");
    buffer_add_format(&c->text, " %-8s ", id);
    glyph_add_all(&c->text, slice_text(say));
    buffer_add_byte(&c->text, '\n');
    if (!good && advice != NULL)
        buffer_add_format(&c->text, "             try: %s\n", advice);
}

/* GET without explaining failures: they are what the checkup is about. */
static int probe(struct checkup *c, const char *path, stl_response **response, stl_err *e) {
    int result = stl_request(c->cli->client, "GET", path, NULL, NULL, 0, 0, response, e);
    if (result == 0)
        result = stl_response_check(c->cli->client, *response, e);
    return result;
}

static bool check_door(struct checkup *c, const char *id, const char *path, const char *good,
                       const char *advice) {
    stl_response *response = NULL;
    stl_err e;
    char say[1200];
    int result = probe(c, path, &response, &e);
    snprintf(say, sizeof say, "%s", result == 0 ? good : e.text);
    say[strcspn(say, "\n")] = '\0';
    found(c, id, result == 0, say, advice);
    stl_response_free(response);
    return result == 0;
}

static void check_clock(struct checkup *c) {
    stl_response *response = NULL;
    uint64_t theirs_ms = 0;
    char say[128];
    if (probe(c, "/healthz", &response, NULL) == 0) {
        const char *date = stl_response_header(response, "Date");
        int64_t apart_ms = 0;
        bool known = date != NULL && instant_parse_http(slice_text(date), &theirs_ms) == 0;
        if (known)
            apart_ms = moment_now_ms() - (int64_t)theirs_ms;
        bool good = apart_ms > -2000 && apart_ms < 5000;
        snprintf(say, sizeof say,
                 known ? "settled's clock and this one are %lld s apart" : "settled tells no time",
                 (long long)((apart_ms < 0 ? -apart_ms : apart_ms) / 1000));
        found(c, "clock", good, say, "set both clocks by NTP: deadlines and signatures count on them");
    }
    stl_response_free(response);
}

static void check_token(struct checkup *c) {
    stl_response *response = NULL;
    struct json_value root, version;
    stl_err e;
    char say[1200];
    int result = probe(c, "/v1/info", &response, &e);
    size_t length = 0;
    if (result == 0) {
        const char *body = stl_response_body(response, &length);
        bool known =
            json_check(slice_of(body, length), &root, NULL) == 0 && json_member(root, "version", &version);
        const char *source = stl_client_token_source(c->cli->client);
        snprintf(say, sizeof say, "accepted by settled %.*s%s%s", known ? (int)version.raw.length : 0,
                 known ? version.raw.at : "", *source == '\0' ? "" : ", from ", source);
    } else {
        snprintf(say, sizeof say, "%s", e.text);
    }
    say[strcspn(say, "\n")] = '\0';
    found(c, "token", result == 0, say, "--token-file DATA/token, or $SETTLE_TOKEN_FILE");
    stl_response_free(response);
}

/* A list that should have nothing that is in trouble. */
struct roll_call {
    const char *id, *path;
    bool (*troubled)(struct json_value item); /* NULL: every item is */
    const char *good, *bad, *advice;
};

static bool endpoint_troubled(struct json_value item) {
    struct json_value health;
    return !view_true(item, "enabled") || (json_member(item, "health", &health) && !json_is(health, "well"));
}

/* What this settled does not serve is passed over. */
static void call_roll(struct checkup *c, const struct roll_call *roll) {
    stl_response *response = NULL;
    struct json_value root, items, item;
    size_t length = 0, count = 0, seen = 0;
    char say[128];
    if (probe(c, roll->path, &response, NULL) == 0) {
        const char *body = stl_response_body(response, &length);
        if (json_check(slice_of(body, length), &root, NULL) == 0 && json_member(root, "items", &items) &&
            items.kind == JSON_ARRAY) {
            struct json_cursor cursor = json_cursor_of(items);
            for (; json_element_next(&cursor, &item); seen++)
                count += roll->troubled == NULL || roll->troubled(item);
        }
        snprintf(say, sizeof say, "%zu%s %s", count, count > 0 && seen >= 200 ? " or more" : "", roll->bad);
        found(c, roll->id, count == 0, count == 0 ? roll->good : say, roll->advice);
    }
    stl_response_free(response);
}

static void check_attention(struct checkup *c) {
    static const struct roll_call rolls[] = {
        { "open", "/v1/transactions?attention=true&limit=200", NULL, "no transaction needs attention",
          "need attention", "settle tx list --attention" },
        { "messages", "/v1/messages?attention=true&limit=200", NULL, "no message needs attention",
          "need attention", "settle msg list --attention, settle dlq list" },
        { "endpoint", "/v1/endpoints?limit=200", endpoint_troubled, "all endpoints of notifications are well",
          "disabled or not answering", "settle endpoint list" },
    };
    for (size_t i = 0; i < sizeof rolls / sizeof *rolls; i++)
        call_roll(c, &rolls[i]);
}

static void check_program(struct checkup *c) {
    char path[4096];
    struct why why = { .text = "" };
    int result = child_find(path, sizeof path, &why);
    found(c, "program", result == 0, result == 0 ? path : why.text, "install settled beside settle");
}

int command_doctor(struct cli *cli) {
    struct checkup c = { .cli = cli };
    int code = cli_open(cli);
    if (code != 0)
        return code;
    buffer_init(&c.text, TEXT_BYTES);
    json_writer_init(&c.json, &c.text);
    if (cli->format != FORMAT_TABLE) {
        json_put_object(&c.json, NULL);
        json_put_array(&c.json, "checks");
    }
    check_program(&c);
    if (check_door(&c, "server", "/healthz", stl_client_url(cli->client),
                   "start settled, or name another with --server")) {
        check_door(&c, "ready", "/readyz", "accepts new work", "its log says what it waits for");
        check_clock(&c);
        check_token(&c);
        check_attention(&c);
    }
    if (cli->format != FORMAT_TABLE) {
        json_put_end(&c.json);
        json_put_end(&c.json);
        buffer_add_byte(&c.text, '\n');
    }
    code = cli_print(cli, &c.text);
    return code != 0 ? code : c.bad > 0 ? EXIT_FAILED : EXIT_DONE;
}

/* ---- open -------------------------------------------------------------------------------------------- */

static void start_browser(const char *url) {
    char *words[] = { "xdg-open", (char *)url, NULL };
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0)
        waitpid(pid, NULL, 0);
    posix_spawn_file_actions_destroy(&actions);
}

/* The address is always printed: a browser is a convenience that not every machine has. */
int command_open(struct cli *cli) {
    const char *gid = cli_word(cli, 0);
    struct buffer url;
    int code = cli_open(cli);
    if (code != 0)
        return code;
    buffer_init(&url, 16 * 1024);
    buffer_add_text(&url, stl_client_url(cli->client));
    if (gid != NULL) {
        buffer_add_text(&url, "/v1/transactions/");
        cli_add_escaped(&url, slice_text(gid));
    }
    buffer_add_byte(&url, '\0');
    if (!buffer_failed(&url) && !cli->quiet &&
        (getenv("DISPLAY") != NULL || getenv("WAYLAND_DISPLAY") != NULL))
        start_browser(url.at);
    if (!buffer_failed(&url))
        url.at[url.length - 1] = '\n';
    return cli_print(cli, &url);
}
