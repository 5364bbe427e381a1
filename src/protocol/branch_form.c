#include "protocol/branch_form.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "model/transaction.h"
#include "protocol/call_form.h"
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
                     struct call_draft *base) {
    struct form_path place = form_below(path, "base");
    int failed = call_form_endpoint(b->form, &place, value, base);
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
                          const struct json_value *values, const struct call_draft *base, uint8_t role,
                          struct endpoint *out) {
    unsigned field = operation_field[b->mode][role];
    struct form_path place = form_below(path, branch_fields[field].name);
    struct json_value said = values[field];
    struct call_draft draft = { .timeout_ms = 0 };
    int failed = 0;
    if (form_given(said)) {
        failed = call_form_endpoint(b->form, &place, said, &draft);
    } else if (form_given(values[BRANCH_BASE])) {
        place = form_below(path, "base");
        said = values[BRANCH_BASE];
        draft.timeout_ms = base->timeout_ms;
        failed = join(b->form, base->url, operation_word(b->mode, role), &draft.url);
    } else {
        return 0;
    }
    if (failed == 0)
        failed = call_form_judge(b->form, b->options->judge, b->options->judge_self, &place, said, draft.url);
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
    struct call_draft base = { .timeout_ms = 0 };
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
        failed = call_form_retry(f, path, values[BRANCH_RETRY], CALL_FORM_RETRY_THEN, b->digest, &q->retry);
    made.after = values[BRANCH_AFTER];
    made.pivot = values[BRANCH_PIVOT];
    made.body = values[BRANCH_BODY];
    if (failed == 0)
        *out = made;
    return failed;
}
