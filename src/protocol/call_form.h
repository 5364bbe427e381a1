/* What a call needs and every request spells the same way: a URL with its timeout, and how it is tried again.
 *
 * Errors as in protocol/form.h. Pure. */
#ifndef PROTOCOL_CALL_FORM_H
#define PROTOCOL_CALL_FORM_H

#include "base/digest.h"
#include "base/json.h"
#include "model/request.h"
#include "protocol/form.h"
#include "protocol/submission.h"

/* A URL and its timeout as written: a string, or an object of both. Not judged yet. */
struct call_draft {
    struct slice url;
    uint32_t timeout_ms; /* 0: not written */
};
int call_form_endpoint(struct form *f, const struct form_path *path, struct json_value value,
                       struct call_draft *out);

/* Whether the URL may be called at all, as the judge says. */
int call_form_judge(struct form *f, submission_judge *judge, void *self, const struct form_path *path,
                    struct json_value value, struct slice url);

/* Whether the policy says what follows when it is at its end. */
enum call_form_retry {
    CALL_FORM_RETRY_THEN,
    CALL_FORM_RETRY_PLAIN,
};
/* The member "retry" of the object at `above`: what is given replaces the defaults in *out. digest: NULL, or
 * takes what was written. */
int call_form_retry(struct form *f, const struct form_path *above, struct json_value value,
                    enum call_form_retry kind, struct digest *digest, struct retry_policy *out);

#endif
