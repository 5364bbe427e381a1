#include "sink/http/breaker.h"

#include <assert.h>

void breaker_init(struct breaker *b, uint64_t now_ms) {
    *b = (struct breaker){ .slice = now_ms / BREAKER_SLICE_MS };
}

/* The slice that now falls into; slices that time has passed over are emptied. */
static struct breaker_slice *current(struct breaker *b, uint64_t now_ms) {
    uint64_t number = now_ms / BREAKER_SLICE_MS;
    assert(number >= b->slice);
    if (number - b->slice >= BREAKER_SLICES)
        b->slice = number - BREAKER_SLICES;
    while (b->slice < number) {
        b->slice++;
        b->slices[b->slice % BREAKER_SLICES] = (struct breaker_slice){ 0 };
    }
    return &b->slices[number % BREAKER_SLICES];
}

static bool fails_too_often(const struct breaker *b) {
    uint64_t calls = 0, failures = 0;
    for (int i = 0; i < BREAKER_SLICES; i++) {
        calls += b->slices[i].calls;
        failures += b->slices[i].failures;
    }
    return b->failures_in_row >= BREAKER_ROW || (calls >= BREAKER_LEAST && failures * 2 >= calls);
}

bool breaker_allows(struct breaker *b, uint64_t now_ms) {
    if (!b->open)
        return true;
    if (now_ms < b->probe_at_ms)
        return false;
    b->probe_at_ms = now_ms + BREAKER_PROBE_MS;
    return true;
}

void breaker_failed(struct breaker *b, uint64_t now_ms) {
    struct breaker_slice *slice = current(b, now_ms);
    slice->calls++;
    slice->failures++;
    if (b->failures_in_row < UINT32_MAX)
        b->failures_in_row++;
    if (!b->open && fails_too_often(b)) {
        b->open = true;
        b->probe_at_ms = now_ms + BREAKER_PROBE_MS;
    }
}

void breaker_answered(struct breaker *b, uint64_t now_ms) {
    if (b->open)
        breaker_init(b, now_ms); /* its past failures must not open it again at once */
    current(b, now_ms)->calls++;
    b->failures_in_row = 0;
}
