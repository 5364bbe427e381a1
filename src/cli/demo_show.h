/* The show of settle demo: what is kept from act to act, and how it speaks.
 *
 *     order-1  TCC  order ✔ stock ✔ points ✔ → committed 14 ms   message warehouse.ship → delivered 3 ms
 *
 * What goes otherwise than the story foresees is printed, counted in unexpected, and makes the demo fail. */
#ifndef CLI_DEMO_SHOW_H
#define CLI_DEMO_SHOW_H

#include "cli/cli.h"
#include "cli/glyph.h"
#include "cli/scene.h"

#define SHOW_WAIT_MS 20000
#define SHOW_NAME_BYTES 132

struct show {
    struct cli *cli;
    struct scene scene;
    int orders, trips, gifts;
    int unexpected;
};

/* A message on its way to the warehouse, as settled tells of it. */
struct show_message {
    char id[SHOW_NAME_BYTES]; /* empty: there is none */
    char status[24];          /* of the message: "half", "committed", "rolled_back" */
    char delivery[24];        /* of its delivery: "acked", "retrying", ...; empty when there is none */
    int64_t attempts, took_ms;
};

/* A sentence in a line of its own, after an empty one. */
void show_say(struct show *show, enum paint paint, const char *text);
/* How a transaction ended; sent: the message that its decision sent, or NULL. */
void show_result(struct show *show, const stl_result *result, int64_t took_ms,
                 const struct show_message *sent);
/* The timeline of a thing of this collection ("/v1/transactions", "/v1/messages"). */
void show_picture(struct show *show, const char *collection, const char *name);
/* Print a failure and count it. Not 0. */
int show_failed(struct show *show, const stl_err *e);
/* Count it and print the sentence unless it is as the story foresees. */
void show_expect(struct show *show, bool as_foreseen, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The message of the order gid; id is empty when there is none. finished: wait until nothing is owed for it.
 * A failure is counted and leaves id empty. */
void show_find_message(struct show *show, const char *gid, bool finished, struct show_message *out);
/* The same by its id. */
void show_read_message(struct show *show, const char *id, bool finished, struct show_message *out);
/* One line for each attempt of the message's delivery: when, and what came back. */
void show_attempts(struct show *show, const char *id);

#endif
