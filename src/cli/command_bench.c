/* settle bench: measure a settled, or what the machine could do without one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/gauge.h"
#include "bench/load.h"
#include "bench/target.h"
#include "cli/bench_subscription.h"
#include "cli/command_list.h"
#include "cli/moment.h"
#include "cli/progress.h"

#define TEXT_BYTES (64 * 1024)

/* One run: what was asked for, and what the daemon had used when measuring began and ended. */
struct run {
    struct cli *cli;
    struct load_options options;
    struct load_result result;
    struct progress progress;
    struct target target;
    char prefix[16], topic[32];
    long pid;    /* 0: not known */
    bool gauged; /* before and after hold figures of the daemon */
    struct gauge before, after;
    uint64_t own_before_us, own_after_us;
};

/* A figure of GET /metrics: what stands behind its name on a line of its own. */
static double metric(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *at = text; at != NULL; at = strchr(at, '\n') == NULL ? NULL : strchr(at, '\n') + 1)
        if (strncmp(at, name, length) == 0 && at[length] == ' ')
            return strtod(at + length + 1, NULL);
    return 0;
}

/* By its process when we know it, else as it tells itself. */
static bool read_gauge(struct run *r, struct gauge *gauge) {
    stl_response *answer = NULL;
    bool good = false;
    if (r->pid > 0)
        return gauge_read(r->pid, gauge) == 0;
    if (r->cli->client == NULL)
        return false;
    if (stl_request(r->cli->client, "GET", "/metrics", NULL, NULL, 0, 0, &answer, NULL) == 0 &&
        stl_response_status(answer) == 200) {
        const char *text = stl_response_body(answer, NULL);
        gauge->cpu_us = (uint64_t)(metric(text, "process_cpu_seconds_total") * 1e6);
        gauge->rss_bytes = (uint64_t)metric(text, "process_resident_memory_bytes");
        gauge->written_bytes = (uint64_t)metric(text, "settled_store_written_bytes_total");
        good = true;
    }
    stl_response_free(answer);
    return good;
}

static void moment(void *self, enum load_moment which, uint64_t done, uint32_t elapsed_ms) {
    struct run *r = self;
    struct gauge *gauge = which == LOAD_BEGINS ? &r->before : &r->after;
    if (which == LOAD_FILLS) {
        progress_tick(&r->progress, "%llu of %lu transactions wait", (unsigned long long)done,
                      (unsigned long)r->options.waiting);
        return;
    }
    if (which == LOAD_GOES_ON) {
        progress_tick(&r->progress, "%llu %s, %llu/s", (unsigned long long)done,
                      load_is_message(r->options.mode) ? "messages" : "transactions",
                      (unsigned long long)(elapsed_ms == 0 ? 0 : done * 1000 / elapsed_ms));
        return;
    }
    bool read = read_gauge(r, gauge);
    r->gauged = which == LOAD_BEGINS ? read : read && r->gauged;
    *(which == LOAD_BEGINS ? &r->own_before_us : &r->own_after_us) = gauge_own_cpu_us();
}

/* ---- what to run ------------------------------------------------------------------------------------- */

static const char *const mode_words[] = {
    [LOAD_SAGA] = "saga",       [LOAD_TCC] = "tcc",   [LOAD_HALF] = "half",
    [LOAD_PUBLISH] = "publish", [LOAD_PULL] = "pull",
};
#define MODES (sizeof mode_words / sizeof *mode_words)

static const char *mode_word(const struct run *r) {
    return mode_words[r->options.mode];
}

static int set_mode(struct run *r, long *branches) {
    struct cli *cli = r->cli;
    const char *mode = flags_value(&cli->flags, "mode");
    size_t found = 0;
    while (mode != NULL && found < MODES && strcmp(mode, mode_words[found]) != 0)
        found++;
    if (found == MODES)
        return cli_fail(cli, EXIT_USAGE, "--mode takes saga, tcc, half, publish or pull, not \"%s\"", mode);
    r->options.mode = (enum load_mode)found;
    if (r->options.mode == LOAD_PULL && r->options.kind == LOAD_FLOOR)
        return cli_fail(cli, EXIT_USAGE,
                        "--floor cannot be combined with --mode pull: without settled there "
                        "is nobody to pull from");
    bool message = load_is_message(r->options.mode), pull = r->options.mode == LOAD_PULL;
    return cli_number(cli, "branches", 1, pull ? 1 : LOAD_BRANCHES_MAX, message ? 1 : 2, branches);
}

