#include "protocol/datasource_form.h"

enum {
    MEMBER_URL,
    MEMBER_USER,
    MEMBER_PASSWORD_FILE,
    MEMBER_CONNECTIONS,
    MEMBER_CONNECT_TIMEOUT,
    MEMBER_IDLE,
    MEMBER_DESCRIPTION,
    MEMBERS,
};

static const struct form_field members[MEMBERS] = {
    [MEMBER_URL] = { "url", FORM_STRING },
    [MEMBER_USER] = { "user", FORM_STRING },
    [MEMBER_PASSWORD_FILE] = { "password_file", FORM_STRING },
    [MEMBER_CONNECTIONS] = { "connections", FORM_NUMBER },
    [MEMBER_CONNECT_TIMEOUT] = { "connect_timeout", FORM_STRING },
    [MEMBER_IDLE] = { "idle", FORM_STRING },
    [MEMBER_DESCRIPTION] = { "description", FORM_STRING },
};

static int read_text(struct form *f, const struct json_value *values, unsigned member, size_t max,
                     struct slice *out) {
    struct form_path path = form_below(NULL, members[member].name);
    return form_given(values[member]) ? form_text(f, &path, values[member], max, out) : 0;
}

static int read_duration(struct form *f, const struct json_value *values, unsigned member, uint32_t least_ms,
                         uint32_t most_ms, uint32_t *out_ms) {
    struct form_path path = form_below(NULL, members[member].name);
    return form_given(values[member]) ? form_duration(f, &path, values[member], least_ms, most_ms, out_ms)
                                      : 0;
}

static int read_connections(struct form *f, struct json_value value, uint32_t *out) {
    struct form_path path = form_below(NULL, "connections");
    uint64_t number = 0;
    if (!form_given(value))
        return 0;
    if (json_u64(value, &number) != 0 || number < 1 || number > DATASOURCE_FORM_CONNECTIONS) {
        form_refuse(f, &path, value, PROBLEM_OVER_LIMIT, "must be 1 to %d", DATASOURCE_FORM_CONNECTIONS);
        PROBLEM_NOTE(f->problem, limit, SLICE("1 to 32"));
        return ERR_INVALID;
    }
    *out = (uint32_t)number;
    return 0;
}

int datasource_form_read(struct form *f, struct json_value root, struct datasource_form *out) {
    struct json_value values[MEMBERS];
    struct slice description;
    *out = (struct datasource_form){ .connections = 0 };
    int failed = form_members(f, NULL, root, members, MEMBERS, values);
    if (failed == 0 && !form_given(values[MEMBER_URL]))
        return form_missing(f, NULL, "url",
                            "where the database is, for example postgresql://settle@db1/orders");
    if (failed == 0)
        failed = read_text(f, values, MEMBER_URL, DATASOURCE_FORM_PATH_BYTES, &out->url);
    if (failed == 0)
        failed = read_text(f, values, MEMBER_USER, DATASOURCE_FORM_USER_BYTES, &out->user);
    if (failed == 0)
        failed = read_text(f, values, MEMBER_PASSWORD_FILE, DATASOURCE_FORM_PATH_BYTES, &out->password_file);
    if (failed == 0)
        failed = read_connections(f, values[MEMBER_CONNECTIONS], &out->connections);
    if (failed == 0)
        failed = read_duration(f, values, MEMBER_CONNECT_TIMEOUT, DATASOURCE_FORM_CONNECT_MS_MIN,
                               DATASOURCE_FORM_CONNECT_MS_MAX, &out->connect_ms);
    if (failed == 0)
        failed = read_duration(f, values, MEMBER_IDLE, DATASOURCE_FORM_IDLE_MS_MIN,
                               DATASOURCE_FORM_IDLE_MS_MAX, &out->idle_ms);
    return failed == 0 ? read_text(f, values, MEMBER_DESCRIPTION, DATASOURCE_FORM_TEXT_BYTES, &description)
                       : failed;
}

int datasource_form_reread(struct slice source, struct arena *arena, struct datasource_form *out) {
    struct problem problem;
    struct form f = { .document = source, .arena = arena, .problem = &problem };
    struct json_value root;
    int failed = form_begin(&f, &root);
    return failed == 0 ? datasource_form_read(&f, root, out) : failed;
}
