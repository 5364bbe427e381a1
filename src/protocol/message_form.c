#include "protocol/message_form.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "protocol/call_form.h"
#include "protocol/canon.h"
#include "protocol/label_form.h"
#include "wire/header_value.h"
#include "wire/http1.h"
#include "wire/sink_target.h"

enum {
    ROOT_ID = CONTENT_FIELDS,
    ROOT_LABELS,
    ROOT_STATE,
    ROOT_CHECK,
    ROOT_FIELDS,
};

static const struct form_field root_fields[ROOT_FIELDS] = {
    MESSAGE_CONTENT_MEMBERS,
    [ROOT_ID] = { "id", FORM_STRING },
    [ROOT_LABELS] = { "labels", FORM_OBJECT },
    [ROOT_STATE] = { "state", FORM_STRING },
    [ROOT_CHECK] = { "check", FORM_OBJECT },
};

/* One request being read. */
struct message_form {
    struct form form;
    const struct message_options *options;
    struct digest digest;
    struct message_request message;
    struct branch_request check;
    struct transaction_request request;
};

/* --- what it carries --- */

bool message_is_json(struct slice content_type) {
    struct slice essence;
    if (header_value_content_type(content_type, &essence) != 0)
        return false;
    if (slice_is_nocase(essence, "application/json"))
        return true;
    return essence.length > 5 && slice_is_nocase(slice_from(essence, essence.length - 5), "+json");
}

static int read_content_type(struct form *f, const struct form_path *above, struct json_value value,
                             bool must_be_json, struct slice *out) {
    struct form_path path = form_below(above, "content_type");
    struct slice text, essence;
    int failed = form_text(f, &path, value, LIMIT_NAME_BYTES, &text);
    if (failed != 0)
        return failed;
    if (header_value_content_type(text, &essence) != 0)
        return form_refuse(f, &path, value, PROBLEM_INVALID_VALUE,
                           "must be a media type such as \"text/plain; charset=utf-8\"");
    if (must_be_json && !message_is_json(text))
        return form_refuse(f, &path, value, PROBLEM_INVALID_VALUE,
                           "\"body\" is JSON, and this type is not; send other bytes as \"body_base64\"");
    *out = text;
    return 0;
}

static int refuse_size(struct form *f, const struct form_path *path, struct json_value value, size_t bytes) {
    form_refuse(f, path, value, PROBLEM_TOO_LARGE,
                "the body has %zu bytes, at most %d are possible; send a reference to large documents", bytes,
                LIMIT_BRANCH_PAYLOAD_BYTES);
    PROBLEM_NOTE(f->problem, limit, SLICE("256KiB"));
    f->problem->value[0] = '\0';
    return ERR_INVALID;
}

static int read_base64(struct form *f, const struct form_path *above, struct json_value value,
                       struct slice *out) {
    struct form_path path = form_below(above, "body_base64");
    struct buffer bytes;
    struct slice text;
    if (json_string(value, f->arena, &text) != 0)
        return form_no_memory(f);
    buffer_init(&bytes, LIMIT_BRANCH_PAYLOAD_BYTES);
    int failed = digest_parse_base64(text, &bytes, BASE64_STANDARD);
    if (failed == 0)
        failed = arena_copy(f->arena, buffer_slice(&bytes), out);
    buffer_done(&bytes);
    if (failed == 0)
        return 0;
    if (failed == ERR_LIMIT)
        return refuse_size(f, &path, value, text.length / 4 * 3);
    return failed == ERR_MEMORY
               ? form_no_memory(f)
               : form_refuse(f, &path, value, PROBLEM_INVALID_VALUE,
                             "not base64: the standard alphabet with = at its end, without blanks");
}

int message_body_read(struct form *f, const struct form_path *above, const struct json_value *values,
                      struct slice *body, struct slice *content_type) {
    struct json_value json = values[CONTENT_BODY];
    struct json_value other = values[CONTENT_BODY_BASE64];
    int failed = 0;
    if (form_given(json) && form_given(other)) {
        struct form_path path = form_below(above, "body_base64");
        return form_refuse(f, &path, other, PROBLEM_INVALID_VALUE,
                           "\"body\" and \"body_base64\" exclude each other");
    }
    *body = json.raw;
    *content_type = form_given(json) ? SLICE("application/json") : SLICE("application/octet-stream");
    if (json.raw.length > LIMIT_BRANCH_PAYLOAD_BYTES) {
        struct form_path path = form_below(above, "body");
        return refuse_size(f, &path, json, json.raw.length);
    }
    if (form_given(other))
        failed = read_base64(f, above, other, body);
    if (failed == 0 && form_given(values[CONTENT_TYPE]))
        failed = read_content_type(f, above, values[CONTENT_TYPE], form_given(json), content_type);
    return failed;
}

