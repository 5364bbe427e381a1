/* settled: the daemon's main program. Flags, settings, then the daemon until it is told to stop. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/openapi.h"
#include "server/crash_point.h"
#include "server/daemon.h"
#include "server/logs.h"
#include "server/reference_page.h"
#include "server/settings.h"
#include "server/settings_print.h"

extern char **environ;

static const char default_config[] = "/etc/settle/settled.conf";

enum {
    EXIT_OTHER = 1,
    EXIT_USAGE = 2,
};

/* Keys of flags without a letter; settings follow. */
enum flag {
    FLAG_CONFIG = 256,
    FLAG_DATA,
    FLAG_LISTEN,
    FLAG_NO_AUTH,
    FLAG_PRINT_DEFAULTS,
    FLAG_PRINT_REFERENCE,
    FLAG_PRINT_HTTP,
    FLAG_PRINT_METRICS,
    FLAG_PRINT_PROBLEMS,
    FLAG_PRINT_NAMES,
    FLAG_CHECK_CONFIG,
    FLAG_LIST_CRASH_POINTS,
    FLAG_SETTING,
};

/* What the command line asks for. Settings are applied after file and environment, so they are kept as
 * arguments. */
struct request {
    enum flag action; /* 0: run */
    const char *config;
    const char *path; /* of an action */
    const char *data;
    const char *listen;
    bool no_auth;
    const char *settings[SETTING_COUNT];
    const char *secret_files[SETTING_COUNT];
};

static const struct argp_option fixed_options[] = {
    { "config", FLAG_CONFIG, "FILE", 0, "Settings file (default: /etc/settle/settled.conf if there is one)",
      1 },
    { "data", FLAG_DATA, "DIR", 0, "Data directory; short for --store.url=file:DIR", 1 },
    { "listen", FLAG_LISTEN, "HOST:PORT", 0, "Where the API listens; short for --listen.api", 1 },
    { "no-auth", FLAG_NO_AUTH, NULL, 0, "Ask nobody for a token; on loopback only", 1 },
    { "print-defaults", FLAG_PRINT_DEFAULTS, NULL, 0, "Print a settings file with every key at its default",
      2 },
    { "print-settings-reference", FLAG_PRINT_REFERENCE, NULL, 0, "Print the settings reference as Markdown",
      2 },
    { "print-http-reference", FLAG_PRINT_HTTP, NULL, 0, "Print the HTTP reference as Markdown", 2 },
    { "print-metrics-reference", FLAG_PRINT_METRICS, NULL, 0,
      "Print the reference of metrics and log events as Markdown", 2 },
    { "print-problem-reference", FLAG_PRINT_PROBLEMS, NULL, 0, "Print the problem pages as Markdown", 2 },
    { "print-settings-names", FLAG_PRINT_NAMES, NULL, 0, "Print the names of all settings", 2 },
    { "check-config", FLAG_CHECK_CONFIG, "FILE", 0, "Check a settings file and exit", 2 },
    { "list-crash-points", FLAG_LIST_CRASH_POINTS, NULL, 0, "Print the names that SETTLE_CRASH takes", 2 },
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
            .key = FLAG_SETTING + i,
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
    struct request *r = state->input;
    switch (key) {
    case FLAG_CONFIG:
        r->config = argument;
        return 0;
    case FLAG_DATA:
        r->data = argument;
        return 0;
    case FLAG_LISTEN:
        r->listen = argument;
        return 0;
    case FLAG_NO_AUTH:
        r->no_auth = true;
        return 0;
    case FLAG_CHECK_CONFIG:
        r->path = argument;
        r->action = FLAG_CHECK_CONFIG;
        return 0;
    case FLAG_PRINT_DEFAULTS:
    case FLAG_PRINT_REFERENCE:
    case FLAG_PRINT_HTTP:
    case FLAG_PRINT_METRICS:
    case FLAG_PRINT_PROBLEMS:
    case FLAG_PRINT_NAMES:
    case FLAG_LIST_CRASH_POINTS:
        r->action = (enum flag)key;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument: %s", argument);
        return EINVAL;
    default:
        if (key < FLAG_SETTING || key >= FLAG_SETTING + SETTING_COUNT)
            return ARGP_ERR_UNKNOWN;
        r->settings[key - FLAG_SETTING] = argument;
        return 0;
    }
}

static void print_version(FILE *stream, struct argp_state *state) {
    (void)state;
    fprintf(stream, "settled " SETTLE_VERSION "\nstores: embedded (SQLite)\nTLS: OpenSSL\n");
}

/* --- settings --- */

static int set_flag(struct settings *s, const char *name, const char *text, struct why *why) {
    return settings_set_named(s, slice_text(name), slice_text(text), SETTING_ORIGIN_FLAG, 0, why);
}

