/* The timeline of a transaction or a message: who was called when, what came back, where the decision fell
 * (ux.md c).
 *
 *     order-4711  tcc  committed  31 ms   label order=4711
 *       0 ms   begin          by shop-api
 *       2 ms   ├ order.try ✔ 200  6 ms   ├ stock.try ✔ 200  5 ms   └ points.try ✔ 200  9 ms
 *      12 ms   decision COMMIT
 *      13 ms   ├ order.confirm ✔ 200  3 ms   └ points.confirm ✔ 200  4 ms (2nd try; 1st: connection reset)
 *
 *      30 ms   message warehouse.ship → warehouse ✔ acked
 *
 * A message's lanes are its deliveries:
 *
 *     pay-88  message  committed  9 ms   topic payment.done   key u9
 *       0 ms   half            by pay
 *       4 ms   decision COMMIT  client
 *       4 ms   ├ ledger ✔ acked 200  3 ms   └ mail … retrying 503  2 ms  "later"  again in 2s
 *
 * Operations that overlap in time share a line (or as many as the terminal's width asks for); those that wait
 * for one another stand below one another. */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/occurrence.h"

#define PICTURE_SENT_MAX 32 /* messages whose deliveries are looked up for one picture */

/* A transaction or message and its events as the API tells them, and the messages that it sent. */
struct picture_source {
    struct cli_answer transaction;
    struct cli_answer events;
    stl_result *sent[PICTURE_SENT_MAX];
    size_t sent_count;
};

/* collection: "/v1/transactions", "/v1/messages" or "/v1/notifications". An exit code; with --curl
 * transaction.response stays NULL.
 */
int picture_fetch(struct cli *cli, const char *collection, const char *name, struct picture_source *source);
void picture_release(struct picture_source *source);
/* Fetch what the first word names and draw it; in other formats than the table print it as it is. An exit
 * code. */
int picture_show(struct cli *cli, const char *collection);

/* width 0: no limit. */
void picture_draw(struct buffer *to, const struct picture_source *source, size_t width, bool colour);
/* The same from documents that were checked; events is an array, or an object with "items"; sent are the JSON
 * documents of messages. */
void picture_draw_values(struct buffer *to, struct json_value transaction, struct json_value events,
                         const struct json_value *sent, size_t sent_count, size_t width, bool colour,
                         int64_t now_ms);

#endif
