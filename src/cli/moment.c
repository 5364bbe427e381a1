#include "cli/moment.h"

#include <time.h>

int64_t moment_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void moment_add_span(struct buffer *to, int64_t ms) {
    ms = ms < 0 ? 0 : ms;
    if (ms < 1000)
        buffer_add_format(to, "%d ms", (int)ms);
    else if (ms < 60 * 1000)
        buffer_add_format(to, "%.*f s", ms < 10000 ? 2 : 1, (double)ms / 1000);
    else if (ms < 3600 * 1000)
        buffer_add_format(to, "%d m %02d s", (int)(ms / 60000), (int)(ms / 1000 % 60));
    else
        buffer_add_format(to, "%lld h %02d m", (long long)(ms / 3600000), (int)(ms / 60000 % 60));
}

void moment_add_age(struct buffer *to, int64_t ms) {
    int64_t seconds = ms < 0 ? 0 : ms / 1000;
    if (seconds < 60)
        buffer_add_format(to, "%ds", (int)seconds);
    else if (seconds < 3600)
        buffer_add_format(to, "%dm", (int)(seconds / 60));
    else if (seconds < 24 * 3600)
        buffer_add_format(to, "%dh%02dm", (int)(seconds / 3600), (int)(seconds / 60 % 60));
    else
        buffer_add_format(to, "%lldd", (long long)(seconds / 86400));
}

void moment_add_clock(struct buffer *to, int64_t epoch_ms) {
    time_t seconds = (time_t)(epoch_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    buffer_add_format(to, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(epoch_ms % 1000));
}
