#include "cli/picture.h"

#include "cli/glyph.h"
#include "cli/letter.h"
#include "cli/moment.h"
#include "cli/timeline.h"
#include "cli/view.h"

#define INDENT 11 /* columns of the time and the blanks behind it */

struct drawing {
    struct timeline timeline;
    struct buffer *to;
    int64_t now_ms;
    size_t width;
    bool colour;
    bool final;                   /* nothing is tried again */
    struct json_value deliveries; /* of a message, as they stand now */
};

/* ---- drawing ----------------------------------------------------------------------------------------- */

static void add_time(struct drawing *d, int64_t at_ms) {
    struct buffer text;
    buffer_init(&text, 256);
    moment_add_span(&text, at_ms - d->timeline.begin_ms);
    for (size_t width = glyph_width(buffer_slice(&text)); width + 3 < INDENT; width++)
        buffer_add_byte(d->to, ' ');
    paint_begin(d->to, PAINT_DIM, d->colour);
    buffer_add_slice(d->to, buffer_slice(&text));
    paint_end(d->to, PAINT_DIM, d->colour);
    buffer_add_text(d->to, "   ");
    buffer_done(&text);
}

static const char *ordinal(int64_t n) {
    int64_t tens = n % 100;
    if (tens >= 11 && tens <= 13)
        return "th";
    return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

static void add_failure(struct buffer *to, const struct occurrence *o) {
    if (o->http > 0)
        buffer_add_format(to, "HTTP %d", (int)o->http);
    else if (o->detail.length == 0)
        glyph_add_all(to, o->verdict);
    if (o->detail.length > 0) {
        buffer_add_text(to, o->http > 0 ? " " : "");
        glyph_add(to, o->detail, 60);
    }
}

static enum paint outcome_paint(const struct operation *op, const char **mark) {
    if (op->last.kind != OCCURRENCE_ENDED || op->until_ms == 0) {
        *mark = "…";
        return PAINT_CYAN;
    }
    if (timeline_by_settled(&op->last)) {
        *mark = "⚡";
        return PAINT_YELLOW;
    }
    if (op->last.state.length > 0) {
        *mark = timeline_mark(op->last.state);
        return paint_of_status(op->last.state);
    }
    if (slice_is(op->last.verdict, "done")) {
        *mark = "✔";
        return PAINT_GREEN;
    }
    *mark = slice_is(op->last.verdict, "refused") ? "✘" : "?";
    return slice_is(op->last.verdict, "refused") ? PAINT_RED : PAINT_YELLOW;
}

static void add_retries(struct drawing *d, const struct operation *op) {
    if (op->attempts <= 1)
        return;
    buffer_add_format(d->to, " (%d%s try", (int)op->attempts, ordinal(op->attempts));
    if (op->first_failure.kind == OCCURRENCE_ENDED) {
        buffer_add_text(d->to, "; 1st: ");
        add_failure(d->to, &op->first_failure);
    }
    buffer_add_byte(d->to, ')');
}

/* Where a delivery is: as its last attempt left it, or before the first as the message tells. */
static void add_standing(struct drawing *d, const struct operation *op) {
    struct slice state = op->until_ms != 0 ? op->last.state : SLICE_NONE;
    struct json_value delivery;
    if (op->until_ms != 0 && timeline_by_settled(&op->last))
        return;
    if (op->word.length == 0 && op->until_ms == 0 && d->deliveries.kind == JSON_ARRAY) {
        struct json_cursor cursor = json_cursor_of(d->deliveries);
        while (state.length == 0 && json_element_next(&cursor, &delivery))
            if (slice_equal(cli_text(delivery, "subscription", &d->timeline.arena), op->branch))
                state = cli_text(delivery, "status", &d->timeline.arena);
    }
    if (state.length > 0)
        buffer_add_byte(d->to, ' ');
    glyph_add_all(d->to, state);
}

static void add_operation(struct drawing *d, const struct operation *op) {
    const char *mark = "";
    enum paint paint = outcome_paint(op, &mark);
    glyph_add_all(d->to, op->branch);
    if (op->branch.length > 0 && op->word.length > 0)
        buffer_add_byte(d->to, '.');
    glyph_add_all(d->to, op->word);
    buffer_add_byte(d->to, ' ');
    paint_begin(d->to, paint, d->colour);
    buffer_add_text(d->to, mark);
    add_standing(d, op);
    paint_end(d->to, paint, d->colour);
    if (op->last.kind == OCCURRENCE_ENDED && op->until_ms != 0) {
        if (op->last.http > 0)
            buffer_add_format(d->to, " %d", (int)op->last.http);
        if (op->last.took_ms >= 0 && !timeline_by_settled(&op->last)) {
            buffer_add_text(d->to, "  ");
            moment_add_span(d->to, op->last.took_ms);
        }
        if (!slice_is(op->last.verdict, "done") && !timeline_by_settled(&op->last) &&
            op->last.detail.length > 0) {
            buffer_add_text(d->to, "  \"");
            glyph_add(d->to, op->last.detail, 80);
            buffer_add_byte(d->to, '"');
        }
        if (op->last.next_ms > d->now_ms && !d->final) {
            buffer_add_text(d->to, "  again in ");
            moment_add_age(d->to, op->last.next_ms - d->now_ms + 999);
        }
    }
    add_retries(d, op);
}

/* How many columns an operation takes: drawn aside, without colour. */
static size_t operation_width(struct drawing *d, const struct operation *op) {
    struct drawing aside = *d;
    struct buffer text;
    buffer_init(&text, 64 * 1024);
    aside.to = &text;
    aside.colour = false;
    add_operation(&aside, op);
    size_t width = glyph_width(buffer_slice(&text));
    buffer_done(&text);
    return width;
}

static void draw_group(struct drawing *d, const struct entry *group) {
    size_t used = INDENT;
    for (const struct operation *op = group->operations; op != NULL; op = op->next) {
        size_t width = operation_width(d, op) + 2;
        bool first = op == group->operations;
        if (!first && d->width > 0 && used + 3 + width > d->width) {
            buffer_add_byte(d->to, '\n');
            for (used = 0; used < INDENT; used++)
                buffer_add_byte(d->to, ' ');
        } else if (!first) {
            buffer_add_text(d->to, "   ");
            used += 3;
        }
        if (group->count > 1)
            buffer_add_text(d->to, op->next == NULL ? "└ " : "├ ");
        add_operation(d, op);
        used += width;
    }
    buffer_add_byte(d->to, '\n');
}

static void draw_entries(struct drawing *d) {
    for (const struct entry *e = d->timeline.entries; e != NULL; e = e->next) {
        add_time(d, e->at_ms);
        if (e->operations != NULL) {
            draw_group(d, e);
            continue;
        }
        paint_begin(d->to, e->paint, d->colour);
        buffer_add_slice(d->to, e->text);
        paint_end(d->to, e->paint, d->colour);
        buffer_add_byte(d->to, '\n');
    }
}

/* How long it took; of a message or notification that is not over yet, how long so far. */
static void add_took(struct drawing *d, struct json_value transaction) {
    int64_t until_ms = d->now_ms;
    buffer_add_text(d->to, "  ");
    if (!d->timeline.message) {
        view_add_took(d->to, transaction, &d->timeline.arena, d->now_ms);
        return;
    }
    view_time(transaction, "finished", &d->timeline.arena, &until_ms);
    moment_add_span(d->to, until_ms - d->timeline.begin_ms);
}

/* Where a message or a notification goes. */
static void add_address(struct drawing *d, struct json_value thing) {
    static const char *const members[] = { "topic", "key", "endpoint", "event", "ref" };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct slice text = cli_text(thing, members[i], &d->timeline.arena);
        if (text.length == 0)
            continue;
        buffer_add_format(d->to, "   %s ", members[i]);
        glyph_add_all(d->to, text);
    }
}

