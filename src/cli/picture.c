#include "cli/picture.h"

#include <string.h>

#include "cli/glyph.h"
#include "cli/letter.h"
#include "cli/moment.h"
#include "cli/view.h"

#define SCRATCH_BYTES (256 * 1024 * 1024)
#define INDENT 11 /* columns of the time and the blanks behind it */

/* One operation of one branch, all its attempts. */
struct operation {
    struct operation *next;
    struct slice branch, word;
    int64_t from_ms, until_ms; /* until_ms 0: not over */
    int64_t attempts;
    struct occurrence last;          /* the last outcome; kind OTHER while there is none */
    struct occurrence first_failure; /* of an earlier attempt; kind OTHER: none */
};

/* One line of the picture, or a group of operations that ran side by side. */
struct entry {
    struct entry *next;
    int64_t at_ms;
    struct operation *operations, *last_operation; /* a group; NULL: a text line */
    size_t count;
    struct slice text;
    enum paint paint;
    bool gap;
};

struct drawing {
    struct arena arena;
    struct buffer *to;
    struct entry *entries, *last_entry;
    struct entry *open; /* the group that a starting operation may join; NULL after any other line */
    int64_t begin_ms, now_ms, previous_ms;
    size_t width;
    bool colour;
    bool message;
    bool final;                    /* nothing is tried again */
    const struct json_value *sent; /* messages that it sent */
    size_t sent_count;
};

/* ---- gathering --------------------------------------------------------------------------------------- */

static struct entry *add_entry(struct drawing *d, int64_t at_ms) {
    struct entry *e = arena_take(&d->arena, sizeof *e);
    if (e == NULL)
        return NULL;
    e->at_ms = at_ms;
    if (d->last_entry == NULL)
        d->entries = e;
    else
        d->last_entry->next = e;
    d->last_entry = e;
    d->open = NULL;
    return e;
}

static void add_text(struct drawing *d, int64_t at_ms, enum paint paint, struct buffer *text) {
    struct entry *e = add_entry(d, at_ms);
    if (e != NULL) {
        arena_copy(&d->arena, buffer_slice(text), &e->text);
        e->paint = paint;
    }
    buffer_done(text);
}

/* The attempt ended because settled itself was gone. What follows is drawn as a new beginning. */
static bool by_settled(const struct occurrence *o) {
    return slice_is(o->verdict, "interrupted");
}

static struct operation *find_operation(const struct drawing *d, const struct occurrence *o) {
    struct operation *found = NULL;
    for (const struct entry *e = d->entries; e != NULL; e = e->next)
        for (struct operation *op = e->operations; op != NULL; op = op->next)
            if (slice_equal(op->branch, o->branch) && slice_equal(op->word, o->operation) &&
                !by_settled(&op->last))
                found = op;
    return found;
}

/* Whether an operation that starts now runs beside the open group: the same kind of step, and one of them is
 * still running. */
static bool joins(const struct entry *group, const struct occurrence *o) {
    if (group == NULL || !slice_equal(group->operations->word, o->operation))
        return false;
    for (const struct operation *op = group->operations; op != NULL; op = op->next)
        if (op->until_ms == 0 || op->until_ms > o->at_ms || (o->attempt > 1 && op->until_ms == o->at_ms))
            return true;
    return false;
}

static struct operation *begin_operation(struct drawing *d, const struct occurrence *o) {
    struct operation *op = arena_take(&d->arena, sizeof *op);
    struct entry *group = joins(d->open, o) ? d->open : add_entry(d, o->at_ms);
    if (op == NULL || group == NULL)
        return NULL;
    *op = (struct operation){ .branch = o->branch, .word = o->operation, .from_ms = o->at_ms };
    if (group->operations == NULL)
        group->operations = op;
    else
        group->last_operation->next = op;
    group->last_operation = op;
    group->count++;
    d->open = group;
    return op;
}

