/* What the daemon says of itself: version, limits, figures, the interface described, problems explained. */
#include <assert.h>
#include <string.h>

#include "protocol/openapi.h"
#include "protocol/render.h"
#include "server/api.h"
#include "server/logs.h"
#include "server/metrics.h"
#include "server/stream.h"
#include "sink/http/http_sink.h"

static const char json[] = "application/json";
static const char plain[] = "text/plain; charset=utf-8";

void api_alive(struct visit *v) {
    buffer_add_text(visit_scratch(v), "alive\n");
    visit_answer(v, 200, plain);
}

void api_ready(struct visit *v) {
    struct problem p;
    enum driver_admission admission = driver_admission(v->daemon->driver);
    if (v->daemon->ready && !v->daemon->stopping && admission != DRIVER_STOPPING &&
        admission != DRIVER_NO_SPACE) {
        buffer_add_text(visit_scratch(v), "ready\n");
        visit_answer(v, 200, plain);
        return;
    }
    problem_init(&p, v->daemon->stopping ? PROBLEM_STOPPING : PROBLEM_STORE_UNAVAILABLE);
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

void api_metrics(struct visit *v) {
    struct problem p;
    if (!settings_flag(&v->daemon->settings, SETTING_OBSERVE_METRICS)) {
        PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "metrics are turned off by observe.metrics");
        visit_refuse(v, &p);
        return;
    }
    metrics_render(v->daemon, visit_scratch(v));
    visit_answer(v, 200, "text/plain; version=0.0.4; charset=utf-8");
}

void api_openapi(struct visit *v) {
    openapi_render(SETTLE_VERSION, visit_scratch(v));
    visit_answer(v, 200, json);
}

void api_problem_page(struct visit *v) {
    struct problem p;
    int type = problem_type(slice_text(v->match.gid));
    if (type < 0) {
        PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "there is no problem of this type");
        visit_refuse(v, &p);
        return;
    }
    problem_page((enum problem_type)type, visit_scratch(v));
    exchange_header(&v->exchange, "Content-Security-Policy",
                    SLICE("default-src 'none'; frame-ancestors 'none'"));
    visit_answer(v, 200, "text/html; charset=utf-8");
}

static void put_limits(struct json_writer *w, const struct settings *s) {
    json_put_object(w, "limits");
    json_put_u64(w, "body_bytes", settings_number(s, SETTING_LIMITS_BODY));
    json_put_u64(w, "branches", LIMIT_BRANCHES);
    json_put_u64(w, "branch_payload_bytes", LIMIT_BRANCH_PAYLOAD_BYTES);
    json_put_u64(w, "payload_bytes", LIMIT_PAYLOAD_BYTES);
    json_put_u64(w, "gid_bytes", LIMIT_GID_BYTES);
    json_put_u64(w, "branch_id_bytes", LIMIT_BRANCH_ID_BYTES);
    json_put_u64(w, "name_bytes", LIMIT_NAME_BYTES);
    json_put_u64(w, "labels", LIMIT_LABELS);
    json_put_u64(w, "label_bytes", LIMIT_LABEL_BYTES);
    json_put_u64(w, "url_bytes", LIMIT_URL_BYTES);
    json_put_u64(w, "reason_bytes", LIMIT_REASON_BYTES);
    json_put_u64(w, "json_depth", LIMIT_JSON_DEPTH);
    json_put_u64(w, "json_keys", LIMIT_JSON_KEYS);
    json_put_u64(w, "json_string_bytes", LIMIT_JSON_STRING_BYTES);
    json_put_u64(w, "request_line_bytes", LIMIT_REQUEST_LINE_BYTES);
    json_put_u64(w, "header_bytes", LIMIT_HEADER_BYTES);
    json_put_u64(w, "headers", LIMIT_HEADERS);
    json_put_u64(w, "idempotency_key_bytes", LIMIT_IDEMPOTENCY_KEY_BYTES);
    json_put_u64(w, "message_headers", LIMIT_MESSAGE_HEADERS);
    json_put_u64(w, "message_header_bytes", LIMIT_MESSAGE_HEADER_BYTES);
    json_put_u64(w, "topic_bytes", LIMIT_TOPIC_BYTES);
    json_put_u64(w, "subscription_bytes", LIMIT_BRANCH_ID_BYTES);
    json_put_u64(w, "key_bytes", LIMIT_KEY_BYTES);
    json_put_u64(w, "definitions", LIMIT_DEFINITIONS);
    json_put_u64(w, "definition_bytes", LIMIT_DEFINITION_BYTES);
    json_put_u64(w, "concurrency", LIMIT_CONCURRENCY);
    json_put_u64(w, "pull", LIMIT_PULL);
    json_put_u64(w, "pull_bytes", LIMIT_PULL_BYTES);
    render_duration(w, "lease", LIMIT_LEASE_MS);
    json_put_u64(w, "unfinished", settings_number(s, SETTING_LIMITS_UNFINISHED));
    json_put_u64(w, "page", settings_number(s, SETTING_LIMITS_PAGE));
    json_put_u64(w, "streams", settings_number(s, SETTING_LIMITS_STREAMS));
    render_duration(w, "wait", settings_number(s, SETTING_LIMITS_WAIT));
    json_put_end(w);
}

