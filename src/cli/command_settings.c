/* settled's settings: as they are in force, as a file says them, and the file read again. */
#include <libconfig.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "cli/child.h"
#include "cli/command_list.h"
#include "cli/glyph.h"
#include "cli/listing.h"
#include "cli/view.h"

#define TEXT_BYTES (1024 * 1024)
#define VALUE_BYTES 8192

/* The program that will read the file is the one that can judge it. */
int command_config_check(struct cli *cli) {
    const char *arguments[] = { "--check-config", cli_word(cli, 0), NULL };
    struct why why;
    int result = child_run(arguments, &why);
    if (result < 0)
        return cli_fail(cli, EXIT_FAILED, "%s", why.text);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- in force ------------------------------------------------------------------------------------ */

static const struct listing_column setting_columns[] = {
    { "NAME", NULL, "name", NULL },       { "VALUE", NULL, "value", NULL },
    { "ORIGIN", NULL, "origin", NULL },   { "CHANGE", NULL, "change", NULL },
    { "DEFAULT", NULL, "default", NULL }, { NULL, NULL, NULL, NULL },
};

int command_config_show(struct cli *cli) {
    struct listing listing = { .columns = setting_columns,
                               .name = "name",
                               .empty = "settled told no settings",
                               .shown =
                                   flags_has(&cli->flags, "origin") ? "NAME,VALUE,ORIGIN" : "NAME,VALUE" };
    return listing_run(cli, &listing, "/v1/config");
}

/* ---- the file against what is in force ------------------------------------------------------------ */

static void add_scalar(struct buffer *to, const config_setting_t *setting) {
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        buffer_add_text(to, config_setting_get_string(setting));
        break;
    case CONFIG_TYPE_BOOL:
        buffer_add_text(to, config_setting_get_bool(setting) ? "true" : "false");
        break;
    case CONFIG_TYPE_FLOAT:
        buffer_add_format(to, "%g", config_setting_get_float(setting));
        break;
    default:
        buffer_add_format(to, "%lld", config_setting_get_int64(setting));
    }
}

/* The value that the file gives a name, spelled in one line; false when the file says nothing. */
static bool value_in_file(const config_t *file, const char *name, struct buffer *to) {
    const config_setting_t *setting = config_lookup(file, name);
    if (setting == NULL)
        return false;
    if (!config_setting_is_aggregate(setting)) {
        add_scalar(to, setting);
        return true;
    }
    for (int i = 0; i < config_setting_length(setting); i++) {
        buffer_add_text(to, i == 0 ? "" : ", ");
        add_scalar(to, config_setting_get_elem(setting, (unsigned)i));
    }
    return true;
}

static bool same_value(struct slice a, struct slice b) {
    uint64_t a_ms = 0, b_ms = 0;
    if (slice_equal(a, b))
        return true;
    return duration_parse(a, &a_ms) == 0 && duration_parse(b, &b_ms) == 0 && a_ms == b_ms;
}

/* One line when the file would change this setting. What environment and flags say, no file changes. */
static int compare(struct buffer *to, const config_t *file, struct json_value item, struct arena *arena) {
    struct slice name = cli_text(item, "name", arena), value = cli_text(item, "value", arena);
    struct slice origin = cli_text(item, "origin", arena);
    struct buffer key, wanted;
    int differs = 0;
    buffer_init(&key, VALUE_BYTES);
    buffer_init(&wanted, VALUE_BYTES);
    buffer_add_slice(&key, name);
    buffer_add_byte(&key, '\0');
    if (!buffer_failed(&key) && !value_in_file(file, key.at, &wanted))
        buffer_add_slice(&wanted, cli_text(item, "default", arena));
    bool fixed =
        slice_starts(origin, "environment") || slice_starts(origin, "flag") || slice_is(value, "(set)");
    if (!fixed && !same_value(value, buffer_slice(&wanted))) {
        differs = 1;
        buffer_add_format(to, "%.*s: ", SLICE_PRINT(name));
        glyph_add_all(to, value);
        buffer_add_text(to, " → ");
        glyph_add_all(to, buffer_slice(&wanted));
        buffer_add_text(to,
                        slice_is(cli_text(item, "change", arena), "restart") ? " (needs a restart)\n" : "\n");
    }
    buffer_done(&key);
    buffer_done(&wanted);
    return differs;
}

