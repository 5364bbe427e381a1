#include "protocol/definition_form.h"

#include <assert.h>

#include "base/limits.h"
#include "protocol/call_form.h"
#include "protocol/datasource_form.h"
#include "protocol/sink_form.h"

enum {
    OUTLET_TOPIC,
    OUTLET_PUSH,
    OUTLET_PULL,
    OUTLET_SINK,
    OUTLET_CONCURRENCY,
    OUTLET_TIMEOUT,
    OUTLET_ACK,
    OUTLET_ACK_TIMEOUT,
    OUTLET_ORDERED,
    OUTLET_RETRY,
    OUTLET_ON_REFUSED,
    OUTLET_DEAD,
    OUTLET_FROM,
    OUTLET_DESCRIPTION,
    OUTLET_FIELDS,
};

static const struct form_field outlet_fields[OUTLET_FIELDS] = {
    [OUTLET_TOPIC] = { "topic", FORM_STRING },
    [OUTLET_PUSH] = { "push", FORM_STRING | FORM_OBJECT },
    [OUTLET_PULL] = { "pull", FORM_BOOL },
    [OUTLET_SINK] = { "sink", FORM_OBJECT },
    [OUTLET_CONCURRENCY] = { "concurrency", FORM_NUMBER },
    [OUTLET_TIMEOUT] = { "timeout", FORM_STRING },
    [OUTLET_ACK] = { "ack", FORM_STRING },
    [OUTLET_ACK_TIMEOUT] = { "ack_timeout", FORM_STRING },
    [OUTLET_ORDERED] = { "ordered", FORM_BOOL },
    [OUTLET_RETRY] = { "retry", FORM_OBJECT },
    [OUTLET_ON_REFUSED] = { "on_refused", FORM_OBJECT },
    [OUTLET_DEAD] = { "dead", FORM_OBJECT },
    [OUTLET_FROM] = { "from", FORM_STRING },
    [OUTLET_DESCRIPTION] = { "description", FORM_STRING },
};

/* One definition being read. */
struct reading {
    struct form form;
    const struct submission_options *options;
    struct json_value values[OUTLET_FIELDS];
    struct outlet outlet;
};

static int refuse(struct reading *r, unsigned field, const char *say) {
    struct form_path path = form_below(NULL, outlet_fields[field].name);
    return form_refuse(&r->form, &path, r->values[field], PROBLEM_INVALID_VALUE, "%s", say);
}

static int read_topic(struct reading *r) {
    struct form_path path = form_below(NULL, "topic");
    if (!form_given(r->values[OUTLET_TOPIC]))
        return form_missing(&r->form, NULL, "topic", "whose messages it gets");
    return form_name(&r->form, &path, r->values[OUTLET_TOPIC], LIMIT_TOPIC_BYTES, &r->outlet.topic);
}

/* --- how it is served --- */

static int read_push(struct reading *r) {
    struct form_path path = form_below(NULL, "push");
    struct json_value value = r->values[OUTLET_PUSH];
    struct call_draft draft = { .timeout_ms = 0 };
    int failed = call_form_endpoint(&r->form, &path, value, &draft);
    if (failed == 0)
        failed =
            call_form_judge(&r->form, r->options->judge, r->options->judge_self, &path, value, draft.url);
    if (failed != 0)
        return failed;
    if (draft.timeout_ms > 0 && form_given(r->values[OUTLET_TIMEOUT]))
        return refuse(r, OUTLET_TIMEOUT, "\"push\" has a timeout already");
    r->outlet.url = draft.url;
    if (draft.timeout_ms > 0)
        r->outlet.timeout_ms = draft.timeout_ms;
    return 0;
}

static int read_sink(struct reading *r) {
    struct form_path path = form_below(NULL, "sink");
    struct json_value url = r->values[OUTLET_SINK];
    int failed = sink_form_read(&r->form, NULL, r->values[OUTLET_SINK], &r->outlet.url, &url);
    if (failed == 0)
        failed = call_form_judge(&r->form, r->options->judge_sink, r->options->judge_self, &path, url,
                                 r->outlet.url);
    if (failed == ERR_INVALID && r->form.problem->type == PROBLEM_INVALID_VALUE)
        r->form.problem->setting[0] = '\0'; /* it is the target that is wrong, not who may be called */
    if (failed == 0 && form_given(r->values[OUTLET_ACK]) && json_is(r->values[OUTLET_ACK], "call"))
        return refuse(r, OUTLET_ACK, "a broker's receipt is the ack; \"call\" is for \"push\"");
    return failed;
}

