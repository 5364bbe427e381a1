#include "protocol/outgoing_form.h"

#include <string.h>

#include "base/limits.h"
#include "protocol/canon.h"
#include "protocol/message_form.h"

static const struct form_field message_fields[CONTENT_FIELDS] = { MESSAGE_CONTENT_MEMBERS };

enum {
    NOTIFY = NOTICE_FIELDS,
    NOTIFY_FIELDS,
};

static const struct form_field notice_fields[NOTIFY_FIELDS] = {
    NOTICE_CONTENT_MEMBERS,
    [NOTIFY] = { "notify", FORM_STRING },
};

static int read_message(struct form *f, const struct form_path *path, struct json_value value,
                        struct digest *digest, struct outgoing_request *out) {
    struct json_value values[CONTENT_FIELDS];
    int failed = form_members(f, path, value, message_fields, CONTENT_FIELDS, values);
    return failed == 0 ? message_content_read(f, path, values, digest, &out->message) : failed;
}

static int read_notice(struct form *f, const struct form_path *path, struct json_value value,
                       const struct submission_options *options, struct digest *digest,
                       struct outgoing_request *out) {
    struct json_value values[NOTIFY_FIELDS];
    int failed = form_members(f, path, value, notice_fields, NOTIFY_FIELDS, values);
    out->is_notice = true;
    return failed == 0 ? notice_content_read(f, path, options, values, "notify", values[NOTIFY], digest,
                                             &out->message, &out->timeout_ms)
                       : failed;
}

static int read_one(struct form *f, const struct form_path *path, struct json_value value,
                    const struct submission_options *options, struct digest *digest,
                    struct outgoing_request *out) {
    struct json_value notify;
    if (value.kind != JSON_OBJECT)
        return form_refuse(f, path, value, PROBLEM_INVALID_VALUE,
                           "must be an object: {\"topic\": ...} for a message, {\"notify\": ...} for a "
                           "notification");
    return json_member(value, "notify", &notify) ? read_notice(f, path, value, options, digest, out)
                                                 : read_message(f, path, value, digest, out);
}

static int make_room(struct form *f, const struct form_path *path, struct json_value value,
                     struct outgoing_list *list) {
    if (list->count + form_count(value) > LIMIT_OUTGOING) {
        form_refuse(f, path, value, PROBLEM_OVER_LIMIT,
                    "a transaction sends at most %d messages and notifications", LIMIT_OUTGOING);
        PROBLEM_NOTE(f->problem, limit, SLICE("64"));
        return ERR_INVALID;
    }
    if (list->all == NULL)
        list->all = arena_take_array(f->arena, LIMIT_OUTGOING, sizeof *list->all);
    return list->all == NULL ? form_no_memory(f) : 0;
}

int outgoing_form_read(struct form *f, const char *member, struct json_value value,
                       const struct submission_options *options, struct digest *digest,
                       struct outgoing_list *list) {
    struct form_path path = form_below(NULL, member);
    struct json_value element;
    if (!form_given(value))
        return 0;
    int failed = make_room(f, &path, value, list);
    if (failed != 0)
        return failed;
    canon_text(digest, 'O', slice_text(member));
    canon_number(digest, 'n', form_count(value));
    struct json_cursor cursor = json_cursor_of(value);
    for (size_t i = 0; failed == 0 && json_element_next(&cursor, &element); i++) {
        struct form_path place = form_element(&path, i);
        struct outgoing_request *out = &list->all[list->count];
        *out = (struct outgoing_request){ .on_rollback = strcmp(member, "on_rollback") == 0 };
        failed = read_one(f, &place, element, options, digest, out);
        list->payload += out->message.body.length;
        if (failed == 0)
            list->count++;
    }
    if (failed == 0 && list->payload > LIMIT_PAYLOAD_BYTES) {
        form_refuse(f, &path, value, PROBLEM_TOO_LARGE,
                    "the bodies of all messages and notifications together have more than %d bytes",
                    LIMIT_PAYLOAD_BYTES);
        PROBLEM_NOTE(f->problem, limit, SLICE("4MiB"));
        f->problem->value[0] = '\0';
        return ERR_INVALID;
    }
    return failed;
}
