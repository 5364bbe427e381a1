/* PUT /v1/topics/{name}, /v1/subscriptions/{name}, /v1/endpoints/{name} and /v1/datasources/{name}: the JSON
 * body becomes a struct definition whose outlet has every default filled in. A datasource is read for what is
 * wrong with it, and has no outlet (protocol/datasource_form.h). Source: ux.md (b), "Subscription".
 *
 * A subscription is served in one of three ways, and names exactly one: "push" (an HTTP URL), "pull": true,
 * or "sink" (a broker). Errors as in protocol/submission.h. Ownership: slices point into the body and the
 * arena. Pure. */
#ifndef PROTOCOL_DEFINITION_FORM_H
#define PROTOCOL_DEFINITION_FORM_H

#include "model/definition.h"
#include "protocol/submission.h"

#define DEFINITION_CONCURRENCY 16u
#define DEFINITION_ENDPOINT_CONCURRENCY 4u /* one endpoint takes few places from the others */
#define DEFINITION_ACK_TIMEOUT_MS 30000u
#define DEFINITION_ACK_TIMEOUT_MS_MIN 100u
#define DEFINITION_TEXT_BYTES 1024 /* a description */

/* kind: enum definition_kind. An empty body is an empty object. 0; ERR_INVALID or ERR_MEMORY with *problem
 * filled. */
int definition_form_decode(uint8_t kind, struct slice name, struct slice body,
                           const struct submission_options *options, struct arena *arena,
                           struct definition *out, struct problem *problem);

#endif