static void draw_head(struct drawing *d, struct json_value transaction) {
    struct slice status = cli_text(transaction, "status", &d->timeline.arena),
                 name = cli_text(transaction, "name", &d->timeline.arena),
                 mode = cli_text(transaction, "mode", &d->timeline.arena);
    struct json_value endpoint;
    size_t before;
    paint_begin(d->to, PAINT_BOLD, d->colour);
    glyph_add_all(d->to, view_name(transaction, &d->timeline.arena));
    paint_end(d->to, PAINT_BOLD, d->colour);
    buffer_add_text(d->to, "  ");
    if (mode.length == 0)
        mode = json_member(transaction, "endpoint", &endpoint) ? SLICE("notification") : SLICE("message");
    glyph_add_all(d->to, mode);
    buffer_add_text(d->to, "  ");
    paint_begin(d->to, paint_of_status(status), d->colour);
    glyph_add_all(d->to, status);
    paint_end(d->to, paint_of_status(status), d->colour);
    if (view_true(transaction, "suspended"))
        buffer_add_text(d->to, " (suspended)");
    add_took(d, transaction);
    if (name.length > 0) {
        buffer_add_text(d->to, "   ");
        glyph_add_all(d->to, name);
    }
    add_address(d, transaction);
    before = d->to->length;
    buffer_add_text(d->to, "   label ");
    size_t from = d->to->length;
    view_add_labels(d->to, transaction, &d->timeline.arena);
    if (d->to->length == from)
        buffer_cut(d->to, before);
    buffer_add_byte(d->to, '\n');
}

