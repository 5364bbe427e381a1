/* settled: the daemon's main program. Flags, settings, then the daemon until it is told to stop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/openapi.h"
#include "server/arguments.h"
#include "server/crash_point.h"
#include "server/daemon.h"
#include "server/logs.h"
#include "server/offline.h"
#include "server/reference_page.h"
#include "server/settings.h"
#include "server/settings_print.h"

extern char **environ;

static const char default_config[] = "/etc/settle/settled.conf";

enum {
    EXIT_OTHER = 1,
};

/* --- settings --- */

static int read_settings(const struct arguments *r, struct daemon *d, struct why *why) {
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
        code = arguments_apply(r, &d->settings, why);
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

static int run(const struct arguments *r) {
    static struct daemon d;
    struct why why = { .text = "" };
    int code = read_settings(r, &d, &why);
    if (code == 0)
        code = crash_point_arm(getenv("SETTLE_CRASH"), &why);
    if (code != 0) {
        fprintf(stderr, "settled: %s\n", why.text);
        return ARGUMENTS_USAGE;
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

static void make_data(const struct arguments *r, char data[4096]) {
    struct daemon d = { .exit_code = 0 };
    struct why why = { .text = "" };
    if (read_settings(r, &d, &why) != 0) {
        fprintf(stderr, "settled: %s\n", why.text);
        exit(ARGUMENTS_USAGE);
    }
    snprintf(data, 4096, "%s", settings_text(&d.settings, SETTING_STORE_URL) + strlen("file:"));
    settings_done(&d.settings);
}

static int work_offline(const struct arguments *r) {
    char data[4096];
    make_data(r, data);
    umask(077);
    switch (r->action) {
    case ARGUMENT_STORE_VERIFY:
        return offline_verify(data, r->path);
    case ARGUMENT_STORE_RESTORE:
        return offline_restore(data, r->path, r->force);
    case ARGUMENT_STORE_COMPACT:
        return offline_compact(data);
    default:
        return offline_accept_loss(data, r->reason);
    }
}

static int act(const struct arguments *r) {
    switch (r->action) {
    case ARGUMENT_PRINT_DEFAULTS:
        return print(settings_print_defaults);
    case ARGUMENT_PRINT_REFERENCE:
        return print(settings_print_reference);
    case ARGUMENT_PRINT_NAMES:
        return print(settings_print_names);
    case ARGUMENT_PRINT_HTTP:
        return print(openapi_reference);
    case ARGUMENT_PRINT_METRICS:
        return print(reference_page_metrics);
    case ARGUMENT_PRINT_PROBLEMS:
        return print(reference_page_problems);
    case ARGUMENT_LIST_CRASH_POINTS:
        return print(crash_point_list);
    case ARGUMENT_CHECK_CONFIG:
        return check_config(r->path);
    case ARGUMENT_BENCH_STORE:
        return offline_bench(r->path);
    case ARGUMENT_STORE_VERIFY:
    case ARGUMENT_STORE_RESTORE:
    case ARGUMENT_STORE_COMPACT:
    case ARGUMENT_STORE_ACCEPT_LOSS:
        return work_offline(r);
    default:
        return run(r);
    }
}

int main(int count, char **words) {
    struct arguments arguments;
    int code = arguments_parse(&arguments, count, words);
    return code != 0 ? code : act(&arguments);
}
