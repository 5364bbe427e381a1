#include "base/duration.h"

#include "base/err.h"

static const struct {
    const char *text;
    uint64_t ms;
} units[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

#define UNITS (sizeof units / sizeof units[0])

int duration_parse(struct slice text, uint64_t *ms) {
    size_t digits = 0;
    uint64_t number;
    while (digits < text.length && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    for (size_t i = 0; i < UNITS; i++) {
        if (!slice_is(slice_from(text, digits), units[i].text))
            continue;
        int failed = slice_u64(slice_upto(text, digits), &number);
        if (failed == 0 && __builtin_mul_overflow(number, units[i].ms, &number))
            failed = ERR_LIMIT;
        if (failed == 0)
            *ms = number;
        return failed;
    }
    return ERR_SYNTAX;
}

void duration_add(struct buffer *to, uint64_t ms) {
    if (ms == 0) {
        buffer_add_text(to, "0s");
        return;
    }
    for (size_t i = 0; i < UNITS; i++)
        /* One day is written "24h", as people say it; longer ones in days. */
        if (ms % units[i].ms == 0 && (units[i].ms != 86400000 || ms != units[i].ms)) {
            buffer_add_u64(to, ms / units[i].ms);
            buffer_add_text(to, units[i].text);
            return;
        }
}