static void gap(struct drawing *d, const struct occurrence *o) {
    struct buffer text;
    if (d->last_entry != NULL && d->last_entry->gap)
        return; /* one line for all that was cut off together */
    buffer_init(&text, 4096);
    buffer_add_text(&text, "┄┄┄ settled was gone");
    if (o->at_ms > d->previous_ms) {
        buffer_add_text(&text, " for ");
        moment_add_span(&text, o->at_ms - d->previous_ms);
    }
    buffer_add_text(&text, ", then took up where the log ends ┄┄┄");
    add_text(d, o->at_ms, PAINT_YELLOW, &text);
    if (d->last_entry != NULL)
        d->last_entry->gap = true;
}

static void started(struct drawing *d, const struct occurrence *o) {
    struct operation *op = find_operation(d, o);
    if (op == NULL)
        op = begin_operation(d, o);
    if (op == NULL)
        return;
    op->until_ms = 0;
    op->attempts = o->attempt > op->attempts ? o->attempt : op->attempts;
}

static void ended(struct drawing *d, const struct occurrence *o) {
    struct operation *op = find_operation(d, o);
    if (op == NULL) { /* later attempts are told only when they end */
        struct occurrence start = *o;
        start.at_ms -= o->took_ms > 0 ? o->took_ms : 0;
        op = begin_operation(d, &start);
    }
    if (op == NULL)
        return;
    if (op->last.kind == OCCURRENCE_ENDED && op->first_failure.kind == OCCURRENCE_OTHER)
        op->first_failure = op->last;
    op->last = *o;
    op->until_ms = o->at_ms;
    op->attempts = o->attempt > op->attempts ? o->attempt : op->attempts;
    if (by_settled(o))
        gap(d, o);
}

/* "stock.confirm"; a delivery's place is its subscription. */
static void add_place(struct buffer *to, const char *before, const struct occurrence *o) {
    buffer_add_text(to, before);
    glyph_add_all(to, o->branch);
    if (o->operation.length > 0)
        buffer_add_byte(to, '.');
    glyph_add_all(to, o->operation);
}

static void decided(struct drawing *d, const struct occurrence *o) {
    struct buffer text;
    bool commit = slice_starts(o->word, "commit");
    buffer_init(&text, 64 * 1024);
    buffer_add_format(&text, "decision %s", commit ? "COMMIT" : "ROLLBACK");
    if (o->cause.length > 0) {
        buffer_add_text(&text, "  ");
        glyph_add_all(&text, o->cause);
    }
    if (o->branch.length > 0)
        add_place(&text, "  ", o);
    if (o->detail.length > 0) {
        buffer_add_text(&text, ": ");
        glyph_add_all(&text, o->detail);
    }
    add_text(d, o->at_ms, commit ? PAINT_GREEN : PAINT_RED, &text);
}

static void by_hand(struct drawing *d, const struct occurrence *o) {
    struct buffer text;
    buffer_init(&text, 64 * 1024);
    glyph_add_all(&text, o->act);
    if (o->word.length > 0) {
        buffer_add_text(&text, " → ");
        glyph_add_all(&text, o->word);
    }
    if (o->branch.length > 0)
        add_place(&text, " ", o);
    if (o->who.length > 0) {
        buffer_add_text(&text, "  by ");
        glyph_add_all(&text, o->who);
    }
    if (o->detail.length > 0) {
        buffer_add_text(&text, "  \"");
        glyph_add_all(&text, o->detail);
        buffer_add_byte(&text, '"');
    }
    add_text(d, o->at_ms, PAINT_CYAN, &text);
}

static void begun(struct drawing *d, const struct occurrence *o) {
    struct buffer text;
    d->begin_ms = o->at_ms;
    buffer_init(&text, 64 * 1024);
    buffer_add_text(&text, o->half ? "half " : "begin");
    if (o->who.length > 0) {
        buffer_add_text(&text, "          by ");
        glyph_add_all(&text, o->who);
    }
    add_text(d, o->at_ms, PAINT_NONE, &text);
}

/* The sign of a delivery's state. */
static const char *mark_of(struct slice state) {
    if (slice_is(state, "acked"))
        return "✔";
    if (slice_is(state, "dead") || slice_is(state, "refused"))
        return "✘";
    return slice_is(state, "discarded") ? "✂" : "…";
}