static int read_pull(struct reading *r) {
    static const unsigned others[] = { OUTLET_CONCURRENCY, OUTLET_TIMEOUT, OUTLET_ACK };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (form_given(r->values[others[i]]))
            return refuse(
                r, others[i],
                "with \"pull\" consumers take as many as they ask for, and ack by a call of their own");
    r->outlet.ack = ACK_CALL;
    return 0;
}

static int read_way(struct reading *r) {
    static const unsigned ways[] = { OUTLET_PUSH, OUTLET_PULL, OUTLET_SINK };
    bool pulls = false;
    unsigned way = OUTLET_FIELDS;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (!form_given(r->values[ways[i]]))
            continue;
        if (way != OUTLET_FIELDS)
            return refuse(r, ways[i], "\"push\", \"pull\" and \"sink\" exclude each other");
        way = ways[i];
    }
    if (way == OUTLET_FIELDS)
        return form_missing(&r->form, NULL, "push",
                            "say how it is served: \"push\" (a URL), \"pull\": true, or \"sink\" (a broker)");
    if (way == OUTLET_PUSH)
        return read_push(r);
    if (way == OUTLET_SINK)
        return read_sink(r);
    (void)json_bool(r->values[OUTLET_PULL], &pulls);
    return pulls ? read_pull(r) : refuse(r, OUTLET_PULL, "can only be true; for a push leave it out");
}

static int read_concurrency(struct reading *r) {
    struct form_path path = form_below(NULL, "concurrency");
    struct json_value value = r->values[OUTLET_CONCURRENCY];
    uint64_t number = 0;
    if (!form_given(value))
        return 0;
    if (json_u64(value, &number) != 0 || number < 1 || number > LIMIT_CONCURRENCY) {
        form_refuse(&r->form, &path, value, PROBLEM_OVER_LIMIT, "must be 1 to %d", LIMIT_CONCURRENCY);
        PROBLEM_NOTE(r->form.problem, limit, SLICE("1 to 1000"));
        return ERR_INVALID;
    }
    r->outlet.concurrency = (uint32_t)number;
    return 0;
}

static int read_times(struct reading *r) {
    struct form_path timeout = form_below(NULL, "timeout");
    struct form_path ack_timeout = form_below(NULL, "ack_timeout");
    int failed = 0;
    if (form_given(r->values[OUTLET_TIMEOUT]))
        failed = form_duration(&r->form, &timeout, r->values[OUTLET_TIMEOUT], LIMIT_CALL_TIMEOUT_MS_MIN,
                               LIMIT_CALL_TIMEOUT_MS_MAX, &r->outlet.timeout_ms);
    if (failed == 0 && form_given(r->values[OUTLET_ACK_TIMEOUT]))
        failed = form_duration(&r->form, &ack_timeout, r->values[OUTLET_ACK_TIMEOUT],
                               DEFINITION_ACK_TIMEOUT_MS_MIN, LIMIT_LEASE_MS, &r->outlet.ack_timeout_ms);
    return failed;
}

static int read_ack(struct reading *r) {
    static const char *const words[] = { "response", "call" };
    struct form_path path = form_below(NULL, "ack");
    size_t index = 0;
    if (!form_given(r->values[OUTLET_ACK]))
        return 0;
    int failed = form_word(&r->form, &path, r->values[OUTLET_ACK], words, 2, &index);
    r->outlet.ack = index == 0 ? ACK_RESPONSE : ACK_CALL;
    return failed;
}

/* --- what becomes of trouble --- */

