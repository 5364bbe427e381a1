#include "sim/sometimes.h"

#include <assert.h>

static uint64_t own_hits[SOMETIMES_COUNT];

uint64_t *sometimes_hits = own_hits;

static const struct {
    const char *name;
    const char *sentence;
} points[] = {
#define X(name, sentence) { #name, sentence },
    SOMETIMES_LIST(X)
#undef X
};

const char *sometimes_name(size_t point) {
    assert(point < SOMETIMES_COUNT);
    return points[point].name;
}

const char *sometimes_sentence(size_t point) {
    assert(point < SOMETIMES_COUNT);
    return points[point].sentence;
}
