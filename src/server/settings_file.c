/* The settings file: libconfig reads it, the table judges it. */
#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/settings.h"

enum {
    FILE_BYTES_MAX = 1024 * 1024,
    FILE_DEPTH_MAX = 64, /* libconfig recurses over groups; no honest file comes near */
    NAME_MAX_BYTES = 128,
};

struct reading {
    struct settings *settings;
    const char *file;
    struct why *why;
};

static int fault(const struct reading *r, const config_setting_t *at, int code) {
    return why_prefix(r->why, code, "%s:%u", r->file, config_setting_source_line(at));
}

static int take_text(const struct reading *r, const config_setting_t *at, struct slice name,
                     struct slice text) {
    int code = settings_set_named(r->settings, name, text, SETTING_ORIGIN_FILE,
                                  config_setting_source_line(at), r->why);
    return code == 0 ? 0 : fault(r, at, code);
}

/* ["a", "b"] becomes "a,b". */
static int take_list(const struct reading *r, const config_setting_t *list, struct slice name) {
    struct buffer text;
    int code = 0;
    buffer_init(&text, 65536);
    for (int i = 0; i < config_setting_length(list) && code == 0; i++) {
        const char *item = config_setting_get_string_elem(list, i);
        if (item == NULL || item[0] == '\0' || strchr(item, ',') != NULL) {
            why_set(r->why, ERR_INVALID, "%.*s: element %d is not a text without commas", SLICE_PRINT(name),
                    i + 1);
            code = fault(r, list, ERR_INVALID);
            break;
        }
        buffer_add_text(&text, i == 0 ? "" : ",");
        buffer_add_text(&text, item);
    }
    if (code == 0 && buffer_failed(&text) != 0)
        code = why_set(r->why, ERR_LIMIT, "%s:%u: %.*s is too long", r->file,
                       config_setting_source_line(list), SLICE_PRINT(name));
    if (code == 0)
        code = take_text(r, list, name, buffer_slice(&text));
    buffer_done(&text);
    return code;
}

static int take_scalar(const struct reading *r, const config_setting_t *at, struct slice name) {
    char number[64];
    switch (config_setting_type(at)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(number, sizeof number, "%lld", config_setting_get_int64(at));
        return take_text(r, at, name, slice_text(number));
    case CONFIG_TYPE_FLOAT:
        snprintf(number, sizeof number, "%.3f", config_setting_get_float(at));
        return take_text(r, at, name, slice_text(number));
    case CONFIG_TYPE_BOOL:
        return take_text(r, at, name, config_setting_get_bool(at) ? SLICE("true") : SLICE("false"));
    case CONFIG_TYPE_STRING:
        return take_text(r, at, name, slice_text(config_setting_get_string(at)));
    default:
        why_set(r->why, ERR_INVALID, "%.*s: not a kind of value that settings have", SLICE_PRINT(name));
        return fault(r, at, ERR_INVALID);
    }
}

/* Walk the tree with an explicit stack: group names joined by dots lead to a setting. */
static int take_tree(const struct reading *r, const config_setting_t *root) {
    const config_setting_t *groups[FILE_DEPTH_MAX];
    int next[FILE_DEPTH_MAX];
    size_t name_length[FILE_DEPTH_MAX];
    char name[NAME_MAX_BYTES];
    int depth = 0;
    groups[0] = root;
    next[0] = 0;
    name_length[0] = 0;
    while (depth >= 0) {
        const config_setting_t *at = config_setting_get_elem(groups[depth], (unsigned)next[depth]);
        if (at == NULL) {
            depth--;
            continue;
        }
        next[depth]++;
        int added = snprintf(name + name_length[depth], sizeof name - name_length[depth], "%s%s",
                             depth == 0 ? "" : ".", config_setting_name(at));
        size_t length = name_length[depth] + (size_t)added;
        bool group = config_setting_is_group(at);
        if (length >= sizeof name || (group && depth + 1 == FILE_DEPTH_MAX)) {
            why_set(r->why, ERR_NOT_FOUND, "unknown setting: no name is that long");
            return fault(r, at, ERR_NOT_FOUND);
        }
        int code = 0;
        if (group) {
            depth++;
            groups[depth] = at;
            next[depth] = 0;
            name_length[depth] = length;
        } else if (config_setting_is_array(at) || config_setting_is_list(at)) {
            code = take_list(r, at, slice_of(name, length));
        } else {
            code = take_scalar(r, at, slice_of(name, length));
        }
        if (code != 0)
            return code;
    }
    return 0;
}