void api_info(struct visit *v) {
    const struct daemon *d = v->daemon;
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_text(&w, "name", "settled");
    json_put_text(&w, "version", SETTLE_VERSION);
    json_put_text(&w, "store", "embedded");
    json_put_text(&w, "durability", "fsync");
    json_put_u64(&w, "epoch", d->epoch);
    render_time(&w, "started", d->started_ms);
    render_time(&w, "now", daemon_now_ms(d));
    json_put_array(&w, "schemes");
    json_put_text(&w, NULL, mode_word(MODE_SAGA));
    json_put_text(&w, NULL, mode_word(MODE_TCC));
    json_put_text(&w, NULL, mode_word(MODE_MESSAGE));
    json_put_end(&w);
    put_limits(&w, &d->settings);
    json_put_end(&w);
    visit_answer(v, 200, json);
}

static void put_transactions(struct json_writer *w, const struct engine_figures *f) {
    json_put_object(w, "transactions");
    json_put_u64(w, "submitted", f->submitted);
    json_put_u64(w, "unfinished", f->unfinished - f->messages - f->notices);
    json_put_u64(w, "attention", f->attention);
    json_put_u64(w, "suspended", f->suspended);
    json_put_object(w, "in_memory");
    for (uint8_t s = 1; s < STATUS_END; s++)
        json_put_u64(w, status_word(s), f->by_status[s]);
    json_put_end(w);
    json_put_object(w, "finished");
    for (uint8_t s = 1; s < STATUS_END; s++)
        if (status_is_final(s))
            json_put_u64(w, status_word(s), f->finished[s]);
    json_put_end(w);
    render_time(w, "oldest_unfinished", f->oldest_ms);
    json_put_end(w);
}

/* How many definitions of a kind there are, and how many of them are paused. */
static uint64_t count_definitions(const struct daemon *d, uint8_t kind, uint64_t *paused) {
    const struct channel *c = NULL;
    uint64_t count = 0;
    *paused = 0;
    while ((c = engine_channel_next(d->engine, c)) != NULL) {
        const struct definition *definition = engine_definition(c);
        bool counts = definition->kind == kind && engine_channel_id(c) != 0;
        count += counts;
        *paused += counts && definition->paused;
    }
    return count;
}

/* Attention counts transactions and messages together. */
static void put_messages(struct json_writer *w, const struct daemon *d, const struct engine_figures *f) {
    uint64_t paused;
    uint64_t subscriptions = count_definitions(d, DEFINITION_SUBSCRIPTION, &paused);
    json_put_object(w, "messages");
    json_put_u64(w, "published", f->published);
    json_put_u64(w, "unfinished", f->messages);
    json_put_u64(w, "half", f->half);
    json_put_u64(w, "dead_deliveries", f->dead);
    json_put_u64(w, "subscriptions", subscriptions);
    json_put_u64(w, "paused", paused);
    json_put_u64(w, "pulls_waiting", d->pullers.count);
    json_put_end(w);
}

static void put_notifications(struct json_writer *w, const struct daemon *d, const struct engine_figures *f) {
    uint64_t disabled;
    uint64_t endpoints = count_definitions(d, DEFINITION_ENDPOINT, &disabled);
    json_put_object(w, "notifications");
    json_put_u64(w, "accepted", f->notified);
    json_put_u64(w, "unfinished", f->notices);
    json_put_u64(w, "delivered", f->delivered);
    json_put_u64(w, "gave_up", f->gave_up);
    json_put_u64(w, "cancelled", f->cancelled);
    json_put_u64(w, "endpoints", endpoints);
    json_put_u64(w, "disabled", disabled);
    json_put_end(w);
}

