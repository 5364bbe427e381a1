#include "server/arguments.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sink/kafka/kafka_sink.h"
#include "sink/rabbitmq/rabbitmq_sink.h"

static const struct argp_option fixed_options[] = {
    { "config", ARGUMENT_CONFIG, "FILE", 0,
      "Settings file (default: /etc/settle/settled.conf if there is one)", 1 },
    { "data", ARGUMENT_DATA, "DIR", 0, "Data directory; short for --store.url=file:DIR", 1 },
    { "listen", ARGUMENT_LISTEN, "HOST:PORT", 0, "Where the API listens; short for --listen.api", 1 },
    { "no-auth", ARGUMENT_NO_AUTH, NULL, 0, "Ask nobody for a token; on loopback only", 1 },
    { "print-defaults", ARGUMENT_PRINT_DEFAULTS, NULL, 0,
      "Print a settings file with every key at its default", 2 },
    { "print-settings-reference", ARGUMENT_PRINT_REFERENCE, NULL, 0,
      "Print the settings reference as Markdown", 2 },
    { "print-http-reference", ARGUMENT_PRINT_HTTP, NULL, 0, "Print the HTTP reference as Markdown", 2 },
    { "print-metrics-reference", ARGUMENT_PRINT_METRICS, NULL, 0,
      "Print the reference of metrics and log events as Markdown", 2 },
    { "print-problem-reference", ARGUMENT_PRINT_PROBLEMS, NULL, 0, "Print the problem pages as Markdown", 2 },
    { "print-settings-names", ARGUMENT_PRINT_NAMES, NULL, 0, "Print the names of all settings", 2 },
    { "check-config", ARGUMENT_CHECK_CONFIG, "FILE", 0, "Check a settings file and exit", 2 },
    { "store-verify", ARGUMENT_STORE_VERIFY, NULL, 0,
      "Check the backup named behind it, or the stopped store of --data", 2 },
    { "store-restore", ARGUMENT_STORE_RESTORE, "BACKUP", 0,
      "Put a backup into the data directory of a stopped daemon", 2 },
    { "store-compact", ARGUMENT_STORE_COMPACT, NULL, 0, "Write a stopped store anew without its unused room",
      2 },
    { "store-accept-loss", ARGUMENT_STORE_ACCEPT_LOSS, "REASON", 0,
      "Accept that acknowledged work is missing from the store", 2 },
    { "bench-store", ARGUMENT_BENCH_STORE, "DIR", 0,
      "Measure the store alone in a new directory DIR, for three seconds; prints JSON", 2 },
    { "force", ARGUMENT_FORCE, NULL, 0, "With --store-restore: move a store that is there aside first", 2 },
    { "list-crash-points", ARGUMENT_LIST_CRASH_POINTS, NULL, 0, "Print the names that SETTLE_CRASH takes",
      2 },
};
enum { FIXED = sizeof fixed_options / sizeof fixed_options[0] };

static char secret_names[SETTING_COUNT][64];

/* The table of settings as flags: --defaults.deadline 30s. Secrets only as files: arguments are public. */
static void make_options(struct argp_option options[FIXED + SETTING_COUNT + 1]) {
    memcpy(options, fixed_options, sizeof fixed_options);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting *row = setting_row((enum setting_id)i);
        bool secret = row->kind == SETTING_KIND_SECRET;
        if (secret)
            snprintf(secret_names[i], sizeof secret_names[i], "%s_file", row->name);
        options[FIXED + i] = (struct argp_option){
            .name = secret ? secret_names[i] : row->name,
            .key = ARGUMENT_SETTING + i,
            .arg = secret                 ? "file"
                   : row->unit[0] == '\0' ? "VALUE"
                                          : row->unit,
            .doc = row->help,
            .group = 3,
        };
    }
    options[FIXED + SETTING_COUNT] = (struct argp_option){ 0 };
}

