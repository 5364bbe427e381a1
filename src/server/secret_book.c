#include "server/secret_book.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "server/secret_file.h"

enum {
    SECRET_BYTES = 4096,
};

/* Absolute, and every part of it a name: no empty part, no "." and no "..". */
static bool is_plain_path(struct slice path) {
    if (path.length < 2 || path.length >= PATH_MAX || path.at[0] != '/' ||
        slice_find(path, '\0') < path.length)
        return false;
    for (struct slice rest = slice_from(path, 1); rest.at != NULL;) {
        size_t end = slice_find(rest, '/');
        struct slice part = slice_upto(rest, end);
        if (part.length == 0 || slice_is(part, ".") || slice_is(part, ".."))
            return false;
        if (end == rest.length)
            return true;
        rest = slice_from(rest, end + 1);
        if (rest.length == 0)
            return false;
    }
    return false;
}

static bool is_below(struct slice path, struct slice directory) {
    while (directory.length > 1 && directory.at[directory.length - 1] == '/')
        directory.length--;
    return path.length > directory.length + 1 && path.at[directory.length] == '/' &&
           slice_equal(slice_upto(path, directory.length), directory);
}

int secret_book_judge(const struct settings *s, struct slice file, struct why *why) {
    const char *rest = NULL;
    struct slice directory;
    while (is_plain_path(file) && settings_list_next(s, SETTING_SECRETS_DIRECTORIES, &rest, &directory))
        if (is_below(file, directory))
            return 0;
    return why_set(why, ERR_DENIED,
                   "%.*s is not below one of the directories that secrets may be read from (%s: %s); name an "
                   "absolute path there, or extend the setting",
                   SLICE_PRINT(slice_upto(file, 200)), setting_row(SETTING_SECRETS_DIRECTORIES)->name,
                   settings_text(s, SETTING_SECRETS_DIRECTORIES));
}

int secret_book_read(const struct settings *s, struct slice file, struct buffer *to, struct why *why) {
    char path[PATH_MAX];
    char secret[SECRET_BYTES];
    size_t length = 0;
    buffer_clear(to);
    int code = secret_book_judge(s, file, why);
    if (code != 0)
        return code;
    snprintf(path, sizeof path, "%.*s", SLICE_PRINT(file));
    code = secret_file_read(path, secret, sizeof secret, &length, why);
    if (code == 0)
        buffer_add(to, secret, length);
    explicit_bzero(secret, sizeof secret);
    return code != 0 ? code : buffer_failed(to);
}
