/* New settings into a running daemon: read, check, compare, then all or nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls.h"
#include "server/crash_point.h"
#include "server/daemon.h"
#include "server/logs.h"
#include "server/outbound.h"
#include "server/secret_file.h"

/* The sources in their order; what came from a flag stays as it is, because flags win. */
static int read_again(const struct daemon *d, struct settings *fresh, struct why *why) {
    int code = settings_init(fresh);
    if (code != 0)
        return why_set(why, code, "out of memory");
    if (d->config_path[0] != '\0')
        code = settings_read_file(fresh, d->config_path, why);
    if (code == 0)
        code = settings_read_environment(fresh, d->environment, NULL, why);
    for (int i = 0; i < SETTING_COUNT && code == 0; i++)
        if (d->settings.values[i].origin == SETTING_ORIGIN_FLAG)
            code = settings_set(fresh, (enum setting_id)i, slice_text(d->settings.values[i].text),
                                SETTING_ORIGIN_FLAG, 0, why);
    if (code == 0)
        code = settings_check(fresh, why);
    if (code != 0)
        settings_done(fresh);
    return code;
}

/* Tell what differs; what needs a restart keeps the value that is in force. Returns how many change now. */
static int compare(struct daemon *d, struct settings *fresh, struct buffer *report, struct buffer *waiting,
                   int *live) {
    int code = 0;
    *live = 0;
    for (int i = 0; i < SETTING_COUNT && code == 0; i++) {
        enum setting_id id = (enum setting_id)i;
        const struct setting *row = setting_row(id);
        if (settings_same(&d->settings, fresh, id))
            continue;
        if (row->reload == SETTING_RELOAD_LIVE) {
            buffer_add_format(report, "%s: %s -> %s\n", row->name, settings_shown(&d->settings, id),
                              settings_shown(fresh, id));
            (*live)++;
            continue;
        }
        buffer_add_format(report, "%s: needs a restart\n", row->name);
        buffer_add_format(waiting, "%s%s", waiting->length > 0 ? ", " : "", row->name);
        struct setting_value *kept = &d->settings.values[i];
        code = settings_set(fresh, id, slice_text(kept->text), (enum setting_origin)kept->origin, kept->line,
                            NULL);
    }
    return code;
}

/* Nothing here can fail. */
static void put_into_force(struct daemon *d, struct settings *fresh, struct egress_book *book) {
    struct settings old = d->settings;
    d->settings = *fresh;
    settings_done(&old);
    outbound_judge_by(d, book);
    struct engine_options options = daemon_engine_options(&d->settings, 0);
    struct driver_limits limits = daemon_driver_limits(&d->settings);
    struct http_limits http = daemon_http_limits(&d->settings);
    uint64_t finished = settings_number(&d->settings, SETTING_STORE_RETAIN_FINISHED);
    uint64_t failed = settings_number(&d->settings, SETTING_STORE_RETAIN_FAILED);
    engine_tune(d->engine, &options);
    driver_limit(d->driver, &limits);
    chores_retain(d->chores, finished < failed ? finished : failed,
                  settings_number(&d->settings, SETTING_STORE_EVENTS_KEEP));
    http_server_limit(d->http, &http);
    d->space.low_water = settings_number(&d->settings, SETTING_STORE_LOW_WATER);
    logs_set(settings_number(&d->settings, SETTING_OBSERVE_LOG) == 1,
             (enum log_level)settings_number(&d->settings, SETTING_OBSERVE_LOG_LEVEL));
}

/* The files may be new under names that stay. The listener's come last, so that what can be refused is
 * refused first. */
static int reload_certificates(struct daemon *d, struct why *why) {
    int code =
        d->tls == NULL ? 0 : secret_file_check(settings_text(&d->settings, SETTING_LISTEN_TLS_KEY), why);
    if (code == 0 && d->tls_out != NULL)
        code = tls_reload(d->tls_out, why);
    if (code == 0 && d->tls != NULL)
        code = tls_reload(d->tls, why);
    return code;
}

static int reload(struct daemon *d, struct slice who, struct buffer *report, struct buffer *waiting,
                  struct why *why) {
    struct settings fresh;
    struct egress_book *book = NULL;
    int live = 0;
    int code = read_again(d, &fresh, why);
    if (code != 0)
        return code;
    code = egress_book_new(&book, d, &fresh, why);
    if (code == 0)
        code = compare(d, &fresh, report, waiting, &live);
    if (code == 0)
        code = reload_certificates(d, why);
    if (code != 0) {
        egress_book_free(book);
        settings_done(&fresh);
        return code;
    }
    put_into_force(d, &fresh, book);
    CRASH_POINT(RELOAD_APPLIED);
    daemon_note(d, who, "config reload: %d changed in force. %.*s", live,
                SLICE_PRINT(slice_upto(buffer_slice(report), 800)));
    return 0;
}

int daemon_reload(struct daemon *d, struct slice who, struct buffer *report, struct why *why) {
    struct buffer waiting;
    buffer_init(&waiting, 65536);
    int code = reload(d, who, report, &waiting, why);
    if (code != 0)
        logs_say(LOG_RELOAD_REFUSED, "%s", why->text);
    else
        logs_say(LOG_RELOADED, "%.*s", SLICE_PRINT(buffer_slice(report)));
    if (code == 0 && waiting.length > 0)
        logs_say(LOG_RELOAD_NEEDS_RESTART, "%.*s", SLICE_PRINT(buffer_slice(&waiting)));
    buffer_done(&waiting);
    return code;
}