static bool is_message(struct json_value document, struct slice id) {
    struct json_value value;
    return json_member(document, "id", &value) && value.raw.length == id.length + 2 &&
           slice_equal(slice_of(value.raw.at + 1, id.length), id);
}

/* "warehouse ✔ acked", one for each delivery of a message that was sent. */
static void add_deliveries(struct drawing *d, struct buffer *to, struct json_value message) {
    struct json_value deliveries, delivery;
    bool first = true;
    if (!json_member(message, "deliveries", &deliveries) || deliveries.kind != JSON_ARRAY)
        return;
    struct json_cursor cursor = json_cursor_of(deliveries);
    while (json_element_next(&cursor, &delivery)) {
        struct slice state = cli_text(delivery, "status", &d->arena);
        buffer_add_text(to, first ? " → " : ", ");
        first = false;
        glyph_add_all(to, cli_text(delivery, "subscription", &d->arena));
        buffer_add_format(to, " %s ", mark_of(state));
        glyph_add_all(to, state);
    }
    if (first)
        buffer_add_text(to,
                        cli_text(message, "finished", &d->arena).length > 0 ? " → nobody subscribes" : "");
}

static void sent(struct drawing *d, const struct occurrence *o) {
    struct buffer text;
    buffer_init(&text, 64 * 1024);
    buffer_add_text(&text, o->notice ? "notification " : "message ");
    glyph_add_all(&text, o->sent_to);
    size_t before = text.length;
    for (size_t i = 0; i < d->sent_count; i++)
        if (is_message(d->sent[i], o->sent))
            add_deliveries(d, &text, d->sent[i]);
    if (text.length == before) {
        buffer_add_text(&text, "  ");
        glyph_add_all(&text, o->sent);
    }
    add_text(d, o->at_ms, PAINT_NONE, &text);
}

static void finished(struct drawing *d, const struct occurrence *o) {
    struct buffer text;
    if (o->word.length == 0)
        return;
    buffer_init(&text, 64 * 1024);
    glyph_add_all(&text, o->word);
    add_text(d, o->at_ms, paint_of_status(o->word), &text);
}

static void gather(struct drawing *d, struct json_value events) {
    struct json_value items = events, item;
    if (!json_member(events, "items", &items) && !json_member(events, "events", &items))
        items = events;
    if (items.kind != JSON_ARRAY)
        return;
    struct json_cursor cursor = json_cursor_of(items);
    while (json_element_next(&cursor, &item)) {
        struct occurrence o;
        occurrence_read(item, &d->arena, &o);
        switch (o.kind) {
        case OCCURRENCE_CREATED:
            begun(d, &o);
            break;
        case OCCURRENCE_STARTED:
            started(d, &o);
            break;
        case OCCURRENCE_ENDED:
            ended(d, &o);
            break;
        case OCCURRENCE_DECISION:
            decided(d, &o);
            break;
        case OCCURRENCE_FINISHED:
            finished(d, &o);
            break;
        case OCCURRENCE_SENT:
            sent(d, &o);
            break;
        case OCCURRENCE_BY_HAND:
            by_hand(d, &o);
            break;
        case OCCURRENCE_OTHER:
            break;
        }
        d->previous_ms = o.at_ms > 0 ? o.at_ms : d->previous_ms;
    }
}

/* ---- drawing ----------------------------------------------------------------------------------------- */

