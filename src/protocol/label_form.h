/* The member "labels": names and values to find a thing by. Errors as in protocol/form.h. Pure. */
#ifndef PROTOCOL_LABEL_FORM_H
#define PROTOCOL_LABEL_FORM_H

#include "base/digest.h"
#include "base/json.h"
#include "model/label.h"
#include "protocol/form.h"

/* value may be absent: no labels. They go into the digest by name, so their order means nothing. */
int label_form_read(struct form *f, struct digest *digest, struct json_value value,
                    const struct label **labels, uint16_t *count);
/* The same for any object of short texts: names and values of at most so many bytes, at most `most` of them.
 * what: "label", "header". */
struct label_form {
    const char *member;
    const char *what;
    size_t most;
    size_t name_bytes;
    size_t value_bytes;
};
int label_form_object(struct form *f, const struct form_path *above, const struct label_form *form,
                      struct digest *digest, struct json_value value, const struct label **labels,
                      uint16_t *count);

#endif
