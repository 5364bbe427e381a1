/* What another process has used so far, as Linux counts it in /proc. Read it twice and subtract. */
#ifndef BENCH_GAUGE_H
#define BENCH_GAUGE_H

#include <stdint.h>

struct gauge {
    uint64_t cpu_us;        /* user and system, all threads */
    uint64_t rss_bytes;     /* now */
    uint64_t written_bytes; /* that left for a disk: write_bytes of /proc/PID/io */
};

/* 0, or ERR_NOT_FOUND when there is no such process or it may not be looked at. */
int gauge_read(long pid, struct gauge *out);
/* CPU of the calling process itself, in the same unit. */
uint64_t gauge_own_cpu_us(void);

#endif