static bool begins_with(struct slice name, const char *beginning) {
    size_t length = strlen(beginning);
    return name.length >= length && slice_is_nocase(slice_upto(name, length), beginning);
}

/* Names that belong to the connection, or to settled itself. */
static bool is_reserved(struct slice name) {
    static const char *const words[] = { "connection",
                                         "keep-alive",
                                         "te",
                                         "trailer",
                                         "transfer-encoding",
                                         "upgrade",
                                         "host",
                                         "content-length",
                                         "content-type",
                                         "idempotency-key",
                                         "expect",
                                         "user-agent",
                                         "traceparent",
                                         "tracestate",
                                         "proxy-connection" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_is_nocase(name, words[i]))
            return true;
    return begins_with(name, "settle-") || begins_with(name, "webhook-") || begins_with(name, "proxy-");
}

int message_headers_read(struct form *f, const struct form_path *above, struct json_value value,
                         struct digest *digest, struct message_request *out) {
    static const struct label_form form = { "headers", "header", LIMIT_MESSAGE_HEADERS, LIMIT_NAME_BYTES,
                                            LIMIT_MESSAGE_HEADER_BYTES };
    struct form_path path = form_below(above, "headers");
    size_t bytes = 0;
    int failed =
        label_form_object(f, above, &form, digest, value, &out->head.headers, &out->head.header_count);
    for (size_t i = 0; failed == 0 && i < out->head.header_count; i++) {
        const struct label *header = &out->head.headers[i];
        struct form_path place = { .above = &path, .name = header->key };
        bytes += header->key.length + header->value.length;
        if (!http1_is_token(header->key))
            return form_refuse(f, &place, value, PROBLEM_INVALID_VALUE,
                               "a header's name has letters, digits and hyphens");
        if (is_reserved(header->key))
            return form_refuse(f, &place, value, PROBLEM_INVALID_VALUE,
                               "this header is set by settled or belongs to the connection; choose another");
    }
    if (failed == 0 && bytes > LIMIT_MESSAGE_HEADER_BYTES) {
        form_refuse(f, &path, value, PROBLEM_OVER_LIMIT, "all headers together have %zu bytes, at most %d",
                    bytes, LIMIT_MESSAGE_HEADER_BYTES);
        PROBLEM_NOTE(f->problem, limit, SLICE("4096"));
        return ERR_INVALID;
    }
    return failed;
}

static int read_key(struct form *f, const struct form_path *above, struct json_value value,
                    struct slice *out) {
    struct form_path path = form_below(above, "key");
    int failed = form_given(value) ? form_text(f, &path, value, LIMIT_KEY_BYTES, out) : 0;
    if (failed == 0 && form_given(value) && out->length == 0)
        return form_refuse(f, &path, value, PROBLEM_INVALID_VALUE,
                           "an empty key orders nothing; leave it out");
    return failed;
}

int message_content_read(struct form *f, const struct form_path *above, const struct json_value *values,
                         struct digest *digest, struct message_request *out) {
    struct form_path topic = form_below(above, "topic");
    struct form_path delay = form_below(above, "delay");
    if (!form_given(values[CONTENT_TOPIC]))
        return form_missing(f, above, "topic", "subscriptions get what is published under their topic");
    int failed = form_name(f, &topic, values[CONTENT_TOPIC], LIMIT_TOPIC_BYTES, &out->head.topic);
    if (failed == 0)
        failed = read_key(f, above, values[CONTENT_KEY], &out->head.key);
    if (failed == 0)
        failed = message_body_read(f, above, values, &out->body, &out->head.content_type);
    if (failed == 0 && form_given(values[CONTENT_DELAY]))
        failed =
            form_duration(f, &delay, values[CONTENT_DELAY], 0, SUBMISSION_DEADLINE_MS_MAX, &out->delay_ms);
    if (failed != 0)
        return failed;
    canon_text(digest, 't', out->head.topic);
    canon_text(digest, 'k', out->head.key);
    canon_text(digest, 'b', out->body);
    canon_text(digest, 'c', out->head.content_type);
    canon_number(digest, 'd', out->delay_ms);
    return message_headers_read(f, above, values[CONTENT_HEADERS], digest, out);
}

/* --- the check-back --- */

enum {
    CHECK_AFTER,
    CHECK_EVERY,
    CHECK_MAX,
    CHECK_TRIES,
    CHECK_TIMEOUT,
    CHECK_HTTP,
    CHECK_PG,
    CHECK_MARKER,
    CHECK_FIELDS,
};

