#include "server/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/logs.h"
#include "sink/http/http_sink.h"

enum metric {
#define LOG(id, name, level, sentence)
#define METRIC(id, name, type, label, sentence) METRIC_##id,
#include "server/catalog.def"
#undef LOG
#undef METRIC
    METRIC_COUNT,
};

static const struct {
    const char *name;
    const char *type;
    const char *label;
    const char *sentence;
} rows[METRIC_COUNT] = {
#define COUNTER "counter"
#define GAUGE "gauge"
#define HISTOGRAM "histogram"
#define LOG(id, name, level, sentence)
#define METRIC(id, name_, type_, label_, sentence_) \
    [METRIC_##id] = { (name_), (type_), (label_), (sentence_) },
#include "server/catalog.def"
#undef LOG
#undef METRIC
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

static void head(struct buffer *to, enum metric m) {
    buffer_add_format(to, "# HELP %s %s\n# TYPE %s %s\n", rows[m].name, rows[m].sentence, rows[m].name,
                      rows[m].type);
}

static void put(struct buffer *to, enum metric m, uint64_t value) {
    head(to, m);
    buffer_add_format(to, "%s %llu\n", rows[m].name, (unsigned long long)value);
}

static void put_decimal(struct buffer *to, enum metric m, double value) {
    head(to, m);
    buffer_add_format(to, "%s %.6f\n", rows[m].name, value);
}

/* Values of a label are our own words or host:port, which need no escaping. */
static void put_labelled(struct buffer *to, enum metric m, struct slice label, uint64_t value) {
    buffer_add_format(to, "%s{%s=\"%.*s\"} %llu\n", rows[m].name, rows[m].label, SLICE_PRINT(label),
                      (unsigned long long)value);
}

static uint64_t resident_bytes(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_fds(void) {
    uint64_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count < 3 ? 0 : count - 3; /* ".", ".." and the directory itself */
}

static void put_process(const struct daemon *d, struct buffer *to) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    head(to, METRIC_INFO);
    put_labelled(to, METRIC_INFO, SLICE(SETTLE_VERSION), 1);
    put_decimal(to, METRIC_UP_SECONDS, (double)(daemon_now_ms(d) - d->started_ms) / 1000);
    put_decimal(to, METRIC_CPU_SECONDS,
                (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    put(to, METRIC_RESIDENT_BYTES, resident_bytes());
    put(to, METRIC_OPEN_FDS, open_fds());
    put_decimal(to, METRIC_START_SECONDS, (double)d->started_ms / 1000);
}

static void put_engine(const struct daemon *d, struct buffer *to) {
    struct engine_figures f;
    engine_figures(d->engine, &f);
    put(to, METRIC_SUBMITTED, f.submitted);
    put(to, METRIC_TAKEN_BACK, f.taken_back[STORED_TRANSACTION]);
    head(to, METRIC_FINISHED);
    for (uint8_t s = 1; s < STATUS_END; s++)
        if (status_is_final(s))
            put_labelled(to, METRIC_FINISHED, slice_text(status_word(s)), f.finished[s]);
    put(to, METRIC_UNFINISHED, f.unfinished);
    head(to, METRIC_BY_STATUS);
    for (uint8_t s = 1; s < STATUS_END; s++)
        put_labelled(to, METRIC_BY_STATUS, slice_text(status_word(s)), f.by_status[s]);
    put(to, METRIC_ATTENTION, f.attention);
    put(to, METRIC_SUSPENDED, f.suspended);
    uint64_t now = daemon_now_ms(d);
    put_decimal(to, METRIC_OLDEST_SECONDS,
                f.oldest_ms == 0 || f.oldest_ms > now ? 0 : (double)(now - f.oldest_ms) / 1000);
    put(to, METRIC_ENGINE_BYTES, f.memory_used);
    head(to, METRIC_CALLS);
    for (uint8_t verdict = VERDICT_NONE + 1; verdict < VERDICT_COUNT; verdict++)
        put_labelled(to, METRIC_CALLS, slice_text(verdict_word(verdict)), f.verdicts[verdict]);
    put(to, METRIC_ATTEMPTS, f.attempts);
    put(to, METRIC_CALLS_OPEN, f.calls_open);
    put(to, METRIC_CALLS_WAITING, f.calls_waiting);
    put(to, METRIC_FOLD_LAG, f.unfolded);
}

enum { CHANNEL_FAMILIES = 6 };

/* The values of a subscription or an endpoint, in the order of its families. */
static void values_of(const struct definition *definition, const struct channel *c, uint64_t now_ms,
                      uint64_t values[CHANNEL_FAMILIES]) {
    struct channel_figures f;
    engine_channel_figures(c, &f);
    values[0] = f.owed;
    values[1] = f.out;
    values[2] = f.oldest_ms != 0 && f.oldest_ms < now_ms ? (now_ms - f.oldest_ms) / 1000 : 0;
    values[3] = f.acked;
    values[4] = definition->kind == DEFINITION_ENDPOINT ? definition->paused : f.parked;
    values[5] = definition->kind == DEFINITION_ENDPOINT ? f.probing : f.refused;
}

/* One family after the other, as the format wants it; a definition's name needs no escaping. */
static void put_channels(const struct daemon *d, uint8_t kind, const enum metric families[CHANNEL_FAMILIES],
                         struct buffer *to) {
    uint64_t now_ms = daemon_now_ms(d);
    for (size_t i = 0; i < CHANNEL_FAMILIES; i++) {
        const struct channel *c = NULL;
        head(to, families[i]);
        while ((c = engine_channel_next(d->engine, c)) != NULL) {
            const struct definition *definition = engine_definition(c);
            uint64_t values[CHANNEL_FAMILIES];
            if (definition->kind != kind || engine_channel_id(c) == 0)
                continue;
            values_of(definition, c, now_ms, values);
            put_labelled(to, families[i], definition->name, values[i]);
        }
    }
}

static void put_messages(const struct daemon *d, struct buffer *to) {
    static const enum metric families[CHANNEL_FAMILIES] = { METRIC_OWED,  METRIC_OUT,    METRIC_OWED_SECONDS,
                                                            METRIC_ACKED, METRIC_PARKED, METRIC_REFUSED };
    struct engine_figures f;
    engine_figures(d->engine, &f);
    put(to, METRIC_PUBLISHED, f.published);
    put(to, METRIC_MESSAGES_TAKEN_BACK, f.taken_back[STORED_MESSAGE]);
    put(to, METRIC_MESSAGES, f.messages);
    put(to, METRIC_HALF, f.half);
    put(to, METRIC_DEAD, f.dead);
    put(to, METRIC_PULLERS, d->pullers.count);
    put_channels(d, DEFINITION_SUBSCRIPTION, families, to);
}

static void put_notifications(const struct daemon *d, struct buffer *to) {
    static const enum metric families[CHANNEL_FAMILIES] = {
        METRIC_ENDPOINT_OWED,      METRIC_ENDPOINT_OUT,      METRIC_ENDPOINT_OWED_SECONDS,
        METRIC_ENDPOINT_DELIVERED, METRIC_ENDPOINT_DISABLED, METRIC_ENDPOINT_PROBING
    };
    struct engine_figures f;
    engine_figures(d->engine, &f);
    put(to, METRIC_NOTIFIED, f.notified);
    put(to, METRIC_NOTICES_TAKEN_BACK, f.taken_back[STORED_NOTICE]);
    head(to, METRIC_NOTICES_FINISHED);
    put_labelled(to, METRIC_NOTICES_FINISHED, SLICE("delivered"), f.delivered);
    put_labelled(to, METRIC_NOTICES_FINISHED, SLICE("gave_up"), f.gave_up);
    put_labelled(to, METRIC_NOTICES_FINISHED, SLICE("cancelled"), f.cancelled);
    put(to, METRIC_NOTICES, f.notices);
    put_channels(d, DEFINITION_ENDPOINT, families, to);
}

static void put_breaker(void *context, struct slice host) {
    put_labelled(context, METRIC_BREAKER_OPEN, host, 1);
}

static void put_batches(const struct driver_figures *f, struct buffer *to) {
    const char *name = rows[METRIC_BATCH_SECONDS].name;
    uint64_t below = 0;
    head(to, METRIC_BATCH_SECONDS);
    for (size_t i = 0; i < DRIVER_BUCKETS; i++) {
        below += f->batch_counts[i];
        if (i + 1 < DRIVER_BUCKETS)
            buffer_add_format(to, "%s_bucket{le=\"%g\"} %llu\n", name, driver_bucket_us[i] / 1e6,
                              (unsigned long long)below);
        else
            buffer_add_format(to, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)below);
    }
    buffer_add_format(to, "%s_sum %.6f\n%s_count %llu\n", name, (double)f->batch_us / 1e6, name,
                      (unsigned long long)f->batches);
}

static void put_store(struct daemon *d, struct buffer *to) {
    struct driver_figures f;
    struct chores_figures c;
    struct store_usage usage;
    driver_figures(d->driver, &f);
    chores_figures(d->chores, &c);
    committer_store(d->committer)->ops->usage(committer_store(d->committer), &usage);
    put(to, METRIC_BATCHES, f.batches);
    put(to, METRIC_BATCH_ENTRIES, f.entries);
    put(to, METRIC_BATCH_BYTES, f.bytes);
    put_batches(&f, to);
    put(to, METRIC_QUEUE, f.waiting);
    put(to, METRIC_FOLDED, c.folded);
    put(to, METRIC_PURGED, c.purged);
    put(to, METRIC_JOURNAL_BYTES, usage.journal_bytes);
    put(to, METRIC_HISTORY_BYTES, usage.history_bytes);
    put(to, METRIC_FREE_BYTES, usage.free_bytes);
    put(to, METRIC_STORE_FULL, d->told_full);
}

static void put_http(struct daemon *d, struct buffer *to) {
    static const char *const classes[] = { "broken", "1xx", "2xx", "3xx", "4xx", "5xx" };
    struct http_figures f;
    http_figures(d->http, &f);
    head(to, METRIC_REQUESTS);
    for (size_t i = 0; i < 6; i++)
        if (i != 1)
            put_labelled(to, METRIC_REQUESTS, slice_text(classes[i]), f.requests[i]);
    put(to, METRIC_CONNECTIONS, f.open);
    put(to, METRIC_CONNECTIONS_REFUSED, f.refused);
    put(to, METRIC_STREAMS, d->stream_count);
    put(to, METRIC_WAITERS, waiters_count(&d->waiters));
    head(to, METRIC_SHED);
    put_labelled(to, METRIC_SHED, SLICE("busy"), d->shed_busy);
    put_labelled(to, METRIC_SHED, SLICE("disk"), d->shed_space);
    head(to, METRIC_LOG_LINES);
    for (int level = 0; level < LOG_LEVEL_COUNT; level++)
        put_labelled(to, METRIC_LOG_LINES, slice_text(logs_level_word((enum log_level)level)),
                     logs_count((enum log_level)level));
}

void metrics_render(struct daemon *d, struct buffer *to) {
    put_process(d, to);
    put_engine(d, to);
    put_messages(d, to);
    put_notifications(d, to);
    head(to, METRIC_BREAKER_OPEN);
    http_sink_open_hosts(d->sink, put_breaker, to);
    put_store(d, to);
    put_http(d, to);
}
