#include "cli/timeline.h"

#include <string.h>

#include "cli/moment.h"

#define SCRATCH_BYTES (256 * 1024 * 1024)

static struct entry *add_entry(struct timeline *t, int64_t at_ms) {
    struct entry *e = arena_take(&t->arena, sizeof *e);
    if (e == NULL)
        return NULL;
    e->at_ms = at_ms;
    if (t->last_entry == NULL)
        t->entries = e;
    else
        t->last_entry->next = e;
    t->last_entry = e;
    t->open = NULL;
    return e;
}

static void add_text(struct timeline *t, int64_t at_ms, enum paint paint, struct buffer *text) {
    struct entry *e = add_entry(t, at_ms);
    if (e != NULL) {
        arena_copy(&t->arena, buffer_slice(text), &e->text);
        e->paint = paint;
    }
    buffer_done(text);
}

bool timeline_by_settled(const struct occurrence *o) {
    return slice_is(o->verdict, "interrupted");
}

static struct operation *find_operation(const struct timeline *t, const struct occurrence *o) {
    struct operation *found = NULL;
    for (const struct entry *e = t->entries; e != NULL; e = e->next)
        for (struct operation *op = e->operations; op != NULL; op = op->next)
            if (slice_equal(op->branch, o->branch) && slice_equal(op->word, o->operation) &&
                !timeline_by_settled(&op->last))
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

static struct operation *begin_operation(struct timeline *t, const struct occurrence *o) {
    struct operation *op = arena_take(&t->arena, sizeof *op);
    struct entry *group = joins(t->open, o) ? t->open : add_entry(t, o->at_ms);
    if (op == NULL || group == NULL)
        return NULL;
    *op = (struct operation){ .branch = o->branch, .word = o->operation, .from_ms = o->at_ms };
    if (group->operations == NULL)
        group->operations = op;
    else
        group->last_operation->next = op;
    group->last_operation = op;
    group->count++;
    t->open = group;
    t->lanes = t->lanes || o->operation.length == 0;
    return op;
}

static void gap(struct timeline *t, const struct occurrence *o) {
    struct buffer text;
    if (t->last_entry != NULL && t->last_entry->gap)
        return; /* one line for all that was cut off together */
    buffer_init(&text, 4096);
    buffer_add_text(&text, "┄┄┄ settled was gone");
    if (o->at_ms > t->previous_ms) {
        buffer_add_text(&text, " for ");
        moment_add_span(&text, o->at_ms - t->previous_ms);
    }
    buffer_add_text(&text, ", then took up where the log ends ┄┄┄");
    add_text(t, o->at_ms, PAINT_YELLOW, &text);
    if (t->last_entry != NULL)
        t->last_entry->gap = true;
}

static void started(struct timeline *t, const struct occurrence *o) {
    struct operation *op = find_operation(t, o);
    if (op == NULL)
        op = begin_operation(t, o);
    if (op == NULL)
        return;
    op->until_ms = 0;
    op->attempts = o->attempt > op->attempts ? o->attempt : op->attempts;
}

static void ended(struct timeline *t, const struct occurrence *o) {
    struct operation *op = find_operation(t, o);
    if (op == NULL) { /* later attempts are told only when they end */
        struct occurrence start = *o;
        start.at_ms -= o->took_ms > 0 ? o->took_ms : 0;
        op = begin_operation(t, &start);
    }
    if (op == NULL)
        return;
    if (op->last.kind == OCCURRENCE_ENDED && op->first_failure.kind == OCCURRENCE_OTHER)
        op->first_failure = op->last;
    op->last = *o;
    op->until_ms = o->at_ms;
    op->attempts = o->attempt > op->attempts ? o->attempt : op->attempts;
    if (timeline_by_settled(o))
        gap(t, o);
}

/* "stock.confirm"; a delivery's place is its subscription. */
static void add_place(struct buffer *to, const char *before, const struct occurrence *o) {
    buffer_add_text(to, before);
    glyph_add_all(to, o->branch);
    if (o->operation.length > 0)
        buffer_add_byte(to, '.');
    glyph_add_all(to, o->operation);
}

static void decided(struct timeline *t, const struct occurrence *o) {
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
    add_text(t, o->at_ms, commit ? PAINT_GREEN : PAINT_RED, &text);
}

static void by_hand(struct timeline *t, const struct occurrence *o) {
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
    struct operation *op = o->state.length > 0 ? find_operation(t, o) : NULL;
    if (op != NULL)
        op->last.state = o->state;
    add_text(t, o->at_ms, PAINT_CYAN, &text);
}

static void begun(struct timeline *t, const struct occurrence *o) {
    struct buffer text;
    t->begin_ms = o->at_ms;
    buffer_init(&text, 64 * 1024);
    buffer_add_text(&text, o->half ? "half " : "begin");
    if (o->who.length > 0) {
        buffer_add_text(&text, "          by ");
        glyph_add_all(&text, o->who);
    }
    add_text(t, o->at_ms, PAINT_NONE, &text);
}

const char *timeline_mark(struct slice state) {
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
static void add_deliveries(struct timeline *t, struct buffer *to, struct json_value message) {
    struct json_value deliveries, delivery;
    bool first = true;
    if (!json_member(message, "deliveries", &deliveries) || deliveries.kind != JSON_ARRAY)
        return;
    struct json_cursor cursor = json_cursor_of(deliveries);
    while (json_element_next(&cursor, &delivery)) {
        struct slice state = cli_text(delivery, "status", &t->arena);
        buffer_add_text(to, first ? " → " : ", ");
        first = false;
        glyph_add_all(to, cli_text(delivery, "subscription", &t->arena));
        buffer_add_format(to, " %s ", timeline_mark(state));
        glyph_add_all(to, state);
    }
    if (first)
        buffer_add_text(to,
                        cli_text(message, "finished", &t->arena).length > 0 ? " → nobody subscribes" : "");
}

static void sent(struct timeline *t, const struct occurrence *o) {
    struct buffer text;
    buffer_init(&text, 64 * 1024);
    buffer_add_text(&text, o->notice ? "notification " : "message ");
    glyph_add_all(&text, o->sent_to);
    size_t before = text.length;
    for (size_t i = 0; i < t->sent_count; i++)
        if (is_message(t->sent[i], o->sent))
            add_deliveries(t, &text, t->sent[i]);
    if (text.length == before) {
        buffer_add_text(&text, "  ");
        glyph_add_all(&text, o->sent);
    }
    add_text(t, o->at_ms, PAINT_NONE, &text);
}

static void finished(struct timeline *t, const struct occurrence *o) {
    struct buffer text;
    if (o->word.length == 0)
        return;
    buffer_init(&text, 64 * 1024);
    if (t->message && slice_is(o->word, "committed"))
        buffer_add_text(&text, t->lanes ? "all deliveries are over" : "nobody subscribes");
    else
        glyph_add_all(&text, o->word);
    add_text(t, o->at_ms, paint_of_status(o->word), &text);
}

void timeline_gather(struct timeline *t, struct json_value events) {
    struct json_value items = events, item;
    if (!json_member(events, "items", &items) && !json_member(events, "events", &items))
        items = events;
    if (items.kind != JSON_ARRAY)
        return;
    struct json_cursor cursor = json_cursor_of(items);
    while (json_element_next(&cursor, &item)) {
        struct occurrence o;
        occurrence_read(item, &t->arena, &o);
        switch (o.kind) {
        case OCCURRENCE_CREATED:
            begun(t, &o);
            break;
        case OCCURRENCE_STARTED:
            started(t, &o);
            break;
        case OCCURRENCE_ENDED:
            ended(t, &o);
            break;
        case OCCURRENCE_DECISION:
            decided(t, &o);
            break;
        case OCCURRENCE_FINISHED:
            finished(t, &o);
            break;
        case OCCURRENCE_SENT:
            sent(t, &o);
            break;
        case OCCURRENCE_BY_HAND:
            by_hand(t, &o);
            break;
        case OCCURRENCE_OTHER:
            break;
        }
        t->previous_ms = o.at_ms > 0 ? o.at_ms : t->previous_ms;
    }
}

void timeline_init(struct timeline *t) {
    *t = (struct timeline){ .entries = NULL };
    arena_init(&t->arena, 64 * 1024, SCRATCH_BYTES);
}

void timeline_done(struct timeline *t) {
    arena_done(&t->arena);
}
