/* A line on stderr that says that something is going on, for everything that takes longer than a second. Only
 * on a terminal; it leaves nothing behind. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"

struct progress {
    int64_t started_ms, shown_ms;
    unsigned turn;
    bool on, shown;
};

void progress_begin(struct progress *p, const struct cli *cli);
/* Call it as often as you like; it draws at most ten times a second. printf-style: what is going on. */
void progress_tick(struct progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void progress_end(struct progress *p);

#endif
