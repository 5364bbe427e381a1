#include "protocol/command_form.h"

#include <assert.h>

#include "base/json.h"
#include "base/limits.h"
#include "protocol/form.h"
#include "protocol/routes.h"

#define FIELDS_MAX 3
#define TOKEN_NAME_BYTES 64

/* The members of each command, those that are required first. */
static const struct {
    size_t count;
    size_t required;
    struct form_field fields[FIELDS_MAX];
} members[COMMAND_KIND_COUNT] = {
    [COMMAND_REASON] = { 1, 0, { { "reason", FORM_STRING } } },
    [COMMAND_FORCE] = { 2, 2, { { "decision", FORM_STRING }, { "reason", FORM_STRING } } },
    [COMMAND_RESOLVE] = { 3,
                          1,
                          { { "reason", FORM_STRING },
                            { "as", FORM_STRING },
                            { "operation", FORM_STRING } } },
    [COMMAND_TOKEN] = { 3,
                        2,
                        { { "name", FORM_STRING }, { "roles", FORM_ARRAY }, { "expires", FORM_STRING } } },
    [COMMAND_ROTATE] = { 1, 0, { { "overlap", FORM_STRING } } },
};

static const char *why_needed(const char *name) {
    static const char *const reasons[][2] = {
        { "decision", "\"commit\" or \"rollback\"" },
        { "reason", "whoever overrides must say why; it stands in the timeline and in the audit for ever" },
        { "name", "who will use the token; it stands in the audit" },
        { "roles", "a list such as [\"operator\"]" },
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (slice_is(slice_text(name), reasons[i][0]))
            return reasons[i][1];
    assert(!"every required member has a reason");
    return "";
}

static int read_reason(struct form *f, const struct form_path *path, struct json_value value,
                       struct slice *out) {
    struct slice reason;
    int failed = form_text(f, path, value, LIMIT_REASON_BYTES, &reason);
    if (failed != 0)
        return failed;
    *out = slice_trim(reason);
    return 0;
}

static const char *const role_words[] = { "viewer",   "producer", "consumer", "receiver",
                                          "operator", "approver", "admin" };

static int read_roles(struct form *f, const struct form_path *path, struct json_value value, uint32_t *out) {
    struct json_cursor cursor = json_cursor_of(value);
    struct json_value element;
    uint32_t roles = 0;
    size_t index = 0;
    while (json_element_next(&cursor, &element)) {
        struct form_path place = form_element(path, index++);
        size_t word;
        int failed =
            form_word(f, &place, element, role_words, sizeof role_words / sizeof role_words[0], &word);
        if (failed != 0)
            return failed;
        roles |= 1u << word;
    }
    if (roles == 0)
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE, "at least one role is needed");
    *out = roles;
    return 0;
}

/* One member, known to be given. */
static int read_member(struct form *f, const char *name, struct json_value value, struct command *c) {
    static const char *const decisions[] = { "commit", "rollback" };
    static const char *const ends[] = { "done", "refused" };
    struct form_path path = form_below(NULL, name);
    struct slice text = slice_text(name);
    size_t word = 0;
    int failed;
    if (slice_is(text, "reason"))
        return read_reason(f, &path, value, &c->reason);
    if (slice_is(text, "decision")) {
        failed = form_word(f, &path, value, decisions, 2, &word);
        c->decision = word == 0 ? DECISION_COMMIT : DECISION_ROLLBACK;
        return failed;
    }
    if (slice_is(text, "as")) {
        failed = form_word(f, &path, value, ends, 2, &word);
        c->not_done = word == 1;
        return failed;
    }
    if (slice_is(text, "operation"))
        return form_name(f, &path, value, TOKEN_NAME_BYTES, &c->operation);
    if (slice_is(text, "name"))
        return form_name(f, &path, value, TOKEN_NAME_BYTES, &c->name);
    if (slice_is(text, "roles"))
        return read_roles(f, &path, value, &c->roles);
    if (slice_is(text, "expires"))
        return form_duration(f, &path, value, 1000, COMMAND_EXPIRES_MS_MAX, &c->expires_ms);
    return form_duration(f, &path, value, 0, COMMAND_OVERLAP_MS_MAX, &c->overlap_ms);
}

int command_form_decode(struct slice body, enum command_kind kind, struct arena *arena, struct command *out,
                        struct problem *problem) {
    struct command made = { .overlap_ms = COMMAND_OVERLAP_MS_DEFAULT };
    struct form f = { .document = body.length == 0 ? SLICE("{}") : body, .arena = arena, .problem = problem };
    struct json_value root;
    struct json_value values[FIELDS_MAX];
    assert((unsigned)kind < COMMAND_KIND_COUNT);
    const struct form_field *fields = members[kind].fields;
    int failed = form_begin(&f, &root);
    if (failed == 0)
        failed = form_members(&f, NULL, root, fields, members[kind].count, values);
    for (size_t i = 0; failed == 0 && i < members[kind].count; i++) {
        if (form_given(values[i]))
            failed = read_member(&f, fields[i].name, values[i], &made);
        else if (i < members[kind].required)
            failed = form_missing(&f, NULL, fields[i].name, why_needed(fields[i].name));
    }
    if (failed != 0)
        return failed;
    if ((kind == COMMAND_FORCE || kind == COMMAND_RESOLVE) && made.reason.length == 0) {
        struct form_path reason = form_below(NULL, "reason");
        struct json_value given = values[kind == COMMAND_FORCE ? 1 : 0];
        return form_refuse(&f, &reason, given, PROBLEM_INVALID_VALUE, "the reason must not be empty");
    }
    *out = made;
    return 0;
}
