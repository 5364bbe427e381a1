#include "server/crash_point.h"

#include <signal.h>
#include <stdint.h>
#include <unistd.h>

enum crash_point crash_point_armed = CRASH_POINT_COUNT;
static uint64_t left;

static const struct {
    const char *name;
    const char *where;
} points[CRASH_POINT_COUNT] = {
#define CRASH_POINT_ROW(id, name_, where_) [CRASH_POINT_##id] = { (name_), (where_) },
#include "server/crash_point.def"
#undef CRASH_POINT_ROW
};

void crash_point_reach(void) {
    if (--left > 0)
        return;
    kill(getpid(), SIGKILL);
    _exit(137);
}

int crash_point_arm(const char *text, struct why *why) {
    struct slice all = slice_text(text);
    size_t colon = slice_find(all, ':');
    uint64_t count = 1;
    if (all.length == 0)
        return 0;
    if (colon < all.length && (slice_u64(slice_from(all, colon + 1), &count) != 0 || count == 0))
        return why_set(why, ERR_SYNTAX, "SETTLE_CRASH=%s: expected NAME:COUNT", text);
    for (int i = 0; i < CRASH_POINT_COUNT; i++) {
        if (!slice_is(slice_upto(all, colon), points[i].name))
            continue;
        crash_point_armed = (enum crash_point)i;
        left = count;
        return 0;
    }
    return why_set(why, ERR_NOT_FOUND, "SETTLE_CRASH=%s: no such point; see settled --list-crash-points",
                   text);
}

void crash_point_list(struct buffer *to) {
    for (int i = 0; i < CRASH_POINT_COUNT; i++)
        buffer_add_format(to, "%s\t%s\n", points[i].name, points[i].where);
}
