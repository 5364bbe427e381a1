#include "cli/occurrence.h"

#include <string.h>

#include "base/duration.h"
#include "base/instant.h"
#include "cli/glyph.h"
#include "cli/moment.h"
#include "cli/view.h"

#define TEXT_BYTES (64 * 1024 * 1024)

/* ---- reading ----------------------------------------------------------------------------------------- */

/* "attempt" of "tx.attempt" and "delivery.attempt". */
static struct slice verb_of(struct slice event) {
    size_t dot = slice_find(event, '.');
    return dot < event.length ? slice_from(event, dot + 1) : SLICE_NONE;
}

/* The decision of a message is told before its deliveries begin; only what says "finished" ends it. */
bool occurrence_last(struct json_value item) {
    static const char *const ends[] = { "delivered", "gave_up", "cancelled" };
    struct json_value event, status;
    bool message = json_member(item, "event", &event) &&
                   (slice_starts(event.raw, "\"msg.") || slice_starts(event.raw, "\"delivery."));
    if (message || view_true(item, "finished"))
        return view_true(item, "finished");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (json_member(item, "status", &status) && json_is(status, ends[i]))
            return true;
    return view_final(item);
}

static enum occurrence_kind kind_of(const struct occurrence *o, struct json_value item) {
    struct slice verb = verb_of(o->event);
    bool delivery = slice_starts(o->event, "delivery.");
    if (o->act.length > 0)
        return OCCURRENCE_BY_HAND;
    if (slice_is(verb, "created"))
        return delivery ? OCCURRENCE_STARTED : OCCURRENCE_CREATED;
    if (slice_is(verb, "op"))
        return slice_is(o->verdict, "running") ? OCCURRENCE_STARTED : OCCURRENCE_OTHER;
    if (slice_is(verb, "attempt"))
        return OCCURRENCE_ENDED;
    if (slice_is(verb, "decision"))
        return OCCURRENCE_DECISION;
    if (slice_is(verb, "sent"))
        return OCCURRENCE_SENT;
    return slice_is(verb, "status") && occurrence_last(item) ? OCCURRENCE_FINISHED : OCCURRENCE_OTHER;
}

static struct slice either(struct json_value item, const char *name, const char *other, struct arena *arena) {
    struct slice text = cli_text(item, name, arena);
    return text.length > 0 ? text : cli_text(item, other, arena);
}

void occurrence_read(struct json_value item, struct arena *arena, struct occurrence *out) {
    uint64_t took_ms = 0;
    *out = (struct occurrence){ .took_ms = -1 };
    out->event = cli_text(item, "event", arena);
    out->gid = either(item, "gid", "id", arena);
    out->branch = either(item, "branch", "subscription", arena);
    out->operation = cli_text(item, "op", arena);
    out->attempt = view_number(item, "attempt", 0);
    out->http = view_number(item, "http", 0);
    out->verdict = either(item, "verdict", "state", arena);
    out->word = either(item, "decision", "status", arena);
    if (slice_starts(out->event, "delivery."))
        out->state = cli_text(item, "state", arena);
    out->half = slice_is(out->word, "half");
    out->notice = cli_text(item, "notification", arena).length > 0;
    out->sent = either(item, "message", "notification", arena);
    out->sent_to = either(item, "topic", "endpoint", arena);
    out->act = cli_text(item, "act", arena);
    out->who = cli_text(item, "by", arena);
    out->detail = view_words(cli_text(item, "detail", arena), arena);
    out->cause = cli_text(item, "cause", arena);
    out->attention = view_true(item, "attention");
    if (duration_parse(cli_text(item, "took", arena), &took_ms) == 0)
        out->took_ms = (int64_t)took_ms;
    view_time(item, "at", arena, &out->at_ms);
    view_time(item, "next_try", arena, &out->next_ms);
    out->kind = kind_of(out, item);
}

/* ---- one line ---------------------------------------------------------------------------------------- */

static enum paint paint_of(const struct occurrence *o) {
    if (o->state.length > 0)
        return paint_of_status(o->state);
    if (slice_is(o->verdict, "done") || slice_is(o->word, "commit") || slice_is(o->word, "committed"))
        return PAINT_GREEN;
    if (slice_is(o->verdict, "refused") || slice_is(o->word, "rollback") || slice_is(o->word, "rolled_back"))
        return PAINT_RED;
    return o->verdict.length > 0 && o->kind == OCCURRENCE_ENDED ? PAINT_YELLOW : PAINT_NONE;
}

static void add_part(struct buffer *to, const char *before, struct slice text) {
    if (text.length == 0)
        return;
    buffer_add_text(to, before);
    glyph_add_all(to, text);
}

void occurrence_add(struct buffer *to, const struct occurrence *o, bool with_gid, bool colour) {
    enum paint paint = paint_of(o);
    moment_add_clock(to, o->at_ms);
    if (with_gid)
        add_part(to, "  ", o->gid);
    buffer_add_text(to, "  ");
    paint_begin(to, paint, colour);
    glyph_add_all(to, o->event);
    paint_end(to, paint, colour);
    add_part(to, "  ", o->branch);
    add_part(to, o->branch.length > 0 ? "." : "  ", o->operation);
    if (o->attempt > 0)
        buffer_add_format(to, "  attempt %d", (int)o->attempt);
    add_part(to, "  ", o->state.length > 0 ? o->state : o->verdict);
    if (o->kind == OCCURRENCE_SENT || o->kind == OCCURRENCE_CREATED) {
        add_part(to, "  ", o->kind == OCCURRENCE_SENT ? o->sent : SLICE_NONE);
        add_part(to, o->kind == OCCURRENCE_SENT ? " → " : "  ", o->sent_to);
    }
    add_part(to, "  ", o->act);
    add_part(to, "  ", o->word);
    if (o->http > 0)
        buffer_add_format(to, "  HTTP %d", (int)o->http);
    if (o->took_ms >= 0) {
        buffer_add_text(to, "  ");
        moment_add_span(to, o->took_ms);
    }
    add_part(to, "  ", o->cause);
    add_part(to, "  ", o->detail);
    add_part(to, "  by ", o->who);
    buffer_add_byte(to, '\n');
}

