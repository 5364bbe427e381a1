/* From a place to an open connection: the host's name is resolved off the loop's thread, every address is
 * judged before anything is sent to it, and the accepted ones are tried one after another until one takes the
 * login. One thread: the loop's. */
#ifndef SINK_DATABASE_DIAL_H
#define SINK_DATABASE_DIAL_H

#include "sink/database/database.h"

struct database_dial;

struct database_dial_options {
    const struct database_place *place; /* copied */
    const char *password;               /* copied, and wiped when the dial is over */
    uint32_t timeout_ms;                /* for everything */
    const char *const *directories;     /* as database_options; borrowed until done */
    size_t directory_count;
    /* 0: this address may be called. Anything else: it may not, and why says why. */
    int (*judge)(void *context, const char *host, uint16_t port, const struct sockaddr *address,
                 struct why *why);
    void *judge_context;
    /* Once, unless cancelled, never from inside database_dial_start. With code 0 the connection is the
     * callee's, who sets its events and context. Otherwise ERR_DENIED (address or folder not allowed),
     * ERR_INVALID (the server refuses login or database), ERR_NOT_FOUND (no such name or file), ERR_TIMEOUT,
     * ERR_IO, ERR_MEMORY, and why names the database and what happened. */
    void (*done)(void *context, int code, struct database *d, const struct why *why);
    void *context;
};

/* 0 or ERR_MEMORY. */
int database_dial_start(struct database_dial **out, struct loop *loop,
                        const struct database_dial_options *options, struct why *why);
/* Before done. */
void database_dial_cancel(struct database_dial *dial);

#endif
