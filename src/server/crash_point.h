/* Places where a test may kill the daemon dead, as kill -9 or a power cut would: SETTLE_CRASH=name:count dies
 * at the count-th time that the point is reached (count 1 when left out). `settled --list-crash-points`
 * prints the list, server/crash_point.def. Source: reliability.md R2 and CP1-CP20.
 *
 * Unarmed, a point costs one load and one branch. Loop thread only. */
#ifndef SERVER_CRASH_POINT_H
#define SERVER_CRASH_POINT_H

#include "base/bytes.h"
#include "base/err.h"

enum crash_point {
#define CRASH_POINT_ROW(id, name, where) CRASH_POINT_##id,
#include "server/crash_point.def"
#undef CRASH_POINT_ROW
    CRASH_POINT_COUNT,
};

/* The armed point, or CRASH_POINT_COUNT. */
extern enum crash_point crash_point_armed;

#define CRASH_POINT(id)                                                 \
    do {                                                                \
        if (__builtin_expect(crash_point_armed == CRASH_POINT_##id, 0)) \
            crash_point_reach();                                        \
    } while (0)

/* The armed point was reached: dies when it was the last time to come. */
void crash_point_reach(void);
/* Arm from the text of SETTLE_CRASH; NULL or empty arms nothing. ERR_NOT_FOUND no such point, ERR_SYNTAX. */
int crash_point_arm(const char *text, struct why *why);
/* name, a tab and what has happened there, one a line. */
void crash_point_list(struct buffer *to);

#endif
