/* Looking at transactions. */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "cli/command_list.h"
#include "cli/listing.h"
#include "cli/moment.h"
#include "cli/occurrence.h"
#include "cli/picture.h"
#include "cli/view.h"

#define TEXT_BYTES (64 * 1024 * 1024)

/* ---- tx list ----------------------------------------------------------------------------------------- */

static void add_age(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    int64_t created_ms = 0;
    if (view_time(item, "created", arena, &created_ms))
        moment_add_age(to, now_ms - created_ms);
}

static void add_where(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    (void)now_ms;
    view_add_where(to, item, arena);
}

static void add_why(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    (void)now_ms;
    view_add_why(to, item, arena);
}

static void add_labels(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    (void)now_ms;
    view_add_labels(to, item, arena);
}

static enum paint status_paint(struct json_value item, struct arena *arena) {
    return paint_of_status(cli_text(item, "status", arena));
}

static enum paint attention_paint(struct json_value item, struct arena *arena) {
    (void)arena;
    return view_attention(item) ? PAINT_YELLOW : PAINT_NONE;
}

static const struct listing_column transaction_columns[] = {
    { "GID", NULL, "gid", attention_paint },
    { "MODE", NULL, "mode", NULL },
    { "STATUS", NULL, "status", status_paint },
    { "AGE", add_age, NULL, NULL },
    { "WHERE", add_where, NULL, NULL },
    { "NEXT", view_add_next, NULL, NULL },
    { "WHY", add_why, NULL, NULL },
    { "NAME", NULL, "name", NULL },
    { "LABELS", add_labels, NULL, NULL },
    { "TOOK", view_add_took, NULL, NULL },
    { "CREATED", NULL, "created", NULL },
    { NULL, NULL, NULL, NULL },
};

/* Flags that are query parameters of the same meaning. */
static const struct {
    const char *flag, *parameter;
} list_filters[] = {
    { "mode", "mode" },
    { "status", "status" },
    { "name", "name" },
    { "branch-url", "branch_url" },
    { "created-after", "created_after" },
    { "created-before", "created_before" },
    { "older-than", "older_than" },
    { "sort", "sort" },
    { "limit", "limit" },
    { "cursor", "cursor" },
};

static void add_parameter(struct buffer *path, const char *name, struct slice value) {
    bool first = slice_find(buffer_slice(path), '?') == path->length;
    buffer_add_byte(path, first ? '?' : '&');
    buffer_add_text(path, name);
    buffer_add_byte(path, '=');
    cli_add_escaped(path, value);
}

static int add_label_filters(struct cli *cli, struct buffer *path) {
    const char *label;
    size_t index = 0;
    while ((label = flags_next(&cli->flags, "label", &index)) != NULL) {
        struct slice text = slice_text(label);
        size_t equals = slice_find(text, '=');
        struct buffer name;
        if (equals == text.length || equals == 0)
            return cli_fail(cli, EXIT_USAGE, "--label takes KEY=VALUE, not \"%s\"", label);
        buffer_init(&name, 4096);
        buffer_add_text(&name, "label.");
        cli_add_escaped(&name, slice_upto(text, equals));
        buffer_add_byte(&name, '\0');
        if (!buffer_failed(&name))
            add_parameter(path, name.at, slice_from(text, equals + 1));
        buffer_done(&name);
    }
    return 0;
}

int command_tx_list(struct cli *cli) {
    struct listing listing = { .columns = transaction_columns,
                               .shown = "GID,MODE,STATUS,AGE,WHERE,NEXT,WHY",
                               .name = "gid",
                               .all = flags_has(&cli->flags, "all"),
                               .empty = "no such transactions; settle demo makes some" };
    struct buffer path;
    buffer_init(&path, 64 * 1024);
    buffer_add_text(&path, "/v1/transactions");
    for (size_t i = 0; i < sizeof list_filters / sizeof *list_filters; i++)
        if (flags_value(&cli->flags, list_filters[i].flag) != NULL)
            add_parameter(&path, list_filters[i].parameter,
                          slice_text(flags_value(&cli->flags, list_filters[i].flag)));
    if (flags_has(&cli->flags, "attention"))
        add_parameter(&path, "attention", SLICE("true"));
    if (flags_has(&cli->flags, "suspended"))
        add_parameter(&path, "suspended", SLICE("true"));
    int code = add_label_filters(cli, &path);
    buffer_add_byte(&path, '\0');
    if (code == 0 && buffer_failed(&path))
        code = cli_fail(cli, EXIT_USAGE, "the filters are too long");
    if (code == 0)
        code = listing_run(cli, &listing, path.at);
    buffer_done(&path);
    if (code == 0 && listing.attention > 0 && cli->format == FORMAT_TABLE)
        cli_hint(cli, "%zu need%s attention · settle tx show GID", listing.attention,
                 listing.attention == 1 ? "s" : "");
    return code;
}

/* ---- tx show ----------------------------------------------------------------------------------------- */

int command_tx_show(struct cli *cli) {
    struct picture_source source;
    struct buffer text;
    if (cli->format != FORMAT_TABLE) {
        struct cli_answer answer;
        struct buffer path;
        buffer_init(&path, 4096);
        buffer_add_text(&path, "/v1/transactions/");
        cli_add_escaped(&path, slice_text(cli_word(cli, 0)));
        buffer_add_byte(&path, '\0');
        int code = buffer_failed(&path) ? cli_fail(cli, EXIT_USAGE, "the gid is too long")
                                        : cli_ask(cli, "GET", path.at, SLICE_NONE, 0, &answer);
        buffer_done(&path);
        if (code != 0 || answer.response == NULL)
            return code;
        code = view_print(cli, &answer);
        cli_release(&answer);
        return code;
    }
    int code = picture_fetch(cli, cli_word(cli, 0), &source);
    if (code != 0 || source.transaction.response == NULL)
        return code;
    buffer_init(&text, TEXT_BYTES);
    picture_draw(&text, &source, cli->width, cli->colour);
    picture_release(&source);
    return cli_print(cli, &text);
}

int command_tx_events(struct cli *cli) {
    long limit = 0;
    int code = cli_number(cli, "limit", 1, 1000000, 0, &limit);
    if (code != 0)
        return code;
    return occurrence_follow(cli, cli_word(cli, 0), flags_value(&cli->flags, "since"), limit,
                             flags_has(&cli->flags, "follow"));
}
