#include "cli/commands.h"

#include <string.h>

#include "base/word.h"

#include "cli/command_flags.h"
#include "cli/command_list.h"

#define COMMANDS_MAX 128

/* ---- the table --------------------------------------------------------------------------------------- */

const struct command command_table[] = {
    { "demo", "", "three small services, real HTTP, real files: watch it commit, cancel, survive",
      "settle demo                     # orders as TCC, a trip as saga, books checked\n"
      "settle demo --fail points       # one service says no: see what is undone and why\n"
      "settle demo --crash             # settled is killed between decision and confirm\n"
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
    { "bench", "[http]", "measure a settled: transactions per second, latency, CPU",
      "settle bench --mode tcc --branches 2 --clients 64 --duration 10s\n"
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

const char *command_nearest(const char *word) {
    const char *names[2 * COMMANDS_MAX];
    const char *whole[2 * COMMANDS_MAX];
    size_t count = 0;
    for (const struct command *c = command_table; c->name != NULL && count + 2 <= 2 * COMMANDS_MAX; c++) {
        const char *space = strchr(c->name, ' ');
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
