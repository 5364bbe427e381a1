/* Outbound: what the daemon needs to call participants. The sink with its pool, whom it may call, and the
 * secrets that sign. */
#ifndef SERVER_OUTBOUND_H
#define SERVER_OUTBOUND_H

#include "server/daemon.h"

/* After the API listens: its address is one that is never called. ERR_INVALID for a rule of egress that is
 * none, ERR_MEMORY, ERR_IO. */
int outbound_open(struct daemon *d, struct why *why);
void outbound_close(struct daemon *d); /* fine when not open */

/* Rules made from these settings. ERR_INVALID names the rule. */
int egress_book_new(struct egress_book **out, const struct daemon *d, const struct settings *s,
                    struct why *why);
void egress_book_free(struct egress_book *book); /* NULL is fine */
/* Judge by this book from now on; the old one is freed. */
void outbound_judge_by(struct daemon *d, struct egress_book *book);
/* The signing secrets changed, or an overlap may have ended. */
void outbound_secrets(struct daemon *d);

/* Whether an endpoint of that name is defined; self is the daemon. */
bool outbound_has_endpoint(void *self, struct slice name);
/* submission_judge of protocol/submission.h: self is the daemon. */
int outbound_judge(void *self, struct slice url, struct why *why);
/* The same for a broker's line (wire/sink_target.h): each host that is an address now, names when they are
 * connected to. */
int outbound_judge_sink(void *self, struct slice line, struct why *why);

#endif
