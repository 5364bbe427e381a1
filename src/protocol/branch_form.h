/* One branch of a request: from its JSON object to a struct branch_request, all but the order (`after` needs
 * to know the other branches, see submission.c).
 *
 * Errors as in protocol/form.h. Pure. */
#ifndef PROTOCOL_BRANCH_FORM_H
#define PROTOCOL_BRANCH_FORM_H

#include "base/digest.h"
#include "base/json.h"
#include "model/request.h"
#include "protocol/form.h"
#include "protocol/submission.h"

/* A branch on its way: what the request will be, and what is still to be resolved. */
struct branch_draft {
    struct branch_request request;
    struct json_value after; /* raw.at NULL: absent; else an array */
    struct json_value pivot; /* where it was said, for complaints */
    struct json_value body;  /* likewise */
};

/* What the branches of one request have in common. */
struct branch_form {
    struct form *form;
    const struct submission_options *options;
    struct digest *digest; /* what was written goes in here */
    uint8_t mode;
    uint8_t drive;
};

int branch_form_read(struct branch_form *b, const struct form_path *path, struct json_value value,
                     struct branch_draft *out);

#endif