static const struct form_field check_fields[CHECK_FIELDS] = {
    [CHECK_AFTER] = { "after", FORM_STRING },     [CHECK_EVERY] = { "every", FORM_STRING },
    [CHECK_MAX] = { "max", FORM_STRING },         [CHECK_TRIES] = { "tries", FORM_NUMBER },
    [CHECK_TIMEOUT] = { "timeout", FORM_STRING }, [CHECK_HTTP] = { "http", FORM_STRING },
    [CHECK_PG] = { "pg", FORM_OBJECT },           [CHECK_MARKER] = { "marker", FORM_OBJECT },
};

static const struct form_path check_path = { .name = { "check", 5 } };

/* When it asks. */
static int read_times(struct message_form *m, const struct json_value *values) {
    static const uint32_t bounds[][2] = {
        [CHECK_AFTER] = { 0, SUBMISSION_RETRY_MS_MAX },
        [CHECK_EVERY] = { LIMIT_RETRY_FIRST_MS_MIN, SUBMISSION_RETRY_MS_MAX },
        [CHECK_MAX] = { LIMIT_RETRY_FIRST_MS_MIN, SUBMISSION_RETRY_MS_MAX },
        [CHECK_TIMEOUT] = { LIMIT_CALL_TIMEOUT_MS_MIN, LIMIT_CALL_TIMEOUT_MS_MAX },
    };
    struct retry_policy *retry = &m->check.retry;
    uint32_t *const times[] = { [CHECK_AFTER] = &m->message.check_after_ms,
                                [CHECK_EVERY] = &retry->first_ms,
                                [CHECK_MAX] = &retry->max_ms,
                                [CHECK_TIMEOUT] = &m->check.to[ROLE_FORWARD].timeout_ms };
    for (unsigned field = CHECK_AFTER; field <= CHECK_TIMEOUT; field++) {
        struct form_path path = form_below(&check_path, check_fields[field].name);
        if (field == CHECK_TRIES || !form_given(values[field]))
            continue;
        int failed =
            form_duration(&m->form, &path, values[field], bounds[field][0], bounds[field][1], times[field]);
        if (failed != 0)
            return failed;
        canon_number(&m->digest, (char)('0' + field), *times[field]);
    }
    if (retry->max_ms >= retry->first_ms)
        return 0;
    if (form_given(values[CHECK_MAX])) {
        struct form_path path = form_below(&check_path, "max");
        return form_refuse(&m->form, &path, values[CHECK_MAX], PROBLEM_INVALID_VALUE,
                           "\"max\" must not be shorter than \"every\"");
    }
    retry->max_ms = retry->first_ms;
    return 0;
}

static int read_tries(struct message_form *m, struct json_value value) {
    struct form_path path = form_below(&check_path, "tries");
    uint64_t tries = 0;
    if (!form_given(value))
        return 0;
    if (json_u64(value, &tries) != 0 || tries < 1 || tries > MESSAGE_CHECK_TRIES_MAX) {
        form_refuse(&m->form, &path, value, PROBLEM_OVER_LIMIT, "must be 1 to %u", MESSAGE_CHECK_TRIES_MAX);
        PROBLEM_NOTE(m->form.problem, limit, SLICE("1 to 1000000"));
        return ERR_INVALID;
    }
    m->message.check_tries = (uint32_t)tries;
    canon_number(&m->digest, '3', tries);
    return 0;
}

static int read_http(struct message_form *m, struct json_value value) {
    struct form_path path = form_below(&check_path, "http");
    const struct submission_options *common = m->options->common;
    struct call_draft draft = { .timeout_ms = 0 };
    int failed = call_form_endpoint(&m->form, &path, value, &draft);
    if (failed == 0)
        failed = call_form_judge(&m->form, common->judge, common->judge_self, &path, value, draft.url);
    if (failed != 0)
        return failed;
    m->check.to[ROLE_FORWARD].url = draft.url;
    canon_text(&m->digest, 'h', draft.url);
    return 0;
}

static int read_datasource(struct message_form *m, const struct form_path *above, struct json_value value,
                           struct slice *name) {
    struct form_path path = form_below(above, "datasource");
    if (!form_given(value))
        return form_missing(&m->form, above, "datasource", "the one that the producer's transaction is in");
    int failed = form_name(&m->form, &path, value, LIMIT_TOPIC_BYTES, name);
    if (failed != 0)
        return failed;
    if (m->options->has_datasource(m->options->common->judge_self, *name))
        return 0;
    return form_refuse(&m->form, &path, value, PROBLEM_INVALID_VALUE,
                       "there is no datasource \"%.*s\"; define it first", SLICE_PRINT(*name));
}

