/* Log lines on stderr: one a line, text or JSON, every event declared once in server/catalog.def.
 *
 * Whatever comes from outside is escaped as \xNN, alike in both shapes: controls, bytes that are not UTF-8
 * and what turns the direction of text. So a line is a line and a terminal stays as it is (reliability.md
 * H10). No event writes more than 100 lines a second; what is over is counted and told with the next line.
 * Callers never pass secrets or payloads. Only the loop's thread logs; rooms below return errors instead. */
#ifndef SERVER_LOGS_H
#define SERVER_LOGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_NOTE,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_COUNT,
};

enum log_event {
#define LOG(id, name, level, sentence) LOG_##id,
#define METRIC(id, name, type, label, sentence)
#include "server/catalog.def"
#undef LOG
#undef METRIC
    LOG_EVENT_COUNT,
};

/* json: one JSON object a line. least: events below this level are not written (but counted). */
void logs_set(bool json, enum log_level least);
/* Whether such an event would be written, for callers whose arguments are work to make. */
bool logs_wants(enum log_event event);
/* One line: time, level, event, its sentence and these details (printf-style, cut at 1 KiB). */
void logs_say(enum log_event event, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Lines per level since start, folded ones included. */
uint64_t logs_count(enum log_level level);
const char *logs_level_word(enum log_level level);
/* The line that logs_say would write, for tests: now_ms is wall time. */
void logs_render(struct buffer *to, bool json, uint64_t now_ms, enum log_event event, uint64_t folded,
                 struct slice details);

#endif
