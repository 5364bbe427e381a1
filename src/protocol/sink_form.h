/* The member "sink" of a subscription: {"stomp": {"url": ..., "destination": ...}}, one broker's kind with
 * what that kind takes, spelled into the one line of wire/sink_target.h that is stored and given to the sink.
 *
 * Which members a kind has stands in one table here; what their values must be is for the kind's own sink to
 * say. Errors as in protocol/form.h. Pure. */
#ifndef PROTOCOL_SINK_FORM_H
#define PROTOCOL_SINK_FORM_H

#include "base/json.h"
#include "protocol/form.h"

/* value is an object. *line is in the arena; *url is where the address was written, for complaints. */
int sink_form_read(struct form *f, const struct form_path *above, struct json_value value, struct slice *line,
                   struct json_value *url);

#endif
