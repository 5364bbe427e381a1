#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_text(int code) {
    switch (code) {
    case 0:
        return "success";
#define X(name, value, text) \
    case name:               \
        return text;
        ERR_LIST(X)
#undef X
    default:
        return "unknown error";
    }
}

int why_set(struct why *why, int code, const char *format, ...) {
    va_list arguments;
    if (why == NULL)
        return code;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return code;
}

int why_prefix(struct why *why, int code, const char *format, ...) {
    struct why layer;
    struct why story;
    va_list arguments;
    if (why == NULL)
        return code;
    story = *why;
    va_start(arguments, format);
    vsnprintf(layer.text, sizeof layer.text, format, arguments);
    va_end(arguments);
    size_t used = strlen(layer.text);
    size_t room = sizeof why->text - 1;
    memcpy(why->text, layer.text, used);
    for (const char *from = ": "; *from != '\0' && used < room; from++)
        why->text[used++] = *from;
    for (const char *from = story.text; *from != '\0' && used < room; from++)
        why->text[used++] = *from;
    why->text[used] = '\0';
    return code;
}
