#include "server/tail.h"

#include <string.h>

enum { ROW_BYTES = 48 }; /* what a batch costs beside its bytes */

void tail_init(struct tail *t, uint64_t bytes_max, uint64_t ms_max) {
    memset(t, 0, sizeof *t);
    tail_limit(t, bytes_max, ms_max);
}

void tail_limit(struct tail *t, uint64_t bytes_max, uint64_t ms_max) {
    t->bytes_max = bytes_max;
    t->ms_max = ms_max;
}

static struct tail_segment *segment(struct tail *t, size_t i) {
    return &t->segments[(t->first + i) % TAIL_SEGMENTS];
}

static void pass(struct tail *t) {
    const struct tail_segment *s = segment(t, 0);
    t->passed = s->last;
    t->bytes -= s->bytes;
    t->first = (t->first + 1) % TAIL_SEGMENTS;
    t->count--;
}

void tail_add(struct tail *t, uint64_t batch, size_t bytes, uint64_t at_ms) {
    struct tail_segment *s = t->count == 0 ? NULL : segment(t, t->count - 1);
    if (s == NULL || s->bytes >= t->bytes_max / TAIL_PARTS || at_ms >= s->begin_ms + t->ms_max / TAIL_PARTS) {
        if (t->count == TAIL_SEGMENTS) /* limits were changed often: less is kept than could be */
            pass(t);
        s = segment(t, t->count++);
        *s = (struct tail_segment){ .begin_ms = at_ms };
    }
    s->last = batch;
    s->bytes += bytes + ROW_BYTES;
    t->bytes += bytes + ROW_BYTES;
}

uint64_t tail_point(struct tail *t, uint64_t now_ms) {
    while (t->count > 0 && (t->bytes > t->bytes_max || segment(t, 0)->begin_ms + t->ms_max <= now_ms))
        pass(t);
    return t->passed;
}

uint64_t tail_due(const struct tail *t) {
    return t->count == 0 ? UINT64_MAX : t->segments[t->first].begin_ms + t->ms_max;
}
