#include "bench/gauge.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"

static int read_file(long pid, const char *name, char *to, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, to, size - 1);
    if (file >= 0)
        close(file);
    if (length <= 0)
        return ERR_NOT_FOUND;
    to[length] = '\0';
    return 0;
}

/* Field n of /proc/PID/stat, counted from 1; the second, the name, may hold blanks and brackets. */
static uint64_t stat_field(const char *stat, int n) {
    const char *at = strrchr(stat, ')');
    for (int field = 2; at != NULL && field < n; field++)
        at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

int gauge_read(long pid, struct gauge *out) {
    char text[4096];
    uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    struct gauge gauge = { .cpu_us = 0 };
    if (read_file(pid, "stat", text, sizeof text) != 0)
        return ERR_NOT_FOUND;
    gauge.cpu_us = (stat_field(text, 14) + stat_field(text, 15)) * tick_us;
    gauge.rss_bytes = stat_field(text, 24) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (read_file(pid, "io", text, sizeof text) == 0) {
        const char *at = strstr(text, "\nwrite_bytes: ");
        gauge.written_bytes = at == NULL ? 0 : strtoull(at + 14, NULL, 10);
    }
    *out = gauge;
    return 0;
}

uint64_t gauge_own_cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}
