#include "client/draft.h"

#include <stdio.h>
#include <string.h>

#define DRAFT_BYTES \
    (16 * 1024 * 1024) /* far above settled's own limit, which then gives the better message */

void draft_init(struct draft *d, const char *noun) {
    *d = (struct draft){ .noun = noun };
    arena_init(&d->arena, 4096, DRAFT_BYTES);
    buffer_init(&d->json, 2 * DRAFT_BYTES);
}

void draft_done(struct draft *d) {
    arena_done(&d->arena);
    buffer_done(&d->json);
}

int draft_refuse(struct draft *d, int code, const char *what, const char *say) {
    if (d->failed == 0) {
        d->failed = code;
        snprintf(d->why, sizeof d->why, "%s: %s", what, say);
    }
    return code;
}

int draft_failed(const struct draft *d, stl_err *e) {
    return d->failed == 0 ? 0 : client_fail(e, d->failed, "%s", d->why);
}

int draft_keep_bytes(struct draft *d, const void *from, size_t length, struct slice *out) {
    if (arena_copy(&d->arena, slice_of(from, length), out) != 0)
        return draft_refuse(d, STL_EMEMORY, d->noun, "out of memory");
    return 0;
}

int draft_keep(struct draft *d, const char *text, struct slice *out) {
    return text == NULL ? 0 : draft_keep_bytes(d, text, strlen(text), out);
}

int draft_pair(struct draft *d, struct draft_pairs *to, const char *what, const char *key,
               const char *value) {
    struct draft_pair *pair = arena_take(&d->arena, sizeof *pair);
    if (key == NULL || value == NULL)
        return draft_refuse(d, STL_EINVALID, what, "needs a name and a value");
    if (pair == NULL)
        return draft_refuse(d, STL_EMEMORY, what, "out of memory");
    int result = draft_keep(d, key, &pair->key);
    if (result == 0)
        result = draft_keep(d, value, &pair->value);
    if (result != 0)
        return result;
    if (to->last == NULL)
        to->first = pair;
    else
        to->last->next = pair;
    to->last = pair;
    return 0;
}

int draft_json(struct draft *d, const char *what, const void *bytes, size_t length) {
    struct json_report report;
    struct json_value root;
    char say[160];
    if (json_check(slice_of(bytes, length), &root, &report) == 0)
        return 0;
    snprintf(say, sizeof say, "its body is not JSON: line %zu column %zu: %s", report.line, report.column,
             report.say);
    return draft_refuse(d, STL_EINVALID, what, say);
}

bool draft_begin(struct draft *d, struct json_writer *w) {
    if (d->failed != 0)
        return false;
    buffer_clear(&d->json);
    json_writer_init(w, &d->json);
    return true;
}

const char *draft_end(struct draft *d, size_t *length) {
    size_t written = d->json.length;
    buffer_add_byte(&d->json, '\0');
    if (buffer_failed(&d->json)) {
        draft_refuse(d, STL_EMEMORY, d->noun, "out of memory");
        return NULL;
    }
    if (length != NULL)
        *length = written;
    return d->json.at;
}

void draft_put_ms(struct json_writer *w, const char *name, long long ms) {
    char text[32];
    if (ms <= 0)
        return;
    snprintf(text, sizeof text, "%lldms", ms);
    json_put_text(w, name, text);
}

void draft_put_pairs(struct json_writer *w, const char *name, const struct draft_pairs *pairs) {
    if (pairs->first == NULL)
        return;
    json_put_object(w, name);
    for (const struct draft_pair *p = pairs->first; p != NULL; p = p->next) {
        json_put_key(w, p->key);
        json_put_string(w, NULL, p->value);
    }
    json_put_end(w);
}
