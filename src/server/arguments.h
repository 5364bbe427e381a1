/* The command line of settled: what it asks for, and the settings it gives. The table of settings supplies
 * one flag for each; secrets only as files, because a process's arguments are public (reliability.md H11). */
#ifndef SERVER_ARGUMENTS_H
#define SERVER_ARGUMENTS_H

#include <stdbool.h>

#include "server/settings.h"

/* Flags that are not settings; those that are follow ARGUMENT_SETTING. */
enum argument {
    ARGUMENT_CONFIG = 256,
    ARGUMENT_DATA,
    ARGUMENT_LISTEN,
    ARGUMENT_NO_AUTH,
    ARGUMENT_PRINT_DEFAULTS,
    ARGUMENT_PRINT_REFERENCE,
    ARGUMENT_PRINT_HTTP,
    ARGUMENT_PRINT_METRICS,
    ARGUMENT_PRINT_PROBLEMS,
    ARGUMENT_PRINT_NAMES,
    ARGUMENT_CHECK_CONFIG,
    ARGUMENT_LIST_CRASH_POINTS,
    ARGUMENT_STORE_VERIFY,
    ARGUMENT_STORE_RESTORE,
    ARGUMENT_STORE_COMPACT,
    ARGUMENT_STORE_ACCEPT_LOSS,
    ARGUMENT_BENCH_STORE,
    ARGUMENT_FORCE,
    ARGUMENT_SETTING,
};

/* What the command line asks for. Settings are applied after file and environment, so they are kept as
 * words. */
struct arguments {
    enum argument action; /* 0: run */
    const char *config;
    const char *path;   /* of an action */
    const char *reason; /* of --store-accept-loss */
    bool force;
    const char *data;
    const char *listen;
    bool no_auth;
    const char *settings[SETTING_COUNT];
    const char *secret_files[SETTING_COUNT];
};

/* The exit code of a command line that cannot be. */
#define ARGUMENTS_USAGE 2

/* Parse; words live as long as the struct is used. --help and --version end the process. 0 or
 * ARGUMENTS_USAGE, after complaining on stderr. */
int arguments_parse(struct arguments *out, int count, char **words);

/* Put the settings among them into force. Errors as settings_set_named. */
int arguments_apply(const struct arguments *a, struct settings *s, struct why *why);

#endif
