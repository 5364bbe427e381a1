#include "protocol/form.h"

#include <assert.h>
#include <string.h>

#include "base/duration.h"
#include "base/err.h"
#include "base/word.h"

#define FIELDS_MAX 32
#define PATH_MAX_DEPTH 8

static const struct json_value nothing;

struct form_path form_below(const struct form_path *above, const char *name) {
    return (struct form_path){ .above = above, .name = slice_text(name) };
}

struct form_path form_element(const struct form_path *above, size_t index) {
    return (struct form_path){ .above = above, .index = index };
}

void form_path_write(const struct form_path *path, char *to, size_t size) {
    const struct form_path *chain[PATH_MAX_DEPTH];
    struct buffer text;
    size_t count = 0;
    for (; path != NULL && count < PATH_MAX_DEPTH; path = path->above)
        chain[count++] = path;
    buffer_init(&text, 1024);
    while (count-- > 0) {
        if (chain[count]->name.at == NULL) {
            buffer_add_format(&text, "[%zu]", chain[count]->index);
            continue;
        }
        if (text.length > 0)
            buffer_add_byte(&text, '.');
        buffer_add_slice(&text, slice_upto(chain[count]->name, 256));
    }
    problem_note(to, size, buffer_slice(&text));
    buffer_done(&text);
}

void form_blame(struct form *f, const struct form_path *path, struct json_value value,
                enum problem_type type) {
    struct problem *p = f->problem;
    problem_init(p, type);
    form_path_write(path, p->field, sizeof p->field);
    if (value.raw.at == NULL)
        return;
    if (value.kind != JSON_ARRAY && value.kind != JSON_OBJECT)
        PROBLEM_NOTE(p, value, value.raw);
    if (value.raw.at >= f->document.at && value.raw.at < f->document.at + f->document.length)
        json_place(f->document, value.raw.at, &p->line, &p->column);
}

int form_missing(struct form *f, const struct form_path *above, const char *name, const char *why_needed) {
    struct form_path path = form_below(above, name);
    return form_refuse(f, &path, nothing, PROBLEM_MISSING_FIELD, "\"%s\" is missing: %s", name, why_needed);
}

int form_no_memory(struct form *f) {
    problem_init(f->problem, PROBLEM_BUSY);
    return why_set(&f->problem->detail, ERR_MEMORY, "no memory to read the request");
}

int form_begin(struct form *f, struct json_value *root) {
    struct json_report report;
    struct json_value value;
    int failed = json_check(f->document, &value, &report);
    if (failed == ERR_MEMORY)
        return form_no_memory(f);
    if (failed != 0) {
        PROBLEM_SAY(f->problem, PROBLEM_MALFORMED_JSON, "line %zu, column %zu: %s", report.line,
                    report.column, report.say);
        f->problem->line = report.line;
        f->problem->column = report.column;
        return ERR_INVALID;
    }
    if (value.kind != JSON_OBJECT)
        return form_refuse(f, NULL, value, PROBLEM_WRONG_TYPE, "the body must be a JSON object, not %s",
                           json_kind_text(value.kind));
    *root = value;
    return 0;
}

static int refuse_unknown(struct form *f, const struct form_path *path, struct json_value key,
                          const struct form_field *fields, size_t count) {
    const char *names[FIELDS_MAX];
    struct slice written = slice_of(key.raw.at + 1, key.raw.length - 2);
    struct form_path place = { .above = path, .name = written };
    assert(count <= FIELDS_MAX);
    for (size_t i = 0; i < count; i++)
        names[i] = fields[i].name;
    const char *nearest = word_nearest(written, names, count);
    form_blame(f, &place, key, PROBLEM_UNKNOWN_FIELD);
    f->problem->value[0] = '\0';
    PROBLEM_NOTE(f->problem, nearest, slice_text(nearest));
    char name[64];
    problem_note(name, sizeof name, written);
    if (nearest == NULL)
        return why_set(&f->problem->detail, ERR_INVALID, "unknown field \"%s\"", name);
    return why_set(&f->problem->detail, ERR_INVALID, "unknown field \"%s\", did you mean \"%s\"?", name,
                   nearest);
}

/* "a string", "a string or an object", ...: what a field may be. */
static void kinds_text(unsigned kinds, struct buffer *to) {
    static const struct {
        unsigned kind;
        const char *text;
    } words[] = {
        { FORM_STRING, "a string" }, { FORM_NUMBER, "a number" },  { FORM_BOOL, "true or false" },
        { FORM_ARRAY, "an array" },  { FORM_OBJECT, "an object" },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((kinds & words[i].kind) == 0)
            continue;
        if (to->length > 0)
            buffer_add_text(to, " or ");
        buffer_add_text(to, words[i].text);
    }
}

static int refuse_kind(struct form *f, const struct form_path *path, struct json_value value,
                       unsigned kinds) {
    struct buffer wanted;
    buffer_init(&wanted, 256);
    kinds_text(kinds, &wanted);
    form_refuse(f, path, value, PROBLEM_WRONG_TYPE, "must be %.*s, not %s",
                SLICE_PRINT(buffer_slice(&wanted)), json_kind_text(value.kind));
    buffer_done(&wanted);
    return ERR_INVALID;
}

