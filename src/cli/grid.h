/* A table on a terminal: a head, rows of cells, columns as wide as their content and together no wider than
 * the terminal.
 *
 * When it does not fit, the widest columns give way first, down to GRID_NARROWEST; the last column may always
 * be cut. Cells are copied. A failure (memory) shows in buffer_failed of what is drawn. */
#ifndef CLI_GRID_H
#define CLI_GRID_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "cli/glyph.h"

#define GRID_COLUMNS_MAX 16
#define GRID_NARROWEST 6

struct grid_cell {
    struct slice text;
    enum paint paint;
};

struct grid {
    struct arena arena;
    const char *names[GRID_COLUMNS_MAX];
    size_t column_count;
    struct grid_row *rows, *last;
    size_t filled; /* cells in the last row */
};

/* names: column heads, copied by pointer. */
void grid_init(struct grid *g, const char *const *names, size_t count);
void grid_done(struct grid *g);
void grid_row(struct grid *g); /* begin the next row */
void grid_cell(struct grid *g, struct slice text, enum paint paint);
/* Draw all of it, or only the columns named in the comma-separated list (any case, their order). width 0: no
 * limit. ERR_INVALID when the list names a column that is not there (the why lists the names). */
int grid_draw(const struct grid *g, struct buffer *to, const char *only, size_t width, bool colour, bool head,
              struct why *why);

#endif