/* SYSTEM/TIMELINE/EPOCH, numbers: what sink/database/datasource_sink.h compares. */
static bool is_system(struct slice text) {
    size_t parts = 0;
    for (bool more = true; more && parts < 4; parts++) {
        size_t slash = slice_find(text, '/');
        uint64_t number;
        if (slice_u64(slice_upto(text, slash), &number) != 0)
            return false;
        more = slash < text.length;
        text = slice_from(text, slash + 1);
    }
    return parts == 3;
}

static int read_xid(struct message_form *m, const struct json_value *values, struct sink_target *t) {
    struct form_path above = form_below(&check_path, "pg");
    struct form_path xid = form_below(&above, "xid");
    struct form_path system = form_below(&above, "system");
    uint64_t number = 0;
    if (!form_given(values[1]))
        return form_missing(&m->form, &above, "xid", "what pg_current_xact_id() says in the transaction");
    if (!form_given(values[2]))
        return form_missing(&m->form, &above, "system",
                            "what the producer read with it: SYSTEM/TIMELINE/EPOCH");
    int failed = form_text(&m->form, &xid, values[1], 20, &t->parameters[0].value);
    if (failed == 0 && (slice_u64(t->parameters[0].value, &number) != 0 || number < 3))
        failed = form_refuse(&m->form, &xid, values[1], PROBLEM_INVALID_VALUE,
                             "must be a transaction id in decimal, as pg_current_xact_id() says it");
    if (failed == 0)
        failed = form_text(&m->form, &system, values[2], 64, &t->parameters[1].value);
    if (failed == 0 && !is_system(t->parameters[1].value))
        failed = form_refuse(
            &m->form, &system, values[2], PROBLEM_INVALID_VALUE,
            "must be SYSTEM/TIMELINE/EPOCH, as the producer read it beside the transaction id, such as "
            "\"7231018450283743821/1/1767780000000000\"");
    return failed;
}

/* The line by which the datasource's sink is asked. */
static int write_target(struct message_form *m, const struct form_path *path, struct json_value value,
                        const struct sink_target *t) {
    struct sink_target back;
    struct buffer line;
    struct why why = { .text = "" };
    struct slice *url = &m->check.to[ROLE_FORWARD].url;
    buffer_init(&line, LIMIT_URL_BYTES);
    sink_target_encode(&line, t);
    int failed = buffer_failed(&line);
    if (failed == 0)
        failed = arena_copy(m->form.arena, buffer_slice(&line), url);
    buffer_done(&line);
    if (failed == 0)
        failed = sink_target_decode(*url, m->form.arena, &back, &why);
    if (failed == ERR_MEMORY)
        return form_no_memory(&m->form);
    if (failed != 0)
        return form_refuse(&m->form, path, value, PROBLEM_INVALID_VALUE, "%s", why.text);
    canon_text(&m->digest, 'h', *url);
    return 0;
}

static int read_database(struct message_form *m, unsigned field, struct json_value value) {
    static const struct form_field fields[] = { { "datasource", FORM_STRING },
                                                { "xid", FORM_STRING },
                                                { "system", FORM_STRING } };
    struct form_path path = form_below(&check_path, check_fields[field].name);
    struct json_value values[3];
    struct sink_target t = { .scheme = SLICE("datasource"), .host_count = 1 };
    t.path = slice_text(check_fields[field].name);
    int failed = form_members(&m->form, &path, value, fields, field == CHECK_PG ? 3 : 1, values);
    if (failed == 0)
        failed = read_datasource(m, &path, values[0], &t.hosts[0].name);
    if (failed == 0 && field == CHECK_PG) {
        t.parameters[0].name = SLICE("xid");
        t.parameters[1].name = SLICE("system");
        t.parameter_count = 2;
        failed = read_xid(m, values, &t);
    }
    struct form_path name = form_below(&path, "datasource");
    return failed == 0 ? write_target(m, &name, values[0], &t) : failed;
}

