/* POST /v1/messages: the JSON body becomes a struct transaction_request of mode message, with everything
 * resolved that model/request.h promises. Source: ux.md (b), "Reliable message".
 *
 * What a message carries (topic, key, body, ...) is read by message_content_read, which the messages of a
 * transaction share. A body is any JSON, kept byte for byte; any other bytes come as base64.
 *
 * Errors and fingerprint as in protocol/submission.h. Ownership: slices point into the body and the arena.
 * Pure. */
#ifndef PROTOCOL_MESSAGE_FORM_H
#define PROTOCOL_MESSAGE_FORM_H

#include "base/digest.h"
#include "protocol/form.h"
#include "protocol/submission.h"

/* The members of what a message carries: they begin a form's table, in this order. */
enum {
    CONTENT_TOPIC,
    CONTENT_KEY,
    CONTENT_BODY,
    CONTENT_BODY_BASE64,
    CONTENT_TYPE,
    CONTENT_HEADERS,
    CONTENT_DELAY,
    CONTENT_FIELDS,
};
#define MESSAGE_CONTENT_MEMBERS                                                                       \
    [CONTENT_TOPIC] = { "topic", FORM_STRING }, [CONTENT_KEY] = { "key", FORM_STRING },               \
    [CONTENT_BODY] = { "body", FORM_ANY }, [CONTENT_BODY_BASE64] = { "body_base64", FORM_STRING },    \
    [CONTENT_TYPE] = { "content_type", FORM_STRING }, [CONTENT_HEADERS] = { "headers", FORM_OBJECT }, \
    [CONTENT_DELAY] = { "delay", FORM_STRING }

/* Read them from values[CONTENT_FIELDS]; above is where the object stands. What was written goes into the
 * digest. Of *out only head, body and delay_ms are set. */
int message_content_read(struct form *f, const struct form_path *above, const struct json_value *values,
                         struct digest *digest, struct message_request *out);
/* Body and content type alone: values[CONTENT_BODY], [CONTENT_BODY_BASE64] and [CONTENT_TYPE]. Neither body
 * given: *body is empty. */
int message_body_read(struct form *f, const struct form_path *above, const struct json_value *values,
                      struct slice *body, struct slice *content_type);

/* The member "headers"; and the member "id", which may be absent: *out is empty then. Both go into the
 * digest. */
int message_headers_read(struct form *f, const struct form_path *above, struct json_value value,
                         struct digest *digest, struct message_request *out);
int message_id_read(struct form *f, struct json_value value, struct digest *digest, struct slice *out);

/* Whether the content type is JSON's own, or ends in +json. */
bool message_is_json(struct slice content_type);

/* The id of the branch that stands for a check-back; no subscription can have it. */
#define MESSAGE_CHECK_BRANCH "~check"

#define MESSAGE_CHECK_AFTER_MS 10000u
#define MESSAGE_CHECK_EVERY_MS 30000u
#define MESSAGE_CHECK_MAX_MS 600000u
#define MESSAGE_CHECK_TRIES_MAX 1000000u

struct message_options {
    const struct submission_options *common;
    bool (*has_datasource)(void *self, struct slice name); /* whether it is defined; self: judge_self */
};

/* 0; ERR_INVALID or ERR_MEMORY with *problem filled. On success everything in *out is set except principal,
 * and gid, which stays empty when the client named none. */
int message_form_decode(struct slice body, const struct message_options *options, struct arena *arena,
                        struct transaction_request *out, struct problem *problem);

#endif
