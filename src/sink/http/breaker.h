/* A breaker for one host and port: spares a host that cannot be reached, and the calls that would wait for
 * it.
 *
 * It counts failed connections and timeouts alone, never an HTTP answer of any kind (design.md 4 (14)). It
 * opens after BREAKER_ROW failures in a row, or when half of at least BREAKER_LEAST calls in the last 30 s
 * failed. While open it lets one call through every BREAKER_PROBE_MS, so that a host is found again within a
 * moment; the first answer closes it. Pure: time is passed in (ms, monotonic, never backwards). */
#ifndef SINK_BREAKER_H
#define SINK_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_ROW 20
#define BREAKER_LEAST 40
#define BREAKER_PROBE_MS 100
#define BREAKER_SLICES 15
#define BREAKER_SLICE_MS 2000 /* 15 slices of 2 s are the 30 s */

struct breaker_slice {
    uint32_t calls;
    uint32_t failures;
};

struct breaker {
    struct breaker_slice slices[BREAKER_SLICES]; /* a ring over time */
    uint64_t slice;                              /* number of the newest slice: time / BREAKER_SLICE_MS */
    uint64_t probe_at_ms;                        /* when open: the next call goes through */
    uint32_t failures_in_row;
    bool open;
};

void breaker_init(struct breaker *b, uint64_t now_ms);
/* May a call be made now? Asking an open breaker uses up the probe it grants. */
bool breaker_allows(struct breaker *b, uint64_t now_ms);
/* The call could not connect, or was not answered in time. */
void breaker_failed(struct breaker *b, uint64_t now_ms);
/* The host answered, whatever it said. */
void breaker_answered(struct breaker *b, uint64_t now_ms);

#endif
