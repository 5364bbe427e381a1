#include "server/outbound.h"

#include <assert.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "net/tls.h"
#include "server/datasources.h"
#include "server/endpoint_secrets.h"
#include "server/secret_book.h"
#include "server/sinks.h"
#include "sink/database/datasource_sink.h"
#include "sink/http/http_sink.h"
#include "sink/kafka/kafka_sink.h"
#include "sink/rabbitmq/rabbitmq_sink.h"
#include "sink/rocketmq/rocketmq_sink.h"
#include "sink/rocketmq/rocketmq_topic.h"
#include "sink/socket_address.h"
#include "sink/stomp/stomp_sink.h"
#include "sink/stomp/stomp_target.h"
#include "wire/address.h"
#include "wire/sink_target.h"

struct egress_book {
    struct arena arena;
    struct egress egress;
};

static bool is_unspecified(const struct address *a) {
    static const uint8_t four[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0 };
    static const uint8_t six[16] = { 0 };
    return memcmp(a->bytes, four, sizeof four) == 0 || memcmp(a->bytes, six, sizeof six) == 0;
}

/* The API's own address, and every interface's when it listens on all of them. */
static int add_never(struct egress_book *book, const struct daemon *d) {
    uint16_t port = http_server_port(d->http);
    struct ifaddrs *interfaces = NULL;
    struct address address;
    int code = egress_never(&book->egress, &d->listen_address, port);
    if (code != 0 || !is_unspecified(&d->listen_address))
        return code;
    if (getifaddrs(&interfaces) != 0)
        return ERR_IO;
    for (struct ifaddrs *at = interfaces; at != NULL && code == 0; at = at->ifa_next)
        if (socket_address_read(at->ifa_addr, &address))
            code = egress_never(&book->egress, &address, port);
    freeifaddrs(interfaces);
    return code;
}

static int add_rules(struct egress_book *book, const struct settings *s, enum setting_id id,
                     int (*add)(struct egress *e, struct slice rule, struct why *why), struct why *why) {
    const char *rest = NULL;
    struct slice item;
    while (settings_list_next(s, id, &rest, &item)) {
        int code = add(&book->egress, item, why);
        if (code != 0)
            return why_prefix(why, code == ERR_MEMORY ? code : ERR_INVALID, "%s: \"%.*s\"",
                              setting_row(id)->name, SLICE_PRINT(item));
    }
    return 0;
}

int egress_book_new(struct egress_book **out, const struct daemon *d, const struct settings *s,
                    struct why *why) {
    struct egress_book *book = calloc(1, sizeof *book);
    if (book == NULL)
        return why_set(why, ERR_MEMORY, "out of memory");
    arena_init(&book->arena, 4096, SIZE_MAX / 2);
    egress_init(&book->egress, &book->arena);
    int code = add_rules(book, s, SETTING_EGRESS_ALLOW, egress_allow, why);
    if (code == 0)
        code = add_rules(book, s, SETTING_EGRESS_DENY, egress_deny, why);
    if (code == 0 && (code = add_never(book, d)) != 0)
        why_set(why, code, "cannot list this host's own addresses: %s", err_text(code));
    if (code != 0) {
        egress_book_free(book);
        return code;
    }
    *out = book;
    return 0;
}

void egress_book_free(struct egress_book *book) {
    if (book == NULL)
        return;
    arena_done(&book->arena);
    free(book);
}

void outbound_judge_by(struct daemon *d, struct egress_book *book) {
    http_sink_set_egress(d->sink, &book->egress);
    sinks_set_egress(d->sinks, &book->egress);
    egress_book_free(d->egress);
    d->egress = book;
}

void outbound_secrets(struct daemon *d) {
    struct signature_secret secrets[2];
    struct slice current, previous;
    size_t count = 0;
    access_secrets(d->access, daemon_now_ms(d), &current, &previous);
    count += signature_secret_decode(current, &secrets[count], NULL) == 0;
    assert(count == 1); /* it was checked when it was read */
    if (previous.length > 0)
        count += signature_secret_decode(previous, &secrets[count], NULL) == 0;
    d->secret_count = count;
    http_sink_set_secrets(d->sink, secrets, count);
    signature_wipe(secrets, count);
}

static void on_outcome(void *context, const struct outcome *o) {
    driver_outcome(((struct daemon *)context)->driver, o);
}

static int read_secret(void *context, struct slice file, struct buffer *to, struct why *why) {
    struct daemon *d = context;
    return secret_book_read(&d->settings, file, to, why);
}

static void heard(void *context, const struct outcome *o) {
    sinks_heard(((struct daemon *)context)->sinks, o);
}

/* How each sink is opened; a build without its library says so when it is used. */
static int (*const sink_openers[])(struct sink **out, struct loop *loop, const struct sink_options *options,
                                   struct why *why) = {
    stomp_sink_open, rocketmq_sink_open, rabbitmq_sink_open, kafka_sink_open, NULL,
};

/* --- datasources --- */

/* datasource.directories as the book wants them. */
struct folders {
    size_t count;
    char *at[];
};

static void free_folders(struct folders *f) {
    for (size_t i = 0; f != NULL && i < f->count; i++)
        free(f->at[i]);
    free(f);
}

