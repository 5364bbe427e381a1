#include "base/instant.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

#define DAY_MS UINT64_C(86400000)

static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const days[] = {
    "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"
}; /* day 0 was a Thursday */

struct date {
    uint32_t year;
    uint32_t month; /* 1 to 12 */
    uint32_t day;   /* 1 to 31 */
};

static bool leap(uint32_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t month_days(uint32_t year, uint32_t month) {
    static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    assert(month >= 1 && month <= 12);
    return lengths[month - 1] + (month == 2 && leap(year));
}

/* Days from 0000-03-01, counted in years that begin in March, so that the leap day is a year's last. */
static uint64_t days_from_march(uint32_t year, uint32_t month, uint32_t day) {
    uint32_t y = month <= 2 ? year - 1 : year;
    uint32_t m = month <= 2 ? month + 9 : month - 3;
    return UINT64_C(365) * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
}

#define EPOCH_DAYS 719468 /* days_from_march(1970, 1, 1) */

static struct date date_of(uint64_t day_number) {
    uint64_t n = day_number + EPOCH_DAYS;
    uint64_t era = n / 146097; /* 400 years */
    uint64_t in_era = n % 146097;
    uint64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * in_year + 2) / 153;
    struct date d = { .day = (uint32_t)(in_year - (153 * month + 2) / 5 + 1) };
    d.month = (uint32_t)(month < 10 ? month + 3 : month - 9);
    d.year = (uint32_t)(era * 400 + year + (d.month <= 2));
    return d;
}

/* A number with leading zeros up to a width, over what is there. */
static void write_padded(char *to, uint64_t number, unsigned width) {
    uint32_t left = (uint32_t)number; /* years, hours, milliseconds: it is short */
    assert(number < 10000);
    for (unsigned i = width; i > 0; i--) {
        to[i - 1] = (char)('0' + left % 10);
        left /= 10;
    }
}

/* Over "hh:mm:ss". */
static void write_clock(char *to, uint64_t ms_of_day) {
    uint32_t seconds = (uint32_t)(ms_of_day / 1000);
    write_padded(to, seconds / 3600, 2);
    write_padded(to + 3, seconds / 60 % 60, 2);
    write_padded(to + 6, seconds % 60, 2);
}

void instant_add(struct buffer *to, uint64_t epoch_ms) {
    uint64_t ms = epoch_ms < INSTANT_MAX_MS ? epoch_ms : INSTANT_MAX_MS;
    struct date d = date_of(ms / DAY_MS);
    char text[] = "yyyy-mm-ddThh:mm:ss.mmmZ";
    write_padded(text, d.year, 4);
    write_padded(text + 5, d.month, 2);
    write_padded(text + 8, d.day, 2);
    write_clock(text + 11, ms % DAY_MS);
    write_padded(text + 20, ms % 1000, 3);
    buffer_add(to, text, sizeof text - 1);
}

void instant_add_http(struct buffer *to, uint64_t epoch_ms) {
    uint64_t ms = epoch_ms < INSTANT_MAX_MS ? epoch_ms : INSTANT_MAX_MS;
    struct date d = date_of(ms / DAY_MS);
    char text[] = "ddd, dd mmm yyyy hh:mm:ss GMT";
    memcpy(text, days[ms / DAY_MS % 7], 3);
    write_padded(text + 5, d.day, 2);
    memcpy(text + 8, months[d.month - 1], 3);
    write_padded(text + 12, d.year, 4);
    write_clock(text + 17, ms % DAY_MS);
    buffer_add(to, text, sizeof text - 1);
}

/* Take exactly width digits off the front. */
static bool take_number(struct slice *text, size_t width, uint32_t *number) {
    uint64_t wide;
    if (text->length < width || slice_u64(slice_upto(*text, width), &wide) != 0)
        return false;
    *number = (uint32_t)wide;
    *text = slice_from(*text, width);
    return true;
}

static bool take_byte(struct slice *text, char byte) {
    if (text->length == 0 || text->at[0] != byte)
        return false;
    *text = slice_from(*text, 1);
    return true;
}

