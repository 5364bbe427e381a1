#include "base/word.h"

#include <assert.h>

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Three rows of the table are alive: two above, for a swap, and the one being filled. */
size_t word_distance(struct slice a, struct slice b) {
    size_t rows[3][WORD_BYTES + 1];
    if (a.length > WORD_BYTES || b.length > WORD_BYTES)
        return WORD_BYTES + 1;
    for (size_t j = 0; j <= b.length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            bool same = lower(a.at[i - 1]) == lower(b.at[j - 1]);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && lower(a.at[i - 1]) == lower(b.at[j - 2]) &&
                lower(a.at[i - 2]) == lower(b.at[j - 1]))
                row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a.length % 3][b.length];
}

const char *word_nearest(struct slice text, const char *const *known, size_t count) {
    const char *nearest = NULL;
    size_t best = WORD_BYTES + 1;
    for (size_t i = 0; i < count; i++) {
        assert(known[i] != NULL);
        struct slice word = slice_text(known[i]);
        size_t distance = word_distance(text, word);
        size_t longer = word.length > text.length ? word.length : text.length;
        /* Short words: one slip is allowed from two letters on. */
        if (distance < best && distance <= (longer < 3 ? longer / 2 : (longer + 2) / 3)) {
            best = distance;
            nearest = known[i];
        }
    }
    return nearest;
}
