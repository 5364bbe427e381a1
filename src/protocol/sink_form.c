#include "protocol/sink_form.h"

#include <string.h>

#include "base/limits.h"
#include "wire/sink_target.h"

enum kind {
    KIND_STOMP,
    KIND_RABBITMQ,
    KIND_KAFKA,
    KIND_ROCKETMQ,
    KINDS,
};

enum {
    MEMBERS_MAX = 8, /* of one kind, url included */
};

/* What a member becomes in the line. */
enum place {
    PLACE_URL,
    PLACE_PATH,
    PLACE_PARAMETER,  /* name=value */
    PLACE_TRUE_FALSE, /* a bool, spelled true or false */
    PLACE_YES_NO,     /* a bool, spelled yes or no */
};

static const char *const kind_words[KINDS] = { "stomp", "rabbitmq", "kafka", "rocketmq" };

/* Each kind's url has the kind as its scheme, or with an s behind it for TLS. */
static const struct {
    const char *name; /* NULL: no more */
    enum place place;
} members[KINDS][MEMBERS_MAX] = {
    [KIND_STOMP] = { { "url", PLACE_URL },
                     { "destination", PLACE_PARAMETER },
                     { "vhost", PLACE_PARAMETER },
                     { "persistent", PLACE_TRUE_FALSE },
                     { "password_file", PLACE_PARAMETER } },
    [KIND_RABBITMQ] = { { "url", PLACE_URL },
                        { "vhost", PLACE_PATH },
                        { "exchange", PLACE_PARAMETER },
                        { "routing_key", PLACE_PARAMETER },
                        { "queue", PLACE_PARAMETER },
                        { "password_file", PLACE_PARAMETER } },
    [KIND_KAFKA] = { { "url", PLACE_URL },
                     { "topic", PLACE_PATH },
                     { "sasl", PLACE_PARAMETER },
                     { "compression", PLACE_PARAMETER },
                     { "password_file", PLACE_PARAMETER } },
    [KIND_ROCKETMQ] = { { "url", PLACE_URL },
                        { "topic", PLACE_PATH },
                        { "group", PLACE_PARAMETER },
                        { "tag", PLACE_PARAMETER },
                        { "create", PLACE_YES_NO },
                        { "accept_weak", PLACE_YES_NO },
                        { "password_file", PLACE_PARAMETER } },
};

static bool is_flag(enum place place) {
    return place == PLACE_TRUE_FALSE || place == PLACE_YES_NO;
}

static int read_url(struct form *f, const struct form_path *path, enum kind kind, struct json_value value,
                    struct sink_target *t) {
    struct why why = { .text = "" };
    struct slice text, name = slice_text(kind_words[kind]);
    if (json_string(value, f->arena, &text) != 0)
        return form_no_memory(f);
    int failed = sink_target_decode(text, f->arena, t, &why);
    if (failed == ERR_MEMORY)
        return form_no_memory(f);
    if (failed != 0)
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE, "%s", why.text);
    bool tls = t->scheme.length == name.length + 1 && slice_ends(t->scheme, "s");
    if (!slice_equal(slice_upto(t->scheme, t->scheme.length - tls), name))
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE, "must begin with %s:// or, for TLS, %ss://",
                           kind_words[kind], kind_words[kind]);
    return 0;
}

static int add_text(struct form *f, const struct form_path *path, const char *name, struct json_value value,
                    enum place place, struct sink_target *t) {
    struct slice text;
    bool yes = false;
    if (is_flag(place)) {
        (void)json_bool(value, &yes);
        text = place == PLACE_YES_NO ? slice_text(yes ? "yes" : "no") : slice_text(yes ? "true" : "false");
    } else {
        int failed = form_text(f, path, value, LIMIT_URL_BYTES, &text);
        if (failed != 0)
            return failed;
    }
    bool twice = place == PLACE_PATH && t->path.length > 0;
    for (size_t i = 0; i < t->parameter_count; i++)
        twice |= place != PLACE_PATH && slice_is(t->parameters[i].name, name);
    if (twice)
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE, "the url says this already");
    if (place == PLACE_PATH)
        t->path = text;
    else if (t->parameter_count == SINK_TARGET_PARAMETERS)
        return form_refuse(f, path, value, PROBLEM_OVER_LIMIT, "the url has too many parameters");
    else
        t->parameters[t->parameter_count++] = (struct sink_target_parameter){ slice_text(name), text };
    return 0;
}

