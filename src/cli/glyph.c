#include "cli/glyph.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

void glyph_locale(void) {
    if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

/* The next character: its bytes, and its columns. Anything that cannot be shown, or that would turn the
 * direction of the text around it, is shown byte by byte, one column each. */
static size_t next_glyph(struct slice text, size_t *columns, bool *safe) {
    wchar_t wide = 0;
    mbstate_t shift = { 0 };
    size_t bytes = mbrtowc(&wide, text.at, text.length, &shift);
    bool turns = (wide >= 0x200e && wide <= 0x200f) || (wide >= 0x202a && wide <= 0x202e) ||
                 (wide >= 0x2066 && wide <= 0x2069);
    int width = turns || bytes == (size_t)-1 || bytes == (size_t)-2 || bytes == 0 ? -1 : wcwidth(wide);
    *safe = width >= 0;
    *columns = *safe ? (size_t)width : 1;
    return *safe ? bytes : 1;
}

size_t glyph_width(struct slice text) {
    size_t total = 0;
    while (text.length > 0) {
        size_t columns;
        bool safe;
        text = slice_from(text, next_glyph(text, &columns, &safe));
        total += columns;
    }
    return total;
}

static void add_glyph(struct buffer *to, struct slice text, size_t bytes, bool safe) {
    if (safe)
        buffer_add(to, text.at, bytes);
    else
        buffer_add_byte(to, text.at[0] == '\n' || text.at[0] == '\t' ? ' ' : '?');
}

size_t glyph_add(struct buffer *to, struct slice text, size_t width) {
    size_t used = 0, whole = glyph_width(text), room = whole <= width ? width : width - (width > 0);
    while (text.length > 0) {
        size_t columns;
        bool safe;
        size_t bytes = next_glyph(text, &columns, &safe);
        if (used + columns > room)
            break;
        add_glyph(to, text, bytes, safe);
        used += columns;
        text = slice_from(text, bytes);
    }
    if (whole > width && width > 0) {
        buffer_add_text(to, "…");
        used++;
    }
    return used;
}

size_t glyph_add_all(struct buffer *to, struct slice text) {
    return glyph_add(to, text, SIZE_MAX);
}

static const char *const paint_codes[] = {
    [PAINT_NONE] = "",         [PAINT_BOLD] = "\033[1m",   [PAINT_DIM] = "\033[2m",
    [PAINT_RED] = "\033[31m",  [PAINT_GREEN] = "\033[32m", [PAINT_YELLOW] = "\033[33m",
    [PAINT_CYAN] = "\033[36m",
};

void paint_begin(struct buffer *to, enum paint paint, bool colour) {
    if (colour)
        buffer_add_text(to, paint_codes[paint]);
}

void paint_end(struct buffer *to, enum paint paint, bool colour) {
    if (colour && paint != PAINT_NONE)
        buffer_add_text(to, "\033[0m");
}

void paint_text(struct buffer *to, enum paint paint, bool colour, const char *text) {
    paint_begin(to, paint, colour);
    glyph_add_all(to, slice_text(text));
    paint_end(to, paint, colour);
}

enum paint paint_of_status(struct slice status) {
    static const struct {
        const char *word;
        enum paint paint;
    } words[] = {
        { "committed", PAINT_GREEN },  { "acked", PAINT_GREEN },      { "delivered", PAINT_GREEN },
        { "ok", PAINT_GREEN },         { "rolled_back", PAINT_RED },  { "rolling_back", PAINT_RED },
        { "dead", PAINT_RED },         { "refused", PAINT_RED },      { "gave_up", PAINT_RED },
        { "fail", PAINT_RED },         { "parked", PAINT_YELLOW },    { "retrying", PAINT_YELLOW },
        { "discarded", PAINT_YELLOW }, { "cancelled", PAINT_YELLOW }, { "paused", PAINT_YELLOW },
        { "disabled", PAINT_YELLOW },  { "warn", PAINT_YELLOW },
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_is(status, words[i].word))
            return words[i].paint;
    return slice_starts(status, "heuristic") ? PAINT_YELLOW : PAINT_CYAN;
}

size_t glyph_columns(FILE *stream) {
    struct winsize size;
    const char *variable = getenv("COLUMNS");
    uint64_t columns = 0;
    if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    if (variable != NULL && slice_u64(slice_text(variable), &columns) == 0 && columns >= 20 &&
        columns <= 10000)
        return (size_t)columns;
    return 0;
}