static int set_numbers(struct run *r) {
    struct cli *cli = r->cli;
    long branches = 2, clients = 64, rate = 0, waiting = 0;
    int duration_ms = 0, warmup_ms = 0, delay_ms = 0;
    int code = set_mode(r, &branches);
    if (code == 0)
        code = cli_number(cli, "clients", 1, LOAD_CLIENTS_MAX, 64, &clients);
    if (code == 0)
        code = cli_number(cli, "rate", 1, 1000000, 0, &rate);
    if (code == 0)
        code = cli_number(cli, "waiting", 1, 1000000, 0, &waiting);
    if (code == 0)
        code = cli_duration(cli, "duration", 10000, &duration_ms);
    if (code == 0)
        code = cli_duration(cli, "warmup", 1000, &warmup_ms);
    if (code == 0)
        code = cli_duration(cli, "participant-delay", 0, &delay_ms);
    if (code != 0)
        return code;
    r->options.branches = (unsigned)branches;
    r->options.clients = (unsigned)clients;
    r->options.rate = (uint32_t)rate;
    r->options.waiting = (uint32_t)waiting;
    r->options.duration_ms = (uint32_t)(duration_ms > 0 ? duration_ms : 1);
    r->options.warmup_ms = (uint32_t)warmup_ms;
    r->options.delay_ms = (uint32_t)delay_ms;
    return 0;
}

static int set_target(struct run *r) {
    struct why why;
    int result = target_find(stl_client_url(r->cli->client), &r->target, &why);
    if (result != 0)
        return cli_fail(r->cli, result == ERR_NOT_FOUND ? EXIT_UNREACHABLE : EXIT_USAGE, "%s", why.text);
    r->options.host = r->target.host;
    r->options.authority = r->target.authority;
    r->options.port = r->target.port;
    r->options.token = stl_client_token(r->cli->client);
    return 0;
}

static int open_target(struct run *r) {
    stl_err e;
    struct cli *cli = r->cli;
    const char *url = flags_value(&cli->flags, "url");
    stl_opts opts = { .token_file = flags_value(&cli->flags, "token-file") };
    if (url == NULL)
        return cli_open(cli);
    return stl_client_open(&cli->client, url, &opts, &e) == 0 ? 0 : cli_explain(cli, &e);
}

/* ---- what came out ----------------------------------------------------------------------------------- */

static const char *kind_word(const struct run *r) {
    return r->options.kind == LOAD_WHOLE ? "whole" : r->options.kind == LOAD_FLOOR ? "floor" : "http";
}

static const char *thing(const struct run *r) {
    return load_is_message(r->options.mode) ? "message" : "transaction";
}

static double per_transaction(const struct run *r, uint64_t amount) {
    return r->result.done == 0 ? 0 : (double)amount / (double)r->result.done;
}

static void put_fixed(struct json_writer *w, const char *name, double number) {
    char text[64];
    int length = snprintf(text, sizeof text, "%.2f", number);
    json_put_raw(w, name, slice_of(text, (size_t)length));
}

static void write_json(const struct run *r, struct buffer *to) {
    const struct load_result *x = &r->result;
    struct json_writer w;
    json_writer_init(&w, to);
    json_put_object(&w, NULL);
    json_put_text(&w, "lane", kind_word(r));
    json_put_text(&w, "mode", mode_word(r));
    json_put_u64(&w, "branches", r->options.branches);
    json_put_u64(&w, "clients", r->options.clients);
    json_put_u64(&w, "rate", r->options.rate);
    json_put_u64(&w, "waiting", r->options.waiting);
    json_put_u64(&w, "participant_delay_ms", r->options.delay_ms);
    put_fixed(&w, "seconds", (double)x->measured_us / 1e6);
    json_put_u64(&w, load_is_message(r->options.mode) ? "messages" : "transactions", x->done);
    put_fixed(&w, "per_second", (double)x->done * 1e6 / (double)x->measured_us);
    json_put_u64(&w, "p50_us", histogram_at(&x->latency, 500));
    json_put_u64(&w, "p99_us", histogram_at(&x->latency, 990));
    json_put_u64(&w, "p999_us", histogram_at(&x->latency, 999));
    json_put_u64(&w, "max_us", x->latency.max_us);
    json_put_u64(&w, "errors", x->errors);
    json_put_text(&w, "first_error", x->first_error[0] == '\0' ? NULL : x->first_error);
    put_fixed(&w, "bench_cpu_us", per_transaction(r, r->own_after_us - r->own_before_us));
    if (r->gauged) {
        put_fixed(&w, "daemon_cpu_us", per_transaction(r, r->after.cpu_us - r->before.cpu_us));
        json_put_u64(&w, "rss_bytes", r->after.rss_bytes);
        put_fixed(&w, "written_bytes", per_transaction(r, r->after.written_bytes - r->before.written_bytes));
    }
    json_put_end(&w);
    buffer_add_byte(to, '\n');
}