static error_t take_flag(int key, char *argument, struct argp_state *state) {
    struct arguments *a = state->input;
    switch (key) {
    case ARGUMENT_CONFIG:
        a->config = argument;
        return 0;
    case ARGUMENT_DATA:
        a->data = argument;
        return 0;
    case ARGUMENT_LISTEN:
        a->listen = argument;
        return 0;
    case ARGUMENT_NO_AUTH:
        a->no_auth = true;
        return 0;
    case ARGUMENT_CHECK_CONFIG:
        a->path = argument;
        a->action = ARGUMENT_CHECK_CONFIG;
        return 0;
    case ARGUMENT_STORE_RESTORE:
    case ARGUMENT_BENCH_STORE:
        a->path = argument;
        a->action = (enum argument)key;
        return 0;
    case ARGUMENT_STORE_ACCEPT_LOSS:
        a->reason = argument;
        a->action = ARGUMENT_STORE_ACCEPT_LOSS;
        return 0;
    case ARGUMENT_FORCE:
        a->force = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->action == ARGUMENT_STORE_VERIFY && a->path == NULL) {
            a->path = argument;
            return 0;
        }
        argp_error(state, "unexpected argument: %s", argument);
        return EINVAL;
    default:
        if (key >= ARGUMENT_PRINT_DEFAULTS && key < ARGUMENT_SETTING) {
            a->action = (enum argument)key;
            return 0;
        }
        if (key < ARGUMENT_SETTING || key >= ARGUMENT_SETTING + SETTING_COUNT)
            return ARGP_ERR_UNKNOWN;
        a->settings[key - ARGUMENT_SETTING] = argument;
        return 0;
    }
}

static void print_version(FILE *stream, struct argp_state *state) {
    (void)state;
    const char *rabbitmq = rabbitmq_sink_library();
    const char *kafka = kafka_sink_library();
    fprintf(stream, "settled " SETTLE_VERSION "\nstores: embedded (SQLite)\nTLS: OpenSSL\n");
    fprintf(stream, "sinks: HTTP, STOMP, RocketMQ, RabbitMQ (%s), Kafka (%s)\n",
            rabbitmq == NULL ? "not built in" : rabbitmq, kafka == NULL ? "not built in" : kafka);
}

static int set_flag(struct settings *s, const char *name, const char *text, struct why *why) {
    return settings_set_named(s, slice_text(name), slice_text(text), SETTING_ORIGIN_FLAG, 0, why);
}

int arguments_apply(const struct arguments *r, struct settings *s, struct why *why) {
    int code = 0;
    if (r->data != NULL) {
        char url[4096];
        snprintf(url, sizeof url, "file:%s", r->data);
        code = set_flag(s, "store.url", url, why);
    }
    if (code == 0 && r->listen != NULL)
        code = set_flag(s, "listen.api", r->listen, why);
    if (code == 0 && r->no_auth)
        code = set_flag(s, "auth.required", "false", why);
    for (int i = 0; i < SETTING_COUNT && code == 0; i++) {
        const struct setting *row = setting_row((enum setting_id)i);
        if (r->settings[i] != NULL)
            code = set_flag(s, row->kind == SETTING_KIND_SECRET ? secret_names[i] : row->name, r->settings[i],
                            why);
    }
    return code;
}

int arguments_parse(struct arguments *out, int count, char **words) {
    struct argp_option options[FIXED + SETTING_COUNT + 1];
    struct argp parser = {
        .options = options,
        .parser = take_flag,
        .doc = "settled: a distributed transaction manager for sagas, TCC, reliable messages and "
               "notifications.\v"
               "Settings come from the file, then SETTLED_ variables, then flags; later ones win.",
    };
    memset(out, 0, sizeof *out);
    argp_program_version_hook = print_version;
    argp_err_exit_status = ARGUMENTS_USAGE;
    make_options(options);
    return argp_parse(&parser, count, words, 0, NULL, out) == 0 ? 0 : ARGUMENTS_USAGE;
}
