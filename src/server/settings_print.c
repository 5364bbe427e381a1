#include "server/settings_print.h"

#include <string.h>

static const char *after_group(const char *name, char *group, size_t room) {
    const char *dot = strchr(name, '.');
    size_t length = dot == NULL ? 0 : (size_t)(dot - name);
    length = length < room - 1 ? length : room - 1;
    memcpy(group, name, length);
    group[length] = '\0';
    return dot == NULL ? name : dot + 1;
}

static void add_comment(struct buffer *to, const char *text) {
    const size_t width = 96;
    while (*text != '\0') {
        size_t length = strlen(text);
        if (length > width) {
            length = width;
            while (length > 0 && text[length] != ' ')
                length--;
        }
        buffer_add_format(to, "  # %.*s\n", (int)length, text);
        text += length;
        text += *text == ' ';
    }
}

/* Ranges mean something for measures only; a text's are its length. */
static void add_range(struct buffer *to, const struct setting *row) {
    if (row->kind == SETTING_KIND_CHOICE) {
        buffer_add_format(to, "one of %s", row->words);
        return;
    }
    if (row->kind != SETTING_KIND_COUNT && row->kind != SETTING_KIND_BYTES &&
        row->kind != SETTING_KIND_DURATION && row->kind != SETTING_KIND_FACTOR) {
        buffer_add_text(to, setting_kind_text(row->kind));
        return;
    }
    setting_add_number(row, row->min, to);
    buffer_add_text(to, " to ");
    setting_add_number(row, row->max, to);
    if (row->kind == SETTING_KIND_COUNT)
        buffer_add_format(to, " %s", row->unit);
}

static void add_value(struct buffer *to, const struct setting *row) {
    struct slice rest = slice_text(row->fallback);
    switch (row->kind) {
    case SETTING_KIND_FLAG:
    case SETTING_KIND_COUNT:
        buffer_add_text(to, row->fallback);
        break;
    case SETTING_KIND_FACTOR:
        buffer_add_text(to, row->fallback);
        break;
    case SETTING_KIND_LIST:
        buffer_add_text(to, "[");
        while (rest.length > 0) {
            size_t end = slice_find(rest, ',');
            buffer_add_format(to, "\"%.*s\"", SLICE_PRINT(slice_trim(slice_upto(rest, end))));
            rest = slice_from(rest, end + 1);
            buffer_add_text(to, rest.length > 0 ? ", " : "");
        }
        buffer_add_text(to, "]");
        break;
    default:
        buffer_add_format(to, "\"%s\"", row->fallback);
    }
}

void settings_print_defaults(struct buffer *to) {
    char open[32] = "";
    bool retry = false;
    buffer_add_text(
        to,
        "# settled.conf: every setting at its default. Environment (SETTLED_STORE_URL for store.url) wins\n"
        "# over this file, flags (--store.url=...) win over both.\n");
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting *row = setting_row((enum setting_id)i);
        char group[32];
        const char *key = after_group(row->name, group, sizeof group);
        bool in_retry = strncmp(key, "retry.", 6) == 0;
        if (retry && !in_retry)
            buffer_add_text(to, "  };\n");
        if (strcmp(group, open) != 0) {
            if (open[0] != '\0')
                buffer_add_text(to, "};\n");
            if (group[0] != '\0')
                buffer_add_format(to, "\n%s:\n{\n", group);
            memcpy(open, group, sizeof open);
        }
        if (in_retry && !retry)
            buffer_add_text(to, "  retry:\n  {\n");
        retry = in_retry;
        add_comment(to, row->help);
        buffer_add_text(to, "  # (");
        add_range(to, row);
        buffer_add_text(to, row->reload == SETTING_RELOAD_RESTART ? "; needs a restart)\n" : ")\n");
        buffer_add_format(to, "  %s = ", in_retry ? key + 6 : key);
        add_value(to, row);
        buffer_add_text(to, ";\n");
    }
    if (open[0] != '\0')
        buffer_add_text(to, "};\n");
}

void settings_print_reference(struct buffer *to) {
    buffer_add_text(
        to,
        "# Configuration reference\n\n"
        "Made from the table of settings by `settled --print-settings-reference`. One optional file in\n"
        "libconfig's syntax (`settled --config FILE`, else `/etc/settle/settled.conf`); the environment "
        "wins\n"
        "over the file and flags win over both: `store.url` is `SETTLED_STORE_URL` and `--store.url`.\n"
        "`settle config show --origin` tells where each value came from. A setting marked *live* changes\n"
        "on SIGHUP or `settle config reload`; the others need a restart, and a reload lists them.\n\n"
        "| setting | default | allowed | change | meaning |\n| --- | --- | --- | --- | --- |\n");
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting *row = setting_row((enum setting_id)i);
        buffer_add_format(to, "| `%s` | ", row->name);
        if (row->fallback[0] != '\0')
            buffer_add_format(to, "`%s`", row->fallback);
        buffer_add_text(to, " | ");
        add_range(to, row);
        buffer_add_format(to, " | %s | %s", row->reload == SETTING_RELOAD_LIVE ? "live" : "restart",
                          row->help);
        if (row->kind == SETTING_KIND_SECRET)
            buffer_add_format(to, " `%s_file` names a file that holds it.", row->name);
        buffer_add_text(to, " |\n");
    }
}

void settings_print_names(struct buffer *to) {
    for (int i = 0; i < SETTING_COUNT; i++)
        buffer_add_format(to, "%s\n", setting_row((enum setting_id)i)->name);
}
