/* The small JSON bodies of commands: a reason, a forced decision, a branch settled by hand, a token, a
 * rotation. Source: ux.md (b), reliability.md H4 (who overrides must say why).
 *
 * One reader for all of them; which members there are depends on the command. An absent body is an empty
 * object where nothing is required.
 *
 * Errors as in protocol/form.h. Texts borrow the body or the arena. Pure. */
#ifndef PROTOCOL_COMMAND_FORM_H
#define PROTOCOL_COMMAND_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "model/record.h"
#include "protocol/problem.h"

enum command_kind {
    COMMAND_REASON,  /* {"reason": optional}: commit, rollback, retry, suspend, resume */
    COMMAND_FORCE,   /* {"decision": "commit"|"rollback", "reason": required} */
    COMMAND_RESOLVE, /* {"reason": required, "as": "done" (the default)|"refused", "operation": optional} */
    COMMAND_TOKEN, /* {"name": required, "roles": ["operator", ...] required, "expires": optional duration} */
    COMMAND_ROTATE, /* {"overlap": optional duration} */
    COMMAND_KIND_COUNT,
};

#define COMMAND_OVERLAP_MS_DEFAULT 86400000u /* 24 hours */
#define COMMAND_OVERLAP_MS_MAX 2592000000u   /* 30 days */
#define COMMAND_EXPIRES_MS_MAX 4233600000u   /* 49 days */

struct command {
    struct slice reason;    /* empty when not given */
    uint8_t decision;       /* FORCE: enum decision */
    bool not_done;          /* RESOLVE: as "refused": it did not and will not happen */
    struct slice operation; /* RESOLVE: "confirm", ...: empty means whichever is owed */
    struct slice name;      /* TOKEN */
    uint32_t roles;         /* TOKEN: enum route_role, or-ed */
    uint32_t expires_ms;    /* TOKEN: from now; 0: never */
    uint32_t overlap_ms;    /* ROTATE */
};

/* 0; ERR_INVALID or ERR_MEMORY with *problem filled. */
int command_form_decode(struct slice body, enum command_kind kind, struct arena *arena, struct command *out,
                        struct problem *problem);

#endif
