/* Every command's function, for the table in commands.c, in the order of the files that hold them.
 *
 * Each is called once, after the command line was read against its flags and the number of its words was
 * checked. It returns an exit code (enum cli_exit) and has explained every failure on stderr by then. What it
 * opened through cli_open is closed for it. None of them touches settled but through cli_ask and libsettle,
 * so --curl and --dry-run hold for all. The exceptions run the program settled itself: config check and the
 * store commands on stopped stores, because only settled knows how its files are written, and the demo, which
 * has a settled of its own. */
#ifndef CLI_COMMAND_LIST_H
#define CLI_COMMAND_LIST_H

#include "cli/cli.h"

/* command_show.c: looking at transactions. */
int command_tx_list(struct cli *cli);
int command_tx_show(struct cli *cli);
int command_tx_events(struct cli *cli);
/* command_follow.c: waiting and streams. */
int command_tx_wait(struct cli *cli);
int command_tx_watch(struct cli *cli);
int command_events(struct cli *cli);
/* command_act.c: changing transactions. */
int command_tx_submit(struct cli *cli);
int command_tx_retry(struct cli *cli);
int command_tx_suspend(struct cli *cli);
int command_tx_resume(struct cli *cli);
int command_tx_force(struct cli *cli);
int command_tx_resolve(struct cli *cli);
int command_tx_commit(struct cli *cli);
int command_tx_rollback(struct cli *cli);
/* command_server.c: settled itself. */
int command_doctor(struct cli *cli);
int command_open(struct cli *cli);
/* command_settings.c */
int command_config_check(struct cli *cli);
int command_config_show(struct cli *cli);
int command_config_diff(struct cli *cli);
int command_config_reload(struct cli *cli);
/* command_store.c */
int command_store_verify(struct cli *cli);
int command_store_backup(struct cli *cli);
int command_store_restore(struct cli *cli);
int command_store_compact(struct cli *cli);
int command_store_accept_loss(struct cli *cli);
/* command_access.c: tokens and the signing secret. */
int command_token_create(struct cli *cli);
int command_token_list(struct cli *cli);
int command_token_revoke(struct cli *cli);
int command_secret_rotate(struct cli *cli);
/* command_audit.c */
int command_audit_list(struct cli *cli);
int command_audit_verify(struct cli *cli);
/* command_message.c */
int command_msg_publish(struct cli *cli);
int command_msg_half(struct cli *cli);
int command_msg_commit(struct cli *cli);
int command_msg_rollback(struct cli *cli);
int command_msg_check(struct cli *cli);
int command_msg_list(struct cli *cli);
int command_msg_show(struct cli *cli);
int command_msg_events(struct cli *cli);
/* command_subscription.c: subscriptions, their consumers, topics. */
int command_sub_list(struct cli *cli);
int command_sub_show(struct cli *cli);
int command_sub_set(struct cli *cli);
int command_sub_delete(struct cli *cli);
int command_sub_pause(struct cli *cli);
int command_sub_resume(struct cli *cli);
int command_sub_lanes(struct cli *cli);
int command_sub_pull(struct cli *cli);
int command_sub_ack(struct cli *cli);
int command_sub_nack(struct cli *cli);
int command_topic_list(struct cli *cli);
int command_topic_show(struct cli *cli);
int command_topic_set(struct cli *cli);
int command_topic_delete(struct cli *cli);
/* command_dead.c */
int command_dlq_list(struct cli *cli);
int command_dlq_show(struct cli *cli);
int command_dlq_replay(struct cli *cli);
int command_dlq_edit(struct cli *cli);
int command_dlq_discard(struct cli *cli);
/* command_notice.c: endpoints and notifications. */
int command_endpoint_list(struct cli *cli);
int command_endpoint_show(struct cli *cli);
int command_endpoint_set(struct cli *cli);
int command_endpoint_enable(struct cli *cli);
int command_endpoint_disable(struct cli *cli);
int command_endpoint_rotate(struct cli *cli);
int command_endpoint_delete(struct cli *cli);
int command_endpoint_missed(struct cli *cli);
int command_notify_send(struct cli *cli);
int command_notify_list(struct cli *cli);
int command_notify_show(struct cli *cli);
int command_notify_events(struct cli *cli);
int command_notify_retry(struct cli *cli);
int command_notify_cancel(struct cli *cli);
/* command_datasource.c */
int command_ds_add(struct cli *cli);
int command_ds_list(struct cli *cli);
int command_ds_check(struct cli *cli);
int command_ds_delete(struct cli *cli);
/* The rest, a file each. */
int command_status(struct cli *cli);
int command_completion(struct cli *cli);
int command_demo(struct cli *cli);
int command_bench(struct cli *cli);

#endif
