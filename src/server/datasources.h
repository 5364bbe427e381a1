/* Datasources as the API knows them: definitions of the engine (model/definition.h), and what the book of
 * connections (sink/database/datasource.h) has to know of each. The definition is what is durable; the book
 * follows it. One thread: the loop's. */
#ifndef SERVER_DATASOURCES_H
#define SERVER_DATASOURCES_H

#include "model/definition.h"
#include "sink/database/datasource.h"

struct daemon;

/* After recovery: what was defined before. One that the settings of today refuse (egress.deny,
 * datasource.directories) is said in the log and stays out of the book; its check-backs go on asking. */
void datasources_restore(struct daemon *d);
/* Whether the book would take it. Errors as datasource_book_put. */
int datasources_judge(struct daemon *d, struct slice name, struct slice source, struct why *why);
/* It was defined, after datasources_judge. */
void datasources_defined(struct daemon *d, const struct definition *definition);
void datasources_undefined(struct daemon *d, struct slice name);
/* "postgresql://settle@db1:5432/orders", without parameters; nothing is added when the source cannot be
 * read. */
void datasources_describe(struct slice source, struct buffer *to);

/* A check on its way. Nobody is told when the visit has left, or when settled stops. */
struct datasource_ticket {
    struct chain link; /* in daemon.datasource_tickets */
    void (*told)(void *context, const struct datasource_report *r);
    void *context; /* NULL: nobody listens any more */
};
/* told comes once, never from inside, unless the ticket is left before. 0; errors as
 * datasource_book_check. */
int datasources_check(struct daemon *d, struct slice name,
                      void (*told)(void *context, const struct datasource_report *r), void *context,
                      struct datasource_ticket **out);
void datasources_leave(struct datasource_ticket *ticket); /* NULL is fine */
/* With the book closed: the tickets that nobody will answer. */
void datasources_close(struct daemon *d);

#endif
