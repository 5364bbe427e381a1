#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/moment.h"

void progress_begin(struct progress *p, const struct cli *cli) {
    *p = (struct progress){ .started_ms = moment_now_ms(), .on = isatty(STDERR_FILENO) && !cli->quiet };
}

void progress_tick(struct progress *p, const char *format, ...) {
    static const char *const wheel[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" };
    int64_t now_ms = moment_now_ms();
    va_list arguments;
    if (!p->on || now_ms - p->started_ms < 1000 || now_ms - p->shown_ms < 100)
        return;
    p->shown_ms = now_ms;
    p->shown = true;
    fprintf(stderr, "\r\033[K%s ", wheel[p->turn++ % 10]);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "  %d s", (int)((now_ms - p->started_ms) / 1000));
    fflush(stderr);
}

void progress_end(struct progress *p) {
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
