#include "protocol/call_form.h"

#include <string.h>

#include "base/limits.h"
#include "protocol/canon.h"

static int read_url_text(struct form *f, const struct form_path *path, struct json_value value,
                         struct slice *url) {
    struct slice text;
    if (json_string(value, f->arena, &text) != 0)
        return form_no_memory(f);
    if (text.length > LIMIT_URL_BYTES) {
        form_refuse(f, path, value, PROBLEM_OVER_LIMIT, "the URL has %zu bytes, at most %d are possible",
                    text.length, LIMIT_URL_BYTES);
        PROBLEM_NOTE(f->problem, limit, SLICE("2048"));
        return ERR_INVALID;
    }
    *url = text;
    return 0;
}

int call_form_endpoint(struct form *f, const struct form_path *path, struct json_value value,
                       struct call_draft *out) {
    static const struct form_field fields[] = { { "url", FORM_STRING }, { "timeout", FORM_STRING } };
    struct call_draft made = { .timeout_ms = 0 };
    struct json_value values[2];
    if (value.kind == JSON_STRING)
        return read_url_text(f, path, value, &out->url);
    int failed = form_members(f, path, value, fields, 2, values);
    if (failed != 0)
        return failed;
    if (!form_given(values[0]))
        return form_missing(f, path, "url", "say what to call");
    struct form_path url = form_below(path, "url");
    failed = read_url_text(f, &url, values[0], &made.url);
    if (failed == 0 && form_given(values[1])) {
        struct form_path timeout = form_below(path, "timeout");
        failed = form_duration(f, &timeout, values[1], LIMIT_CALL_TIMEOUT_MS_MIN, LIMIT_CALL_TIMEOUT_MS_MAX,
                               &made.timeout_ms);
    }
    if (failed == 0)
        *out = made;
    return failed;
}

int call_form_judge(struct form *f, submission_judge *judge, void *self, const struct form_path *path,
                    struct json_value value, struct slice url) {
    struct why why = { .text = "" };
    int verdict = judge(self, url, &why);
    if (verdict == 0)
        return 0;
    if (verdict == ERR_MEMORY)
        return form_no_memory(f);
    if (verdict == ERR_DENIED) {
        form_refuse(f, path, value, PROBLEM_EGRESS_REFUSED, "%s", why.text);
        bool denied = strstr(why.text, "egress.deny") != NULL;
        PROBLEM_NOTE(f->problem, setting, denied ? SLICE("egress.deny") : SLICE("egress.allow"));
        return ERR_INVALID;
    }
    form_refuse(f, path, value, verdict == ERR_LIMIT ? PROBLEM_OVER_LIMIT : PROBLEM_INVALID_VALUE, "%s",
                why.text);
    if (verdict == ERR_LIMIT)
        PROBLEM_NOTE(f->problem, limit, SLICE("2048"));
    else
        PROBLEM_NOTE(f->problem, setting, SLICE("egress.allow")); /* which cannot list such a URL */
    return ERR_INVALID;
}

static int read_factor(struct form *f, const struct form_path *path, struct json_value value,
                       uint32_t *factor_percent) {
    uint64_t thousandths = 0;
    int failed = json_thousandths(value, &thousandths);
    if (failed != 0 || thousandths % 10 != 0)
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE,
                           "must be a number of at least 1 with at most two decimals, such as 2 or 1.5");
    if (thousandths < 1000 || thousandths > SUBMISSION_RETRY_FACTOR_MAX * 1000) {
        form_refuse(f, path, value, PROBLEM_OVER_LIMIT, "must be 1 to %u", SUBMISSION_RETRY_FACTOR_MAX);
        PROBLEM_NOTE(f->problem, limit, SLICE("1 to 100"));
        return ERR_INVALID;
    }
    *factor_percent = (uint32_t)(thousandths / 10);
    return 0;
}

enum {
    RETRY_FIRST,
    RETRY_FACTOR,
    RETRY_MAX,
    RETRY_FOR,
    RETRY_THEN,
    RETRY_FIELDS,
};

static const struct form_field retry_fields[RETRY_FIELDS] = {
    [RETRY_FIRST] = { "first", FORM_STRING }, [RETRY_FACTOR] = { "factor", FORM_NUMBER },
    [RETRY_MAX] = { "max", FORM_STRING },     [RETRY_FOR] = { "for", FORM_STRING },
    [RETRY_THEN] = { "then", FORM_STRING },
};

/* A given bound moves a default that contradicts it; two given ones must agree. */
static int reconcile(struct form *f, const struct form_path *path, const struct json_value *values,
                     struct retry_policy *retry) {
    if (retry->max_ms >= retry->first_ms)
        return 0;
    if (form_given(values[RETRY_FIRST]) && form_given(values[RETRY_MAX])) {
        struct form_path place = form_below(path, "max");
        return form_refuse(f, &place, values[RETRY_MAX], PROBLEM_INVALID_VALUE,
                           "\"max\" must not be shorter than \"first\"");
    }
    if (form_given(values[RETRY_MAX]))
        retry->first_ms = retry->max_ms;
    else
        retry->max_ms = retry->first_ms;
    return 0;
}

int call_form_retry(struct form *f, const struct form_path *above, struct json_value value,
                    enum call_form_retry kind, struct digest *digest, struct retry_policy *out) {
    static const char *const ends[] = { "rollback", "attention" };
    struct json_value values[RETRY_FIELDS];
    struct retry_policy retry = *out;
    struct form_path path = form_below(above, "retry");
    size_t then = retry.then;
    size_t count = kind == CALL_FORM_RETRY_THEN ? RETRY_FIELDS : RETRY_THEN;
    int failed = form_members(f, &path, value, retry_fields, count, values);
    for (unsigned field = 0; failed == 0 && field < count; field++) {
        struct form_path place = form_below(&path, retry_fields[field].name);
        if (!form_given(values[field]))
            continue;
        if (field == RETRY_FIRST)
            failed = form_duration(f, &place, values[field], LIMIT_RETRY_FIRST_MS_MIN,
                                   SUBMISSION_RETRY_MS_MAX, &retry.first_ms);
        else if (field == RETRY_FACTOR)
            failed = read_factor(f, &place, values[field], &retry.factor_percent);
        else if (field == RETRY_MAX)
            failed = form_duration(f, &place, values[field], LIMIT_RETRY_FIRST_MS_MIN,
                                   SUBMISSION_RETRY_MS_MAX, &retry.max_ms);
        else if (field == RETRY_FOR)
            failed = form_duration(f, &place, values[field], 1, SUBMISSION_DEADLINE_MS_MAX, &retry.for_ms);
        else
            failed = form_word(f, &place, values[field], ends, 2, &then);
    }
    if (failed == 0) {
        const uint64_t written[RETRY_FIELDS] = { retry.first_ms, retry.factor_percent, retry.max_ms,
                                                 retry.for_ms, then };
        for (unsigned field = 0; field < count && digest != NULL; field++)
            if (form_given(values[field]))
                canon_number(digest, (char)('0' + field), written[field]);
        failed = reconcile(f, &path, values, &retry);
    }
    retry.then = (uint8_t)then;
    if (failed == 0)
        *out = retry;
    return failed;
}
