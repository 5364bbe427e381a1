/* Which published messages the broker has not answered yet, by channel and number.
 *
 * A lane is a channel and the exchange that it serves now; exchanges beyond RABBITMQ_CHANNELS take over the
 * lane that was idle the longest. Numbers (delivery tags) count from 1 since the channel was opened. One
 * thread: the worker's. Nothing here speaks with the broker. */
#ifndef SINK_RABBITMQ_LANE_H
#define SINK_RABBITMQ_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/chain.h"
#include "base/due.h"
#include "model/call.h"
#include "sink/rabbitmq/rabbitmq_session.h"
#include "sink/rabbitmq/rabbitmq_target.h"

/* On all lanes together, and between the oldest and the newest of one. */
#define RABBITMQ_UNCONFIRMED 1024

/* One message on its way. It belongs to the loop, to the worker from rabbitmq_worker_give on, and to the loop
 * again when it comes out of rabbitmq_worker_take. */
struct rabbitmq_flight {
    struct chain link;
    struct due due; /* at_ms: broker_now_ms() by which it must be answered */
    struct call call;
    struct call_message message;
    struct rabbitmq_route route;
    uint64_t due_ms;
    uint64_t begun_ms; /* the loop's clock */
    uint64_t tag;      /* of its publish, on its channel; the worker's own */
    uint16_t channel;  /* 0: not published */
    bool returned;
    uint8_t verdict;
    char sentence[400]; /* for verdicts other than VERDICT_DONE */
};

struct rabbitmq_lane {
    char exchange[RABBITMQ_NAME_BYTES + 1];
    uint16_t channel;
    bool open;       /* the broker knows the channel; the worker's to say */
    uint64_t next;   /* the tag of the next publish */
    uint64_t oldest; /* every tag below is answered */
    size_t unconfirmed;
    uint64_t used;                 /* the count of publishes at the last one here */
    struct rabbitmq_flight **ring; /* RABBITMQ_UNCONFIRMED of them, by tag; NULL: answered */
};

struct rabbitmq_lanes {
    struct rabbitmq_lane at[RABBITMQ_CHANNELS];
    size_t unconfirmed;
    uint64_t published;
};

void rabbitmq_lanes_init(struct rabbitmq_lanes *lanes);
void rabbitmq_lanes_done(struct rabbitmq_lanes *lanes); /* no flight may be on one */

/* The lane to publish to this exchange on. NULL: every lane is busy with others, or there is no memory. */
struct rabbitmq_lane *rabbitmq_lanes_find(struct rabbitmq_lanes *lanes, struct slice exchange);
/* The lane of a channel; NULL: none was ever used under that number. */
struct rabbitmq_lane *rabbitmq_lanes_of(struct rabbitmq_lanes *lanes, uint16_t channel);
/* Is there no room for one more, because an old one is still unanswered? */
bool rabbitmq_lane_full(const struct rabbitmq_lane *l);
/* Its channel was opened anew: count from 1. It must be empty. */
void rabbitmq_lane_begin(struct rabbitmq_lane *l);
/* The flight is about to be published: it gets channel and tag. */
void rabbitmq_lane_add(struct rabbitmq_lanes *lanes, struct rabbitmq_lane *l, struct rabbitmq_flight *f);
/* It is answered, or given up. */
void rabbitmq_lane_remove(struct rabbitmq_lanes *lanes, struct rabbitmq_flight *f);
/* The unanswered flight of this tag; NULL: none. */
struct rabbitmq_flight *rabbitmq_lane_at(const struct rabbitmq_lane *l, uint64_t tag);
/* Mark the flight that the broker returns, with its sentence. Returns come in the order of the publishes, so
 * the oldest unreturned one of that id, exchange and routing key is meant. */
void rabbitmq_lane_return(struct rabbitmq_lane *l, const struct rabbitmq_event *e);

#endif
