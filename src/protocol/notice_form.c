#include "protocol/notice_form.h"

#include "base/limits.h"
#include "model/message_request.h"
#include "protocol/canon.h"
#include "protocol/label_form.h"
#include "protocol/message_form.h"

enum {
    ROOT_ID = NOTICE_FIELDS,
    ROOT_ENDPOINT,
    ROOT_LABELS,
    ROOT_FIELDS,
};

static const struct form_field root_fields[ROOT_FIELDS] = {
    NOTICE_CONTENT_MEMBERS,
    [ROOT_ID] = { "id", FORM_STRING },
    [ROOT_ENDPOINT] = { "endpoint", FORM_STRING },
    [ROOT_LABELS] = { "labels", FORM_OBJECT },
};

/* When the request names no schedule: seven hours in six attempts. */
static const uint32_t usual_schedule_ms[] = { 0, 15000, 60000, 600000, 3600000, 21600000 };

static int read_endpoint(struct form *f, const struct form_path *above,
                         const struct submission_options *options, const char *member,
                         struct json_value value, struct message_request *out) {
    struct form_path path = form_below(above, member);
    if (!form_given(value))
        return form_missing(f, above, member, "who is to be notified: an endpoint by name");
    int failed = form_name(f, &path, value, LIMIT_BRANCH_ID_BYTES, &out->only);
    if (failed != 0 || options->has_endpoint(options->judge_self, out->only))
        return failed;
    return form_refuse(f, &path, value, PROBLEM_INVALID_VALUE,
                       "there is no endpoint \"%.*s\"; define it first with PUT /v1/endpoints/%.*s",
                       SLICE_PRINT(out->only), SLICE_PRINT(out->only));
}

static int read_schedule(struct form *f, const struct form_path *above, struct json_value value,
                         struct message_request *out) {
    struct form_path path = form_below(above, "schedule");
    size_t count = form_given(value) ? form_count(value) : 0;
    out->schedule_ms = usual_schedule_ms;
    out->schedule_count = sizeof usual_schedule_ms / sizeof *usual_schedule_ms;
    if (!form_given(value))
        return 0;
    if (count < 1 || count > LIMIT_ATTEMPTS) {
        form_refuse(f, &path, value, PROBLEM_OVER_LIMIT,
                    "%zu waits; each is one attempt, and there must be 1 to %d of them", count,
                    LIMIT_ATTEMPTS);
        PROBLEM_NOTE(f->problem, limit, SLICE("1 to 64"));
        return ERR_INVALID;
    }
    uint32_t *waits = arena_take_array(f->arena, count, sizeof *waits);
    struct json_cursor cursor = json_cursor_of(value);
    struct json_value element;
    uint64_t all_ms = 0;
    if (waits == NULL)
        return form_no_memory(f);
    for (size_t i = 0; json_element_next(&cursor, &element); i++) {
        struct form_path place = form_element(&path, i);
        if (element.kind != JSON_STRING)
            return form_refuse(f, &place, element, PROBLEM_INVALID_VALUE,
                               "a wait is a duration such as \"15s\", in quotes");
        int failed = form_duration(f, &place, element, 0, NOTICE_WAIT_MS_MAX, &waits[i]);
        if (failed != 0)
            return failed;
        all_ms += waits[i];
    }
    if (all_ms > NOTICE_SCHEDULE_MS) {
        form_refuse(f, &path, value, PROBLEM_OVER_LIMIT, "all waits together are longer than 45 days");
        PROBLEM_NOTE(f->problem, limit, SLICE("45d"));
        return ERR_INVALID;
    }
    out->schedule_ms = waits;
    out->schedule_count = (uint16_t)count;
    return 0;
}

/* "2xx", or one number of them as text or number. */
static int read_status(struct form *f, const struct form_path *above, struct json_value value,
                       struct message_request *out) {
    struct form_path path = form_below(above, "status");
    uint64_t number = 0;
    struct slice text = value.raw;
    if (!form_given(value) || json_is(value, "2xx"))
        return 0;
    if (value.kind == JSON_STRING)
        text = slice_of(text.at + 1, text.length - 2);
    if (slice_u64(text, &number) != 0 || number < 200 || number > 299)
        return form_refuse(f, &path, value, PROBLEM_INVALID_VALUE,
                           "must be \"2xx\" or one status from 200 to 299: nothing else is a success");
    out->success_http = (uint16_t)number;
    return 0;
}

static int read_success(struct form *f, const struct form_path *above, struct json_value value,
                        struct message_request *out) {
    static const struct form_field fields[] = { { "status", FORM_STRING | FORM_NUMBER },
                                                { "body", FORM_STRING } };
    struct form_path path = form_below(above, "success");
    struct form_path body = form_below(&path, "body");
    struct json_value values[2];
    if (!form_given(value))
        return 0;
    int failed = form_members(f, &path, value, fields, 2, values);
    if (failed == 0)
        failed = read_status(f, &path, values[0], out);
    if (failed == 0 && form_given(values[1]))
        failed = form_text(f, &body, values[1], NOTICE_SUCCESS_BYTES, &out->success_body);
    out->success_body = slice_strip(out->success_body);
    return failed;
}