static int read_folders(struct folders **out, const struct settings *s) {
    const char *rest = NULL;
    struct slice item;
    size_t most = settings_number(s, SETTING_DATASOURCE_DIRECTORIES);
    struct folders *f = calloc(1, sizeof *f + most * sizeof f->at[0]);
    while (f != NULL && f->count < most &&
           settings_list_next(s, SETTING_DATASOURCE_DIRECTORIES, &rest, &item))
        if ((f->at[f->count++] = strndup(item.at, item.length)) == NULL) {
            free_folders(f);
            f = NULL;
        }
    *out = f;
    return f == NULL ? ERR_MEMORY : 0;
}

/* The book, and the sink that asks its databases. */
static int open_datasources(struct daemon *d, const struct sink_options *options, struct why *why) {
    struct sink *sink;
    int code = read_folders(&d->folders, &d->settings);
    if (code != 0)
        return why_set(why, code, "no memory for the datasources");
    struct datasource_options book = {
        .egress = options->egress,
        .secret = read_secret,
        .context = d,
        .directories = (const char *const *)d->folders->at,
        .directory_count = d->folders->count,
    };
    code = datasource_book_open(&d->datasources, d->loop, &book, why);
    if (code == 0)
        code = datasource_sink_open(&sink, d->loop, d->datasources, options, why);
    if (code == 0)
        sinks_add(d->sinks, sink);
    return code;
}

static int open_sinks(struct daemon *d, struct why *why) {
    struct sink_options options = {
        .tls = d->tls_out,
        .egress = &d->egress->egress,
        .secret = read_secret,
        .on_outcome = heard,
        .context = d,
    };
    int code = sinks_new(&d->sinks, d->loop, on_outcome, d);
    for (size_t i = 0; code == 0 && sink_openers[i] != NULL; i++) {
        struct sink *sink;
        code = sink_openers[i](&sink, d->loop, &options, why);
        if (code == 0)
            sinks_add(d->sinks, sink);
    }
    return code == 0 ? open_datasources(d, &options, why) : code;
}

int outbound_open(struct daemon *d, struct why *why) {
    const char *ca = settings_text(&d->settings, SETTING_EGRESS_CA);
    int code = egress_book_new(&d->egress, d, &d->settings, why);
    if (code == 0)
        code = tls_new_client(&d->tls_out, ca[0] == '\0' ? NULL : ca, why);
    if (code != 0)
        return code;
    struct http_sink_options options = {
        .calls = daemon_calls_max(&d->settings),
        .calls_per_host = settings_number(&d->settings, SETTING_EGRESS_PER_ENDPOINT),
        .tls = d->tls_out,
        .egress = &d->egress->egress,
        .on_outcome = on_outcome,
        .context = d,
    };
    code = http_sink_open(&d->sink, d->loop, &options, why);
    if (code == 0)
        outbound_secrets(d);
    if (code == 0)
        code = endpoint_secrets_open(&d->endpoint_secrets, d->data, d->sink, daemon_now_ms(d), why);
    if (code == 0)
        code = open_sinks(d, why);
    return code;
}

void outbound_close(struct daemon *d) {
    sinks_free(d->sinks);
    d->sinks = NULL;
    endpoint_secrets_close(d->endpoint_secrets);
    d->endpoint_secrets = NULL;
    datasource_book_close(d->datasources);
    datasources_close(d);
    http_sink_close(d->sink);
    if (d->sink != NULL)
        loop_run_for(d->loop, 1);
    d->datasources = NULL;
    free_folders(d->folders);
    d->folders = NULL;
    d->sink = NULL;
    tls_free(d->tls_out);
    d->tls_out = NULL;
    egress_book_free(d->egress);
    d->egress = NULL;
}

bool outbound_has_endpoint(void *self, struct slice name) {
    return engine_defined(((struct daemon *)self)->engine, DEFINITION_ENDPOINT, name) != NULL;
}

int outbound_judge(void *self, struct slice text, struct why *why) {
    const struct daemon *d = self;
    struct url url;
    int code = url_decode(text, &url, why);
    if (code != 0)
        return code;
    return egress_judge_url(&d->egress->egress, &url, why) == EGRESS_REFUSED ? ERR_DENIED : 0;
}

/* What each broker's sink says about its own parameters. */
static int check_parameters(const struct sink_target *t, struct why *why) {
    struct stomp_target stomp;
    if (slice_starts(t->scheme, "stomp"))
        return stomp_target_read(t, false, &stomp, why);
    if (slice_starts(t->scheme, "rabbitmq"))
        return rabbitmq_sink_check(t, why);
    if (slice_starts(t->scheme, "rocketmq"))
        return rocketmq_target_check(t, why);
    return slice_starts(t->scheme, "kafka") ? kafka_sink_check(t, why) : 0;
}

int outbound_judge_sink(void *self, struct slice text, struct why *why) {
    const struct daemon *d = self;
    struct sink_target target;
    struct arena arena;
    arena_init(&arena, 4096, SIZE_MAX / 2);
    int code = sink_target_decode(text, &arena, &target, why);
    if (code == 0)
        code = check_parameters(&target, why);
    for (size_t i = 0; code == 0 && i < target.host_count; i++) {
        const struct sink_target_host *h = &target.hosts[i];
        struct url url = {
            .host = h->name, .port = h->port, .is_address = h->is_address, .address = h->address
        };
        if (egress_judge_url(&d->egress->egress, &url, why) == EGRESS_REFUSED)
            code = ERR_DENIED;
    }
    arena_done(&arena);
    return code;
}
