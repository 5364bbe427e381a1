#include "cli/grid.h"

#include <assert.h>
#include <string.h>

#define GAP 2

struct grid_row {
    struct grid_row *next;
    struct grid_cell cells[GRID_COLUMNS_MAX];
};

/* The columns to be drawn, in order, and how wide. */
struct plan {
    size_t columns[GRID_COLUMNS_MAX];
    size_t widths[GRID_COLUMNS_MAX];
    size_t count;
};

void grid_init(struct grid *g, const char *const *names, size_t count) {
    assert(count > 0);
    assert(count <= GRID_COLUMNS_MAX);
    *g = (struct grid){ .column_count = count };
    arena_init(&g->arena, 16 * 1024, 256 * 1024 * 1024);
    memcpy(g->names, names, count * sizeof *names);
}

void grid_done(struct grid *g) {
    arena_done(&g->arena);
}

void grid_row(struct grid *g) {
    struct grid_row *row = arena_take(&g->arena, sizeof *row);
    if (row == NULL)
        return;
    if (g->last == NULL)
        g->rows = row;
    else
        g->last->next = row;
    g->last = row;
    g->filled = 0;
}

void grid_cell(struct grid *g, struct slice text, enum paint paint) {
    struct slice copy = SLICE_NONE;
    if (g->last == NULL || g->filled >= g->column_count)
        return;
    arena_copy(&g->arena, text, &copy);
    g->last->cells[g->filled++] = (struct grid_cell){ .text = copy, .paint = paint };
}

static int choose(const struct grid *g, const char *only, struct plan *p, struct why *why) {
    struct slice rest = slice_text(only);
    if (rest.length == 0) {
        for (size_t i = 0; i < g->column_count; i++)
            p->columns[p->count++] = i;
        return 0;
    }
    while (rest.length > 0 && p->count < GRID_COLUMNS_MAX) {
        struct slice name = slice_trim(slice_upto(rest, slice_find(rest, ',')));
        size_t i = 0;
        while (i < g->column_count && !slice_is_nocase(name, g->names[i]))
            i++;
        if (i == g->column_count) {
            why_set(why, ERR_INVALID, "no column \"%.*s\"; there are:", SLICE_PRINT(name));
            for (size_t k = 0; k < g->column_count && why != NULL; k++)
                strncat(strncat(why->text, " ", sizeof why->text - strlen(why->text) - 1), g->names[k],
                        sizeof why->text - strlen(why->text) - 1);
            return ERR_INVALID;
        }
        p->columns[p->count++] = i;
        rest = slice_from(rest, slice_find(rest, ',') + 1);
    }
    return 0;
}

static void measure(const struct grid *g, struct plan *p, bool head) {
    for (size_t i = 0; i < p->count; i++) {
        size_t widest = head ? glyph_width(slice_text(g->names[p->columns[i]])) : 0;
        for (const struct grid_row *row = g->rows; row != NULL; row = row->next) {
            size_t width = glyph_width(row->cells[p->columns[i]].text);
            widest = width > widest ? width : widest;
        }
        p->widths[i] = widest;
    }
}

/* Take from the widest column until it fits, or until every column is at its narrowest. */
static void squeeze(struct plan *p, size_t width) {
    for (;;) {
        size_t total = 0, widest = 0;
        for (size_t i = 0; i < p->count; i++) {
            total += p->widths[i] + (i > 0 ? GAP : 0);
            widest = p->widths[i] > p->widths[widest] ? i : widest;
        }
        if (total <= width || p->widths[widest] <= GRID_NARROWEST)
            return;
        p->widths[widest]--;
    }
}

static void draw_cell(struct buffer *to, struct slice text, enum paint paint, size_t width, bool last,
                      bool colour) {
    paint_begin(to, paint, colour && text.length > 0);
    size_t used = glyph_add(to, text, width);
    paint_end(to, paint, colour && text.length > 0);
    for (; !last && used < width + GAP; used++)
        buffer_add_byte(to, ' ');
}

int grid_draw(const struct grid *g, struct buffer *to, const char *only, size_t width, bool colour, bool head,
              struct why *why) {
    struct plan p = { .count = 0 };
    int result = choose(g, only, &p, why);
    if (result != 0)
        return result;
    measure(g, &p, head);
    if (width > 0)
        squeeze(&p, width);
    for (size_t i = 0; head && i < p.count; i++)
        draw_cell(to, slice_text(g->names[p.columns[i]]), PAINT_DIM, p.widths[i], i + 1 == p.count, colour);
    if (head)
        buffer_add_byte(to, '\n');
    for (const struct grid_row *row = g->rows; row != NULL; row = row->next) {
        for (size_t i = 0; i < p.count; i++)
            draw_cell(to, row->cells[p.columns[i]].text, row->cells[p.columns[i]].paint, p.widths[i],
                      i + 1 == p.count, colour);
        buffer_add_byte(to, '\n');
    }
    return 0;
}
