/* POST /v1/notifications: the JSON body becomes a struct transaction_request of mode notification, with
 * everything resolved that model/request.h promises. Source: ux.md (b), "Best-effort notification".
 *
 * What a notification carries is read by notice_content_read, which the notifications of a transaction share.
 * Errors and fingerprint as in protocol/submission.h. Ownership: slices point into the body and the arena.
 * Pure. */
#ifndef PROTOCOL_NOTICE_FORM_H
#define PROTOCOL_NOTICE_FORM_H

#include "base/digest.h"
#include "protocol/form.h"
#include "protocol/submission.h"

/* The members of what a notification carries: they begin a form's table, in this order. */
enum {
    NOTICE_EVENT,
    NOTICE_REF,
    NOTICE_BODY,
    NOTICE_BODY_BASE64,
    NOTICE_CONTENT_TYPE,
    NOTICE_HEADERS,
    NOTICE_SCHEDULE,
    NOTICE_SUCCESS,
    NOTICE_THEN,
    NOTICE_TIMEOUT,
    NOTICE_FIELDS,
};
#define NOTICE_CONTENT_MEMBERS                                                                              \
    [NOTICE_EVENT] = { "event", FORM_STRING }, [NOTICE_REF] = { "ref", FORM_STRING },                       \
    [NOTICE_BODY] = { "body", FORM_ANY }, [NOTICE_BODY_BASE64] = { "body_base64", FORM_STRING },            \
    [NOTICE_CONTENT_TYPE] = { "content_type", FORM_STRING }, [NOTICE_HEADERS] = { "headers", FORM_OBJECT }, \
    [NOTICE_SCHEDULE] = { "schedule", FORM_ARRAY }, [NOTICE_SUCCESS] = { "success", FORM_OBJECT },          \
    [NOTICE_THEN] = { "then", FORM_STRING }, [NOTICE_TIMEOUT] = { "timeout", FORM_STRING }

#define NOTICE_EVENT_BYTES LIMIT_TOPIC_BYTES
#define NOTICE_SCHEDULE_MS 3888000000u /* all waits together: 45 days */
#define NOTICE_SUCCESS_BYTES 256
#define NOTICE_WAIT_MS_MAX 2592000000u /* 30 days */

/* Read them from values[NOTICE_FIELDS]; above is where the object stands. endpoint: its name as written
 * there. What was written goes into the digest. Of *out everything is set but half, delay, check and origin.
 * *timeout_ms: of one attempt; 0: its
 * endpoint's. */
int notice_content_read(struct form *f, const struct form_path *above,
                        const struct submission_options *options, const struct json_value *values,
                        const char *endpoint_member, struct json_value endpoint, struct digest *digest,
                        struct message_request *out, uint32_t *timeout_ms);

/* 0; ERR_INVALID or ERR_MEMORY with *problem filled. On success everything in *out is set except principal,
 * and gid, which stays empty when the client named none. */
int notice_form_decode(struct slice body, const struct submission_options *options, struct arena *arena,
                       struct transaction_request *out, struct problem *problem);

#endif