static void put_calls(struct json_writer *w, const struct daemon *d, const struct engine_figures *f) {
    struct http_sink_counters c = http_sink_counters(d->sink);
    json_put_object(w, "calls");
    json_put_u64(w, "attempts", f->attempts);
    json_put_u64(w, "open", f->calls_open);
    json_put_u64(w, "waiting", f->calls_waiting);
    json_put_object(w, "verdicts");
    for (uint8_t verdict = VERDICT_NONE + 1; verdict < VERDICT_COUNT; verdict++)
        json_put_u64(w, verdict_word(verdict), f->verdicts[verdict]);
    json_put_end(w);
    json_put_u64(w, "hosts", c.hosts);
    json_put_u64(w, "breakers_open", c.hosts_open);
    json_put_end(w);
}

static void put_store(struct json_writer *w, const struct daemon *d) {
    struct driver_figures f;
    struct chores_figures c;
    struct store_usage usage;
    struct store *store = committer_store(d->committer);
    driver_figures(d->driver, &f);
    chores_figures(d->chores, &c);
    store->ops->usage(store, &usage);
    json_put_object(w, "store");
    json_put_u64(w, "batches", f.batches);
    json_put_u64(w, "records", f.entries);
    json_put_u64(w, "written_bytes", f.bytes);
    json_put_u64(w, "batch_us_average", f.batches == 0 ? 0 : f.batch_us / f.batches);
    json_put_u64(w, "queue", f.waiting);
    json_put_u64(w, "folded", c.folded);
    json_put_u64(w, "purged", c.purged);
    json_put_u64(w, "journal_bytes", usage.journal_bytes);
    json_put_u64(w, "history_bytes", usage.history_bytes);
    json_put_u64(w, "free_bytes", usage.free_bytes);
    json_put_bool(w, "full", d->told_full);
    json_put_end(w);
}

void api_stats(struct visit *v) {
    const struct daemon *d = v->daemon;
    struct engine_figures f;
    struct http_figures http;
    struct json_writer w;
    engine_figures(d->engine, &f);
    http_figures(d->http, &http);
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    render_duration(&w, "uptime", daemon_now_ms(d) - d->started_ms);
    put_transactions(&w, &f);
    put_messages(&w, d, &f);
    put_notifications(&w, d, &f);
    put_calls(&w, d, &f);
    put_store(&w, d);
    json_put_object(&w, "http");
    json_put_u64(&w, "connections", http.open);
    json_put_u64(&w, "connections_refused", http.refused);
    json_put_u64(&w, "streams", d->stream_count);
    json_put_u64(&w, "waiters", waiters_count(&d->waiters));
    json_put_end(&w);
    json_put_u64(&w, "memory_bytes", f.memory_used);
    json_put_end(&w);
    v->seal.shows = (struct id_range){ .first = 1, .last = UINT64_MAX }; /* all are counted */
    visit_answer_sealed(v, 200, json);
}

static void tell_open_host(void *context, struct slice host) {
    (void)context;
    logs_say(LOG_BREAKER, "%.*s is open: it did not answer many times in a row", SLICE_PRINT(host));
}

/* What an operator would like to find in the log, told when it grows. */
static void tell_trouble(struct daemon *d) {
    struct engine_figures f;
    struct http_sink_counters c = http_sink_counters(d->sink);
    engine_figures(d->engine, &f);
    if (f.attention > d->told_attention)
        logs_say(
            LOG_ATTENTION,
            "%llu transactions and messages; see settle tx list --attention, GET /v1/messages?attention=true",
            (unsigned long long)f.attention);
    if (c.hosts_open > d->told_breakers)
        http_sink_open_hosts(d->sink, tell_open_host, NULL);
    d->told_attention = f.attention;
    d->told_breakers = c.hosts_open;
}

void api_second(struct daemon *d) {
    enum { PATIENCE_MS = 2000 };
    if (driver_stuck_ms(d->driver) > PATIENCE_MS)
        driver_release_stuck(d->driver);
    tell_trouble(d);
    stream_second(d);
}

void api_drain(struct daemon *d) {
    stream_end_all(d);
}