static void add_ms(struct buffer *to, const char *name, uint64_t us) {
    buffer_add_format(to, "%s %.2f ms", name, (double)us / 1000);
}

static const char *plural(const struct run *r) {
    return r->options.branches == 1 ? "" : load_is_message(r->options.mode) ? "s" : "es";
}

static void write_table(const struct run *r, struct buffer *to) {
    const struct load_result *x = &r->result;
    buffer_add_format(to, "%s  %s  %u %s%s  %u clients  %.1f s\n", kind_word(r), mode_word(r),
                      r->options.branches, load_is_message(r->options.mode) ? "subscription" : "branch",
                      plural(r), r->options.clients, (double)x->measured_us / 1e6);
    buffer_add_format(to, "  %.0f %ss/s   %llu in all, %llu errors\n",
                      (double)x->done * 1e6 / (double)x->measured_us, thing(r), (unsigned long long)x->done,
                      (unsigned long long)x->errors);
    add_ms(to, "  latency p50", histogram_at(&x->latency, 500));
    add_ms(to, "   p99", histogram_at(&x->latency, 990));
    add_ms(to, "   p99.9", histogram_at(&x->latency, 999));
    add_ms(to, "   max", x->latency.max_us);
    buffer_add_format(to, "\n  CPU per %s: generator and participants %.1f µs", thing(r),
                      per_transaction(r, r->own_after_us - r->own_before_us));
    if (r->gauged)
        buffer_add_format(to, ", settled %.1f µs   memory %.1f MiB   written %.0f bytes per %s",
                          per_transaction(r, r->after.cpu_us - r->before.cpu_us),
                          (double)r->after.rss_bytes / (1024 * 1024),
                          per_transaction(r, r->after.written_bytes - r->before.written_bytes), thing(r));
    if (x->first_error[0] != '\0')
        buffer_add_format(to, "\n  first error: %s", x->first_error);
    buffer_add_byte(to, '\n');
}

static int subscribe(void *self, const uint16_t *ports, unsigned count, struct why *why) {
    struct run *r = self;
    (void)count;
    return bench_subscribe(r->cli->client, &r->options, ports, why);
}

static int run(struct run *r) {
    struct why why;
    struct buffer text;
    r->options.moment = moment;
    r->options.self = r;
    r->options.prefix = r->prefix;
    r->options.topic = r->topic;
    r->options.subscribe = subscribe;
    snprintf(r->prefix, sizeof r->prefix, "b%x-%x", (unsigned)getpid() & 0xffff,
             (unsigned)(moment_now_ms() / 1000) & 0xfffff);
    snprintf(r->topic, sizeof r->topic, "bench.%s", r->prefix);
    progress_begin(&r->progress, r->cli);
    int result = load_run(&r->options, &r->result, &why);
    progress_end(&r->progress);
    if (r->options.kind == LOAD_WHOLE && load_is_message(r->options.mode))
        bench_unsubscribe(r->cli->client, &r->options);
    if (result != 0)
        return cli_fail(r->cli, result == ERR_IO ? EXIT_UNREACHABLE : EXIT_FAILED, "%s", why.text);
    buffer_init(&text, TEXT_BYTES);
    if (r->cli->format == FORMAT_TABLE)
        write_table(r, &text);
    else
        write_json(r, &text);
    int code = cli_print(r->cli, &text);
    return code == 0 && (r->result.done == 0 || r->result.errors > 0) ? EXIT_FAILED : code;
}

int command_bench(struct cli *cli) {
    static struct run r;
    const char *lane = cli_word(cli, 0);
    r.cli = cli;
    if (lane != NULL && strcmp(lane, "http") != 0)
        return cli_fail(cli, EXIT_USAGE, "there is \"settle bench\" and \"settle bench http\", not \"%s\"",
                        lane);
    r.options.kind = lane != NULL ? LOAD_HTTP : flags_has(&cli->flags, "floor") ? LOAD_FLOOR : LOAD_WHOLE;
    int code = set_numbers(&r);
    if (code == 0 && r.options.kind == LOAD_WHOLE) {
        cli->curl = cli->dry_run = false;
        code = open_target(&r);
        if (code == 0)
            code = set_target(&r);
        if (code == 0)
            code = cli_number(cli, "pid", 1, 0x7fffffff, 0, &r.pid);
    }
    return code == 0 ? run(&r) : code;
}
