/* What each participant of the demo does with its database: the business, without HTTP and without barrier.
 *
 * forward runs inside the local transaction that ledger_begin opened. It returns 0; ERR_CONFLICT for a
 * refusal, with the sentence in why; or what the ledger returned. confirm and backward are statements that
 * get the gid as ?1, in order, NULL-ended. */
#ifndef DEMO_BUSINESS_H
#define DEMO_BUSINESS_H

#include "base/bytes.h"
#include "base/json.h"
#include "demo/ledger.h"

#define BUSINESS_STOCK 1000 /* pieces of each thing the shop starts with */
#define BUSINESS_POINTS 10  /* points per piece */
#define BUSINESS_CARD 2000  /* what the traveller's card allows at once */
#define BUSINESS_GIFT "G1"  /* the sku of a gift */

struct business {
    const char *name;
    const char *path; /* behind the service's address: "/tcc" or "" */
    const char *schema;
    const char *no; /* the sentence of an injected refusal */
    int (*forward)(struct ledger *l, struct slice gid, struct json_value body, struct buffer *answer,
                   struct why *why);
    const char *const *confirm;
    const char *const *backward;
};

/* Ends with a row whose name is NULL. */
extern const struct business business_table[];

#endif
