/* Room on the store's disk: asked before new work is stepped, so that what was accepted can go on when the
 * disk fills up (reliability.md P1). Only the loop's thread. */
#ifndef SERVER_SPACE_H
#define SERVER_SPACE_H

#include <stdbool.h>
#include <stdint.h>

struct space {
    char directory[4096];
    uint64_t low_water; /* bytes that new work must leave alone */
    uint64_t free;      /* at the last look */
    uint64_t looked_us;
    bool low;
};

void space_init(struct space *s, const char *directory, uint64_t low_water);
/* Whether there is less room than new work may use: under low_water or a tenth of the file system, whichever
 * is less, and never less than what one turn and the journal's upkeep can need. Looks at the file system at
 * most once a millisecond; now_us is any monotonic clock. */
bool space_is_low(struct space *s, uint64_t now_us);

#endif
