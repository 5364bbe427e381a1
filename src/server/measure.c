#include "server/measure.h"

#include <stddef.h>

struct unit {
    const char *name;
    uint64_t worth;
};

/* Greatest first, so that writing takes the first that divides. */
static const struct unit durations[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }
};
static const struct unit sizes[] = {
    { "TiB", 1ull << 40 }, { "GiB", 1ull << 30 }, { "MiB", 1ull << 20 }, { "KiB", 1ull << 10 }, { "", 1 },
};

static int measure(const struct unit *units, size_t count, struct slice text, uint64_t *out) {
    size_t digits = 0;
    uint64_t number;
    while (digits < text.length && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    int code = slice_u64(slice_upto(text, digits), &number);
    if (code != 0)
        return code;
    for (size_t i = 0; i < count; i++) {
        if (!slice_is(slice_from(text, digits), units[i].name))
            continue;
        if (__builtin_mul_overflow(number, units[i].worth, &number))
            return ERR_LIMIT;
        *out = number;
        return 0;
    }
    return ERR_SYNTAX;
}

static void spell(const struct unit *units, struct buffer *to, uint64_t number) {
    while (units->worth > 1 && (number == 0 || number % units->worth != 0))
        units++;
    buffer_add_u64(to, number / units->worth);
    buffer_add_text(to, units->name);
}

int measure_duration(struct slice text, uint64_t *ms) {
    return measure(durations, sizeof durations / sizeof durations[0], text, ms);
}

void measure_add_duration(struct buffer *to, uint64_t ms) {
    spell(durations, to, ms);
}

int measure_bytes(struct slice text, uint64_t *bytes) {
    return measure(sizes, sizeof sizes / sizeof sizes[0], text, bytes);
}

void measure_add_bytes(struct buffer *to, uint64_t bytes) {
    spell(sizes, to, bytes);
}

int measure_thousandths(struct slice text, uint64_t *thousandths) {
    size_t dot = slice_find(text, '.');
    struct slice decimals = slice_from(text, dot + 1);
    uint64_t whole;
    uint64_t part = 0;
    int code = slice_u64(slice_upto(text, dot), &whole);
    if (code != 0)
        return code;
    if (dot < text.length && (decimals.length == 0 || decimals.length > 3))
        return ERR_SYNTAX;
    if (decimals.length > 0 && (code = slice_u64(decimals, &part)) != 0)
        return code;
    for (size_t i = decimals.length; decimals.length > 0 && i < 3; i++)
        part *= 10;
    if (__builtin_mul_overflow(whole, 1000u, &whole) || __builtin_add_overflow(whole, part, &whole))
        return ERR_LIMIT;
    *thousandths = whole;
    return 0;
}

void measure_add_thousandths(struct buffer *to, uint64_t thousandths) {
    uint64_t part = thousandths % 1000;
    buffer_add_u64(to, thousandths / 1000);
    if (part == 0)
        return;
    buffer_add_byte(to, '.');
    for (uint64_t digit = 100; part > 0; digit /= 10) {
        buffer_add_byte(to, (char)('0' + part / digit));
        part %= digit;
    }
}
