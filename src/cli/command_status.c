/* What settled is doing now, on one screen. */
#include <stdio.h>
#include <unistd.h>

#include "base/duration.h"
#include "cli/command_list.h"
#include "cli/flat.h"
#include "cli/glyph.h"
#include "cli/moment.h"
#include "cli/view.h"

#define TEXT_BYTES (256 * 1024)

/* A screen being written: figures are looked up as group.name. */
struct screen {
    struct buffer text;
    struct arena arena;
    struct json_value root;
    bool colour;
    bool first; /* nothing stands on this line yet */
};

static struct json_value group_of(const struct screen *s, const char *group) {
    struct json_value value = { .kind = JSON_NULL };
    json_member(s->root, group, &value);
    return value;
}

static void begin(struct screen *s, const char *title) {
    buffer_add_format(&s->text, "  %-14s", title);
    s->first = true;
}

static void next(struct screen *s) {
    buffer_add_text(&s->text, s->first ? "" : " · ");
    s->first = false;
}

/* "12 unfinished", in a colour when it is over 0 and that is worth a look. */
static void figure(struct screen *s, const char *group, const char *name, const char *word,
                   enum paint paint) {
    int64_t number = view_number(group_of(s, group), name, -1);
    if (number < 0)
        return; /* this settled does not count it */
    next(s);
    paint_begin(&s->text, number > 0 ? paint : PAINT_NONE, s->colour);
    buffer_add_format(&s->text, "%lld %s", (long long)number, word);
    paint_end(&s->text, number > 0 ? paint : PAINT_NONE, s->colour);
}

static void size(struct screen *s, const char *group, const char *name, const char *word) {
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double number = (double)view_number(group_of(s, group), name, 0);
    size_t unit = 0;
    while (number >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        number /= 1024;
        unit++;
    }
    next(s);
    buffer_add_format(&s->text, "%.*f %s %s", unit == 0 || number >= 100 ? 0 : 1, number, units[unit], word);
}

/* Every member of an object of counters that is not 0. */
static void counters(struct screen *s, struct json_value object) {
    struct json_value key, value;
    struct slice word;
    int64_t number = 0;
    if (object.kind != JSON_OBJECT)
        return;
    struct json_cursor cursor = json_cursor_of(object);
    while (json_member_next(&cursor, &key, &value)) {
        if (json_i64(value, &number) != 0 || number == 0 || json_string(key, &s->arena, &word) != 0)
            continue;
        next(s);
        buffer_add_format(&s->text, "%lld ", (long long)number);
        paint_begin(&s->text, paint_of_status(word), s->colour);
        glyph_add_all(&s->text, word);
        paint_end(&s->text, paint_of_status(word), s->colour);
    }
}

static void end(struct screen *s) {
    buffer_add_text(&s->text, s->first ? "none\n" : "\n");
}

static void write_transactions(struct screen *s) {
    struct json_value transactions = group_of(s, "transactions"), finished = { .kind = JSON_NULL };
    int64_t oldest_ms = 0;
    begin(s, "transactions");
    figure(s, "transactions", "submitted", "submitted", PAINT_NONE);
    figure(s, "transactions", "unfinished", "unfinished", PAINT_CYAN);
    if (view_time(transactions, "oldest_unfinished", &s->arena, &oldest_ms)) {
        buffer_add_text(&s->text, " (oldest ");
        moment_add_age(&s->text, moment_now_ms() - oldest_ms);
        buffer_add_byte(&s->text, ')');
    }
    figure(s, "transactions", "attention", "need attention", PAINT_YELLOW);
    figure(s, "transactions", "suspended", "suspended", PAINT_YELLOW);
    end(s);
    begin(s, "finished");
    json_member(transactions, "finished", &finished);
    counters(s, finished);
    if (s->first) {
        next(s);
        buffer_add_text(&s->text, "none committed or rolled back since it started");
    }
    end(s);
}

