/* What happened to a transaction or a message, gathered from its events into lines: who ran beside whom, what
 * an operation's attempts came to. Drawing it is picture.c's.
 *
 * Everything lives in the timeline's arena or in the documents, which must outlive it. */
#ifndef CLI_TIMELINE_H
#define CLI_TIMELINE_H

#include "base/arena.h"
#include "base/json.h"
#include "cli/glyph.h"
#include "cli/occurrence.h"

/* One operation of one branch, all its attempts. */
struct operation {
    struct operation *next;
    struct slice branch, word;
    int64_t from_ms, until_ms; /* until_ms 0: not over */
    int64_t attempts;
    struct occurrence last;          /* the last outcome; kind OTHER while there is none */
    struct occurrence first_failure; /* of an earlier attempt; kind OTHER: none */
};

/* One line of the picture, or a group of operations that ran side by side. */
struct entry {
    struct entry *next;
    int64_t at_ms;
    struct operation *operations, *last_operation; /* a group; NULL: a text line */
    size_t count;
    struct slice text;
    enum paint paint;
    bool gap;
};

struct timeline {
    struct arena arena;
    struct entry *entries, *last_entry;
    struct entry *open; /* the group that a starting operation may join; NULL after any other line */
    int64_t begin_ms, previous_ms;
    bool message;                  /* the timeline of a message */
    bool lanes;                    /* it has deliveries */
    const struct json_value *sent; /* documents of the messages that it sent */
    size_t sent_count;
};

/* Set message, sent and begin_ms (when it was created) between init and gather. events is an array, or an
 * object with "items". */
void timeline_init(struct timeline *t);
void timeline_gather(struct timeline *t, struct json_value events);
void timeline_done(struct timeline *t);

/* Whether the attempt ended because settled itself was gone. What follows is drawn as a new beginning. */
bool timeline_by_settled(const struct occurrence *o);
/* The sign of a delivery's state. */
const char *timeline_mark(struct slice state);

#endif