static void add_time(struct drawing *d, int64_t at_ms) {
    struct buffer text;
    buffer_init(&text, 256);
    moment_add_span(&text, at_ms - d->begin_ms);
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
    if (op->last.state.length > 0) {
        *mark = mark_of(op->last.state);
        return paint_of_status(op->last.state);
    }
    if (slice_is(op->last.verdict, "done")) {
        *mark = "✔";
        return PAINT_GREEN;
    }
    *mark = slice_is(op->last.verdict, "refused") ? "✘" : by_settled(&op->last) ? "⚡" : "?";
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
    if (op->last.state.length > 0 && op->until_ms != 0) {
        buffer_add_byte(d->to, ' ');
        glyph_add_all(d->to, op->last.state);
    }
    paint_end(d->to, paint, d->colour);
    if (op->last.kind == OCCURRENCE_ENDED && op->until_ms != 0) {
        if (op->last.http > 0)
            buffer_add_format(d->to, " %d", (int)op->last.http);
        if (op->last.took_ms >= 0 && !by_settled(&op->last)) {
            buffer_add_text(d->to, "  ");
            moment_add_span(d->to, op->last.took_ms);
        }
        if (!slice_is(op->last.verdict, "done") && !by_settled(&op->last) && op->last.detail.length > 0) {
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
    for (const struct entry *e = d->entries; e != NULL; e = e->next) {
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

static void draw_head(struct drawing *d, struct json_value transaction) {
    struct slice status = cli_text(transaction, "status", &d->arena),
                 name = cli_text(transaction, "name", &d->arena),
                 mode = cli_text(transaction, "mode", &d->arena),
                 topic = cli_text(transaction, "topic", &d->arena),
                 key = cli_text(transaction, "key", &d->arena);
    size_t before;
    paint_begin(d->to, PAINT_BOLD, d->colour);
    glyph_add_all(d->to, view_name(transaction, &d->arena));
    paint_end(d->to, PAINT_BOLD, d->colour);
    buffer_add_text(d->to, "  ");
    glyph_add_all(d->to, mode.length > 0 ? mode : SLICE("message"));
    buffer_add_text(d->to, "  ");
    paint_begin(d->to, paint_of_status(status), d->colour);
    glyph_add_all(d->to, status);
    paint_end(d->to, paint_of_status(status), d->colour);
    if (view_true(transaction, "suspended"))
        buffer_add_text(d->to, " (suspended)");
    buffer_add_text(d->to, "  ");
    view_add_took(d->to, transaction, &d->arena, d->now_ms);
    if (name.length > 0) {
        buffer_add_text(d->to, "   ");
        glyph_add_all(d->to, name);
    }
    if (topic.length > 0) {
        buffer_add_text(d->to, "   topic ");
        glyph_add_all(d->to, topic);
    }
    if (key.length > 0) {
        buffer_add_text(d->to, "   key ");
        glyph_add_all(d->to, key);
    }
    before = d->to->length;
    buffer_add_text(d->to, "   label ");
    size_t from = d->to->length;
    view_add_labels(d->to, transaction, &d->arena);
    if (d->to->length == from)
        buffer_cut(d->to, before);
    buffer_add_byte(d->to, '\n');
}

/* The reason, or what needs attention, in one sentence below the picture. */
static void draw_foot(struct drawing *d, struct json_value transaction) {
    struct buffer why;
    bool attention = view_attention(transaction);
    buffer_init(&why, 64 * 1024);
    view_add_why(&why, transaction, &d->arena);
    if (why.length > 0) {
        paint_begin(d->to, attention ? PAINT_YELLOW : PAINT_DIM, d->colour);
        buffer_add_text(d->to, attention ? "  needs attention: " : "  because ");
        glyph_add_all(d->to, buffer_slice(&why));
        paint_end(d->to, attention ? PAINT_YELLOW : PAINT_DIM, d->colour);
        size_t before = d->to->length;
        buffer_add_text(d->to, view_true(transaction, "suspended") ? " · " : " · tried again ");
        size_t from = d->to->length;
        if (d->message)
            letter_add_next(d->to, transaction, &d->arena, d->now_ms);
        else
            view_add_next(d->to, transaction, &d->arena, d->now_ms);
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
                         .width = width,
                         .colour = colour,
                         .now_ms = now_ms,
                         .message = message,
                         .final = message ? letter_final(transaction) : view_final(transaction),
                         .sent = sent_messages,
                         .sent_count = sent_count };
    arena_init(&d.arena, 64 * 1024, SCRATCH_BYTES);
    view_time(transaction, "created", &d.arena, &d.begin_ms);
    gather(&d, events);
    draw_head(&d, transaction);
    draw_entries(&d);
    draw_foot(&d, transaction);
    arena_done(&d.arena);
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
