/* What can happen to the engine. Time and randomness arrive inside events; the engine has no other source of
 * either. */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

#include <stdint.h>

#include "base/bytes.h"
#include "model/call.h"
#include "model/definition.h"
#include "model/request.h"

enum event_kind {
    EVENT_SUBMIT = 1, /* request */
    EVENT_SHOW,       /* gid: answer with its state */
    EVENT_REGISTER,   /* gid, branch: add a branch (client drive, undecided) */
    EVENT_COMMIT,     /* gid */
    EVENT_ROLLBACK,   /* gid, text: why */
    EVENT_RETRY,      /* gid [branch_id]: next attempts now */
    EVENT_SUSPEND,    /* gid, text */
    EVENT_RESUME,     /* gid, text */
    EVENT_FORCE,      /* gid, decision, text: end it by hand */
    EVENT_RESOLVE,    /* gid, branch_id, role, not_done, text: settle one operation by hand */
    EVENT_OUTCOME,    /* outcome: what a call brought */
    EVENT_TICK,       /* time has passed: whatever is due */
    EVENT_NOTE,       /* text, who: something the audit chain must hold that is about no transaction */
    EVENT_ACK,        /* gid, branch_id: a consumer has it */
    EVENT_NACK,       /* gid, branch_id, text, not_done (the consumer refuses it for good), pause_ms */
    EVENT_REPLAY,     /* gid, branch_id, text: a dead delivery is tried again */
    EVENT_DISCARD,    /* gid, branch_id, text: a delivery is given up by hand */
    EVENT_EDIT,       /* gid, branch_id, text, body, content_type: replaced by a new message */
    EVENT_AGAIN,      /* gid, text: a notification that waits is tried now, one that is over is sent anew */
    EVENT_PULL,     /* gid: the subscription; count, pause_ms (the lease). What was asked for in a batch that
                       is not durable yet is not handed out: whoever waits asks again when it is */
    EVENT_DEFINE,   /* definition */
    EVENT_UNDEFINE, /* definition_kind, gid: its name; text */
    EVENT_PAUSE,    /* definition_kind, gid, text, not_done: false pauses or disables, true resumes */
    EVENT_KIND_END,
};

/* Whether the history has been asked about event.gid. An event that needs it and has not asked is answered by
 * EFFECT_LOAD; the driver then offers the very same event again with FOUND (and the image) or ABSENT. */
enum lookup {
    LOOKUP_NOT_DONE = 0,
    LOOKUP_ABSENT,
    LOOKUP_FOUND,
};

struct event {
    uint8_t kind;
    uint8_t subject; /* enum stored_kind of the thing that gid names; 0: STORED_TRANSACTION */
    uint8_t definition_kind;
    uint8_t lookup;
    uint8_t role;     /* RESOLVE; ROLE_COUNT: whichever operation of the branch is owed now */
    uint8_t decision; /* FORCE */
    bool not_done;    /* RESOLVE: it did not and will not happen */
    uint64_t now_ms;  /* the daemon's steady clock, epoch ms: never goes back, never jumps */
    uint64_t random;  /* fresh for every event */
    uint64_t ticket;  /* whom to answer; 0: nobody */
    struct slice namespace_name;
    struct slice gid;
    struct slice branch_id;
    struct slice who;                          /* principal */
    struct slice text;                         /* reason */
    struct slice image;                        /* lookup FOUND: the row's image */
    const struct transaction_request *request; /* SUBMIT */
    const struct branch_request *branch; /* REGISTER; its after indexes refer to the transaction's branches */
    const uint8_t *fingerprint;          /* REGISTER: 32 bytes, so that a repeat is known as one */
    const struct outcome *outcome;
    const struct definition *definition; /* DEFINE; at_ms and who are filled in here */
    struct slice body;                   /* EDIT */
    struct slice content_type;           /* EDIT; empty: as it was */
    uint32_t pause_ms; /* NACK: before the next attempt, 0: as the policy says; PULL: the lease */
    uint32_t count;    /* PULL: at most so many */
};

#endif