static int print_differences(struct cli *cli, const config_t *file, const struct cli_answer *answer) {
    struct json_value items, item;
    struct buffer text;
    struct arena arena;
    int count = 0;
    if (!json_member(answer->root, "items", &items) || items.kind != JSON_ARRAY)
        return cli_fail(cli, EXIT_FAILED, "settled told no settings");
    buffer_init(&text, TEXT_BYTES);
    arena_init(&arena, 16 * 1024, TEXT_BYTES);
    struct json_cursor cursor = json_cursor_of(items);
    while (json_element_next(&cursor, &item))
        count += compare(&text, file, item, &arena);
    arena_done(&arena);
    if (count == 0)
        cli_hint(cli, "no difference");
    return cli_print(cli, &text);
}

/* Without a FILE: the one that settled read at its start. */
static int read_file(struct cli *cli, const struct cli_answer *answer, config_t *file) {
    struct arena arena;
    char path[4096];
    const char *word = cli_word(cli, 0);
    arena_init(&arena, 4096, TEXT_BYTES);
    struct slice theirs = cli_text(answer->root, "file", &arena);
    snprintf(path, sizeof path, "%.*s", SLICE_PRINT(word != NULL ? slice_text(word) : theirs));
    arena_done(&arena);
    if (path[0] == '\0')
        return cli_fail(cli, EXIT_USAGE, "settled runs without a settings file; name one");
    if (config_read_file(file, path) == CONFIG_TRUE)
        return 0;
    if (config_error_type(file) == CONFIG_ERR_FILE_IO)
        return cli_fail(cli, EXIT_USAGE, "%s cannot be read", path);
    return cli_fail(cli, EXIT_FAILED, "%s:%d: %s", path, config_error_line(file), config_error_text(file));
}

int command_config_diff(struct cli *cli) {
    struct cli_answer answer;
    config_t file;
    int code = cli_ask(cli, "GET", "/v1/config", SLICE_NONE, 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    config_init(&file);
    code = read_file(cli, &answer, &file);
    if (code == 0)
        code = print_differences(cli, &file, &answer);
    config_destroy(&file);
    cli_release(&answer);
    return code;
}

/* ---- reload ----------------------------------------------------------------------------------------- */

static void add_lines(struct buffer *to, struct json_value root, const char *name, const char *behind) {
    struct json_value lines, line;
    struct slice text;
    struct arena arena;
    if (!json_member(root, name, &lines) || lines.kind != JSON_ARRAY)
        return;
    arena_init(&arena, 4096, TEXT_BYTES);
    struct json_cursor cursor = json_cursor_of(lines);
    while (json_element_next(&cursor, &line))
        if (json_string(line, &arena, &text) == 0) {
            glyph_add_all(to, text);
            buffer_add_text(to, behind);
        }
    arena_done(&arena);
}

int command_config_reload(struct cli *cli) {
    struct cli_answer answer;
    struct buffer text;
    int code = cli_ask(cli, "POST", "/v1/config/reload", SLICE_NONE, 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    buffer_init(&text, TEXT_BYTES);
    if (cli->format != FORMAT_TABLE) {
        buffer_add_slice(&text, answer.body);
        buffer_add_byte(&text, '\n');
    } else {
        add_lines(&text, answer.root, "changed", "\n");
        add_lines(&text, answer.root, "needs_restart", ": needs a restart\n");
        if (text.length == 0)
            cli_hint(cli, "nothing had changed");
    }
    cli_release(&answer);
    return cli_print(cli, &text);
}
