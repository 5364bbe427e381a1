/* What is submitted under an id of its own, asked about, waited for and decided is served the same way,
 * whether it is a transaction, a message or a notification. */
#ifndef SERVER_API_THINGS_H
#define SERVER_API_THINGS_H

#include "model/effect.h"
#include "server/visit.h"

struct thing {
    uint8_t kind;     /* enum stored_kind */
    bool is_created;  /* a new one that nobody waits for is answered 201, not 202 */
    const char *word; /* "transaction", ...: what was not found */
    /* Write the answer that shows it into the daemon's scratch buffer. */
    void (*render)(struct visit *v, const struct transaction *t);
    /* What a command's reply shows instead of the state; NULL: the visit was refused. May be NULL. */
    const struct transaction *(*shown)(struct visit *v, const struct reply *reply);
};

/* Ask the engine, and answer with the state, or with why not. event: enum event_kind; gid and everything that
 * belongs to the kind of event are set in visit.ask.event. The answer waits for the end, for as long as the
 * query says. */
void things_ask(struct visit *v, const struct thing *thing, uint8_t event);
/* Show the one that the path names. */
void things_show(struct visit *v, const struct thing *thing);
/* Submit visit.part.submit: find its id, its key and room for it first. */
void things_submit(struct visit *v, const struct thing *thing);

#endif