static int read_check(struct message_form *m, struct json_value value) {
    struct json_value values[CHECK_FIELDS];
    unsigned how = CHECK_FIELDS;
    m->check = (struct branch_request){
        .id = SLICE(MESSAGE_CHECK_BRANCH),
        .to[ROLE_FORWARD].timeout_ms = m->options->common->call_timeout_ms,
        .retry = { .first_ms = MESSAGE_CHECK_EVERY_MS,
                   .factor_percent = 200,
                   .max_ms = MESSAGE_CHECK_MAX_MS,
                   .then = GIVE_UP_ATTENTION },
    };
    m->message.check_after_ms = MESSAGE_CHECK_AFTER_MS;
    int failed = form_members(&m->form, &check_path, value, check_fields, CHECK_FIELDS, values);
    for (unsigned field = CHECK_HTTP; failed == 0 && field <= CHECK_MARKER; field++) {
        struct form_path path = form_below(&check_path, check_fields[field].name);
        if (!form_given(values[field]))
            continue;
        if (how != CHECK_FIELDS)
            return form_refuse(&m->form, &path, values[field], PROBLEM_INVALID_VALUE,
                               "\"http\", \"pg\" and \"marker\" exclude each other");
        how = field;
    }
    if (failed == 0)
        failed = read_times(m, values);
    if (failed == 0)
        failed = read_tries(m, values[CHECK_TRIES]);
    if (failed != 0)
        return failed;
    if (how == CHECK_FIELDS)
        return form_missing(&m->form, &check_path, "http", "say how to ask: \"http\", \"pg\" or \"marker\"");
    canon_number(&m->digest, 'H', how);
    return how == CHECK_HTTP ? read_http(m, values[how]) : read_database(m, how, values[how]);
}

/* --- the whole --- */

int message_id_read(struct form *f, struct json_value value, struct digest *digest, struct slice *out) {
    struct form_path path = form_below(NULL, "id");
    struct slice id = SLICE_NONE;
    if (form_given(value) && json_string(value, f->arena, &id) != 0)
        return form_no_memory(f);
    if (form_given(value) && !submission_is_gid(id))
        return form_refuse(f, &path, value, PROBLEM_INVALID_GID,
                           "an id has 1 to %d characters, each a letter, a digit or one of . _ : - (and is "
                           "not \".\" or \"..\")",
                           LIMIT_GID_BYTES);
    *out = id;
    canon_text(digest, 'i', id);
    return 0;
}

static int read_state(struct message_form *m, const struct json_value *values) {
    static const char *const words[] = { "half" };
    struct form_path path = form_below(NULL, "state");
    size_t index;
    m->message.half = form_given(values[ROOT_STATE]);
    canon_number(&m->digest, 's', m->message.half);
    if (m->message.half) {
        int failed = form_word(&m->form, &path, values[ROOT_STATE], words, 1, &index);
        if (failed != 0)
            return failed;
        if (!form_given(values[ROOT_CHECK])) /* then it waits for its producer, for ever if need be */
            return 0;
        m->request.branches = &m->check;
        m->request.branch_count = 1;
        return read_check(m, values[ROOT_CHECK]);
    }
    if (!form_given(values[ROOT_CHECK]))
        return 0;
    return form_refuse(&m->form, &check_path, values[ROOT_CHECK], PROBLEM_INVALID_VALUE,
                       "only a half message is asked about; add \"state\": \"half\"");
}

/* What the request points at moves into the arena. */
static int keep(struct message_form *m, struct transaction_request *out) {
    struct message_request *message = arena_take(m->form.arena, sizeof *message);
    struct branch_request *check = arena_take(m->form.arena, sizeof *check);
    if (message == NULL || check == NULL)
        return form_no_memory(&m->form);
    *message = m->message;
    *check = m->check;
    *out = m->request;
    out->message = message;
    if (out->branch_count > 0)
        out->branches = check;
    return 0;
}

int message_form_decode(struct slice body, const struct message_options *options, struct arena *arena,
                        struct transaction_request *out, struct problem *problem) {
    struct message_form m = {
        .form = { .document = body, .arena = arena, .problem = problem },
        .options = options,
        .request = { .namespace_name = options->common->namespace_name, .mode = MODE_MESSAGE },
    };
    struct json_value root;
    struct json_value values[ROOT_FIELDS];
    digest_init(&m.digest);
    canon_text(&m.digest, 'N', options->common->namespace_name);
    canon_text(&m.digest, 'M', SLICE("message"));
    int failed = form_begin(&m.form, &root);
    if (failed == 0)
        failed = form_members(&m.form, NULL, root, root_fields, ROOT_FIELDS, values);
    if (failed == 0)
        failed = message_id_read(&m.form, values[ROOT_ID], &m.digest, &m.request.gid);
    if (failed == 0)
        failed = message_content_read(&m.form, NULL, values, &m.digest, &m.message);
    if (failed == 0)
        failed = label_form_read(&m.form, &m.digest, values[ROOT_LABELS], &m.request.labels,
                                 &m.request.label_count);
    if (failed == 0)
        failed = read_state(&m, values);
    if (failed != 0)
        return failed;
    digest_end(&m.digest, m.request.fingerprint);
    return keep(&m, out);
}