static int read_refused(struct reading *r) {
    static const struct form_field fields[] = { { "topic", FORM_STRING } };
    struct form_path path = form_below(NULL, "on_refused");
    struct form_path topic = form_below(&path, "topic");
    struct json_value value;
    if (!form_given(r->values[OUTLET_ON_REFUSED]))
        return 0;
    int failed = form_members(&r->form, &path, r->values[OUTLET_ON_REFUSED], fields, 1, &value);
    if (failed == 0 && !form_given(value))
        return form_missing(&r->form, &path, "topic", "where a refusal is published");
    if (failed == 0)
        failed = form_name(&r->form, &topic, value, LIMIT_TOPIC_BYTES, &r->outlet.refused_topic);
    if (failed == 0 && slice_equal(r->outlet.refused_topic, r->outlet.topic))
        return form_refuse(&r->form, &topic, value, PROBLEM_INVALID_VALUE,
                           "a refusal that comes back to who refused goes on for ever; choose another topic");
    return failed;
}

static int read_order(struct reading *r) {
    static const struct form_field fields[] = { { "park_key", FORM_BOOL } };
    struct form_path path = form_below(NULL, "dead");
    struct form_path park = form_below(&path, "park_key");
    struct json_value value = { .raw = SLICE_NONE };
    if (form_given(r->values[OUTLET_ORDERED]))
        (void)json_bool(r->values[OUTLET_ORDERED], &r->outlet.ordered);
    r->outlet.park_key = r->outlet.ordered;
    if (!form_given(r->values[OUTLET_DEAD]))
        return 0;
    int failed = form_members(&r->form, &path, r->values[OUTLET_DEAD], fields, 1, &value);
    if (failed != 0 || !form_given(value))
        return failed;
    (void)json_bool(value, &r->outlet.park_key);
    if (r->outlet.park_key && !r->outlet.ordered)
        return form_refuse(&r->form, &park, value, PROBLEM_INVALID_VALUE,
                           "without order nothing stands behind a dead delivery; add \"ordered\": true");
    return 0;
}

static int read_from(struct reading *r) {
    struct form_path path = form_below(NULL, "from");
    if (!form_given(r->values[OUTLET_FROM]) || json_is(r->values[OUTLET_FROM], "now"))
        return 0;
    return form_refuse(&r->form, &path, r->values[OUTLET_FROM], PROBLEM_NOT_AVAILABLE,
                       "a subscription begins with what is committed after it was made; \"now\" is the only "
                       "value in this version");
}

static int read_description(struct form *f, struct json_value value) {
    struct form_path path = form_below(NULL, "description");
    struct slice text;
    return form_given(value) ? form_text(f, &path, value, DEFINITION_TEXT_BYTES, &text) : 0;
}

static int read_subscription(struct reading *r, struct json_value root) {
    r->outlet = (struct outlet){
        .ordered = true,
        .concurrency = DEFINITION_CONCURRENCY,
        .timeout_ms = r->options->call_timeout_ms,
        .ack_timeout_ms = DEFINITION_ACK_TIMEOUT_MS,
        .retry = r->options->retry,
    };
    r->outlet.retry.then = GIVE_UP_ROLLBACK; /* a delivery that is given up is dead, nothing else */
    r->outlet.retry.for_ms = 0;
    int failed = form_members(&r->form, NULL, root, outlet_fields, OUTLET_FIELDS, r->values);
    if (failed == 0)
        failed = read_topic(r);
    if (failed == 0)
        failed = read_ack(r);
    if (failed == 0)
        failed = read_times(r);
    if (failed == 0)
        failed = read_way(r);
    if (failed == 0)
        failed = read_concurrency(r);
    if (failed == 0 && form_given(r->values[OUTLET_RETRY]))
        failed = call_form_retry(&r->form, NULL, r->values[OUTLET_RETRY], CALL_FORM_RETRY_PLAIN, NULL,
                                 &r->outlet.retry);
    if (failed == 0)
        failed = read_refused(r);
    if (failed == 0)
        failed = read_order(r);
    if (failed == 0)
        failed = read_from(r);
    return failed == 0 ? read_description(&r->form, r->values[OUTLET_DESCRIPTION]) : failed;
}

