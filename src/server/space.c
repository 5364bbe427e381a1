#include "server/space.h"

#include <stdio.h>
#include <sys/statvfs.h>

#include "base/limits.h"

enum {
    LOOK_EVERY_US = 1000,
    RESERVE_BYTES = 2 * LIMIT_TURN_BYTES,
};

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

void space_init(struct space *s, const char *directory, uint64_t low_water) {
    *s = (struct space){ .low_water = low_water, .free = UINT64_MAX };
    snprintf(s->directory, sizeof s->directory, "%s", directory);
}

bool space_is_low(struct space *s, uint64_t now_us) {
    struct statvfs system;
    if (s->looked_us != 0 && now_us < s->looked_us + LOOK_EVERY_US)
        return s->low;
    s->looked_us = now_us;
    if (statvfs(s->directory, &system) != 0)
        return s->low; /* a store that cannot be reached says so itself */
    uint64_t tenth = (uint64_t)system.f_blocks * system.f_frsize / 10;
    uint64_t mark = least(s->low_water, tenth);
    uint64_t reserve = least(RESERVE_BYTES, tenth);
    s->free = (uint64_t)system.f_bavail * system.f_frsize;
    s->low = s->free < (mark > reserve ? mark : reserve);
    return s->low;
}
