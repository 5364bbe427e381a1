#include "cli/demo_show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/errand.h"
#include "cli/moment.h"
#include "cli/occurrence.h"
#include "cli/picture.h"
#include "cli/view.h"

#define TEXT_BYTES (1024 * 1024)

void show_say(struct show *show, enum paint paint, const char *text) {
    struct buffer line;
    buffer_init(&line, TEXT_BYTES);
    buffer_add_byte(&line, '\n');
    paint_begin(&line, paint, show->cli->colour);
    buffer_add_text(&line, text);
    paint_end(&line, paint, show->cli->colour);
    buffer_add_byte(&line, '\n');
    cli_print(show->cli, &line);
}

/* How a branch ended, by the last operation that was asked of it. */
static const char *branch_mark(struct json_value branch, enum paint *paint) {
    static const char *const back[] = { "compensate", "cancel" };
    static const char *const forward[] = { "action", "try" };
    struct json_value state;
    *paint = PAINT_DIM;
    for (int i = 0; i < 2; i++)
        if (json_member(branch, back[i], &state) && (json_is(state, "done") || json_is(state, "resolved"))) {
            *paint = PAINT_YELLOW;
            return "↩";
        }
    for (int i = 0; i < 2; i++) {
        if (!json_member(branch, forward[i], &state))
            continue;
        *paint = json_is(state, "done") ? PAINT_GREEN : json_is(state, "refused") ? PAINT_RED : PAINT_DIM;
        return json_is(state, "done") ? "✔" : json_is(state, "refused") ? "✘" : "–";
    }
    return "–";
}

static void add_branches(struct show *show, struct buffer *line, struct json_value root,
                         struct arena *arena) {
    struct json_value branches, branch;
    if (!json_member(root, "branches", &branches) || branches.kind != JSON_ARRAY)
        return;
    struct json_cursor cursor = json_cursor_of(branches);
    while (json_element_next(&cursor, &branch)) {
        enum paint paint;
        const char *mark = branch_mark(branch, &paint);
        buffer_add_byte(line, ' ');
        glyph_add_all(line, cli_text(branch, "id", arena));
        buffer_add_byte(line, ' ');
        paint_text(line, paint, show->cli->colour, mark);
    }
}

/* Beside the transaction, where its message went. */
static void add_sent(struct show *show, struct buffer *line, const struct show_message *sent) {
    bool acked = strcmp(sent->delivery, "acked") == 0;
    buffer_add_text(line, "   message " SCENE_TOPIC " → ");
    paint_text(line, paint_of_status(slice_text(sent->delivery)), show->cli->colour,
               acked ? "delivered" : sent->delivery);
    if (acked) {
        buffer_add_byte(line, ' ');
        moment_add_span(line, sent->took_ms);
    }
}

void show_result(struct show *show, const stl_result *result, int64_t took_ms,
                 const struct show_message *sent) {
    struct buffer line, why;
    struct arena arena;
    struct json_value root;
    size_t length = 0;
    const char *json = stl_result_json(result, &length);
    if (json_check(slice_of(json, length), &root, NULL) != 0)
        return;
    buffer_init(&line, TEXT_BYTES);
    arena_init(&arena, 4096, TEXT_BYTES);
    enum paint paint = paint_of_status(slice_text(stl_result_status(result)));
    paint_text(&line, PAINT_BOLD, show->cli->colour, stl_result_gid(result));
    buffer_add_format(&line, "  %-4s", slice_is(cli_text(root, "mode", &arena), "tcc") ? "TCC" : "saga");
    add_branches(show, &line, root, &arena);
    buffer_add_text(&line, " → ");
    paint_text(&line, paint, show->cli->colour, stl_result_status(result));
    buffer_add_byte(&line, ' ');
    moment_add_span(&line, took_ms);
    if (sent != NULL && sent->id[0] != '\0')
        add_sent(show, &line, sent);
    buffer_init(&why, TEXT_BYTES);
    view_add_why(&why, root, &arena);
    if (why.length > 0) {
        buffer_add_text(&line, "   because ");
        glyph_add_all(&line, buffer_slice(&why));
    }
    buffer_done(&why);
    buffer_add_byte(&line, '\n');
    arena_done(&arena);
    cli_print(show->cli, &line);
}

void show_picture(struct show *show, const char *collection, const char *name) {
    struct picture_source source;
    struct buffer text;
    if (picture_fetch(show->cli, collection, name, &source) != 0)
        return;
    buffer_init(&text, TEXT_BYTES);
    buffer_add_byte(&text, '\n');
    picture_draw(&text, &source, show->cli->width, show->cli->colour);
    picture_release(&source);
    cli_print(show->cli, &text);
}