static int read_endpoint(struct reading *r, struct json_value root) {
    /* The members that an endpoint shares with a subscription's push stand where read_... look for them. */
    static const struct form_field fields[] = { { "url", FORM_STRING },
                                                { "timeout", FORM_STRING },
                                                { "concurrency", FORM_NUMBER },
                                                { "description", FORM_STRING } };
    struct form_path url = form_below(NULL, "url");
    struct json_value values[4];
    struct call_draft draft = { .timeout_ms = 0 };
    r->outlet = (struct outlet){ .concurrency = DEFINITION_ENDPOINT_CONCURRENCY,
                                 .timeout_ms = r->options->call_timeout_ms };
    int failed = form_members(&r->form, NULL, root, fields, 4, values);
    if (failed == 0 && !form_given(values[0]))
        return form_missing(&r->form, NULL, "url", "where its notifications are posted");
    if (failed == 0)
        failed = call_form_endpoint(&r->form, &url, values[0], &draft);
    if (failed == 0)
        failed =
            call_form_judge(&r->form, r->options->judge, r->options->judge_self, &url, values[0], draft.url);
    if (failed != 0)
        return failed;
    r->outlet.url = draft.url;
    r->values[OUTLET_TIMEOUT] = values[1];
    r->values[OUTLET_CONCURRENCY] = values[2];
    failed = read_times(r);
    if (failed == 0)
        failed = read_concurrency(r);
    return failed == 0 ? read_description(&r->form, values[3]) : failed;
}

static int read_datasource(struct reading *r, struct json_value root) {
    struct datasource_form datasource;
    return datasource_form_read(&r->form, root, &datasource);
}

static int read_plain_topic(struct reading *r, struct json_value root) {
    static const struct form_field fields[] = { { "description", FORM_STRING } };
    struct json_value value;
    int failed = form_members(&r->form, NULL, root, fields, 1, &value);
    return failed == 0 ? read_description(&r->form, value) : failed;
}

static int refuse_name(struct form *f, size_t length) {
    struct json_value none = { .raw = SLICE_NONE };
    struct form_path path = form_below(NULL, "name");
    form_refuse(
        f, &path, none, PROBLEM_OVER_LIMIT,
        "the name has %zu characters; a subscription's stands in the ids of its deliveries and has at "
        "most %d",
        length, LIMIT_BRANCH_ID_BYTES);
    PROBLEM_NOTE(f->problem, limit, SLICE("64"));
    return ERR_INVALID;
}

static int refuse_size(struct form *f, struct json_value root) {
    form_refuse(f, NULL, root, PROBLEM_TOO_LARGE, "the definition has %zu bytes, at most %d are possible",
                f->document.length, LIMIT_DEFINITION_BYTES);
    PROBLEM_NOTE(f->problem, limit, SLICE("16384"));
    return ERR_INVALID;
}

int definition_form_decode(uint8_t kind, struct slice name, struct slice body,
                           const struct submission_options *options, struct arena *arena,
                           struct definition *out, struct problem *problem) {
    struct reading r = {
        .form = { .document = body.length == 0 ? SLICE("{}") : body, .arena = arena, .problem = problem },
        .options = options,
    };
    struct json_value root;
    static int (*const read[DEFINITION_KIND_END])(struct reading * r, struct json_value root) = {
        [DEFINITION_TOPIC] = read_plain_topic,
        [DEFINITION_SUBSCRIPTION] = read_subscription,
        [DEFINITION_ENDPOINT] = read_endpoint,
        [DEFINITION_DATASOURCE] = read_datasource,
    };
    assert(kind < DEFINITION_KIND_END && read[kind] != NULL);
    int failed = form_begin(&r.form, &root);
    if (failed == 0 && r.form.document.length > LIMIT_DEFINITION_BYTES)
        failed = refuse_size(&r.form, root);
    if (failed == 0 && kind != DEFINITION_TOPIC && name.length > LIMIT_BRANCH_ID_BYTES)
        failed = refuse_name(&r.form, name.length);
    if (failed == 0)
        failed = read[kind](&r, root);
    if (failed != 0)
        return failed;
    *out = (struct definition){ .kind = kind, .name = name, .source = root.raw, .outlet = r.outlet };
    return 0;
}