/* Nesting deeper than anything we could want is refused before libconfig recurses into it. */
static bool too_deep(struct slice text) {
    int depth = 0;
    for (size_t i = 0; i < text.length; i++) {
        depth += text.at[i] == '{' || text.at[i] == '(' || text.at[i] == '[';
        depth -= text.at[i] == '}' || text.at[i] == ')' || text.at[i] == ']';
        if (depth > FILE_DEPTH_MAX)
            return true;
    }
    return false;
}

int settings_read_text(struct settings *s, struct slice text, const char *name, struct why *why) {
    struct reading reading = { .settings = s, .file = name, .why = why };
    config_t config;
    size_t nul = slice_find(text, '\0');
    if (text.length > FILE_BYTES_MAX || nul < text.length || too_deep(text))
        return why_set(why, ERR_SYNTAX, "%s:1: not a settings file", name);
    char *copy = malloc(text.length + 1);
    if (copy == NULL)
        return why_set(why, ERR_MEMORY, "%s: out of memory", name);
    if (text.length > 0)
        memcpy(copy, text.at, text.length);
    copy[text.length] = '\0';
    config_init(&config);
    int code;
    if (config_read_string(&config, copy) != CONFIG_TRUE)
        code = why_set(why, ERR_SYNTAX, "%s:%d: %s", name, config_error_line(&config),
                       config_error_text(&config));
    else
        code = take_tree(&reading, config_root_setting(&config));
    config_destroy(&config);
    explicit_bzero(copy, text.length);
    free(copy);
    return code;
}

/* private: nobody but its owner may read it. */
static int read_whole(const char *path, struct buffer *to, bool *private, struct why *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
    struct stat status;
    int code = 0;
    *private = fstat(fd, &status) == 0 && (!S_ISREG(status.st_mode) || (status.st_mode & 077) == 0);
    for (;;) {
        char *at = buffer_reserve(to, 65536);
        ssize_t got = at == NULL ? 0 : read(fd, at, 65536);
        if (at == NULL)
            code = why_set(why, ERR_LIMIT, "%s is too long for a settings file", path);
        else if (got < 0)
            code = why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
        if (got <= 0)
            break;
        buffer_grew(to, (size_t)got);
    }
    close(fd);
    return code;
}

/* A secret written out here is everybody's who may read the file. */
static int check_secrets(const struct settings *s, const char *path, struct why *why) {
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_value *value = &s->values[i];
        const char *name = setting_row((enum setting_id)i)->name;
        if (setting_row((enum setting_id)i)->kind == SETTING_KIND_SECRET && value->from == NULL &&
            value->origin == SETTING_ORIGIN_FILE && value->text[0] != '\0')
            return why_set(why, ERR_DENIED,
                           "%s:%u: %s is a secret, and this file can be read by its group or others; "
                           "chmod 600 it or use %s_file",
                           path, value->line, name, name);
    }
    return 0;
}

int settings_read_file(struct settings *s, const char *path, struct why *why) {
    struct buffer text;
    bool private = false;
    buffer_init(&text, FILE_BYTES_MAX + 65536);
    int code = read_whole(path, &text, &private, why);
    if (code == 0)
        code = settings_read_text(s, buffer_slice(&text), path, why);
    if (code == 0 && !private)
        code = check_secrets(s, path, why);
    if (text.at != NULL)
        explicit_bzero(text.at, text.length);
    buffer_done(&text);
    if (code != 0)
        return code;
    char *copy = strdup(path);
    if (copy == NULL)
        return why_set(why, ERR_MEMORY, "%s: out of memory", path);
    free(s->file);
    s->file = copy;
    return 0;
}