static int read_end(struct form *f, const struct form_path *above, const struct json_value *values,
                    uint32_t *timeout_ms) {
    static const char *const words[] = { "give_up" };
    struct form_path then = form_below(above, "then");
    struct form_path timeout = form_below(above, "timeout");
    size_t index;
    *timeout_ms = 0; /* the endpoint's own */
    int failed = 0;
    if (form_given(values[NOTICE_TIMEOUT]))
        failed = form_duration(f, &timeout, values[NOTICE_TIMEOUT], LIMIT_CALL_TIMEOUT_MS_MIN,
                               LIMIT_CALL_TIMEOUT_MS_MAX, timeout_ms);
    if (failed == 0 && form_given(values[NOTICE_THEN]))
        failed = form_word(f, &then, values[NOTICE_THEN], words, 1, &index);
    return failed;
}

static int read_names(struct form *f, const struct form_path *above, const struct json_value *values,
                      struct message_request *out) {
    struct form_path event = form_below(above, "event");
    struct form_path ref = form_below(above, "ref");
    if (!form_given(values[NOTICE_EVENT]))
        return form_missing(f, above, "event", "what has happened, such as \"order.paid\"");
    int failed = form_name(f, &event, values[NOTICE_EVENT], NOTICE_EVENT_BYTES, &out->head.topic);
    if (failed == 0 && form_given(values[NOTICE_REF]))
        failed = form_text(f, &ref, values[NOTICE_REF], LIMIT_KEY_BYTES, &out->head.key);
    return failed;
}

static void digest_of(struct digest *digest, const struct message_request *m, const struct json_value *values,
                      uint32_t timeout_ms) {
    canon_text(digest, 'e', m->only);
    canon_text(digest, 't', m->head.topic);
    canon_text(digest, 'k', m->head.key);
    canon_text(digest, 'b', m->body);
    canon_text(digest, 'c', m->head.content_type);
    if (form_given(values[NOTICE_SCHEDULE]))
        for (size_t i = 0; i < m->schedule_count; i++)
            canon_number(digest, 'w', m->schedule_ms[i]);
    canon_number(digest, 'h', m->success_http);
    canon_text(digest, 's', m->success_body);
    if (form_given(values[NOTICE_TIMEOUT]))
        canon_number(digest, 'o', timeout_ms);
}

int notice_content_read(struct form *f, const struct form_path *above,
                        const struct submission_options *options, const struct json_value *values,
                        const char *endpoint_member, struct json_value endpoint, struct digest *digest,
                        struct message_request *out, uint32_t *timeout_ms) {
    const struct json_value content[CONTENT_FIELDS] = { [CONTENT_BODY] = values[NOTICE_BODY],
                                                        [CONTENT_BODY_BASE64] = values[NOTICE_BODY_BASE64],
                                                        [CONTENT_TYPE] = values[NOTICE_CONTENT_TYPE] };
    int failed = read_endpoint(f, above, options, endpoint_member, endpoint, out);
    if (failed == 0)
        failed = read_names(f, above, values, out);
    if (failed == 0)
        failed = message_body_read(f, above, content, &out->body, &out->head.content_type);
    if (failed == 0)
        failed = read_schedule(f, above, values[NOTICE_SCHEDULE], out);
    if (failed == 0)
        failed = read_success(f, above, values[NOTICE_SUCCESS], out);
    if (failed == 0)
        failed = read_end(f, above, values, timeout_ms);
    if (failed != 0)
        return failed;
    digest_of(digest, out, values, *timeout_ms);
    return message_headers_read(f, above, values[NOTICE_HEADERS], digest, out);
}

/* What the request points at moves into the arena. */
static int keep(struct form *f, const struct message_request *m, uint32_t timeout_ms,
                struct transaction_request *out) {
    struct message_request *message = arena_take(f->arena, sizeof *message);
    struct branch_request *notify = arena_take(f->arena, sizeof *notify);
    if (message == NULL || notify == NULL)
        return form_no_memory(f);
    *message = *m;
    *notify = (struct branch_request){ .id = m->only, .to[ROLE_FORWARD].timeout_ms = timeout_ms };
    out->message = message;
    out->branches = notify;
    out->branch_count = 1;
    out->deadline_ms = message_request_patience_ms(m, timeout_ms);
    return 0;
}

int notice_form_decode(struct slice body, const struct submission_options *options, struct arena *arena,
                       struct transaction_request *out, struct problem *problem) {
    struct form f = { .document = body, .arena = arena, .problem = problem };
    struct transaction_request q = { .namespace_name = options->namespace_name, .mode = MODE_NOTICE };
    struct message_request m = { .half = false };
    struct json_value root;
    struct json_value values[ROOT_FIELDS];
    struct digest digest;
    uint32_t timeout_ms = 0;
    digest_init(&digest);
    canon_text(&digest, 'N', options->namespace_name);
    canon_text(&digest, 'M', SLICE("notification"));
    int failed = form_begin(&f, &root);
    if (failed == 0)
        failed = form_members(&f, NULL, root, root_fields, ROOT_FIELDS, values);
    if (failed == 0)
        failed = message_id_read(&f, values[ROOT_ID], &digest, &q.gid);
    if (failed == 0)
        failed = notice_content_read(&f, NULL, options, values, "endpoint", values[ROOT_ENDPOINT], &digest,
                                     &m, &timeout_ms);
    if (failed == 0)
        failed = label_form_read(&f, &digest, values[ROOT_LABELS], &q.labels, &q.label_count);
    if (failed == 0)
        failed = keep(&f, &m, timeout_ms, &q);
    if (failed != 0)
        return failed;
    digest_end(&digest, q.fingerprint);
    *out = q;
    return 0;
}
