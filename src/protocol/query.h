/* Query strings: percent-decoded once, every parameter known and given once, or a problem that names it
 * (422, design as for JSON members; 400 when the encoding itself is broken).
 *
 * What the parameters of lists mean is here too: a filter that a transaction either matches or not, and the
 * cursor that says where the next page begins.
 *
 * Ownership: decoded values live in the arena given. Times are epoch ms. Pure. */
#ifndef PROTOCOL_QUERY_H
#define PROTOCOL_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "model/transaction.h"
#include "protocol/message_word.h"
#include "protocol/notice_word.h"
#include "protocol/problem.h"

/* Which parameters a route takes. */
enum query_kind {
    QUERY_NONE,
    QUERY_WAIT,       /* wait */
    QUERY_LIST,       /* the filters of struct list_filter, sort, limit, cursor */
    QUERY_EVENTS,     /* after, limit */
    QUERY_PAGE,       /* limit, cursor */
    QUERY_LIMIT,      /* limit */
    QUERY_MESSAGES,   /* filters of messages, sort, limit, cursor */
    QUERY_NOTICES,    /* filters of notifications, sort, limit, cursor */
    QUERY_MISSED,     /* since, limit, cursor */
    QUERY_DELIVERIES, /* filters of deliveries, sort, limit, cursor */
    QUERY_KIND_COUNT,
};

/* The names of the parameters of a kind, ending with NULL. "label." stands for label.KEY with any key. */
const char *const *query_names(enum query_kind kind);
/* What one of them means, for the reference. */
const char *query_meaning(const char *name);

#define QUERY_LABELS_MAX 8

/* Which transactions, messages or deliveries a list shows. Empty slices and zeros match everything. */
struct list_filter {
    struct slice namespace_name;
    uint8_t mode;                          /* enum mode */
    uint32_t statuses;                     /* bit 1 << enum status */
    int8_t attention;                      /* 1: only with, -1: only without */
    int8_t suspended;                      /* likewise */
    struct slice name;                     /* equal */
    struct slice branch_url;               /* some operation's URL begins with it */
    struct slice topic;                    /* messages: equal */
    struct slice key;                      /* likewise */
    struct slice subscription;             /* deliveries: equal */
    struct slice endpoint;                 /* notifications: equal */
    uint32_t notices;                      /* notifications: bit 1 << enum notice_status */
    uint32_t deliveries;                   /* deliveries: bit 1 << enum delivery_status */
    uint64_t created_after_ms;             /* created later than this */
    uint64_t created_before_ms;            /* created earlier than this; 0: no bound */
    struct label labels[QUERY_LABELS_MAX]; /* all of them, value equal */
    uint8_t label_count;
};

/* Everything a query can say. */
struct query {
    uint32_t wait_ms; /* 0 when not given; at most LIMIT_WAIT_MS */
    struct list_filter filter;
    bool oldest_first; /* sort=created; default sort=-created */
    uint32_t limit;    /* 1 to LIMIT_PAGE; default 50 */
    bool has_cursor;
    uint64_t cursor;    /* id of the last item of the page before */
    struct slice after; /* events: id after which to begin, as given */
};

#define QUERY_LIMIT_DEFAULT 50

/* text is what follows '?' (may be empty). now_ms turns older_than into a time. 0; ERR_INVALID or ERR_MEMORY
 * with *problem filled. Values over a limit (wait over 60 s, limit over 200) are refused, not cut. */
int query_decode(struct slice text, enum query_kind kind, struct slice namespace_name, uint64_t now_ms,
                 struct arena *arena, struct query *out, struct problem *problem);

bool list_filter_matches(const struct list_filter *filter, const struct transaction *t);
/* Whether a delivery of a message that matches is wanted, too. */
bool list_filter_takes(const struct list_filter *filter, const struct transaction *t, uint16_t branch,
                       enum delivery_status status);
/* Whether everything that it shows is unfinished, and so in memory. */
bool list_filter_is_live(const struct list_filter *filter);

/* Opaque to clients: base64url of a version byte, the direction and the id. It stays valid while data
 * changes, because ids are never reused and lists are ordered by them. */
void query_add_cursor(uint64_t id, bool oldest_first, struct buffer *to);

#endif