static int apply_flags(const struct request *r, struct settings *s, struct why *why) {
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

static int read_settings(const struct request *r, struct daemon *d, struct why *why) {
    const char *stranger = NULL;
    int code = settings_init(&d->settings);
    if (code != 0)
        return why_set(why, code, "out of memory");
    if (r->config != NULL)
        snprintf(d->config_path, sizeof d->config_path, "%s", r->config);
    else if (access(default_config, R_OK) == 0)
        snprintf(d->config_path, sizeof d->config_path, "%s", default_config);
    if (d->config_path[0] != '\0')
        code = settings_read_file(&d->settings, d->config_path, why);
    d->environment = environ;
    if (code == 0)
        code = settings_read_environment(&d->settings, environ, &stranger, why);
    if (code == 0)
        code = apply_flags(r, &d->settings, why);
    if (code == 0)
        code = settings_check(&d->settings, why);
    if (code != 0)
        return code;
    logs_set(settings_number(&d->settings, SETTING_OBSERVE_LOG) == 1,
             (enum log_level)settings_number(&d->settings, SETTING_OBSERVE_LOG_LEVEL));
    if (stranger != NULL)
        logs_say(LOG_STRANGE_VARIABLE, "%.*s",
                 SLICE_PRINT(slice_upto(slice_text(stranger), strcspn(stranger, "="))));
    return 0;
}

static int check_config(const char *path) {
    struct settings s;
    struct why why = { .text = "" };
    int code = settings_init(&s);
    if (code == 0)
        code = settings_read_file(&s, path, &why);
    if (code == 0 && (code = settings_check(&s, &why)) != 0)
        why_prefix(&why, code, "%s", path);
    if (code != 0)
        fprintf(stderr, "%s\n", why.text);
    else
        printf("%s: good\n", path);
    settings_done(&s);
    return code == 0 ? 0 : EXIT_OTHER;
}

static int print(void (*what)(struct buffer *to)) {
    struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    what(&text);
    size_t written = fwrite(text.at, 1, text.length, stdout);
    bool whole = written == text.length && fflush(stdout) == 0;
    buffer_done(&text);
    return whole ? 0 : EXIT_OTHER;
}

/* --- running --- */

/* Nobody looks into our memory, nothing we start gains rights, nothing we make is anybody else's. */
static void harden(const struct settings *s) {
    struct rlimit files;
    umask(077);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!settings_flag(s, SETTING_OBSERVE_CORE)) {
        struct rlimit none = { 0, 0 };
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        setrlimit(RLIMIT_CORE, &none);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (geteuid() == 0)
        logs_say(LOG_RUNS_AS_ROOT, "(the systemd unit has one)");
}

static void say_hello(const struct daemon *d) {
    const char *api = settings_text(&d->settings, SETTING_LISTEN_API);
    const char *colon = strrchr(api, ':');
    bool tls = settings_text(&d->settings, SETTING_LISTEN_TLS_CERT)[0] != '\0';
    printf("settled " SETTLE_VERSION "  store embedded %s (fsync on)  api %s://%.*s:%u\n", d->data,
           tls ? "https" : "http", (int)(colon - api), api, http_server_port(d->http));
    fflush(stdout);
}

static int run(const struct request *r) {
    static struct daemon d;
    struct why why = { .text = "" };
    int code = read_settings(r, &d, &why);
    if (code == 0)
        code = crash_point_arm(getenv("SETTLE_CRASH"), &why);
    if (code != 0) {
        fprintf(stderr, "settled: %s\n", why.text);
        return EXIT_USAGE;
    }
    harden(&d.settings);
    code = daemon_open(&d, &why);
    if (code != 0) {
        fprintf(stderr, "settled: %s\n", why.text);
        return daemon_exit_code(code);
    }
    say_hello(&d);
    code = daemon_run(&d);
    daemon_close(&d);
    return code;
}

int main(int count, char **arguments) {
    struct argp_option options[FIXED + SETTING_COUNT + 1];
    struct argp parser = {
        .options = options,
        .parser = take_flag,
        .doc = "settled: a distributed transaction manager for sagas, TCC and messages.\v"
               "Settings come from the file, then SETTLED_ variables, then flags; later ones win.",
    };
    struct request request = { .action = 0 };
    argp_program_version_hook = print_version;
    argp_err_exit_status = EXIT_USAGE;
    make_options(options);
    if (argp_parse(&parser, count, arguments, 0, NULL, &request) != 0)
        return EXIT_USAGE;
    switch (request.action) {
    case FLAG_PRINT_DEFAULTS:
        return print(settings_print_defaults);
    case FLAG_PRINT_REFERENCE:
        return print(settings_print_reference);
    case FLAG_PRINT_HTTP:
        return print(openapi_reference);
    case FLAG_PRINT_METRICS:
        return print(reference_page_metrics);
    case FLAG_PRINT_PROBLEMS:
        return print(reference_page_problems);
    case FLAG_PRINT_NAMES:
        return print(settings_print_names);
    case FLAG_LIST_CRASH_POINTS:
        return print(crash_point_list);
    case FLAG_CHECK_CONFIG:
        return check_config(request.path);
    default:
        return run(&request);
    }
}