int form_members(struct form *f, const struct form_path *path, struct json_value object,
                 const struct form_field *fields, size_t count, struct json_value *values) {
    struct json_value key;
    struct json_value value;
    assert(object.kind == JSON_OBJECT);
    for (size_t i = 0; i < count; i++)
        values[i] = nothing;
    struct json_cursor cursor = json_cursor_of(object);
    while (json_member_next(&cursor, &key, &value)) {
        size_t i = 0;
        while (i < count && !json_is(key, fields[i].name))
            i++;
        if (i == count)
            return refuse_unknown(f, path, key, fields, count);
        struct form_path place = form_below(path, fields[i].name);
        if ((fields[i].kinds & 1u << value.kind) == 0)
            return refuse_kind(f, &place, value, fields[i].kinds);
        values[i] = value;
    }
    return 0;
}

/* Name the limit that a problem is about. */
static int form_limit(struct form *f, size_t max) {
    struct buffer text;
    buffer_init(&text, 64);
    buffer_add_u64(&text, max);
    PROBLEM_NOTE(f->problem, limit, buffer_slice(&text));
    buffer_done(&text);
    return ERR_INVALID;
}

static bool has_control(struct slice text) {
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
            return true;
    return false;
}

int form_text(struct form *f, const struct form_path *path, struct json_value value, size_t max,
              struct slice *out) {
    struct slice text;
    if (value.kind != JSON_STRING)
        return refuse_kind(f, path, value, FORM_STRING);
    if (json_string(value, f->arena, &text) != 0)
        return form_no_memory(f);
    if (text.length > max) {
        form_refuse(f, path, value, PROBLEM_OVER_LIMIT, "%zu bytes, at most %zu are possible", text.length,
                    max);
        return form_limit(f, max);
    }
    if (has_control(text))
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE, "control characters are not possible here");
    *out = text;
    return 0;
}

bool form_is_name(struct slice text, size_t max) {
    if (text.length == 0 || text.length > max)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != ':' && c != '-')
            return false;
    }
    return true;
}

int form_name(struct form *f, const struct form_path *path, struct json_value value, size_t max,
              struct slice *out) {
    struct slice text;
    if (value.kind != JSON_STRING)
        return refuse_kind(f, path, value, FORM_STRING);
    if (json_string(value, f->arena, &text) != 0)
        return form_no_memory(f);
    if (text.length > max) {
        form_refuse(f, path, value, PROBLEM_OVER_LIMIT, "%zu characters, at most %zu are possible",
                    text.length, max);
        return form_limit(f, max);
    }
    if (!form_is_name(text, max))
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE,
                           "must be 1 to %zu characters, each a letter, a digit or one of . _ : -", max);
    *out = text;
    return 0;
}

int form_duration(struct form *f, const struct form_path *path, struct json_value value, uint32_t least_ms,
                  uint32_t most_ms, uint32_t *out_ms) {
    struct slice text;
    uint64_t ms;
    if (value.kind != JSON_STRING)
        return form_refuse(f, path, value, PROBLEM_WRONG_TYPE,
                           "must be a string such as \"500ms\", \"30s\", \"5m\", \"24h\" or \"7d\", not %s",
                           json_kind_text(value.kind));
    if (json_string(value, f->arena, &text) != 0)
        return form_no_memory(f);
    int failed = duration_parse(text, &ms);
    if (failed == ERR_SYNTAX)
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE,
                           "not a duration: a whole number and a unit, such as \"500ms\", \"30s\", \"5m\", "
                           "\"24h\" or \"7d\"");
    if (failed == 0 && ms >= least_ms && ms <= most_ms) {
        *out_ms = (uint32_t)ms;
        return 0;
    }
    struct buffer bounds;
    buffer_init(&bounds, 64);
    duration_add(&bounds, least_ms);
    buffer_add_text(&bounds, " to ");
    duration_add(&bounds, most_ms);
    form_refuse(f, path, value, PROBLEM_OVER_LIMIT, "must be %.*s", SLICE_PRINT(buffer_slice(&bounds)));
    PROBLEM_NOTE(f->problem, limit, buffer_slice(&bounds));
    buffer_done(&bounds);
    return ERR_INVALID;
}

int form_word(struct form *f, const struct form_path *path, struct json_value value, const char *const *words,
              size_t count, size_t *out) {
    struct buffer list;
    if (value.kind != JSON_STRING)
        return refuse_kind(f, path, value, FORM_STRING);
    for (size_t i = 0; i < count; i++)
        if (json_is(value, words[i])) {
            *out = i;
            return 0;
        }
    buffer_init(&list, 256);
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(&list, i == 0 ? "\"" : i + 1 == count ? " or \"" : ", \"");
        buffer_add_text(&list, words[i]);
        buffer_add_byte(&list, '"');
    }
    form_refuse(f, path, value, PROBLEM_INVALID_VALUE, "must be %.*s", SLICE_PRINT(buffer_slice(&list)));
    const char *nearest = word_nearest(slice_of(value.raw.at + 1, value.raw.length - 2), words, count);
    PROBLEM_NOTE(f->problem, nearest, slice_text(nearest));
    buffer_done(&list);
    return ERR_INVALID;
}

size_t form_count(struct json_value array) {
    struct json_cursor cursor = json_cursor_of(array);
    struct json_value element;
    size_t count = 0;
    while (json_element_next(&cursor, &element))
        count++;
    return count;
}