static int write_line(struct form *f, const struct form_path *path, struct json_value value,
                      const struct sink_target *t, struct slice *line) {
    struct sink_target back;
    struct buffer text;
    struct why why = { .text = "" };
    buffer_init(&text, LIMIT_URL_BYTES);
    sink_target_encode(&text, t);
    int failed = buffer_failed(&text);
    if (failed == 0)
        failed = arena_copy(f->arena, buffer_slice(&text), line);
    buffer_done(&text);
    if (failed == ERR_LIMIT) {
        form_refuse(f, path, value, PROBLEM_OVER_LIMIT, "as one line it has more than %d bytes",
                    LIMIT_URL_BYTES);
        PROBLEM_NOTE(f->problem, limit, SLICE("2048"));
        return ERR_INVALID;
    }
    if (failed == 0)
        failed = sink_target_decode(*line, f->arena, &back, &why);
    if (failed == ERR_MEMORY)
        return form_no_memory(f);
    return failed == 0 ? 0 : form_refuse(f, path, value, PROBLEM_INVALID_VALUE, "%s", why.text);
}

static int read_kind(struct form *f, const struct form_path *path, enum kind kind, struct json_value value,
                     struct slice *line, struct json_value *url) {
    struct form_field fields[MEMBERS_MAX];
    struct json_value values[MEMBERS_MAX];
    struct sink_target t = { .host_count = 0 };
    size_t count = 0;
    for (; count < MEMBERS_MAX && members[kind][count].name != NULL; count++)
        fields[count] = (struct form_field){ members[kind][count].name,
                                             is_flag(members[kind][count].place) ? FORM_BOOL : FORM_STRING };
    int failed = form_members(f, path, value, fields, count, values);
    struct form_path place = form_below(path, "url");
    if (failed == 0 && !form_given(values[0]))
        return form_missing(f, path, "url", "where the broker is");
    if (failed == 0)
        failed = read_url(f, &place, kind, values[0], &t);
    for (size_t i = 1; failed == 0 && i < count; i++) {
        struct form_path member = form_below(path, fields[i].name);
        if (form_given(values[i]))
            failed = add_text(f, &member, fields[i].name, values[i], members[kind][i].place, &t);
    }
    *url = values[0];
    return failed == 0 ? write_line(f, path, value, &t, line) : failed;
}

int sink_form_read(struct form *f, const struct form_path *above, struct json_value value, struct slice *line,
                   struct json_value *url) {
    static const struct form_field kinds[KINDS] = { { "stomp", FORM_OBJECT },
                                                    { "rabbitmq", FORM_OBJECT },
                                                    { "kafka", FORM_OBJECT },
                                                    { "rocketmq", FORM_OBJECT } };
    struct form_path path = form_below(above, "sink");
    struct json_value values[KINDS];
    int kind = -1;
    int failed = form_members(f, &path, value, kinds, KINDS, values);
    if (failed != 0)
        return failed;
    for (int i = 0; i < KINDS; i++) {
        if (!form_given(values[i]))
            continue;
        if (kind >= 0)
            return form_refuse(f, &path, value, PROBLEM_INVALID_VALUE,
                               "\"%s\" and \"%s\" exclude each other: a subscription has one sink",
                               kind_words[kind], kind_words[i]);
        kind = i;
    }
    if (kind < 0)
        return form_refuse(f, &path, value, PROBLEM_INVALID_VALUE,
                           "say which: \"stomp\", \"rabbitmq\", \"kafka\" or \"rocketmq\"");
    struct form_path place = form_below(&path, kind_words[kind]);
    return read_kind(f, &place, (enum kind)kind, values[kind], line, url);
}
