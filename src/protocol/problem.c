#include "protocol/problem.h"

#include <assert.h>
#include <string.h>

#include "base/utf8.h"

static const struct problem_row rows[PROBLEM_COUNT] = {
#define PROBLEM(name, slug, http, retry, title, text) { "/problems/" slug, http, retry, title, text },
#include "protocol/problem.def"
#undef PROBLEM
};

const struct problem_row *problem_row(enum problem_type type) {
    assert((unsigned)type < PROBLEM_COUNT);
    return &rows[type];
}

int problem_type(struct slice slug) {
    for (int i = 0; i < PROBLEM_COUNT; i++)
        if (slice_is(slug, rows[i].path + strlen("/problems/")))
            return i;
    return -1;
}

void problem_init(struct problem *p, enum problem_type type) {
    assert((unsigned)type < PROBLEM_COUNT);
    *p = (struct problem){ .type = type };
}

void problem_note(char *member, size_t size, struct slice text) {
    size_t used = 0;
    assert(size > 0);
    const char *end = text.length == 0 ? text.at : text.at + text.length;
    for (const char *at = text.at; at < end;) {
        size_t length = utf8_length(at, end);
        bool odd = length == 0 || (unsigned char)*at < 0x20 || *at == 0x7f;
        length = length == 0 ? 1 : length;
        if (used + length >= size)
            break;
        if (odd)
            member[used++] = '?';
        else
            for (size_t i = 0; i < length; i++)
                member[used++] = at[i];
        at += length;
    }
    member[used] = '\0';
}

uint16_t problem_http(const struct problem *p) {
    return problem_row(p->type)->http;
}

static void put_if_set(struct json_writer *w, const char *name, const char *text) {
    if (text[0] != '\0')
        json_put_text(w, name, text);
}

void problem_render(const struct problem *p, struct slice instance, struct slice trace_id,
                    struct buffer *to) {
    const struct problem_row *row = problem_row(p->type);
    struct json_writer w;
    json_writer_init(&w, to);
    json_put_object(&w, NULL);
    json_put_text(&w, "type", row->path);
    json_put_text(&w, "title", row->title);
    json_put_u64(&w, "status", row->http);
    json_put_text(&w, "detail", p->detail.text[0] == '\0' ? row->title : p->detail.text);
    if (instance.length > 0)
        json_put_string(&w, "instance", instance);
    put_if_set(&w, "field", p->field);
    put_if_set(&w, "value", p->value);
    put_if_set(&w, "nearest", p->nearest);
    put_if_set(&w, "limit", p->limit);
    put_if_set(&w, "setting", p->setting);
    put_if_set(&w, "role", p->role);
    put_if_set(&w, "allow", p->allow);
    if (p->decision != NULL)
        json_put_text(&w, "decision", p->decision);
    if (p->line > 0) {
        json_put_u64(&w, "line", p->line);
        json_put_u64(&w, "column", p->column);
    }
    json_put_bool(&w, "retry", row->retry);
    if (trace_id.length > 0)
        json_put_string(&w, "trace_id", trace_id);
    json_put_end(&w);
}

void problem_page(enum problem_type type, struct buffer *to) {
    const struct problem_row *row = problem_row(type);
    buffer_add_format(to,
                      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>%s</title>\n"
                      "<h1>%s</h1>\n<p>HTTP status %u, problem type <code>%s</code></p>\n<p>%s</p>\n"
                      "<p>%s</p>\n</html>\n",
                      row->title, row->title, row->http, row->path, row->text,
                      row->retry ? "Repeating the same request may help."
                                 : "Repeating the same request does not help.");
}
