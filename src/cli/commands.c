#include "cli/commands.h"

#include <string.h>

#include "base/word.h"

#include "cli/command_flags.h"
#include "cli/command_list.h"

#define COMMANDS_MAX 128

/* ---- the table --------------------------------------------------------------------------------------- */

const struct command command_table[] = {
    { "demo", "", "small services, real HTTP, real files: watch it commit, cancel, deliver, survive",
      "settle demo                     # orders as TCC with a message, a trip as saga, books checked\n"
      "settle demo --fail points       # one service says no: see what is undone and why\n"
      "settle demo --fail warehouse    # the consumer is closed: its message is tried until it opens\n"
      "settle demo --check-back        # a producer falls silent: settled asks what became of it\n"
      "settle demo --crash             # settled is killed between decision, confirm and delivery\n"
      "settle demo --clean             # remove ./settle-demo",
      demo_flags, command_demo, 0, 0, WORDS_NONE },
    { "status", "", "what settled is doing now", "settle status --watch", watch_flags, command_status, 0, 0,
      WORDS_NONE },
    { "doctor", "", "check the way to settled, the token, the store, the clock", NULL, no_flags,
      command_doctor, 0, 0, WORDS_NONE },
    { "tx list", "", "transactions, newest first",
      "settle tx list --attention\nsettle tx list --mode tcc --status rolling_back --label order=4711\n"
      "settle tx list --older-than 5m -o gid",
      list_flags, command_tx_list, 0, 0, WORDS_NONE },
    { "tx show", "GID", "one transaction and its timeline",
      "settle tx show order-4711\nsettle tx show order-4711 --curl", no_flags, command_tx_show, 1, 1,
      WORDS_GID },
    { "tx wait", "GID", "wait until it is final; the exit code tells how it ended",
      "settle tx wait order-4711 --timeout 30s && echo committed", wait_flags, command_tx_wait, 1, 1,
      WORDS_GID },
    { "tx watch", "GID", "follow one transaction until it is final", "settle tx watch order-4711", no_flags,
      command_tx_watch, 1, 1, WORDS_GID },
    { "tx submit", "[FILE]", "submit a transaction from a JSON file, or from stdin",
      "settle tx submit order.json --wait 5s\n"
      "echo '{\"mode\":\"saga\",\"branches\":[…]}' | settle tx submit -",
      submit_flags, command_tx_submit, 0, 1, WORDS_FILE },
    { "tx retry", "GID", "try what is owed now instead of later",
      "settle tx retry order-4711 --branch points", retry_flags, command_tx_retry, 1, 1, WORDS_GID },
    { "tx suspend", "GID", "stop calling participants for it",
      "settle tx suspend order-4711 --reason \"points is down\"", no_flags, command_tx_suspend, 1, 1,
      WORDS_GID },
    { "tx resume", "GID", "call participants again", NULL, no_flags, command_tx_resume, 1, 1, WORDS_GID },
    { "tx force", "GID", "end it by hand, without calling what is still owed",
      "settle tx force order-4693 --commit --dry-run\n"
      "settle tx force order-4693 --commit --yes --reason \"points waived, ticket 881\"",
      force_flags, command_tx_force, 1, 1, WORDS_GID },
    { "tx resolve", "GID BRANCH", "settle one operation by hand",
      "settle tx resolve order-4693 points --yes --reason \"booked by hand, ticket 881\"", resolve_flags,
      command_tx_resolve, 2, 2, WORDS_GID },
    { "tx events", "GID", "everything that happened to it", "settle tx events order-4711 -o jsonl",
      stream_flags, command_tx_events, 1, 1, WORDS_GID },
    { "tx commit", "GID", "decide a client-driven transaction", "settle tx commit order-4711 --wait 5s",
      decide_flags, command_tx_commit, 1, 1, WORDS_GID },
    { "tx rollback", "GID", "decide a transaction that is not decided yet", NULL, decide_flags,
      command_tx_rollback, 1, 1, WORDS_GID },
    { "msg publish", "TOPIC [FILE]", "publish a message; it reaches every subscription of the topic",
      "settle msg publish warehouse.ship --key 4711 --body '{\"order\":\"4711\"}'\n"
      "settle msg publish warehouse.ship order.json --id ship-4711 --wait 5s\n"
      "echo hello | settle msg publish notes - --content-type text/plain",
      publish_flags, command_msg_publish, 1, 2, WORDS_TOPIC },
    { "msg half", "TOPIC [FILE]", "announce a message that is committed or rolled back later",
      "settle msg half payment.done --id pay-88 --body '{\"sum\":5}' --check-http http://pay/check\n"
      "settle msg half payment.done --id pay-89 --body '{}' --check-marker pay",
      half_flags, command_msg_half, 1, 2, WORDS_TOPIC },
    { "msg commit", "ID", "commit a half message: it is delivered", "settle msg commit pay-88", no_flags,
      command_msg_commit, 1, 1, WORDS_HALF },
    { "msg rollback", "ID", "roll a half message back: nobody gets it",
      "settle msg rollback pay-88 --reason \"card declined\"", no_flags, command_msg_rollback, 1, 1,
      WORDS_HALF },
    { "msg check", "ID", "ask now what became of a half message", "settle msg check pay-88 --wait 5s",
      check_flags, command_msg_check, 1, 1, WORDS_HALF },
    { "msg list", "", "messages, newest first",
      "settle msg list --status half --older-than 5m\n"
      "settle msg list --topic warehouse.ship --attention",
      message_list_flags, command_msg_list, 0, 0, WORDS_NONE },
    { "msg show", "ID", "one message, its timeline and its deliveries",
      "settle msg show pay-88\n"
      "settle msg show pay-88 -o json",
      no_flags, command_msg_show, 1, 1, WORDS_MESSAGE },
    { "msg events", "ID", "everything that happened to a message and its deliveries",
      "settle msg events pay-88 --follow", stream_flags, command_msg_events, 1, 1, WORDS_MESSAGE },
    { "sub list", "", "subscriptions and what is owed to them",
      "settle sub list\n"
      "settle sub list --columns name,owed,acked,lanes",
      page_flags, command_sub_list, 0, 0, WORDS_NONE },
    { "sub show", "NAME", "one subscription, its definition and figures", "settle sub show warehouse",
      no_flags, command_sub_show, 1, 1, WORDS_SUBSCRIPTION },
    { "sub set", "NAME [FILE]", "define a subscription, or change it as a whole",
      "settle sub set warehouse --topic warehouse.ship --push http://wh/ship --retry-for 7d\n"
      "settle sub set audit --topic warehouse.ship --pull --ack-timeout 1m\n"
      "settle sub set warehouse warehouse.json",
      subscription_flags, command_sub_set, 1, 2, WORDS_SUBSCRIPTION },
    { "sub delete", "NAME", "delete a subscription that nothing is owed to",
      "settle sub delete audit --yes --reason \"moved to the new one\"", no_flags, command_sub_delete, 1, 1,
      WORDS_SUBSCRIPTION },
    { "sub pause", "NAME", "stop delivering; what is owed waits",
      "settle sub pause warehouse --reason \"stocktaking\"", no_flags, command_sub_pause, 1, 1,
      WORDS_SUBSCRIPTION },
    { "sub resume", "NAME", "deliver again", "settle sub resume warehouse --reason \"stocktaking is over\"",
      no_flags, command_sub_resume, 1, 1, WORDS_SUBSCRIPTION },
    { "sub lanes", "NAME", "keys that stand still behind a dead delivery", "settle sub lanes warehouse",
      limit_flags, command_sub_lanes, 1, 1, WORDS_SUBSCRIPTION },
    { "sub pull", "NAME", "take deliveries for a while",
      "settle sub pull audit --max 5 --wait 20s\n"
      "settle sub pull audit --ack -o jsonl",
      pull_flags, command_sub_pull, 1, 1, WORDS_SUBSCRIPTION },
    { "sub ack", "DELIVERY...", "say that the work is done", "settle sub ack pay-88~audit", no_flags,
      command_sub_ack, 1, 32, WORDS_NONE },
    { "sub nack", "DELIVERY...", "say that it is not done: later, or with --refuse never",
      "settle sub nack pay-88~audit --delay 1m --reason \"busy\"\n"
      "settle sub nack pay-88~audit --refuse --reason \"no such account\"",
      nack_flags, command_sub_nack, 1, 32, WORDS_NONE },
    { "topic list", "", "topics that somebody described", "settle topic list", page_flags, command_topic_list,
      0, 0, WORDS_NONE },
    { "topic show", "TOPIC", "a topic and who subscribes to it", "settle topic show warehouse.ship", no_flags,
      command_topic_show, 1, 1, WORDS_TOPIC },
    { "topic set", "TOPIC", "describe a topic; publishing needs none of it",
      "settle topic set warehouse.ship --description \"orders that are paid, by the shop\"", topic_flags,
      command_topic_set, 1, 1, WORDS_TOPIC },
    { "topic delete", "TOPIC", "forget the description",
      "settle topic delete warehouse.ship --yes --reason \"renamed\"", no_flags, command_topic_delete, 1, 1,
      WORDS_TOPIC },
    { "dlq list", "", "dead letters: deliveries that somebody must look at",
      "settle dlq list --subscription warehouse\n"
      "settle dlq list --status parked",
      delivery_list_flags, command_dlq_list, 0, 0, WORDS_NONE },
    { "dlq show", "DELIVERY", "one delivery with what is delivered", "settle dlq show pay-88~warehouse",
      no_flags, command_dlq_show, 1, 1, WORDS_DEAD },
    { "dlq replay", "DELIVERY...", "deliver again, with fresh patience",
      "settle dlq replay pay-88~warehouse --reason \"fixed in 2.1\"\n"
      "settle dlq list --subscription warehouse --all -o gid | settle dlq replay - --reason \"fixed in 2.1\"",
      pace_flags, command_dlq_replay, 1, 32, WORDS_DEAD },
    { "dlq edit", "DELIVERY [FILE]", "send something else instead: a new message, linked to the old one",
      "settle dlq edit pay-88~warehouse --body '{\"sku\":\"A2\"}' --yes --reason \"A1 was renamed\"",
      edit_flags, command_dlq_edit, 1, 2, WORDS_DEAD },
    { "dlq discard", "DELIVERY...", "give deliveries up for good",
      "settle dlq discard pay-88~warehouse --yes --reason \"shipped by hand, ticket 12\"", no_flags,
      command_dlq_discard, 1, 32, WORDS_DEAD },
    { "endpoint list", "", "endpoints of notifications, and which are in trouble", "settle endpoint list",
      page_flags, command_endpoint_list, 0, 0, WORDS_NONE },
    { "endpoint show", "NAME", "one endpoint", "settle endpoint show crm", no_flags, command_endpoint_show, 1,
      1, WORDS_ENDPOINT },
    { "endpoint set", "NAME [FILE]", "define an endpoint, or change it as a whole",
      "settle endpoint set crm --url https://crm/hook --timeout 5s", endpoint_flags, command_endpoint_set, 1,
      2, WORDS_ENDPOINT },
    { "endpoint enable", "NAME", "send again", "settle endpoint enable crm --reason \"hook is back\"",
      no_flags, command_endpoint_enable, 1, 1, WORDS_ENDPOINT },
    { "endpoint disable", "NAME", "stop sending", "settle endpoint disable crm --reason \"moved\"", no_flags,
      command_endpoint_disable, 1, 1, WORDS_ENDPOINT },
    { "endpoint rotate-secret", "NAME",
      "sign what it gets with a new secret; the old one signs too for a while",
      "settle endpoint rotate-secret crm --overlap 24h --yes", rotate_flags, command_endpoint_rotate, 1, 1,
      WORDS_ENDPOINT },
    { "endpoint delete", "NAME", "delete an endpoint",
      "settle endpoint delete crm --yes --reason \"contract ended\"", no_flags, command_endpoint_delete, 1, 1,
      WORDS_ENDPOINT },
    { "endpoint missed", "NAME", "what an endpoint did not get",
      "settle endpoint missed crm --since 2026-01-07T00:00:00Z", missed_flags, command_endpoint_missed, 1, 1,
      WORDS_ENDPOINT },
    { "notify send", "ENDPOINT EVENT [FILE]", "send a best-effort notification",
      "settle notify send crm order.paid --ref 4711 --body '{\"order\":\"4711\"}' --wait 5s", notify_flags,
      command_notify_send, 2, 3, WORDS_ENDPOINT },
    { "notify list", "", "notifications, newest first", "settle notify list --endpoint crm --status gave_up",
      notify_list_flags, command_notify_list, 0, 0, WORDS_NONE },
    { "notify show", "ID", "one notification and its attempts", "settle notify show ntf_7", no_flags,
      command_notify_show, 1, 1, WORDS_NOTICE },
    { "notify events", "ID", "everything that happened to a notification",
      "settle notify events ntf_7 --follow", stream_flags, command_notify_events, 1, 1, WORDS_NOTICE },
    { "notify retry", "ID...", "try again now; what is over is sent anew",
      "settle notify retry ntf_7 --reason \"hook is back\"\n"
      "settle endpoint missed crm --all -o gid | settle notify retry - --rate 20 --reason \"hook is back\"",
      pace_flags, command_notify_retry, 1, 32, WORDS_NOTICE },
    { "notify cancel", "ID", "give a notification up",
      "settle notify cancel ntf_7 --yes --reason \"sent by mail\"", no_flags, command_notify_cancel, 1, 1,
      WORDS_NOTICE },
    { "ds add", "NAME URL", "tell settled of a database to ask, and check the way to it",
      "settle ds add pay postgresql://settle@db1/pay --password-file /run/secrets/pay", datasource_flags,
      command_ds_add, 2, 2, WORDS_DATASOURCE },
    { "ds list", "", "datasources", "settle ds list", page_flags, command_ds_list, 0, 0, WORDS_NONE },
    { "ds check", "NAME", "check the way to a database, and what it lacks", "settle ds check pay", no_flags,
      command_ds_check, 1, 1, WORDS_DATASOURCE },
    { "ds delete", "NAME", "forget a datasource", "settle ds delete pay --yes --reason \"moved to db2\"",
      no_flags, command_ds_delete, 1, 1, WORDS_DATASOURCE },
    { "events", "", "the stream of everything that happens", "settle events --follow -o jsonl", stream_flags,
      command_events, 0, 0, WORDS_NONE },
    { "config check", "FILE", "check a settings file; needs no server",
      "settle config check /etc/settle/settled.conf", no_flags, command_config_check, 1, 1, WORDS_FILE },
    { "config show", "", "the settings settled runs with", "settle config show --origin", config_flags,
      command_config_show, 0, 0, WORDS_NONE },
    { "config diff", "FILE", "what a settings file would change", NULL, no_flags, command_config_diff, 0, 1,
      WORDS_FILE },
    { "config reload", "", "read the settings file again, all or nothing", NULL, no_flags,
      command_config_reload, 0, 0, WORDS_NONE },
    { "store verify", "[FILE]", "check a stopped store, or a backup file",
      "settle store verify --data ./settle-data", store_flags, command_store_verify, 0, 1, WORDS_FILE },
    { "store backup", "FILE", "copy the store of a running settled",
      "settle store backup settle-2026-01-07.db", store_flags, command_store_backup, 1, 1, WORDS_FILE },
    { "store restore", "FILE", "put a backup into a data folder; settled must be stopped",
      "settle store restore settle-2026-01-07.db --data ./settle-data --yes", store_flags,
      command_store_restore, 1, 1, WORDS_FILE },
    { "store compact", "", "give unused space back; settled must be stopped", NULL, store_flags,
      command_store_compact, 0, 0, WORDS_NONE },
    { "store accept-loss", "", "let a store start that has lost what it acknowledged",
      "settle store accept-loss --yes --reason \"disk replaced, ticket 12\"", store_flags,
      command_store_accept_loss, 0, 0, WORDS_NONE },
    { "token create", "", "make a token; it is shown once", "settle token create --role producer --name shop",
      token_flags, command_token_create, 0, 0, WORDS_NONE },
    { "token list", "", "tokens and their roles", NULL, no_flags, command_token_list, 0, 0, WORDS_NONE },
    { "token revoke", "ID", "make a token worthless",
      "settle token revoke tok_7 --yes --reason \"left the team\"", no_flags, command_token_revoke, 1, 1,
      WORDS_NONE },
    { "secret rotate", "", "sign calls with a new secret; the old one signs too for a while",
      "settle secret rotate --overlap 24h --yes", secret_flags, command_secret_rotate, 0, 0, WORDS_NONE },
    { "audit list", "", "who did what, when and why", NULL, audit_flags, command_audit_list, 0, 0,
      WORDS_NONE },
    { "audit verify", "", "check that no line of the audit log is missing or changed", NULL, no_flags,
      command_audit_verify, 0, 0, WORDS_NONE },
    { "bench", "[http]", "measure a settled: transactions or messages per second, latency, CPU",
      "settle bench --mode tcc --branches 2 --clients 64 --duration 10s\n"
      "settle bench --mode half        # messages: half, commit, push; publish and pull are the other two\n"
      "settle bench --floor            # the same participants without a coordinator\n"
      "settle bench http               # the HTTP lane alone",
      bench_flags, command_bench, 0, 1, WORDS_NONE },
    { "open", "GID", "open a transaction in the browser", NULL, no_flags, command_open, 0, 1, WORDS_GID },
    { "completion", "bash|zsh|fish", "print a completion script", "source <(settle completion bash)",
      no_flags, command_completion, 1, 1, WORDS_SHELL },
    { NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0 },
};

