/* The watermark: how far this store has ever said "durable", kept beside the databases in DIRECTORY/watermark
 * (reliability.md P7, design.md section 2).
 *
 * Why. SQLite drops a damaged tail of its write-ahead log in silence: one flipped bit, and hundreds of
 * acknowledged commits were gone while the integrity check was content. A database that is behind its
 * watermark has lost something, and must not start.
 *
 * The file: 64-byte lines of text, a heading and one line per shard: "SS EEEEEEEEEEEEEEEEEEEE
 * SSSSSSSSSSSSSSSSSSSS CCCCCCCCCCCCCCCC": shard, epoch, batch, XXH3-64 of the three numbers in hex. A line is
 * overwritten in place after each acknowledgement and not synced: a killed process loses none of it, a power
 * failure may set it back, which is harmless. No line crosses a sector.
 *
 * One thread at a time. */
#ifndef STORE_WATERMARK_H
#define STORE_WATERMARK_H

#include <stdint.h>

#include "base/err.h"

struct watermark {
    int fd; /* -1: not open */
};

struct watermark_line {
    uint64_t epoch;
    uint64_t seq;
};

/* ERR_NOT_FOUND: no such file; ERR_IO. */
int watermark_open(struct watermark *w, const char *directory, struct why *why);
/* Put a file with all lines at zero in place, synced, replacing one that is there; then open it. ERR_IO,
 * ERR_SPACE. */
int watermark_create(struct watermark *w, const char *directory, struct why *why);
void watermark_close(struct watermark *w); /* may be called when not open */

/* shard < LIMIT_SHARDS. ERR_CORRUPT: the line is damaged. ERR_IO. */
int watermark_get(const struct watermark *w, unsigned shard, struct watermark_line *out, struct why *why);
int watermark_set(const struct watermark *w, unsigned shard, struct watermark_line line, struct why *why);
int watermark_sync(const struct watermark *w, struct why *why);

#endif
