#include "base/size.h"

#include "base/err.h"

static const struct {
    const char *text;
    unsigned shift;
} units[] = {
    { "TiB", 40 }, { "GiB", 30 }, { "MiB", 20 }, { "KiB", 10 }, { "B", 0 },
};

#define UNITS (sizeof units / sizeof units[0])

int size_parse(struct slice text, uint64_t *bytes) {
    size_t digits = 0;
    uint64_t number;
    while (digits < text.length && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    struct slice unit = slice_from(text, digits);
    unsigned shift = 0;
    if (unit.length > 0) {
        size_t i = 0;
        while (i < UNITS && !slice_is(unit, units[i].text))
            i++;
        if (i == UNITS)
            return ERR_SYNTAX;
        shift = units[i].shift;
    }
    int failed = slice_u64(slice_upto(text, digits), &number);
    if (failed == 0 && __builtin_mul_overflow(number, UINT64_C(1) << shift, &number))
        failed = ERR_LIMIT;
    if (failed == 0)
        *bytes = number;
    return failed;
}

void size_add(struct buffer *to, uint64_t bytes) {
    size_t i = 0;
    while (i + 1 < UNITS && (bytes == 0 || bytes % (UINT64_C(1) << units[i].shift) != 0))
        i++;
    buffer_add_u64(to, bytes >> units[i].shift);
    buffer_add_text(to, units[i].text);
}
