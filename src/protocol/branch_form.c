#include "protocol/branch_form.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "model/transaction.h"
#include "protocol/canon.h"

enum {
    BRANCH_ID,
    BRANCH_BASE,
    BRANCH_ACTION,
    BRANCH_COMPENSATE,
    BRANCH_TRY,
    BRANCH_CONFIRM,
    BRANCH_CANCEL,
    BRANCH_BODY,
    BRANCH_AFTER,
    BRANCH_PIVOT,
    BRANCH_RETRY,
    BRANCH_FIELDS,
};

static const struct form_field branch_fields[BRANCH_FIELDS] = {
    [BRANCH_ID] = { "id", FORM_STRING },
    [BRANCH_BASE] = { "base", FORM_STRING | FORM_OBJECT },
    [BRANCH_ACTION] = { "action", FORM_STRING | FORM_OBJECT },
    [BRANCH_COMPENSATE] = { "compensate", FORM_STRING | FORM_OBJECT },
    [BRANCH_TRY] = { "try", FORM_STRING | FORM_OBJECT },
    [BRANCH_CONFIRM] = { "confirm", FORM_STRING | FORM_OBJECT },
    [BRANCH_CANCEL] = { "cancel", FORM_STRING | FORM_OBJECT },
    [BRANCH_BODY] = { "body", FORM_ANY },
    [BRANCH_AFTER] = { "after", FORM_ARRAY },
    [BRANCH_PIVOT] = { "pivot", FORM_BOOL },
    [BRANCH_RETRY] = { "retry", FORM_OBJECT },
};

/* Which member names an operation in which mode; 0 (the id) where the mode has no such operation. */
static const uint8_t operation_field[MODE_TCC + 1][ROLE_COUNT] = {
    [MODE_SAGA] = { [ROLE_FORWARD] = BRANCH_ACTION, [ROLE_BACKWARD] = BRANCH_COMPENSATE },
    [MODE_TCC] = { [ROLE_FORWARD] = BRANCH_TRY,
                   [ROLE_CONFIRM] = BRANCH_CONFIRM,
                   [ROLE_BACKWARD] = BRANCH_CANCEL },
};

/* A URL and its timeout as written: a string, or an object of both. Not judged yet. */
struct endpoint_draft {
    struct slice url;
    uint32_t timeout_ms; /* 0: not written */
};

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

