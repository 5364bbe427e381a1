#include "server/logs.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/json.h"
#include "base/utf8.h"

enum {
    LINES_PER_SECOND = 100,
    DETAIL_BYTES = 1024,
};

static const struct {
    const char *name;
    enum log_level level;
    const char *sentence;
} events[LOG_EVENT_COUNT] = {
#define LOG(id, name_, level_, sentence_) [LOG_##id] = { (name_), LOG_LEVEL_##level_, (sentence_) },
#define METRIC(id, name, type, label, sentence)
#include "server/catalog.def"
#undef LOG
#undef METRIC
};

static struct {
    bool json;
    enum log_level least;
    uint64_t counts[LOG_LEVEL_COUNT];
    struct {
        uint64_t second;
        uint32_t lines;
        uint64_t folded;
    } sites[LOG_EVENT_COUNT];
} logs = { .least = LOG_LEVEL_NOTE };

void logs_set(bool json, enum log_level least) {
    assert(least < LOG_LEVEL_COUNT);
    logs.json = json;
    logs.least = least;
}

bool logs_wants(enum log_event event) {
    return events[event].level <= logs.least;
}

uint64_t logs_count(enum log_level level) {
    return logs.counts[level];
}

const char *logs_level_word(enum log_level level) {
    static const char *const words[] = { "error", "warn", "note", "debug" };
    assert(level < LOG_LEVEL_COUNT);
    return words[level];
}

/* Controls, the C1 ones of ECMA-48 (U+0080 to U+009F, 0x9b begins a sequence) and what turns the direction of
 * text or ends a line (U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069). */
static bool is_odd(const unsigned char *at, size_t length) {
    if (length == 1)
        return at[0] < 0x20 || at[0] == 0x7f || at[0] == '\\';
    if (length == 2)
        return at[0] == 0xc2 && at[1] < 0xa0;
    if (length != 3 || at[0] != 0xe2)
        return length == 0;
    return (at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae))) ||
           (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
}

/* Nothing that could begin a new line, move a terminal's cursor or turn text around. */
static void add_escaped(struct buffer *to, struct slice text) {
    const char *end = text.length == 0 ? text.at : text.at + text.length;
    for (const char *at = text.at; at < end;) {
        size_t length = utf8_length(at, end);
        bool odd = is_odd((const unsigned char *)at, length);
        length = length == 0 ? 1 : length;
        for (size_t i = 0; i < length; i++)
            if (odd)
                buffer_add_format(to, "\\x%02x", (unsigned char)at[i]);
            else
                buffer_add_byte(to, at[i]);
        at += length;
    }
}

void logs_render(struct buffer *to, bool json, uint64_t now_ms, enum log_event event, uint64_t folded,
                 struct slice details) {
    struct json_writer w;
    if (json) {
        struct buffer at;
        buffer_init(&at, 64);
        instant_add(&at, now_ms);
        json_writer_init(&w, to);
        json_put_object(&w, NULL);
        json_put_string(&w, "at", buffer_slice(&at));
        json_put_text(&w, "level", logs_level_word(events[event].level));
        json_put_text(&w, "event", events[event].name);
        json_put_text(&w, "say", events[event].sentence);
        if (details.length > 0) {
            struct buffer escaped;
            buffer_init(&escaped, 16384);
            add_escaped(&escaped, details);
            json_put_string(&w, "details", buffer_slice(&escaped));
            buffer_done(&escaped);
        }
        if (folded > 0)
            json_put_u64(&w, "folded", folded);
        json_put_end(&w);
        buffer_done(&at);
    } else {
        instant_add(to, now_ms);
        buffer_add_format(to, " %-5s %s: ", logs_level_word(events[event].level), events[event].name);
        buffer_add_text(to, events[event].sentence);
        if (details.length > 0)
            buffer_add_byte(to, ' ');
        add_escaped(to, details);
        if (folded > 0)
            buffer_add_format(to, " (and %llu more like it)", (unsigned long long)folded);
    }
    buffer_add_byte(to, '\n');
}

static uint64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void logs_say(enum log_event event, const char *format, ...) {
    char details[DETAIL_BYTES];
    struct buffer line;
    va_list arguments;
    assert(event < LOG_EVENT_COUNT);
    logs.counts[events[event].level]++;
    if (!logs_wants(event))
        return;
    uint64_t now = wall_ms();
    if (logs.sites[event].second != now / 1000) {
        logs.sites[event].second = now / 1000;
        logs.sites[event].lines = 0;
    }
    if (++logs.sites[event].lines > LINES_PER_SECOND) {
        logs.sites[event].folded++;
        return;
    }
    va_start(arguments, format);
    int length = vsnprintf(details, sizeof details, format, arguments);
    va_end(arguments);
    length = length < 0 ? 0 : length >= DETAIL_BYTES ? DETAIL_BYTES - 1 : length;
    buffer_init(&line, 16384);
    logs_render(&line, logs.json, now, event, logs.sites[event].folded, slice_of(details, (size_t)length));
    logs.sites[event].folded = 0;
    /* A log nobody can read any more is no reason to stop. */
    if (buffer_failed(&line) == 0 && write(STDERR_FILENO, line.at, line.length) < 0)
        logs.sites[event].folded++;
    buffer_done(&line);
}