/* ---- finding ----------------------------------------------------------------------------------------- */

const struct command *command_find(int argc, char **argv, int *at) {
    for (const struct command *c = command_table; c->name != NULL; c++) {
        const char *space = strchr(c->name, ' ');
        size_t first = space == NULL ? strlen(c->name) : (size_t)(space - c->name);
        if (*at >= argc || strlen(argv[*at]) != first || strncmp(argv[*at], c->name, first) != 0)
            continue;
        if (space == NULL) {
            *at += 1;
            return c;
        }
        if (*at + 1 < argc && strcmp(argv[*at + 1], space + 1) == 0) {
            *at += 2;
            return c;
        }
    }
    return NULL;
}

static bool is_of_group(const struct command *c, const char *group) {
    size_t length = strlen(group);
    return strncmp(c->name, group, length) == 0 && c->name[length] == ' ';
}

const char *command_nearest(const char *group, const char *word) {
    const char *names[2 * COMMANDS_MAX];
    const char *whole[2 * COMMANDS_MAX];
    size_t count = 0;
    for (const struct command *c = command_table; c->name != NULL && count + 2 <= 2 * COMMANDS_MAX; c++) {
        const char *space = strchr(c->name, ' ');
        if (group != NULL && !is_of_group(c, group))
            continue;
        names[count] = c->name;
        whole[count++] = c->name;
        names[count] = space == NULL ? c->name : space + 1;
        whole[count++] = c->name;
    }
    const char *near = word_nearest(slice_text(word), names, count);
    for (size_t i = 0; near != NULL && i < count; i++)
        if (names[i] == near)
            return whole[i];
    return NULL;
}