/* Only what this settled counts: an older one has no messages, or no endpoints. */
static void write_messages(struct screen *s) {
    if (group_of(s, "messages").kind == JSON_OBJECT) {
        begin(s, "messages");
        figure(s, "messages", "published", "published", PAINT_NONE);
        figure(s, "messages", "unfinished", "unfinished", PAINT_CYAN);
        figure(s, "messages", "half", "half", PAINT_CYAN);
        figure(s, "messages", "dead_deliveries", "dead letters", PAINT_RED);
        figure(s, "messages", "parked_deliveries", "parked", PAINT_YELLOW);
        end(s);
        begin(s, "subscriptions");
        figure(s, "messages", "subscriptions", "defined", PAINT_NONE);
        figure(s, "messages", "paused", "paused", PAINT_YELLOW);
        figure(s, "messages", "pulls_waiting", "pulls waiting", PAINT_NONE);
        end(s);
    }
    if (group_of(s, "notifications").kind == JSON_OBJECT) {
        begin(s, "notifications");
        figure(s, "notifications", "unfinished", "unfinished", PAINT_CYAN);
        figure(s, "notifications", "gave_up", "gave up", PAINT_YELLOW);
        figure(s, "notifications", "endpoints", "endpoints", PAINT_NONE);
        figure(s, "notifications", "disabled", "disabled", PAINT_YELLOW);
        end(s);
    }
}

static void write_screen(struct screen *s, const char *url) {
    struct json_value verdicts = { .kind = JSON_NULL };
    uint64_t uptime_ms = 0;
    paint_text(&s->text, PAINT_BOLD, s->colour, "settled");
    buffer_add_format(&s->text, "  %s  up ", url);
    if (duration_parse(cli_text(s->root, "uptime", &s->arena), &uptime_ms) == 0)
        moment_add_age(&s->text, (int64_t)uptime_ms);
    buffer_add_byte(&s->text, '\n');
    write_transactions(s);
    write_messages(s);
    begin(s, "calls");
    figure(s, "calls", "open", "open", PAINT_NONE);
    figure(s, "calls", "waiting", "waiting", PAINT_NONE);
    figure(s, "calls", "attempts", "made", PAINT_NONE);
    figure(s, "calls", "breakers_open", "breakers open", PAINT_YELLOW);
    end(s);
    begin(s, "answers");
    json_member(group_of(s, "calls"), "verdicts", &verdicts);
    counters(s, verdicts);
    end(s);
    begin(s, "store");
    figure(s, "store", "batches", "batches", PAINT_NONE);
    figure(s, "store", "batch_us_average", "µs each", PAINT_NONE);
    size(s, "store", "journal_bytes", "journal");
    size(s, "store", "history_bytes", "history");
    size(s, "store", "free_bytes", "free");
    if (view_true(group_of(s, "store"), "full")) {
        next(s);
        paint_text(&s->text, PAINT_RED, s->colour, "the disk is full: new work is refused");
    }
    end(s);
    begin(s, "connections");
    figure(s, "http", "connections", "open", PAINT_NONE);
    figure(s, "http", "waiters", "waiting for an end", PAINT_NONE);
    figure(s, "http", "streams", "streams", PAINT_NONE);
    figure(s, "http", "connections_refused", "refused", PAINT_YELLOW);
    end(s);
}

static int show(struct cli *cli, bool again) {
    struct screen s = { .colour = cli->colour };
    struct cli_answer answer;
    if (cli->format != FORMAT_TABLE)
        return flat_show(cli, "/v1/stats");
    int code = cli_ask(cli, "GET", "/v1/stats", SLICE_NONE, 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    s.root = answer.root;
    buffer_init(&s.text, TEXT_BYTES);
    arena_init(&s.arena, 4096, TEXT_BYTES);
    if (again && isatty(STDOUT_FILENO))
        buffer_add_text(&s.text, "\033[H\033[J");
    write_screen(&s, stl_client_url(cli->client));
    arena_done(&s.arena);
    cli_release(&answer);
    return cli_print(cli, &s.text);
}

int command_status(struct cli *cli) {
    bool watch = flags_has(&cli->flags, "watch") && !cli->curl;
    int code = show(cli, watch);
    while (code == 0 && watch) {
        sleep(1);
        code = show(cli, true);
    }
    return code;
}
