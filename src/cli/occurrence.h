/* Occurrences: what the API's event streams tell, read into numbers and words. The word "event" is kept for
 * the stream's own items. */
#ifndef CLI_OCCURRENCE_H
#define CLI_OCCURRENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/json.h"
#include "cli/cli.h"

enum occurrence_kind {
    OCCURRENCE_OTHER,
    OCCURRENCE_CREATED,
    OCCURRENCE_STARTED, /* an attempt may be called */
    OCCURRENCE_ENDED,   /* what an attempt brought */
    OCCURRENCE_DECISION,
    OCCURRENCE_FINISHED, /* a final status */
    OCCURRENCE_SENT,     /* the decision sent a message or a notification */
    OCCURRENCE_BY_HAND,  /* somebody suspended, resumed, forced, resolved or retried: act says which */
};

struct occurrence {
    enum occurrence_kind kind;
    int64_t at_ms;                  /* epoch; 0 when not told */
    struct slice gid;               /* or the message's id */
    struct slice event;             /* "tx.attempt" */
    struct slice branch, operation; /* of STARTED, ENDED, BY_HAND; a delivery's: its subscription, and none */
    int64_t attempt, http, took_ms; /* took_ms -1: not told */
    struct slice verdict;           /* of ENDED: "done", "refused", "unknown", ... */
    struct slice word;              /* decision or status */
    struct slice state;             /* of a delivery: "acked", "retrying", "dead", ... */
    struct slice sent, sent_to;     /* of SENT: the id; the topic or endpoint */
    bool notice;                    /* of SENT: a notification */
    bool half;                      /* of CREATED: a message that is not committed yet */
    struct slice act;               /* of BY_HAND: "suspend", "force", ... */
    struct slice cause, detail, who;
    int64_t next_ms; /* when the next attempt is due; 0: none */
    bool attention;
};

/* Read one item of an events list, or the data of a stream's event. Strings live in the document or the
 * arena. */
void occurrence_read(struct json_value item, struct arena *arena, struct occurrence *out);
/* Whether nothing follows this item in the timeline of its transaction or message. */
bool occurrence_last(struct json_value item);
/* One line for people. */
void occurrence_add(struct buffer *to, const struct occurrence *o, bool with_gid, bool colour);

/* Print events of one thing of a collection ("/v1/transactions", "/v1/messages"), or of all (both NULL), in
 * the chosen format; follow: go on as they happen. An exit code. since and limit may be NULL and 0. */
int occurrence_follow(struct cli *cli, const char *collection, const char *name, const char *since,
                      long limit, bool follow);

#endif
