/* The members "on_commit" and "on_rollback" of a transaction: the messages and notifications that it sends
 * when it is decided. Source: ux.md (b), "TCC in one request".
 *
 *     [{"topic": "warehouse.ship", "key": "4711", "body": {...}},
 *      {"notify": "crm", "event": "order.paid", "body": {...}}]
 *
 * Errors as in protocol/form.h. Pure. */
#ifndef PROTOCOL_OUTGOING_FORM_H
#define PROTOCOL_OUTGOING_FORM_H

#include "protocol/notice_form.h"

struct outgoing_list {
    struct outgoing_request *all; /* room for LIMIT_OUTGOING, in the form's arena; NULL before the first */
    uint16_t count;
    size_t payload; /* bytes of all bodies: counts toward the transaction's */
};

/* Append what the member asks for; value may be absent. */
int outgoing_form_read(struct form *f, const char *member, struct json_value value,
                       const struct submission_options *options, struct digest *digest,
                       struct outgoing_list *list);

#endif