/* ---- printing ---------------------------------------------------------------------------------------- */

struct printer {
    struct cli *cli;
    bool with_gid;
    long left; /* 0: no limit */
    int code;
    bool final;
    char last_id[256];
};

static void add_event(struct printer *p, struct buffer *text, struct json_value item, struct slice name,
                      struct arena *arena) {
    struct occurrence o;
    occurrence_read(item, arena, &o);
    if (o.event.length == 0)
        o.event = name;
    p->final = p->final || occurrence_last(item);
    if (p->cli->format == FORMAT_TABLE) {
        occurrence_add(text, &o, p->with_gid, p->cli->colour);
    } else if (p->cli->format == FORMAT_GID) {
        glyph_add_all(text, o.gid);
        buffer_add_byte(text, '\n');
    } else {
        buffer_add_slice(text, item.raw);
        buffer_add_byte(text, '\n');
    }
}

static int take_event(void *argument, const stl_event *event) {
    struct printer *p = argument;
    struct json_value item;
    struct buffer text;
    struct arena arena;
    if (event->id[0] != '\0' && strlen(event->id) < sizeof p->last_id)
        memcpy(p->last_id, event->id, strlen(event->id) + 1);
    if (json_check(slice_of(event->json, event->json_length), &item, NULL) != 0)
        return 0;
    buffer_init(&text, TEXT_BYTES);
    arena_init(&arena, 4096, TEXT_BYTES);
    add_event(p, &text, item, slice_text(event->name), &arena);
    arena_done(&arena);
    p->code = cli_print(p->cli, &text);
    return p->code != 0 || (p->left > 0 && --p->left == 0) || (!p->with_gid && p->final);
}

static void add_path(struct buffer *path, const char *collection, const char *name, const char *since,
                     long limit, bool stream) {
    buffer_init(path, 16 * 1024);
    buffer_add_text(path, name == NULL ? "/v1" : collection);
    if (name != NULL) {
        buffer_add_byte(path, '/');
        cli_add_escaped(path, slice_text(name));
    }
    buffer_add_text(path, "/events");
    if (since != NULL && !stream) {
        buffer_add_text(path, "?after=");
        cli_add_escaped(path, slice_text(since));
    }
    if (limit > 0 && !stream)
        buffer_add_format(path, "%climit=%ld", since == NULL ? '?' : '&', limit);
    buffer_add_byte(path, '\0');
}

/* A stream that broke is taken up again after the last event seen. */
static int stream(struct printer *p, const char *path, const char *since) {
    stl_err e = { .code = 0 };
    int code = cli_open(p->cli), result = 0;
    if (since != NULL && strlen(since) < sizeof p->last_id)
        memcpy(p->last_id, since, strlen(since) + 1);
    while (code == 0) {
        result = stl_events(p->cli->client, path, p->last_id, take_event, p, &e);
        if (result == STL_ESTOPPED || p->code != 0 || (!p->with_gid && p->final))
            return p->code;
        if (result != 0 && (!e.retry || p->last_id[0] == '\0'))
            return cli_explain(p->cli, &e);
        cli_hint(p->cli, "the stream ended, taking it up again");
        struct cli_answer answer;
        code = cli_ask(p->cli, "GET", "/readyz", SLICE_NONE, 0, &answer);
        cli_release(&answer);
    }
    return code;
}

static int print_page(struct printer *p, const struct cli_answer *answer) {
    struct json_value items, item;
    struct buffer text;
    struct arena arena;
    if (!json_member(answer->root, "items", &items) && !json_member(answer->root, "events", &items))
        items = answer->root;
    if (items.kind != JSON_ARRAY)
        return cli_fail(p->cli, EXIT_FAILED, "settled answered something that is not a list of events");
    buffer_init(&text, TEXT_BYTES);
    arena_init(&arena, 64 * 1024, TEXT_BYTES);
    if (p->cli->format == FORMAT_JSON) {
        buffer_add_slice(&text, answer->body);
        buffer_add_byte(&text, '\n');
    } else {
        struct json_cursor cursor = json_cursor_of(items);
        while (json_element_next(&cursor, &item))
            add_event(p, &text, item, SLICE(""), &arena);
    }
    arena_done(&arena);
    return cli_print(p->cli, &text);
}

int occurrence_follow(struct cli *cli, const char *collection, const char *name, const char *since,
                      long limit, bool follow) {
    struct printer p = { .cli = cli, .with_gid = name == NULL, .left = limit };
    struct cli_answer answer;
    struct buffer path;
    int code;
    add_path(&path, collection, name, since, limit, follow);
    if (follow && !cli->curl) {
        code = stream(&p, path.at, since);
    } else {
        code = cli_ask(cli, "GET", path.at, SLICE_NONE, 0, &answer);
        if (code == 0 && answer.response != NULL)
            code = print_page(&p, &answer);
        cli_release(&answer);
    }
    buffer_done(&path);
    return code;
}