int show_failed(struct show *show, const stl_err *e) {
    show->unexpected++;
    return cli_explain(show->cli, e);
}

void show_expect(struct show *show, bool as_foreseen, const char *format, ...) {
    char text[512];
    va_list arguments;
    if (as_foreseen)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    show->unexpected++;
    cli_fail(show->cli, 0, "expected %s", text);
}

/* ---- messages ---------------------------------------------------------------------------------------- */

static void copy_text(char *to, size_t size, struct json_value from, const char *member,
                      struct arena *arena) {
    struct slice text = cli_text(from, member, arena);
    snprintf(to, size, "%.*s", SLICE_PRINT(text));
}

static void read_message(struct json_value message, struct show_message *out) {
    struct json_value deliveries, delivery;
    struct arena arena;
    int64_t from_ms = 0, until_ms = 0;
    arena_init(&arena, 4096, TEXT_BYTES);
    copy_text(out->id, sizeof out->id, message, "id", &arena);
    copy_text(out->status, sizeof out->status, message, "status", &arena);
    if (view_time(message, "created", &arena, &from_ms) && view_time(message, "finished", &arena, &until_ms))
        out->took_ms = until_ms - from_ms;
    if (json_member(message, "deliveries", &deliveries) && deliveries.kind == JSON_ARRAY) {
        struct json_cursor cursor = json_cursor_of(deliveries);
        if (json_element_next(&cursor, &delivery)) {
            copy_text(out->delivery, sizeof out->delivery, delivery, "status", &arena);
            out->attempts = view_number(delivery, "attempts", 0);
        }
    }
    arena_done(&arena);
}

void show_read_message(struct show *show, const char *id, bool finished, struct show_message *out) {
    struct cli_answer answer;
    struct errand errand;
    *out = (struct show_message){ .id = "" };
    errand_begin(&errand, show->cli, "/v1/messages", id, NULL);
    if (errand_ask(&errand, "GET", finished ? SHOW_WAIT_MS : 0, &answer) == 0)
        read_message(answer.root, out);
    else
        show->unexpected++;
    cli_release(&answer);
}

void show_find_message(struct show *show, const char *gid, bool finished, struct show_message *out) {
    struct cli_answer answer;
    struct errand errand;
    struct json_value items, item;
    struct show_message found = { .id = "" };
    errand_begin(&errand, show->cli, "/v1/messages", NULL, NULL);
    errand_query(&errand, "key", slice_text(gid));
    if (errand_ask(&errand, "GET", 0, &answer) != 0)
        show->unexpected++;
    else if (json_member(answer.root, "items", &items) && items.kind == JSON_ARRAY) {
        struct json_cursor cursor = json_cursor_of(items);
        if (json_element_next(&cursor, &item))
            read_message(item, &found);
    }
    cli_release(&answer);
    *out = found;
    if (found.id[0] != '\0')
        show_read_message(show, found.id, finished, out);
}

static void add_attempt(struct show *show, struct buffer *to, const struct occurrence *o, int64_t from_ms) {
    struct buffer span;
    bool done = slice_is(o->verdict, "done");
    buffer_init(&span, 64);
    moment_add_span(&span, o->at_ms - from_ms);
    buffer_add_format(to, "  %9.*s   attempt %lld ", SLICE_PRINT(buffer_slice(&span)), (long long)o->attempt);
    buffer_done(&span);
    paint_text(to, done ? PAINT_GREEN : PAINT_YELLOW, show->cli->colour, done ? "✔" : "✘");
    if (o->http > 0)
        buffer_add_format(to, " %lld", (long long)o->http);
    if (!done && o->detail.length > 0) {
        buffer_add_text(to, "  ");
        glyph_add(to, o->detail, 80);
    }
    buffer_add_byte(to, '\n');
}

void show_attempts(struct show *show, const char *id) {
    struct cli_answer answer;
    struct errand errand;
    struct json_value items, item;
    struct buffer text;
    struct arena arena;
    int64_t from_ms = 0;
    arena_init(&arena, 4096, TEXT_BYTES);
    buffer_init(&text, TEXT_BYTES);
    errand_begin(&errand, show->cli, "/v1/messages", id, "/events");
    if (errand_ask(&errand, "GET", 0, &answer) == 0 && json_member(answer.root, "items", &items) &&
        items.kind == JSON_ARRAY) {
        struct json_cursor cursor = json_cursor_of(items);
        while (json_element_next(&cursor, &item)) {
            struct occurrence o;
            occurrence_read(item, &arena, &o);
            if (from_ms == 0)
                from_ms = o.at_ms;
            if (o.kind == OCCURRENCE_ENDED)
                add_attempt(show, &text, &o, from_ms);
        }
    }
    cli_release(&answer);
    arena_done(&arena);
    cli_print(show->cli, &text);
}