/* The reason, or what needs attention, in one sentence below the picture. */
static void draw_foot(struct drawing *d, struct json_value transaction) {
    struct buffer why;
    bool attention = view_attention(transaction);
    buffer_init(&why, 64 * 1024);
    view_add_why(&why, transaction, &d->timeline.arena);
    if (why.length > 0) {
        paint_begin(d->to, attention ? PAINT_YELLOW : PAINT_DIM, d->colour);
        buffer_add_text(d->to, attention ? "  needs attention: " : "  because ");
        glyph_add_all(d->to, buffer_slice(&why));
        paint_end(d->to, attention ? PAINT_YELLOW : PAINT_DIM, d->colour);
        size_t before = d->to->length;
        buffer_add_text(d->to, view_true(transaction, "suspended") ? " · " : " · tried again ");
        size_t from = d->to->length;
        if (d->timeline.message)
            letter_add_next(d->to, transaction, &d->timeline.arena, d->now_ms);
        else
            view_add_next(d->to, transaction, &d->timeline.arena, d->now_ms);
        if (d->to->length == from)
            buffer_cut(d->to, before);
        buffer_add_byte(d->to, '\n');
    }
    buffer_done(&why);
}

void picture_draw_values(struct buffer *to, struct json_value transaction, struct json_value events,
                         const struct json_value *sent_messages, size_t sent_count, size_t width, bool colour,
                         int64_t now_ms) {
    struct json_value gid;
    bool message = !json_member(transaction, "gid", &gid);
    struct drawing d = { .to = to,
                         .now_ms = now_ms,
                         .width = width,
                         .colour = colour,
                         .final = message ? letter_final(transaction) : view_final(transaction) };
    timeline_init(&d.timeline);
    d.timeline.message = message;
    d.timeline.sent = sent_messages;
    d.timeline.sent_count = sent_count;
    view_time(transaction, "created", &d.timeline.arena, &d.timeline.begin_ms);
    json_member(transaction, "deliveries", &d.deliveries);
    timeline_gather(&d.timeline, events);
    draw_head(&d, transaction);
    draw_entries(&d);
    draw_foot(&d, transaction);
    timeline_done(&d.timeline);
}

void picture_draw(struct buffer *to, const struct picture_source *source, size_t width, bool colour) {
    struct json_value sent_messages[PICTURE_SENT_MAX];
    size_t count = 0, length = 0;
    for (size_t i = 0; i < source->sent_count; i++) {
        const char *json = stl_result_json(source->sent[i], &length);
        count += json_check(slice_of(json, length), &sent_messages[count], NULL) == 0;
    }
    picture_draw_values(to, source->transaction.root, source->events.root, sent_messages, count, width,
                        colour, moment_now_ms());
}