/* HH:MM:SS, as milliseconds of the day. */
static bool take_clock(struct slice *text, uint64_t *ms) {
    uint32_t hour;
    uint32_t minute;
    uint32_t second;
    if (!take_number(text, 2, &hour) || !take_byte(text, ':') || !take_number(text, 2, &minute) ||
        !take_byte(text, ':') || !take_number(text, 2, &second))
        return false;
    *ms = ((hour * 60 + minute) * UINT64_C(60) + second) * 1000;
    return hour < 24 && minute < 60 && second < 60;
}

/* The optional fraction of a second, cut to milliseconds. */
static bool take_fraction(struct slice *text, uint64_t *ms) {
    uint64_t weight = 100;
    *ms = 0;
    if (!take_byte(text, '.'))
        return true;
    size_t begin = text->length;
    while (text->length > 0 && text->at[0] >= '0' && text->at[0] <= '9') {
        *ms += (uint64_t)(text->at[0] - '0') * weight;
        weight /= 10;
        *text = slice_from(*text, 1);
    }
    return text->length < begin;
}

/* Minutes east of Greenwich. */
static bool take_offset(struct slice *text, int64_t *minutes) {
    uint32_t hour;
    uint32_t minute;
    *minutes = 0;
    if (take_byte(text, 'Z') || take_byte(text, 'z'))
        return true;
    bool west = take_byte(text, '-');
    if ((!west && !take_byte(text, '+')) || !take_number(text, 2, &hour) || !take_byte(text, ':') ||
        !take_number(text, 2, &minute))
        return false;
    *minutes = (int64_t)hour * 60 + minute;
    if (west)
        *minutes = -*minutes;
    return hour < 24 && minute < 60;
}

static bool date_exists(const struct date *d) {
    return d->month >= 1 && d->month <= 12 && d->day >= 1 && d->day <= month_days(d->year, d->month);
}

/* Put together what was read; ms_of_day may have been moved out of its day by an offset. */
static int compose(const struct date *d, int64_t ms_of_day, uint64_t *epoch_ms) {
    if (!date_exists(d))
        return ERR_SYNTAX;
    if (d->year < 1969)
        return ERR_LIMIT;
    int64_t day = (int64_t)days_from_march(d->year, d->month, d->day) - EPOCH_DAYS;
    int64_t ms = day * (int64_t)DAY_MS + ms_of_day;
    if (ms < 0 || (uint64_t)ms > INSTANT_MAX_MS)
        return ERR_LIMIT;
    *epoch_ms = (uint64_t)ms;
    return 0;
}

int instant_parse(struct slice text, uint64_t *epoch_ms) {
    struct date d;
    uint64_t ms;
    uint64_t fraction;
    int64_t offset;
    if (!take_number(&text, 4, &d.year) || !take_byte(&text, '-') || !take_number(&text, 2, &d.month) ||
        !take_byte(&text, '-') || !take_number(&text, 2, &d.day))
        return ERR_SYNTAX;
    if (!take_byte(&text, 'T') && !take_byte(&text, 't'))
        return ERR_SYNTAX;
    if (!take_clock(&text, &ms) || !take_fraction(&text, &fraction) || !take_offset(&text, &offset) ||
        text.length > 0)
        return ERR_SYNTAX;
    return compose(&d, (int64_t)(ms + fraction) - offset * 60000, epoch_ms);
}

/* One of the names, each of three letters; count when it is none. */
static uint32_t take_name(struct slice *text, const char *const *names, uint32_t count) {
    uint32_t i = 0;
    while (i < count && !slice_starts(*text, names[i]))
        i++;
    *text = slice_from(*text, 3);
    return i;
}

int instant_parse_http(struct slice text, uint64_t *epoch_ms) {
    struct date d;
    uint64_t ms;
    if (take_name(&text, days, 7) == 7 || !take_byte(&text, ',') || !take_byte(&text, ' ') ||
        !take_number(&text, 2, &d.day) || !take_byte(&text, ' '))
        return ERR_SYNTAX;
    d.month = take_name(&text, months, 12) + 1;
    if (d.month > 12 || !take_byte(&text, ' ') || !take_number(&text, 4, &d.year) || !take_byte(&text, ' ') ||
        !take_clock(&text, &ms) || !slice_is(text, " GMT"))
        return ERR_SYNTAX;
    return compose(&d, (int64_t)ms, epoch_ms);
}