static int read_endpoint(struct form *f, const struct form_path *path, struct json_value value,
                         struct endpoint_draft *out) {
    static const struct form_field fields[] = { { "url", FORM_STRING }, { "timeout", FORM_STRING } };
    struct endpoint_draft made = { .timeout_ms = 0 };
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

/* Whether the URL may be called at all. */
static int judge(struct branch_form *b, const struct form_path *path, struct json_value value,
                 struct slice url) {
    struct why why = { .text = "" };
    struct form *f = b->form;
    int verdict = b->options->judge(b->options->judge_self, url, &why);
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

/* {base}/word, in the arena. */
static int join(struct form *f, struct slice base, const char *word, struct slice *url) {
    size_t word_bytes = strlen(word);
    while (base.length > 0 && base.at[base.length - 1] == '/')
        base.length--;
    char *joined = arena_take(f->arena, base.length + 1 + word_bytes);
    if (joined == NULL)
        return form_no_memory(f);
    if (base.length > 0)
        memcpy(joined, base.at, base.length);
    joined[base.length] = '/';
    memcpy(joined + base.length + 1, word, word_bytes);
    *url = slice_of(joined, base.length + 1 + word_bytes);
    return 0;
}

static int read_base(struct branch_form *b, const struct form_path *path, struct json_value value,
                     struct endpoint_draft *base) {
    struct form_path place = form_below(path, "base");
    int failed = read_endpoint(b->form, &place, value, base);
    if (failed != 0)
        return failed;
    if (slice_find(base->url, '?') < base->url.length)
        return form_refuse(b->form, &place, value, PROBLEM_INVALID_VALUE,
                           "\"base\" is continued with /%s and so on, so it cannot have a query",
                           operation_word(b->mode, ROLE_FORWARD));
    return 0;
}

/* One operation: said itself, or made from base, or absent. */
static int read_operation(struct branch_form *b, const struct form_path *path,
                          const struct json_value *values, const struct endpoint_draft *base, uint8_t role,
                          struct endpoint *out) {
    unsigned field = operation_field[b->mode][role];
    struct form_path place = form_below(path, branch_fields[field].name);
    struct json_value said = values[field];
    struct endpoint_draft draft = { .timeout_ms = 0 };
    int failed = 0;
    if (form_given(said)) {
        failed = read_endpoint(b->form, &place, said, &draft);
    } else if (form_given(values[BRANCH_BASE])) {
        place = form_below(path, "base");
        said = values[BRANCH_BASE];
        draft.timeout_ms = base->timeout_ms;
        failed = join(b->form, base->url, operation_word(b->mode, role), &draft.url);
    } else {
        return 0;
    }
    if (failed == 0)
        failed = judge(b, &place, said, draft.url);
    if (failed != 0)
        return failed;
    out->url = draft.url;
    out->timeout_ms = draft.timeout_ms != 0 ? draft.timeout_ms : b->options->call_timeout_ms;
    return 0;
}

static int refuse_foreign(struct branch_form *b, const struct form_path *path,
                          const struct json_value *values) {
    for (unsigned field = BRANCH_ACTION; field <= BRANCH_CANCEL; field++) {
        bool own = false;
        for (uint8_t role = 0; role < ROLE_COUNT; role++)
            own = own || operation_field[b->mode][role] == field;
        if (own || !form_given(values[field]))
            continue;
        struct form_path place = form_below(path, branch_fields[field].name);
        return form_refuse(b->form, &place, values[field], PROBLEM_INVALID_VALUE,
                           "a %s branch has no \"%s\"; it has \"%s\" and \"%s\"", mode_word(b->mode),
                           branch_fields[field].name, operation_word(b->mode, ROLE_FORWARD),
                           b->mode == MODE_SAGA ? "compensate" : "confirm\" and \"cancel");
    }
    return 0;
}

static int require_operations(struct branch_form *b, const struct form_path *path,
                              const struct branch_request *q) {
    bool server = b->drive == DRIVE_SERVER;
    if (b->mode == MODE_SAGA && server && q->to[ROLE_FORWARD].url.length == 0)
        return form_missing(b->form, path, "action", "a saga branch needs one, or \"base\"");
    if (b->mode == MODE_SAGA)
        return 0;
    if (server && q->to[ROLE_FORWARD].url.length == 0)
        return form_missing(b->form, path, "try", "a tcc branch needs one, or \"base\"");
    if (q->to[ROLE_CONFIRM].url.length == 0)
        return form_missing(b->form, path, "confirm", "a tcc branch needs one, or \"base\"");
    if (q->to[ROLE_BACKWARD].url.length == 0)
        return form_missing(b->form, path, "cancel", "a tcc branch needs one, or \"base\"");
    return 0;
}

static int read_operations(struct branch_form *b, const struct form_path *path, struct json_value *values,
                           struct branch_request *q) {
    struct endpoint_draft base = { .timeout_ms = 0 };
    int failed = 0;
    q->cancel_always = form_given(values[BRANCH_CANCEL]) && json_is(values[BRANCH_CANCEL], "always");
    if (q->cancel_always)
        values[BRANCH_CANCEL].raw = SLICE_NONE;
    failed = refuse_foreign(b, path, values);
    if (failed == 0 && form_given(values[BRANCH_BASE]))
        failed = read_base(b, path, values[BRANCH_BASE], &base);
    for (uint8_t role = 0; failed == 0 && role < ROLE_COUNT; role++)
        if (operation_field[b->mode][role] != 0)
            failed = read_operation(b, path, values, &base, role, &q->to[role]);
    return failed == 0 ? require_operations(b, path, q) : failed;
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

static int read_retry(struct form *f, const struct form_path *above, struct json_value value,
                      struct digest *digest, struct retry_policy *out) {
    static const char *const ends[] = { "rollback", "attention" };
    struct json_value values[RETRY_FIELDS];
    struct retry_policy retry = *out;
    struct form_path path = form_below(above, "retry");
    size_t then = retry.then;
    int failed = form_members(f, &path, value, retry_fields, RETRY_FIELDS, values);
    for (unsigned field = 0; failed == 0 && field < RETRY_FIELDS; field++) {
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
        for (unsigned field = 0; field < RETRY_FIELDS; field++)
            if (form_given(values[field]))
                canon_number(digest, (char)('0' + field), written[field]);
        failed = reconcile(f, &path, values, &retry);
    }
    retry.then = (uint8_t)then;
    if (failed == 0)
        *out = retry;
    return failed;
}

static int read_body(struct form *f, const struct form_path *above, struct json_value value,
                     struct slice *body) {
    if (!form_given(value))
        return 0;
    if (value.raw.length > LIMIT_BRANCH_PAYLOAD_BYTES) {
        struct form_path place = form_below(above, "body");
        form_refuse(f, &place, value, PROBLEM_TOO_LARGE,
                    "the body has %zu bytes, at most %d are possible; send a reference to large documents",
                    value.raw.length, LIMIT_BRANCH_PAYLOAD_BYTES);
        PROBLEM_NOTE(f->problem, limit, SLICE("256KiB"));
        f->problem->value[0] = '\0';
        return ERR_INVALID;
    }
    *body = value.raw;
    return 0;
}

static int read_pivot(struct branch_form *b, const struct form_path *above, struct json_value value,
                      bool *pivot) {
    struct form_path place = form_below(above, "pivot");
    if (!form_given(value))
        return 0;
    (void)json_bool(value, pivot);
    if (*pivot && b->mode != MODE_SAGA)
        return form_refuse(b->form, &place, value, PROBLEM_INVALID_VALUE,
                           "only a saga has a pivot; a tcc transaction commits when all tries are done");
    if (*pivot && b->drive == DRIVE_CLIENT)
        return form_refuse(b->form, &place, value, PROBLEM_INVALID_VALUE,
                           "with \"drive\":\"client\" the client decides, so there is no pivot");
    return 0;
}

/* What was written about the branch's operations goes into the fingerprint: given ones with URL and timeout
 * as resolved from base, but timeouts only when written. */
static void digest_operations(struct branch_form *b, const struct branch_request *q,
                              const struct json_value *values) {
    for (uint8_t role = 0; role < ROLE_COUNT; role++) {
        struct json_value said = values[operation_field[b->mode][role]];
        if (q->to[role].url.length == 0) {
            canon_none(b->digest, 'u');
            continue;
        }
        if (!form_given(said) || operation_field[b->mode][role] == 0)
            said = values[BRANCH_BASE];
        canon_text(b->digest, 'u', q->to[role].url);
        struct json_value timeout;
        if (json_member(said, "timeout", &timeout))
            canon_number(b->digest, 't', q->to[role].timeout_ms);
        else
            canon_none(b->digest, 't');
    }
}

int branch_form_read(struct branch_form *b, const struct form_path *path, struct json_value value,
                     struct branch_draft *out) {
    struct form *f = b->form;
    struct json_value values[BRANCH_FIELDS];
    struct branch_draft made = { .request = { .retry = b->options->retry } };
    struct branch_request *q = &made.request;
    if (value.kind != JSON_OBJECT)
        return form_refuse(f, path, value, PROBLEM_WRONG_TYPE, "a branch must be an object, not %s",
                           json_kind_text(value.kind));
    int failed = form_members(f, path, value, branch_fields, BRANCH_FIELDS, values);
    if (failed != 0)
        return failed;
    if (!form_given(values[BRANCH_ID]))
        return form_missing(f, path, "id", "every branch has a name of its own");
    struct form_path id = form_below(path, "id");
    failed = form_name(f, &id, values[BRANCH_ID], LIMIT_BRANCH_ID_BYTES, &q->id);
    if (failed != 0)
        return failed;
    canon_text(b->digest, 'i', q->id);
    failed = read_operations(b, path, values, q);
    if (failed == 0)
        failed = read_body(f, path, values[BRANCH_BODY], &q->body);
    if (failed == 0)
        failed = read_pivot(b, path, values[BRANCH_PIVOT], &q->pivot);
    if (failed != 0)
        return failed;
    digest_operations(b, q, values);
    canon_number(b->digest, 'c', q->cancel_always);
    canon_number(b->digest, 'p', q->pivot);
    if (form_given(values[BRANCH_BODY]))
        canon_text(b->digest, 'b', q->body);
    else
        canon_none(b->digest, 'b');
    if (form_given(values[BRANCH_RETRY]))
        failed = read_retry(f, path, values[BRANCH_RETRY], b->digest, &q->retry);
    made.after = values[BRANCH_AFTER];
    made.pivot = values[BRANCH_PIVOT];
    made.body = values[BRANCH_BODY];
    if (failed == 0)
        *out = made;
    return failed;
}
