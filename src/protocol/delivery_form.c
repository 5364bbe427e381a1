#include "protocol/delivery_form.h"

#include <assert.h>

#include "base/limits.h"
#include "protocol/message_form.h"

enum {
    MEMBER_REASON,
    MEMBER_MAX,
    MEMBER_LEASE,
    MEMBER_WAIT,
    MEMBER_DELAY,
    MEMBER_REFUSED,
    MEMBER_BODY,
    MEMBER_BODY_BASE64,
    MEMBER_CONTENT_TYPE,
    MEMBERS,
};

static const struct form_field all_fields[MEMBERS] = {
    [MEMBER_REASON] = { "reason", FORM_STRING },
    [MEMBER_MAX] = { "max", FORM_NUMBER },
    [MEMBER_LEASE] = { "lease", FORM_STRING },
    [MEMBER_WAIT] = { "wait", FORM_STRING },
    [MEMBER_DELAY] = { "delay", FORM_STRING },
    [MEMBER_REFUSED] = { "refused", FORM_BOOL },
    [MEMBER_BODY] = { "body", FORM_ANY },
    [MEMBER_BODY_BASE64] = { "body_base64", FORM_STRING },
    [MEMBER_CONTENT_TYPE] = { "content_type", FORM_STRING },
};

/* Which members an act has: bits. */
static const uint32_t members_of[DELIVERY_ACT_COUNT] = {
    [DELIVERY_PULL] = 1u << MEMBER_MAX | 1u << MEMBER_LEASE | 1u << MEMBER_WAIT,
    [DELIVERY_ACK] = 0,
    [DELIVERY_NACK] = 1u << MEMBER_DELAY | 1u << MEMBER_REFUSED | 1u << MEMBER_REASON,
    [DELIVERY_REPLAY] = 1u << MEMBER_REASON,
    [DELIVERY_DISCARD] = 1u << MEMBER_REASON,
    [DELIVERY_EDIT] =
        1u << MEMBER_REASON | 1u << MEMBER_BODY | 1u << MEMBER_BODY_BASE64 | 1u << MEMBER_CONTENT_TYPE,
};

static int read_members(struct form *f, struct json_value root, enum delivery_act act,
                        struct json_value values[MEMBERS]) {
    struct form_field fields[MEMBERS];
    struct json_value read[MEMBERS];
    size_t count = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        values[i] = (struct json_value){ .raw = SLICE_NONE };
        if ((members_of[act] >> i & 1) != 0)
            fields[count++] = all_fields[i];
    }
    int failed = form_members(f, NULL, root, fields, count, read);
    count = 0;
    for (size_t i = 0; failed == 0 && i < MEMBERS; i++)
        if ((members_of[act] >> i & 1) != 0)
            values[i] = read[count++];
    return failed;
}

static int read_reason(struct form *f, const struct json_value *values, bool required, struct slice *out) {
    struct form_path path = form_below(NULL, "reason");
    if (!form_given(values[MEMBER_REASON]))
        return required ? form_missing(f, NULL, "reason",
                                       "whoever overrides must say why; it stands in the timeline and in the "
                                       "audit for ever")
                        : 0;
    int failed = form_text(f, &path, values[MEMBER_REASON], LIMIT_REASON_BYTES, out);
    if (failed != 0)
        return failed;
    *out = slice_trim(*out);
    if (required && out->length == 0)
        return form_refuse(f, &path, values[MEMBER_REASON], PROBLEM_INVALID_VALUE,
                           "the reason must not be empty");
    return 0;
}

static int read_max(struct form *f, struct json_value value, uint32_t *out) {
    struct form_path path = form_below(NULL, "max");
    uint64_t number = 0;
    if (!form_given(value))
        return 0;
    if (json_u64(value, &number) != 0 || number < 1 || number > LIMIT_PULL) {
        form_refuse(f, &path, value, PROBLEM_OVER_LIMIT, "must be 1 to %d", LIMIT_PULL);
        PROBLEM_NOTE(f->problem, limit, SLICE("1 to 1000"));
        return ERR_INVALID;
    }
    *out = (uint32_t)number;
    return 0;
}

static int read_durations(struct form *f, const struct json_value *values, struct delivery_command *c) {
    const struct {
        unsigned member;
        uint32_t least_ms;
        uint32_t most_ms;
        uint32_t *out;
    } rows[] = {
        { MEMBER_LEASE, DELIVERY_LEASE_MS_MIN, LIMIT_LEASE_MS, &c->lease_ms },
        { MEMBER_WAIT, 0, LIMIT_WAIT_MS, &c->wait_ms },
        { MEMBER_DELAY, 1, LIMIT_LEASE_MS, &c->delay_ms },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct form_path path = form_below(NULL, all_fields[rows[i].member].name);
        struct json_value value = values[rows[i].member];
        int failed = form_given(value)
                         ? form_duration(f, &path, value, rows[i].least_ms, rows[i].most_ms, rows[i].out)
                         : 0;
        if (failed != 0)
            return failed;
    }
    c->waits = form_given(values[MEMBER_WAIT]);
    return 0;
}

static int read_replacement(struct form *f, const struct json_value *values, struct delivery_command *c) {
    struct json_value content[CONTENT_FIELDS] = { [CONTENT_BODY] = values[MEMBER_BODY],
                                                  [CONTENT_BODY_BASE64] = values[MEMBER_BODY_BASE64],
                                                  [CONTENT_TYPE] = values[MEMBER_CONTENT_TYPE] };
    if (!form_given(values[MEMBER_BODY]) && !form_given(values[MEMBER_BODY_BASE64]))
        return form_missing(f, NULL, "body", "what is sent instead; \"body_base64\" for what is not JSON");
    int failed = message_body_read(f, NULL, content, &c->body, &c->content_type);
    if (!form_given(values[MEMBER_CONTENT_TYPE]) && !form_given(values[MEMBER_BODY]))
        c->content_type = SLICE_NONE; /* other bytes of the same kind */
    return failed;
}

int delivery_form_decode(struct slice body, enum delivery_act act, struct arena *arena,
                         struct delivery_command *out, struct problem *problem) {
    struct form f = { .document = body.length == 0 ? SLICE("{}") : body, .arena = arena, .problem = problem };
    struct delivery_command made = { .max = DELIVERY_PULL_DEFAULT };
    struct json_value root;
    struct json_value values[MEMBERS];
    bool by_hand = act == DELIVERY_REPLAY || act == DELIVERY_DISCARD || act == DELIVERY_EDIT;
    assert((unsigned)act < DELIVERY_ACT_COUNT);
    int failed = form_begin(&f, &root);
    if (failed == 0)
        failed = read_members(&f, root, act, values);
    if (failed == 0)
        failed = read_reason(&f, values, by_hand, &made.reason);
    if (failed == 0)
        failed = read_max(&f, values[MEMBER_MAX], &made.max);
    if (failed == 0)
        failed = read_durations(&f, values, &made);
    if (failed == 0 && act == DELIVERY_EDIT)
        failed = read_replacement(&f, values, &made);
    if (failed != 0)
        return failed;
    if (form_given(values[MEMBER_REFUSED]))
        (void)json_bool(values[MEMBER_REFUSED], &made.refused);
    *out = made;
    return 0;
}
