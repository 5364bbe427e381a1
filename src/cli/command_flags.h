/* The flags of each command, for the table in commands.c. Tables end with a NULL name; all of it is constant.
 */
#ifndef CLI_COMMAND_FLAGS_H
#define CLI_COMMAND_FLAGS_H

#include "cli/flags.h"

extern const struct flag no_flags[];
extern const struct flag pace_flags[];
extern const struct flag demo_flags[];
extern const struct flag watch_flags[];
extern const struct flag list_flags[];
extern const struct flag wait_flags[];
extern const struct flag submit_flags[];
extern const struct flag decide_flags[];
extern const struct flag force_flags[];
extern const struct flag resolve_flags[];
extern const struct flag retry_flags[];
extern const struct flag stream_flags[];
extern const struct flag config_flags[];
extern const struct flag store_flags[];
extern const struct flag token_flags[];
extern const struct flag secret_flags[];
extern const struct flag audit_flags[];
extern const struct flag bench_flags[];
extern const struct flag page_flags[];
extern const struct flag publish_flags[];
extern const struct flag half_flags[];
extern const struct flag check_flags[];
extern const struct flag message_list_flags[];
extern const struct flag delivery_list_flags[];
extern const struct flag subscription_flags[];
extern const struct flag pull_flags[];
extern const struct flag nack_flags[];
extern const struct flag limit_flags[];
extern const struct flag topic_flags[];
extern const struct flag edit_flags[];
extern const struct flag endpoint_flags[];
extern const struct flag rotate_flags[];
extern const struct flag missed_flags[];
extern const struct flag notify_flags[];
extern const struct flag notify_list_flags[];
extern const struct flag datasource_flags[];

#endif
