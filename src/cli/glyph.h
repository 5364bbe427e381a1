/* Text on a terminal: how wide it is, how it is cut, and how it is coloured.
 *
 * Width is in terminal columns by wcwidth(3), so the program must have set an UTF-8 locale (glyph_locale).
 * Control characters and broken UTF-8 in text that came from outside are shown as '?', one for each byte: a
 * participant's answer must not move an operator's cursor (reliability.md H10). */
#ifndef CLI_GLYPH_H
#define CLI_GLYPH_H

#include <stdbool.h>
#include <stdio.h>

#include "base/bytes.h"

/* Use the user's locale when it is UTF-8, else C.UTF-8. Once, at the start of a program. */
void glyph_locale(void);

size_t glyph_width(struct slice text);
/* Append the text made safe, in at most width columns; a cut is marked by "…". Returns the columns used. */
size_t glyph_add(struct buffer *to, struct slice text, size_t width);
/* The same without a cut. */
size_t glyph_add_all(struct buffer *to, struct slice text);

enum paint {
    PAINT_NONE,
    PAINT_BOLD,
    PAINT_DIM,
    PAINT_RED,
    PAINT_GREEN,
    PAINT_YELLOW,
    PAINT_CYAN,
};

/* Escape sequences around a text; nothing when colour is off. */
void paint_begin(struct buffer *to, enum paint paint, bool colour);
void paint_end(struct buffer *to, enum paint paint, bool colour);
void paint_text(struct buffer *to, enum paint paint, bool colour, const char *text);
/* The colour of a status word: of transactions, messages, deliveries, notifications, findings. */
enum paint paint_of_status(struct slice status);

/* Columns of the terminal behind the stream, $COLUMNS when it is none, else 0 (no limit). */
size_t glyph_columns(FILE *stream);

#endif
