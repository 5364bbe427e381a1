/* The acts of settle demo that are about messages: the warehouse is closed, a producer falls silent. */
#ifndef CLI_DEMO_MESSAGE_H
#define CLI_DEMO_MESSAGE_H

#include "cli/demo_show.h"

#define DEMO_CLOSED_CALLS 4 /* what a closed warehouse answers with 503 before it opens */

/* How the order gid, committed while the warehouse was closed, reaches it after all. */
void demo_message_redelivery(struct show *show, const char *gid);
/* What a kill between decision and delivery has left of the message of the order gid: one parcel. packed:
 * what the warehouse had packed before this order. */
void demo_message_once(struct show *show, const char *gid, uint32_t packed);
/* There must be no message for this order. */
void demo_message_none(struct show *show, const char *gid);
/* Two producers announce a message and are never heard of again: one after its own commit, one before. */
void demo_message_check_back(struct show *show);

#endif
